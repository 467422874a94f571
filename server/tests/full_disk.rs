//! A full disk refuses new messages, lets everything else go on, and is forgotten when it has room.

mod shim;
mod support;

use std::fs;

use martlet_protocol::{Class, Kind, NackCode, State, Timestamp};
use shim::Cut;
use support::client::{Client, Outgoing};
use support::crowd::Crowd;
use support::history::Deed;
use support::ledger::judge;
use support::random;
use support::site::{Site, martletd};
use support::volume::Volume;
use support::wait_until;
use support::wire::Got;

/// Large enough for RocksDB's logs, which reserve 70 MiB each.
const VOLUME_MEBIBYTES: u32 = 256;

/// Sends a message and says whether it was SENT, or refused because the disk is full.
fn is_accepted(from: &mut Client, outgoing: &Outgoing) -> bool {
    from.send(outgoing, Timestamp(0));
    from.expect("an answer", |got| match got {
        Got::Sent(sent) if sent.message_id == outgoing.id => Some(true),
        Got::Nack(nack) if nack.reference.as_message() == outgoing.id => {
            let refusal = (nack.of, nack.code, nack.class);
            assert_eq!(
                refusal,
                (Kind::SEND, NackCode::DISK_FULL, Class::RETRY_AFTER)
            );
            assert!(nack.retry_after_ms > 0, "when to try again");
            Some(false)
        }
        _ => None,
    })
}

#[test]
fn a_full_disk_refuses_messages_lets_reads_go_on_and_recovers_by_itself() {
    let Some(volume) = Volume::mount(VOLUME_MEBIBYTES) else {
        return;
    };
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(volume.path("data"), home.path().join("log"));
    let server = site.start(martletd());
    let mut alice = Client::register(server.address(), "alice");
    let mut bob = Client::register(server.address(), "bob");
    alice.go_online(server.address());
    let mut accepted = Vec::new();
    for number in 0..100 {
        let outgoing = alice.compose(bob.address().user, format!("early {number}").as_bytes());
        assert!(is_accepted(&mut alice, &outgoing), "there is room");
        accepted.push(outgoing);
    }

    volume.fill();
    // The server looks now and then; what it accepts until it has seen it is durable as ever.
    let mut refused = None;
    wait_until("the first refusal", || {
        let outgoing = alice.compose(bob.address().user, b"into a full disk");
        if is_accepted(&mut alice, &outgoing) {
            accepted.push(outgoing);
        } else {
            refused = Some(outgoing);
        }
        refused.is_some()
    });
    let refused = refused.expect("it was just refused");

    // The backlog is read, acknowledged and read by its user, and the sender is told.
    bob.go_online(server.address());
    let mut received = Vec::new();
    bob.expect("CAUGHT_UP", |got| match got {
        Got::Event(message) => {
            received.push(message.id);
            None
        }
        Got::CaughtUp(_) => Some(()),
        _ => None,
    });
    let expected: Vec<_> = accepted.iter().map(|outgoing| outgoing.id).collect();
    assert_eq!(
        received, expected,
        "what was accepted, and nothing of what was refused"
    );
    bob.acknowledge();
    bob.read(alice.address(), received[received.len() - 1]);
    bob.flush().expect("the connection stands");
    for state in [State::DELIVERED, State::READ] {
        alice.expect("a receipt", |got| match got {
            Got::Receipt(receipt) if receipt.state == state => Some(()),
            _ => None,
        });
    }
    assert!(!is_accepted(&mut alice, &refused), "still full");

    volume.make_room();
    wait_until("messages to be accepted again", || {
        is_accepted(&mut alice, &refused)
    });
    bob.expect("the message", |got| match got {
        Got::Event(message) if message.id == refused.id => Some(()),
        _ => None,
    });
    server.kill();
    site.verify(martletd());
}

#[test]
fn a_crowd_loses_nothing_while_the_disk_is_full_and_the_server_dies() {
    let seed = random::seed();
    let Some(volume) = Volume::mount(VOLUME_MEBIBYTES) else {
        return;
    };
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(volume.path("data"), home.path().join("log"));
    let mut server = site.start(martletd());
    let mut crowd = Crowd::gather(server.address(), 8, seed);
    for _ in 0..3 {
        crowd.wait_for_answers(100);
        let before = crowd.history().len();
        volume.fill();
        wait_until("refusals", || {
            crowd.history().has(before, |deed| {
                matches!(
                    deed,
                    Deed::Refused {
                        code: NackCode::DISK_FULL,
                        ..
                    }
                )
            })
        });
        server.kill();
        volume.make_room();
        site.verify(martletd());
        server = site.start(martletd());
    }
    crowd.settle();
    let verdict = judge(&crowd.disperse());
    verdict.assert_clean();
    assert_eq!(verdict.counts.messages, verdict.counts.sent);
    server.kill();
    site.verify(martletd());
}

#[test]
fn a_write_that_finds_no_room_is_held_and_neither_lost_nor_refused() {
    let seed = random::seed();
    let cut = Cut::new();
    let room = cut.beside("room");
    let set_room = |bytes: u64| {
        let partial = cut.beside("room.part");
        fs::write(&partial, bytes.to_string()).expect("write the switch");
        fs::rename(&partial, &room).expect("turn the switch");
    };
    set_room(1 << 40);
    let program = || {
        let mut command = cut.command(martletd().get_program().as_ref());
        command.env("MARTLET_POWERCUT_CAPACITY_FILE", &room);
        command
    };
    let mut site = Site::new(cut.data(), cut.beside("log"));
    let mut server = site.start(program());
    let mut crowd = Crowd::gather(server.address(), 8, seed);
    for is_killed in [false, true, false, true] {
        crowd.wait_for_answers(100);
        let before = site.logged("disk_full");
        set_room(0);
        wait_until("a write without room", || site.logged("disk_full") > before);
        if is_killed {
            server.kill();
            cut.discard_unsynced();
            set_room(1 << 40);
            site.verify(program());
            server = site.start(program());
        }
        set_room(1 << 40);
        crowd.wait_for_answers(100);
    }
    crowd.settle();
    judge(&crowd.disperse()).assert_clean();
    server.kill();
    cut.discard_unsynced();
    site.verify(program());
}
