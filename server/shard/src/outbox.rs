//! What this shard owes to others: durable until they have it on synced storage.

use std::collections::{BTreeMap, BTreeSet};

use martlet_store::keys::group_log::{self, LogRow};
use martlet_store::keys::relay::{
    RelayItem, decode_outbox, encode_outbox, outbox_key, sequence_of,
};
use martlet_store::keys::{KeyTag, key_prefix, key_prefix_end};
use martlet_store::{ShardId, View};

use crate::command::Command;
use crate::effect::Effect;
use crate::limits::OUTBOX_TRIM_ROWS;
use crate::turn::Turn;

/// The outbox. Invariant: `removed < pending.. ≤ newest`, and the newest row is never removed.
#[derive(Debug)]
pub(crate) struct Outbox {
    newest: u64,
    /// Rows up to here are gone.
    removed: u64,
    /// Rows that some target has not confirmed, and which.
    pending: BTreeMap<u64, BTreeSet<ShardId>>,
}

impl Outbox {
    /// Reads what a crash or a stop left, and sends all of it again: targets ignore what they
    /// have.
    pub(crate) fn recover(shard: ShardId, view: &dyn View, effects: &mut Vec<Effect>) -> Self {
        let mut outbox = Self {
            newest: 0,
            removed: 0,
            pending: BTreeMap::new(),
        };
        let end = key_prefix_end(shard, KeyTag::Outbox);
        let mut from = key_prefix(shard, KeyTag::Outbox).to_vec();
        loop {
            let page = view.scan(&from, &end, 256, 1 << 20);
            let Some((last, _)) = page.last() else { break };
            from = [last, &[0][..]].concat();
            for (key, value) in &page {
                let sequence = sequence_of(key).expect("an outbox key holds a sequence");
                let mut items = decode_outbox(value).expect("an outbox row is ours");
                items.retain_mut(|(_, item)| is_whole(shard, view, item));
                outbox.newest = sequence;
                outbox.announce(shard, sequence, items, effects);
            }
        }
        outbox.removed = outbox.pending.keys().next().map_or(0, |first| first - 1);
        outbox
    }

    /// Makes one row of what a turn owes, and announces it.
    pub(crate) fn append(
        &mut self,
        shard: ShardId,
        items: Vec<(ShardId, RelayItem)>,
        turn: &mut Turn<'_>,
    ) {
        self.newest += 1;
        turn.put_with(&outbox_key(shard, self.newest), |out| {
            encode_outbox(&items, out)
        });
        self.announce(shard, self.newest, items, turn.effects);
    }

    /// A target has a row. Done rows are removed from the front, by range.
    pub(crate) fn done(
        &mut self,
        shard: ShardId,
        target: ShardId,
        sequence: u64,
        turn: &mut Turn<'_>,
    ) {
        if let Some(targets) = self.pending.get_mut(&sequence) {
            targets.remove(&target);
            if targets.is_empty() {
                self.pending.remove(&sequence);
            }
        }
        let first_pending = self.pending.keys().next().copied().unwrap_or(self.newest);
        let removable = first_pending.min(self.newest) - 1;
        if removable >= self.removed + OUTBOX_TRIM_ROWS {
            let from = outbox_key(shard, self.removed + 1);
            turn.batch
                .delete_range(&from, &outbox_key(shard, removable + 1));
            self.removed = removable;
        }
    }

    fn announce(
        &mut self,
        source: ShardId,
        sequence: u64,
        items: Vec<(ShardId, RelayItem)>,
        effects: &mut Vec<Effect>,
    ) {
        let mut targets = BTreeMap::<ShardId, Vec<RelayItem>>::new();
        for (target, item) in items {
            targets.entry(target).or_default().push(item);
        }
        self.pending
            .insert(sequence, targets.keys().copied().collect());
        effects.extend(targets.into_iter().map(|(target, items)| {
            Effect::Forward(Command::Relayed {
                target,
                source,
                sequence,
                items,
            })
        }));
    }
}

/// Reads the entry that a stored item refers to. `false` when it has fallen off the group's log by
/// age: then it has fallen off everywhere.
fn is_whole(shard: ShardId, view: &dyn View, item: &mut RelayItem) -> bool {
    let RelayItem::Entry {
        group,
        sequence,
        entry,
    } = item
    else {
        return true;
    };
    let value = view.get(&group_log::key(shard, *group, *sequence));
    *entry = value.map(|value| Box::new(LogRow::decode(&value).expect("a log row is ours")));
    entry.is_some()
}
