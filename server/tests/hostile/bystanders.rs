//! Two well-behaved people who chat while others misbehave, and notice nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use martlet_protocol::Kind;
use martlet_protocol::frame::{Ack, Credit, Frame};

use crate::peer::{Account, Peer, account, message};
use crate::server::wait_until;

/// A chat that goes on until it is asked how it went.
pub(crate) struct Bystanders {
    stop: Arc<AtomicBool>,
    said: Arc<AtomicU32>,
    chat: JoinHandle<Tally>,
}

#[derive(Default)]
struct Tally {
    messages: u32,
    slowest: Duration,
}

impl Bystanders {
    /// Two new accounts that chat.
    pub(crate) fn chat(server: SocketAddr) -> Self {
        let left = account(server, "left.bystander");
        let right = account(server, "right.bystander");
        Self::chat_as(server, left, right)
    }

    /// Two accounts that chat.
    pub(crate) fn chat_as(server: SocketAddr, left: Account, right: Account) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let said = Arc::new(AtomicU32::new(0));
        let saying = Arc::clone(&said);
        let chat = thread::spawn(move || {
            let mut tally = Tally::default();
            let mut sender = Peer::ready(server, &left);
            let mut reader = Peer::ready(server, &right);
            while !asked.load(Ordering::Relaxed) {
                let started = Instant::now();
                let text = format!("message {}", tally.messages);
                let send = message(right.address.user, text.as_bytes());
                sender.send(&Frame::Send(send.clone()));
                wait_for(&mut reader, |frame| match frame {
                    Frame::Event(event) => {
                        assert_eq!(event.envelope, text.as_bytes(), "order or content");
                        Some(())
                    }
                    _ => None,
                });
                wait_for(&mut sender, |frame| match frame {
                    Frame::Sent(sent) => {
                        assert_eq!(sent.message_id, send.message_id);
                        Some(())
                    }
                    _ => None,
                });
                tally.slowest = tally.slowest.max(started.elapsed());
                tally.messages += 1;
                saying.store(tally.messages, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(2));
            }
            tally
        });
        let bystanders = Self { stop, said, chat };
        bystanders.wait_for_more();
        bystanders
    }

    /// Ends the chat and asserts that nobody was disturbed.
    pub(crate) fn check_undisturbed(self) {
        self.wait_for_more();
        self.stop.store(true, Ordering::Relaxed);
        let tally = self.chat.join().expect("the bystanders were disturbed");
        assert!(
            tally.slowest < SLOWEST,
            "a message of {} took {:?}",
            tally.messages,
            tally.slowest
        );
    }

    /// The chat goes on.
    fn wait_for_more(&self) {
        let said = self.said.load(Ordering::Relaxed);
        wait_until("the bystanders' chat", || {
            self.said.load(Ordering::Relaxed) > said || self.chat.is_finished()
        });
    }
}

/// Takes frames until the wanted one, and does what a good client does with stream items.
fn wait_for(peer: &mut Peer, mut wanted: impl FnMut(&Frame<'_>) -> Option<()>) {
    loop {
        let got = peer.next().expect("the connection ended");
        assert!(
            !matches!(got.kind, Kind::CLOSE | Kind::NACK | Kind::GOAWAY),
            "the server turned on a bystander: {:?}",
            got.frame()
        );
        let position = match got.frame() {
            Frame::Event(event) => Some(event.position),
            Frame::Receipt(receipt) => Some(receipt.position),
            _ => None,
        };
        if let Some(position) = position {
            peer.send(&Frame::Ack(Ack { position }));
            peer.send(&Frame::Credit(Credit {
                messages: 1,
                bytes: got.frame_bytes(),
            }));
        }
        if wanted(&got.frame()).is_some() {
            return;
        }
    }
}

/// On a busy two-core machine; a lock-up or a wait for somebody's deadline takes longer.
const SLOWEST: Duration = Duration::from_millis(2_500);
