//! Messages at the model server: checked in the order of the specification, placed for each device.

use martlet_protocol::frame::{
    Credit, DeviceLists, EventKind, Frame, Part, Parts, Reference, Send, SendScope, Sent,
    SignedList,
};
use martlet_protocol::wire::List;
use martlet_protocol::{Address, DeviceId, Kind, MessageId, NackCode, State, Timestamp, UserId};

use super::account::Item;
use super::{Model, Session};

impl Model {
    pub(super) fn send(&mut self, session: &mut Session, from: Address, send: &Send<'_>) {
        session.write(&Frame::Credit(Credit {
            messages: 1,
            bytes: session.frame_bytes as u64,
        }));
        let reference = Reference::message(send.message_id);
        let payload = payload(send);
        let key = (from.device, send.message_id);
        if let Some((known, sent)) = self.account(from.user).accepted.get(&key) {
            if *known != payload {
                return session.refuse(Kind::SEND, NackCode::CONFLICT, reference);
            }
            let sent = *sent;
            return session.write(&Frame::Sent(sent));
        }
        if let Some(code) = self.refusal(session, from, send) {
            if code == NackCode::STALE_RECIPIENT {
                self.show_newest(session, send.to);
            }
            if code.class() != martlet_protocol::Class::NEVER {
                session.refused.entry(send.to).or_insert(send.message_id);
            } else if session.refused.get(&send.to) == Some(&send.message_id) {
                session.refused.remove(&send.to);
            }
            return session.refuse(Kind::SEND, code, reference);
        }
        session.refused.remove(&send.to);
        let sent = self.place(from, send);
        let accepted = &mut self.account(from.user).accepted;
        accepted.insert(key, (payload, sent));
        session.write(&Frame::Sent(sent));
    }

    /// Why a SEND with a new key is not taken, if so.
    fn refusal(&mut self, session: &Session, from: Address, send: &Send<'_>) -> Option<NackCode> {
        let first = session.refused.get(&send.to);
        if first.is_some_and(|first| *first != send.message_id) {
            return Some(NackCode::OUT_OF_ORDER);
        }
        if self.refusals > 0 {
            self.refusals -= 1;
            return Some(NackCode::RATE_LIMITED);
        }
        let is_named = send.scope == SendScope::NAMED;
        assert!(is_named || send.to != from.user, "a message to oneself");
        if !is_named && send.own_version != self.account(from.user).version() {
            return Some(NackCode::STALE_OWN);
        }
        if send.to_version != self.account(send.to).version() {
            return Some(NackCode::STALE_RECIPIENT);
        }
        if self.is_reset(send.to) {
            return Some(NackCode::INBOX_FULL);
        }
        if !self.has_parts(from, send) {
            return Some(NackCode::PARTS_MISMATCH);
        }
        let is_full = self.full.contains(&send.to);
        is_full.then_some(NackCode::INBOX_FULL)
    }

    fn has_parts(&mut self, from: Address, send: &Send<'_>) -> bool {
        let devices = |model: &mut Self, user: UserId| -> Vec<DeviceId> {
            model.account(user).inboxes.keys().copied().collect()
        };
        let named = |parts: &Parts<'_>| -> Vec<DeviceId> {
            parts.iter().map(|part: Part<'_>| part.device).collect()
        };
        let (to, own) = (named(&send.to_parts), named(&send.own_parts));
        let theirs = devices(self, send.to);
        if send.scope == SendScope::NAMED {
            let is_self = |device: &DeviceId| send.to == from.user && *device == from.device;
            return !to.is_empty()
                && own.is_empty()
                && to.is_sorted_by(|a, b| a < b)
                && to
                    .iter()
                    .all(|device| theirs.contains(device) && !is_self(device));
        }
        let others: Vec<_> = devices(self, from.user)
            .into_iter()
            .filter(|device| *device != from.device)
            .collect();
        to == theirs && own == others
    }

    fn place(&mut self, from: Address, send: &Send<'_>) -> Sent {
        self.clock = (self.clock + 10).max(self.now.timestamp().0);
        let timestamp = self.clock;
        assert!(send.after.0 < timestamp, "has seen what was never sent");
        // What is sent to whoever wants to hear nothing is taken as any other [M-25.4].
        let is_unheard = self.is_unheard(send.to, from.user);
        for part in send.to_parts.iter().filter(|_| !is_unheard) {
            let item = item(EventKind::INCOMING, from, send, timestamp, part.part);
            self.put(send.to, part.device, item);
        }
        let copy_of = Address {
            user: send.to,
            device: from.device,
        };
        for part in send.own_parts {
            let item = item(EventKind::OWN_COPY, copy_of, send, timestamp, part.part);
            self.put(from.user, part.device, item);
        }
        Sent {
            message_id: send.message_id,
            timestamp: Timestamp(timestamp),
            devices: send.to_parts.len() as u64,
        }
    }

    fn put(&mut self, user: UserId, device: DeviceId, item: Item) {
        self.inbox(Address { user, device }).stream.push(item);
    }

    /// What comes before STALE_RECIPIENT.
    fn show_newest(&mut self, session: &mut Session, user: UserId) {
        let shown = self.shown_lists(user);
        let newest = shown.last().map(|list| SignedList(list));
        session.write(&Frame::DeviceLists(DeviceLists {
            request: 0,
            user,
            newest: shown.len() as u64,
            lists: List::Slice(newest.as_slice()),
        }));
    }

    pub(super) fn read(&mut self, reader: Address, author: Address, id: MessageId) {
        let accepted = self.account(author.user).accepted.get(&(author.device, id));
        let up_to = accepted.expect("read what was sent").1.timestamp.0;
        let item = Item::Receipt {
            state: State::READ,
            peer: reader,
            up_to,
        };
        self.tell_author(author.user, &item);
        self.tell_seen(reader, author.user, up_to);
    }
}

fn item(kind: EventKind, peer: Address, send: &Send<'_>, timestamp: u64, part: &[u8]) -> Item {
    Item::Event {
        kind,
        peer,
        id: send.message_id,
        timestamp,
        envelope: send.envelope.to_vec(),
        part: part.to_vec(),
    }
}

/// What a retry must repeat.
fn payload(send: &Send<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&send.to.0.to_le_bytes());
    bytes.extend_from_slice(&send.ttl_ms.to_le_bytes());
    bytes.push(send.scope.0);
    for part in send.to_parts.iter().chain(send.own_parts.iter()) {
        bytes.extend_from_slice(&part.device.0.to_le_bytes());
        bytes.extend_from_slice(part.part);
    }
    bytes.extend_from_slice(send.envelope);
    bytes
}
