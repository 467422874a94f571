//! Records of groups: each is verified and follows the one before, or is told of and not taken.

use std::collections::BTreeMap;
use std::sync::Arc;

use martlet_protocol::{Address, Millis, Role, UserId};

use super::state::Core;
use crate::crypto::group_log::{GroupChange, RecordError, RecordName, VerifiedGroup, info_hash};
use crate::crypto::list::{Head, SignedList};
use crate::error::StoreError;
use crate::event::SecurityKind;
use crate::local::{ContactId, GroupNotice, Notice, Tx};

/// What came of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Took {
    /// It is the newest one now.
    New,
    /// It was taken before, or is older than what this home knows of the group.
    Known,
    /// The list of this account has to be known first.
    Waits(UserId),
    /// The records before it, or the members, have to be known first.
    Unfounded,
    /// It is not what it has to be. The application was told.
    Wrong,
}

/// The list against which a record is verified.
enum Signed {
    By(Arc<SignedList>),
    Waits,
    /// The device is in no list that can be had.
    Never,
}

impl Core {
    /// Takes a record, with the members that the server names beside it and the sequence up to
    /// which new members have nothing.
    pub(super) fn take_record(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: ContactId,
        (bytes, members, floor): (&[u8], Option<BTreeMap<UserId, Role>>, u64),
    ) -> Result<Took, StoreError> {
        let row = Self::group_row(tx, contact)?;
        let invalid = SecurityKind::GroupRecordInvalid;
        let Ok(name) = RecordName::read(bytes) else {
            return self.is_wrong(tx, now, contact, invalid);
        };
        if name.group != row.group {
            return self.is_wrong(tx, now, contact, invalid);
        }
        let known = self.group_of(tx, contact)?;
        if let Some(known) = &known
            && name.head.version <= known.head().version
        {
            let same = tx.record_hash(contact, name.head.version)?;
            return if same.is_none_or(|hash| hash == name.head.hash) {
                Ok(Took::Known)
            } else {
                self.is_wrong(tx, now, contact, SecurityKind::GroupForked)
            };
        }
        let list = match self.list_behind(tx, name.actor, name.actor_list)? {
            Signed::By(list) => list,
            Signed::Waits => return Ok(Took::Waits(name.actor.user)),
            Signed::Never => return self.is_wrong(tx, now, contact, invalid),
        };
        let taken = match (&known, members) {
            (Some(known), _) => {
                let mut next = (**known).clone();
                next.follow(bytes, &list).map(|change| (next, change))
            }
            (None, _) if name.head.version == 1 => {
                VerifiedGroup::first(bytes, &list).map(|(group, change)| (group, Some(change)))
            }
            (None, Some(members)) => {
                VerifiedGroup::joined(bytes, members, &list).map(|group| (group, None))
            }
            (None, None) => return Ok(Took::Unfounded),
        };
        match taken {
            Ok((group, change)) => {
                self.adopt_group(tx, now, contact, (group, change, floor))?;
                Ok(Took::New)
            }
            Err(RecordError::VersionSkipped) => Ok(Took::Unfounded),
            Err(RecordError::Forked) => self.is_wrong(tx, now, contact, SecurityKind::GroupForked),
            Err(RecordError::Rule(_)) if known.is_none() && name.head.version > 1 => {
                // The record may be right, and the members that the server names are not its own.
                self.is_wrong(tx, now, contact, SecurityKind::GroupMembersInvalid)
            }
            Err(_) => self.is_wrong(tx, now, contact, invalid),
        }
    }

    fn is_wrong(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: ContactId,
        kind: SecurityKind,
    ) -> Result<Took, StoreError> {
        self.tell_of_group(tx, now, contact, kind)?;
        Ok(Took::Wrong)
    }

    /// A list of the account that names the device, of this version or a later one, and asks for
    /// it. A device's keys never change, so a later list that names it says the same of it.
    fn list_behind(
        &mut self,
        tx: &Tx<'_>,
        signer: Address,
        version: u64,
    ) -> Result<Signed, StoreError> {
        let user = signer.user;
        let newest = self.list_of(tx, user)?;
        let Some(newest) = newest.filter(|list| list.version() >= version) else {
            self.lists.want(user);
            return Ok(Signed::Waits);
        };
        if newest.device(signer.device).is_some() {
            return Ok(Signed::By(newest));
        }
        for bytes in tx.lists_from(user, version)? {
            let list = SignedList::verify(&bytes, user).map_err(|_| StoreError::RowInvalid {
                column: "list_log.list",
            })?;
            if list.device(signer.device).is_some() {
                return Ok(Signed::By(Arc::new(list)));
            }
        }
        if self.lists.look_back(user) || self.lists.past(user).is_some() {
            return Ok(Signed::Waits);
        }
        Ok(Signed::Never)
    }

