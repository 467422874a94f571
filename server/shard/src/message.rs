//! What a SEND is made of on its way between shards.

use bytes::Bytes;
use martlet_protocol::frame::SendScope;
use martlet_protocol::limits::DEVICES_MAX;
use martlet_protocol::{DeviceId, MessageId, Timestamp, UserId};
use martlet_store::hash128;

/// A SEND without its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendRequest {
    /// With the sender the idempotency key.
    pub message_id: MessageId,
    /// The recipient.
    pub to: UserId,
    /// The newest timestamp the sender has seen in the conversation.
    pub after: Timestamp,
    /// Time to live in milliseconds, 0 for the retention.
    pub ttl_ms: u64,
    /// Which devices get it.
    pub scope: SendScope,
    /// The version of the recipient's device list that `to_parts` was made for.
    pub to_version: u64,
    /// The version of the sender's own device list that `own_parts` was made for.
    pub own_version: u64,
    /// For the recipient's devices.
    pub to_parts: Vec<DevicePart>,
    /// For the sender's other devices.
    pub own_parts: Vec<DevicePart>,
    /// What every device gets.
    pub envelope: Bytes,
}

/// What one device gets of a message beside the envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicePart {
    /// Which device of its account.
    pub device: DeviceId,
    /// What only this device gets.
    pub part: Bytes,
}

/// What the sender's own shard knows of the sender's account when a message leaves
/// ([`Shard::own_devices`](crate::Shard::own_devices)): the recipient's shard judges by it whether
/// the message was made for all of the sender's devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnDevices {
    version: u64,
    others: [DeviceId; DEVICES_MAX],
    others_count: usize,
}

/// The answer that every try of one message gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentAnswer {
    /// The message.
    pub message_id: MessageId,
    /// Its place in the conversation.
    pub timestamp: Timestamp,
    /// How many devices it waits for.
    pub devices: u64,
}

/// What the sender's other devices see of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// The recipient.
    pub to: UserId,
    /// For each of them.
    pub parts: Vec<DevicePart>,
    /// The message.
    pub envelope: Bytes,
}

impl SendRequest {
    /// What a device of the recipient gets beside the envelope; `None` when the message is not for
    /// it. Without any parts it is for every device.
    pub(crate) fn part_for(&self, device: DeviceId) -> Option<&[u8]> {
        if self.to_parts.is_empty() {
            return Some(&[]);
        }
        part_of(&self.to_parts, device)
    }

    /// What a retry must repeat: everything that a device sees or that decides which devices do.
    /// Versions are not part of it: a message that was placed stays placed when a list changes.
    pub(crate) fn payload_hash(&self) -> u128 {
        let to = self.to.0.to_le_bytes();
        let ttl = self.ttl_ms.to_le_bytes();
        let mut head = [0; HASH_HEAD_BYTES];
        head[..8].copy_from_slice(&to);
        head[8..16].copy_from_slice(&ttl);
        head[16] = self.scope.0;
        head[17..25].copy_from_slice(&(self.to_parts.len() as u64).to_le_bytes());
        head[25..].copy_from_slice(&(self.own_parts.len() as u64).to_le_bytes());
        if self.to_parts.is_empty() && self.own_parts.is_empty() {
            return hash128(&[&head, &self.envelope]);
        }
        // Borders are not hashed: all that has a fixed width comes first, lengths among it.
        let mut head = head.to_vec();
        let parts = || self.to_parts.iter().chain(&self.own_parts);
        for DevicePart { device, part } in parts() {
            head.extend_from_slice(&device.0.to_le_bytes());
            head.extend_from_slice(&(part.len() as u64).to_le_bytes());
        }
        let mut pieces = vec![&head[..]];
        pieces.extend(parts().map(|part| &part.part[..]));
        pieces.push(&self.envelope);
        hash128(&pieces)
    }
}

impl OwnDevices {
    /// An account that nothing is known of.
    pub const NONE: Self = Self {
        version: 0,
        others: [DeviceId(0); DEVICES_MAX],
        others_count: 0,
    };

    /// An account with this list version and, beside the sender, these devices.
    ///
    /// # Panics
    /// When there are more devices than an account may have.
    pub fn new(version: u64, others: impl Iterator<Item = DeviceId>) -> Self {
        let mut own = Self {
            version,
            ..Self::NONE
        };
        for device in others {
            own.others[own.others_count] = device;
            own.others_count += 1;
        }
        own
    }

    /// The version of the account's device list.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The account's other devices, ascending.
    pub fn others(&self) -> &[DeviceId] {
        &self.others[..self.others_count]
    }
}

impl Copy {
    /// What a device of the sender gets beside the envelope; `None` when the sender did not know
    /// of it.
    pub(crate) fn part_for(&self, device: DeviceId) -> Option<&[u8]> {
        part_of(&self.parts, device)
    }
}

fn part_of(parts: &[DevicePart], device: DeviceId) -> Option<&[u8]> {
    let mut parts = parts.iter();
    let found = parts.find(|part| part.device == device);
    found.map(|part| &part.part[..])
}

const HASH_HEAD_BYTES: usize = 8 + 8 + 1 + 8 + 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn part(device: u16, part: &'static [u8]) -> DevicePart {
        DevicePart {
            device: DeviceId(device),
            part: Bytes::from_static(part),
        }
    }

    fn request(to_parts: Vec<DevicePart>, own_parts: Vec<DevicePart>) -> SendRequest {
        SendRequest {
            message_id: MessageId([1; 16]),
            to: UserId(7),
            after: Timestamp(5),
            ttl_ms: 0,
            scope: SendScope::ALL,
            to_version: 1,
            own_version: 1,
            to_parts,
            own_parts,
            envelope: Bytes::from_static(b"envelope"),
        }
    }

    #[test]
    fn no_two_payloads_look_alike() {
        let base = request(vec![part(1, b"ab"), part(2, b"c")], vec![part(3, b"d")]);
        let moved = |to, own| request(to, own);
        let others = [
            moved(vec![part(1, b"a"), part(2, b"bc")], vec![part(3, b"d")]),
            moved(vec![part(1, b"ab"), part(4, b"c")], vec![part(3, b"d")]),
            moved(
                vec![part(1, b"ab"), part(2, b"c"), part(3, b"d")],
                Vec::new(),
            ),
            moved(vec![part(1, b"ab"), part(2, b"c")], vec![part(3, b"")]),
            moved(Vec::new(), Vec::new()),
            SendRequest {
                scope: SendScope::NAMED,
                ..base.clone()
            },
            SendRequest {
                ttl_ms: 1_000,
                ..base.clone()
            },
            SendRequest {
                envelope: Bytes::from_static(b"other"),
                ..base.clone()
            },
            SendRequest {
                to: UserId(8),
                ..base.clone()
            },
        ];
        for other in &others {
            assert_ne!(other.payload_hash(), base.payload_hash(), "{other:?}");
        }
        let later = SendRequest {
            after: Timestamp(6),
            to_version: 2,
            own_version: 2,
            ..base.clone()
        };
        assert_eq!(later.payload_hash(), base.payload_hash());
    }
}
