//! Linking a device, by both clients and a server: who is let in, who is told what, and what goes
//! on after a loss.
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
use martlet_client::StoreKey;
use martlet_client::engine::Answer;
use martlet_client::local::Db;

#[test]
fn a_code_lets_one_device_in_and_only_with_a_persons_word() {
    let mut lab = Lab::of(&["alice"]);
    let (first, code) = lab.begin_link(0, false);
    lab.settle();
    let second = lab.push("alice", Db::memory(&StoreKey::random()).unwrap());
    lab.join(second, &code);
    lab.settle();
    assert_eq!(
        lab.engine(0).devices().unwrap().len(),
        1,
        "nobody was asked"
    );
    lab.approve(0);
    lab.settle();
    assert_eq!(lab.engine(0).devices().unwrap().len(), 2);
    assert!(lab.engine(first).identity().is_some());
    assert!(lab.engine(second).identity().is_none());
}

#[test]
fn a_code_that_nobody_waits_for_is_refused() {
    let mut lab = Lab::of(&["alice"]);
    let (joiner, code) = lab.begin_link(0, false);
    let now = lab.now;
    lab.engine(0).close_link(now).unwrap();
    lab.dial(0);
    lab.settle();
    assert_eq!(lab.peers[joiner].answers, [Answer::LinkEnded]);
    assert!(lab.engine(joiner).identity().is_none());
    let changed = code.replace("MARTLET-LINK-1-", "MARTLET-LINK-2-");
    let linking = martlet_client::engine::Linking {
        code: &changed,
        name: "x",
        trust: None,
        key_seed: martlet_client::keys::KeySeed([1; 32]),
    };
    assert!(lab.engine(joiner).link(now, &linking).is_err());
}

#[test]
fn a_home_that_waits_to_join_may_register_instead() {
    let mut lab = Lab::of(&["alice"]);
    let (joiner, _) = lab.begin_link(0, false);
    lab.settle();
    lab.peers[joiner].name = "carol".to_owned();
    lab.crash(joiner);
    lab.register(joiner);
    lab.settle();
    let identity = lab.engine(joiner).identity().unwrap();
    assert_eq!(identity.handle, "carol");
    lab.say(joiner, "alice", "hello");
    assert_eq!(lab.peers[0].texts("carol"), ["hello"]);
}

fn count_of(lab: &Lab, who: usize, is_meant: fn(&Answer) -> bool) -> usize {
    let answers = lab.peers[who].answers.iter();
    answers.filter(|answer| is_meant(answer)).count()
}

fn is_offer(answer: &Answer) -> bool {
    matches!(answer, Answer::LinkOffered { .. })
}

fn is_loss(answer: &Answer) -> bool {
    matches!(answer, Answer::LinkLeft { .. })
}

#[test]
fn whoever_waits_to_join_is_told_at_once_that_it_will_not() {
    // Declined; while the one that declines has no connection; and because it shows another code.
    for case in ["declined", "away", "another code"] {
        let mut lab = Lab::of(&["alice"]);
        let (joiner, code) = lab.begin_link(0, false);
        lab.exchange();
        assert_eq!(count_of(&lab, 0, is_offer), 1, "{case}");
        if case == "away" {
            lab.leave(0);
        }
        let now = lab.now;
        if case == "another code" {
            lab.engine(0).open_link(now, false).unwrap();
        } else {
            lab.engine(0).close_link(now).unwrap();
        }
        lab.dial(0);
        if case == "away" {
            lab.exchange();
            assert_eq!(lab.peers[joiner].answers, [], "nobody knows yet");
            lab.come_back(0);
        }
        lab.exchange();
        assert_eq!(lab.peers[joiner].answers, [Answer::LinkEnded], "{case}");
        assert!(lab.engine(joiner).identity().is_none(), "{case}");
        // The code is of no use to anybody else.
        lab.join(joiner, &code);
        lab.settle();
        assert_eq!(
            lab.peers[joiner].answers,
            [Answer::LinkEnded, Answer::LinkEnded],
            "{case}"
        );
        assert_eq!(lab.engine(0).devices().unwrap().len(), 1, "{case}");
    }
}

#[test]
fn a_process_that_ends_ends_its_code() {
    let mut lab = Lab::of(&["alice"]);
    let (joiner, _) = lab.begin_link(0, false);
    lab.exchange();
    lab.quit(0);
    lab.exchange();
    assert_eq!(lab.peers[joiner].answers, [Answer::LinkEnded]);
}

