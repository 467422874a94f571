//! Questions where an own message stands: asked by the application, and after a gap that may have
//! swallowed receipts.

use std::collections::{BTreeMap, btree_map::Entry};

use martlet_protocol::{MessageId, Millis};

/// Most questions that wait. A gap in a long outbox asks about the newest messages only.
pub(super) const OPEN_MAX: u32 = 256;
/// Most questions under way.
const ASKED_MAX: usize = 16;

#[derive(Clone, Copy, Debug, Default)]
struct Open {
    request: Option<u64>,
    not_before: Millis,
}

#[derive(Debug, Default)]
pub(super) struct Statuses {
    open: BTreeMap<MessageId, Open>,
    asked: usize,
}

impl Statuses {
    /// Asks, unless it is asked already or too much is asked.
    pub(super) fn want(&mut self, id: MessageId) {
        let full = self.open.len() >= OPEN_MAX as usize;
        if let Entry::Vacant(vacant) = self.open.entry(id)
            && !full
        {
            vacant.insert(Open::default());
        }
    }

    /// A question to send now under the number `request`.
    pub(super) fn ask(&mut self, now: Millis, request: u64) -> Option<MessageId> {
        if self.asked >= ASKED_MAX {
            return None;
        }
        let mut due = self.open.iter_mut();
        let (id, open) = due.find(|(_, open)| open.request.is_none() && open.not_before <= now)?;
        open.request = Some(request);
        self.asked += 1;
        Some(*id)
    }

    /// A final answer has come; returns whether it was asked for.
    pub(super) fn answered(&mut self, id: MessageId) -> bool {
        let asked = self
            .open
            .remove(&id)
            .is_some_and(|open| open.request.is_some());
        self.asked -= usize::from(asked);
        asked
    }

    /// The server will answer later.
    pub(super) fn refused(&mut self, id: MessageId, until: Millis) {
        let asked = self.open.get_mut(&id).filter(|open| open.request.is_some());
        if let Some(open) = asked {
            *open = Open {
                request: None,
                not_before: until,
            };
            self.asked -= 1;
        }
    }

    pub(super) fn disconnected(&mut self) {
        self.asked = 0;
        for open in self.open.values_mut() {
            *open = Open::default();
        }
    }

    pub(super) const fn is_asking(&self) -> bool {
        self.asked > 0
    }

    /// When the next refused question may be repeated.
    pub(super) fn due(&self, now: Millis) -> Option<Millis> {
        let waiting = self.open.values().filter(|open| open.request.is_none());
        waiting
            .map(|open| open.not_before)
            .filter(|at| *at > now)
            .min()
    }
}
