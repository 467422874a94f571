//! Which record follows another one, and by which rule another one does not.

use martlet_protocol::{GroupId, UserId};

use super::groups::{
    self, ADMIN, ALICES, BOBS, CAROL, CAROLS, DAVE, DAVES, Draft, MEMBER, Members, OWNER, Signed,
    record,
};
use super::json::Json;
use super::people::{ALICE, BOB};

const ALICE_ID: UserId = ALICE.address.user;
const BOB_ID: UserId = BOB.address.user;

/// The record before, the record, and for one that does not follow the rule and the refusal.
struct Step {
    name: &'static str,
    before: Option<Signed>,
    draft: Draft,
    fault: Option<(&'static str, &'static str)>,
}

/// `group_record_steps.json`.
pub(crate) fn steps() -> Json {
    let list = [
        follow(),
        first_faults(),
        chain_faults(),
        strangers(),
        role_faults(),
        other_faults(),
    ];
    let list = list.into_iter().flatten().map(|step| {
        let members = step
            .before
            .as_ref()
            .map(|before| before.draft.members.clone());
        let before = step.before.map(|before| Json::hex(&before.bytes));
        let (fault, refusal) = step.fault.unzip();
        Json::object([
            ("name", Json::text(step.name)),
            ("before", before.unwrap_or(Json::Null)),
            ("members", groups::json(&members.unwrap_or_default())),
            ("record", Json::hex(&step.draft.signed().bytes)),
            ("fault", fault.map_or(Json::Null, Json::text)),
            ("refusal", refusal.map_or(Json::Null, Json::text)),
        ])
    });
    super::cases(
        "Steps from a record and the members after it to the next record, and what is wrong.",
        list.collect(),
    )
}

fn good(name: &'static str, before: Signed, draft: Draft) -> Step {
    Step {
        name,
        before: Some(before),
        draft,
        fault: None,
    }
}

/// Two owners, an admin and a member.
fn two_owners() -> Signed {
    let owners = [(ALICE_ID, OWNER), (BOB_ID, MEMBER), (CAROL, ADMIN)];
    let first = Draft::first(ALICES, &owners).signed();
    Draft::after(&first, ALICES)
        .with(&[(BOB_ID, OWNER), (DAVE, ADMIN)])
        .signed()
}

fn follow() -> Vec<Step> {
    let after = |version: u64, actor| Draft::after(&record(version), actor);
    let change = |name, version, actor, changes: &[(UserId, u8)]| {
        good(name, record(version), after(version, actor).with(changes))
    };
    let owners = |name, actor, changes: &[(UserId, u8)]| {
        let before = two_owners();
        let draft = Draft::after(&before, actor).with(changes);
        good(name, before, draft)
    };
    let alone = Draft::first(ALICES, &[(ALICE_ID, OWNER)]);
    let left = Draft::after(&alone.clone().signed(), ALICES).with(&[(ALICE_ID, 0)]);
    vec![
        Step {
            name: "the first record",
            before: None,
            draft: record(1).draft,
            fault: None,
        },
        good(
            "an owner changes rights and info",
            record(1),
            record(2).draft,
        ),
        good(
            "everybody may add, so a member does",
            record(2),
            record(3).draft,
        ),
        good("an admin removes a member", record(3), record(4).draft),
        good(
            "the last owner names another one and leaves",
            record(4),
            record(5).draft,
        ),
        good("the last member leaves", alone.signed(), left),
        change(
            "an admin makes a member an admin",
            1,
            CAROLS,
            &[(BOB_ID, ADMIN)],
        ),
        change("an admin adds an admin", 1, CAROLS, &[(DAVE, ADMIN)]),
        change("an admin takes a lower role", 1, CAROLS, &[(CAROL, MEMBER)]),
        change("a member leaves", 1, BOBS, &[(BOB_ID, 0)]),
        change("an owner adds an owner", 1, ALICES, &[(DAVE, OWNER)]),
        change(
            "the last owner names another one and stays",
            1,
            ALICES,
            &[(ALICE_ID, ADMIN), (CAROL, OWNER)],
        ),
        owners(
            "an owner makes another one an admin",
            ALICES,
            &[(BOB_ID, ADMIN)],
        ),
        owners("an owner removes another one", BOBS, &[(ALICE_ID, 0)]),
        owners(
            "an owner leaves while there is another one",
            BOBS,
            &[(BOB_ID, 0)],
        ),
    ]
}

