//! Device lists and parts on behalf of the clients: real lists, signed by nobody.
//!
//! What devices an account has is the shards' business, and so is who gets which part; what is in
//! them is not, and no signature is looked at here.

use bytes::{Bytes, BytesMut};
use martlet_protocol::device_list::{HASH_BYTES, PREVIOUS_NONE};
use martlet_protocol::frame::Prekey;
use martlet_protocol::wire::List;
use martlet_protocol::{Address, DeviceId, DeviceList, ListedDevice, Millis, UserId};
use martlet_shard::{
    Addressing, Command, DevicePart, OwnDevices, Publication, SendRequest, SessionId,
};

/// As many one-time keys as keep the server from asking for more.
const KEYS: u64 = 10;

/// What an account's first device says to get a second one: a list with itself, a list with both,
/// and prekeys for both.
pub(crate) fn link(user: UserId, keys: [[u8; 32]; 2], epoch: u64) -> Vec<Command> {
    let first = Address {
        user,
        device: DeviceId(1),
    };
    let publish = |version: u8, epoch: u64| Command::Publish {
        session: SessionId(0),
        address: first,
        request: 1,
        publication: Box::new(Publication {
            list: list(user, &keys[..usize::from(version)], version),
            hash: hash(version),
            epoch,
            answer: Bytes::new(),
        }),
    };
    let mut commands = vec![publish(1, 0), publish(2, epoch)];
    commands.extend([1, 2].map(|device| Command::Upload {
        session: SessionId(0),
        address: Address {
            user,
            device: DeviceId(device),
        },
        request: 1,
        last_resort: None,
        one_time: (1..=KEYS).map(prekey).collect(),
    }));
    commands
}

/// Stands for a device that an account does not have: beside it there are all that it has.
pub(crate) const fn everyone(user: UserId) -> Address {
    Address {
        user,
        device: DeviceId(0),
    }
}

/// Makes a message for the devices that both accounts have now: a part for each, with nothing in
/// it.
pub(crate) fn address(request: &mut SendRequest, own: OwnDevices, theirs: OwnDevices) {
    let parts = |devices: &[DeviceId]| -> Vec<_> {
        let devices = devices.iter().copied();
        devices
            .map(|device| DevicePart {
                device,
                part: Bytes::new(),
            })
            .collect()
    };
    let addressing = Addressing {
        to_version: theirs.version(),
        own_version: own.version(),
        to_parts: match theirs.version() {
            0 => Vec::new(),
            _ => parts(theirs.others()),
        },
        own_parts: parts(own.others()),
        own,
        ..Addressing::PLAIN
    };
    request.addressing = addressing.boxed();
}

fn list(user: UserId, keys: &[[u8; 32]], version: u8) -> Bytes {
    let devices: Vec<_> = keys
        .iter()
        .zip(1..)
        .map(|(key, device)| ListedDevice {
            device: DeviceId(device),
            signing_key: *key,
            identity_key: *key,
            proof: [0; 64],
            name: b"",
        })
        .collect();
    let list = DeviceList {
        user,
        account_key: [0; 32],
        version: u64::from(version),
        previous: hash(version - 1),
        issued_at: Millis(0),
        next_device: DeviceId(u16::from(version) + 1),
        devices: List::Slice(&devices),
        signature: [0; 64],
    };
    let mut bytes = BytesMut::new();
    list.encode(&mut bytes);
    bytes.freeze()
}

/// Any number that the version decides will do.
const fn hash(version: u8) -> [u8; HASH_BYTES] {
    match version {
        0 => PREVIOUS_NONE,
        version => [version; HASH_BYTES],
    }
}

const fn prekey(id: u64) -> Prekey {
    Prekey {
        id,
        key: [0; 32],
        signature: [0; 64],
    }
}
