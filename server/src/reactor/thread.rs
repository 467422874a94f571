//! The thread: it owns everything, and takes turns.

use std::cell::RefCell;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use bytes::BytesMut;
use martlet_protocol::{Address, UserId};
use martlet_shard::{Command, Effect, SessionId};
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::AbortHandle;
use tokio::time::{self, MissedTickBehavior};

use crate::clock::{self, Seconds};
use crate::driver::Driver;
use crate::mailbox::Mailbox;
use crate::rate::Buckets;
use crate::reactor::drain::Stage;
use crate::reactor::table::Table;
use crate::reactor::timers::Wheel;
use crate::reactor::{Mail, accept};
use crate::shared::Shared;

/// A reactor. All its tasks run on one thread, so a borrow that ends before the next `await`
/// never meets another one.
pub(super) type Shelf = Rc<RefCell<Reactor>>;

/// Everything one thread owns.
pub(super) struct Reactor {
    pub(super) index: usize,
    pub(super) shared: Arc<Shared>,
    pub(super) mailbox: Arc<Mailbox<Mail>>,
    pub(super) mailboxes: Vec<Arc<Mailbox<Mail>>>,
    pub(super) driver: Driver,
    pub(super) table: Table,
    pub(super) wheel: Wheel,
    /// What devices may still make the server check, by device: those of this reactor's shards.
    pub(super) signatures: Buckets<Address>,
    /// What accounts may still send: those of this reactor's shards, with all their devices.
    pub(super) sends: Buckets<UserId>,
    pub(super) stage: Stage,
    pub(super) listener: Option<AbortHandle>,
    /// Somebody has asked for a turn already.
    pub(super) is_turn_wanted: bool,
    /// Commands of this turn, for any reactor.
    pub(super) commands: Vec<Command>,
    /// Mail for the other reactors, by their index.
    pub(super) outgoing: Vec<Vec<Mail>>,
    /// Connections with something to write.
    pub(super) dirty: Vec<SessionId>,
    /// Full TLS handshakes that may still begin before the next turn.
    pub(super) handshakes_left: u32,
    /// Pages that the readers' queue had no room for.
    pub(super) postponed: Vec<Effect>,
    /// Readers that wait until less waits for the disk.
    pub(super) parked: Vec<Waker>,
    /// Connections that were turned away since the last line about them.
    pub(super) turned_away: u64,
    /// When the once-a-second work was done last.
    pub(super) swept: Seconds,
    pub(super) scratch: Scratch,
}

/// Buffers that all connections share.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) read: BytesMut,
    pub(super) plain: BytesMut,
    pub(super) head: BytesMut,
    pub(super) mails: Vec<Mail>,
    pub(super) released: Vec<Effect>,
    pub(super) applying: Vec<Command>,
    pub(super) due: Vec<(SessionId, Seconds)>,
}

/// Runs a reactor until it has drained. `ready` is called when its shards are recovered and it
/// accepts.
///
/// # Errors
/// When the runtime cannot be created.
pub fn run(
    index: usize,
    shared: Arc<Shared>,
    mailboxes: Vec<Arc<Mailbox<Mail>>>,
    listener: TcpListener,
    ready: impl FnOnce(),
) -> io::Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        // One turn handles what one poll brings: more tasks between two polls, larger batches.
        .event_interval(EVENT_INTERVAL)
        .build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let reactor = Rc::new(RefCell::new(Reactor::new(index, shared, mailboxes)));
        accept::start(&reactor, listener)?;
        ready();
        // Spawned, not awaited here: waking the outermost future costs a system call.
        let turns = tokio::task::spawn_local(turns(reactor));
        turns.await.map_err(io::Error::other)
    })
}

/// Takes turns until the reactor is done.
async fn turns(reactor: Shelf) {
    let mailbox = Arc::clone(&reactor.borrow().mailbox);
    let mut tick = time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_tick = tokio::select! {
            () = mailbox.woken() => false,
            _ = tick.tick() => true,
        };
        let mut this = reactor.borrow_mut();
        this.is_turn_wanted = false;
        if is_tick {
            this.tick();
        }
        this.turn(&reactor);
        if this.stage == Stage::Done {
            return;
        }
    }
}

impl Reactor {
    fn new(index: usize, shared: Arc<Shared>, mailboxes: Vec<Arc<Mailbox<Mail>>>) -> Self {
        let outgoing = mailboxes.iter().map(|_| Vec::new()).collect();
        Self {
            index,
            mailbox: Arc::clone(&mailboxes[index]),
            mailboxes,
            driver: Driver::recover(index, Arc::clone(&shared), clock::wall()),
            table: Table::new(index),
            wheel: Wheel::new(shared.clock.seconds()),
            signatures: Buckets::new(shared.rates.signatures),
            sends: Buckets::new(shared.rates.sends),
            stage: Stage::Running,
            listener: None,
            is_turn_wanted: false,
            commands: Vec::new(),
            outgoing,
            dirty: Vec::new(),
            handshakes_left: HANDSHAKES_PER_TURN,
            postponed: Vec::new(),
            parked: Vec::new(),
            turned_away: 0,
            swept: Seconds::default(),
            scratch: Scratch::default(),
            shared,
        }
    }

    /// Asks for a turn, once.
    pub(super) fn want_turn(&mut self) {
        if !self.is_turn_wanted {
            self.is_turn_wanted = true;
            self.mailbox.wake();
        }
    }
}

/// How fine the timers are: deadlines are in seconds, retries of the shards in tenths of them.
const TICK: Duration = Duration::from_millis(100);

/// Tasks between two polls of the sockets.
const EVENT_INTERVAL: u32 = 256;

/// A handshake costs as much as hundreds of messages: with more at once, strangers that connect
/// would slow down those who are there.
pub(super) const HANDSHAKES_PER_TURN: u32 = 2;
