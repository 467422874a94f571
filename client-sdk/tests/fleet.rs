//! Two people with two devices each, and everything that can go wrong between them, at random:
//! each device ends with the same conversation, the same texts, reactions and deletions in it, and
//! nobody is alarmed.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test binary has no public interface"
)]

#[path = "support/lab.rs"]
mod lab;
#[path = "support/model/mod.rs"]
mod model;

use std::collections::BTreeSet;

use lab::Lab;
use martlet_client::engine::Post;
use martlet_client::{Direction, Event, Message, MessageId, SecurityKind};
use proptest::prelude::*;

/// The other side of each device's conversation.
const WITH: [&str; 4] = ["bob", "alice", "bob", "alice"];

#[derive(Clone, Copy, Debug)]
enum Step {
    Send,
    /// Somebody edits, deletes or answers a message, or reacts to one: the first number says what,
    /// the second to which of those that he sees.
    Touch(u8, usize),
    /// Up to so many bytes travel, each way.
    Travel(usize),
    /// The connection ends; what is on the way is lost.
    Cut,
    /// The client's process dies and starts again.
    Crash,
    Wait(u64),
    /// The server refuses the next sends for now.
    Refuse(u32),
    /// Alice gets a further device, or loses it.
    Change,
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let step = prop_oneof![
        6 => Just(Step::Send),
        5 => (0u8..6, 0usize..50).prop_map(|(what, which)| Step::Touch(what, which)),
        8 => (1usize..800).prop_map(Step::Travel),
        12 => Just(Step::Travel(100_000)),
        1 => Just(Step::Cut),
        2 => Just(Step::Crash),
        3 => (1u64..3_000).prop_map(Step::Wait),
        1 => (1u32..4).prop_map(Step::Refuse),
        1 => Just(Step::Change),
    ];
    prop::collection::vec((0usize..4, step), 1..120)
}

struct Fleet {
    lab: Lab,
    said: [Vec<MessageId>; 4],
    /// A device of Alice that comes and goes.
    guest: Option<usize>,
}

impl Fleet {
    fn new() -> Self {
        let mut lab = Lab::of(&["alice", "bob"]);
        lab.link(0, false);
        lab.link(1, false);
        Self {
            lab,
            said: Default::default(),
            guest: None,
        }
    }

    fn act(&mut self, who: usize, step: Step) {
        match step {
            Step::Send => {
                let text = format!("{} from {who}", self.said[who].len());
                let id = self.lab.send(who, WITH[who], &text);
                self.said[who].push(id);
            }
            Step::Touch(what, which) => self.touch(who, what, which),
            Step::Travel(bytes_max) => {
                self.lab.travel(who, bytes_max);
            }
            Step::Cut => self.lab.cut(who),
            Step::Crash => self.lab.crash(who),
            Step::Wait(ms) => self.lab.wait(ms),
            Step::Refuse(count) => self.lab.model.refusals = count,
            Step::Change => self.change(),
        }
    }

    fn touch(&mut self, who: usize, what: u8, which: usize) {
        let messages = self.lab.peers[who].history(WITH[who]);
        if messages.is_empty() {
            return;
        }
        let Message { id, direction, .. } = messages[which % messages.len()];
        let is_own = direction == Direction::Outgoing;
        let text = format!("{what} {which} by {who}");
        let post = match what {
            0 | 1 if is_own => Post::Edit { of: id, text },
            2 if is_own => Post::Delete { of: id },
            3 => Post::Reply { to: id, text },
            4 => Post::React {
                to: id,
                emoji: String::new(),
            },
            _ => Post::React {
                to: id,
                emoji: text,
            },
        };
        let is_reply = matches!(post, Post::Reply { .. });
        // What is deleted cannot be touched any more.
        if let Ok(id) = self.lab.post(who, WITH[who], post)
            && is_reply
        {
            self.said[who].push(id);
        }
    }

    /// Only the holder of the account's key is at rest for it: the others are as they are.
    fn change(&mut self) {
        for _ in 0..20 {
            self.lab.travel(0, 100_000);
            self.lab.wait(500);
        }
        match self.guest.take() {
            Some(guest) => {
                let (now, device) = (self.lab.now, self.lab.device(guest));
                self.lab.engine(0).revoke(now, device).unwrap();
                self.lab.dial(0);
                self.lab.settle();
                self.lab.peers.truncate(4);
            }
            None => self.guest = Some(self.lab.link(0, false)),
        }
    }

    fn check(&mut self) {
        self.lab.model.refusals = 0;
        for _ in 0..30 {
            self.lab.settle();
        }
        let all: BTreeSet<MessageId> = self.said.iter().flatten().copied().collect();
        let conversation = self.lab.peers[0].history(WITH[0]);
        for (who, with) in WITH.iter().enumerate() {
            let messages = self.lab.peers[who].history(with);
            let ids: Vec<_> = messages.iter().map(|message| message.id).collect();
            assert_eq!(ids.len(), all.len(), "each message once at device {who}");
            let found: BTreeSet<_> = ids.iter().copied().collect();
            assert_eq!(found, all, "the whole conversation at device {who}");
            for said in &self.said {
                let order = ids.iter().filter(|id| said.contains(id));
                assert!(order.eq(said), "in the order of writing at device {who}");
            }
            for (here, there) in messages.iter().zip(&conversation) {
                assert_eq!(view(here), view(there), "at device {who}");
            }
            for event in self.lab.peers[who].take() {
                match event {
                    Event::Security(notice) => {
                        let is_fine = notice.kind == SecurityKind::DevicesChanged;
                        assert!(is_fine, "{notice:?} at device {who}");
                    }
                    Event::Failed { id, code, .. } => panic!("{id} failed: {code:?}"),
                    _ => {}
                }
            }
        }
    }
}

/// What a message looks like, for whichever side.
fn view(message: &Message) -> (MessageId, &str, bool, Option<MessageId>, BTreeSet<&str>) {
    let quoted = message.reply_to.as_ref().map(|quote| quote.id);
    let reactions = message.reactions.iter().map(|it| it.emoji.as_str());
    (
        message.id,
        message.text(),
        message.edited,
        quoted,
        reactions.collect(),
    )
}

/// The server lets nothing pass that comes behind a refused message, before that one comes again.
#[test]
fn what_was_refused_for_a_device_that_is_removed_then_holds_up_nothing() {
    let mut lab = Lab::of(&["alice", "bob"]);
    lab.say(0, "bob", "a history");
    let (tablet, _) = lab.begin_link(0, true);
    lab.settle();
    lab.approve(0);
    // All that Alice sends to the tablet is refused for now, until it is gone.
    lab.model.refusals = u32::MAX;
    for _ in 0..10 {
        lab.travel(0, 100_000);
        lab.travel(tablet, 100_000);
        lab.wait(500);
    }
    let (now, device) = (lab.now, lab.device(tablet));
    lab.engine(0).revoke(now, device).unwrap();
    lab.dial(0);
    lab.travel(0, 100_000);
    assert!(lab.model.refusals < u32::MAX);
    lab.model.refusals = 0;
    lab.settle();
    let laptop = lab.link(0, true);
    assert_eq!(lab.peers[laptop].texts("bob"), ["a history"]);
    assert!(lab.engine(0).is_settled());
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_device_ends_with_the_same_conversation(steps in steps()) {
        let mut fleet = Fleet::new();
        for (who, step) in steps {
            fleet.act(who, step);
        }
        fleet.check();
    }
}
