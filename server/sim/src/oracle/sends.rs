//! SENDs as they reach the server: what each device was to get, and for which lists it was made.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hasher as _};

use martlet_protocol::frame::{Event, EventKind, Part, Send, SendScope};
use martlet_protocol::wire::List;
use martlet_protocol::{Address, DeviceId, MessageId, UserId};

use super::ledger::Ledger;
use crate::counters::Counters;

/// Of how many turns of a ratchet a session keeps the keys.
const RECEIVING_CHAINS: usize = 5;

/// All SENDs.
#[derive(Debug, Default)]
pub(super) struct Tries {
    of: BTreeMap<MessageId, Vec<Try>>,
    /// How many forms there are.
    made: usize,
    /// Numbers of the forms that have come to a home, by the home that made them.
    come: BTreeMap<(usize, usize), BTreeSet<usize>>,
    /// Messages whose newest try was refused for a while: they may be made anew.
    refused: BTreeSet<MessageId>,
}

/// One form of a message, however often it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Try {
    /// The home that sends.
    pub(super) author: usize,
    pub(super) to: UserId,
    pub(super) is_named: bool,
    pub(super) to_version: u64,
    pub(super) own_version: u64,
    /// Hashes: the bytes differ from run to run.
    to_parts: BTreeMap<DeviceId, u64>,
    own_parts: BTreeMap<DeviceId, u64>,
    envelope: u64,
    /// Whenever it came, the server had called a newer list published.
    pub(super) is_stale: bool,
    /// How many forms of messages had been made before.
    number: usize,
    /// It has come more than once.
    is_repeated: bool,
}

impl Try {
    /// Whether a device of the recipient, or of the author, was to get exactly this.
    fn holds(&self, own: bool, device: DeviceId, event: &Event<'_>) -> bool {
        let parts = if own { &self.own_parts } else { &self.to_parts };
        parts.get(&device) == Some(&hash(event.part)) && self.envelope == hash(event.envelope)
    }

    /// Whether it is the same in all but when and how often it came.
    fn is_as(&self, other: &Self) -> bool {
        let Self {
            is_stale,
            number,
            is_repeated,
            ..
        } = *self;
        *self
            == Self {
                is_stale,
                number,
                is_repeated,
                ..other.clone()
            }
    }

    /// The devices of the recipient that are to get it.
    pub(super) fn devices(&self) -> impl Iterator<Item = DeviceId> {
        self.to_parts.keys().copied()
    }

    /// The devices of the author that are to get a copy.
    pub(super) fn copies(&self) -> impl Iterator<Item = DeviceId> {
        self.own_parts.keys().copied()
    }
}

impl Tries {
    /// Every form in which a message came.
    pub(super) fn of(&self, id: MessageId) -> &[Try] {
        self.of.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Every message that came.
    pub(super) fn ids(&self) -> impl Iterator<Item = MessageId> {
        self.of.keys().copied()
    }

    /// A message comes to a device. Returns whether it does so first when so many later ones of the
    /// author have come that the ratchet may have left its keys behind: without an answer a SEND is
    /// repeated as it was, maybe after many to other accounts whose copies go to the same device.
    pub(super) fn comes_outrun(&mut self, device: usize, id: MessageId, author: usize) -> bool {
        let newest = self.of.get(&id).and_then(|forms| forms.last());
        let Some(Try {
            number,
            is_repeated,
            ..
        }) = newest
        else {
            return false;
        };
        let come = self.come.entry((author, device)).or_default();
        let is_first = come.insert(*number);
        is_first && *is_repeated && come.range(number + 1..).nth(RECEIVING_CHAINS - 1).is_some()
    }

    /// The newest try of a message was refused, and not for good.
    pub(super) fn refused(&mut self, id: MessageId) {
        self.refused.insert(id);
    }
}

impl Ledger {
    /// A SEND reaches the server. Returns whether the message did before.
    pub(crate) fn on_send(
        &mut self,
        counters: &mut Counters,
        device: usize,
        send: &Send<'_>,
    ) -> bool {
        let id = send.message_id;
        let newest = Try {
            author: device,
            to: send.to,
            is_named: send.scope == SendScope::NAMED,
            to_version: send.to_version,
            own_version: send.own_version,
            to_parts: parts(&send.to_parts),
            own_parts: parts(&send.own_parts),
            envelope: hash(send.envelope),
            is_stale: self.is_stale(device, send),
            number: self.tries.made,
            is_repeated: false,
        };
        let was_refused = self.tries.refused.remove(&id);
        let known = self.tries.of.entry(id).or_default();
        let is_retry = !known.is_empty();
        if let Some(last) = known.last_mut()
            && last.is_as(&newest)
        {
            last.is_stale &= newest.is_stale;
            last.is_repeated = true;
            return is_retry;
        }
        counters.controls += u64::from(newest.is_named && !is_retry);
        counters.made_anew += u64::from(is_retry);
        let is_for_another = known.iter().any(|other| {
            (other.author, other.to, other.is_named) != (device, newest.to, newest.is_named)
        });
        known.push(newest);
        self.tries.made += 1;
        if is_retry && (!was_refused || is_for_another) {
            let name = self.name(device).to_owned();
            self.violate(format!("{name} changes {id}, which nobody has refused"));
        }
        is_retry
    }

    /// Whether a newer list was certain to be in force before this came.
    fn is_stale(&self, device: usize, send: &Send<'_>) -> bool {
        let own = self.devices.get(device).map(|watched| watched.account);
        let own = own.and_then(|account| self.accounts.get(account));
        let own = own.map_or(0, |(_, user)| self.lists.told(*user));
        let is_for_all = send.scope == SendScope::ALL;
        send.to_version < self.lists.told(send.to) || (is_for_all && send.own_version < own)
    }

    /// Whether a message was for certain devices, none of which is there any more.
    pub(super) fn is_pointless(&self, id: MessageId) -> bool {
        let newest = self.tries.of(id).last();
        newest.is_some_and(|made| {
            let user = made.to;
            let mut named = made.devices().map(|device| Address { user, device });
            made.is_named && named.all(|address| self.lists.has_removed(address))
        })
    }

    /// Whether an EVENT has what its author made for this device. Its author is another one of the
    /// same account for a copy.
    pub(super) fn is_unchanged(
        &self,
        at: Address,
        author: Option<usize>,
        event: &Event<'_>,
    ) -> bool {
        let own = event.kind == EventKind::OWN_COPY;
        let tries = self.tries.of(event.message_id).iter();
        let mut tries = tries.filter(|made| Some(made.author) == author);
        tries.any(|made| made.holds(own, at.device, event))
    }
}

fn parts(parts: &List<'_, Part<'_>>) -> BTreeMap<DeviceId, u64> {
    let parts = parts.iter();
    parts.map(|part| (part.device, hash(part.part))).collect()
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}
