//! What the application asks of groups.

use std::collections::BTreeMap;

use martlet_protocol::group_record::GroupRights;
use martlet_protocol::limits::GROUP_CHANGES_MAX;
use martlet_protocol::{GroupId, MessageId, Millis, Role, UserId};

use super::group_drafts::{RIGHTS_FIRST, Wish};
use super::machine::Engine;
use super::state::Core;
use crate::content::GroupInfo;
use crate::crypto::group_log::RoleStep;
use crate::error::{ClientError, GroupError, StoreError};
use crate::event::{Group, GroupStep, GroupUpdate, Member};
use crate::local::{ContactId, GroupRow, Recorded, Tx, group_peer};

impl Engine {
    /// Makes a group with this account as its owner. `entropy` makes its id. Everything is durable
    /// when this returns, and sent as soon as that is possible; messages to it may be sent at once.
    ///
    /// # Errors
    /// [`GroupError`]: nothing was stored. [`ClientError::UnknownPeer`] when the account of a
    /// handle is not known here: [`Engine::lookup`] asks for it.
    pub fn create_group(
        &mut self,
        now: Millis,
        entropy: [u8; 8],
        name: &str,
        handles: &[&str],
    ) -> Result<GroupId, GroupError> {
        let identity = self.member()?;
        let own = identity.address.ok_or(ClientError::NotRegistered)?.user;
        let id = u64::from_le_bytes(entropy).max(1);
        let mut wish = Wish::default();
        wish.name(&info_of(name, Vec::new())?);
        wish.roles = self.accounts(handles, Role::MEMBER)?;
        wish.roles.insert(own, Role::OWNER);
        check_size(&wish)?;
        let group = GroupId(id);
        self.turn(now, |core, tx| {
            let contact = tx.contact_of_group(group)?;
            core.wish(tx, contact.id, &wish)
        })?;
        Ok(group)
    }

    /// Adds accounts to a group as members.
    ///
    /// # Errors
    /// [`GroupError`]: nothing will happen. What the group does not allow is told later, as
    /// [`Event::GroupRefused`](crate::Event::GroupRefused).
    pub fn add_members(
        &mut self,
        now: Millis,
        peer: &str,
        handles: &[&str],
    ) -> Result<(), GroupError> {
        let roles = self.accounts(handles, Role::MEMBER)?;
        self.change_group(now, peer, |wish, _| wish.roles = roles)
    }

    /// Removes members. What they have they keep; what is written from then on they cannot read.
    ///
    /// # Errors
    /// As [`add_members`](Self::add_members).
    pub fn remove_members(
        &mut self,
        now: Millis,
        peer: &str,
        handles: &[&str],
    ) -> Result<(), GroupError> {
        let roles = self.accounts(handles, Role::NONE)?;
        self.change_group(now, peer, |wish, _| wish.roles = roles)
    }

    /// Gives a member another role.
    ///
    /// # Errors
    /// As [`add_members`](Self::add_members).
    pub fn set_role(
        &mut self,
        now: Millis,
        peer: &str,
        handle: &str,
        role: Role,
    ) -> Result<(), GroupError> {
        let roles = self.accounts(&[handle], role)?;
        self.change_group(now, peer, |wish, _| wish.roles = roles)
    }

    /// Leaves a group. Its last owner makes another member one, an admin if there is any.
    ///
    /// # Errors
    /// As [`add_members`](Self::add_members).
    pub fn leave_group(&mut self, now: Millis, peer: &str) -> Result<(), GroupError> {
        let own = self.member()?.address.ok_or(ClientError::NotRegistered)?;
        let own = own.user;
        self.change_group(now, peer, |wish, members| {
            let others = || members.iter().filter(|(user, _)| **user != own);
            let has_owner = others().any(|(_, role)| *role == Role::OWNER);
            if !has_owner
                && let Some((user, _)) = others().max_by_key(|(user, role)| (**role, !user.0))
            {
                wish.roles.insert(*user, Role::OWNER);
            }
            wish.roles.insert(own, Role::NONE);
        })
    }

    /// Changes who may do what.
    ///
    /// # Errors
    /// As [`add_members`](Self::add_members).
    pub fn set_rights(
        &mut self,
        now: Millis,
        peer: &str,
        rights: GroupRights,
    ) -> Result<(), GroupError> {
        self.change_group(now, peer, |wish, _| wish.rights = Some(rights))
    }

