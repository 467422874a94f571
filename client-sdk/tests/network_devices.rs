//! The devices of an account as an application has them: homes on disk, on real sockets.
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
    Client, ClientError, CloseCode, DeviceId, DevicesError, Event, History, Message, MessageState,
    OfflineCause, SendError, SendOptions,
};
use tcp::Server;
use tempfile::TempDir;
use tokio::time::timeout;

#[tokio::test]
async fn a_second_home_joins_reads_along_and_is_removed_again() {
    let server = Server::plain();
    let homes = [(); 3].map(|()| TempDir::new().unwrap());
    let alice = registered(homes[0].path(), &server, "alice").await;
    let bob = registered(homes[1].path(), &server, "bob").await;
    let id = send(&alice, "bob", "before").await;
    reaches(&alice, id, MessageState::Delivered).await;

    let code = alice.open_link(true).await.unwrap();
    let tablet = open(homes[2].path()).await;
    let joining = {
        let (tablet, code) = (tablet.clone(), code.to_string());
        tokio::spawn(async move { tablet.link(&code, "my tablet").await })
    };
    let offered = timeout(PATIENCE, alice.link_offered()).await.unwrap();
    assert_eq!(offered.unwrap().name.as_deref(), Some("my tablet"));
    let device = timeout(PATIENCE, alice.approve_link())
        .await
        .unwrap()
        .unwrap();
    let identity = timeout(PATIENCE, joining).await.unwrap().unwrap().unwrap();
    assert_eq!(
        (identity.handle.as_str(), identity.device),
        ("alice", device)
    );
    alice.close_link().await.unwrap();
    let names: Vec<_> = tablet.devices().await.unwrap();
    assert_eq!(names.len(), 2);
    assert!(names[1].is_this && names[1].name.as_deref() == Some("my tablet"));

    let id = send(&bob, "alice", "for both").await;
    reaches(&bob, id, MessageState::Delivered).await;
    assert_eq!(next_message(&tablet).await.text(), "for both");
    assert_eq!(next_message(&alice).await.text(), "for both");
    // The history comes in its own time.
    eventually("the history comes", async || {
        let history = tablet.history("bob", History::default()).await.unwrap();
        let texts: Vec<_> = history.iter().map(Message::text).collect();
        texts == ["before", "for both"]
    })
    .await;

    let error = tablet.revoke(device).await.unwrap_err();
    assert!(matches!(error, DevicesError::NoAccountKey), "{error}");
    alice.revoke(device).await.unwrap();
    assert_eq!(alice.devices().await.unwrap().len(), 1);
    eventually("it is told", async || {
        tablet.offline_cause().await.unwrap().is_some()
    })
    .await;
    assert_eq!(
        tablet
            .history("bob", History::default())
            .await
            .unwrap()
            .len(),
        2
    );
}

/// A second home of the account of `holder`.
async fn linked(holder: &Client, home: &TempDir) -> (Client, DeviceId) {
    let code = holder.open_link(false).await.unwrap();
    let joiner = open(home.path()).await;
    let joining = {
        let joiner = joiner.clone();
        tokio::spawn(async move { joiner.link(&code, "tablet").await })
    };
    let offered = timeout(PATIENCE, holder.link_offered()).await.unwrap();
    assert_eq!(offered.unwrap().name.as_deref(), Some("tablet"));
    let device = timeout(PATIENCE, holder.approve_link()).await.unwrap();
    let joined = timeout(PATIENCE, joining).await.unwrap().unwrap().unwrap();
    let device = device.unwrap();
    assert_eq!(joined.device, device);
    (joiner, device)
}

/// Why the home is offline for good, as the events say.
async fn offline_for_good(client: &Client) -> OfflineCause {
    let find = async {
        loop {
            if let Event::Offline {
                cause,
                retry_at: None,
            } = client.next_event().await.unwrap()
            {
                return cause;
            }
        }
    };
    timeout(PATIENCE, find).await.expect("it is told")
}