fn first_faults() -> Vec<Step> {
    let step = |name, draft, fault, refusal| Step {
        name,
        before: None,
        draft,
        fault: Some((fault, refusal)),
    };
    let invalid = "RECORD_INVALID";
    let first = |changes| Draft::first(ALICES, changes);
    let usual = record(1).draft;
    vec![
        step(
            "there is no such group",
            record(2).draft,
            "GroupUnknown",
            "GROUP_UNKNOWN",
        ),
        step(
            "a first record behind another one",
            Draft {
                previous: [7; 32],
                ..usual.clone()
            },
            "PreviousOther",
            invalid,
        ),
        step(
            "a group without the one who makes it",
            first(&[(BOB_ID, MEMBER)]),
            "CreatorNotOwner",
            invalid,
        ),
        step(
            "a group whose maker is an admin",
            first(&[(ALICE_ID, ADMIN)]),
            "CreatorNotOwner",
            invalid,
        ),
        step(
            "a group without members",
            first(&[]),
            "CreatorNotOwner",
            invalid,
        ),
        step(
            "a group with two owners from the beginning",
            first(&[(ALICE_ID, OWNER), (BOB_ID, OWNER)]),
            "OwnerNotCreator",
            invalid,
        ),
        step(
            "a group from which somebody is removed at once",
            first(&[(ALICE_ID, OWNER), (BOB_ID, 0)]),
            "ChangeWithoutEffect",
            invalid,
        ),
        step(
            "the hash of other members in the first record",
            Draft {
                members: Members::from([(ALICE_ID.0, OWNER)]),
                ..usual
            },
            "MembersHashOther",
            invalid,
        ),
    ]
}

/// A step after the record with this version.
fn bad(
    name: &'static str,
    version: u64,
    draft: Draft,
    fault: &'static str,
    refusal: &'static str,
) -> Step {
    Step {
        name,
        before: Some(record(version)),
        draft,
        fault: Some((fault, refusal)),
    }
}

fn chain_faults() -> Vec<Step> {
    let usual = record(3).draft;
    let (stale, invalid) = ("GROUP_STALE", "RECORD_INVALID");
    vec![
        bad(
            "the same version again",
            2,
            Draft {
                version: 2,
                ..usual.clone()
            },
            "VersionNotNext",
            stale,
        ),
        bad(
            "a version too many",
            2,
            Draft {
                version: 4,
                ..usual.clone()
            },
            "VersionNotNext",
            stale,
        ),
        bad(
            "the first record again",
            1,
            record(1).draft,
            "VersionNotNext",
            stale,
        ),
        bad(
            "another record before it",
            2,
            Draft {
                previous: record(1).hash,
                ..usual.clone()
            },
            "PreviousOther",
            invalid,
        ),
        bad(
            "a record of another group",
            2,
            Draft {
                group: GroupId(7),
                ..usual.clone()
            },
            "GroupOther",
            invalid,
        ),
        bad(
            "the hash of other members",
            2,
            Draft {
                members: record(2).draft.members,
                ..usual
            },
            "MembersHashOther",
            invalid,
        ),
    ]
}

fn strangers() -> Vec<Step> {
    vec![
        bad(
            "a stranger's record",
            2,
            Draft::after(&record(2), DAVES).with(&[(DAVE, MEMBER)]),
            "ActorNotMember",
            "GROUP_UNKNOWN",
        ),
        bad(
            "a record of one who was removed, and stale besides",
            4,
            Draft {
                version: 4,
                ..Draft::after(&record(4), DAVES).with(&[(BOB_ID, 0)])
            },
            "ActorNotMember",
            "GROUP_UNKNOWN",
        ),
    ]
}

