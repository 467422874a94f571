//! The signed records of a group: verifying them one after another, and making the next one.

use std::collections::BTreeMap;

use bytes::BytesMut;
use martlet_protocol::auth::SIGNATURE_BYTES;
use martlet_protocol::device_list::{HASH_BYTES, PREVIOUS_NONE};
use martlet_protocol::group_record::{GroupRights, RoleChange, members_bytes};
use martlet_protocol::group_rules::check;
use martlet_protocol::limits::GROUP_RECORD_BYTES_MAX;
use martlet_protocol::wire::List;
use martlet_protocol::{
    Address, DecodeError, DeviceId, GroupId, GroupRecord, Millis, Role, Roster, RuleError, UserId,
};

use super::list::{Head, SignedList};
use super::primitives::{is_signed, sha256};
use super::store_key::StateInvalid;
use crate::keys::DeviceKey;

/// The hash of a group's info, which its records name: of the contents of a GROUP_INFO.
#[must_use]
pub fn info_hash(info: &[u8]) -> [u8; HASH_BYTES] {
    sha256(&[info])
}

/// A record is not what it has to be. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It cannot be read.
    #[error("the record cannot be read: {0}")]
    Malformed(DecodeError),
    /// The list is not the one that the record names ([`RecordName::actor_list`]).
    #[error("the device list is not the one that the record names")]
    ListOther,
    /// The list does not have the device that the record names.
    #[error("the device that signed the record is not in its account's device list")]
    DeviceUnknown,
    /// The device did not sign it.
    #[error("the record is not signed by the device that it names")]
    SignatureWrong,
    /// It is older than the newest one.
    #[error("the record is older than the newest one that is known")]
    RolledBack,
    /// It has the version of the newest one, or the next version, and grows from another one.
    #[error("there are two records of one version")]
    Forked,
    /// A version between it and the newest one is missing.
    #[error("a record in between is missing")]
    VersionSkipped,
    /// Its actor may not do this, or it does not say what it does.
    #[error("the record breaks a rule of groups: {0:?}")]
    Rule(RuleError),
}

/// What a record says of itself: enough to find the list against which it is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordName {
    /// Which group.
    pub group: GroupId,
    /// Version and hash.
    pub head: Head,
    /// The device that claims to have signed it.
    pub actor: Address,
    /// The version of the actor's list that has this device.
    pub actor_list: u64,
}

impl RecordName {
    /// Reads a record without believing it.
    ///
    /// # Errors
    /// [`RecordError::Malformed`].
    pub fn read(bytes: &[u8]) -> Result<Self, RecordError> {
        decode(bytes).map(|record| Self::of(&record))
    }

    fn of(record: &GroupRecord<'_>) -> Self {
        Self {
            group: record.group,
            head: Head {
                version: record.version,
                hash: hash(&record.hashed_bytes()),
            },
            actor: record.actor,
            actor_list: record.actor_list,
        }
    }
}

/// What becomes of one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleStep {
    /// Who.
    pub user: UserId,
    /// What it was; [`Role::NONE`] for one that is added.
    pub before: Role,
    /// What it is; [`Role::NONE`] for one that is removed.
    pub after: Role,
}

impl RoleStep {
    /// Whether it is a member from then on.
    #[must_use]
    pub fn is_added(&self) -> bool {
        self.before == Role::NONE
    }

    /// Whether it is no member any more.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.after == Role::NONE
    }
}

/// What a record changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupChange {
    /// The version of the record.
    pub version: u64,
    /// Who did it, on which device.
    pub actor: Address,
    /// When, by the clock of that device.
    pub issued_at: Millis,
    /// By ascending user. In the first record each member is added.
    pub roles: Vec<RoleStep>,
    /// The rights, if they are others.
    pub rights: Option<GroupRights>,
    /// The hash of the info, if it is another one.
    pub info_hash: Option<[u8; HASH_BYTES]>,
}

/// Who signs a record.
#[derive(Clone, Copy, Debug)]
pub struct Signer<'a> {
    /// The signing key of this device.
    pub key: &'a DeviceKey,
    /// Its id.
    pub device: DeviceId,
    /// The own account's newest list, which has the device.
    pub list: &'a SignedList,
}

