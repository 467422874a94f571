//! What users do and what they are shown.

use std::collections::{BTreeMap, BTreeSet};

use martlet_client::{Direction, Event, Message, MessageState, NackCode, OfflineCause, Receipt};
use martlet_protocol::{Address, CloseCode, MessageId, State, Timestamp};

use super::deeds::View;
use super::ledger::{Ledger, Written};
use crate::counters::Counters;

impl Ledger {
    /// The next number of a message of this device to this account; it goes into the text.
    pub(crate) fn next_number(&mut self, device: usize, to: Option<usize>) -> u64 {
        let key = to.unwrap_or(usize::MAX);
        let Some(watched) = self.devices.get_mut(device) else {
            return 0;
        };
        let number = watched.written.entry(key).or_default();
        *number += 1;
        *number
    }

    /// A user writes a message; it is in the outbox.
    pub(crate) fn on_written(
        &mut self,
        device: usize,
        (id, to): (MessageId, Option<usize>),
        (text, number): (&str, u64),
        has_ttl: bool,
    ) {
        let seen = to.and_then(|to| self.devices.get(device)?.seen.get(&to));
        let written = Written {
            author: device,
            to,
            text: text.to_owned(),
            number,
            deed: None,
            order: self.messages.len(),
            has_ttl,
            after: seen.copied().unwrap_or(Timestamp(0)),
            timestamp: None,
            state: MessageState::Pending,
            shown: BTreeSet::new(),
            arrived: BTreeMap::new(),
            asked_for: BTreeSet::new(),
            remembered: BTreeSet::new(),
        };
        if self.messages.insert(id, written).is_some() {
            self.violate(format!("{id} was made twice"));
        }
    }

    /// A user marks a message read.
    pub(crate) fn on_read(&mut self, device: usize, id: MessageId) {
        let Some(reader) = self.devices.get(device).map(|watched| watched.account) else {
            return;
        };
        if self.on_remark_read(device, id) {
            return;
        }
        let Some(message) = self.messages.get(&id) else {
            return;
        };
        let author = self.devices[message.author].account;
        self.marked.insert((device, id));
        let mark = self.reads.entry((reader, author)).or_default();
        *mark = message.timestamp.unwrap_or_default().max(*mark);
    }

    /// A client hands something to its user.
    pub(crate) fn on_event(&mut self, counters: &mut Counters, device: usize, event: &Event) {
        match event {
            Event::Message(message) if message.group.is_some() => {
                self.on_remark_shown(counters, device, message);
            }
            Event::Message(message) => self.on_shown(counters, device, message),
            Event::GroupChanged(_) => counters.group_changes += 1,
            Event::Presence { .. } => counters.presences += 1,
            Event::Typing { by, .. } => {
                counters.typings += 1;
                if by == self.handle_of(self.devices[device].account) {
                    self.violate(format!("{by} is told what it does itself"));
                }
            }
            Event::GroupRefused { code, .. } => self.on_group_refused(counters, device, *code),
            Event::GroupGap { group, .. } => {
                counters.group_gaps += 1;
                self.groups.gaps.insert((device, *group));
            }
            Event::Changed { id, change, .. } => self.on_changed(device, *id, change),
            Event::Receipt(receipt) => self.on_state(counters, device, receipt),
            Event::Failed { id, code, .. } => self.on_failed(counters, device, *id, *code),
            Event::Offline { cause, .. } => self.on_offline(device, cause),
            Event::Security(notice) => self.on_warning(counters, device, notice),
            _ => {}
        }
    }

    fn on_offline(&mut self, device: usize, cause: &OfflineCause) {
        let is_legal = match cause {
            OfflineCause::ClosedByServer { code } => {
                *code == CloseCode::IDLE_TIMEOUT || self.may_be_refused(device)
            }
            OfflineCause::Refused { .. } => self.may_be_refused(device),
            OfflineCause::ServerMisbehaved { .. } => false,
            _ => true,
        };
        if !is_legal {
            let name = self.name(device);
            self.violate(format!("{name} went offline: {cause}"));
        }
    }

    fn on_shown(&mut self, counters: &mut Counters, device: usize, shown: &Message) {
        let id = shown.id;
        let name = self.name(device).to_owned();
        let is_right = self.may_say(id, shown.text());
        let is_hidden = self.lies.hides(device, id);
        let Some(message) = self.messages.get_mut(&id) else {
            return self.violate(format!("{name} is shown {id}, which nobody wrote"));
        };
        let mut problems = Vec::new();
        if !message.shown.insert(device) {
            problems.push("is shown twice");
        }
        if !is_right || message.deed.is_some() {
            problems.push("is shown changed");
        }
        if message.state == MessageState::Failed {
            problems.push("is shown though its author was told that it failed");
        }
        if is_hidden {
            problems.push("is shown though it never came");
        }
        let (author, number) = (message.author, message.number);
        let (timestamp, to) = (message.timestamp.unwrap_or_default(), message.to);
        let author_account = self.devices[author].account;
        let watched = &mut self.devices[device];
        let is_copy = shown.direction == Direction::Outgoing;
        if is_copy != (author_account == watched.account) {
            problems.push("is shown on the wrong side");
        }
        let conversation = (author, to.unwrap_or(usize::MAX));
        let newest = watched.newest.entry(conversation).or_default();
        if number <= *newest && !message.asked_for.contains(&device) {
            problems.push("is shown out of order");
        }
        *newest = number.max(*newest);
        let peer = if is_copy {
            conversation.1
        } else {
            author_account
        };
        let seen = watched.seen.entry(peer).or_default();
        *seen = timestamp.max(*seen);
        counters.shown += u64::from(!is_copy);
        counters.copies += u64::from(is_copy);
        for problem in problems {
            self.violate(format!("{id} at {name} {problem}"));
        }
    }

