//! Which message ids were certainly never used: most of them, and known without a read.

use std::collections::BTreeMap;

use martlet_protocol::{Address, MessageId};
use martlet_store::keys::message::{Origin, origin_of};
use martlet_store::keys::{KeyTag, key_prefix, key_prefix_end};
use martlet_store::{ShardId, View};

/// The newest id of each sender. Invariant: a stored id is at most `floor`, or at most its
/// sender's entry.
///
/// Ids begin with their time and clients draw them in order, so nearly every message is newer than
/// all before it from its device, and needs no look for an earlier one of the same id.
#[derive(Debug)]
pub(crate) struct Newest {
    floor: MessageId,
    by_sender: BTreeMap<Address, MessageId>,
}

impl Newest {
    /// Nothing that the store holds is above its last message row.
    pub(crate) fn recover(shard: ShardId, view: &dyn View) -> Self {
        let from = key_prefix(shard, KeyTag::Message);
        let last = view.last(&from, &key_prefix_end(shard, KeyTag::Message));
        let floor = last.map_or(MessageId([0; 16]), |(key, _)| {
            let origin = origin_of(&key).expect("a message key holds its id and sender");
            origin.message_id
        });
        Self {
            floor,
            by_sender: BTreeMap::new(),
        }
    }

    /// Whether this message was certainly never stored. `false` means: look.
    pub(crate) fn is_new(&self, origin: Origin) -> bool {
        let id = origin.message_id;
        let newest = self.by_sender.get(&origin.sender);
        id > self.floor && newest.is_none_or(|newest| id > *newest)
    }

    /// Notes that a message is stored.
    pub(crate) fn note(&mut self, origin: Origin) {
        if self.by_sender.len() >= SENDERS_MAX {
            // Forgetting a sender would make its old ids look new: the floor rises above them.
            let newest = self.by_sender.values().copied().max();
            self.floor = newest.map_or(self.floor, |newest| newest.max(self.floor));
            self.by_sender.clear();
        }
        let newest = self.by_sender.entry(origin.sender);
        let newest = newest.or_insert(origin.message_id);
        *newest = origin.message_id.max(*newest);
    }
}

/// Most senders remembered: 4 MiB for a shard in the worst case.
const SENDERS_MAX: usize = 65_536;

#[cfg(test)]
mod tests {
    use martlet_protocol::{DeviceId, Millis, UserId};
    use martlet_store::Memory;

    use super::*;

    fn origin(user: u64, time: u64) -> Origin {
        Origin {
            message_id: MessageId::new(Millis(time), [0; 10]),
            sender: Address {
                user: UserId(user),
                device: DeviceId(1),
            },
        }
    }

    #[test]
    fn an_id_that_was_used_never_looks_new() {
        let mut newest = Newest::recover(ShardId(1), &Memory::new());
        newest.note(origin(1, 50));
        assert!(!newest.is_new(origin(1, 50)));
        assert!(!newest.is_new(origin(1, 49)));
        assert!(newest.is_new(origin(1, 51)));
        assert!(newest.is_new(origin(2, 50)));

        // An older id behind a newer one does not bring the newer one back.
        newest.note(origin(1, 20));
        assert!(!newest.is_new(origin(1, 50)));

        for user in 0..SENDERS_MAX as u64 {
            newest.note(origin(1_000 + user, 60));
        }
        assert!(
            !newest.is_new(origin(1, 50)),
            "forgotten, but below the floor"
        );
        assert!(newest.is_new(origin(1, 61)));
    }
}