    /// Gives a group another name, and a reference to a picture, which may be empty.
    ///
    /// # Errors
    /// As [`add_members`](Self::add_members).
    pub fn rename_group(
        &mut self,
        now: Millis,
        peer: &str,
        name: &str,
        picture: Vec<u8>,
    ) -> Result<(), GroupError> {
        let info = info_of(name, picture)?;
        self.change_group(now, peer, |wish, _| wish.name(&info))
    }

    fn change_group(
        &mut self,
        now: Millis,
        peer: &str,
        change: impl FnOnce(&mut Wish, &BTreeMap<UserId, Role>),
    ) -> Result<(), GroupError> {
        self.member()?;
        let row = self.row_of(peer)?;
        if row.is_gone {
            return Err(GroupError::NotMember);
        }
        if self.core.groups.drafts.contains_key(&row.contact) {
            return Err(GroupError::Busy);
        }
        let members = self.db.begin()?.members(row.contact)?;
        let members = members.iter().map(|member| (member.user, member.role));
        let mut wish = Wish::default();
        change(&mut wish, &members.collect());
        check_size(&wish)?;
        self.turn(now, |core, tx| core.wish(tx, row.contact, &wish))?;
        Ok(())
    }

    fn accounts(
        &mut self,
        handles: &[&str],
        role: Role,
    ) -> Result<BTreeMap<UserId, Role>, GroupError> {
        let tx = self.db.begin()?;
        let mut roles = BTreeMap::new();
        for handle in handles {
            let contact = tx.find_contact(handle)?;
            let user = contact.and_then(|contact| contact.user);
            roles.insert(user.ok_or(ClientError::UnknownPeer)?, role);
        }
        Ok(roles)
    }

    fn row_of(&mut self, peer: &str) -> Result<GroupRow, GroupError> {
        let tx = self.db.begin()?;
        let contact = tx.find_contact(peer)?.ok_or(ClientError::UnknownPeer)?;
        let row = tx.group(contact.id)?.ok_or(ClientError::UnknownPeer)?;
        Ok(row)
    }

    /// The groups of this account, and those that it has left.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn groups(&mut self) -> Result<Vec<Group>, StoreError> {
        let tx = self.db.begin()?;
        let mut groups = Vec::new();
        for row in tx.groups()? {
            groups.extend(shown(&mut self.core, &tx, &row)?);
        }
        Ok(groups)
    }

    /// A group, by its name among peers.
    ///
    /// # Errors
    /// [`ClientError::UnknownPeer`] when it is none that this home knows, or the database's.
    pub fn group(&mut self, peer: &str) -> Result<Group, GroupError> {
        let row = self.row_of(peer)?;
        let tx = self.db.begin()?;
        let group = shown(&mut self.core, &tx, &row)?;
        Ok(group.ok_or(ClientError::UnknownPeer)?)
    }

    /// The group when its last change of this home has been made; `None` while that has no answer.
    ///
    /// # Errors
    /// [`GroupError::Refused`] when it will not be made, and as [`group`](Self::group).
    pub fn changed_group(&mut self, peer: &str) -> Result<Option<Group>, GroupError> {
        let contact = self.row_of(peer)?.contact;
        if self.core.groups.drafts.contains_key(&contact) {
            return Ok(None);
        }
        match self.core.groups.refused.get(&contact) {
            Some(code) => Err(GroupError::Refused(*code)),
            None => self.group(peer).map(Some),
        }
    }

    /// Who has changed what of a group, oldest first, from the record on that this home has taken
    /// first.
    ///
    /// # Errors
    /// As [`group`](Self::group).
    pub fn group_history(&mut self, peer: &str) -> Result<Vec<GroupUpdate>, GroupError> {
        let row = self.row_of(peer)?;
        let tx = self.db.begin()?;
        let mut updates = Vec::new();
        for version in tx.recorded_versions(row.contact)? {
            let update = update(&tx, row.contact, version)?;
            // A new name is told by those who have it, and not by the record that allows it.
            if !update.changes.is_empty() {
                updates.push(update);
            }
        }
        Ok(updates)
    }

    /// Asks the server how far an own message to a group is at each member; the answer is
    /// [`Answer::GroupReceipts`](super::Answer::GroupReceipts), and comes only with a connection.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn ask_receipts(&mut self, now: Millis, id: MessageId) -> Result<(), ClientError> {
        self.registered()?;
        if !self.is_online() {
            return Err(ClientError::NoAnswer);
        }
        self.turn(now, |core, tx| core.ask_count(tx, id))?;
        Ok(())
    }
}

