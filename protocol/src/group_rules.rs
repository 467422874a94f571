//! Which record may follow in a group: the one implementation for the server and every client.
//!
//! Signatures are not looked at here: whoever checks a record has verified that the actor's device
//! signed it. SHA-256 is the caller's, too: this crate knows what is hashed, and no hash function.

use std::collections::BTreeMap;

use crate::device_list::{HASH_BYTES, PREVIOUS_NONE};
use crate::group_record::{GroupRecord, GroupRights, Role, RoleChange, members_bytes};
use crate::id::{GroupId, UserId};
use crate::limits::GROUP_MEMBERS_MAX;
use crate::nack::NackCode;

/// SHA-256 of some bytes.
pub type Sha256 = fn(&[u8]) -> [u8; HASH_BYTES];

/// A group as its newest record left it.
///
/// Invariants: no member has [`Role::NONE`], and there is an owner if there is a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    /// Which group.
    pub group: GroupId,
    /// The version of the record.
    pub version: u64,
    /// The hash of the record.
    pub hash: [u8; HASH_BYTES],
    /// Who may do what.
    pub rights: GroupRights,
    /// The hash of the group's info.
    pub info_hash: [u8; HASH_BYTES],
    /// Every member and its role.
    pub members: BTreeMap<UserId, Role>,
}

/// Why a record does not follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleError {
    /// The actor is no member.
    ActorNotMember,
    /// The actor may not add this account, or not with this role.
    AddForbidden(UserId),
    /// This account has the role already, or is removed without being a member.
    ChangeWithoutEffect(UserId),
    /// The first record does not make its actor an owner.
    CreatorNotOwner,
    /// A record of another group.
    GroupOther,
    /// There is no group, and this is not the first record of one.
    GroupUnknown,
    /// The actor may not change the info.
    InfoForbidden,
    /// The hash is not that of the members after the record.
    MembersHashOther,
    /// More members than any group may have.
    MembersTooMany,
    /// Neither members nor rights nor info change.
    NothingChanged,
    /// Members without an owner would be left.
    OwnerMissing,
    /// The first record makes this other account an owner, too.
    OwnerNotCreator(UserId),
    /// The hash is not that of the record before.
    PreviousOther,
    /// The actor may not change the rights.
    RightsForbidden,
    /// The actor may not change this account's role, or not to this one.
    RoleForbidden(UserId),
    /// A role that no member has.
    RoleUnknown(UserId),
    /// The version is not the next one.
    VersionNotNext,
}

impl RuleError {
    /// The refusal of such a record. A group and its members are no secret to a member alone, so
    /// to everybody else each group is unknown.
    #[must_use]
    pub const fn code(self) -> NackCode {
        match self {
            Self::ActorNotMember | Self::GroupUnknown => NackCode::GROUP_UNKNOWN,
            Self::AddForbidden(_)
            | Self::InfoForbidden
            | Self::RightsForbidden
            | Self::RoleForbidden(_) => NackCode::GROUP_FORBIDDEN,
            Self::MembersTooMany => NackCode::GROUP_FULL,
            Self::VersionNotNext => NackCode::GROUP_STALE,
            Self::ChangeWithoutEffect(_)
            | Self::CreatorNotOwner
            | Self::GroupOther
            | Self::MembersHashOther
            | Self::NothingChanged
            | Self::OwnerMissing
            | Self::OwnerNotCreator(_)
            | Self::PreviousOther
            | Self::RoleUnknown(_) => NackCode::RECORD_INVALID,
        }
    }
}

/// The group after `record`, when the record follows `before`; `None` is a group that does not
/// exist yet.
///
/// # Errors
/// The first rule that the record breaks. What a stranger could learn from an answer comes last:
/// whether the actor is a member is asked before anything that depends on the group.
pub fn check(
    before: Option<&Roster>,
    record: &GroupRecord<'_>,
    sha256: Sha256,
) -> Result<Roster, RuleError> {
    let members = match before {
        None => first(record)?,
        Some(before) => next(before, record)?,
    };
    Roster::of(record, members, sha256)
}

