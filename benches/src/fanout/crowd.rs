//! What the members of a group get, held against what was sent.

use std::collections::BTreeMap;

use crate::clock::Nanos;
use crate::flight::Violation;

/// The members, and the messages that are on their way to them. Every member gets every entry once,
/// at the same place and in the order of the places; its own ones it gets only in a stream.
#[derive(Debug)]
pub(super) struct Crowd {
    members: Vec<Member>,
    open: BTreeMap<u64, Message>,
    issued: u64,
}

#[derive(Clone, Debug, Default)]
struct Member {
    /// The newest place that it has an entry of.
    last: u64,
    /// Places before that of which it has none.
    skipped: Vec<u64>,
    /// Places of its own messages.
    own: Vec<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Message {
    intended: Nanos,
    author: usize,
    place: Option<u64>,
    is_sent: bool,
    /// How many other members have it.
    given: usize,
}

/// A message has come to one more member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    /// When it was meant to leave.
    pub(super) intended: Nanos,
    pub(super) is_first: bool,
    pub(super) is_last: bool,
}

impl Crowd {
    pub(super) fn new(members: usize) -> Self {
        Self {
            members: vec![Member::default(); members],
            open: BTreeMap::new(),
            issued: 0,
        }
    }

    /// How many messages were issued: the number of the next one.
    pub(super) const fn issued(&self) -> u64 {
        self.issued
    }

    /// How many messages are on their way.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// A message of a member; gives its number.
    pub(super) fn issue(&mut self, author: usize, intended: Nanos) -> u64 {
        let number = self.issued;
        self.issued += 1;
        let message = Message {
            intended,
            author,
            place: None,
            is_sent: false,
            given: 0,
        };
        self.open.insert(number, message);
        number
    }

    /// GROUP_SENT. Gives the time the message was meant to leave.
    pub(super) fn sent(&mut self, number: u64, place: u64) -> Result<Nanos, Violation> {
        let message = self.open.get_mut(&number);
        let message = message.ok_or(Violation::AnswerUnknown)?;
        if message.is_sent {
            return Err(Violation::AnswerUnknown);
        }
        message.is_sent = true;
        message.put_at(place)?;
        let (author, intended) = (message.author, message.intended);
        self.members[author].own.push(place);
        self.close_if_done(number);
        Ok(intended)
    }

    /// An entry of the group at a member: a message of the run, or something else. Gives a message
    /// of another member.
    pub(super) fn entry(
        &mut self,
        who: usize,
        place: u64,
        number: Option<u64>,
    ) -> Result<Option<Delivery>, Violation> {
        let others = self.members.len() - 1;
        let member = &mut self.members[who];
        if place <= member.last {
            return Err(Violation::EventOutOfOrder);
        }
        member.skipped.extend(member.last + 1..place);
        member.last = place;
        let Some(number) = number else {
            return Ok(None);
        };
        let message = self.open.get_mut(&number);
        // One that all had is not open any more, unless its author gets it last.
        let Some(message) = message else {
            return if member.own.contains(&place) {
                Ok(None)
            } else {
                Err(Violation::AnswerUnknown)
            };
        };
        message.put_at(place)?;
        if message.author == who {
            return Ok(None);
        }
        message.given += 1;
        let delivery = Delivery {
            intended: message.intended,
            is_first: message.given == 1,
            is_last: message.given == others,
        };
        self.close_if_done(number);
        Ok(Some(delivery))
    }

    fn close_if_done(&mut self, number: u64) {
        let others = self.members.len() - 1;
        let message = self.open.get(&number);
        if message.is_some_and(|it| it.is_sent && it.given == others) {
            self.open.remove(&number);
        }
    }

    /// At the end: whether a member has everything but what it wrote itself.
    ///
    /// # Errors
    /// When it has not.
    pub(super) fn check(&self) -> Result<(), Violation> {
        let has_all = |member: &Member| {
            let mut skipped = member.skipped.iter();
            skipped.all(|place| member.own.binary_search(place).is_ok())
        };
        if self.open.is_empty() && !self.members.iter().all(has_all) {
            return Err(Violation::EntryMissing);
        }
        Ok(())
    }
}

impl Message {
    fn put_at(&mut self, place: u64) -> Result<(), Violation> {
        if *self.place.get_or_insert(place) == place {
            Ok(())
        } else {
            Err(Violation::EntryMoved)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three members; the first one has written a message, which has the place 1.
    fn crowd() -> Crowd {
        let mut crowd = Crowd::new(3);
        assert_eq!(crowd.issue(0, Nanos(5)), 0);
        assert_eq!(crowd.sent(0, 1), Ok(Nanos(5)));
        crowd
    }

    #[test]
    fn a_message_is_on_its_way_until_all_others_have_it() {
        let mut crowd = crowd();
        let delivery = |is_first, is_last| Delivery {
            intended: Nanos(5),
            is_first,
            is_last,
        };
        assert_eq!(crowd.entry(2, 1, Some(0)), Ok(Some(delivery(true, false))));
        assert_eq!(crowd.entry(0, 1, Some(0)), Ok(None), "its own");
        assert_eq!(crowd.open(), 1);
        assert_eq!(crowd.entry(1, 1, Some(0)), Ok(Some(delivery(false, true))));
        assert_eq!((crowd.open(), crowd.check()), (0, Ok(())));
    }

    #[test]
    fn the_answer_may_come_last_and_the_authors_own_entry_too() {
        let mut crowd = Crowd::new(2);
        crowd.issue(0, Nanos(5));
        crowd.entry(1, 1, Some(0)).unwrap();
        assert_eq!(crowd.open(), 1);
        crowd.sent(0, 1).unwrap();
        assert_eq!(crowd.open(), 0);
        assert_eq!(crowd.entry(0, 1, Some(0)), Ok(None));
    }

    #[test]
    fn what_comes_twice_or_late_or_elsewhere_is_noticed() {
        let mut crowd = crowd();
        assert_eq!(crowd.sent(0, 1), Err(Violation::AnswerUnknown));
        assert_eq!(crowd.entry(1, 2, Some(0)), Err(Violation::EntryMoved));
        let mut crowd = self::crowd();
        crowd.entry(1, 1, Some(0)).unwrap();
        assert_eq!(crowd.entry(1, 1, Some(0)), Err(Violation::EventOutOfOrder));
        crowd.entry(2, 1, Some(0)).unwrap();
        assert_eq!(crowd.entry(2, 2, Some(0)), Err(Violation::AnswerUnknown));
    }

    #[test]
    fn a_member_that_lacks_an_entry_is_noticed_unless_it_is_its_own() {
        let mut crowd = crowd();
        for who in [1, 2] {
            crowd.entry(who, 1, Some(0)).unwrap();
        }
        for who in 0..3 {
            crowd.entry(who, 2, None).unwrap();
        }
        assert_eq!(crowd.check(), Ok(()), "the first one has skipped its own");
        crowd.entry(1, 4, None).unwrap();
        assert_eq!(crowd.check(), Err(Violation::EntryMissing));
    }
}
