//! Requests and their answers: SPEC.md §8, §9, §13 and §16.

use std::collections::{BTreeMap, BTreeSet};

use martlet_protocol::frame::{
    Found, Lookup, Nack, Part, Parts, Reference, Send, SendScope, Sent, StateReply, Status,
};
use martlet_protocol::limits::{TTL_MS_MAX, TTL_MS_MIN};
use martlet_protocol::nack::Class;
use martlet_protocol::{Address, DeviceId, Kind, MessageId, NackCode, Timestamp, UserId};

use crate::devices::Book;
use crate::inbox::Verdict;

/// What a message is by SPEC.md: a retry has the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payload {
    pub to: UserId,
    ttl_ms: u64,
    pub scope: SendScope,
    pub to_parts: Vec<(DeviceId, Vec<u8>)>,
    pub own_parts: Vec<(DeviceId, Vec<u8>)>,
    envelope: Vec<u8>,
}

/// A SEND under way.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub payload: Payload,
    pub to_version: u64,
    pub own_version: u64,
    after: Timestamp,
    /// Which step it was.
    at: usize,
    first: bool,
}

/// The answers that are kept for good, and what is open on this connection.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    accepted: BTreeMap<MessageId, (Payload, Sent)>,
    sent_before: BTreeSet<MessageId>,
    on: Open,
}

#[derive(Debug, Default)]
struct Open {
    sends: Vec<(MessageId, Pending)>,
    /// Refused for now: whose message, the step of its SEND, the step of the NACK.
    refused: BTreeMap<MessageId, (UserId, usize, usize)>,
    /// The accepted ones of this connection by recipient: step of the SEND and timestamp.
    order: Vec<(UserId, usize, Timestamp)>,
    reads: Vec<MessageId>,
    statuses: Vec<(u64, MessageId)>,
    lookups: Vec<u64>,
}

impl Requests {
    pub(crate) fn connection_begins(&mut self) {
        self.on = Open::default();
    }

