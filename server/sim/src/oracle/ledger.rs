//! What was seen, and by whom: the books that the other files of the oracle write and check.

use std::collections::{BTreeMap, BTreeSet};

use martlet_client::MessageState;
use martlet_protocol::{Address, MessageId, Position, State, Timestamp, UserId};

/// What may happen in this run at all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Inboxes are so small that they may be full.
    pub(crate) overflows: bool,
    /// The retention is so short that messages without a time to live may expire.
    pub(crate) retires: bool,
}

/// All that was seen.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(super) rules: Rules,
    pub(super) devices: Vec<Watched>,
    /// The handle of each account, and who it is.
    pub(super) accounts: Vec<(String, UserId)>,
    pub(super) messages: BTreeMap<MessageId, Written>,
    pub(super) poison: BTreeSet<MessageId>,
    /// SENDs that have reached the server.
    pub(super) sends: BTreeSet<MessageId>,
    /// How far an account has read what another one wrote.
    pub(super) reads: BTreeMap<(usize, usize), Timestamp>,
    /// What was marked read, and on which device.
    pub(super) marked: BTreeSet<(usize, MessageId)>,
    /// Devices whose mark in the conversation with an account was refused: the newest message had
    /// ended, and the mark is not told of those before it.
    pub(super) unmarked: BTreeSet<(usize, usize)>,
    pub(super) violations: Vec<String>,
}

/// A device as it looks from outside.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) name: String,
    pub(super) account: usize,
    pub(super) address: Address,
    /// What each position of its stream was seen to be.
    pub(super) items: BTreeMap<Position, Item>,
    /// A part of the stream is missing for a reason that may have hidden receipts.
    pub(super) has_gap: bool,
    /// The newest message shown of each author in each conversation.
    pub(super) newest: BTreeMap<(usize, usize), u64>,
    /// The newest timestamp shown in the conversation with an account.
    pub(super) seen: BTreeMap<usize, Timestamp>,
    pub(super) written: BTreeMap<usize, u64>,
}

/// What a position holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Message(MessageId),
    Told(Told),
    Gap,
}

/// What a sender is told about the recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Receipt {
        peer: Address,
        state: State,
        up_to: Timestamp,
    },
    Fact {
        peer: Address,
        state: State,
        message_id: MessageId,
    },
}

/// A message that a user wrote.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) author: usize,
    /// `None`: to a name that nobody has.
    pub(super) to: Option<usize>,
    pub(super) text: String,
    /// Its number among all that its author wrote to this recipient.
    pub(super) number: u64,
    pub(super) has_ttl: bool,
    /// What the author had seen of the conversation.
    pub(super) after: Timestamp,
    pub(super) timestamp: Option<Timestamp>,
    pub(super) state: MessageState,
    pub(super) shown: BTreeSet<usize>,
    pub(super) arrived: BTreeMap<usize, Position>,
}

impl Ledger {
    pub(crate) const fn new(rules: Rules) -> Self {
        Self {
            rules,
            devices: Vec::new(),
            accounts: Vec::new(),
            messages: BTreeMap::new(),
            poison: BTreeSet::new(),
            sends: BTreeSet::new(),
            reads: BTreeMap::new(),
            marked: BTreeSet::new(),
            unmarked: BTreeSet::new(),
            violations: Vec::new(),
        }
    }

    /// An account appears.
    pub(crate) fn add_account(&mut self, handle: &str, user: UserId) -> usize {
        self.accounts.push((handle.to_owned(), user));
        self.accounts.len() - 1
    }

    /// A device appears. All devices are there before the first message.
    pub(crate) fn add_device(&mut self, name: &str, account: usize, address: Address) {
        self.devices.push(Watched {
            name: name.to_owned(),
            account,
            address,
            items: BTreeMap::new(),
            has_gap: false,
            newest: BTreeMap::new(),
            seen: BTreeMap::new(),
            written: BTreeMap::new(),
        });
    }

    /// What went wrong.
    pub(crate) fn violations(&self) -> &[String] {
        &self.violations
    }

    /// A promise is broken. The first few say enough.
    pub(crate) fn violate(&mut self, what: String) {
        if self.violations.len() < 20 {
            self.violations.push(what);
        }
    }

    pub(crate) fn name(&self, device: usize) -> &str {
        self.devices
            .get(device)
            .map_or("somebody", |watched| &watched.name)
    }

    /// A message that no client can open.
    pub(crate) fn on_poison(&mut self, id: MessageId) {
        self.poison.insert(id);
    }

    /// A SEND reaches the server. Returns whether it did before.
    pub(crate) fn on_send(&mut self, id: MessageId) -> bool {
        !self.sends.insert(id)
    }

    pub(super) fn device_at(&self, address: Address) -> Option<usize> {
        let mut devices = self.devices.iter();
        devices.position(|watched| watched.address == address)
    }

    pub(super) fn account_of(&self, user: UserId) -> Option<usize> {
        let mut accounts = self.accounts.iter();
        accounts.position(|(_, known)| *known == user)
    }

    /// Whether a terminal state can be true at all.
    pub(super) fn may_end(&self, state: State, has_ttl: bool) -> bool {
        match state {
            State::EXPIRED => has_ttl || self.rules.retires,
            State::OVERFLOW => self.rules.overflows,
            _ => false,
        }
    }
}