fn role_faults() -> Vec<Step> {
    let forbidden = "GROUP_FORBIDDEN";
    let add = |name, version, actor, changes: &[(UserId, u8)]| {
        let draft = Draft::after(&record(version), actor).with(changes);
        bad(name, version, draft, "AddForbidden", forbidden)
    };
    let change = |name, actor, changes: &[(UserId, u8)]| {
        let draft = Draft::after(&record(1), actor).with(changes);
        bad(name, 1, draft, "RoleForbidden", forbidden)
    };
    vec![
        add("a member adds where admins may", 1, BOBS, &[(DAVE, MEMBER)]),
        add("a member adds an admin", 2, BOBS, &[(DAVE, ADMIN)]),
        add("an admin adds an owner", 2, CAROLS, &[(DAVE, OWNER)]),
        change("a member removes an admin", BOBS, &[(CAROL, 0)]),
        change("a member makes itself an admin", BOBS, &[(BOB_ID, ADMIN)]),
        change("an admin removes an owner", CAROLS, &[(ALICE_ID, 0)]),
        change(
            "an admin makes a member an owner",
            CAROLS,
            &[(BOB_ID, OWNER)],
        ),
        change("an admin makes itself an owner", CAROLS, &[(CAROL, OWNER)]),
        change(
            "an admin leaves and lowers the owner",
            CAROLS,
            &[(ALICE_ID, MEMBER), (CAROL, 0)],
        ),
        Step {
            name: "an admin removes another one",
            before: Some(two_owners()),
            draft: Draft::after(&two_owners(), CAROLS).with(&[(DAVE, 0)]),
            fault: Some(("RoleForbidden", forbidden)),
        },
    ]
}

fn other_faults() -> Vec<Step> {
    let (forbidden, invalid) = ("GROUP_FORBIDDEN", "RECORD_INVALID");
    let after = |actor| Draft::after(&record(1), actor);
    let without = "ChangeWithoutEffect";
    vec![
        bad(
            "a member changes rights",
            1,
            Draft {
                rights: [1; 3],
                ..after(BOBS)
            },
            "RightsForbidden",
            forbidden,
        ),
        bad(
            "a member changes the info where admins may",
            1,
            Draft {
                info_hash: [7; 32],
                ..after(BOBS)
            },
            "InfoForbidden",
            forbidden,
        ),
        bad(
            "a record that changes nothing",
            1,
            after(ALICES),
            "NothingChanged",
            invalid,
        ),
        bad(
            "the role that a member has",
            1,
            after(ALICES).with(&[(BOB_ID, MEMBER)]),
            without,
            invalid,
        ),
        bad(
            "one who is no member is removed",
            1,
            after(ALICES).with(&[(DAVE, 0)]),
            without,
            invalid,
        ),
        bad(
            "the last owner leaves and names nobody",
            1,
            after(ALICES).with(&[(ALICE_ID, 0)]),
            "OwnerMissing",
            invalid,
        ),
        bad(
            "the last owner takes a lower role and names nobody",
            1,
            after(ALICES).with(&[(ALICE_ID, ADMIN)]),
            "OwnerMissing",
            invalid,
        ),
    ]
}

/// What the fuzz target of rosters starts from: some of the steps above as it writes them down.
pub(crate) fn seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    let made: &[u8] = &[0, 0, 3, 0, 3, 1, 1, 2, 2];
    let rights: &[u8] = &[0, 0b11, 0];
    let added: &[u8] = &[1, 0, 1, 3, 1];
    let removed: &[u8] = &[2, 0, 1, 3, 0];
    let left: &[u8] = &[0, 0, 2, 0, 0, 1, 3];
    let whole = [made, rights, added, removed, left].concat();
    let broken = [made, &[1, 0, 1, 3, 1], &[0, 0b100, 1, 1, 2]].concat();
    [whole, broken]
        .into_iter()
        .enumerate()
        .map(|(index, bytes)| ("rosters", format!("{index:02}"), bytes))
        .collect()
}