#[test]
fn a_device_that_has_lost_its_connection_is_added_when_it_is_back() {
    for dies in [true, false] {
        let mut lab = Lab::of(&["alice"]);
        let (joiner, _) = lab.begin_link(0, false);
        lab.exchange();
        lab.leave(joiner);
        lab.exchange();
        assert_eq!(count_of(&lab, 0, is_loss), 1);
        // A person agrees to what the screen has shown before.
        lab.approve(0);
        lab.settle();
        assert_eq!(lab.engine(0).devices().unwrap().len(), 1, "it is not there");
        if dies {
            lab.crash(joiner);
        }
        lab.come_back(joiner);
        lab.settle();
        assert_eq!(lab.engine(0).devices().unwrap().len(), 2);
        let devices = lab.engine(joiner).devices().unwrap();
        assert!(devices.iter().all(|device| device.name.is_some()));
        assert_eq!(count_of(&lab, 0, is_offer), 1, "the screen shows it again");
    }
}

#[test]
fn a_code_that_is_entered_again_goes_on_with_the_first_offer() {
    for dies in [true, false] {
        let mut lab = Lab::of(&["alice"]);
        let (joiner, code) = lab.begin_link(0, false);
        lab.exchange();
        if dies {
            lab.leave(joiner);
            lab.crash(joiner);
            lab.peers[joiner].is_away = false;
        }
        lab.join(joiner, &code);
        lab.settle();
        assert_eq!(lab.peers[joiner].answers, [], "it waits");
        lab.approve(0);
        lab.settle();
        assert!(lab.engine(joiner).is_online());
        assert_eq!(lab.engine(0).devices().unwrap().len(), 2);
    }
}

#[test]
fn a_device_that_is_gone_for_good_is_not_added() {
    let mut lab = Lab::of(&["alice"]);
    let (joiner, code) = lab.begin_link(0, false);
    lab.exchange();
    let now = lab.now;
    lab.engine(joiner).cancel_link(now).unwrap();
    lab.dial(joiner);
    lab.exchange();
    assert_eq!(count_of(&lab, 0, is_loss), 1);
    lab.approve(0);
    lab.settle();
    // The code has had its device: with other keys it would be another one.
    lab.join(joiner, &code);
    lab.settle();
    assert_eq!(lab.peers[joiner].answers, [Answer::LinkEnded]);
    assert_eq!(lab.engine(0).devices().unwrap().len(), 1);
}

#[test]
fn the_device_that_shows_the_code_may_lose_its_connection() {
    for approves_away in [true, false] {
        let mut lab = Lab::of(&["alice"]);
        let (joiner, _) = lab.begin_link(0, false);
        lab.exchange();
        lab.leave(0);
        lab.wait(60_000);
        if approves_away {
            lab.approve(0);
            lab.settle();
        }
        lab.come_back(0);
        let unseen = usize::from(!approves_away);
        assert_eq!(count_of(&lab, 0, is_offer), unseen, "nobody is asked again");
        assert_eq!(count_of(&lab, 0, is_loss), 0);
        if !approves_away {
            lab.approve(0);
        }
        lab.settle();
        assert_eq!(lab.engine(0).devices().unwrap().len(), 2);
        assert!(lab.engine(joiner).is_online());
    }
}

/// A link in which one side dies after each round trip, or loses its connection.
#[test]
fn a_link_that_is_interrupted_anywhere_goes_on() {
    for round in 0..8 {
        for (who, dies) in [(1, true), (1, false), (0, false)] {
            let mut lab = Lab::of(&["alice"]);
            let (joiner, _) = lab.begin_link(0, false);
            let mut is_approved = false;
            for step in 0..20 {
                if step == round {
                    if dies {
                        lab.crash(who);
                    } else {
                        lab.cut(who);
                    }
                }
                for peer in [0, 1] {
                    lab.travel(peer, 1_000_000);
                }
                let offered = |it: &Answer| matches!(it, Answer::LinkOffered { .. }).then_some(());
                if !is_approved && lab.peers[0].answer(offered).is_some() {
                    is_approved = true;
                    let now = lab.now;
                    lab.engine(0).approve_link(now).unwrap();
                    lab.dial(0);
                }
                lab.wait(300);
            }
            lab.settle();
            assert!(is_approved, "round {round}, {who} {dies}");
            let devices = lab.engine(0).devices().unwrap().len();
            assert_eq!(devices, 2, "round {round}, {who} {dies}");
            assert!(
                lab.engine(joiner).is_online(),
                "round {round}, {who} {dies}"
            );
            assert_eq!(lab.engine(joiner).devices().unwrap().len(), 2);
            assert_eq!(lab.engine(joiner).identity().unwrap().handle, "alice");
            let devices = lab.engine(joiner).devices().unwrap();
            assert!(
                devices.iter().all(|device| device.name.is_some()),
                "round {round}"
            );
        }
    }
}
