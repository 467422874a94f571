//! Records of a group: valid ones, and ones that do not decode.

use std::collections::BTreeMap;

use martlet_protocol::{Address, DeviceId, GroupId, UserId};

use super::fields::{self, Fields, Value, raw};
use super::json::Json;
use super::keys::{private, sha256, sign};
use super::people::{ALICE, BOB, NOW};

/// The group of all vectors.
pub(crate) const GROUP: GroupId = GroupId(0x0060_0009_0000_0007);
/// Members without a connection of their own.
pub(crate) const CAROL: UserId = UserId(0x0ca0_0000_0000_0003);
pub(crate) const DAVE: UserId = UserId(0x0da0_0000_0000_0004);

pub(crate) const MEMBER: u8 = 1;
pub(crate) const ADMIN: u8 = 2;
pub(crate) const OWNER: u8 = 3;

/// Everybody who is in a group, by ascending user.
pub(crate) type Members = BTreeMap<u64, u8>;

/// Who makes a record, and the byte that its private key is made of, 32 times.
#[derive(Clone, Copy)]
pub(crate) struct Actor {
    pub address: Address,
    pub seed: u8,
}

pub(crate) const ALICES: Actor = Actor {
    address: ALICE.address,
    seed: ALICE.seed,
};
pub(crate) const BOBS: Actor = Actor {
    address: BOB.address,
    seed: BOB.seed,
};
pub(crate) const CAROLS: Actor = Actor {
    address: Address {
        user: CAROL,
        device: DeviceId(1),
    },
    seed: 7,
};
pub(crate) const DAVES: Actor = Actor {
    address: Address {
        user: DAVE,
        device: DeviceId(1),
    },
    seed: 8,
};

/// A record before it is signed.
#[derive(Clone)]
pub(crate) struct Draft {
    pub group: GroupId,
    pub version: u64,
    pub previous: [u8; 32],
    pub actor: Actor,
    pub rights: [u8; 3],
    pub info_hash: [u8; 32],
    pub changes: Vec<(UserId, u8)>,
    /// Who is a member after it.
    pub members: Members,
}

impl Draft {
    /// The first record of a group.
    pub(crate) fn first(actor: Actor, changes: &[(UserId, u8)]) -> Self {
        Self {
            group: GROUP,
            version: 1,
            previous: [0; 32],
            actor,
            rights: [2, 1, 2],
            info_hash: [0; 32],
            changes: Vec::new(),
            members: Members::new(),
        }
        .with(changes)
    }

    /// The record after `before` that changes nothing yet.
    pub(crate) fn after(before: &Signed, actor: Actor) -> Self {
        Self {
            version: before.draft.version + 1,
            previous: before.hash,
            actor,
            changes: Vec::new(),
            ..before.draft.clone()
        }
    }

    /// With these changes, and the members that they lead to.
    pub(crate) fn with(mut self, changes: &[(UserId, u8)]) -> Self {
        for (user, role) in changes {
            match role {
                0 => self.members.remove(&user.0),
                role => self.members.insert(user.0, *role),
            };
        }
        self.changes = changes.to_vec();
        self
    }

    fn unsigned(&self) -> Fields {
        let changes = self.changes.iter();
        let changes = changes
            .map(|(user, role)| vec![("user", fields::user(*user)), ("role", Value::U8(*role))]);
        let [add, send, change] = self.rights;
        let address = self.actor.address;
        vec![
            ("format", Value::U8(1)),
            ("group", Value::User(self.group.0)),
            ("version", Value::Varint(self.version)),
            ("previous", raw(&self.previous)),
            ("issued_at", Value::U64(NOW.0 + self.version)),
            ("actor", fields::user(address.user)),
            ("actor_device", Value::Device(address.device.0)),
            ("actor_list", Value::Varint(1)),
            ("add", Value::U8(add)),
            ("send", Value::U8(send)),
            ("change", Value::U8(change)),
            ("info_hash", raw(&self.info_hash)),
            ("changes", Value::List(changes.collect(), 256)),
            ("members_hash", raw(&sha256(&members_bytes(&self.members)))),
        ]
    }

    pub(crate) fn signed(self) -> Signed {
        let mut fields = self.unsigned();
        let body = fields::payload(&fields);
        let covered = [b"martlet group v1\0", &body[..]].concat();
        fields.push(("signature", raw(&sign(&private(self.actor.seed), &covered))));
        Signed {
            bytes: fields::payload(&fields),
            hash: sha256(&[b"martlet record v1\0", &body[..]].concat()),
            draft: self,
            fields,
            covered,
        }
    }
}

/// A record with what SPEC.md says of it.
pub(crate) struct Signed {
    pub bytes: Vec<u8>,
    pub hash: [u8; 32],
    pub draft: Draft,
    fields: Fields,
    covered: Vec<u8>,
}

/// What the hash of all members is of.
fn members_bytes(members: &Members) -> Vec<u8> {
    let mut bytes = b"martlet members v1\0".to_vec();
    bytes.extend((members.len() as u32).to_le_bytes());
    for (user, role) in members {
        bytes.extend(user.to_le_bytes());
        bytes.push(*role);
    }
    bytes
}

