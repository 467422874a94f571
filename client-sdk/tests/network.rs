//! The client as an application has it: a home on disk, a thread, a socket, TLS.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test binary has no public interface"
)]

#[path = "support/homes.rs"]
mod homes;
#[path = "support/model/mod.rs"]
mod model;
#[path = "support/tcp.rs"]
mod tcp;

use std::fs;
use std::time::Duration;

use homes::{PATIENCE, next_message, open, reaches, registered, send};
use martlet_client::{
    Client, ClientError, Config, DevicesError, Event, History, LinkError, Message, MessageState,
    OpenError, Passphrase, RegisterError, StoreKeySource, VerifyError,
};
use tcp::Server;
use tempfile::TempDir;
use tokio::time::timeout;

#[tokio::test]
async fn a_message_is_sent_shown_read_and_each_step_comes_back() {
    let server = Server::plain();
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let alice = registered(one.path(), &server, "alice").await;
    let bob = registered(two.path(), &server, "bob").await;
    assert_eq!(alice.identity().await.unwrap().unwrap().handle, "alice");

    let id = send(&alice, "bob", "hello").await;
    reaches(&alice, id, MessageState::Delivered).await;
    let message = next_message(&bob).await;
    assert_eq!(
        (message.peer.as_str(), message.text(), message.id),
        ("alice", "hello", id)
    );
    bob.mark_read("alice", id).await.unwrap();
    reaches(&alice, id, MessageState::Read).await;

    let mut states = Vec::new();
    while states.last() != Some(&MessageState::Read) {
        let event = timeout(PATIENCE, alice.next_event())
            .await
            .expect("receipts come");
        if let Event::Receipt(receipt) = event.unwrap() {
            assert_eq!((receipt.id, receipt.by.as_str()), (id, "bob"));
            states.push(receipt.state);
        }
    }
    assert_eq!(
        states,
        [
            MessageState::Sent,
            MessageState::Delivered,
            MessageState::Read
        ]
    );
    alice.close().await.unwrap();
    bob.close().await.unwrap();
}

#[tokio::test]
async fn a_closed_home_can_be_opened_again_and_continues_where_it_was() {
    let server = Server::plain();
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let alice = registered(one.path(), &server, "alice").await;
    let bob = registered(two.path(), &server, "bob").await;
    let clone = bob.clone();
    bob.close().await.unwrap();
    assert!(matches!(clone.next_event().await, Err(ClientError::Closed)));
    assert!(matches!(clone.identity().await, Err(ClientError::Closed)));

    let first = send(&alice, "bob", "one").await;
    let second = send(&alice, "bob", "two").await;
    reaches(&alice, second, MessageState::Sent).await;

    let bob = open(two.path()).await;
    assert_eq!(next_message(&bob).await.id, first);
    bob.close().await.unwrap();
    let bob = open(two.path()).await;
    assert_eq!(next_message(&bob).await.id, second);
    let history = bob.history("alice", History::default()).await.unwrap();
    assert_eq!(
        history.iter().map(Message::text).collect::<Vec<_>>(),
        ["one", "two"]
    );
}

#[tokio::test]
async fn a_home_in_use_is_refused_with_the_process_that_has_it() {
    let home = TempDir::new().unwrap();
    let client = open(home.path()).await;
    let error = Client::open(home.path(), Config::default())
        .await
        .unwrap_err();
    assert!(
        matches!(error, OpenError::Locked { pid } if pid == std::process::id()),
        "{error}"
    );
    client.close().await.unwrap();
    open(home.path()).await.close().await.unwrap();
}

#[tokio::test]
async fn a_client_that_lost_its_connection_comes_back_and_catches_up() {
    let server = Server::plain();
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let alice = registered(one.path(), &server, "alice").await;
    let bob = registered(two.path(), &server, "bob").await;
    let before = server.accepted();
    for number in 0..20 {
        if number % 5 == 0 {
            server.cut();
        }
        send(&alice, "bob", &number.to_string()).await;
    }
    for number in 0..20 {
        assert_eq!(next_message(&bob).await.text(), number.to_string());
    }
    assert!(server.accepted() > before, "the connections were cut");
}

