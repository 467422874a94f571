//! Device lists: valid ones, ones that do not decode, and steps from one to the next.

use martlet_protocol::{Address, DeviceId, UserId};

use super::fields::{self, Fields, Value, raw};
use super::json::Json;
use super::keys::{exchange_public, private, seal_with_nonce, sha256, sign, signing_public};
use super::people::{ALICE, BOB, NOW};

/// An account with the keys that vectors need.
#[derive(Clone, Copy)]
pub(crate) struct Owner {
    pub user: UserId,
    /// The Ed25519 private key of the account is 32 times this byte.
    pub account: u8,
    /// The key for the names of its devices is 32 times this byte.
    pub names: u8,
}

/// A device: its id, and the bytes that its two private keys are made of, 32 times each.
#[derive(Clone, Copy)]
pub(crate) struct Member {
    pub device: u16,
    pub signing: u8,
    pub identity: u8,
    pub name: &'static str,
}

pub(crate) const ALICES: Owner = Owner {
    user: ALICE.address.user,
    account: 0x0a,
    names: 0x1a,
};
pub(crate) const BOBS: Owner = Owner {
    user: BOB.address.user,
    account: 0x0b,
    names: 0x1b,
};
pub(crate) const PHONE: Member = Member {
    device: 1,
    signing: 1,
    identity: 0x41,
    name: "phone",
};
pub(crate) const TABLET: Member = Member {
    device: 2,
    signing: 3,
    identity: 0x43,
    name: "Küchentablet",
};
pub(crate) const BOBS_PHONE: Member = Member {
    device: 1,
    signing: 2,
    identity: 0x42,
    name: "",
};
const LAPTOP: Member = Member {
    device: 2,
    signing: 4,
    identity: 0x44,
    name: "laptop",
};

/// A list before it is signed.
#[derive(Clone)]
struct Draft {
    owner: Owner,
    version: u64,
    previous: [u8; 32],
    next_device: u16,
    devices: Vec<(Member, [u8; 64])>,
}

impl Draft {
    fn new(owner: Owner, version: u64, previous: [u8; 32], next: u16, members: &[Member]) -> Self {
        let proven = |member: &Member| (*member, proof(owner, *member));
        Self {
            owner,
            version,
            previous,
            next_device: next,
            devices: members.iter().map(proven).collect(),
        }
    }

    fn unsigned(&self) -> Fields {
        let devices = self.devices.iter().map(|(member, proof)| {
            vec![
                ("device", Value::Device(member.device)),
                (
                    "signing_key",
                    raw(&signing_public(&private(member.signing))),
                ),
                (
                    "identity_key",
                    raw(&exchange_public(&private(member.identity))),
                ),
                ("proof", raw(proof)),
                ("name", Value::Bytes(sealed_name(self.owner, *member), 96)),
            ]
        });
        vec![
            ("format", Value::U8(1)),
            ("user", fields::user(self.owner.user)),
            ("account_key", raw(&account_key(self.owner))),
            ("version", Value::Varint(self.version)),
            ("previous", raw(&self.previous)),
            ("issued_at", Value::U64(NOW.0 + self.version)),
            ("next_device", Value::Device(self.next_device)),
            ("devices", Value::List(devices.collect(), 5)),
        ]
    }

    fn signed(&self) -> Signed {
        let mut fields = self.unsigned();
        let body = fields::payload(&fields);
        let covered = [b"martlet devices v1\0", &body[..]].concat();
        let signature = sign(&private(self.owner.account), &covered);
        fields.push(("signature", raw(&signature)));
        Signed {
            bytes: fields::payload(&fields),
            hash: sha256(&[b"martlet list v1\0", &body[..]].concat()),
            fields,
            covered,
        }
    }
}

/// A list with what SPEC.md says of it.
pub(crate) struct Signed {
    pub bytes: Vec<u8>,
    pub hash: [u8; 32],
    fields: Fields,
    covered: Vec<u8>,
}

pub(crate) fn account_key(owner: Owner) -> [u8; 32] {
    signing_public(&private(owner.account))
}

/// What the device says of itself.
pub(crate) fn proof(owner: Owner, member: Member) -> [u8; 64] {
    let message = [
        b"martlet device v1\0",
        &owner.user.0.to_le_bytes()[..],
        &member.device.to_le_bytes(),
        &account_key(owner),
        &exchange_public(&private(member.identity)),
    ];
    sign(&private(member.signing), &message.concat())
}

