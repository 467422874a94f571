//! Changes of groups that this home makes: each is a wish, which is signed upon the newest record
//! and signed anew when somebody else was faster, until the server has answered for good.

use std::collections::BTreeMap;

use bytes::BytesMut;
use martlet_protocol::frame::{Frame, GroupChange as ChangeFrame, GroupChanged, SignedRecord};
use martlet_protocol::group_record::{GroupRights, INFO_NONE, Right};
use martlet_protocol::wire::{Reader, Writer};
use martlet_protocol::{DecodeError, Millis, NackCode, Role, UserId};

use super::group_records::Took;
use super::state::Core;
use crate::content::{GROUP_INFO_BYTES_MAX, GroupInfo};
use crate::crypto::group_log::{Draft, RecordError, RecordName, Signer, VerifiedGroup, info_hash};
use crate::error::StoreError;
use crate::local::{ContactId, GroupDraft, GroupNotice, Notice, Tx};

/// The rights in a new group: members talk, admins change it.
pub(super) const RIGHTS_FIRST: GroupRights = GroupRights {
    add: Right::ADMINS,
    send: Right::MEMBERS,
    change: Right::ADMINS,
};

/// What is to become of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    /// The contents of a GROUP_INFO to have from then on.
    pub(super) info: Option<Vec<u8>>,
    pub(super) rights: Option<GroupRights>,
    pub(super) roles: BTreeMap<UserId, Role>,
}

impl Wish {
    /// Layout: flags u8 (1 info, 2 rights) · info bytes · rights 3 × u8 · roles varint, and of each
    /// user u64 · role u8.
    fn encode(&self) -> Vec<u8> {
        let mut out = BytesMut::new();
        let mut writer = Writer::new(&mut out);
        writer.u8(u8::from(self.info.is_some()) | u8::from(self.rights.is_some()) << 1);
        writer.bytes(self.info.as_deref().unwrap_or_default());
        self.rights.unwrap_or(RIGHTS_FIRST).write(&mut writer);
        writer.varint(self.roles.len() as u64);
        for (user, role) in &self.roles {
            writer.user(*user);
            writer.u8(role.0);
        }
        out.into()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let flags = reader.u8()?;
        let info = reader.bytes(GROUP_INFO_BYTES_MAX)?.to_vec();
        let rights = GroupRights::read(&mut reader)?;
        let mut roles = BTreeMap::new();
        for _ in 0..reader.varint()? {
            roles.insert(reader.user()?, Role(reader.u8()?));
        }
        Ok(Self {
            info: (flags & 1 != 0).then_some(info),
            rights: (flags & 2 != 0).then_some(rights),
            roles,
        })
    }

    pub(super) fn name(&mut self, info: &GroupInfo) {
        self.info = Some(info.encode().data);
    }

    /// Whether the group is as wished.
    fn is_fulfilled(&self, group: &VerifiedGroup) -> bool {
        let roster = group.roster();
        let info = self.info.as_deref().map(info_hash);
        info.is_none_or(|hash| hash == roster.info_hash)
            && self.rights.is_none_or(|rights| rights == roster.rights)
            && self
                .roles
                .iter()
                .all(|(user, role)| roster.role(*user) == *role)
    }
}

impl Core {
    /// Stores a wish. It goes out at the end of the call.
    pub(super) fn wish(
        &mut self,
        tx: &Tx<'_>,
        contact: ContactId,
        wish: &Wish,
    ) -> Result<(), StoreError> {
        tx.put_group_draft(&GroupDraft {
            contact,
            wish: wish.encode(),
            record: None,
        })?;
        self.groups.drafts.insert(contact, Millis(0));
        self.groups.refused.remove(&contact);
        Ok(())
    }

    /// Sends the changes whose time has come.
    pub(super) fn pump_group_drafts(&mut self, tx: &Tx<'_>, now: Millis) -> Result<(), StoreError> {
        let due = self.groups.drafts.iter();
        let due = due.filter(|(contact, not_before)| {
            **not_before <= now && !self.groups.changing.values().any(|it| it == *contact)
        });
        let due: Vec<ContactId> = due.map(|(contact, _)| *contact).collect();
        for contact in due {
            self.send_draft(tx, now, contact)?;
        }
        Ok(())
    }

    fn send_draft(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: ContactId,
    ) -> Result<(), StoreError> {
        let Some(mut draft) = tx.group_draft(contact)? else {
            self.groups.drafts.remove(&contact);
            return Ok(());
        };
        let row = Self::group_row(tx, contact)?;
        // The state is on its way: what is signed before would be stale, and it tells what has
        // become of a record that was sent.
        if row.is_known && self.groups.asks_for(row.group) {
            return Ok(());
        }
        if draft.record.is_none() {
            let wish = self.read_wish(&draft)?;
            match self.sign_wish(tx, now, contact, &wish)? {
                None => return Ok(()),
                Some(Ok(record)) => draft.record = Some(record),
                Some(Err(RecordError::Rule(rule))) => {
                    return self.refuse_draft(tx, now, contact, rule.code());
                }
                Some(Err(_)) => {
                    return self.refuse_draft(tx, now, contact, NackCode::RECORD_INVALID);
                }
            }
            tx.put_group_draft(&draft)?;
        }
        let request = self.next_key_request();
        self.groups.changing.insert(request, contact);
        self.write(&Frame::GroupChange(ChangeFrame {
            request,
            record: SignedRecord(draft.record.as_deref().unwrap_or_default()),
        }));
        Ok(())
    }

    /// The info that a change under way gives to a group.
    pub(super) fn wished_info(
        &self,
        tx: &Tx<'_>,
        contact: ContactId,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        match tx.group_draft(contact)? {
            Some(draft) => Ok(self.read_wish(&draft)?.info),
            None => Ok(None),
        }
    }

