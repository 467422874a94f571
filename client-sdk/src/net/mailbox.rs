//! What passes between an application's tasks and the client's thread.

use std::collections::VecDeque;
use std::sync::Arc;

use martlet_protocol::{DeviceId, MessageId, Millis, UserId};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use zeroize::Zeroizing;

use crate::config::{History, SendOptions};
use crate::engine::{Engine, Post};
use crate::error::{ClientError, DevicesError, GroupError, LinkError, RegisterError, SendError};
use crate::event::{
    Device, Event, Group, GroupReceipts, Identity, Message, MessageState, OfflineCause,
};

/// Where the answer to a command goes. Nobody may be waiting any more; that is no fault.
pub(crate) type Reply<T> = oneshot::Sender<T>;

/// What an application asks.
pub(crate) enum Command {
    Identity(Reply<Option<Identity>>),
    OfflineCause(Reply<Option<OfflineCause>>),
    Register(NewRegistration, Reply<Result<Identity, RegisterError>>),
    Send {
        to: String,
        what: Post,
        options: SendOptions,
        reply: Reply<Result<MessageId, SendError>>,
    },
    MarkRead {
        peer: String,
        id: MessageId,
        reply: Reply<Result<(), ClientError>>,
    },
    Status(MessageId, Reply<Result<Option<Message>, ClientError>>),
    WaitFor {
        id: MessageId,
        state: MessageState,
        reply: Reply<Result<Message, ClientError>>,
    },
    History {
        peer: String,
        page: History,
        reply: Reply<Result<Vec<Message>, ClientError>>,
    },
    Flush(Reply<Result<(), ClientError>>),
    Lookup(String, Reply<Result<Option<UserId>, ClientError>>),
    Link {
        code: Zeroizing<String>,
        name: String,
        reply: Reply<Result<Identity, LinkError>>,
    },
    DeviceList(Reply<Result<Vec<Device>, ClientError>>),
    Devices(DevicesCommand),
    /// Something that needs the keys of a contact, which the server may have to be asked for.
    WithKeys {
        peer: String,
        run: WithKeys,
    },
    /// Something that is answered at once.
    WithEngine(WithKeys),
    SettledGroup {
        peer: String,
        reply: Reply<Result<Group, GroupError>>,
    },
    GroupReceipts(MessageId, Reply<Result<Option<GroupReceipts>, ClientError>>),
    /// Somebody waits for an event.
    WantEvent,
    Close(Reply<()>),
}

/// What is done once the keys of a contact are known, or will not be.
pub(crate) type WithKeys = Box<dyn FnOnce(&mut Engine, Millis) + Send>;

/// What an application asks about the devices of its account.
pub(crate) enum DevicesCommand {
    OpenLink {
        with_history: bool,
        reply: Reply<Result<Zeroizing<String>, DevicesError>>,
    },
    /// Waits for a device that has read the code.
    AwaitOffer(Reply<Result<Device, DevicesError>>),
    Approve(Reply<Result<DeviceId, DevicesError>>),
    CloseLink(Reply<Result<(), ClientError>>),
    Revoke(DeviceId, Reply<Result<(), DevicesError>>),
    Rename {
        device: DeviceId,
        name: String,
        reply: Reply<Result<(), DevicesError>>,
    },
}

/// A registration to make.
pub(crate) struct NewRegistration {
    pub(crate) server: String,
    pub(crate) handle: String,
    pub(crate) token: Option<String>,
}

/// Events on their way to the application. The client's thread puts one in only when somebody
/// waits for it, because an event that was taken from the database never comes again.
#[derive(Debug, Default)]
pub(crate) struct EventQueue {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<Event>,
    waiting: usize,
    closed: Option<ClientError>,
}

/// Somebody who waits. Dropped when the waiting future is.
pub(crate) struct Waiting(Arc<EventQueue>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.state.lock().waiting -= 1;
    }
}

impl EventQueue {
    /// Says that somebody waits.
    pub(crate) fn wait(self: &Arc<Self>) -> Waiting {
        self.state.lock().waiting += 1;
        Waiting(Arc::clone(self))
    }

    /// Takes an event, or says why none will come any more.
    pub(crate) fn pop(&self) -> Option<Result<Event, ClientError>> {
        let mut state = self.state.lock();
        match state.events.pop_front() {
            Some(event) => Some(Ok(event)),
            None => state.closed.clone().map(Err),
        }
    }

    /// Waits until [`EventQueue::pop`] may have something.
    pub(crate) async fn arrival(&self) {
        self.arrived.notified().await;
    }

    /// Whether an event that is put in now has somebody who takes it.
    pub(crate) fn is_hungry(&self) -> bool {
        let state = self.state.lock();
        state.waiting > state.events.len()
    }

    pub(crate) fn push(&self, event: Event) {
        self.state.lock().events.push_back(event);
        self.arrived.notify_one();
    }

    /// No more events, for this reason; the first one counts.
    pub(crate) fn close(&self, reason: ClientError) {
        let mut state = self.state.lock();
        state.closed.get_or_insert(reason);
        // One permit is kept for somebody who has looked and not waited yet.
        self.arrived.notify_waiters();
        self.arrived.notify_one();
    }

    /// Why no more events come, if so.
    pub(crate) fn closed(&self) -> Option<ClientError> {
        self.state.lock().closed.clone()
    }
}
