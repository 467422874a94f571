//! What end-to-end encryption costs: CPU time of a 256-byte message, for who sends and who gets it.
//!
//! `cargo run --release --example crypto_cost`. Each side does what the engine does for one device:
//! payload and chain, the step of the ratchet, and the session serialized and sealed for the disk.
//! "Read back" adds that the session was read from the disk before, as after a restart.
#![allow(clippy::print_stdout, reason = "it is there to print")]

use std::error::Error;

use martlet_client::crypto::chain::{ReceiveChain, SendChain};
use martlet_client::crypto::device::DeviceKeys;
use martlet_client::crypto::list::Head;
use martlet_client::crypto::payload::{Contents, Payload, kind};
use martlet_client::crypto::ratchet::PeerSessions;
use martlet_client::crypto::store_key::{StoreKey, Vault};
use martlet_client::keys::{DeviceKey, KeySeed};
use martlet_protocol::{Address, DeviceId, MessageId, UserId};
use rustix::time::{ClockId, clock_gettime};

const MESSAGES: u32 = 4_000;
const CONTENTS: [u8; 256] = [b'a'; 256];
const BUDGET_US: f64 = 60.0;

struct Side {
    address: Address,
    keys: DeviceKeys,
    sessions: PeerSessions,
    sending: SendChain,
    receiving: ReceiveChain,
    vault: Vault,
    stored: Vec<u8>,
    cpu_us: f64,
}

impl Side {
    fn new(user: u64) -> Self {
        Self {
            address: Address {
                user: UserId(user),
                device: DeviceId(1),
            },
            keys: DeviceKeys::random(),
            sessions: PeerSessions::new(),
            sending: SendChain::default(),
            receiving: ReceiveChain::default(),
            vault: Vault::new(&StoreKey::random()),
            stored: Vec::new(),
            cpu_us: 0.0,
        }
    }

    fn read_back(&mut self) -> Result<(), Box<dyn Error>> {
        let state = self.vault.open(b"session", &self.stored)?;
        self.sessions = PeerSessions::from_bytes(&state)?;
        Ok(())
    }

    fn store(&mut self) {
        self.stored = self.vault.seal(b"session", &self.sessions.to_bytes());
    }

    fn send(&mut self, to: Address) -> Result<Vec<u8>, Box<dyn Error>> {
        let (counter, previous) = self.sending.next();
        let payload = Payload {
            kind: kind::TEXT,
            message_id: MessageId([7; 16]),
            sender: self.address,
            recipient: to,
            conversation: to.user,
            own: Head::default(),
            peer: Head::default(),
            counter,
            previous,
            contents: Contents::Inline(&CONTENTS),
        };
        let payload = payload.encode();
        self.sending.advance(&payload);
        let part = self.sessions.encrypt(&payload)?;
        self.store();
        Ok(part)
    }

    fn receive(&mut self, from: [u8; 32], part: &[u8]) -> Result<(), Box<dyn Error>> {
        let opened = self.sessions.decrypt(&mut self.keys, &from, part)?;
        let payload = Payload::decode(&opened.plain)?;
        self.receiving
            .check(payload.counter, &payload.previous, &opened.plain);
        self.store();
        Ok(())
    }
}

fn cpu_us() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    #[allow(clippy::cast_precision_loss, reason = "a few seconds in microseconds")]
    let us = now.tv_sec as f64 * 1e6 + now.tv_nsec as f64 / 1e3;
    us
}

fn pass(from: &mut Side, to: &mut Side, read_back: bool) -> Result<usize, Box<dyn Error>> {
    let (sender, recipient) = (from.keys.identity_key(), to.address);
    let start = cpu_us();
    if read_back {
        from.read_back()?;
    }
    let part = from.send(recipient)?;
    let sent = cpu_us();
    if read_back {
        to.read_back()?;
    }
    to.receive(sender, &part)?;
    to.cpu_us += cpu_us() - sent;
    from.cpu_us += sent - start;
    Ok(part.len())
}

fn report(name: &str, encrypt_us: f64, decrypt_us: f64) {
    let verdict = |us: f64| if us <= BUDGET_US { "within" } else { "over" };
    println!(
        "{name:<28} encrypt {encrypt_us:5.1} µs ({}), decrypt {decrypt_us:5.1} µs ({})",
        verdict(encrypt_us),
        verdict(decrypt_us)
    );
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut alice, mut bob) = (Side::new(1), Side::new(2));
    let signer = DeviceKey::new(&KeySeed([1; 32]));
    let upload = bob.keys.prekeys(&signer, bob.address, 1);
    let prekey = upload.one_time.first().ok_or("no prekey")?.key;
    alice
        .sessions
        .start(&alice.keys, &bob.keys.identity_key(), &prekey)?;
    let first = pass(&mut alice, &mut bob, false)?;
    let normal = pass(&mut bob, &mut alice, false)?;
    println!(
        "budget {BUDGET_US} µs; a part of {} bytes of contents:",
        CONTENTS.len()
    );
    println!("  {first} bytes while the session begins, {normal} afterwards");

    for read_back in [false, true] {
        let suffix = if read_back { ", read back" } else { "" };
        (alice.cpu_us, bob.cpu_us) = (0.0, 0.0);
        for _ in 0..MESSAGES {
            pass(&mut alice, &mut bob, read_back)?;
        }
        let each = f64::from(MESSAGES);
        report(
            &format!("one direction{suffix}"),
            alice.cpu_us / each,
            bob.cpu_us / each,
        );
    }
    for read_back in [false, true] {
        let suffix = if read_back { ", read back" } else { "" };
        let (mut encrypt_us, mut decrypt_us) = (0.0, 0.0);
        for turn in 0..MESSAGES {
            let (from, to) = if turn % 2 == 0 {
                (&mut alice, &mut bob)
            } else {
                (&mut bob, &mut alice)
            };
            (from.cpu_us, to.cpu_us) = (0.0, 0.0);
            pass(from, to, read_back)?;
            encrypt_us += from.cpu_us;
            decrypt_us += to.cpu_us;
        }
        let each = f64::from(MESSAGES);
        report(
            &format!("alternating{suffix}"),
            encrypt_us / each,
            decrypt_us / each,
        );
    }
    println!("a stored session of {} bytes", alice.stored.len());
    Ok(())
}
