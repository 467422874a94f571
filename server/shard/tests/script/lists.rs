//! What devices publish and upload: real lists with signatures of zeros, which are no business of
//! a shard.

use bytes::{Bytes, BytesMut};
use martlet_protocol::device_list::{HASH_BYTES, PREVIOUS_NONE};
use martlet_protocol::frame::{Prekey, PrekeyKind};
use martlet_protocol::wire::List;
use martlet_protocol::{Address, DeviceId, DeviceList, ListedDevice, Millis, UserId};
use martlet_shard::{Command, Publication, SessionId};
use martlet_store::keys::account::{self, AccountRow};
use martlet_store::keys::device_list;
use martlet_store::{View, hash128};

use crate::compose::NOBODY;
use crate::parse::{EPOCH, REQUEST, handle_of, stranger};
use crate::words::Words;
use crate::world::World;

/// As many one-time keys as keep the server from asking for more.
const KEYS: u64 = 10;

/// A list that somebody is writing.
struct Draft {
    user: UserId,
    account_key: [u8; 32],
    version: u64,
    previous: [u8; HASH_BYTES],
    next_device: DeviceId,
    devices: Vec<(DeviceId, [u8; 32], [u8; 32])>,
}

impl Draft {
    /// The first list of an account, or the first after a reset.
    fn begin(user: UserId, row: &AccountRow) -> Self {
        let devices = row.devices.iter();
        Self {
            user,
            account_key: [7; 32],
            version: row.list.map_or(1, |head| head.version + 1),
            previous: row.list.map_or(PREVIOUS_NONE, |head| head.hash),
            next_device: row.next_device,
            devices: devices
                .map(|row| (row.device, row.key, identity_key(row.device)))
                .collect(),
        }
    }

    /// The list behind `before`, with nothing changed.
    fn follow(before: &[u8]) -> Self {
        let list = DeviceList::decode(before).expect("it was published");
        let devices = list.devices.iter();
        Self {
            user: list.user,
            account_key: list.account_key,
            version: list.version + 1,
            previous: hash(before),
            next_device: list.next_device,
            devices: devices
                .map(|it| (it.device, it.signing_key, it.identity_key))
                .collect(),
        }
    }

    /// The list that a client with the newest one would publish.
    fn next(world: &World, user: UserId) -> Self {
        let row = account_row(world, user);
        match row.list {
            Some(head) if !head.is_reset => {
                let newest = list(world, user, head.version);
                Self::follow(&newest.expect("the newest list is there"))
            }
            _ => Self::begin(user, &row),
        }
    }

    fn add(&mut self, device: DeviceId) {
        let keys = (device, signing_key(device), identity_key(device));
        self.devices.push(keys);
        self.next_device = DeviceId(device.0 + 1);
    }

    fn encode(&self) -> Bytes {
        let listed = |(device, signing_key, identity_key): &(DeviceId, _, _)| ListedDevice {
            device: *device,
            signing_key: *signing_key,
            identity_key: *identity_key,
            proof: [0; 64],
            name: b"sealed",
        };
        let devices: Vec<_> = self.devices.iter().map(listed).collect();
        let list = DeviceList {
            user: self.user,
            account_key: self.account_key,
            version: self.version,
            previous: self.previous,
            issued_at: Millis(0),
            next_device: self.next_device,
            devices: List::Slice(&devices),
            signature: [0; 64],
        };
        let mut bytes = BytesMut::new();
        list.encode(&mut bytes);
        bytes.freeze()
    }
}

/// A device comes. Whoever is there publishes it, the account's first list before if there is
/// none, and all its devices have prekeys.
pub(crate) fn add(world: &mut World, name: &str, words: &Words<'_>) -> Vec<Command> {
    let user = world.devices[handle_of(name)].user;
    let row = account_row(world, user);
    let session = world.next_session();
    let publisher = Address {
        user,
        device: row.devices[0].device,
    };
    let mut commands = Vec::new();
    let mut draft = Draft::next(world, user);
    if row.list.is_none_or(|head| head.is_reset) {
        let first = draft.encode();
        commands.push(publish_command((session, publisher), first.clone(), ""));
        draft = Draft::follow(&first);
    }
    let device = device_id(name);
    draft.add(device);
    world.name_device(name, user, device);
    let mut publish = publish_command((session, publisher), draft.encode(), "");
    let epoch = words.value("epoch");
    if let (Command::Publish { publication, .. }, Some(epoch)) = (&mut publish, epoch) {
        publication.epoch = epoch;
    }
    commands.push(publish);
    for (device, _, _) in &draft.devices {
        let address = Address {
            user,
            device: *device,
        };
        commands.push(upload_command(session, address, 1..=KEYS));
    }
    commands
}