/// What a record is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Who may do what from then on.
    pub rights: GroupRights,
    /// The hash of the info from then on.
    pub info_hash: [u8; HASH_BYTES],
    /// At most 256 accounts whose role changes, in any order.
    pub changes: BTreeMap<UserId, Role>,
    /// When it is signed, by this device's clock.
    pub issued_at: Millis,
}

/// A group as its newest record left it, every record having been verified. Only this module
/// makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedGroup {
    roster: Roster,
    record: Vec<u8>,
}

impl VerifiedGroup {
    /// Signs the first record of a group, with the signer as its owner.
    ///
    /// # Errors
    /// [`RecordError`] when nobody could verify it: an unfit signer, too many members, or other
    /// owners.
    pub fn create(
        group: GroupId,
        signer: &Signer<'_>,
        draft: &Draft,
    ) -> Result<(Self, GroupChange), RecordError> {
        let record = draft.sign(group, Head::default(), BTreeMap::new(), signer)?;
        Self::first(&record, signer.list)
    }

    /// Verifies the first record of a group. `list` is the actor's, of the version that the record
    /// names.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn first(bytes: &[u8], list: &SignedList) -> Result<(Self, GroupChange), RecordError> {
        let record = verify(bytes, list)?;
        let roster = check(None, &record, hash).map_err(RecordError::Rule)?;
        let change = GroupChange::of(None, &record);
        let record = bytes.to_vec();
        Ok((Self { roster, record }, change))
    }

    /// Verifies a newest record without those before it: that the actor has signed it, and that
    /// these are the members then. What the actor was allowed, nobody can tell.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn joined(
        bytes: &[u8],
        members: BTreeMap<UserId, Role>,
        list: &SignedList,
    ) -> Result<Self, RecordError> {
        let record = verify(bytes, list)?;
        let roster = Roster::of(&record, members, hash).map_err(RecordError::Rule)?;
        let record = bytes.to_vec();
        Ok(Self { roster, record })
    }

    /// A group that was verified and stored: its newest record, and its members.
    ///
    /// # Errors
    /// [`StateInvalid`] when they do not belong together.
    pub fn stored(bytes: Vec<u8>, members: BTreeMap<UserId, Role>) -> Result<Self, StateInvalid> {
        let record = GroupRecord::decode(&bytes).map_err(|_| StateInvalid)?;
        let roster = Roster::of(&record, members, hash).map_err(|_| StateInvalid)?;
        let record = bytes;
        Ok(Self { roster, record })
    }

    /// Verifies the next record and takes it in. `None` when it is the newest one once more.
    /// `list` is the actor's, of the version that the record names.
    ///
    /// A record that is older than the newest one is [`RecordError::RolledBack`] whatever it says:
    /// whoever keeps the hashes of older ones compares them first ([`RecordName::head`]).
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn follow(
        &mut self,
        bytes: &[u8],
        list: &SignedList,
    ) -> Result<Option<GroupChange>, RecordError> {
        let record = verify(bytes, list)?;
        let (name, own) = (RecordName::of(&record), self.head());
        if name.group != self.roster.group {
            return Err(RecordError::Rule(RuleError::GroupOther));
        }
        if name.head == own {
            return Ok(None);
        }
        let next = own.version.saturating_add(1);
        if name.head.version < own.version {
            return Err(RecordError::RolledBack);
        }
        if name.head.version > next {
            return Err(RecordError::VersionSkipped);
        }
        if name.head.version == own.version || record.previous != own.hash {
            return Err(RecordError::Forked);
        }
        let roster = check(Some(&self.roster), &record, hash).map_err(RecordError::Rule)?;
        let change = GroupChange::of(Some(&self.roster), &record);
        self.roster = roster;
        self.record = bytes.to_vec();
        Ok(Some(change))
    }

    /// A draft that changes nothing yet.
    #[must_use]
    pub const fn draft(&self, issued_at: Millis) -> Draft {
        Draft {
            rights: self.roster.rights,
            info_hash: self.roster.info_hash,
            changes: BTreeMap::new(),
            issued_at,
        }
    }

    /// Signs the next record: the group as it would be then, which is so only when the server has
    /// taken the record.
    ///
    /// # Errors
    /// [`RecordError`] when nobody would take it: an unfit signer, or a rule.
    pub fn signed(
        &self,
        signer: &Signer<'_>,
        draft: &Draft,
    ) -> Result<(Self, GroupChange), RecordError> {
        let members = self.roster.members.clone();
        let record = draft.sign(self.roster.group, self.head(), members, signer)?;
        let mut next = self.clone();
        let change = next.follow(&record, signer.list)?;
        let unchanged = RecordError::Rule(RuleError::NothingChanged);
        change.map(|change| (next, change)).ok_or(unchanged)
    }

    /// The group: id, version, hash, rights, hash of the info, members.
    #[must_use]
    pub const fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The newest record, as it goes over the wire and into the database.
    #[must_use]
    pub fn record(&self) -> &[u8] {
        &self.record
    }

    /// Version and hash of the newest record.
    #[must_use]
    pub const fn head(&self) -> Head {
        Head {
            version: self.roster.version,
            hash: self.roster.hash,
        }
    }
}

