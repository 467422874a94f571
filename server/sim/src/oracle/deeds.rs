//! What people do with messages: in the end each device shows what is true by the deeds of which
//! it has heard, and so all that have heard of the same ones show the same.

use std::collections::{BTreeMap, BTreeSet};

use martlet_client::{Change, MessageState};
use martlet_protocol::{MessageId, Timestamp};

use super::ledger::{Ledger, Written};
use crate::counters::Counters;

/// What somebody did with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deed {
    pub(crate) of: MessageId,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// It has another text.
    Edit(String),
    /// There is a sign to it; empty: there is none any more.
    React(String),
    Delete,
}

/// A message as its reader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) id: MessageId,
    pub(crate) text: String,
    pub(crate) state: MessageState,
    pub(crate) edited: bool,
    pub(crate) deleted: bool,
    /// The reader's own sign, and that of the other side; empty for none.
    pub(crate) signs: [String; 2],
}

/// The place of a deed among others: the newest one counts.
type Order = (Timestamp, MessageId);

impl Ledger {
    /// A user does something with a message; that is in the outbox.
    pub(crate) fn on_deed(
        &mut self,
        counters: &mut Counters,
        device: usize,
        (id, to): (MessageId, usize),
        deed: Deed,
    ) {
        match deed.what {
            What::Edit(_) => counters.edits += 1,
            What::React(_) => counters.reactions += 1,
            What::Delete => counters.deletions += 1,
        }
        self.on_written(device, (id, Some(to)), ("", 0), false);
        if let Some(written) = self.messages.get_mut(&id) {
            written.deed = Some(deed);
        }
    }

    /// A user is told that a message has changed.
    pub(super) fn on_changed(&mut self, device: usize, id: MessageId, change: &Change) {
        let problem = match change {
            _ if !self.messages.contains_key(&id) => "was written by nobody",
            Change::Edited { text } if !self.texts_of(id).contains(text.as_str()) => {
                "never had this text"
            }
            Change::Deleted if !self.is_deleted_by_anybody(id) => "was deleted by nobody",
            Change::Restored(_) if !self.is_deleted_by_anybody(id) => "was deleted by nobody",
            Change::Expired => "had no life that could end",
            _ => return,
        };
        let name = self.name(device);
        self.violate(format!(
            "{name} is told {change:?} of {id}, which {problem}"
        ));
    }

    /// The deeds of two accounts with messages of each other.
    pub(crate) fn deeds_between(&self, one: usize, other: usize) -> Vec<MessageId> {
        let is_theirs = |written: &Written| {
            let pair = (self.devices[written.author].account, written.to);
            pair == (one, Some(other)) || pair == (other, Some(one))
        };
        let deeds = self.messages.iter();
        let deeds = deeds.filter(|(_, it)| it.deed.is_some() && is_theirs(it));
        deeds.map(|(id, _)| *id).collect()
    }

    /// A home has heard of a deed. Nobody is shown one.
    pub(crate) fn on_known(&mut self, device: usize, id: MessageId) {
        if let Some(written) = self.messages.get_mut(&id)
            && written.author != device
        {
            written.remembered.insert(device);
        }
    }

    /// Whether a message may have this text at some time.
    pub(super) fn may_say(&self, id: MessageId, text: &str) -> bool {
        let is_gone = text == "[deleted]" && self.is_deleted_by_anybody(id);
        is_gone || self.texts_of(id).contains(text)
    }

    fn is_deleted_by_anybody(&self, id: MessageId) -> bool {
        let mut deeds = self.deeds_of(id);
        deeds.any(|(_, deed)| deed.what == What::Delete)
    }

    /// All texts that a message ever had.
    fn texts_of(&self, id: MessageId) -> BTreeSet<&str> {
        let first = self.messages.get(&id).map(|written| written.text.as_str());
        let edits = self.deeds_of(id).filter_map(|(_, deed)| match &deed.what {
            What::Edit(text) => Some(text.as_str()),
            _ => None,
        });
        first.into_iter().chain(edits).collect()
    }

    fn deeds_of(&self, id: MessageId) -> impl Iterator<Item = (&Written, &Deed)> {
        let all = self.messages.values();
        let deeds = all.filter_map(|written| Some((written, written.deed.as_ref()?)));
        deeds.filter(move |(_, deed)| deed.of == id)
    }

    /// What is wrong with a message as a device shows it when nothing moves any more.
    pub(super) fn check_view(
        &self,
        counters: &mut Counters,
        (device, account): (usize, usize),
        view: &View,
    ) -> Option<&'static str> {
        let mut edits = BTreeMap::new();
        let mut signs = [BTreeMap::new(), BTreeMap::new()];
        let (mut is_deleted, mut is_known_deleted) = (false, false);
        for (id, written) in &self.messages {
            let Some(deed) = written.deed.as_ref().filter(|deed| deed.of == view.id) else {
                continue;
            };
            let is_known = written.author == device || written.remembered.contains(&device);
            let order: Order = (written.timestamp.unwrap_or_default(), *id);
            let side = usize::from(self.devices[written.author].account == account);
            match &deed.what {
                What::Edit(text) => _ = edits.insert(order, (text.as_str(), is_known)),
                What::React(sign) => _ = signs[side].insert(order, (sign.as_str(), is_known)),
                What::Delete => {
                    is_deleted = true;
                    is_known_deleted |= is_known;
                }
            }
        }
        if view.deleted {
            counters.seen_deleted += 1;
            return (!is_deleted).then_some("is shown deleted by nobody");
        }
        if is_known_deleted {
            return Some("is shown though it was deleted");
        }
        let written = self.messages.get(&view.id)?;
        let is_newest = newest(&edits, written.text.as_str(), &view.text);
        let has_edit = edits.values().any(|(_, is_known)| *is_known);
        counters.seen_edited += u64::from(has_edit);
        if !is_newest || has_edit != view.edited {
            return Some("has not the text of the newest edit");
        }
        for (side, signs) in signs.iter().enumerate() {
            counters.seen_reactions += u64::from(!view.signs[side].is_empty());
            if !newest(signs, "", &view.signs[side]) {
                return Some("has not the newest reaction");
            }
        }
        None
    }
}

/// Whether what is shown is of the newest deed that is known, or of one that is newer still: who
/// asks again for a deed gets what is true now. Without one it is what it was in the beginning.
fn newest(deeds: &BTreeMap<Order, (&str, bool)>, first: &str, shown: &str) -> bool {
    let known = deeds.iter().rev().find(|(_, (_, is_known))| *is_known);
    match known {
        None => shown == first || deeds.values().any(|(what, _)| *what == shown),
        Some((order, _)) => deeds.range(*order..).any(|(_, (what, _))| *what == shown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deeds<'a>(all: &[(u64, &'a str, bool)]) -> BTreeMap<Order, (&'a str, bool)> {
        let order = |at| (Timestamp(at), MessageId([1; 16]));
        let deeds = all
            .iter()
            .map(|(at, what, is_known)| (order(*at), (*what, *is_known)));
        deeds.collect()
    }

    #[test]
    fn what_is_shown_is_not_older_than_what_is_known() {
        let all = deeds(&[(1, "one", true), (2, "two", true), (3, "three", false)]);
        for (shown, is_right) in [("first", false), ("one", false), ("two", true)] {
            assert_eq!(newest(&all, "first", shown), is_right, "{shown}");
        }
        assert!(newest(&all, "first", "three"), "it was told of a later one");
        assert!(newest(&deeds(&[]), "first", "first"));
        assert!(!newest(&deeds(&[]), "first", "one"));
    }
}