/// A device goes: another one of the account publishes a list without it.
pub(crate) fn remove(world: &mut World, name: &str) -> Vec<Command> {
    let gone = world.devices[name];
    let mut draft = Draft::next(world, gone.user);
    draft
        .devices
        .retain(|(device, _, _)| *device != gone.device);
    let publisher = Address {
        user: gone.user,
        device: draft.devices.first().expect("another device stays").0,
    };
    let session = world.next_session();
    vec![publish_command((session, publisher), draft.encode(), "")]
}

pub(crate) fn of_session(
    world: &World,
    (session, address): (SessionId, Address),
    words: &Words<'_>,
) -> Command {
    match words.at(0) {
        "publish" => publish(world, (session, address), words),
        "upload" => upload(session, address, words),
        "claim" => Command::Claim {
            session,
            from: address,
            request: REQUEST,
            user: user_of(world, words.at(1)),
            devices: words.0[1..].iter().map(|name| device_id(name)).collect(),
        },
        "devices" => Command::Devices {
            session,
            request: REQUEST,
            user: user_of(world, words.at(2)),
            have: words.value("have").unwrap_or(0),
        },
        "link" => Command::LinkOpen {
            session,
            address,
            request: REQUEST,
            device: DeviceId(u16::try_from(words.number(1)).expect("a device's number")),
            ticket: ticket(words),
        },
        "close" => Command::LinkClose {
            session,
            address,
            request: REQUEST,
            ticket: ticket(words),
        },
        other => panic!("no such command: {other}"),
    }
}

fn publish(world: &World, of: (SessionId, Address), words: &Words<'_>) -> Command {
    let answer = words.text("answer").unwrap_or("");
    let user = of.1.user;
    if let Some(version) = words.value("again") {
        let mut again = list(world, user, version).expect("it is there").to_vec();
        // Another signature over the same list.
        *again.last_mut().expect("it has a signature") ^= 1;
        return publish_command(of, again.into(), answer);
    }
    let mut draft = Draft::next(world, user);
    for name in words.signed('-') {
        let gone = device_id(name);
        draft.devices.retain(|(device, _, _)| *device != gone);
    }
    for name in words.signed('+') {
        draft.add(device_id(name));
    }
    let byte = |key: &str| {
        words
            .value(key)
            .map(|byte| u8::try_from(byte).expect("a byte"))
    };
    draft.version = words.value("version").unwrap_or(draft.version);
    draft.account_key = byte("account").map_or(draft.account_key, |byte| [byte; 32]);
    draft.previous = byte("previous").map_or(draft.previous, |byte| [byte; 32]);
    draft.next_device = byte("next").map_or(draft.next_device, |byte| DeviceId(byte.into()));
    draft.user = words.text("user").map_or(user, |name| user_of(world, name));
    for (device, signing_key, identity_key) in &mut draft.devices {
        let is = |key: &str| words.text(key).map(device_id) == Some(*device);
        if is("rekey") {
            *signing_key = [99; 32];
        }
        if is("identity") {
            *identity_key = [99; 32];
        }
    }
    let mut bytes = draft.encode();
    if words.has("cut") {
        bytes.truncate(bytes.len() - 1);
    }
    publish_command(of, bytes, answer)
}

fn publish_command((session, address): (SessionId, Address), list: Bytes, answer: &str) -> Command {
    Command::Publish {
        session,
        address,
        request: REQUEST,
        publication: Box::new(Publication {
            hash: hash(&list),
            list,
            epoch: EPOCH,
            answer: Bytes::copy_from_slice(answer.as_bytes()),
        }),
    }
}

