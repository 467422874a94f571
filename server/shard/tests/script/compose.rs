//! What a device of a transcript sends, and what it knows when it does.

use bytes::Bytes;
use martlet_protocol::frame::SendScope;
use martlet_protocol::{Address, DeviceId, MessageId, Millis, Timestamp, UserId};
use martlet_shard::{Addressing, DevicePart, SendRequest};

use crate::lists;
use crate::words::Words;
use crate::world::{Message, World};

/// An account that does not exist.
pub(crate) const NOBODY: UserId = UserId(1 << 40);

/// A SEND. What was placed once is said again with the same parts, whatever has become of the
/// lists, unless the words say otherwise.
pub(crate) fn send(world: &mut World, from: Address, words: &Words<'_>) -> SendRequest {
    let name = words.at(1);
    let recipient = world.devices.get(words.at(2));
    let to = recipient.map_or(NOBODY, |device| device.user);
    let message_id = message(world, name);
    let size = usize::try_from(words.value("size").unwrap_or(0)).expect("a test's size");
    let text = words.text("text").unwrap_or(name);
    let envelope = Bytes::from(format!("{text:size$}"));
    let to_version = words.value("to");
    let to_version = to_version.unwrap_or_else(|| lists::newest_version(world, to));
    let own_version = words.value("own");
    let own_version = own_version.unwrap_or_else(|| lists::newest_version(world, from.user));
    let made = made(world, from, (to, to_version, own_version), words);
    let known = world.messages.get_mut(name).expect("made above");
    let says_parts = ["named", "parts", "own_parts", "part", "scope"];
    let is_again = known.timestamp.is_some();
    let (scope, to_parts, own_parts) = if is_again && !words.says_any(&says_parts) {
        let parts = (known.to_parts.clone(), known.own_parts.clone());
        (known.scope, parts.0, parts.1)
    } else {
        made
    };
    if !is_again {
        (known.to, known.scope, known.envelope) = (to, scope, envelope.clone());
        (known.to_parts, known.own_parts) = (to_parts.clone(), own_parts.clone());
    }
    SendRequest {
        message_id,
        to,
        after: after(world, words),
        ttl_ms: words.value("ttl").unwrap_or(0),
        addressing: Addressing {
            scope,
            to_version,
            own_version,
            to_parts,
            own_parts,
            own: world.own_devices(from),
        }
        .boxed(),
        envelope,
    }
}

fn after(world: &World, words: &Words<'_>) -> Timestamp {
    words.text("after").map_or(Timestamp(0), |after| {
        after
            .strip_prefix('@')
            .map(|ms| ms.parse().expect("milliseconds"))
            .map(|ms| world.now.plus(ms).timestamp())
            .unwrap_or_else(|| world.messages[after].timestamp.expect("it was sent"))
    })
}

/// Scope and parts for the devices of these versions of both lists.
fn made(
    world: &World,
    from: Address,
    (to, to_version, own_version): (UserId, u64, u64),
    words: &Words<'_>,
) -> (SendScope, Vec<DevicePart>, Vec<DevicePart>) {
    let bytes = words.value("part").unwrap_or(0);
    let part = |user: UserId, device: DeviceId| {
        let text = format!("{} for {}", words.at(1), Address { user, device });
        let width = usize::try_from(bytes).expect("a test's size");
        DevicePart {
            device,
            part: Bytes::from(format!("{text:width$}")),
        }
    };
    let parts = |user: UserId, devices: Vec<DeviceId>| -> Vec<DevicePart> {
        let devices = devices.into_iter();
        devices.map(|device| part(user, device)).collect()
    };
    if let Some(named) = words.text("named") {
        let own_parts = words.text("own_parts").map_or_else(Vec::new, ids);
        return (
            SendScope::NAMED,
            parts(to, ids(named)),
            parts(from.user, own_parts),
        );
    }
    let theirs = words.text("parts").map(ids);
    let theirs = theirs.unwrap_or_else(|| lists::devices(world, to, to_version));
    let ours = words.text("own_parts").map(ids).unwrap_or_else(|| {
        let mut ours = lists::devices(world, from.user, own_version);
        ours.retain(|device| *device != from.device);
        ours
    });
    let scope = words.value("scope").unwrap_or(1);
    let scope = SendScope(u8::try_from(scope).expect("a scope is a byte"));
    (scope, parts(to, theirs), parts(from.user, ours))
}

/// `1,3`, or nothing for none.
fn ids(text: &str) -> Vec<DeviceId> {
    let ids = text.split(',').filter(|id| !id.is_empty());
    ids.map(|id| DeviceId(id.parse().expect("a device's number")))
        .collect()
}

/// The message of this name; `old…`, `early…` and `bad…` have ids that tell a wrong time, or none.
pub(crate) fn message(world: &mut World, name: &str) -> MessageId {
    if let Some(known) = world.messages.get(name) {
        return known.id;
    }
    let mut random = [0; 10];
    let bytes = name.as_bytes();
    random[3..][..bytes.len().min(7)].copy_from_slice(&bytes[..bytes.len().min(7)]);
    const WEEK_MS: u64 = 7 * 24 * 60 * 60 * 1000;
    let time = match name {
        "old" => Millis(world.now.0 - WEEK_MS - 1),
        "aged" => Millis(world.now.0 - WEEK_MS),
        "early" => world.now.plus(5 * 60 * 1000 + 1),
        _ => world.now,
    };
    let mut id = MessageId::new(time, random);
    if name == "bad" {
        id.0[6] = 0x40;
    }
    let message = Message {
        id,
        to: UserId(0),
        scope: SendScope::ALL,
        to_parts: Vec::new(),
        own_parts: Vec::new(),
        envelope: Bytes::new(),
        timestamp: None,
    };
    world.messages.insert(name.to_owned(), message);
    id
}