impl Draft {
    fn sign(
        &self,
        group: GroupId,
        before: Head,
        mut members: BTreeMap<UserId, Role>,
        signer: &Signer<'_>,
    ) -> Result<Vec<u8>, RecordError> {
        for (user, role) in &self.changes {
            match *role {
                Role::NONE => members.remove(user),
                role => members.insert(*user, role),
            };
        }
        let changes: Vec<RoleChange> = self
            .changes
            .iter()
            .map(|(user, role)| RoleChange {
                user: *user,
                role: *role,
            })
            .collect();
        let is_first = before.version == 0;
        let mut record = GroupRecord {
            group,
            version: before.version.saturating_add(1),
            previous: if is_first { PREVIOUS_NONE } else { before.hash },
            issued_at: self.issued_at,
            actor: Address {
                user: signer.list.user(),
                device: signer.device,
            },
            actor_list: signer.list.version(),
            rights: self.rights,
            info_hash: self.info_hash,
            changes: List::Slice(&changes),
            members_hash: hash(&members_bytes(&members)),
            signature: [0; SIGNATURE_BYTES],
        };
        record.signature = signer.key.sign(&record.signed_bytes());
        let mut bytes = BytesMut::new();
        record.encode(&mut bytes);
        Ok(bytes.into())
    }
}

impl GroupChange {
    /// `record` follows `before`.
    fn of(before: Option<&Roster>, record: &GroupRecord<'_>) -> Self {
        let role = |user| before.map_or(Role::NONE, |before| before.role(user));
        let roles = record.changes.iter().map(|change| RoleStep {
            user: change.user,
            before: role(change.user),
            after: change.role,
        });
        let rights = Some(record.rights);
        let info_hash = Some(record.info_hash);
        Self {
            version: record.version,
            actor: record.actor,
            issued_at: record.issued_at,
            roles: roles.collect(),
            rights: rights.filter(|rights| before.is_none_or(|before| before.rights != *rights)),
            info_hash: info_hash.filter(|hash| before.is_none_or(|it| it.info_hash != *hash)),
        }
    }
}

fn hash(bytes: &[u8]) -> [u8; HASH_BYTES] {
    sha256(&[bytes])
}

fn decode(bytes: &[u8]) -> Result<GroupRecord<'_>, RecordError> {
    if bytes.len() > GROUP_RECORD_BYTES_MAX {
        return Err(RecordError::Malformed(DecodeError::FieldTooLong));
    }
    GroupRecord::decode(bytes).map_err(RecordError::Malformed)
}

/// A record that the device which it names has signed.
fn verify<'a>(bytes: &'a [u8], list: &SignedList) -> Result<GroupRecord<'a>, RecordError> {
    let record = decode(bytes)?;
    if list.user() != record.actor.user || list.version() != record.actor_list {
        return Err(RecordError::ListOther);
    }
    let device = list.device(record.actor.device);
    let device = device.ok_or(RecordError::DeviceUnknown)?;
    if !is_signed(
        &device.signing_key,
        &record.signed_bytes(),
        &record.signature,
    ) {
        return Err(RecordError::SignatureWrong);
    }
    Ok(record)
}
