//! Accounts of one server, and what they ask and say about each other.

use std::net::SocketAddr;
use std::time::Duration;

use martlet_protocol::frame::{
    AccountSettings, Active, Frame, PresenceState, Relate, Relation, Settings, SettingsAre, Typing,
    TypingKind, Watch,
};
use martlet_protocol::wire::List;
use martlet_protocol::{Millis, Timestamp, UserId};
use tempfile::TempDir;

use crate::support::client::Client;
use crate::support::site::{Server, Site, martletd};
use crate::support::wire::Got;

/// A data directory, and the server on it.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
    pub(crate) site: Site,
    pub(crate) server: Server,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path();
        let mut site = Site::new(path.join("data"), path.join("log"));
        let server = site.start(martletd());
        Self {
            directory,
            site,
            server,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// `kill -9`, a check of what is left, and a new process on it.
    pub(crate) fn crash(self) -> Self {
        let Self {
            directory,
            mut site,
            server,
        } = self;
        server.kill();
        site.verify(martletd());
        let server = site.start(martletd());
        Self {
            directory,
            site,
            server,
        }
    }

    /// A connected account.
    pub(crate) fn account(&self, handle: &str) -> Client {
        let mut client = Client::register(self.address(), handle);
        client.go_online(self.address());
        client
    }
}

pub(crate) fn watch(client: &mut Client, request: u64, users: &[UserId]) {
    client.ask(&Frame::Watch(Watch {
        request,
        on: true,
        users: List::Slice(users),
    }));
}

pub(crate) fn look(client: &mut Client, active: bool) {
    client.ask(&Frame::Active(Active { active }));
    client.flush().expect("the server is there");
}

pub(crate) fn type_to(client: &mut Client, to: UserId) {
    let kind = TypingKind::TYPING;
    client.ask(&Frame::Typing(Typing { to, kind }));
    client.flush().expect("the server is there");
}

/// The next PRESENCE of an account.
pub(crate) fn presence_of(client: &mut Client, user: UserId) -> (PresenceState, Millis) {
    client.expect("a PRESENCE", |got| match got {
        Got::Presence(presence) if presence.user == user => {
            Some((presence.state, presence.last_seen))
        }
        _ => None,
    })
}

pub(crate) fn relate(client: &mut Client, user: UserId, relation: Relation) {
    let request = 70;
    client.ask(&Frame::Relate(Relate {
        request,
        user,
        relation,
    }));
    let answered = client.expect("RELATED", |got| match got {
        Got::Related(related) => Some(related.request),
        _ => None,
    });
    assert_eq!(answered, request);
}

pub(crate) fn settings(client: &mut Client, set: Option<AccountSettings>) -> AccountSettings {
    client.ask(&Frame::Settings(Settings { request: 71, set }));
    client.expect("SETTINGS_ARE", |got| match got {
        Got::SettingsAre(SettingsAre {
            request: 71,
            settings,
        }) => Some(*settings),
        _ => None,
    })
}

/// Sends a message and returns its id once it is durable, and how many devices have it.
pub(crate) fn send(client: &mut Client, to: UserId) -> (martlet_protocol::MessageId, u64) {
    let message = client.compose(to, b"sealed");
    client.send(&message, Timestamp(0));
    let devices = client.expect("SENT", |got| match got {
        Got::Sent(sent) if sent.message_id == message.id => Some(sent.devices),
        _ => None,
    });
    (message.id, devices)
}

/// What comes within this time.
pub(crate) fn all_within(client: &mut Client, wait: Duration) -> Vec<Got> {
    let deadline = std::time::Instant::now() + wait;
    let mut all = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(std::time::Instant::now());
        match client.next(left).expect("the connection lives") {
            Some(got) => all.push(got),
            None => return all,
        }
    }
}
