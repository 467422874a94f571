//! The roll at the end of a marathon, where no message may end but at its recipient: every message
//! is called at every device that is to have it.

use std::collections::BTreeMap;

use martlet_client::{Message, MessageState};

use super::ledger::{Item, Ledger};

/// What the roll call has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Roll {
    /// Messages at devices, their authors' included.
    pub(crate) present: u64,
    /// Events that were taken by a process which died over it: the histories alone have what they
    /// said.
    pub(crate) untold: u64,
    /// Messages that came to a device before others that somebody else had written earlier.
    pub(crate) overtaken: u64,
    /// Messages that their author knows to be read.
    pub(crate) read: u64,
}

impl Ledger {
    /// Calls every message at a device: `histories` are all its conversations.
    pub(crate) fn call_roll(&mut self, roll: &mut Roll, device: usize, histories: &[Message]) {
        let mut found = BTreeMap::<_, Vec<&Message>>::new();
        for message in histories {
            found.entry(message.id).or_default().push(message);
        }
        let own = self.devices[device].account;
        let mut problems = Vec::new();
        for (id, message) in &self.messages {
            let is_own = self.devices[message.author].account == own;
            if !is_own && message.to != Some(own) {
                continue;
            }
            let [there] = found.remove(id).unwrap_or_default()[..] else {
                problems.push(format!("{id} is there twice or never"));
                continue;
            };
            roll.present += 1;
            let is_read = there.state == MessageState::Read;
            roll.read += u64::from(is_read && message.author == device);
            if there.text() != message.text {
                problems.push(format!("{id} is not what was written"));
            }
            // A copy of an own message gets no receipts: it is sent, and stays so.
            let is_copy = is_own && message.author != device;
            let is_right = match there.state {
                MessageState::Read | MessageState::Delivered => true,
                state => is_copy && state == MessageState::Sent,
            };
            if !is_right {
                problems.push(format!("{id} is {}", there.state));
            }
            let is_shown = message.shown.contains(&device);
            roll.untold += u64::from(message.author != device && !is_shown);
        }
        for id in found.keys() {
            problems.push(format!("{id} has no place there"));
        }
        roll.overtaken += self.overtaken(device);
        for problem in problems {
            let name = self.name(device).to_owned();
            self.violate(format!("{name} at the end: {problem}"));
        }
    }

    /// The roll is called: no more events are missing than processes have died over.
    pub(crate) fn close_roll(&mut self, roll: &mut Roll, deaths: u64) {
        roll.untold += self.untold;
        if roll.untold > deaths {
            let what = format!("{} events are untold, of {deaths} in doubt", roll.untold);
            self.violate(what);
        }
    }

    fn overtaken(&self, device: usize) -> u64 {
        let mut newest = None;
        let mut overtaken = 0;
        for item in self.devices[device].items.values() {
            let Item::Message(id) = item else {
                continue;
            };
            let order = self.messages.get(id).map(|message| message.order);
            overtaken += u64::from(order.is_some() && order < newest);
            newest = newest.max(order);
        }
        overtaken
    }
}
