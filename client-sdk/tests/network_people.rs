//! People as an application has them: homes on disk, threads, sockets.
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

use homes::{PATIENCE, eventually, next_message, open, reaches, registered, send};
use martlet_client::{
    Client, ClientError, Event, MessageState, PeopleError, Presence, Related, Relation, SendError,
    SendOptions, SettingsChange, Strangers, Typing, Visibility,
};
use tcp::Server;
use tempfile::TempDir;
use tokio::time::timeout;

/// The next event that `find` knows.
async fn next<T>(client: &Client, find: impl Fn(Event) -> Option<T>) -> T {
    let search = async {
        loop {
            if let Some(found) = find(client.next_event().await.unwrap()) {
                return found;
            }
        }
    };
    timeout(PATIENCE, search).await.expect("it is told")
}

async fn is_told(client: &Client, state: Presence) {
    let told = |event| match event {
        Event::Presence { peer, state, .. } => Some((peer, state)),
        _ => None,
    };
    assert_eq!(next(client, told).await, ("bob".to_owned(), state));
}

#[tokio::test]
async fn who_is_there_and_who_writes_is_told_as_it_happens() {
    let server = Server::plain();
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let alice = registered(one.path(), &server, "alice").await;
    let bob = registered(two.path(), &server, "bob").await;
    // Nobody has written yet: the name is looked up.
    alice.watch("bob").await.unwrap();
    is_told(&alice, Presence::Hidden).await;
    bob.set_active(true).await.unwrap();
    is_told(&alice, Presence::Online).await;
    send(&alice, "bob", "hello").await;
    next_message(&bob).await;
    bob.typing("alice", Typing::Typing).await.unwrap();
    let typing = |event| match event {
        Event::Typing { peer, by, kind } => Some((peer, by, kind)),
        _ => None,
    };
    let (peer, by, kind) = next(&alice, typing).await;
    assert_eq!(
        (peer.as_str(), by.as_str(), kind),
        ("bob", "bob", Typing::Typing)
    );
    bob.close().await.unwrap();
    is_told(&alice, Presence::Offline).await;
    let nobody = alice.watch("nobody").await;
    assert!(
        matches!(nobody, Err(PeopleError::Client(ClientError::UnknownPeer))),
        "{nobody:?}"
    );
    alice.unwatch("bob").await.unwrap();
}

#[tokio::test]
async fn who_is_blocked_reaches_nobody_until_the_block_ends() {
    let server = Server::plain();
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let alice = registered(one.path(), &server, "alice").await;
    let bob = registered(two.path(), &server, "bob").await;
    alice.block("bob").await.unwrap();
    timeout(PATIENCE, alice.flush()).await.unwrap().unwrap();
    let user = alice.lookup("bob").await.unwrap().unwrap();
    let related = |relation| Related {
        peer: "bob".to_owned(),
        user,
        relation,
        is_pending: false,
    };
    assert_eq!(
        alice.relations().await.unwrap(),
        [related(Relation::Blocked)]
    );
    let lost = send(&bob, "alice", "do you hear me?").await;
    reaches(&bob, lost, MessageState::Sent).await;
    let refused = alice.send("bob", "never", SendOptions::default()).await;
    assert!(matches!(refused, Err(SendError::Blocked)), "{refused:?}");
    let own = alice.block("alice").await;
    assert!(matches!(own, Err(PeopleError::SelfAddressed)), "{own:?}");

    alice.unblock("bob").await.unwrap();
    timeout(PATIENCE, alice.flush()).await.unwrap().unwrap();
    let heard = send(&bob, "alice", "and now?").await;
    assert_eq!(next_message(&alice).await.id, heard);
    // Whom nobody has blocked stays what it was.
    send(&alice, "bob", "yes").await;
    alice.unblock("bob").await.unwrap();
    eventually("a contact", async || {
        alice.relations().await.unwrap() == [related(Relation::Contact)]
    })
    .await;
    alice.remove_contact("bob").await.unwrap();
    assert!(
        alice
            .relations()
            .await
            .unwrap()
            .iter()
            .all(|it| it.is_pending)
    );
}

#[tokio::test]
async fn what_strangers_write_is_a_request_where_that_is_wanted() {
    let server = Server::plain();
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let alice = registered(one.path(), &server, "alice").await;
    let bob = registered(two.path(), &server, "bob").await;
    eventually("the settings are known", async || {
        alice.settings().await.is_ok()
    })
    .await;
    let change = SettingsChange {
        presence: Some(Visibility::Contacts),
        strangers: Some(Strangers::Requests),
        ..SettingsChange::default()
    };
    alice.set_settings(change).await.unwrap();
    timeout(PATIENCE, alice.flush()).await.unwrap().unwrap();
    let settings = alice.settings().await.unwrap();
    assert_eq!(settings, change.applied_to(settings));
    let id = send(&bob, "alice", "do you know me?").await;
    assert!(next_message(&alice).await.is_request);
    alice.accept_request("bob").await.unwrap();
    reaches(&bob, id, MessageState::Delivered).await;
    let second = send(&bob, "alice", "thank you").await;
    let message = next_message(&alice).await;
    assert_eq!((message.id, message.is_request), (second, false));
    alice.close().await.unwrap();
    // It is known without a connection.
    let home = open(one.path()).await;
    assert_eq!(home.settings().await.unwrap(), settings);
}