fn sealed_name(owner: Owner, member: Member) -> Vec<u8> {
    if member.name.is_empty() {
        return Vec::new();
    }
    let aad = [
        b"martlet device name v1\0",
        &owner.user.0.to_le_bytes()[..],
        &member.device.to_le_bytes(),
    ];
    let mut padded = member.name.as_bytes().to_vec();
    padded.resize(40, 0);
    let nonce = [0xd0 ^ member.device as u8; 24];
    seal_with_nonce(&private(owner.names), &nonce, &aad.concat(), &padded)
}

/// ALICE's list with this version: her phone, then with her tablet, then without it.
pub(crate) fn alice(version: u64) -> Signed {
    draft_of_alice(version).signed()
}

fn draft_of_alice(version: u64) -> Draft {
    let previous = match version {
        1 => [0; 32],
        later => alice(later - 1).hash,
    };
    let both = [PHONE, TABLET];
    let (next, members) = match version {
        1 => (2, &both[..1]),
        2 => (3, &both[..]),
        _ => (3, &both[..1]),
    };
    Draft::new(ALICES, version, previous, next, members)
}

/// BOB's list with this version: his phone, then with a laptop.
pub(crate) fn bob(version: u64) -> Signed {
    let both = [BOBS_PHONE, LAPTOP];
    match version {
        1 => Draft::new(BOBS, 1, [0; 32], 2, &both[..1]).signed(),
        _ => Draft::new(BOBS, 2, bob(1).hash, 3, &both).signed(),
    }
}

/// `device_lists.json`.
pub(crate) fn valid() -> Json {
    let many: Vec<Member> = [40, 41, 42, 900, 65_534]
        .into_iter()
        .map(|device| Member { device, ..PHONE })
        .collect();
    let edge = Draft::new(ALICES, (1 << 62) - 1, [0xff; 32], u16::MAX, &many);
    let rows = [
        ("alice's first list", ALICES, alice(1)),
        ("alice's list with a second device", ALICES, alice(2)),
        ("alice's list without it", ALICES, alice(3)),
        ("bob's first list", BOBS, bob(1)),
        ("a list with the greatest numbers", ALICES, edge.signed()),
    ];
    let list = rows.map(|(name, owner, signed)| {
        Json::object([
            ("name", Json::text(name)),
            ("hex", Json::hex(&signed.bytes)),
            ("fields", fields::named(&signed.fields)),
            ("account_private_key", Json::hex(&private(owner.account))),
            ("names_key", Json::hex(&private(owner.names))),
            ("signed", Json::hex(&signed.covered)),
            ("hash", Json::hex(&signed.hash)),
        ])
    });
    super::cases("Device lists: what is signed, and the hash.", list.into())
}

/// What the fuzz target of lists starts from.
pub(crate) fn seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    let lists = [alice(1), alice(2), alice(3), bob(2), reset()];
    let lists = lists.into_iter().enumerate();
    lists
        .map(|(index, list)| ("lists", format!("{index:02}"), list.bytes))
        .collect()
}

/// `device_lists_malformed.json`.
pub(crate) fn malformed() -> Json {
    let mut list = Vec::new();
    let mut add = |name: &str, bytes: &[u8], error: &str| {
        list.push(Json::object([
            ("name", Json::text(name)),
            ("error", Json::text(error)),
            ("hex", Json::hex(bytes)),
        ]));
    };
    let good = alice(2);
    let flat = fields::flat(&good.fields);
    for at in 0..flat.len() {
        let cut = fields::payload(&flat[..=at]).len() - 1;
        let name = format!("a list that ends inside {}", flat[at].0);
        add(&name, &good.bytes[..cut], "PayloadTruncated");
    }
    let longer = [&good.bytes[..], &[0]].concat();
    add("a list with a byte behind it", &longer, "FieldTooLong");
    let changed = |name: &str, value: Value| {
        let mut flat = flat.clone();
        let field = flat.iter_mut().find(|(field, _)| field == name);
        field.expect("a field of the list").1 = value;
        fields::payload(&flat)
    };
    let forbidden = "FieldValueForbidden";
    for (what, field, value) in [
        ("of another format", "format", Value::U8(2)),
        ("of nobody", "user", Value::User(0)),
        ("with version 0", "version", Value::Varint(0)),
        ("with next_device 0", "next_device", Value::Device(0)),
        (
            "with a device that is not below next_device",
            "next_device",
            Value::Device(2),
        ),
        ("with device 0", "devices[0].device", Value::Device(0)),
        ("with a device twice", "devices[1].device", Value::Device(1)),
        (
            "with devices that descend",
            "devices[0].device",
            Value::Device(3),
        ),
    ] {
        add(&format!("a list {what}"), &changed(field, value), forbidden);
    }
    let none = Draft::new(ALICES, 1, [0; 32], 2, &[]).signed();
    add("a list without a device", &none.bytes, forbidden);
    let six: Vec<Member> = (1..=6).map(|device| Member { device, ..PHONE }).collect();
    let six = Draft::new(ALICES, 1, [0; 32], 7, &six).signed();
    add("a list with six devices", &six.bytes, "FieldTooLong");
    let name = Value::Bytes(vec![0; 97], 96);
    add(
        "a list with a name of 97 bytes",
        &changed("devices[0].name", name),
        "FieldTooLong",
    );
    super::cases("Device lists that do not decode, and the error.", list)
}

