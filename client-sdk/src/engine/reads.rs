//! READs until the server has them. A READ has no answer, so a PING follows it: the server answers
//! in order, and its PONG says that the READ arrived and was not refused.

use std::collections::BTreeMap;

use martlet_protocol::{MessageId, Millis};

use crate::local::{ContactId, PendingRead};

#[derive(Clone, Copy, Debug)]
struct Open {
    read: PendingRead,
    /// The token of the PING that followed it.
    proof: Option<u64>,
    not_before: Millis,
}

#[derive(Debug, Default)]
pub(super) struct Reads {
    open: BTreeMap<ContactId, Open>,
}

impl Reads {
    /// What was left by an earlier run, or by an earlier connection.
    pub(super) fn load(&mut self, reads: &[PendingRead]) {
        self.open.clear();
        for read in reads {
            self.push(*read);
        }
    }

    /// Queues a READ in place of an older one of the conversation.
    pub(super) fn push(&mut self, read: PendingRead) {
        let open = Open {
            read,
            proof: None,
            not_before: Millis(0),
        };
        self.open.insert(read.contact, open);
    }

    /// The READs to send now, in front of a PING with this token.
    pub(super) fn depart(&mut self, now: Millis, token: u64) -> Vec<PendingRead> {
        let mut departures = Vec::new();
        for open in self.open.values_mut() {
            if open.proof.is_none() && open.not_before <= now {
                open.proof = Some(token);
                departures.push(open.read);
            }
        }
        departures
    }

    /// The PONG has come: returns the READs that it proves.
    pub(super) fn proven(&mut self, token: u64) -> Vec<PendingRead> {
        let proven = self
            .open
            .extract_if(.., |_, open| open.proof == Some(token));
        proven.map(|(_, open)| open.read).collect()
    }

    /// The server will never take this READ.
    pub(super) fn failed(&mut self, id: MessageId) -> Option<PendingRead> {
        let contact = self
            .open
            .values()
            .find(|open| open.read.id == id)?
            .read
            .contact;
        self.open.remove(&contact).map(|open| open.read)
    }

    /// The server will take it later.
    pub(super) fn refused(&mut self, id: MessageId, until: Millis) {
        for open in self.open.values_mut().filter(|open| open.read.id == id) {
            open.proof = None;
            open.not_before = until;
        }
    }

    /// Whether the server has them all.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn disconnected(&mut self) {
        for open in self.open.values_mut() {
            open.proof = None;
        }
    }

    /// When the next refused READ may be repeated.
    pub(super) fn due(&self, now: Millis) -> Option<Millis> {
        let waiting = self.open.values().filter(|open| open.proof.is_none());
        waiting
            .map(|open| open.not_before)
            .filter(|at| *at > now)
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use martlet_protocol::DeviceId;

    fn read(contact: i64, id: u8) -> PendingRead {
        PendingRead {
            contact: ContactId(contact),
            device: DeviceId(1),
            id: MessageId([id; 16]),
        }
    }

    #[test]
    fn a_newer_mark_is_not_proven_by_the_answer_to_an_older_one() {
        let mut reads = Reads::default();
        reads.push(read(1, 1));
        assert_eq!(reads.depart(Millis(0), 7), [read(1, 1)]);
        reads.push(read(1, 2));
        assert_eq!(reads.proven(7), []);
        assert_eq!(reads.depart(Millis(0), 8), [read(1, 2)]);
        assert_eq!(reads.proven(8), [read(1, 2)]);
        assert_eq!(reads.depart(Millis(0), 9), []);
    }

    #[test]
    fn a_mark_that_was_refused_for_now_is_sent_again_and_not_taken_for_proven() {
        let mut reads = Reads::default();
        reads.push(read(1, 1));
        reads.depart(Millis(0), 7);
        reads.refused(read(1, 1).id, Millis(50));
        assert_eq!(reads.proven(7), []);
        assert_eq!(reads.due(Millis(0)), Some(Millis(50)));
        assert_eq!(reads.depart(Millis(50), 8), [read(1, 1)]);
    }
}
