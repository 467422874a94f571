//! Another shard tells this one something: applied once, confirmed every time.

use martlet_store::ShardId;
use martlet_store::keys::relay::RelayItem;

use crate::command::Command;
use crate::effect::Effect;
use crate::handle::group_entry;
use crate::state::State;
use crate::turn::Turn;

/// Takes what a source's outbox row holds for this shard. The confirmation waits, like every
/// effect, for the commit; until then the source keeps the row.
pub(crate) fn relayed(
    state: &mut State,
    turn: &mut Turn<'_>,
    source: ShardId,
    sequence: u64,
    items: Vec<RelayItem>,
) {
    let applied = state.applied.entry(source).or_default();
    if sequence > *applied {
        *applied = sequence;
        state.applied_moved.push(source);
        state.dirty = true;
        for item in items {
            match item {
                RelayItem::Entry {
                    group,
                    sequence,
                    entry,
                } => {
                    let entry = entry.expect("it was read before it was announced");
                    group_entry::take(state, turn, (group, sequence), &entry);
                }
                item => state.told.push(item),
            }
        }
    }
    let target = state.id;
    turn.effects.push(Effect::Forward(Command::RelayDone {
        source,
        target,
        sequence,
    }));
}
