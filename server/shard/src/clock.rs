//! Timestamps that are unique in the shard and never go back, also across a restart.

use martlet_protocol::{Millis, Timestamp};
use martlet_store::ShardId;
use martlet_store::keys::cursor::timestamp_of;
use martlet_store::keys::relay::clock_key;

use crate::turn::Turn;

/// The shard's clock. Invariant: `last ≤ reserved`, and `reserved` is in the batch of the turn
/// that first goes beyond the one before.
#[derive(Debug)]
pub(crate) struct Clock {
    last: Timestamp,
    reserved: Timestamp,
}

impl Clock {
    /// Goes on where the reservation of the last run ends: what it gave out lies below.
    pub(crate) fn recover(shard: ShardId, view: &dyn martlet_store::View) -> Self {
        let reserved = view
            .get(&clock_key(shard))
            .map_or_else(Timestamp::default, |value| {
                timestamp_of(&value).expect("the clock row is ours and the store checks its bytes")
            });
        Self {
            last: reserved,
            reserved,
        }
    }

    /// A timestamp later than all before, than `after`, and not earlier than now.
    pub(crate) fn next(
        &mut self,
        shard: ShardId,
        turn: &mut Turn<'_>,
        after: Timestamp,
    ) -> Timestamp {
        let now = turn.now.timestamp();
        let next = Timestamp(now.0.max(self.last.0 + 1).max(after.0 + 1));
        self.last = next;
        if next > self.reserved {
            self.reserved = Timestamp(next.0 + RESERVE_US);
            let reserved = self.reserved.0.to_le_bytes();
            turn.batch.put(&clock_key(shard), &reserved);
        }
        next
    }

    /// Whether `after` is so far ahead of the clock that it would drag the conversation along.
    /// What this shard has given out itself is no drag, whatever the clock says since; but it does
    /// not move the limit, or many small steps would lead anywhere.
    pub(crate) fn is_ahead(&self, now: Millis, after: Timestamp, allowed_us: u64) -> bool {
        let limit = now.timestamp().0.saturating_add(allowed_us);
        after.0 > limit.max(self.last.0)
    }
}

/// How far ahead one row reserves: ten rows a second for a busy shard.
///
/// A crash moves the timestamps this far ahead of the wall clock at most. It must be less than a
/// restart takes, or crashes in a row would add up, until what one shard gave out is refused by
/// another as lying too far ahead.
const RESERVE_US: u64 = 100_000;
