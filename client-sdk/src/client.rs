//! The handle on a running client.

mod groups;
mod people;
mod saying;

use std::path::Path;
use std::sync::Arc;
use std::thread;

use martlet_protocol::{DeviceId, MessageId, Millis, UserId};
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use crate::config::{Config, History, SendOptions};
use crate::crypto::safety::SafetyNumber;
use crate::engine::{Engine, Post, Proof};
use crate::error::{
    ClientError, DevicesError, LinkError, OpenError, RegisterError, SendError, VerifyError,
};
use crate::event::{Device, Event, Identity, Message, MessageState, OfflineCause};
use crate::net::{Command, DevicesCommand, Driver, EventQueue, NewRegistration, Reply};

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
    /// gave. The device is called as [`Config::device_name`] says. A repeat after an answer was
    /// lost gives the same account.
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

    /// Makes this home a further device of an account, with the code that the account's first
    /// device shows ([`open_link`](Self::open_link)). `name` is what the owner calls this device,
    /// 1 to 40 bytes on one line. It waits until a person has approved there, for as long as the
    /// code is good.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn link(&self, code: &str, name: &str) -> Result<Identity, LinkError> {
        let (code, name) = (Zeroizing::new(code.to_owned()), name.to_owned());
        self.ask(|reply| Command::Link { code, name, reply })
            .await?
    }

    /// The devices of this account: the server is asked first, if it answers within three seconds.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn devices(&self) -> Result<Vec<Device>, ClientError> {
        self.ask(Command::DeviceList).await?
    }

    /// Begins to link a device and returns the code that it has to read, as text or as a QR code.
    /// Whoever reads it can ask to join, so show it to nobody else; it is good for ten minutes, or
    /// until [`close_link`](Self::close_link). With `with_history` the device gets the
    /// conversations of this one.
    ///
    /// # Errors
    /// [`DevicesError`]; most often the account's key is on another device.
    pub async fn open_link(&self, with_history: bool) -> Result<Zeroizing<String>, DevicesError> {
        self.ask(|reply| {
            Command::Devices(DevicesCommand::OpenLink {
                with_history,
                reply,
            })
        })
        .await?
    }

    /// Waits until a device has read the code, and says what it calls itself. Ask a person whether
    /// it is the right one, then [`approve_link`](Self::approve_link), or decline with
    /// [`close_link`](Self::close_link). While the device has lost its connection this waits until
    /// it is back.
    ///
    /// # Errors
    /// [`DevicesError::NobodyJoined`] when the code's time is over, or why the client has stopped.
    pub async fn link_offered(&self) -> Result<Device, DevicesError> {
        self.ask(|reply| Command::Devices(DevicesCommand::AwaitOffer(reply)))
            .await?
    }

    /// Makes the device that has read the code one of this account, and returns when it is. One
    /// that has lost its connection has a minute to come back.
    ///
    /// # Errors
    /// [`DevicesError`]; [`DevicesError::DeviceLost`] when it did not come back. It may still join
    /// until [`close_link`](Self::close_link).
    pub async fn approve_link(&self) -> Result<DeviceId, DevicesError> {
        self.ask(|reply| Command::Devices(DevicesCommand::Approve(reply)))
            .await?
    }

    /// Ends the code that was shown: nobody can use it any more, and a device that waits with it is
    /// told at once.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn close_link(&self) -> Result<(), ClientError> {
        self.ask(|reply| Command::Devices(DevicesCommand::CloseLink(reply)))
            .await?
    }

    /// Removes a device from this account: it gets nothing any more, and nobody believes it. What
    /// it has stored stays there.
    ///
    /// # Errors
    /// [`DevicesError`]; most often the account's key is on another device.
    pub async fn revoke(&self, device: DeviceId) -> Result<(), DevicesError> {
        self.ask(|reply| Command::Devices(DevicesCommand::Revoke(device, reply)))
            .await?
    }

    /// Gives a device of this account another name: 1 to 40 bytes on one line, which only the
    /// account's own devices can read.
    ///
    /// # Errors
    /// [`DevicesError`]; most often the account's key is on another device.
    pub async fn rename_device(&self, device: DeviceId, name: &str) -> Result<(), DevicesError> {
        let name = name.to_owned();
        self.ask(|reply| {
            Command::Devices(DevicesCommand::Rename {
                device,
                name,
                reply,
            })
        })
        .await?
    }

    /// The number that both sides of a conversation see when nobody is between them: 60 digits to
    /// read to each other, over another way than this one.
    ///
    /// # Errors
    /// [`ClientError::KeysUnknown`] when nothing was ever sent to the contact and the server
    /// cannot be asked.
    pub async fn safety_number(&self, peer: &str) -> Result<SafetyNumber, ClientError> {
        self.with_keys(peer, |engine, _, peer| engine.safety_number(peer))
            .await
    }

    /// The same for cameras: bytes to show as a QR code, which the other side gives to
    /// [`verify_code`](Self::verify_code).
    ///
    /// # Errors
    /// As [`safety_number`](Self::safety_number).
    pub async fn safety_code(&self, peer: &str) -> Result<Vec<u8>, ClientError> {
        self.with_keys(peer, |engine, _, peer| engine.safety_code(peer))
            .await
    }

    /// Compares the number that the other side sees with the one of this side, and marks the
    /// contact verified when they are the same.
    ///
    /// # Errors
    /// [`VerifyError::NumberDiffers`]: somebody may be in between.
    pub async fn verify(&self, peer: &str, number: &str) -> Result<(), VerifyError> {
        let number = number.to_owned();
        self.with_keys(peer, move |engine, now, peer| {
            engine.verify(now, peer, Proof::Number(&number))
        })
        .await
    }

    /// As [`verify`](Self::verify), with what a camera has read from the other side's screen.
    ///
    /// # Errors
    /// [`VerifyError::CodeDiffers`]: somebody may be in between.
    pub async fn verify_code(&self, peer: &str, code: &[u8]) -> Result<(), VerifyError> {
        let code = code.to_owned();
        self.with_keys(peer, move |engine, now, peer| {
            engine.verify(now, peer, Proof::Code(&code))
        })
        .await
    }

    /// Marks a contact verified, or not any more, on the word of the application.
    ///
    /// # Errors
    /// As [`safety_number`](Self::safety_number).
    pub async fn set_verified(&self, peer: &str, is_verified: bool) -> Result<(), ClientError> {
        self.with_keys(peer, move |engine, now, peer| {
            engine.set_verified(now, peer, is_verified)
        })
        .await
    }

    /// Whether the contact's present key is verified.
    ///
    /// # Errors
    /// As [`safety_number`](Self::safety_number).
    pub async fn is_verified(&self, peer: &str) -> Result<bool, ClientError> {
        self.with_keys(peer, |engine, _, peer| engine.is_verified(peer))
            .await
    }

    /// Accepts the new key of a contact whose old one was verified, so that messages go to it
    /// again: after [`SecurityKind::VerifiedIdentityChanged`](crate::SecurityKind), and only once
    /// the contact has said why.
    ///
    /// # Errors
    /// As [`safety_number`](Self::safety_number).
    pub async fn accept_identity(&self, peer: &str) -> Result<(), ClientError> {
        self.with_keys(peer, |engine, now, peer| engine.accept_identity(now, peer))
            .await
    }

    /// Who this home is; `None` before it is registered.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn identity(&self) -> Result<Option<Identity>, ClientError> {
        self.ask(Command::Identity).await
    }

    /// Why there is no connection to the server; `None` while there is one, and before the first
    /// attempt has ended. [`Event::Offline`] says the same at the moment it happens, and of a home
    /// whose device was removed again whenever it is opened.
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
    /// [`SendError`]: nothing was stored. With [`ClientError::DeviceRemoved`] this home can send
    /// nothing any more.
    pub async fn send(
        &self,
        to: &str,
        text: &str,
        options: SendOptions,
    ) -> Result<MessageId, SendError> {
        self.post(to, Post::Text(text.to_owned()), options).await
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
    /// [`ClientError::DeviceRemoved`] when the server will not hear it, [`ClientError::Closed`], or
    /// why the client has stopped.
    pub async fn flush(&self) -> Result<(), ClientError> {
        self.ask(Command::Flush).await?
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
    /// [`ClientError::UnknownMessage`], [`ClientError::DeviceRemoved`] when nothing more is heard
    /// of it, or why the client has stopped.
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

    /// Does what needs the keys of a contact. One that is new here is looked up first.
    async fn with_keys<T, E>(
        &self,
        peer: &str,
        run: impl FnOnce(&mut Engine, Millis, &str) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<ClientError> + Send + 'static,
    {
        // Asking for a known name costs nothing; of an unknown one `run` says that it is unknown.
        let _known = self.lookup(peer).await;
        let peer = peer.to_owned();
        self.ask(|reply| {
            let name = peer.clone();
            let run = move |engine: &mut Engine, now: Millis| {
                tell(reply, run(engine, now, &name));
            };
            Command::WithKeys {
                peer,
                run: Box::new(run),
            }
        })
        .await?
    }

    /// Does what needs nothing but the engine.
    async fn with_engine<T, E>(
        &self,
        run: impl FnOnce(&mut Engine, Millis) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<ClientError> + Send + 'static,
    {
        self.ask(|reply| {
            let run = move |engine: &mut Engine, now| tell(reply, run(engine, now));
            Command::WithEngine(Box::new(run))
        })
        .await?
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
