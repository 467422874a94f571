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
    /// The list is another account's, or older than the one that the record names
    /// ([`RecordName::actor_list`]).
    #[error("the device list is not one that can have the device of the record")]
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

/// A record that the device which it names has signed. The list may be a later one than the record
/// names: an id is never given twice, and the keys of a device never change.
fn verify<'a>(bytes: &'a [u8], list: &SignedList) -> Result<GroupRecord<'a>, RecordError> {
    let record = decode(bytes)?;
    if list.user() != record.actor.user || list.version() < record.actor_list {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::fixtures::{NOW, account, device_key, first_of};
    use martlet_protocol::group_record::{INFO_NONE, Right};
    use proptest::prelude::*;

    const GROUP: GroupId = GroupId(9);
    const ALICE: UserId = UserId(1);
    const BOB: UserId = UserId(2);
    const CAROL: UserId = UserId(3);
    const RIGHTS: GroupRights = GroupRights {
        add: Right::ADMINS,
        send: Right::MEMBERS,
        change: Right::MEMBERS,
    };

    /// An account with one device.
    struct Person {
        list: SignedList,
        key: DeviceKey,
    }

    impl Person {
        fn new(user: UserId) -> Self {
            Self {
                list: first_of(user, &account(1)),
                key: device_key(11),
            }
        }

        fn signer(&self) -> Signer<'_> {
            Signer {
                key: &self.key,
                device: DeviceId(1),
                list: &self.list,
            }
        }
    }

    fn draft(changes: &[(UserId, Role)]) -> Draft {
        Draft {
            rights: RIGHTS,
            info_hash: INFO_NONE,
            changes: changes.iter().copied().collect(),
            issued_at: NOW,
        }
    }

    /// A group of Alice, who owns it, and Bob.
    fn group(alice: &Person) -> VerifiedGroup {
        let members = [(ALICE, Role::OWNER), (BOB, Role::MEMBER)];
        let made = VerifiedGroup::create(GROUP, &alice.signer(), &draft(&members));
        made.unwrap().0
    }

    fn with(group: &VerifiedGroup, user: UserId, role: Role) -> Draft {
        let mut draft = group.draft(NOW);
        draft.changes.insert(user, role);
        draft
    }

    #[test]
    fn what_one_signs_the_others_verify_record_by_record() {
        let (alice, bob) = (Person::new(ALICE), Person::new(BOB));
        let members = [(ALICE, Role::OWNER), (BOB, Role::MEMBER)];
        let (mut ours, made) =
            VerifiedGroup::create(GROUP, &alice.signer(), &draft(&members)).unwrap();
        let (mut theirs, seen) = VerifiedGroup::first(ours.record(), &alice.list).unwrap();
        assert_eq!((&theirs, &seen), (&ours, &made));
        assert!(seen.roles.iter().all(RoleStep::is_added));
        assert_eq!((seen.version, seen.roles.len()), (1, 2));
        assert_eq!(seen.rights, Some(RIGHTS));

        let promoted = with(&ours, BOB, Role::ADMIN);
        (ours, _) = ours.signed(&alice.signer(), &promoted).unwrap();
        let change = theirs.follow(ours.record(), &alice.list).unwrap().unwrap();
        let (before, after) = (Role::MEMBER, Role::ADMIN);
        let step = RoleStep {
            user: BOB,
            before,
            after,
        };
        assert_eq!(change.roles, [step]);
        assert_eq!((change.rights, change.info_hash), (None, None));
        assert_eq!(change.actor.user, ALICE);

        let mut named = theirs.draft(NOW);
        named.info_hash = info_hash(b"name");
        named.changes.insert(CAROL, Role::MEMBER);
        (theirs, _) = theirs.signed(&bob.signer(), &named).unwrap();
        let change = ours.follow(theirs.record(), &bob.list).unwrap().unwrap();
        assert_eq!(change.info_hash, Some(info_hash(b"name")));
        assert!(change.roles[0].is_added() && !change.roles[0].is_removed());

        let left = with(&theirs, BOB, Role::NONE);
        (theirs, _) = theirs.signed(&bob.signer(), &left).unwrap();
        let change = ours.follow(theirs.record(), &bob.list).unwrap().unwrap();
        assert!(change.roles[0].is_removed());
        assert_eq!(ours, theirs);
        assert_eq!(ours.head().version, 4);
        let members: Vec<_> = ours.roster().members.keys().copied().collect();
        assert_eq!(members, [ALICE, CAROL]);
    }

    #[test]
    fn the_newest_record_once_more_changes_nothing() {
        let alice = Person::new(ALICE);
        let mut known = group(&alice);
        let same = known.clone();
        assert_eq!(known.follow(same.record(), &alice.list), Ok(None));
        assert_eq!(known, same);
    }

    #[test]
    fn forks_rollbacks_and_holes_are_told_apart() {
        let alice = Person::new(ALICE);
        let first = group(&alice);
        let sign = |on: &VerifiedGroup, user, role| {
            let draft = with(on, user, role);
            on.signed(&alice.signer(), &draft).unwrap().0
        };
        let second = sign(&first, CAROL, Role::MEMBER);
        let other_second = sign(&first, BOB, Role::ADMIN);
        let third = sign(&second, BOB, Role::ADMIN);
        let other_third = sign(&other_second, CAROL, Role::MEMBER);
        let fourth = sign(&third, CAROL, Role::NONE);
        let check = |known: &VerifiedGroup, next: &VerifiedGroup, expected| {
            let mut group = known.clone();
            let result = group.follow(next.record(), &alice.list);
            assert_eq!(result.unwrap_err(), expected);
            assert_eq!(&group, known, "{expected}");
        };
        check(&second, &first, RecordError::RolledBack);
        check(&second, &other_second, RecordError::Forked);
        check(&second, &other_third, RecordError::Forked);
        check(&second, &fourth, RecordError::VersionSkipped);
        let members = [(ALICE, Role::OWNER)];
        let other = VerifiedGroup::create(GroupId(8), &alice.signer(), &draft(&members));
        let other = other.unwrap().0;
        check(&second, &other, RecordError::Rule(RuleError::GroupOther));
        // A first record is verified as such only when it is the first one known.
        let skipped = VerifiedGroup::first(second.record(), &alice.list);
        let unknown = RecordError::Rule(RuleError::GroupUnknown);
        assert_eq!(skipped.unwrap_err(), unknown);
    }

    #[test]
    fn only_the_actors_device_by_the_named_list_or_a_later_one_makes_a_record() {
        let (alice, bob) = (Person::new(ALICE), Person::new(BOB));
        let mut known = group(&alice);
        let added = with(&known, CAROL, Role::MEMBER);
        let next = known.signed(&alice.signer(), &added).unwrap().0;
        let newer = alice
            .list
            .renamed(&account(1), DeviceId(1), b"new".to_vec(), NOW)
            .unwrap();
        let error = known.follow(next.record(), &bob.list);
        assert_eq!(error, Err(RecordError::ListOther));
        // The record that the newer list's device signs is not one that the older list can judge.
        let signer = Signer {
            list: &newer,
            ..alice.signer()
        };
        let later = known.signed(&signer, &added).unwrap().0;
        let error = known.follow(later.record(), &alice.list);
        assert_eq!(error, Err(RecordError::ListOther));
        assert!(known.clone().follow(next.record(), &newer).is_ok());
        let name = RecordName::read(next.record()).unwrap();
        assert_eq!((name.actor.user, name.actor_list), (ALICE, 1));
        assert_eq!((name.group, name.head), (GROUP, next.head()));

        // Whose key or id is another one signs nothing that is let out.
        let stranger = Person {
            list: alice.list.clone(),
            key: device_key(12),
        };
        let forged = known.signed(&stranger.signer(), &added);
        assert_eq!(forged.unwrap_err(), RecordError::SignatureWrong);
        let unlisted = Signer {
            device: DeviceId(2),
            ..alice.signer()
        };
        let forged = known.signed(&unlisted, &added);
        assert_eq!(forged.unwrap_err(), RecordError::DeviceUnknown);
        let forbidden = known.signed(&bob.signer(), &added);
        let expected = RecordError::Rule(RuleError::AddForbidden(CAROL));
        assert_eq!(forbidden.unwrap_err(), expected);
        let nothing = known.signed(&alice.signer(), &known.draft(NOW));
        let expected = RecordError::Rule(RuleError::NothingChanged);
        assert_eq!(nothing.unwrap_err(), expected);
    }

    #[test]
    fn no_changed_bit_gets_past() {
        let alice = Person::new(ALICE);
        let known = group(&alice);
        let added = with(&known, CAROL, Role::MEMBER);
        let next = known.signed(&alice.signer(), &added).unwrap().0;
        for at in 0..next.record().len() {
            let mut changed = next.record().to_vec();
            changed[at] ^= 1;
            let mut group = known.clone();
            assert!(group.follow(&changed, &alice.list).is_err(), "byte {at}");
            let cut = &next.record()[..at];
            assert!(group.follow(cut, &alice.list).is_err(), "cut at {at}");
            assert_eq!(group, known);
        }
        let long = vec![1; GROUP_RECORD_BYTES_MAX + 1];
        let expected = RecordError::Malformed(DecodeError::FieldTooLong);
        assert_eq!(RecordName::read(&long), Err(expected));
    }

    #[test]
    fn who_joins_takes_the_members_that_the_newest_record_has_signed() {
        let (alice, bob) = (Person::new(ALICE), Person::new(BOB));
        let known = group(&alice);
        let members = known.roster().members.clone();
        let joined = VerifiedGroup::joined(known.record(), members.clone(), &alice.list);
        assert_eq!(joined.unwrap(), known);
        let other = VerifiedGroup::joined(known.record(), members.clone(), &bob.list);
        assert_eq!(other.unwrap_err(), RecordError::ListOther);
        let stored = VerifiedGroup::stored(known.record().to_vec(), members.clone());
        assert_eq!(stored.unwrap(), known);

        let mut more = members.clone();
        more.insert(CAROL, Role::MEMBER);
        let mut fewer = members;
        fewer.remove(&BOB);
        for wrong in [more, fewer] {
            let joined = VerifiedGroup::joined(known.record(), wrong.clone(), &alice.list);
            let expected = RecordError::Rule(RuleError::MembersHashOther);
            assert_eq!(joined.unwrap_err(), expected);
            let stored = VerifiedGroup::stored(known.record().to_vec(), wrong);
            assert_eq!(stored.unwrap_err(), StateInvalid);
        }
    }

    #[test]
    fn the_last_one_can_leave() {
        let alice = Person::new(ALICE);
        let alone = draft(&[(ALICE, Role::OWNER)]);
        let alone = VerifiedGroup::create(GROUP, &alice.signer(), &alone)
            .unwrap()
            .0;
        let left = with(&alone, ALICE, Role::NONE);
        let left = alone.signed(&alice.signer(), &left).unwrap().0;
        let stored = VerifiedGroup::stored(left.record().to_vec(), BTreeMap::new());
        assert_eq!(stored.unwrap(), left);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_bytes_are_taken_for_a_record(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..400),
            keeps in 0usize..300,
        ) {
            let alice = Person::new(ALICE);
            let mut known = group(&alice);
            let before = known.clone();
            let head = &before.record()[..keeps.min(before.record().len() - 1)];
            bytes.splice(..0, head.iter().copied());
            if bytes != before.record() {
                prop_assert!(known.follow(&bytes, &alice.list).is_err());
                prop_assert!(VerifiedGroup::first(&bytes, &alice.list).is_err());
            }
            prop_assert_eq!(known, before);
        }

        /// Whatever members do, whoever follows their records has the same group.
        #[test]
        fn all_who_follow_agree(
            steps in proptest::collection::vec((0usize..3, 1u64..5, 0u8..4), 1..30),
        ) {
            let people = [ALICE, BOB, CAROL].map(Person::new);
            let mut ours = group(&people[0]);
            let mut theirs = ours.clone();
            for (actor, user, role) in steps {
                let actor = &people[actor];
                let draft = with(&ours, UserId(user), Role(role));
                let Ok((next, change)) = ours.signed(&actor.signer(), &draft) else {
                    continue;
                };
                let seen = theirs.follow(next.record(), &actor.list);
                prop_assert_eq!(seen, Ok(Some(change)));
                prop_assert_eq!(&theirs, &next);
                let (record, members) = (next.record(), &next.roster().members);
                let stored = VerifiedGroup::stored(record.to_vec(), members.clone());
                prop_assert_eq!(stored.as_ref(), Ok(&next));
                ours = next;
            }
        }
    }
}