fn check_size(wish: &Wish) -> Result<(), GroupError> {
    if wish.roles.len() > GROUP_CHANGES_MAX {
        let accounts_max = GROUP_CHANGES_MAX;
        return Err(GroupError::TooMany { accounts_max });
    }
    Ok(())
}

fn info_of(name: &str, picture: Vec<u8>) -> Result<GroupInfo, GroupError> {
    let info = GroupInfo {
        name: name.to_owned(),
        picture,
    };
    // What another member could not read is not said.
    GroupInfo::decode(&info.encode().data).map_err(|_| GroupError::InfoInvalid)
}

/// A group to show; `None` for one of which nothing is known here.
fn shown(core: &mut Core, tx: &Tx<'_>, row: &GroupRow) -> Result<Option<Group>, StoreError> {
    let verified = core.group_of(tx, row.contact)?;
    let is_mine = core.groups.drafts.contains_key(&row.contact);
    if verified.is_none() && !is_mine {
        return Ok(None);
    }
    // Of one that is yet to be made the wish knows the name.
    let info = match tx.group_info(row.contact)? {
        None => core.wished_info(tx, row.contact)?,
        info => info,
    };
    let info = info.and_then(|info| GroupInfo::decode(&info).ok());
    let own = tx.own_user()?;
    let mut members = Vec::new();
    for member in tx.members(row.contact)? {
        members.push(Member {
            user: member.user,
            handle: tx.name_of(member.user)?,
            role: member.role,
        });
    }
    let role = members.iter().find(|member| member.user == own);
    Ok(Some(Group {
        id: row.group,
        peer: group_peer(row.group),
        name: info.as_ref().map(|info| info.name.clone()),
        picture: info.map(|info| info.picture).unwrap_or_default(),
        role: role
            .filter(|_| !row.is_gone)
            .map_or(Role::NONE, |member| member.role),
        rights: verified
            .as_ref()
            .map_or(RIGHTS_FIRST, |verified| verified.roster().rights),
        version: verified.map_or(0, |verified| verified.head().version),
        members,
    }))
}

/// What a record has changed, in words for the application.
pub(super) fn update(
    tx: &Tx<'_>,
    contact: ContactId,
    version: u64,
) -> Result<GroupUpdate, StoreError> {
    let row = Core::group_row(tx, contact)?;
    let mut update = GroupUpdate {
        group: row.group,
        peer: group_peer(row.group),
        by: String::new(),
        at: Millis(0),
        changes: Vec::new(),
    };
    match tx.recorded(contact, version)? {
        Some(Recorded::Joined { actor }) => {
            update.by = tx.name_of(actor)?;
            update.changes.push(GroupStep::Joined);
        }
        Some(Recorded::Change(change)) => {
            update.by = tx.name_of(change.actor.user)?;
            update.at = change.issued_at;
            for step in &change.roles {
                update.changes.push(step_of(tx, step)?);
            }
            if let Some(rights) = change.rights.filter(|_| version > 1) {
                update.changes.push(GroupStep::RightsChanged(rights));
            }
        }
        None => {}
    }
    Ok(update)
}

fn step_of(tx: &Tx<'_>, step: &RoleStep) -> Result<GroupStep, StoreError> {
    let handle = tx.name_of(step.user)?;
    let role = step.after;
    Ok(if step.is_added() {
        GroupStep::Added { handle, role }
    } else if step.is_removed() {
        GroupStep::Removed { handle }
    } else {
        GroupStep::RoleChanged { handle, role }
    })
}

/// A new name of a group, in words for the application.
pub(super) fn naming(
    tx: &Tx<'_>,
    contact: ContactId,
    by: UserId,
) -> Result<GroupUpdate, StoreError> {
    let row = Core::group_row(tx, contact)?;
    let info = tx.group_info(contact)?;
    let info = info.and_then(|info| GroupInfo::decode(&info).ok());
    let name = info.map(|info| info.name).unwrap_or_default();
    Ok(GroupUpdate {
        group: row.group,
        peer: group_peer(row.group),
        by: tx.name_of(by)?,
        at: Millis(0),
        changes: vec![GroupStep::InfoChanged { name }],
    })
}