    fn read_wish(&self, draft: &GroupDraft) -> Result<Wish, StoreError> {
        Wish::decode(&draft.wish).map_err(|_| StoreError::RowInvalid {
            column: "group_drafts.wish",
        })
    }

    /// The record that makes a wish true; `None` while the own list is not there to sign with.
    fn sign_wish(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: ContactId,
        wish: &Wish,
    ) -> Result<Option<Result<Vec<u8>, RecordError>>, StoreError> {
        let group = self.group_of(tx, contact)?;
        let list = self.own_list(tx)?;
        let issued_at = self.server_time(now);
        let (Some(list), Some(key), Some(own)) = (list, &self.key, self.own_address()) else {
            return Ok(None);
        };
        let signer = Signer {
            key,
            device: own.device,
            list: &list,
        };
        let mut draft = match &group {
            Some(group) => group.draft(issued_at),
            None => Draft {
                rights: RIGHTS_FIRST,
                info_hash: INFO_NONE,
                changes: BTreeMap::new(),
                issued_at,
            },
        };
        if let Some(rights) = wish.rights {
            draft.rights = rights;
        }
        if let Some(info) = &wish.info {
            draft.info_hash = info_hash(info);
        }
        let is_new = |user: UserId, role: Role| {
            let before = group.as_ref().map(|group| group.roster().role(user));
            before != Some(role)
        };
        let roles = wish.roles.iter();
        let roles = roles.filter(|(user, role)| is_new(**user, **role));
        draft.changes = roles.map(|(user, role)| (*user, *role)).collect();
        let signed = match &group {
            Some(group) => group.signed(&signer, &draft),
            None => {
                let id = Self::group_row(tx, contact)?.group;
                VerifiedGroup::create(id, &signer, &draft)
            }
        };
        Ok(Some(signed.map(|(group, _)| group.record().to_vec())))
    }

    pub(super) fn on_group_changed(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        changed: &GroupChanged,
    ) -> Result<(), StoreError> {
        let Some(contact) = self.groups.changing.remove(&changed.request) else {
            return Ok(());
        };
        let Some(record) = tx.group_draft(contact)?.and_then(|draft| draft.record) else {
            return Ok(());
        };
        let took = self.take_record(tx, now, contact, (&record, None, changed.sequence))?;
        let group = Self::group_row(tx, contact)?.group;
        // Who has which devices is yet to be asked.
        self.groups.demand(group);
        match took {
            Took::New | Took::Known => self.finish_draft(tx, now, contact),
            // The state decides what has become of it.
            _ => Ok(()),
        }
    }

    /// A change is made: what belongs to it goes to the members.
    fn finish_draft(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: ContactId,
    ) -> Result<(), StoreError> {
        let Some(draft) = tx.group_draft(contact)? else {
            return Ok(());
        };
        let wish = self.read_wish(&draft)?;
        tx.drop_group_draft(contact)?;
        self.groups.drafts.remove(&contact);
        if let (Some(info), Some(own)) = (&wish.info, self.own_address()) {
            self.take_info(tx, contact, own.user, info)?;
        }
        let adds = wish.roles.values().any(|role| *role != Role::NONE);
        if let Some(info) = tx.group_info(contact)?
            && (adds || wish.info.is_some())
        {
            self.tell_info(tx, now, contact, info)?;
        }
        Ok(())
    }

    /// The state of a group is known: a change that has no answer was made, or is made anew.
    pub(super) fn on_draft_state(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: ContactId,
    ) -> Result<(), StoreError> {
        if self.groups.changing.values().any(|it| *it == contact) {
            return Ok(());
        }
        let (Some(mut draft), Some(group)) =
            (tx.group_draft(contact)?, self.group_of(tx, contact)?)
        else {
            return Ok(());
        };
        let name = draft.record.as_deref().map(RecordName::read);
        if let Some(Ok(name)) = name
            && tx.record_hash(contact, name.head.version)? == Some(name.head.hash)
        {
            return self.finish_draft(tx, now, contact);
        }
        if self.read_wish(&draft)?.is_fulfilled(&group) {
            return self.finish_draft(tx, now, contact);
        }
        draft.record = None;
        tx.put_group_draft(&draft)?;
        self.groups.drafts.insert(contact, now);
        Ok(())
    }

    pub(super) fn on_group_change_refused(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        (request, code): (u64, NackCode),
        until: Option<Millis>,
    ) -> Result<(), StoreError> {
        let Some(contact) = self.groups.changing.remove(&request) else {
            return Ok(());
        };
        let Some(until) = until else {
            return self.refuse_draft(tx, now, contact, code);
        };
        self.groups.drafts.insert(contact, until);
        if code == NackCode::GROUP_STALE {
            let row = Self::group_row(tx, contact)?;
            let version = self
                .group_of(tx, contact)?
                .map_or(0, |it| it.head().version);
            let made = (version, row.roster);
            self.groups
                .demand_after(now, row.group, made, &mut self.rng);
        }
        Ok(())
    }

    /// A change will not be made.
    fn refuse_draft(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: ContactId,
        code: NackCode,
    ) -> Result<(), StoreError> {
        tx.drop_group_draft(contact)?;
        self.groups.drafts.remove(&contact);
        self.groups.refused.insert(contact, code);
        let what = GroupNotice::Refused(code);
        self.notices.store(tx, &Notice::Group { contact, what })?;
        self.wonder_about_group(tx, contact, code)?;
        if self.group_of(tx, contact)?.is_none() {
            tx.set_group_gone(contact, true)?;
            self.fail_all(tx, now, contact, code)?;
        }
        Ok(())
    }
}
