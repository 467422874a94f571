//! The rules of groups beyond their vectors: who may give whom which role, each limit at its edge,
//! and what holds after any sequence of records.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use martlet_protocol::auth::SIGNATURE_BYTES;
use martlet_protocol::device_list::PREVIOUS_NONE;
use martlet_protocol::fuzzing;
use martlet_protocol::group_record::{GroupRights, INFO_NONE, Right, RoleChange, members_bytes};
use martlet_protocol::group_rules::check;
use martlet_protocol::limits::{GROUP_CHANGES_MAX, GROUP_MEMBERS_MAX};
use martlet_protocol::wire::List;
use martlet_protocol::{
    Address, DeviceId, GroupId, GroupRecord, Millis, NackCode, Role, Roster, RuleError, UserId,
};
use proptest::collection::vec;
use proptest::prelude::*;

const NONE: Role = Role::NONE;
const MEMBER: Role = Role::MEMBER;
const ADMIN: Role = Role::ADMIN;
const OWNER: Role = Role::OWNER;
const ACTOR: UserId = UserId(1);
const OTHER: UserId = UserId(2);
const BYSTANDER: UserId = UserId(3);

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let hash = digest(&SHA256, bytes);
    hash.as_ref().try_into().expect("32 bytes")
}

fn rights(add: Right) -> GroupRights {
    GroupRights {
        add,
        send: Right::MEMBERS,
        change: Right::ADMINS,
    }
}

/// A group as some record left it.
fn roster(add: Right, members: &[(UserId, Role)]) -> Roster {
    Roster {
        group: GroupId(7),
        version: 9,
        hash: [9; 32],
        rights: rights(add),
        info_hash: INFO_NONE,
        members: members.iter().copied().collect(),
    }
}

/// What a record may be wrong about beside who does what.
#[derive(Clone, Copy, Debug, Default)]
struct Wrong {
    version: bool,
    previous: bool,
    members: bool,
}

/// ACTOR's record after `before` with these changes and the hash of the members after it.
fn record<'a>(before: Option<&Roster>, changes: &'a [RoleChange], wrong: Wrong) -> GroupRecord<'a> {
    let (version, previous) = before.map_or((0, PREVIOUS_NONE), |it| (it.version, it.hash));
    let mut members = before.map_or_else(BTreeMap::new, |it| it.members.clone());
    for change in changes {
        match change.role {
            NONE => members.remove(&change.user),
            role => members.insert(change.user, role),
        };
    }
    GroupRecord {
        group: GroupId(7),
        version: version + 1 + u64::from(wrong.version),
        previous: if wrong.previous { [8; 32] } else { previous },
        issued_at: Millis(0),
        actor: Address {
            user: ACTOR,
            device: DeviceId(1),
        },
        actor_list: 1,
        rights: before.map_or_else(|| rights(Right::ADMINS), |it| it.rights),
        info_hash: before.map_or(INFO_NONE, |it| it.info_hash),
        changes: List::Slice(changes),
        members_hash: if wrong.members {
            [7; 32]
        } else {
            sha256(&members_bytes(&members))
        },
        signature: [0; SIGNATURE_BYTES],
    }
}

fn after(before: &Roster, changes: &[(UserId, Role)]) -> Result<Roster, RuleError> {
    let changes: Vec<_> = changes
        .iter()
        .map(|(user, role)| RoleChange {
            user: *user,
            role: *role,
        })
        .collect();
    let record = record(Some(before), &changes, Wrong::default());
    check(Some(before), &record, sha256)
}

/// For each role of the actor, what it may make of another account. A row is what that account was
/// (none, member, admin, owner), a column what it becomes: `y` allowed, `.` forbidden, `=` no
/// change, `a` where the right `add` is everybody's.
const MATRIX: [(Role, [&str; 4]); 3] = [
    (MEMBER, ["=a..", ".=..", "..=.", "...="]),
    (ADMIN, ["=yy.", "y=y.", "..=.", "...="]),
    (OWNER, ["=yyy", "y=yy", "yy=y", "yyy="]),
];