#[tokio::test]
async fn a_removed_home_says_so_whenever_it_is_opened_and_takes_nothing_to_send() {
    let server = Server::plain();
    let homes = [(); 4].map(|()| TempDir::new().unwrap());
    let alice = registered(homes[0].path(), &server, "alice").await;
    let _bob = registered(homes[1].path(), &server, "bob").await;
    let (tablet, tablet_id) = linked(&alice, &homes[2]).await;
    let (laptop, laptop_id) = linked(&alice, &homes[3]).await;
    let id = send(&tablet, "bob", "before").await;
    reaches(&tablet, id, MessageState::Sent).await;
    assert_eq!(next_message(&laptop).await.text(), "before");
    laptop.close().await.unwrap();

    // The tablet is there when it happens, and the laptop is away.
    let waiting = {
        let tablet = tablet.clone();
        tokio::spawn(async move { tablet.wait_for(id, MessageState::Read).await })
    };
    alice.revoke(tablet_id).await.unwrap();
    alice.revoke(laptop_id).await.unwrap();
    let gone = OfflineCause::ClosedByServer {
        code: CloseCode::DEVICE_GONE,
    };
    assert_eq!(offline_for_good(&tablet).await, gone);
    let error = timeout(PATIENCE, waiting).await.unwrap().unwrap();
    let error = error.unwrap_err();
    assert!(matches!(error, ClientError::DeviceRemoved), "{error}");
    tablet.close().await.unwrap();

    let (tablet, laptop) = (open(homes[2].path()).await, open(homes[3].path()).await);
    assert_eq!(offline_for_good(&tablet).await, gone);
    assert!(matches!(
        offline_for_good(&laptop).await,
        OfflineCause::Refused { .. }
    ));
    for home in [tablet, laptop] {
        let sent = home.send("bob", "after", SendOptions::default()).await;
        let error = sent.unwrap_err();
        assert!(
            matches!(error, SendError::Client(ClientError::DeviceRemoved)),
            "{error}"
        );
        let error = home.lookup("carol").await.unwrap_err();
        assert!(matches!(error, ClientError::DeviceRemoved), "{error}");
        let error = home.open_link(false).await.unwrap_err();
        assert!(
            matches!(error, DevicesError::Client(ClientError::DeviceRemoved)),
            "{error}"
        );
        // What it has is there to be read, and nothing was added to it.
        let history = home.history("bob", History::default()).await.unwrap();
        let texts: Vec<_> = history.iter().map(Message::text).collect();
        assert_eq!(texts, ["before"]);
        assert!(home.offline_cause().await.unwrap().is_some());
    }
}

#[tokio::test]
async fn what_waits_for_the_server_in_a_removed_home_does_not_wait_for_ever() {
    let server = Server::plain();
    let homes = [(); 3].map(|()| TempDir::new().unwrap());
    let alice = registered(homes[0].path(), &server, "alice").await;
    let _bob = registered(homes[1].path(), &server, "bob").await;
    let (tablet, device) = linked(&alice, &homes[2]).await;
    let id = send(&tablet, "nobody-has-this-name-yet", "hello").await;
    let pending = tablet.wait_for(id, MessageState::Failed).await.unwrap();
    assert_eq!(pending.state, MessageState::Failed);
    tablet.close().await.unwrap();
    alice.revoke(device).await.unwrap();

    // Written before it is known that the device is out.
    let config = martlet_client::Config {
        offline: true,
        ..martlet_client::Config::default()
    };
    let tablet = Client::open(homes[2].path(), config).await.unwrap();
    let id = send(&tablet, "bob", "too late").await;
    tablet.close().await.unwrap();
    let tablet = open(homes[2].path()).await;
    let flushed = timeout(PATIENCE, tablet.flush()).await.unwrap();
    let error = flushed.unwrap_err();
    assert!(matches!(error, ClientError::DeviceRemoved), "{error}");
    let message = tablet.status(id).await.unwrap().unwrap();
    assert_eq!(message.state, MessageState::Pending);
}