    /// Stores a record that was verified, and tells what it changes.
    pub(super) fn adopt_group(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: ContactId,
        (group, change, floor): (VerifiedGroup, Option<GroupChange>, u64),
    ) -> Result<(), StoreError> {
        let (head, roster) = (group.head(), group.roster());
        let own = self.own_address().map(|own| own.user);
        let is_member = own.is_some_and(|own| roster.role(own) != Role::NONE);
        // Who comes back has missed what was said meanwhile, and so have the others.
        let was_gone = Self::group_row(tx, contact)?.is_gone;
        let steps = change.iter().flat_map(|change| &change.roles);
        for step in steps.filter(|step| step.is_added()) {
            let is_own = own == Some(step.user);
            if is_own && was_gone {
                tx.forget_group_chains(contact, None, step.user)?;
            } else if !is_own {
                tx.forget_group_chains(contact, Some(step.user), step.user)?;
            }
        }
        tx.put_group(contact, &group, change.as_ref(), floor)?;
        tx.set_group_gone(contact, !is_member)?;
        for user in tx.touched_by(contact, head.version)? {
            let touched = tx.contact_of_user(user)?;
            self.introduce(now, &touched);
        }
        for user in roster.members.keys() {
            let member = tx.contact_of_user(*user)?;
            self.introduce(now, &member);
        }
        // A new name is told when it is here.
        let is_news = change
            .as_ref()
            .is_none_or(|change| change.rights.is_some() || !change.roles.is_empty());
        if is_news {
            let what = GroupNotice::Changed(head.version);
            self.notices.store(tx, &Notice::Group { contact, what })?;
        }
        self.groups.ready.remove(&contact);
        self.cache_group(contact, group);
        self.settle_group_states(tx, contact, self.server_time(now))
    }

    /// Another member has said, inside a message, what the newest record of the group is.
    pub(super) fn hear_of_record(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: ContactId,
        head: Head,
    ) -> Result<(), StoreError> {
        let known = self.group_of(tx, contact)?;
        let version = known.map_or(0, |known| known.head().version);
        if head.version > version {
            tx.put_group_claim(contact, head)?;
            let group = Self::group_row(tx, contact)?.group;
            self.groups.want(group);
            return Ok(());
        }
        let same = tx.record_hash(contact, head.version)?;
        if same.is_some_and(|hash| hash != head.hash) {
            self.tell_of_group(tx, now, contact, SecurityKind::GroupForked)?;
        }
        Ok(())
    }

    /// The server has said what the newest record of a group is: whether that bears out what was
    /// claimed.
    pub(super) fn check_group_claim(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: ContactId,
    ) -> Result<(), StoreError> {
        let Some(claim) = tx.group_claim(contact)? else {
            return Ok(());
        };
        tx.drop_group_claim(contact)?;
        let known = self.group_of(tx, contact)?;
        if claim.version > known.map_or(0, |known| known.head().version) {
            return self.tell_of_group(tx, now, contact, SecurityKind::GroupRolledBack);
        }
        let same = tx.record_hash(contact, claim.version)?;
        if same.is_some_and(|hash| hash != claim.hash) {
            self.tell_of_group(tx, now, contact, SecurityKind::GroupForked)?;
        }
        Ok(())
    }

    /// Somebody says what a group is called. It counts when the group's record says so.
    pub(super) fn take_info(
        &mut self,
        tx: &Tx<'_>,
        contact: ContactId,
        by: UserId,
        info: &[u8],
    ) -> Result<(), StoreError> {
        let Some(group) = self.group_of(tx, contact)? else {
            return Ok(());
        };
        let is_right = info_hash(info) == group.roster().info_hash;
        if is_right && tx.group_info(contact)?.as_deref() != Some(info) {
            tx.put_group_info(contact, info)?;
            let what = GroupNotice::Named(by);
            self.notices.store(tx, &Notice::Group { contact, what })?;
        }
        Ok(())
    }
}
