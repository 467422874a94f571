//! What was seen, and by whom: the books that the other files of the oracle write and check.

use std::collections::{BTreeMap, BTreeSet};

use martlet_client::MessageState;
use martlet_protocol::{Address, GroupId, MessageId, Position, State, Timestamp, UserId};

use super::deeds::Deed;
use super::devices::Lists;
use super::groups::Groups;
use super::lies::Lies;
use super::security::Warnings;
use super::sends::Tries;

/// What may happen in this run at all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Inboxes are so small that they may be full.
    pub(crate) overflows: bool,
    /// The retention is so short that messages without a time to live may expire.
    pub(crate) retires: bool,
    /// People say of some messages how long they are to be kept.
    pub(crate) expires: bool,
}

/// All that was seen.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(super) rules: Rules,
    pub(super) devices: Vec<Watched>,
    /// The handle of each account, and who it is.
    pub(super) accounts: Vec<(String, UserId)>,
    pub(super) lists: Lists,
    pub(super) messages: BTreeMap<MessageId, Written>,
    pub(super) poison: BTreeSet<MessageId>,
    /// Whose device sends it.
    pub(super) poisoner: Option<UserId>,
    /// SENDs that have reached the server, of messages of people and of devices.
    pub(super) tries: Tries,
    pub(super) warnings: Warnings,
    pub(super) lies: Lies,
    pub(super) groups: Groups,
    /// How far an account has read what another one wrote.
    pub(super) reads: BTreeMap<(usize, usize), Timestamp>,
    /// What was marked read, and on which device.
    pub(super) marked: BTreeSet<(usize, MessageId)>,
    /// Devices whose mark in the conversation with an account was refused: the newest message had
    /// ended, and the mark is not told of those before it.
    pub(super) unmarked: BTreeSet<(usize, usize)>,
    /// Events that were taken and shown to nobody: what they said is in the history alone.
    pub(super) untold: u64,
    pub(super) violations: Vec<String>,
}

/// A device as it looks from outside.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) name: String,
    pub(super) account: usize,
    /// Once it is one of the account's.
    pub(super) address: Option<Address>,
    /// It became one after things had been said in groups.
    pub(super) is_late: bool,
    /// What each position of its stream was seen to be.
    pub(super) items: BTreeMap<Position, Item>,
    /// A part of the stream is missing for a reason that may have hidden receipts.
    pub(super) has_gap: bool,
    /// The newest message shown of each author in each conversation.
    pub(super) newest: BTreeMap<(usize, usize), u64>,
    /// The newest timestamp shown in the conversation with an account.
    pub(super) seen: BTreeMap<usize, Timestamp>,
    pub(super) written: BTreeMap<usize, u64>,
    /// How often it died while it took an event, which it may have taken or not.
    pub(super) doubts: u64,
}

/// What a position holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Message(MessageId),
    Told(Told),
    /// An entry of a group's log.
    Entry {
        group: GroupId,
        sequence: u64,
    },
    /// How far members of a group are; no member is all of them.
    Progress {
        group: GroupId,
        state: State,
        members: Vec<(Option<UserId>, u64)>,
    },
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
    /// What it does to another message: then it is not shown, and has no text.
    pub(super) deed: Option<Deed>,
    /// Its number among all messages.
    pub(super) order: usize,
    pub(super) has_ttl: bool,
    /// What the author had seen of the conversation.
    pub(super) after: Timestamp,
    pub(super) timestamp: Option<Timestamp>,
    pub(super) state: MessageState,
    pub(super) shown: BTreeSet<usize>,
    pub(super) arrived: BTreeMap<usize, Position>,
    /// Devices that may have had to ask for it: its author had no keys of theirs, or the ratchet
    /// had left them behind.
    pub(super) asked_for: BTreeSet<usize>,
    /// Devices that have it from another one of their account, and were not shown it.
    pub(super) remembered: BTreeSet<usize>,
}

