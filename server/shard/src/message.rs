//! What a SEND is made of on its way between shards.

use bytes::Bytes;
use martlet_protocol::frame::SendScope;
use martlet_protocol::limits::DEVICES_MAX;
use martlet_protocol::{DeviceId, GroupId, MessageId, Timestamp, UserId};
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
    /// Which devices it is for; `None` is [`Addressing::PLAIN`]. Commands are moved more often
    /// than anything else, so what may be missing is no part of them.
    pub addressing: Option<Box<Addressing>>,
    /// What every device gets.
    pub envelope: Bytes,
}

/// A GROUP_SEND without its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSendRequest {
    /// With the sender the idempotency key.
    pub message_id: MessageId,
    /// The group.
    pub group: GroupId,
    /// The version of the group that it was made for.
    pub version: u64,
    /// The roster that it was made for.
    pub roster: u64,
    /// Time to live in milliseconds, 0 for the retention.
    pub ttl_ms: u64,
    /// What every device gets.
    pub envelope: Bytes,
}

/// Which devices a message is for, and what each of them gets beside the envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressing {
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
    /// The sender's account as its own shard has it
    /// ([`Shard::own_devices`](crate::Shard::own_devices)): the recipient's shard judges by it
    /// whether the message was made for all of the sender's devices.
    pub own: OwnDevices,
}

/// What one device gets of a message beside the envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicePart {
    /// Which device of its account.
    pub device: DeviceId,
    /// What only this device gets.
    pub part: Bytes,
}

/// An account beside the one of its devices that sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnDevices {
    version: u64,
    others: [DeviceId; DEVICES_MAX],
    others_count: u8,
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

impl Addressing {
    /// From an account without a list, to one without a list: the only device of each.
    pub const PLAIN: Self = Self {
        scope: SendScope::ALL,
        to_version: 0,
        own_version: 0,
        to_parts: Vec::new(),
        own_parts: Vec::new(),
        own: OwnDevices::NONE,
    };

    /// As a [`SendRequest`] has it.
    #[inline]
    pub fn boxed(self) -> Option<Box<Self>> {
        let is_plain = self.scope == SendScope::ALL
            && (self.to_version | self.own_version | self.own.version) == 0
            && self.to_parts.is_empty()
            && self.own_parts.is_empty()
            && self.own.others_count == 0;
        (!is_plain).then(|| Box::new(self))
    }

    /// What a device of the recipient gets beside the envelope; `None` when the message is not for
    /// it. Without any parts it is for every device.
    pub(crate) fn part_for(&self, device: DeviceId) -> Option<&[u8]> {
        if self.to_parts.is_empty() {
            return Some(&[]);
        }
        part_of(&self.to_parts, device)
    }
}

impl SendRequest {
    pub(crate) fn addressing(&self) -> &Addressing {
        static PLAIN: Addressing = Addressing::PLAIN;
        self.addressing.as_deref().unwrap_or(&PLAIN)
    }

    pub(crate) fn is_named(&self) -> bool {
        self.addressing().scope == SendScope::NAMED
    }

    /// What a retry must repeat: everything that a device sees or that decides which devices do.
    /// Versions are not part of it: a message that was placed stays placed when a list changes.
    pub(crate) fn payload_hash(&self) -> u128 {
        let to = self.to.0.to_le_bytes();
        let ttl = self.ttl_ms.to_le_bytes();
        let mut head = [0; HASH_HEAD_BYTES];
        head[..8].copy_from_slice(&to);
        head[8..16].copy_from_slice(&ttl);
        let Addressing {
            scope,
            to_parts,
            own_parts,
            ..
        } = self.addressing();
        head[16] = scope.0;
        if to_parts.is_empty() && own_parts.is_empty() {
            return hash128(&[&head, &self.envelope]);
        }
        head[17] = 1;
        // Borders are not hashed: all that has a fixed width comes first, lengths among it.
        let mut head = head.to_vec();
        head.extend_from_slice(&(to_parts.len() as u64).to_le_bytes());
        head.extend_from_slice(&(own_parts.len() as u64).to_le_bytes());
        let parts = || to_parts.iter().chain(own_parts);
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
    pub const NONE: Self = Self::alone(0);

    /// An account with this list version and no device beside the sender.
    pub const fn alone(version: u64) -> Self {
        Self {
            version,
            others: [DeviceId(0); DEVICES_MAX],
            others_count: 0,
        }
    }

    /// An account with this list version and, beside the sender, these devices.
    ///
    /// # Panics
    /// When there are more devices than an account may have.
    pub fn new(version: u64, others: impl Iterator<Item = DeviceId>) -> Self {
        let mut own = Self::alone(version);
        for device in others {
            own.others[usize::from(own.others_count)] = device;
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
        &self.others[..usize::from(self.others_count)]
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

/// Recipient, time to live, scope, and whether there are parts.
const HASH_HEAD_BYTES: usize = 8 + 8 + 1 + 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn part(device: u16, part: &'static [u8]) -> DevicePart {
        DevicePart {
            device: DeviceId(device),
            part: Bytes::from_static(part),
        }
    }

    fn addressed(addressing: Addressing) -> SendRequest {
        SendRequest {
            message_id: MessageId([1; 16]),
            to: UserId(7),
            after: Timestamp(5),
            ttl_ms: 0,
            addressing: addressing.boxed(),
            envelope: Bytes::from_static(b"envelope"),
        }
    }

    fn request(to_parts: Vec<DevicePart>, own_parts: Vec<DevicePart>) -> SendRequest {
        addressed(Addressing {
            to_version: 1,
            own_version: 1,
            to_parts,
            own_parts,
            ..Addressing::PLAIN
        })
    }

    #[test]
    fn no_two_payloads_look_alike() {
        let parts = || vec![part(1, b"ab"), part(2, b"c")];
        let base = request(parts(), vec![part(3, b"d")]);
        let three = vec![part(1, b"ab"), part(2, b"c"), part(3, b"d")];
        let others = [
            request(vec![part(1, b"a"), part(2, b"bc")], vec![part(3, b"d")]),
            request(vec![part(1, b"ab"), part(4, b"c")], vec![part(3, b"d")]),
            request(three, Vec::new()),
            request(parts(), vec![part(3, b"")]),
            request(Vec::new(), Vec::new()),
            addressed(Addressing {
                scope: SendScope::NAMED,
                ..(*base.addressing()).clone()
            }),
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
            ..addressed(Addressing {
                to_version: 2,
                own_version: 2,
                own: OwnDevices::alone(2),
                ..(*base.addressing()).clone()
            })
        };
        assert_eq!(later.payload_hash(), base.payload_hash());
    }

    #[test]
    fn a_message_between_accounts_without_lists_carries_nothing_of_them() {
        assert_eq!(addressed(Addressing::PLAIN).addressing, None);
        let named = Addressing {
            scope: SendScope::NAMED,
            ..Addressing::PLAIN
        };
        assert_eq!(addressed(named.clone()).addressing(), &named);
    }
}