/// `device_list_steps.json`.
pub(crate) fn steps() -> Json {
    let mut list = Vec::new();
    let mut add = |name: &str, before: Option<&Signed>, bytes: &[u8], fault: Option<&str>| {
        list.push(Json::object([
            ("name", Json::text(name)),
            (
                "before",
                before.map_or(Json::Null, |before| Json::hex(&before.bytes)),
            ),
            ("list", Json::hex(bytes)),
            ("fault", fault.map_or(Json::Null, Json::text)),
        ]));
    };
    let (first, second) = (alice(1), alice(2));
    add("the first list", None, &first.bytes, None);
    add("a device is added", Some(&first), &second.bytes, None);
    add("a device is removed", Some(&second), &alice(3).bytes, None);
    add(
        "the account was reset",
        Some(&second),
        &reset().bytes,
        Some("account_key"),
    );
    for (name, fault, bytes) in faults() {
        add(name, Some(&first), &bytes, Some(fault));
    }
    super::cases(
        "Steps from a device list that is known to the next one, and what is wrong with it.",
        list,
    )
}

/// ALICE has lost her account key: a new key, and one device.
pub(crate) fn reset() -> Signed {
    let owner = Owner {
        account: 0x0e,
        ..ALICES
    };
    let new = Member {
        device: 3,
        signing: 5,
        identity: 0x45,
        name: "phone",
    };
    Draft::new(owner, 3, alice(2).hash, 4, &[new]).signed()
}

/// Lists that do not follow ALICE's first one.
fn faults() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let good = draft_of_alice(2);
    let with = |change: fn(&mut Draft)| {
        let mut draft = good.clone();
        change(&mut draft);
        draft.signed().bytes
    };
    let mut forged = good.signed().bytes;
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let third = Member {
        device: 3,
        signing: 6,
        identity: 0x46,
        name: "",
    };
    let two = Draft::new(ALICES, 2, good.previous, 4, &[PHONE, TABLET, third]);
    vec![
        ("a wrong signature", "signature", forged),
        ("another account's list", "user", bob(2).bytes),
        (
            "a wrong proof",
            "proof",
            with(|it| it.devices[1].1 = it.devices[0].1),
        ),
        (
            "another list before it",
            "previous",
            with(|it| it.previous = [7; 32]),
        ),
        (
            "the same version again",
            "version",
            with(|it| it.version = 1),
        ),
        ("a version too many", "version", with(|it| it.version = 3)),
        (
            "a device that kept its id and changed its keys",
            "keys",
            with(|it| it.devices[0] = (BOBS_PHONE, proof(ALICES, BOBS_PHONE))),
        ),
        (
            "a device with another id than the next one",
            "device_id",
            with(|it| {
                let member = Member {
                    device: 3,
                    ..TABLET
                };
                it.devices[1] = (member, proof(ALICES, member));
                it.next_device = 4;
            }),
        ),
        (
            "next_device without a new device",
            "device_id",
            with(|it| it.devices.truncate(1)),
        ),
        ("two new devices", "device_id", two.signed().bytes),
    ]
}

/// The address of a member.
pub(crate) fn address(owner: Owner, member: Member) -> Address {
    Address {
        user: owner.user,
        device: DeviceId(member.device),
    }
}