    /// A SEND at step `at`, when the client is known to have read all up to step `client_read`.
    pub(crate) fn send(&mut self, send: &Send<'_>, at: usize, client_read: usize) -> Verdict {
        let first = self.sent_before.insert(send.message_id);
        let waits = |(to, _, nack): &(UserId, usize, usize)| *to == send.to && *nack < client_read;
        if first && self.on.refused.values().any(waits) {
            return Err("M-9.17");
        }
        self.on.refused.remove(&send.message_id);
        let parts = |parts: Parts<'_>| {
            let owned = |it: Part<'_>| (it.device, it.part.to_vec());
            parts.into_iter().map(owned).collect()
        };
        let payload = Payload {
            to: send.to,
            ttl_ms: send.ttl_ms,
            scope: send.scope,
            to_parts: parts(send.to_parts),
            own_parts: parts(send.own_parts),
            envelope: send.envelope.to_vec(),
        };
        let pending = Pending {
            payload,
            to_version: send.to_version,
            own_version: send.own_version,
            after: send.after,
            at,
            first,
        };
        self.on.sends.push((send.message_id, pending));
        Ok(())
    }

    fn answered(&mut self, id: MessageId) -> Option<Pending> {
        let index = self
            .on
            .sends
            .iter()
            .position(|(pending, _)| *pending == id)?;
        Some(self.on.sends.remove(index).1)
    }

    pub(crate) fn sent(&mut self, sent: &Sent, own: Address, book: &Book) -> Verdict {
        let pending = self.answered(sent.message_id).ok_or("M-9.1")?;
        if let Some((payload, answer)) = self.accepted.get(&sent.message_id) {
            return match (*payload == pending.payload, answer == sent) {
                (false, _) => Err("M-9.6"),
                (true, false) => Err("M-9.5"),
                (true, true) => Ok(()),
            };
        }
        check_message(sent.message_id, &pending, own.user)?;
        book.check_accepted(&pending, own)?;
        if sent.timestamp <= pending.after {
            return Err("M-8.6");
        }
        let to = pending.payload.to;
        let overtaken = |(other, at, _): &(UserId, usize, usize)| *other == to && *at < pending.at;
        if self.on.refused.values().any(overtaken) {
            return Err("M-9.16");
        }
        if pending.first {
            let wrong = |(other, at, timestamp): &(UserId, usize, Timestamp)| {
                *other == to && (*at < pending.at) != (*timestamp < sent.timestamp)
            };
            if self.on.order.iter().any(wrong) {
                return Err("M-8.6");
            }
            self.on.order.push((to, pending.at, sent.timestamp));
        }
        self.accepted
            .insert(sent.message_id, (pending.payload, *sent));
        Ok(())
    }

    /// A NACK of the server at step `at`.
    pub(crate) fn refused(
        &mut self,
        nack: &Nack,
        at: usize,
        book: &Book,
        has_asked: &dyn Fn(Kind, u64) -> bool,
    ) -> Verdict {
        check_class(nack)?;
        let id = nack.reference.as_message();
        let known = match nack.of {
            Kind::SEND => return self.send_refused(nack, at, book),
            Kind::READ => self.on.reads.contains(&id),
            Kind::STATUS => self.on.statuses.iter().any(|(_, of)| *of == id),
            Kind::LOOKUP => {
                let number = nack.reference.as_number();
                self.on.lookups.contains(&number) && nack.reference == Reference::number(number)
            }
            Kind::EVENT => return Err("M-13.6"),
            of if BY_REQUEST.contains(&of) => {
                let number = nack.reference.as_number();
                has_asked(of, number) && nack.reference == Reference::number(number)
            }
            _ => nack.reference == Reference::default(),
        };
        if known { Ok(()) } else { Err("M-13.1") }
    }

    fn send_refused(&mut self, nack: &Nack, at: usize, book: &Book) -> Verdict {
        let id = nack.reference.as_message();
        let pending = self.answered(id).ok_or("M-13.1")?;
        let to = pending.payload.to;
        if nack.code == NackCode::STALE_RECIPIENT && !book.has_told(to, pending.to_version) {
            return Err("M-22.8");
        }
        if [Class::RETRY_AFTER, Class::REFRESH_DEVICES].contains(&nack.class) {
            self.on.refused.insert(id, (to, pending.at, at));
        }
        Ok(())
    }

    pub(crate) fn read(&mut self, id: MessageId) {
        self.on.reads.push(id);
    }

    pub(crate) fn status(&mut self, status: &Status) {
        self.on.statuses.push((status.request, status.message_id));
    }

    pub(crate) fn state(&self, state: &StateReply) -> Verdict {
        let asked = self
            .on
            .statuses
            .contains(&(state.request, state.message_id));
        if asked { Ok(()) } else { Err("M-16.1") }
    }

    pub(crate) fn lookup(&mut self, lookup: &Lookup<'_>) {
        self.on.lookups.push(lookup.request);
    }

    pub(crate) fn found(&self, found: &Found<'_>) -> Verdict {
        if self.on.lookups.contains(&found.request) {
            Ok(())
        } else {
            Err("M-16.5")
        }
    }
}

/// What a refusal names by its request.
const BY_REQUEST: [Kind; 10] = [
    Kind::DEVICES,
    Kind::PUBLISH,
    Kind::UPLOAD,
    Kind::CLAIM,
    Kind::LINK_OPEN,
    Kind::LINK_CLOSE,
    Kind::WATCH,
    Kind::RELATE,
    Kind::RELATIONS,
    Kind::SETTINGS,
];

/// What no server accepts.
fn check_message(id: MessageId, pending: &Pending, own: UserId) -> Verdict {
    let ttl_ms = pending.payload.ttl_ms;
    if id.time().is_none() {
        Err("M-8.2")
    } else if ttl_ms != 0 && !(TTL_MS_MIN..=TTL_MS_MAX).contains(&ttl_ms) {
        Err("M-9.11")
    } else if pending.payload.to == own && pending.payload.scope == SendScope::ALL {
        Err("M-9.13")
    } else {
        Ok(())
    }
}

/// What holds for the class of any NACK.
pub(crate) fn check_class(nack: &Nack) -> Verdict {
    let known = NackCode::TABLE
        .iter()
        .any(|(code, _, _)| *code == nack.code);
    if known && nack.class != nack.code.class() {
        return Err("M-13.5");
    }
    if nack.retry_after_ms > 0 && nack.class != Class::RETRY_AFTER {
        return Err("M-13.4");
    }
    Ok(())
}
