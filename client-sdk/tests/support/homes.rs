//! Homes on disk, with accounts on the model server.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test binary uses its part; all are tests"
)]

use std::path::Path;
use std::time::Duration;

use martlet_client::{Client, Config, Event, Message, MessageId, MessageState, SendOptions};
use tokio::time::{sleep, timeout};

use crate::tcp::Server;

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How often to look whether it is so.
const LOOK: Duration = Duration::from_millis(10);

pub(crate) async fn open(home: &Path) -> Client {
    Client::open(home, Config::default()).await.unwrap()
}

pub(crate) async fn registered(home: &Path, server: &Server, name: &str) -> Client {
    let client = open(home).await;
    client.register(&server.address, name, None).await.unwrap();
    client
}

pub(crate) async fn next_message(client: &Client) -> Message {
    let find = async {
        loop {
            if let Event::Message(message) = client.next_event().await.unwrap() {
                return message;
            }
        }
    };
    timeout(PATIENCE, find).await.expect("a message comes")
}

pub(crate) async fn send(client: &Client, to: &str, text: &str) -> MessageId {
    client.send(to, text, SendOptions::default()).await.unwrap()
}

pub(crate) async fn reaches(client: &Client, id: MessageId, state: MessageState) {
    let message = timeout(PATIENCE, client.wait_for(id, state))
        .await
        .expect("the state is reached");
    assert!(message.unwrap().state.reached(state));
}

/// Waits for what no event tells.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is_so().await {
            sleep(LOOK).await;
        }
    };
    timeout(PATIENCE, wait).await.expect(what);
}
