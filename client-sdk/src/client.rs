//! The handle on a running client.

use std::path::Path;
use std::sync::Arc;
use std::thread;

use martlet_protocol::{MessageId, UserId};
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};

use crate::config::{Config, History, SendOptions};
use crate::error::{ClientError, OpenError, RegisterError, SendError};
use crate::event::{Event, Identity, Message, MessageState, OfflineCause};
use crate::net::{Command, Driver, EventQueue, NewRegistration, Reply};

/// How many commands may wait for the client's thread. More than that, and the asking tasks wait.
const COMMANDS_MAX: usize = 256;

/// A running client. Clones share it; when the last one is dropped the client says goodbye and
/// ends by itself, and [`close`](Self::close) does the same and waits for it.
///
/// The work is done on a thread of its own, so every method may be awaited on any tokio runtime
/// and none blocks it.
#[derive(Clone)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    events: Arc<EventQueue>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// Opens a home, makes it when it does not exist, and begins to connect if it is registered.
    ///
    /// # Errors
    /// [`OpenError`]; most often another process has the home.
    pub async fn open(home: impl AsRef<Path>, config: Config) -> Result<Self, OpenError> {
        let dir = home.as_ref().to_owned();
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        let events = Arc::new(EventQueue::default());
        let queue = Arc::clone(&events);
        let (opened, opening) = oneshot::channel();
        let run = move || match Driver::open(&dir, config, receiver, queue) {
            Ok(driver) => run(driver, opened),
            Err(error) => tell(opened, Err(error)),
        };
        let thread = thread::Builder::new().name("martlet-client".to_owned());
        thread.spawn(run).map_err(OpenError::System)?;
        match opening.await {
            Ok(Ok(())) => Ok(Self { commands, events }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(OpenError::System(std::io::ErrorKind::Other.into())),
        }
    }

    /// Makes an account with the name `handle` at `server`, and this home its first device.
    ///
    /// `server` is `HOST:PORT`, `tls://HOST:PORT` or `tcp://HOST:PORT`; without a scheme the
    /// connection is plain on this machine and TLS to any other. `token` is what the operator
    /// gave. A repeat after an answer was lost gives the same account.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub async fn register(
        &self,
        server: &str,
        handle: &str,
        token: Option<&str>,
    ) -> Result<Identity, RegisterError> {
        let registration = NewRegistration {
            server: server.to_owned(),
            handle: handle.to_owned(),
            token: token.map(str::to_owned),
        };
        self.ask(|reply| Command::Register(registration, reply))
            .await?
    }

    /// Who this home is; `None` before it is registered.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn identity(&self) -> Result<Option<Identity>, ClientError> {
        self.ask(Command::Identity).await
    }

    /// Why there is no connection to the server; `None` while there is one, and before the first
    /// attempt has ended. [`Event::Offline`] says the same at the moment it happens.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn offline_cause(&self) -> Result<Option<OfflineCause>, ClientError> {
        self.ask(Command::OfflineCause).await
    }

    /// Sends a text to the account with the handle `to`. When this returns the message is durable
    /// in the outbox of this home; it is sent as soon as there is a connection, and sent again
    /// until the server has answered. What becomes of it comes as [`Event::Receipt`] or
    /// [`Event::Failed`], and [`wait_for`](Self::wait_for) waits for it.
    ///
    /// # Errors
    /// [`SendError`]: nothing was stored.
    pub async fn send(
        &self,
        to: &str,
        text: &str,
        options: SendOptions,
    ) -> Result<MessageId, SendError> {
        let (to, text) = (to.to_owned(), text.to_owned());
        self.ask(|reply| Command::Send {
            to,
            text,
            options,
            reply,
        })
        .await?
    }

    /// The next event, in the order in which they happened. Each is handed out at most once, also
    /// across restarts, to one of those who wait for it. Cancel safe: an event is taken only while
    /// somebody waits, and if he has gone meanwhile the next one gets it.
    ///
    /// # Errors
    /// [`ClientError::Closed`], or why the client has stopped.
    pub async fn next_event(&self) -> Result<Event, ClientError> {
        let waiting = self.events.wait();
        loop {
            if let Some(event) = self.events.pop() {
                drop(waiting);
                return event;
            }
            // A full queue of commands wakes the client's thread as well as one more command.
            if let Err(mpsc::error::TrySendError::Closed(_)) =
                self.commands.try_send(Command::WantEvent)
            {
                return Err(self.reason());
            }
            self.events.arrival().await;
        }
    }

    /// Marks everything received from `peer` up to and including the message `id` read, here and
    /// at the server, which tells the writers. Durable, and repeated until the server has it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn mark_read(&self, peer: &str, id: MessageId) -> Result<(), ClientError> {
        let peer = peer.to_owned();
        self.ask(|reply| Command::MarkRead { peer, id, reply })
            .await?
    }

    /// Waits until the server has everything that this home has to tell it: each own message has
    /// its answer, and each mark of what was read has arrived. Without a server it waits on, so
    /// give it a limit of time.
    ///
    /// # Errors
    /// [`ClientError::Closed`], or why the client has stopped.
    pub async fn flush(&self) -> Result<(), ClientError> {
        self.ask(Command::Flush).await
    }

    /// What is known of a message; `None` when this home does not have it. For an own message the
    /// server is asked first, if it answers within three seconds.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn status(&self, id: MessageId) -> Result<Option<Message>, ClientError> {
        self.ask(|reply| Command::Status(id, reply)).await?
    }

    /// Waits until an own message has come as far as `state`, or can come no further. Takes
    /// nothing from the stream of events.
    ///
    /// # Errors
    /// [`ClientError::UnknownMessage`], or why the client has stopped.
    pub async fn wait_for(
        &self,
        id: MessageId,
        state: MessageState,
    ) -> Result<Message, ClientError> {
        self.ask(|reply| Command::WaitFor { id, state, reply })
            .await?
    }

    /// A page of the conversation with `peer`, oldest first; empty when there is none.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn history(&self, peer: &str, page: History) -> Result<Vec<Message>, ClientError> {
        let peer = peer.to_owned();
        self.ask(|reply| Command::History { peer, page, reply })
            .await?
    }

    /// The account with this handle; `None` when there is none.
    ///
    /// # Errors
    /// [`ClientError::NoAnswer`] when the server has to be asked and does not answer within three
    /// seconds.
    pub async fn lookup(&self, handle: &str) -> Result<Option<UserId>, ClientError> {
        let handle = handle.to_owned();
        self.ask(|reply| Command::Lookup(handle, reply)).await?
    }

    /// Says goodbye to the server, ends the client and gives the home free, for all clones.
    ///
    /// # Errors
    /// [`ClientError`], when it had ended already.
    pub async fn close(self) -> Result<(), ClientError> {
        self.ask(Command::Close).await
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, ClientError> {
        let (reply, answer) = oneshot::channel();
        self.commands
            .send(command(reply))
            .await
            .map_err(|_| self.reason())?;
        answer.await.map_err(|_| self.reason())
    }

    fn reason(&self) -> ClientError {
        self.events.closed().unwrap_or(ClientError::Closed)
    }
}

/// The client's thread.
fn run(mut driver: Driver, opened: Reply<Result<(), OpenError>>) {
    let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return tell(opened, Err(OpenError::System(error))),
    };
    tell(opened, Ok(()));
    let goodbye = runtime.block_on(driver.run());
    // The home is free when the caller of `close` hears of it.
    drop(driver);
    if let Some(goodbye) = goodbye {
        tell(goodbye, ());
    }
}

fn tell<T>(reply: Reply<T>, value: T) {
    // Whoever asked may have stopped waiting.
    let _nobody = reply.send(value);
}
