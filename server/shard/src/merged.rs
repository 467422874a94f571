//! Receipts of one turn, merged: a later watermark replaces an earlier one.

use std::collections::BTreeMap;

use martlet_protocol::{GroupId, State, UserId};
use martlet_store::keys::relay::RelayItem;

/// Items in the order in which they were told last.
///
/// A watermark that rises moves to the end. Were it raised in place it could overtake a FACT that
/// stands behind it, and would then cover the very message that the FACT takes out.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    items: Vec<Option<RelayItem>>,
    receipts: BTreeMap<(UserId, UserId, State), usize>,
    /// Watermarks of members of groups, for a home or for an author.
    progress: BTreeMap<ProgressKey, usize>,
}

impl Merged {
    pub(crate) fn push(&mut self, item: RelayItem) {
        if let RelayItem::Receipt {
            to,
            peer,
            state,
            up_to,
            ..
        } = item
        {
            if let Some(index) = self.receipts.get(&(to, peer.user, state)) {
                match self.items.get(*index) {
                    Some(Some(RelayItem::Receipt { up_to: told, .. })) if *told >= up_to => return,
                    _ => self.items[*index] = None,
                }
            }
            self.receipts
                .insert((to, peer.user, state), self.items.len());
        }
        if let Some((key, up_to)) = progress_of(&item) {
            if let Some(index) = self.progress.get(&key) {
                let told = self.items[*index].as_ref().and_then(progress_of);
                if told.is_some_and(|(_, told)| told >= up_to) {
                    return;
                }
                self.items[*index] = None;
            }
            self.progress.insert(key, self.items.len());
        }
        self.items.push(Some(item));
    }

    /// All items, and nothing is left.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = RelayItem> + use<> {
        self.receipts.clear();
        self.progress.clear();
        std::mem::take(&mut self.items).into_iter().flatten()
    }
}

/// Group, member (`None` for all of them), state, and the author that is told, if one is.
type ProgressKey = (GroupId, Option<UserId>, State, Option<UserId>);

fn progress_of(item: &RelayItem) -> Option<(ProgressKey, u64)> {
    match *item {
        RelayItem::Progress {
            group,
            member,
            state,
            up_to,
            ..
        } => Some(((group, Some(member), state, None), up_to)),
        RelayItem::GroupReceipt {
            to,
            group,
            member,
            state,
            up_to,
            ..
        } => Some(((group, member, state, Some(to)), up_to)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use martlet_protocol::{Address, DeviceId, MessageId, Millis, Timestamp};

    use super::*;

    const PEER: Address = Address {
        user: UserId(2),
        device: DeviceId(1),
    };

    fn receipt(up_to: u64) -> RelayItem {
        RelayItem::Receipt {
            to: UserId(1),
            peer: PEER,
            state: State::DELIVERED,
            up_to: Timestamp(up_to),
            at: Millis(0),
        }
    }

    fn fact() -> RelayItem {
        RelayItem::Fact {
            to: UserId(1),
            peer: PEER,
            state: State::HELD,
            message_id: MessageId([0; 16]),
            timestamp: Timestamp(7),
            at: Millis(0),
        }
    }

    #[test]
    fn a_rising_watermark_is_told_once_and_never_overtakes_a_fact() {
        let mut merged = Merged::default();
        for item in [receipt(5), fact(), receipt(8), receipt(6)] {
            merged.push(item);
        }
        assert_eq!(merged.take().collect::<Vec<_>>(), [fact(), receipt(8)]);
        assert_eq!(merged.take().count(), 0);
    }
}