impl Written {
    /// Whether the device has it, so that its person finds it.
    pub(super) fn is_at(&self, device: usize) -> bool {
        self.shown.contains(&device) || self.remembered.contains(&device)
    }
}

impl Ledger {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            devices: Vec::new(),
            accounts: Vec::new(),
            lists: Lists::default(),
            messages: BTreeMap::new(),
            poison: BTreeSet::new(),
            poisoner: None,
            tries: Tries::default(),
            warnings: Warnings::default(),
            lies: Lies::default(),
            groups: Groups::default(),
            reads: BTreeMap::new(),
            marked: BTreeSet::new(),
            unmarked: BTreeSet::new(),
            untold: 0,
            violations: Vec::new(),
        }
    }

    /// What may happen.
    pub(crate) const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// An account appears, before anybody writes to it.
    pub(crate) fn add_account(&mut self, handle: &str, user: UserId) -> usize {
        self.accounts.push((handle.to_owned(), user));
        self.accounts.len() - 1
    }

    /// A home appears. It may become a device of the account, or never.
    pub(crate) fn add_device(&mut self, name: &str, account: usize) {
        self.devices.push(Watched {
            name: name.to_owned(),
            account,
            address: None,
            is_late: false,
            items: BTreeMap::new(),
            has_gap: false,
            newest: BTreeMap::new(),
            seen: BTreeMap::new(),
            written: BTreeMap::new(),
            doubts: 0,
        });
    }

    /// This home holds a code, and is no device until the server accepts it as the one that the
    /// code is for; it has never heard that it was accepted before.
    pub(crate) fn on_join(&mut self, device: usize) {
        if let Some(watched) = self.devices.get_mut(device) {
            watched.address = None;
        }
    }

    /// The server accepts a connection of this home as that of a device. When the home does not
    /// hear of it, it may become another one.
    pub(crate) fn on_ready(&mut self, device: usize, address: Address) {
        let Some(watched) = self.devices.get_mut(device) else {
            return;
        };
        if watched.items.is_empty() {
            watched.is_late |= !self.groups.remarks.is_empty();
            watched.address = Some(address);
        }
        let known = *watched.address.get_or_insert(address);
        if known != address {
            let name = watched.name.clone();
            self.violate(format!("{name} was {known} and is {address}"));
        }
    }

    /// A client died while it took an event.
    pub(crate) fn on_event_in_doubt(&mut self, device: usize) {
        if let Some(watched) = self.devices.get_mut(device) {
            watched.doubts += 1;
        }
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

    /// A message that no client can open, from this account.
    pub(crate) fn on_poison(&mut self, id: MessageId, from: UserId) {
        self.poison.insert(id);
        self.poisoner = Some(from);
    }

    pub(super) fn device_at(&self, address: Address) -> Option<usize> {
        let mut devices = self.devices.iter();
        devices.position(|watched| watched.address == Some(address))
    }

    pub(super) fn account_of(&self, user: UserId) -> Option<usize> {
        let mut accounts = self.accounts.iter();
        accounts.position(|(_, known)| *known == user)
    }

    pub(super) fn handle_of(&self, account: usize) -> &str {
        let account = self.accounts.get(account);
        account.map_or("somebody", |(handle, _)| handle)
    }

    /// Whether the device was one of its account's and is not any more.
    pub(super) fn was_removed(&self, device: usize) -> bool {
        let address = self.devices.get(device).and_then(|watched| watched.address);
        address.is_some_and(|address| self.lists.has_removed(address))
    }

    /// Whether a terminal state can be true at all, at that device.
    pub(super) fn may_end(&self, state: State, has_ttl: bool, at: Address) -> bool {
        match state {
            State::EXPIRED => has_ttl || self.rules.retires,
            State::OVERFLOW => self.rules.overflows,
            State::DEVICE_GONE => self.lists.has_removed(at),
            _ => false,
        }
    }
}
