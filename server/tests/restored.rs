//! A data directory that is put back from a copy, or taken away under its server.

mod support;

use std::fs;

use martlet_protocol::{Address, Position, Timestamp};
use support::client::Client;
use support::site::{Server, Site, martletd};
use support::wire::Got;

fn stop(server: Server) {
    server.terminate();
    assert!(server.wait().success());
}

fn send(from: &mut Client, server: &Server, to: Address, texts: &[&str]) {
    from.go_online(server.address());
    for text in texts {
        let outgoing = from.compose(to.user, text.as_bytes());
        from.send(&outgoing, Timestamp(0));
        from.expect("SENT", |got| matches!(got, Got::Sent(_)).then_some(()));
    }
    from.say_goodbye();
}

/// What comes until the backlog is over; all of it is acknowledged.
fn receive(device: &mut Client) -> Vec<String> {
    let mut texts = Vec::new();
    device.expect("CAUGHT_UP", |got| match got {
        Got::Event(message) => {
            texts.push(String::from_utf8_lossy(&message.envelope).into_owned());
            None
        }
        Got::CaughtUp(_) => Some(()),
        _ => None,
    });
    device.acknowledge();
    device.say_goodbye();
    texts
}

#[test]
fn nobody_misses_what_is_sent_after_a_restore() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(home.path().join("data"), home.path().join("log"));
    let kept = home.path().join("copy");
    let server = site.start(martletd());
    let mut alice = Client::register(server.address(), "alice");
    let mut bob = Client::register(server.address(), "bob");
    send(&mut alice, &server, bob.address(), &["1"]);
    bob.go_online(server.address());
    assert_eq!(receive(&mut bob), ["1"]);
    stop(server);
    site.copy_to(&kept);

    let server = site.start(martletd());
    send(&mut alice, &server, bob.address(), &["2", "3"]);
    let before = bob.go_online(server.address());
    assert_eq!(receive(&mut bob), ["2", "3"]);
    assert_eq!(bob.place().1, Position(3));
    stop(server);

    site.put_back(&kept);

    // These take the positions of what bob has stored as "2" and "3".
    let server = site.start(martletd());
    send(&mut alice, &server, bob.address(), &["4", "5"]);
    let after = bob.go_online(server.address());
    assert_ne!(after.epoch, before.epoch);
    assert_eq!(after.cursor, Position(1));
    assert_eq!(receive(&mut bob), ["4", "5"]);
}

#[test]
fn a_server_whose_data_directory_is_taken_away_ends_and_says_so() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(home.path().join("data"), home.path().join("log"));
    let server = site.start(martletd());
    fs::remove_dir_all(site.data()).expect("remove the directory");
    // A commit makes the server look. Whether its answer still comes does not matter.
    let address = server.address();
    let _late = std::thread::spawn(move || Client::register(address, "alice"));
    assert_eq!(server.wait().code(), Some(74));
    assert!(site.logged("removed under the server") > 0);
}