/// Members as a JSON reader finds them.
pub(crate) fn json(members: &Members) -> Json {
    let row = |(user, role): (&u64, &u8)| {
        Json::object([
            ("user", Json::text(user.to_string())),
            ("role", Json::Number(u64::from(*role))),
        ])
    };
    Json::List(members.iter().map(row).collect())
}

/// The group's record with this version. alice makes it with bob and carol, an admin; gives it a
/// name and lets everybody add members, as bob then does; carol removes whom he added; alice
/// leaves it to bob.
pub(crate) fn record(version: u64) -> Signed {
    let alice = ALICE.address.user;
    let bob = BOB.address.user;
    let next = |actor| Draft::after(&record(version - 1), actor);
    match version {
        1 => Draft::first(ALICES, &[(alice, OWNER), (bob, MEMBER), (CAROL, ADMIN)]),
        2 => Draft {
            rights: [1, 1, 1],
            info_hash: sha256(&super::group_kinds::group_info()),
            ..next(ALICES)
        },
        3 => next(BOBS).with(&[(DAVE, MEMBER)]),
        4 => next(CAROLS).with(&[(DAVE, 0)]),
        _ => next(ALICES).with(&[(alice, 0), (bob, OWNER)]),
    }
    .signed()
}

/// `group_records.json`.
pub(crate) fn valid() -> Json {
    let many: Vec<_> = (1..=256)
        .map(|user| (UserId(u64::MAX - 256 + user), user as u8 % 4))
        .collect();
    let edge = Draft {
        group: GroupId(u64::MAX),
        version: (1 << 62) - 1,
        previous: [0xff; 32],
        rights: [2; 3],
        info_hash: [0xff; 32],
        ..Draft::first(BOBS, &many)
    };
    let last = Draft::first(ALICES, &[(ALICE.address.user, OWNER)]).signed();
    let last = Draft::after(&last, ALICES).with(&[(ALICE.address.user, 0)]);
    let rows = [
        ("a group is made", record(1)),
        ("its rights and its info are changed", record(2)),
        ("a member is added", record(3)),
        ("a member is removed", record(4)),
        ("its owner leaves it to another one", record(5)),
        ("the last member leaves", last.signed()),
        ("a record with the greatest numbers", edge.signed()),
    ];
    let list = rows.map(|(name, signed)| {
        Json::object([
            ("name", Json::text(name)),
            ("hex", Json::hex(&signed.bytes)),
            ("fields", fields::named(&signed.fields)),
            (
                "device_private_key",
                Json::hex(&private(signed.draft.actor.seed)),
            ),
            ("signed", Json::hex(&signed.covered)),
            ("hash", Json::hex(&signed.hash)),
            ("members", json(&signed.draft.members)),
            (
                "members_bytes",
                Json::hex(&members_bytes(&signed.draft.members)),
            ),
        ])
    });
    super::cases(
        "Records of groups: what is signed, the hash, and the members after it.",
        list.into(),
    )
}

/// What the fuzz target of records starts from.
pub(crate) fn seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    (1..=5)
        .map(|version| ("records", format!("{version:02}"), record(version).bytes))
        .collect()
}

/// `group_records_malformed.json`.
pub(crate) fn malformed() -> Json {
    let mut list = Vec::new();
    let mut add = |name: &str, bytes: &[u8], error: &str| {
        list.push(Json::object([
            ("name", Json::text(name)),
            ("error", Json::text(error)),
            ("hex", Json::hex(bytes)),
        ]));
    };
    let good = record(1);
    let flat = fields::flat(&good.fields);
    for at in 0..flat.len() {
        let cut = fields::payload(&flat[..=at]).len() - 1;
        let name = format!("a record that ends inside {}", flat[at].0);
        add(&name, &good.bytes[..cut], "PayloadTruncated");
    }
    let longer = [&good.bytes[..], &[0]].concat();
    add("a record with a byte behind it", &longer, "FieldTooLong");
    let changed = |name: &str, value: Value| {
        let mut flat = flat.clone();
        let field = flat.iter_mut().find(|(field, _)| field == name);
        field.expect("a field of the record").1 = value;
        fields::payload(&flat)
    };
    let bob = BOB.address.user;
    for (what, field, value) in [
        ("of another format", "format", Value::U8(2)),
        ("of no group", "group", Value::User(0)),
        ("with version 0", "version", Value::Varint(0)),
        ("by nobody", "actor", Value::User(0)),
        ("by device 0", "actor_device", Value::Device(0)),
        ("by a device of list 0", "actor_list", Value::Varint(0)),
        ("that lets nobody add", "add", Value::U8(0)),
        ("that lets owners alone send", "send", Value::U8(3)),
        ("with an unknown right to change", "change", Value::U8(255)),
        ("with user 0", "changes[0].user", Value::User(0)),
        ("with an unknown role", "changes[1].role", Value::U8(4)),
        ("with a user twice", "changes[0].user", fields::user(bob)),
        (
            "with users that descend",
            "changes[0].user",
            fields::user(CAROL),
        ),
    ] {
        let name = format!("a record {what}");
        add(&name, &changed(field, value), "FieldValueForbidden");
    }
    let many: Vec<_> = (1..=257).map(|user| (UserId(user), OWNER)).collect();
    let many = Draft::first(ALICES, &many).signed();
    add("a record with 257 changes", &many.bytes, "FieldTooLong");
    super::cases("Records that do not decode, and the error.", list)
}
