//! Many connections at once: bounded in number and cost, and nobody else waits for them.

use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use martlet_protocol::{CloseCode, Kind};

use crate::bystanders::Bystanders;
use crate::peer::{Peer, account, connect};
use crate::server::{Server, wait_until};

#[test]
fn five_thousand_connections_that_say_nothing_disturb_nobody() {
    let server = Server::development();
    let bystanders = Bystanders::chat(server.address);
    let mut silent: Vec<_> = (0..5_000).map(|_| Peer::connect(server.address)).collect();
    for peer in &mut silent {
        peer.expect_close(CloseCode::AUTH_TIMEOUT);
    }
    server.check_logged("connection_refused", "AUTH_TIMEOUT", 5_000);
    bystanders.check_undisturbed();
    server.check_calm();
    // Their places are free again.
    account(server.address, "late.comer");
}

#[test]
fn an_address_that_connects_too_often_is_turned_away_and_others_chat_on() {
    let server = Server::development();
    let left = account(server.address, "left");
    let right = account(server.address, "right");
    let server = server.restart_with("[limits]\nconnections_per_second = 10\n");
    let bystanders = Bystanders::chat_as(server.address, left, right);
    let mut turned_away = 0;
    for _ in 0..100 {
        let mut peer = Peer::connect_from(server.address, Ipv4Addr::LOCALHOST);
        peer.send_bytes(b"M");
        let stream = peer.next_within(Duration::from_millis(50));
        if let Some(got) = stream {
            assert_eq!(got.kind, Kind::CLOSE);
            turned_away += 1;
        }
    }
    assert!(turned_away > 20, "{turned_away} of 100 turned away");
    wait_until("one line for all of them", || {
        server.logged("connections_turned_away", &[]) > 0
    });
    assert!(server.logged("connections_turned_away", &[]) < 20);
    bystanders.check_undisturbed();
}

#[test]
fn connections_never_take_the_descriptors_that_the_store_needs() {
    // 256 of them are reserved.
    let server = Server::development_with_descriptors(400);
    let bystanders = Bystanders::chat(server.address);
    let mut crowd = Vec::new();
    for _ in 0..300 {
        crowd.push(Peer::connect(server.address));
    }
    let mut turned_away = 0;
    for peer in &mut crowd {
        turned_away += u32::from(peer.next_within(Duration::from_millis(10)).is_some());
    }
    assert!((150..170).contains(&turned_away), "{turned_away} of 300");
    assert_eq!(server.logged("descriptors_exhausted", &[]), 0);
    bystanders.check_undisturbed();
    server.check_calm();
}

#[test]
fn without_descriptors_the_server_waits_and_does_not_spin() {
    let server = Server::development();
    server.limit_descriptors(server.descriptors() as u64 + 10);
    let crowd: Vec<_> = (0..40).map(|_| connect(server.address)).collect();
    wait_until("the limit", || {
        server.logged("descriptors_exhausted", &[]) > 0
    });
    thread::sleep(Duration::from_millis(500));
    let lines = server.logged("descriptors_exhausted", &[]);
    assert!(lines < 40, "{lines} lines in half a second: it spins");
    drop(crowd);
    // Whoever waited in the backlog is served now.
    account(server.address, "late.comer");
}

#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    let server = Server::development();
    let churn = |count: usize| {
        for _ in 0..count {
            drop(connect(server.address));
        }
        thread::sleep(Duration::from_millis(300));
    };
    churn(2_000);
    let descriptors = server.descriptors();
    churn(10_000);
    churn(10_000);
    wait_until("all descriptors back", || {
        server.descriptors() <= descriptors
    });
    account(server.address, "still.here");
}
