//! Old entries fall off the logs of groups.

use std::collections::BTreeSet;

use bytes::Bytes;
use martlet_protocol::{GroupId, Millis};
use martlet_store::keys::group_log::{self, LogRow};
use martlet_store::keys::{group as homes, membership};

use crate::group::entry_of;
use crate::limits::{GROUP_LOG_GRACE_MS, SWEEP_ACCOUNTS, SWEEP_ROWS};
use crate::state::State;
use crate::turn::Turn;

/// Looks at the oldest entries of some groups, and at those of the next ones in the next sweep.
pub(crate) fn sweep(state: &mut State, turn: &mut Turn<'_>) {
    let from = GroupId(state.sweep_groups_from.0.saturating_add(1));
    let last = GroupId(u64::MAX);
    let id = state.id;
    let homes = (homes::key(id, from), homes::key(id, last));
    let locals = (
        membership::local_key(id, from),
        membership::local_key(id, last),
    );
    let mut groups = BTreeSet::new();
    for (from, to) in [homes, locals] {
        let rows = turn.view.scan(&from, &to, SWEEP_ACCOUNTS, usize::MAX);
        let found = rows.iter().map(|(key, _)| homes::group_of(key));
        groups.extend(found.map(|group| group.expect("a group key holds a group")));
    }
    let is_whole = groups.len() >= SWEEP_ACCOUNTS;
    let groups: Vec<_> = groups.into_iter().take(SWEEP_ACCOUNTS).collect();
    state.sweep_groups_from = groups
        .last()
        .copied()
        .filter(|_| is_whole)
        .unwrap_or(GroupId(0));
    for group in groups {
        trim(state, turn, group);
    }
}

/// Removes the entries at the front that are older than any inbox may refer to. The newest one
/// stays: the log goes on behind it.
fn trim(state: &State, turn: &mut Turn<'_>, group: GroupId) {
    let life_ms = state.limits.retention_ms.saturating_add(GROUP_LOG_GRACE_MS);
    let cutoff = Millis(turn.now.0.saturating_sub(life_ms));
    let key = |sequence| group_log::key(state.id, group, sequence);
    let rows = |rows_max| {
        let rows = turn
            .view
            .scan(&key(0), &key(u64::MAX), rows_max, usize::MAX);
        rows.into_iter().map(age_of)
    };
    // Most logs have nothing old: one look tells.
    if rows(1).all(|(_, at)| at >= cutoff) {
        return;
    }
    let newest = turn.view.last(&key(0), &key(u64::MAX)).map(age_of);
    let newest = newest.map_or(0, |(sequence, _)| sequence);
    let old = rows(SWEEP_ROWS).take_while(|(sequence, at)| *at < cutoff && *sequence < newest);
    if let Some((last, _)) = old.last() {
        turn.batch.delete_range(&key(0), &key(last + 1));
    }
}

fn age_of((key, value): (Bytes, Bytes)) -> (u64, Millis) {
    let (_, sequence) = group_log::place_of(&key).expect("a log key holds a place");
    let row = LogRow::decode(&value).expect("a log row is ours");
    (sequence, entry_of(&row).timestamp.millis())
}
