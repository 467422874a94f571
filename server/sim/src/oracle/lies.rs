//! What was lied about, to whom, and whether the lie was noticed.

use std::collections::BTreeSet;

use martlet_client::SecurityKind;
use martlet_protocol::frame::{Event, EventKind, Frame};
use martlet_protocol::{MessageId, UserId};

use super::ledger::Ledger;
use crate::counters::Counters;
use crate::liar::{Untruth, read};
use crate::lie::Lie;

/// The lies of a run: the liar says of each that it is one, and the homes have to find out.
#[derive(Debug, Default)]
pub(super) struct Lies {
    lie: Option<Lie>,
    /// Homes and accounts about which they were told something that is not true.
    told: BTreeSet<(usize, UserId)>,
    /// Those of them that have seen enough to know it.
    evident: BTreeSet<(usize, UserId)>,
    /// Those that have said so.
    named: BTreeSet<(usize, UserId)>,
    /// Messages that are not what a device was told of them.
    messages: BTreeSet<(usize, MessageId)>,
    /// Chains in which something is missing: home, author, recipient.
    holes: BTreeSet<(usize, usize, Option<usize>)>,
}

impl Lies {
    /// Whether the device was lied to about this message.
    pub(super) fn touches(&self, device: usize, id: MessageId) -> bool {
        self.messages.contains(&(device, id))
    }

    /// Whether the device was never given this message.
    pub(super) fn hides(&self, device: usize, id: MessageId) -> bool {
        self.lie.is_some_and(Lie::hides_message) && self.touches(device, id)
    }

    /// Whether the warning is of a lie.
    pub(super) fn explain(&mut self, device: usize, user: UserId, kind: SecurityKind) -> bool {
        let Some(lie) = self.lie.filter(|lie| lie.may_be_told_as(kind)) else {
            return false;
        };
        // Of two lists everybody may learn who gets a message that was made with one of them.
        let is_meant = match lie {
            Lie::ListForked => self.told.iter().any(|(_, about)| *about == user),
            _ => self.told.contains(&(device, user)),
        };
        if is_meant && kind == lie.told_as() {
            self.named.insert((device, user));
        }
        is_meant
    }
}

impl Ledger {
    /// A frame comes out of a connection of this device, and it is not what it should be. Whether
    /// the client `hears` it: one that is down when the answer to a question comes asks again.
    pub(crate) fn on_untruth(
        &mut self,
        counters: &mut Counters,
        (device, hears): (usize, bool),
        frame: &Frame<'_>,
        untruth: &Untruth,
    ) {
        let (lie, about) = (untruth.lie, untruth.about);
        self.lies.lie = Some(lie);
        self.lies.told.insert((device, about.user));
        let genuine = match (frame, &untruth.genuine) {
            (Frame::Event(told), Some(body)) => read(told.position, body),
            _ => None,
        };
        let is_evident = match lie {
            Lie::Withheld | Lie::ListForked => false,
            Lie::KeySwapped => hears && !self.lists.has_removed(about),
            Lie::ListedKeySwapped | Lie::DeviceAdded | Lie::OldList => hears,
            // It comes again until it is heard.
            _ => true,
        };
        if is_evident {
            self.lies.evident.insert((device, about.user));
        }
        let Some(genuine) = genuine else {
            return self.on_frame(counters, device, frame);
        };
        self.lies.messages.insert((device, genuine.message_id));
        self.on_frame(counters, device, &Frame::Event(genuine.clone()));
        if let Some(message) = self.messages.get_mut(&genuine.message_id) {
            // It is missing in its own chain, whatever it is told as.
            let author = self.devices[message.author].address;
            let user = author.map(|address| address.user);
            self.lies.told.extend(user.map(|user| (device, user)));
            // It was changed, and is asked for: then it comes behind later ones.
            message.asked_for.insert(device);
            if lie == Lie::Withheld {
                let chain = (device, message.author, message.to);
                self.lies.holes.insert(chain);
            }
        }
    }

    /// A message reaches a device as it is: it shows what was lied about before.
    pub(super) fn reveal(&mut self, device: usize, event: &Event<'_>) {
        let id = event.message_id;
        let Some(message) = self.messages.get(&id) else {
            return;
        };
        let is_true = !self.lies.touches(device, id) && !event.part.is_empty();
        let author = self.devices[message.author].account;
        let user = self.accounts.get(author).map(|(_, user)| *user);
        let Some(user) = user.filter(|_| is_true) else {
            return;
        };
        let chain = (device, message.author, message.to);
        let is_behind_hole = self.lies.holes.contains(&chain);
        // It says which list its author has, and that is the first one.
        let is_forked = self.lies.lie == Some(Lie::ListForked) && event.kind == EventKind::INCOMING;
        let was_told = self.lies.told.contains(&(device, user));
        if was_told && (is_behind_hole || is_forked) {
            self.lies.evident.insert((device, user));
        }
    }

    /// Whether a device cannot have this message: it was never given it, or it had to ask for it,
    /// and whom it would ask is not there any more.
    pub(super) fn is_withheld(&self, device: usize, id: MessageId) -> bool {
        let is_orphan = self.messages.get(&id).is_some_and(|message| {
            let has_asked = message.asked_for.contains(&device);
            self.was_removed(message.author) && (has_asked || self.lies.touches(device, id))
        });
        is_orphan || self.lies.hides(device, id)
    }

    /// Whoever was lied to, and could know it, has said so.
    pub(super) fn check_lies(&self, problems: &mut Vec<String>) {
        for (device, user) in self.lies.evident.difference(&self.lies.named) {
            if !self.was_removed(*device) {
                let name = self.name(*device);
                let lie = self.lies.lie;
                problems.push(format!(
                    "{name} says nothing of a lie about {user}: {lie:?}"
                ));
            }
        }
    }

    /// How often a home could know that it was lied to about an account, and how often it said so
    /// by the name of the lie. A home that was removed since does not count.
    pub(crate) fn lies(&self) -> (usize, usize) {
        let evident = self.lies.evident.iter();
        let evident: Vec<_> = evident.filter(|(at, _)| !self.was_removed(*at)).collect();
        let named = evident.iter().filter(|it| self.lies.named.contains(it));
        (evident.len(), named.count())
    }

    /// Whether a person wrote this message.
    pub(crate) fn is_of_person(&self, id: MessageId) -> bool {
        self.messages.contains_key(&id)
    }

    /// Whether it is a message that no client can open.
    pub(crate) fn is_poison(&self, id: MessageId) -> bool {
        self.poison.contains(&id)
    }
}