impl Roster {
    /// The group after a record, when these are its members: how a client that has not seen the
    /// records before checks the members that the server names.
    ///
    /// # Errors
    /// [`RuleError::MembersTooMany`], [`RuleError::OwnerMissing`], [`RuleError::RoleUnknown`] or
    /// [`RuleError::MembersHashOther`].
    pub fn of(
        record: &GroupRecord<'_>,
        members: BTreeMap<UserId, Role>,
        sha256: Sha256,
    ) -> Result<Self, RuleError> {
        if members.len() > GROUP_MEMBERS_MAX {
            return Err(RuleError::MembersTooMany);
        }
        let unknown = |role: Role| role == Role::NONE || !role.is_known();
        if let Some((user, _)) = members.iter().find(|(_, role)| unknown(**role)) {
            return Err(RuleError::RoleUnknown(*user));
        }
        if !members.is_empty() && !members.values().any(|role| *role == Role::OWNER) {
            return Err(RuleError::OwnerMissing);
        }
        if sha256(&members_bytes(&members)) != record.members_hash {
            return Err(RuleError::MembersHashOther);
        }
        Ok(Self {
            group: record.group,
            version: record.version,
            hash: sha256(&record.hashed_bytes()),
            rights: record.rights,
            info_hash: record.info_hash,
            members,
        })
    }

    /// What this account is in the group.
    #[must_use]
    pub fn role(&self, user: UserId) -> Role {
        self.members.get(&user).copied().unwrap_or(Role::NONE)
    }

    fn may_add(&self, actor: Role, new: Role) -> bool {
        (new == Role::MEMBER && self.rights.add.allows(actor))
            || (actor >= Role::ADMIN && actor >= new)
    }
}

fn first(record: &GroupRecord<'_>) -> Result<BTreeMap<UserId, Role>, RuleError> {
    if record.version != 1 {
        return Err(RuleError::GroupUnknown);
    }
    if record.previous != PREVIOUS_NONE {
        return Err(RuleError::PreviousOther);
    }
    let mut members = BTreeMap::new();
    for RoleChange { user, role } in &record.changes {
        if role == Role::NONE {
            return Err(RuleError::ChangeWithoutEffect(user));
        }
        if role >= Role::OWNER && user != record.actor.user {
            return Err(RuleError::OwnerNotCreator(user));
        }
        members.insert(user, role);
    }
    if members.get(&record.actor.user) != Some(&Role::OWNER) {
        return Err(RuleError::CreatorNotOwner);
    }
    Ok(members)
}

fn next(before: &Roster, record: &GroupRecord<'_>) -> Result<BTreeMap<UserId, Role>, RuleError> {
    if record.group != before.group {
        return Err(RuleError::GroupOther);
    }
    let actor = before.role(record.actor.user);
    if actor == Role::NONE {
        return Err(RuleError::ActorNotMember);
    }
    if Some(record.version) != before.version.checked_add(1) {
        return Err(RuleError::VersionNotNext);
    }
    if record.previous != before.hash {
        return Err(RuleError::PreviousOther);
    }
    let other_rights = record.rights != before.rights;
    let other_info = record.info_hash != before.info_hash;
    if record.changes.is_empty() && !other_rights && !other_info {
        return Err(RuleError::NothingChanged);
    }
    if other_rights && actor < Role::ADMIN {
        return Err(RuleError::RightsForbidden);
    }
    if other_info && !before.rights.change.allows(actor) {
        return Err(RuleError::InfoForbidden);
    }
    let mut members = before.members.clone();
    for change in &record.changes {
        may_change(before, actor, record.actor.user, change)?;
        match change.role {
            Role::NONE => members.remove(&change.user),
            role => members.insert(change.user, role),
        };
    }
    Ok(members)
}

/// Whether the actor, of this role, may make this change of one account.
fn may_change(
    before: &Roster,
    actor: Role,
    actor_user: UserId,
    RoleChange { user, role }: RoleChange,
) -> Result<(), RuleError> {
    let old = before.role(user);
    if old == role {
        return Err(RuleError::ChangeWithoutEffect(user));
    }
    if old == Role::NONE {
        let allowed = before.may_add(actor, role);
        return allowed.then_some(()).ok_or(RuleError::AddForbidden(user));
    }
    let lowers_itself = user == actor_user && role < old;
    let above = actor > old || actor == Role::OWNER;
    let allowed = lowers_itself || (above && actor >= role);
    allowed.then_some(()).ok_or(RuleError::RoleForbidden(user))
}
