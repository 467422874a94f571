//! The process dies inside a call of its engine: in a statement, between two, instead of the commit
//! or right behind it. The database has all of the call then, or nothing, and nobody notices.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test binary has no public interface"
)]

#[path = "support/lab.rs"]
mod lab;
#[path = "support/model/mod.rs"]
mod model;

use std::fmt::Debug;

use lab::Lab;
use martlet_client::engine::Outgoing;
use martlet_client::local::{Breaker, Db};
use martlet_client::{Event, History, StoreKey};

/// SQLite looks up at jumps and at the ends of statements only, which are farther apart than this.
const STRIDE: usize = 3;

/// What the steps of one kind of call have shown.
#[derive(Debug, Default)]
struct Sweep {
    /// Deaths that left nothing of the call.
    nothing: usize,
    /// Deaths that left all of it.
    all: usize,
}

impl Sweep {
    fn note(&mut self, has_all: bool) {
        self.all += usize::from(has_all);
        self.nothing += usize::from(!has_all);
    }

    /// There were many places to die, before the commit and behind it.
    fn check(&self) {
        assert!(self.nothing > 20 && self.all > 0, "{self:?}");
    }
}

/// Alice and Bob, who have talked to each other, and how one of them dies.
fn acquainted(mortal: usize) -> (Lab, Breaker) {
    let mut lab = Lab::new();
    let mut breakers = Vec::new();
    for name in ["alice", "bob"] {
        let mut db = Db::memory(&StoreKey::random()).unwrap();
        breakers.push(db.breaker().unwrap());
        lab.add_on(name, db);
    }
    lab.say(0, "bob", "hello Bob");
    lab.say(1, "alice", "hello Alice");
    lab.peers[0].take();
    lab.peers[1].take();
    (lab, breakers.swap_remove(mortal))
}

/// Dies at a call's commit, behind it, and at each step in turn. `prepare` makes that there is
/// something to call for, with a text of its own for each; `call` returns whether the call was
/// done. Ends with the first one that was.
fn sweep(
    lab: &mut Lab,
    breaker: &Breaker,
    prepare: impl Fn(&mut Lab, &str),
    mut call: impl FnMut(&mut Lab, &str) -> bool,
) {
    let text = "at the commit";
    lab.wait(1);
    prepare(lab, text);
    breaker.fail_at_commit(1);
    assert!(!call(lab, text), "it commits nothing");
    let text = "behind the commit";
    lab.wait(1);
    prepare(lab, text);
    breaker.fail_behind_commit(1);
    assert!(!call(lab, text), "it commits nothing");
    for step in (1..).step_by(STRIDE) {
        let text = format!("at step {step}");
        lab.wait(1);
        prepare(lab, &text);
        breaker.fail_at_step(step);
        if call(lab, &text) {
            return;
        }
    }
}

/// Whether a call was done. If not, its process has died, and starts again.
fn is_done<T>(
    lab: &mut Lab,
    who: usize,
    breaker: &Breaker,
    result: &Result<T, impl Debug>,
) -> bool {
    let is_dead = breaker.has_blown();
    assert_eq!(result.is_err(), is_dead, "an error that nobody heard of");
    breaker.reset();
    if is_dead {
        lab.crash(who);
    }
    !is_dead
}

/// Whether the newest message of a conversation is this one.
fn has(lab: &mut Lab, who: usize, peer: &str, text: &str) -> bool {
    let page = History {
        limit: 1,
        before: None,
    };
    let history = lab.engine(who).history(peer, &page).unwrap();
    history.first().is_some_and(|newest| newest.text() == text)
}

/// The texts of the messages that are shown. Nothing warns, and nothing is missing.
fn shown(lab: &mut Lab, who: usize) -> Vec<String> {
    let events = lab.peers[who].take().into_iter();
    let texts = events.filter_map(|event| match event {
        Event::Message(message) => Some(message.text().to_owned()),
        Event::Security(_) | Event::Gap { .. } | Event::Failed { .. } => panic!("{event:?}"),
        _ => None,
    });
    texts.collect()
}

#[test]
fn a_message_is_written_or_was_never_wherever_its_writer_dies() {
    let (mut lab, breaker) = acquainted(0);
    let mut deaths = Sweep::default();
    let prepare = |_: &mut Lab, _: &str| {};
    sweep(&mut lab, &breaker, prepare, |lab, text| {
        let now = lab.now;
        let outgoing = Outgoing {
            to: "bob",
            text,
            ttl_ms: None,
        };
        let sent = lab.engine(0).send(now, [7; 10], &outgoing);
        let is_done = is_done(lab, 0, &breaker, &sent);
        let is_kept = has(lab, 0, "bob", text);
        if is_done {
            assert!(is_kept);
            lab.dial(0);
        } else {
            deaths.note(is_kept);
        }
        lab.exchange();
        let expected: &[&str] = if is_kept { &[text] } else { &[] };
        assert_eq!(shown(lab, 1), expected);
        is_done
    });
    deaths.check();
    lab.settle();
    assert_eq!(lab.peers[0].texts("bob"), lab.peers[1].texts("alice"));
}

#[test]
fn a_message_is_shown_once_wherever_its_recipient_dies_over_it() {
    let (mut lab, breaker) = acquainted(1);
    let mut deaths = Sweep::default();
    let prepare = |lab: &mut Lab, text: &str| {
        lab.send(0, "bob", text);
        lab.travel(0, 1_000_000);
    };
    sweep(&mut lab, &breaker, prepare, |lab, text| {
        let now = lab.now;
        let Lab { model, peers, .. } = &mut *lab;
        let session = peers[1].session.as_mut().unwrap();
        model.push(session);
        let pushed = session.output.split();
        assert!(!pushed.is_empty(), "the message is on its way");
        let handled = peers[1].engine().handle_bytes(now, &pushed);
        let is_done = is_done(lab, 1, &breaker, &handled);
        if is_done {
            lab.dial(1);
        } else {
            deaths.note(has(lab, 1, "alice", text));
        }
        lab.exchange();
        assert_eq!(shown(lab, 1), [text]);
        is_done
    });
    deaths.check();
    lab.settle();
    assert_eq!(lab.peers[0].texts("bob"), lab.peers[1].texts("alice"));
}

#[test]
fn an_event_is_taken_or_not_wherever_its_taker_dies() {
    let (mut lab, breaker) = acquainted(1);
    let mut deaths = Sweep::default();
    let prepare = |lab: &mut Lab, text: &str| {
        lab.send(0, "bob", text);
        lab.exchange();
    };
    sweep(&mut lab, &breaker, prepare, |lab, text| {
        let taken = lab.engine(1).poll_event();
        let is_done = is_done(lab, 1, &breaker, &taken);
        lab.exchange();
        let later = shown(lab, 1);
        if is_done {
            assert!(matches!(taken, Ok(Some(Event::Message(_)))), "{taken:?}");
            assert!(later.is_empty(), "it comes again");
        } else {
            // What was taken is in the history alone.
            deaths.note(later.is_empty());
            assert!(later.is_empty() || later == [text]);
        }
        is_done
    });
    deaths.check();
    lab.settle();
    assert_eq!(lab.peers[0].texts("bob"), lab.peers[1].texts("alice"));
}
