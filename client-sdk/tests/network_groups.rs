//! Groups as an application has them: homes on disk, threads, sockets.
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

use homes::{PATIENCE, next_message, reaches, registered, send};
use martlet_client::{
    Client, ClientError, Event, GroupError, GroupRights, GroupStep, GroupUpdate, History,
    MessageState, Right, Role,
};
use tcp::Server;
use tempfile::TempDir;
use tokio::time::timeout;

async fn next_update(client: &Client) -> GroupUpdate {
    let find = async {
        loop {
            if let Event::GroupChanged(update) = client.next_event().await.unwrap() {
                return update;
            }
        }
    };
    timeout(PATIENCE, find).await.expect("a group changes")
}

#[tokio::test]
async fn a_group_is_made_talked_in_changed_and_left() {
    let server = Server::plain();
    let homes: [TempDir; 3] = std::array::from_fn(|_| TempDir::new().unwrap());
    let alice = registered(homes[0].path(), &server, "alice").await;
    let bob = registered(homes[1].path(), &server, "bob").await;
    let carol = registered(homes[2].path(), &server, "carol").await;
    let unknown = alice.create_group("climbing", &["nobody"]).await;
    assert!(matches!(
        unknown,
        Err(GroupError::Client(ClientError::UnknownPeer))
    ));
    let id = alice.create_group("climbing", &["bob"]).await.unwrap();
    let made = next_update(&bob).await;
    assert_eq!((made.group, made.by.as_str()), (id, "alice"));
    let peer = made.peer;

    let message = send(&alice, &peer, "hello").await;
    let shown = next_message(&bob).await;
    assert_eq!((shown.id, shown.group), (message, Some(id)));
    assert_eq!(
        (shown.peer.as_str(), shown.author.as_str()),
        (peer.as_str(), "alice")
    );
    bob.mark_read(&peer, message).await.unwrap();
    reaches(&alice, message, MessageState::Read).await;
    let receipts = alice.receipts(message).await.unwrap().unwrap();
    assert_eq!((receipts.members, receipts.read), (1, 1));
    assert_eq!(receipts.details, [("bob".to_owned(), MessageState::Read)]);

    alice.add_members(&peer, &["carol"]).await.unwrap();
    assert_eq!(next_update(&carol).await.changes, [GroupStep::Joined]);
    alice.flush().await.unwrap();
    let rights = GroupRights {
        add: Right::MEMBERS,
        send: Right::MEMBERS,
        change: Right::MEMBERS,
    };
    alice.set_rights(&peer, rights).await.unwrap();
    alice.flush().await.unwrap();
    alice.set_role(&peer, "bob", Role::ADMIN).await.unwrap();
    alice.flush().await.unwrap();
    alice.rename_group(&peer, "bouldering", b"").await.unwrap();
    alice.flush().await.unwrap();
    alice.leave_group(&peer).await.unwrap();
    alice.flush().await.unwrap();
    let left = alice.group(&peer).await.unwrap();
    assert_eq!(
        (left.role, left.name.as_deref()),
        (Role::NONE, Some("bouldering"))
    );
    send(&bob, &peer, "without her").await;
    assert_eq!(next_message(&carol).await.text(), "without her");
    let groups = carol.groups().await.unwrap();
    let members: Vec<_> = groups[0].members.iter().map(|it| it.role).collect();
    assert_eq!(members, [Role::OWNER, Role::MEMBER]);
    bob.remove_members(&peer, &["carol"]).await.unwrap();
    bob.flush().await.unwrap();
    // The new name is no change that a record tells.
    assert_eq!(bob.group_history(&peer).await.unwrap().len(), 6);
    let texts = alice.history(&peer, History::default()).await.unwrap();
    let texts: Vec<_> = texts
        .iter()
        .map(|message| message.text().to_owned())
        .collect();
    assert_eq!(texts, ["hello"]);
    for client in [alice, bob, carol] {
        client.close().await.unwrap();
    }
}