fn upload(session: SessionId, address: Address, words: &Words<'_>) -> Command {
    let range = words.0.get(1).and_then(|word| word.split_once('-'));
    let number = |text: &str| text.parse().expect("the number of a key");
    let (first, last) = range.map_or((1, 0), |(first, last)| (number(first), number(last)));
    let mut command = upload_command(session, address, first..=last);
    let Command::Upload {
        last_resort,
        one_time,
        ..
    } = &mut command
    else {
        unreachable!("it is an upload");
    };
    let last = words.value("last");
    *last_resort = last.map(|id| Box::new(prekey(address, PrekeyKind::LAST_RESORT, id)));
    if words.has("backwards") {
        one_time.reverse();
    }
    command
}

fn upload_command(
    session: SessionId,
    address: Address,
    ids: std::ops::RangeInclusive<u64>,
) -> Command {
    Command::Upload {
        session,
        address,
        request: REQUEST,
        last_resort: None,
        one_time: ids
            .map(|id| prekey(address, PrekeyKind::ONE_TIME, id))
            .collect(),
    }
}

pub(crate) fn join(world: &mut World, device: &str, words: &Words<'_>) -> Command {
    Command::LinkJoin {
        session: stranger(world, device),
        user: user_of(world, handle_of(device)),
        device: DeviceId(u16::try_from(words.number(1)).expect("a device's number")),
        ticket: ticket(words),
        offer: Bytes::copy_from_slice(words.text("offer").unwrap_or("hello").as_bytes()),
    }
}

/// The connection of a device that has sent LINK_JOIN is lost.
pub(crate) fn abandon(world: &mut World, device: &str) -> Command {
    let session = world.session(device);
    world.links.remove(&session);
    Command::LinkLeave {
        session,
        user: user_of(world, handle_of(device)),
    }
}

/// The prekey that a device makes under this number.
pub(crate) fn prekey(address: Address, kind: PrekeyKind, id: u64) -> Prekey {
    let user = address.user.0.to_le_bytes();
    let device = address.device.0.to_le_bytes();
    let bytes = hash128(&[&user, &device, &[kind.0], &id.to_le_bytes()]).to_le_bytes();
    Prekey {
        id,
        key: [bytes, bytes].concat().try_into().expect("twice 16 bytes"),
        signature: [kind.0; 64],
    }
}

/// The newest version that an account has published.
pub(crate) fn newest_version(world: &World, user: UserId) -> u64 {
    if user == NOBODY {
        return 0;
    }
    account_row(world, user).list.map_or(0, |head| head.version)
}

/// The devices of one version, none for version 0.
pub(crate) fn devices(world: &World, user: UserId, version: u64) -> Vec<DeviceId> {
    let Some(bytes) = list(world, user, version) else {
        return Vec::new();
    };
    let list = DeviceList::decode(&bytes).expect("it was published");
    list.devices.iter().map(|it| it.device).collect()
}

pub(crate) fn identity_key(device: DeviceId) -> [u8; 32] {
    [0x90 + u8::try_from(device.0).expect("a test has few devices"); 32]
}

fn signing_key(device: DeviceId) -> [u8; 32] {
    [0x50 + u8::try_from(device.0).expect("a test has few devices"); 32]
}

fn list(world: &World, user: UserId, version: u64) -> Option<Bytes> {
    let shard = world.topology.shard_of_user(user);
    world.sealed.get(&device_list::key(shard, user, version))
}

fn account_row(world: &World, user: UserId) -> AccountRow {
    let shard = world.topology.shard_of_user(user);
    let row = world.sealed.get(&account::key(shard, user));
    AccountRow::decode(&row.expect("it is registered")).expect("it decodes")
}

/// Any function of what the signature covers will do: the shard takes the driver's word for it.
fn hash(list: &[u8]) -> [u8; HASH_BYTES] {
    let bytes = hash128(&[&list[..list.len().saturating_sub(64)]]).to_le_bytes();
    [bytes, bytes].concat().try_into().expect("twice 16 bytes")
}

fn user_of(world: &World, name: &str) -> UserId {
    let first = world.devices.get(handle_of(name));
    first.map_or(NOBODY, |address| address.user)
}

/// The number in a name: `ann` is 1, `ann2` is 2.
fn device_id(name: &str) -> DeviceId {
    let number = &name[handle_of(name).len()..];
    DeviceId(number.parse().unwrap_or(1))
}

fn ticket(words: &Words<'_>) -> [u8; 32] {
    let byte = words.value("ticket").expect("a ticket");
    [u8::try_from(byte).expect("a ticket is a byte here"); 32]
}
