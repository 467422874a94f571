//! What a device that was linked gets from the one that linked it, when it cannot take it at once.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test binary has no public interface"
)]

#[path = "support/lab.rs"]
mod lab;
#[path = "support/model/mod.rs"]
mod model;

use lab::Lab;
use martlet_client::engine::Answer;
use martlet_protocol::{Address, DeviceId};

/// Longer than the longest pause between two questions for keys, in milliseconds.
const PAUSE_MS: u64 = 13 * 60 * 1_000;

/// Alice has talked to Bob and links a device whose keys nobody gets.
fn with_keyless(with_history: bool) -> (Lab, usize) {
    let mut lab = Lab::acquainted();
    let user = lab.model.user("alice");
    let device = DeviceId(2);
    lab.model.keyless = Some(Address { user, device });
    let tablet = lab.link(0, with_history);
    for _ in 0..5 {
        lab.settle();
    }
    assert!(!knows(&mut lab, tablet, "bob"), "it has got nothing yet");
    (lab, tablet)
}

/// Whether a device knows whose name this is, without asking the server.
fn knows(lab: &mut Lab, who: usize, name: &str) -> bool {
    lab.leave(who);
    let now = lab.now;
    lab.engine(who).lookup(now, name).unwrap();
    lab.dial(who);
    let found = |it: &Answer| match it {
        Answer::Found { handle, user } if handle == name => Some(user.is_some()),
        _ => None,
    };
    let known = lab.peers[who].answer(found);
    lab.peers[who].is_away = false;
    known == Some(true)
}

#[test]
fn a_device_that_has_no_keys_yet_gets_everything_once_it_has_some() {
    for with_history in [false, true] {
        let (mut lab, tablet) = with_keyless(with_history);
        // A process that ends meanwhile forgets nothing, nor does a long time.
        lab.crash(0);
        lab.settle();
        for _ in 0..10 {
            lab.wait(PAUSE_MS);
            lab.settle();
        }
        assert!(lab.peers[tablet].texts("bob").is_empty());
        lab.model.keyless = None;
        lab.wait(PAUSE_MS);
        lab.settle();
        assert!(knows(&mut lab, tablet, "bob"), "{with_history}");
        let expected: &[&str] = if with_history {
            &["hello Bob", "hello Alice"]
        } else {
            &[]
        };
        assert_eq!(lab.peers[tablet].texts("bob"), expected);
        assert!(lab.engine(0).is_settled());
    }
}

#[test]
fn a_device_without_keys_holds_up_neither_another_one_nor_whoever_waits_for_the_rest() {
    let (mut lab, _) = with_keyless(true);
    assert!(lab.engine(0).is_settled());
    let laptop = lab.link(0, true);
    assert_eq!(lab.peers[laptop].texts("bob"), ["hello Bob", "hello Alice"]);
}

#[test]
fn a_device_that_is_removed_is_not_asked_for_keys_any_more() {
    let (mut lab, tablet) = with_keyless(true);
    let (now, device) = (lab.now, lab.device(tablet));
    lab.engine(0).revoke(now, device).unwrap();
    lab.dial(0);
    lab.settle();
    let claims = lab.model.claims;
    for _ in 0..3 {
        lab.wait(PAUSE_MS);
        lab.settle();
    }
    lab.crash(0);
    lab.settle();
    assert_eq!(lab.model.claims, claims);
    assert!(lab.engine(0).is_settled());
}
