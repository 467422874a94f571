//! A device is removed: at once, with all that is its own.

use martlet_protocol::{CloseCode, State};

use crate::home::{Home, claim, claimed, deliver, lists_of, receive};
use crate::support::site::{Site, martletd};
use crate::support::wire::Got;

#[test]
fn a_removed_device_is_closed_at_once_and_unknown_from_then_on() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let server = site.start(martletd());
    let mut alice = Home::new(server.address(), "alice", 1);
    // Several accounts, so that more than one reactor hosts one of them.
    for number in 0..4 {
        let mut bob = Home::new(server.address(), &format!("bob{number}"), 3);
        bob.upload(1, 1..=5, 1);
        let before = alice.compose(0, &bob, "before");
        assert_eq!(deliver(alice.first(), &before), 3);
        assert_eq!(receive(&mut bob.devices[1]).1, "before");

        let mut removed = bob.remove(2);
        let code = removed.expect("CLOSE", |got| match got {
            Got::Close { code, .. } => Some(*code),
            _ => None,
        });
        assert_eq!(code, CloseCode::DEVICE_GONE);
        let refusal = removed.connect(server.address()).expect("an answer");
        assert_eq!(refusal, Err(CloseCode::AUTH_FAILED));
        // What it had not acknowledged ends; the others have it still.
        let fact = alice.first().expect("a fact", |got| match got {
            Got::Fact(fact) => Some(*fact),
            _ => None,
        });
        assert_eq!(
            (fact.state, fact.message_id),
            (State::DEVICE_GONE, before.id)
        );
        assert_eq!(fact.peer, removed.address());
        let user = bob.user();
        claim(alice.first(), user, &[2]);
        assert_eq!(claimed(alice.first()), Ok(vec![]), "its prekeys are gone");

        // The conversation goes on without it.
        lists_of(alice.first(), user, 0);
        let after = alice.compose(0, &bob, "after");
        assert_eq!(deliver(alice.first(), &after), 2);
        for device in &mut bob.devices {
            assert_eq!(receive(device).1, "before");
            assert_eq!(receive(device).1, "after");
        }
    }
    assert_eq!(site.logged("device_list_published"), 1 + 4 * 4);
    assert_eq!(site.logged("removed=\"2\""), 4);
    server.kill();
    site.verify(martletd());
    // All of it is so after a restart.
    let server = site.start(martletd());
    alice.devices[0].go_online(server.address());
    server.kill();
    site.verify(martletd());
}

#[test]
fn a_device_may_remove_itself_and_is_told_so_first() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let server = site.start(martletd());
    let mut alice = Home::new(server.address(), "alice", 2);
    let mut first = alice.remove(1);
    let code = first.expect("CLOSE", |got| match got {
        Got::Close { code, .. } => Some(*code),
        _ => None,
    });
    assert_eq!(code, CloseCode::DEVICE_GONE);
    let user = alice.user();
    assert_eq!(lists_of(&mut alice.devices[0], user, 0).0, 3);
    server.kill();
    site.verify(martletd());
}
