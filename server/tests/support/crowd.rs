//! People in threads of their own, and what a test does with all of them at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::thread::JoinHandle;

use martlet_protocol::Address;

use super::client::Client;
use super::history::{Entry, History};
use super::person::Person;
use super::wait_until;

/// A crowd under load.
pub struct Crowd {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What the people and the test tell each other.
pub struct Shared {
    /// Of all devices.
    pub history: History,
    /// Of all random choices.
    pub seed: u64,
    server: SocketAddr,
    phase: AtomicU8,
    /// SENDs without an answer on a living connection.
    flying: AtomicU64,
    answers: AtomicU64,
    people: Vec<Flags>,
}

#[derive(Default)]
struct Flags {
    is_asleep: AtomicBool,
    /// Has received its whole backlog on this connection.
    is_drained: AtomicBool,
    /// Everything it wrote was answered and read.
    is_settled: AtomicBool,
}

/// New messages are written; only open ones are finished; the threads end.
const WRITING: u8 = 0;
const SETTLING: u8 = 1;
const OVER: u8 = 2;

impl Crowd {
    /// Registers `size` people and lets them talk, each to its pair and to the next pair.
    pub fn gather(server: SocketAddr, size: usize, seed: u64) -> Self {
        let clients: Vec<Client> = (0..size)
            .map(|number| Client::register(server, &format!("person-{number}")))
            .collect();
        let addresses: Vec<Address> = clients.iter().map(Client::address).collect();
        let shared = Arc::new(Shared {
            history: History::default(),
            seed,
            server,
            phase: AtomicU8::new(WRITING),
            flying: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            people: (0..size).map(|_| Flags::default()).collect(),
        });
        let threads = clients
            .into_iter()
            .enumerate()
            .map(|(number, client)| {
                let peers = [addresses[number ^ 1], addresses[(number + 2) % size]];
                let person = Person::new(client, number, &peers, Arc::clone(&shared));
                std::thread::spawn(move || person.live())
            })
            .collect();
        Self { shared, threads }
    }

    /// Waits until `count` more SENDs were answered.
    pub fn wait_for_answers(&mut self, count: u64) {
        let goal = self.shared.answers.load(Ordering::SeqCst) + count;
        self.wait_until("answers", |shared| {
            shared.answers.load(Ordering::SeqCst) >= goal
        });
    }

    /// Waits until a SEND is on its way, and returns how many are.
    pub fn wait_for_flying(&mut self) -> u64 {
        let mut flying = 0;
        self.wait_until("SENDs", |shared| {
            flying = shared.flying.load(Ordering::SeqCst);
            flying > 0
        });
        flying
    }

    /// Sends every other person to sleep, or wakes them.
    pub fn set_half_asleep(&self, is_asleep: bool) {
        for flags in self.shared.people.iter().step_by(2) {
            flags.is_asleep.store(is_asleep, Ordering::SeqCst);
        }
    }

    /// No new messages; waits until all that were written are answered, received and read.
    pub fn settle(&mut self) {
        self.stop_writing();
        self.wait_until("everything to be answered, received and read", |shared| {
            shared.all(|flags| &flags.is_settled)
        });
    }

    /// No new messages; waits until everybody has what the server has for them.
    pub fn drain(&mut self) {
        self.stop_writing();
        self.wait_until("every backlog to be received", |shared| {
            shared.all(|flags| &flags.is_drained) && shared.flying.load(Ordering::SeqCst) == 0
        });
    }

    /// Everything so far.
    pub fn history(&self) -> &History {
        &self.shared.history
    }

    /// Ends the threads.
    pub fn disperse(self) -> Vec<Entry> {
        self.shared.phase.store(OVER, Ordering::SeqCst);
        for thread in self.threads {
            join(thread);
        }
        self.shared.history.take()
    }

    fn stop_writing(&self) {
        self.shared.phase.store(SETTLING, Ordering::SeqCst);
        // Whoever is about to write one more message says so afterwards.
        for flags in &self.shared.people {
            flags.is_settled.store(false, Ordering::SeqCst);
        }
    }

    /// Waits, and ends the test at once when a person has found something wrong.
    fn wait_until(&mut self, what: &str, mut done: impl FnMut(&Shared) -> bool) {
        wait_until(what, || {
            if let Some(ended) = self.threads.iter().position(JoinHandle::is_finished) {
                join(self.threads.swap_remove(ended));
                panic!("a person left");
            }
            done(&self.shared)
        });
    }
}

/// Passes a person's panic on to the test.
fn join(thread: JoinHandle<()>) {
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

impl Shared {
    /// Where the server is, or will be again.
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// Whether new messages are written.
    pub fn is_writing(&self) -> bool {
        self.phase.load(Ordering::SeqCst) == WRITING
    }

    /// Whether the threads shall end.
    pub fn is_over(&self) -> bool {
        self.phase.load(Ordering::SeqCst) == OVER
    }

    /// Whether this person is to be offline.
    pub fn is_asleep(&self, number: usize) -> bool {
        self.people[number].is_asleep.load(Ordering::SeqCst)
    }

    /// Says whether this person has its whole backlog.
    pub fn set_drained(&self, number: usize, is_drained: bool) {
        self.people[number]
            .is_drained
            .store(is_drained, Ordering::SeqCst);
    }

    /// Says whether all that this person wrote was answered and read.
    pub fn set_settled(&self, number: usize, is_settled: bool) {
        self.people[number]
            .is_settled
            .store(is_settled, Ordering::SeqCst);
    }

    /// A SEND was written.
    pub fn took_off(&self) {
        self.flying.fetch_add(1, Ordering::SeqCst);
    }

    /// A SEND was answered, or its connection is gone.
    pub fn landed(&self) {
        self.flying.fetch_sub(1, Ordering::SeqCst);
    }

    /// A SEND was answered by SENT.
    pub fn count_answer(&self) {
        self.answers.fetch_add(1, Ordering::SeqCst);
    }

    fn all(&self, flag: impl Fn(&Flags) -> &AtomicBool) -> bool {
        self.people
            .iter()
            .all(|flags| flag(flags).load(Ordering::SeqCst))
    }
}
