//! Old entries fall off the logs of groups.

use bytes::Bytes;
use martlet_protocol::{GroupId, Millis};
use martlet_store::keys::group_log::{self, LogRow};
use martlet_store::keys::membership;

use crate::group::entry_of;
use crate::limits::{GROUP_LOG_GRACE_MS, SWEEP_ACCOUNTS, SWEEP_ROWS};
use crate::state::State;
use crate::turn::Turn;

/// Looks at the oldest entries of some logs, and at those of the next ones in the next sweep.
pub(crate) fn sweep(state: &mut State, turn: &mut Turn<'_>) {
    let id = state.id;
    let end = group_log::key(id, GroupId(u64::MAX), u64::MAX);
    for _ in 0..SWEEP_ACCOUNTS {
        let from = GroupId(state.sweep_groups_from.0.saturating_add(1));
        let Some(row) = turn.view.first(&group_log::key(id, from, 0), &end) else {
            state.sweep_groups_from = GroupId(0);
            return;
        };
        let (group, oldest, at) = age_of(row);
        state.sweep_groups_from = group;
        trim(state, turn, group, (oldest, at));
    }
}

/// Removes the entries at the front that are older than any inbox may refer to. The newest one
/// stays: a log goes on behind it, and whoever reads a stream finds an end. Only the log of a group
/// that has no members here any more goes as a whole.
fn trim(state: &State, turn: &mut Turn<'_>, group: GroupId, (oldest, at): (u64, Millis)) {
    let life_ms = state.limits.retention_ms.saturating_add(GROUP_LOG_GRACE_MS);
    let cutoff = Millis(turn.now.0.saturating_sub(life_ms));
    // Most logs have nothing old: one look tells.
    if at >= cutoff {
        return;
    }
    let is_home = state.topology.shard_of_group(group) == state.id;
    let local = membership::local_key(state.id, group);
    let has_members = state.locals.contains_key(&group) || turn.view.get(&local).is_some();
    let key = |sequence| group_log::key(state.id, group, sequence);
    let newest = turn.view.last(&key(oldest), &key(u64::MAX)).map(age_of);
    let kept_from = match newest {
        Some((_, newest, _)) if is_home || has_members => newest,
        _ => u64::MAX,
    };
    let rows = turn
        .view
        .scan(&key(oldest), &key(u64::MAX), SWEEP_ROWS, usize::MAX);
    let old = rows
        .into_iter()
        .map(age_of)
        .take_while(|(_, sequence, at)| *at < cutoff && *sequence < kept_from);
    if let Some((_, last, _)) = old.last() {
        turn.batch.delete_range(&key(0), &key(last + 1));
    }
}

fn age_of((key, value): (Bytes, Bytes)) -> (GroupId, u64, Millis) {
    let (group, sequence) = group_log::place_of(&key).expect("a log key holds a place");
    let row = LogRow::decode(&value).expect("a log row is ours");
    (group, sequence, entry_of(&row).timestamp.millis())
}