    /// What a home shows of a conversation when its person looks back.
    pub(crate) fn check_history(
        &mut self,
        counters: &mut Counters,
        device: usize,
        account: usize,
        history: &[View],
    ) {
        let own = self.devices[device].account;
        let mut problems = Vec::new();
        let mut found = BTreeSet::new();
        for view in history {
            let (id, state) = (&view.id, view.state);
            if let Some(problem) = self.check_view(counters, (device, account), view) {
                problems.push(format!("{id} {problem}: {view:?}"));
            }
            let Some(message) = self.messages.get_mut(id) else {
                problems.push(format!("{id} was written by nobody"));
                continue;
            };
            let author = self.devices[message.author].account;
            let is_here = [(own, Some(account)), (account, Some(own))];
            let is_right = message.deed.is_none() && is_here.contains(&(author, message.to));
            if !is_right || !found.insert(*id) {
                problems.push(format!("{id} has no place there"));
            }
            if message.author != device && !message.shown.contains(&device) {
                counters.remembered += 1;
                message.remembered.insert(device);
            }
            if message.author == device && message.state != state {
                // An event of which it died is in the history alone.
                let doubts = &mut self.devices[device].doubts;
                if *doubts == 0 || rank(state) <= rank(message.state) {
                    let told = message.state;
                    problems.push(format!("{id} is {state} there, and was told to be {told}"));
                }
                *doubts = doubts.saturating_sub(1);
                self.untold += 1;
                message.state = state;
            }
        }
        for (id, message) in &self.messages {
            let author = self.devices[message.author].account;
            let is_here = author == account || message.to == Some(account);
            if message.shown.contains(&device) && is_here && !found.contains(id) {
                problems.push(format!("{id} is not there any more"));
            }
        }
        let (name, peer) = (
            self.name(device).to_owned(),
            self.handle_of(account).to_owned(),
        );
        for problem in problems {
            self.violate(format!("{name} looks back at {peer}: {problem}"));
        }
    }

    fn on_state(&mut self, counters: &mut Counters, device: usize, receipt: &Receipt) {
        let id = receipt.id;
        if self.on_remark_state(counters, device, receipt) {
            return;
        }
        let Some(message) = self.messages.get(&id) else {
            return self.violate(format!("a receipt for {id}, which nobody wrote"));
        };
        // A sibling tracks its copies; what it says of them follows the same rules.
        let is_author = message.author == device;
        let mut problems = Vec::new();
        if is_author && rank(receipt.state) <= rank(message.state) {
            problems.push("goes back");
        }
        let delivered = message
            .arrived
            .keys()
            .any(|at| Some(self.devices[*at].account) == message.to);
        match receipt.state {
            MessageState::Delivered => {
                counters.delivered += 1;
                if !delivered {
                    problems.push("arrived nowhere");
                }
            }
            MessageState::Read => {
                counters.read += 1;
                let author = self.devices[message.author].account;
                let mark = message.to.and_then(|to| self.reads.get(&(to, author)));
                if !delivered
                    || mark.copied().unwrap_or_default() < message.timestamp.unwrap_or_default()
                {
                    problems.push("was read by nobody");
                }
            }
            MessageState::Sent => {}
            state => {
                if !self.may_have_ended(state, message, id) {
                    problems.push("cannot have ended like this");
                }
            }
        }
        let state = receipt.state;
        if is_author && let Some(message) = self.messages.get_mut(&id) {
            message.state = state;
        }
        for problem in problems {
            self.violate(format!("{id} is told {state}, but it {problem}"));
        }
    }

    /// Whether a message can have ended so at one of the devices for which it was made.
    fn may_have_ended(&self, state: MessageState, message: &Written, id: MessageId) -> bool {
        let Some(state) = wire_state(state) else {
            return false;
        };
        let tries = self.tries.of(id).iter();
        let mut devices = tries.flat_map(|made| {
            let user = made.to;
            made.devices().map(move |device| Address { user, device })
        });
        devices.any(|at| self.may_end(state, message.has_ttl, at))
    }

    fn on_failed(&mut self, counters: &mut Counters, device: usize, id: MessageId, code: NackCode) {
        counters.failed += 1;
        if self.on_remark_failed(id, code) {
            return;
        }
        let Some(message) = self.messages.get_mut(&id) else {
            return self.violate(format!("{id} failed, which nobody wrote"));
        };
        let is_legal = message.author == device
            && message.state == MessageState::Pending
            && message.arrived.is_empty()
            && message.to.is_none()
            && code == NackCode::UNKNOWN_HANDLE;
        message.state = MessageState::Failed;
        if !is_legal {
            self.violate(format!("{id} must not fail by {code:?}"));
        }
    }
}

/// States move to a higher rank only. Whatever is final has the highest.
pub(super) const fn rank(state: MessageState) -> u8 {
    match state {
        MessageState::Pending => 0,
        MessageState::Sent => 1,
        MessageState::Delivered => 2,
        MessageState::Read => 3,
        _ => 2,
    }
}

/// The wire's name of a terminal state.
pub(super) const fn wire_state(state: MessageState) -> Option<State> {
    match state {
        MessageState::Expired => Some(State::EXPIRED),
        MessageState::Overflow => Some(State::OVERFLOW),
        MessageState::Held => Some(State::HELD),
        MessageState::DeviceGone => Some(State::DEVICE_GONE),
        _ => None,
    }
}