// [M-26.8] [M-26.11] [M-26.12] [M-26.15]
#[test]
fn each_role_gives_and_takes_what_it_may_and_nothing_else() {
    let mut seen = 0;
    for (add, (actor, rows)) in [Right::MEMBERS, Right::ADMINS]
        .into_iter()
        .flat_map(|add| MATRIX.map(|row| (add, row)))
    {
        for (old, row) in rows.iter().enumerate() {
            for (new, cell) in row.chars().enumerate() {
                let (old, new) = (Role(old as u8), Role(new as u8));
                let mut before = roster(add, &[(ACTOR, actor), (OTHER, old), (BYSTANDER, OWNER)]);
                before.members.retain(|_, role| *role != NONE);
                let expected = match cell {
                    '=' => Some(RuleError::ChangeWithoutEffect(OTHER)),
                    'y' => None,
                    'a' if add == Right::MEMBERS => None,
                    _ if old == NONE => Some(RuleError::AddForbidden(OTHER)),
                    _ => Some(RuleError::RoleForbidden(OTHER)),
                };
                let found = after(&before, &[(OTHER, new)]);
                let what = format!("{actor:?} with {add:?} makes {old:?} {new:?}");
                assert_eq!(found.as_ref().err().copied(), expected, "{what}");
                if let Ok(found) = found {
                    assert_eq!(found.role(OTHER), new, "{what}");
                    assert_eq!(found.role(BYSTANDER), OWNER, "{what}");
                }
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 2 * 3 * 16);
}

// [M-26.13]
#[test]
fn everybody_may_leave_and_step_down_and_nobody_rises_by_itself() {
    for old in [MEMBER, ADMIN, OWNER] {
        for new in [NONE, MEMBER, ADMIN, OWNER] {
            let before = roster(Right::ADMINS, &[(ACTOR, old), (BYSTANDER, OWNER)]);
            let expected = match new {
                _ if new == old => Some(RuleError::ChangeWithoutEffect(ACTOR)),
                _ if new > old => Some(RuleError::RoleForbidden(ACTOR)),
                _ => None,
            };
            let found = after(&before, &[(ACTOR, new)]);
            assert_eq!(found.err(), expected, "{old:?} becomes {new:?}");
        }
    }
}

// [M-26.16]
#[test]
fn the_last_owner_goes_only_when_another_one_is_named_or_nobody_is_left() {
    let before = roster(Right::ADMINS, &[(ACTOR, OWNER), (OTHER, MEMBER)]);
    for new in [NONE, MEMBER, ADMIN] {
        let alone = after(&before, &[(ACTOR, new)]);
        assert_eq!(alone, Err(RuleError::OwnerMissing));
        let left = after(&before, &[(ACTOR, new), (OTHER, OWNER)]);
        assert_eq!(left.map(|roster| roster.role(OTHER)), Ok(OWNER));
    }
    let both = after(&before, &[(ACTOR, NONE), (OTHER, NONE)]);
    assert_eq!(both.map(|roster| roster.members.len()), Ok(0));
}

// [M-26.14]
#[test]
fn rights_and_info_change_by_those_who_may_change_them() {
    let cases = [
        (MEMBER, Right::MEMBERS, true),
        (MEMBER, Right::ADMINS, false),
        (ADMIN, Right::ADMINS, true),
        (OWNER, Right::ADMINS, true),
    ];
    for (role, change, allowed) in cases {
        let mut before = roster(Right::MEMBERS, &[(ACTOR, role), (BYSTANDER, OWNER)]);
        before.rights.change = change;
        let mut info = record(Some(&before), &[], Wrong::default());
        info.info_hash = [1; 32];
        let found = check(Some(&before), &info, sha256);
        let expected = (!allowed).then_some(RuleError::InfoForbidden);
        assert_eq!(found.err(), expected, "{role:?} with {change:?}");

        let mut other = record(Some(&before), &[], Wrong::default());
        other.rights.send = Right::ADMINS;
        let found = check(Some(&before), &other, sha256);
        let expected = (role < ADMIN).then_some(RuleError::RightsForbidden);
        assert_eq!(found.err(), expected, "{role:?}");
    }
}

// [M-26.16]
#[test]
fn a_group_is_full_at_the_greatest_number_of_members_and_not_before() {
    let full = GROUP_MEMBERS_MAX as u64;
    let members: Vec<_> = (1..full)
        .map(|user| (UserId(user), if user == 1 { OWNER } else { MEMBER }))
        .collect();
    let before = roster(Right::ADMINS, &members);
    let whole = after(&before, &[(UserId(full), MEMBER)]).expect("one more fits");
    assert_eq!(whole.members.len(), GROUP_MEMBERS_MAX);
    let over = after(&whole, &[(UserId(full + 1), MEMBER)]);
    assert_eq!(over, Err(RuleError::MembersTooMany));
    assert_eq!(RuleError::MembersTooMany.code(), NackCode::GROUP_FULL);
    let instead = after(&whole, &[(UserId(2), NONE), (UserId(full + 1), MEMBER)]);
    assert_eq!(
        instead.map(|roster| roster.members.len()),
        Ok(GROUP_MEMBERS_MAX)
    );
}

// [M-26.20]
#[test]
fn members_of_unknown_roles_are_not_taken_even_when_a_record_has_signed_them() {
    for role in [NONE, Role(4), Role(255)] {
        let members = BTreeMap::from([(ACTOR, OWNER), (OTHER, role)]);
        let mut record = record(None, &[], Wrong::default());
        record.members_hash = sha256(&members_bytes(&members));
        let taken = Roster::of(&record, members, sha256);
        assert_eq!(taken, Err(RuleError::RoleUnknown(OTHER)));
    }
}

#[test]
fn a_first_record_may_name_as_many_members_as_a_record_has_room_for() {
    let many: Vec<_> = (1..=GROUP_CHANGES_MAX as u64)
        .map(|user| RoleChange {
            user: UserId(user),
            role: if user == 1 { OWNER } else { ADMIN },
        })
        .collect();
    let record = record(None, &many, Wrong::default());
    let mut bytes = bytes::BytesMut::new();
    record.encode(&mut bytes);
    assert_eq!(GroupRecord::decode(&bytes), Ok(record.clone()));
    let roster = check(None, &record, sha256).expect("the first record");
    assert_eq!(roster.members.len(), GROUP_CHANGES_MAX);
    assert_eq!(roster.hash, sha256(&record.hashed_bytes()));
}

// [M-26.17]
#[test]
fn a_stranger_learns_nothing_of_a_group_by_records() {
    let before = roster(Right::MEMBERS, &[(OTHER, OWNER)]);
    let changes = [RoleChange {
        user: BYSTANDER,
        role: MEMBER,
    }];
    for bits in 0..8 {
        let wrong = Wrong {
            version: bits & 1 != 0,
            previous: bits & 2 != 0,
            members: bits & 4 != 0,
        };
        let record = record(Some(&before), &changes, wrong);
        let known = check(Some(&before), &record, sha256).expect_err("a stranger");
        let unknown = check(None, &record, sha256).expect_err("no group");
        assert_eq!(known.code(), NackCode::GROUP_UNKNOWN, "{wrong:?}");
        assert_eq!(unknown.code(), known.code(), "{wrong:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_follows_whatever_an_owner_is_left_and_nobody_got_more_than_the_actor_had(
        script in vec(any::<u8>(), 0..400),
    ) {
        fuzzing::rosters(&script);
    }

    #[test]
    fn a_record_of_several_changes_follows_exactly_when_each_of_them_may_be_made(
        roles in vec(0..4u8, 4),
        add in 1..3u8,
        changes in vec((0..4usize, 0..4u8), 1..4),
    ) {
        let users: Vec<_> = (1..=4).map(UserId).collect();
        let members: Vec<_> = users
            .iter()
            .zip(&roles)
            .map(|(user, role)| (*user, Role(*role)))
            .filter(|(_, role)| *role != NONE)
            // The one that is always there, so that what is left has an owner.
            .chain([(UserId(9), OWNER)])
            .collect();
        let before = roster(Right(add), &members);
        let changes: BTreeMap<_, _> = changes
            .into_iter()
            .map(|(at, role)| (users[at], Role(role)))
            .collect();
        let changes: Vec<_> = changes.into_iter().collect();
        let each = changes.iter().all(|change| after(&before, &[*change]).is_ok());
        let all = after(&before, &changes);
        prop_assert_eq!(all.is_ok(), each, "{:?}", all);
        if let Ok(all) = all {
            for (user, role) in changes {
                prop_assert_eq!(all.role(user), role);
            }
        }
    }
}
