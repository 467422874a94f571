//! READs until the server has them for good. A READ has no answer, so a PING follows it: its PONG
//! comes when what stood before it is durable. Until then a new connection repeats the READ, which
//! changes nothing.

use std::collections::BTreeMap;

use martlet_protocol::{DeviceId, MessageId, Millis};

use crate::local::{ContactId, PendingRead};

#[derive(Clone, Copy, Debug)]
struct Open {
    read: PendingRead,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// To be sent, not before this time.
    Waiting(Millis),
    /// Sent, with a PING of this token behind it.
    Sent(u64),
}

#[derive(Debug, Default)]
pub(super) struct Reads {
    open: BTreeMap<Name, Open>,
}

/// Which message a READ names.
type Name = (ContactId, DeviceId, MessageId);

impl Reads {
    /// What was left by an earlier run, or by an earlier connection.
    pub(super) fn load(&mut self, reads: &[PendingRead]) {
        self.open.clear();
        for read in reads {
            self.insert(*read);
        }
    }

    /// Queues a READ, in place of older ones of the conversation that it includes.
    pub(super) fn push(&mut self, read: PendingRead) {
        if !read.is_late {
            let is_kept = |open: &Open| open.read.is_late || open.read.contact != read.contact;
            self.open.retain(|_, open| is_kept(open));
        }
        self.insert(read);
    }

    fn insert(&mut self, read: PendingRead) {
        let stage = Stage::Waiting(Millis(0));
        let name = (read.contact, read.device, read.id);
        self.open.insert(name, Open { read, stage });
    }

    /// The READs to send now, in front of a PING with this token.
    pub(super) fn depart(&mut self, now: Millis, token: u64) -> Vec<PendingRead> {
        let mut departures = Vec::new();
        for open in self.open.values_mut() {
            if matches!(open.stage, Stage::Waiting(not_before) if not_before <= now) {
                open.stage = Stage::Sent(token);
                departures.push(open.read);
            }
        }
        departures
    }

    /// A PONG has come: returns the READs that the server has for good.
    pub(super) fn answered(&mut self, token: u64) -> Vec<PendingRead> {
        let recorded = |open: &Open| open.stage == Stage::Sent(token);
        let finished = self.open.extract_if(.., |_, open| recorded(open));
        finished.map(|(_, open)| open.read).collect()
    }

    /// The server will never take this READ.
    pub(super) fn failed(&mut self, id: MessageId) -> Option<PendingRead> {
        let read = self.open.values().find(|open| open.read.id == id)?.read;
        self.open.remove(&(read.contact, read.device, read.id));
        Some(read)
    }

    /// The server will take it later.
    pub(super) fn refused(&mut self, id: MessageId, until: Millis) {
        for open in self.open.values_mut().filter(|open| open.read.id == id) {
            open.stage = Stage::Waiting(until);
        }
    }

    /// Whether the server has all of them.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn disconnected(&mut self) {
        for open in self.open.values_mut() {
            open.stage = Stage::Waiting(Millis(0));
        }
    }

    /// When a refused READ may be repeated.
    pub(super) fn due(&self, now: Millis) -> Option<Millis> {
        let due = self.open.values().filter_map(|open| match open.stage {
            Stage::Waiting(not_before) => Some(not_before),
            Stage::Sent(_) => None,
        });
        due.filter(|at| *at > now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(contact: i64, id: u8) -> PendingRead {
        PendingRead {
            contact: ContactId(contact),
            device: DeviceId(1),
            id: MessageId([id; 16]),
            is_late: false,
        }
    }

    #[test]
    fn a_mark_of_one_message_stands_beside_the_mark_of_the_conversation() {
        let mut reads = Reads::default();
        let late = PendingRead {
            is_late: true,
            ..read(1, 1)
        };
        reads.push(read(1, 5));
        reads.push(late);
        reads.push(read(1, 6));
        assert_eq!(reads.depart(Millis(0), 7), [late, read(1, 6)]);
        assert_eq!(reads.answered(7).len(), 2);
        assert!(reads.is_empty());
    }

    #[test]
    fn a_mark_is_repeated_until_the_pong_behind_it_comes() {
        let mut reads = Reads::default();
        reads.push(read(1, 1));
        assert_eq!(reads.depart(Millis(0), 7), [read(1, 1)]);
        assert_eq!(reads.answered(6), []);
        reads.disconnected();
        assert_eq!(reads.depart(Millis(20), 8), [read(1, 1)]);
        assert_eq!(reads.answered(7), [], "a PONG of the connection before");
        assert!(!reads.is_empty());
        assert_eq!(reads.answered(8), [read(1, 1)]);
        assert!(reads.is_empty());
        reads.disconnected();
        assert_eq!(reads.depart(Millis(30), 9), []);
    }

    #[test]
    fn a_newer_mark_is_not_proven_by_the_answer_to_an_older_one() {
        let mut reads = Reads::default();
        reads.push(read(1, 1));
        reads.depart(Millis(0), 7);
        reads.push(read(1, 2));
        assert_eq!(reads.answered(7), []);
        assert_eq!(reads.depart(Millis(0), 8), [read(1, 2)]);
    }

    #[test]
    fn a_mark_that_was_refused_for_now_is_sent_again_and_not_taken_for_recorded() {
        let mut reads = Reads::default();
        reads.push(read(1, 1));
        reads.depart(Millis(0), 7);
        reads.refused(read(1, 1).id, Millis(50));
        assert_eq!(reads.answered(7), []);
        assert_eq!(reads.due(Millis(0)), Some(Millis(50)));
        assert_eq!(reads.depart(Millis(50), 8), [read(1, 1)]);
    }
}