#[tokio::test]
async fn an_event_is_not_lost_when_the_waiting_is_given_up() {
    let server = Server::plain();
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let alice = registered(one.path(), &server, "alice").await;
    let bob = registered(two.path(), &server, "bob").await;
    for number in 0..30 {
        send(&alice, "bob", &number.to_string()).await;
    }
    let mut shown = Vec::new();
    while shown.len() < 30 {
        // Most of these end before anything comes.
        let event = timeout(Duration::from_micros(300), bob.next_event()).await;
        if let Ok(Ok(Event::Message(message))) = event {
            shown.push(message.text().to_owned());
        }
    }
    let expected: Vec<String> = (0..30).map(|number| number.to_string()).collect();
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn tls_is_accepted_with_the_servers_own_certificate_and_with_no_other() {
    let (server, other) = (Server::tls(), Server::tls());
    let (home, files) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let write = |name: &str, server: &Server| {
        let path = files.path().join(name);
        fs::write(&path, server.certificate.as_deref().unwrap()).unwrap();
        Config {
            ca_file: Some(path),
            ..Config::default()
        }
    };

    let wrong = Client::open(home.path(), write("other.pem", &other))
        .await
        .unwrap();
    let error = wrong
        .register(&server.address, "alice", None)
        .await
        .unwrap_err();
    assert!(
        matches!(error, RegisterError::Unreachable { .. }),
        "{error}"
    );
    wrong.close().await.unwrap();

    let right = Client::open(home.path(), write("server.pem", &server))
        .await
        .unwrap();
    right
        .register(&server.address, "alice", None)
        .await
        .unwrap();
    right.close().await.unwrap();

    // The certificate was stored: later opens need not name it.
    let again = open(home.path()).await;
    let online =
        async { while !matches!(again.next_event().await.unwrap(), Event::Online { .. }) {} };
    timeout(PATIENCE, online).await.expect("it connects");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_reported_at_once() {
    let home = TempDir::new().unwrap();
    let client = open(home.path()).await;
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let error = client
        .register(&format!("127.0.0.1:{port}"), "alice", None)
        .await
        .unwrap_err();
    assert!(
        matches!(error, RegisterError::Unreachable { .. }),
        "{error}"
    );

    for (address, plain) in [("nonsense", false), ("tcp://192.0.2.1:7400", true)] {
        let error = client.register(address, "alice", None).await.unwrap_err();
        match error {
            RegisterError::PlaintextForbidden => assert!(plain),
            RegisterError::AddressInvalid { .. } => assert!(!plain),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn an_offline_home_shows_its_history_and_connects_nowhere() {
    let server = Server::plain();
    let home = TempDir::new().unwrap();
    let alice = registered(home.path(), &server, "alice").await;
    send(&alice, "bob", "later").await;
    alice.close().await.unwrap();
    let before = server.accepted();

    let config = Config {
        offline: true,
        ..Config::default()
    };
    let alice = Client::open(home.path(), config).await.unwrap();
    let history = alice.history("bob", History::default()).await.unwrap();
    assert_eq!(history.len(), 1);
    assert_eq!(
        alice.status(history[0].id).await.unwrap(),
        Some(history[0].clone())
    );
    let error = alice.mark_read("bob", history[0].id).await.unwrap_err();
    assert!(matches!(error, ClientError::UnknownMessage), "{error}");
    assert_eq!(server.accepted(), before);
}

#[tokio::test]
async fn two_people_compare_their_numbers_before_the_first_word() {
    let server = Server::plain();
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let alice = registered(one.path(), &server, "alice").await;
    let bob = registered(two.path(), &server, "bob").await;
    let number = alice.safety_number("bob").await.unwrap();
    assert_eq!(bob.safety_number("alice").await.unwrap(), number);
    assert!(!alice.is_verified("bob").await.unwrap());
    let wrong = "1".repeat(60);
    let error = alice.verify("bob", &wrong).await.unwrap_err();
    assert!(matches!(error, VerifyError::NumberDiffers), "{error}");
    alice.verify("bob", &number.to_string()).await.unwrap();
    assert!(alice.is_verified("bob").await.unwrap());
    let code = alice.safety_code("bob").await.unwrap();
    bob.verify_code("alice", &code).await.unwrap();
    bob.set_verified("alice", false).await.unwrap();
    assert!(!bob.is_verified("alice").await.unwrap());
    let error = alice.safety_number("nobody").await.unwrap_err();
    assert!(matches!(error, ClientError::UnknownPeer), "{error}");
}

#[tokio::test]
async fn a_home_is_made_with_a_key_file_or_with_a_passphrase_and_opens_with_the_same() {
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    open(one.path()).await.close().await.unwrap();
    assert!(one.path().join("store.key").exists());
    open(one.path()).await.close().await.unwrap();
    let with = |text| Config {
        store_key: StoreKeySource::Passphrase(Passphrase::new(text)),
        ..Config::default()
    };
    let right = with("correct horse battery");
    let client = Client::open(two.path(), right.clone()).await.unwrap();
    client.close().await.unwrap();
    assert!(!two.path().join("store.key").exists());
    let error = Client::open(two.path(), with("wrong")).await.unwrap_err();
    assert!(matches!(error, OpenError::WrongKey), "{error}");
    assert!(Client::open(two.path(), right).await.is_ok());
}

#[tokio::test]
async fn a_device_that_is_declined_is_told_at_once() {
    let server = Server::plain();
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let alice = registered(one.path(), &server, "alice").await;
    let tablet = open(two.path()).await;
    let code = alice.open_link(false).await.unwrap();
    let joining = {
        let (tablet, code) = (tablet.clone(), code.to_string());
        tokio::spawn(async move { tablet.link(&code, "tablet").await })
    };
    let offered = timeout(PATIENCE, alice.link_offered()).await.unwrap();
    assert_eq!(offered.unwrap().name.as_deref(), Some("tablet"));
    alice.close_link().await.unwrap();
    let joined = timeout(PATIENCE, joining).await.unwrap().unwrap();
    let error = joined.unwrap_err();
    assert!(matches!(error, LinkError::Ended), "{error}");
    assert!(tablet.identity().await.unwrap().is_none());
    let error = alice.approve_link().await.unwrap_err();
    assert!(matches!(error, DevicesError::NobodyJoined), "{error}");
}

#[tokio::test]
async fn a_code_that_is_none_and_a_code_that_nobody_waits_for_are_refused_at_once() {
    let server = Server::plain();
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let alice = registered(one.path(), &server, "alice").await;
    let tablet = open(two.path()).await;
    let error = tablet
        .link("MARTLET-LINK-1-XYZ", "tablet")
        .await
        .unwrap_err();
    assert!(matches!(error, LinkError::CodeInvalid(_)), "{error}");
    let old = alice.open_link(false).await.unwrap();
    alice.open_link(false).await.unwrap();
    let refused = timeout(PATIENCE, tablet.link(&old, "tablet"))
        .await
        .unwrap();
    let error = refused.unwrap_err();
    assert!(matches!(error, LinkError::Ended), "{error}");
    assert!(tablet.identity().await.unwrap().is_none());
    // The home is as free as before.
    tablet
        .register(&server.address, "tablet", None)
        .await
        .unwrap();
    let error = tablet.link(&old, "tablet").await.unwrap_err();
    assert!(
        matches!(error, LinkError::AlreadyRegistered { .. }),
        "{error}"
    );
}
