//! Many claim at once, some for ever, and the server dies in between: no key goes out twice.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use martlet_protocol::auth::PrekeyKind;
use martlet_protocol::frame::Bundle;
use martlet_protocol::{Kind, NackCode, UserId};

use crate::home::{Home, claim, claimed};
use crate::support::client::Client;
use crate::support::site::{Server, Site, martletd};
use crate::support::wire::Got;
use crate::support::{PATIENCE, random, wait_until};

/// Accounts that want a prekey of somebody, each with one device.
fn claimants(server: SocketAddr, count: usize) -> Vec<Client> {
    let names = (0..count).map(|number| format!("claimant{number}"));
    names.map(|name| Client::register(server, &name)).collect()
}

/// Each claims once, all at the same time. What each got is passed to `note` as it comes; the
/// server may go away meanwhile.
fn claim_all(
    claimants: &mut [Client],
    server: SocketAddr,
    user: UserId,
    note: impl Fn() + Sync,
) -> Vec<Bundle> {
    let threads = claimants.len().div_ceil(CONNECTIONS);
    let note = &note;
    thread::scope(|scope| {
        let workers: Vec<_> = claimants
            .chunks_mut(threads)
            .map(|some| {
                scope.spawn(move || {
                    let claims = some.iter_mut();
                    let claims = claims.map(|client| claim_once(client, server, user));
                    let got = claims.inspect(|_| note());
                    got.flatten().collect::<Vec<_>>()
                })
            })
            .collect();
        let results = workers.into_iter().map(|it| it.join().expect("no panic"));
        results.flatten().collect()
    })
}

/// What one account got; nothing when the server was gone before the answer.
fn claim_once(client: &mut Client, server: SocketAddr, user: UserId) -> Option<Bundle> {
    let ready = client.connect(server).ok()?;
    ready.expect("the server takes the device");
    claim(client, user, &[1]);
    let deadline = Instant::now() + PATIENCE;
    let bundle = loop {
        assert!(Instant::now() < deadline, "a CLAIM has no answer");
        match client.next(Duration::from_secs(1)) {
            Err(_) => break None,
            Ok(Some(Got::Bundles { bundles, .. })) => break bundles.first().copied(),
            Ok(Some(Got::Nack(nack))) => panic!("refused: {nack:?}"),
            Ok(_) => {}
        }
    };
    client.disconnect();
    bundle
}

fn one_time_ids(bundles: &[Bundle]) -> Vec<u64> {
    let mut one_time: Vec<_> = bundles
        .iter()
        .filter(|bundle| bundle.kind == PrekeyKind::ONE_TIME)
        .map(|bundle| bundle.prekey.id)
        .collect();
    one_time.sort_unstable();
    one_time
}

#[test]
fn two_hundred_accounts_get_fifty_keys_once_and_the_rest_is_flagged() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let server = site.start(martletd());
    let mut bob = Home::new(server.address(), "bob", 1);
    bob.upload(0, 1..=50, 1);
    let mut accounts = claimants(server.address(), 200);
    let bundles = claim_all(&mut accounts, server.address(), bob.user(), || {});
    assert_eq!(bundles.len(), 200);
    assert_eq!(one_time_ids(&bundles), (1..=50).collect::<Vec<_>>());
    let last_resort = PrekeyKind::LAST_RESORT;
    let flagged = bundles.iter().filter(|it| it.kind == last_resort);
    let flagged: Vec<_> = flagged.map(|bundle| bundle.prekey.id).collect();
    assert_eq!(flagged, [1; 150]);
    bob.first().expect("the last warning", |got| match got {
        Got::Stock(stock) => (stock.last_resort_uses == 150).then_some(()),
        _ => None,
    });
    server.kill();
    site.verify(martletd());
}

/// Kills the server as soon as so many have their answers, and starts it again.
fn kill_after(site: &mut Site, server: Server, answered: &AtomicUsize, count: usize) -> Server {
    wait_until("some answers", || answered.load(Ordering::Relaxed) >= count);
    server.kill();
    site.start(martletd())
}

#[test]
fn no_key_goes_out_twice_although_the_server_is_killed_in_between() {
    let mut random = random::Random::new(random::seed());
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let mut server = site.start(martletd());
    let mut bob = Home::new(server.address(), "bob", 1);
    bob.upload(0, 1..=100, 1);
    let mut accounts = claimants(server.address(), 100);
    let mut seen = BTreeSet::new();
    for round in 1..=4 {
        let answered = AtomicUsize::new(0);
        let after = 5 + random.below(10) as usize;
        let (address, user) = (server.address(), bob.user());
        let (bundles, next) = thread::scope(|scope| {
            let claims = scope.spawn(|| {
                claim_all(&mut accounts, address, user, || {
                    answered.fetch_add(1, Ordering::Relaxed);
                })
            });
            let next = kill_after(&mut site, server, &answered, after);
            (claims.join().expect("no panic"), next)
        });
        server = next;
        let ids = one_time_ids(&bundles);
        println!(
            "round {round}: {} answers, {} keys",
            bundles.len(),
            ids.len()
        );
        assert!(!bundles.is_empty(), "there was an answer before the kill");
        for id in ids {
            assert!(seen.insert(id), "key {id} went out twice");
        }
    }
    let bundles = claim_all(&mut accounts, server.address(), bob.user(), || {});
    assert_eq!(bundles.len(), 100);
    for id in one_time_ids(&bundles) {
        assert!(seen.insert(id), "key {id} went out twice");
    }
    assert!(bundles.iter().any(|it| it.kind == PrekeyKind::LAST_RESORT));
    server.kill();
    site.verify(martletd());
}

#[test]
fn one_account_cannot_take_all_keys_from_everybody_else() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let server = site.start(martletd());
    let mut bob = Home::new(server.address(), "bob", 1);
    bob.upload(0, 1..=100, 1);
    let mut mallory = Home::new(server.address(), "mallory", 2);
    let user = bob.user();
    let mut taken = 0;
    for _ in 0..20 {
        claim(mallory.first(), user, &[1]);
        taken += claimed(mallory.first()).expect("within the quota").len();
    }
    assert_eq!(taken, 20);
    // Neither patience of a minute, nor another device, nor another connection helps.
    mallory.devices[1].disconnect();
    mallory.devices[1].go_online(server.address());
    for device in &mut mallory.devices {
        claim(device, user, &[1]);
        let refusal = claimed(device).expect_err("over the quota");
        assert_eq!(
            (refusal.of, refusal.code),
            (Kind::CLAIM, NackCode::RATE_LIMITED)
        );
        let minutes = refusal.retry_after_ms.div_ceil(60_000);
        assert_eq!(minutes, 10);
    }
    let mut alice = Client::register(server.address(), "alice");
    alice.go_online(server.address());
    claim(&mut alice, user, &[1]);
    let bundles = claimed(&mut alice).expect("within the quota");
    assert_eq!(one_time_ids(&bundles), [21]);
}

/// How many connections claim at the same time.
const CONNECTIONS: usize = 25;
