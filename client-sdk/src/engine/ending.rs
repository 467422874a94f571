//! How a connection ends: by the server's word, by ours, or without one.

use martlet_protocol::frame::{Close, Frame, Goaway};
use martlet_protocol::{CloseCode, Millis, NackCode};

use super::dial::ComeBack;
use super::link::Link;
use super::notices::Answer;
use super::state::{Core, Fault, UNEXPECTED};
use crate::error::StoreError;
use crate::event::{Event, OfflineCause};
use crate::local::{Standing, Tx};

/// How long a server that announced its end may take to answer what is under way, in milliseconds.
const LEAVING_MS_MAX: u64 = 5_000;

impl Core {
    pub(super) fn on_close(&mut self, tx: &Tx<'_>, close: &Close<'_>) -> Result<(), StoreError> {
        let cause = OfflineCause::ClosedByServer { code: close.code };
        self.ending
            .get_or_insert_with(|| (cause, ComeBack::after_close(close.code)));
        // Whoever receives CLOSE sends nothing any more [M-14.1].
        self.output.clear();
        self.link = Link::Closing;
        if close.code == CloseCode::DEVICE_GONE {
            self.set_standing(tx, Standing::Removed)?;
        }
        Ok(())
    }

    /// The server has said whether it lets this device in.
    pub(super) fn set_standing(
        &mut self,
        tx: &Tx<'_>,
        standing: Standing,
    ) -> Result<(), StoreError> {
        match &mut self.identity {
            Some(identity) if identity.standing != standing => {
                identity.standing = standing;
                tx.put_identity(identity)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn on_goaway(&mut self, now: Millis, goaway: &Goaway<'_>) -> Result<(), Fault> {
        self.dial.moved(goaway.address);
        let back = ComeBack::Between(goaway.delay_ms_min, goaway.delay_ms_max);
        self.ending = Some((OfflineCause::ServerLeaving, back));
        match &mut self.link {
            Link::Ready(live) => {
                live.leaving.get_or_insert_with(|| now.plus(LEAVING_MS_MAX));
            }
            Link::Greeting(_) => return Err(UNEXPECTED),
            _ => self.say_goodbye(),
        }
        Ok(())
    }

    /// Ends whatever connection there is, or is being made.
    pub(super) fn hang_up(&mut self) {
        match self.link {
            Link::Down | Link::Closing => {}
            // Nothing was said: the transport alone is closed.
            Link::Dialing => self.link = Link::Closing,
            _ => self.say_goodbye(),
        }
    }

    /// Ends the connection from this side, for the reason in `ending`.
    pub(super) fn say_goodbye(&mut self) {
        self.write(&Frame::Close(Close {
            code: CloseCode::NORMAL,
            detail: "",
        }));
        self.link = Link::Closing;
    }

    /// Ends the connection because the server broke the protocol.
    pub(super) fn reject(&mut self, code: CloseCode) {
        self.ending = Some((OfflineCause::ServerMisbehaved { code }, ComeBack::Backoff));
        self.write(&Frame::Close(Close { code, detail: "" }));
        self.link = Link::Closing;
    }

    /// The transport is gone, or could not be made.
    pub(super) fn on_lost(&mut self, now: Millis, cause: OfflineCause) {
        let (cause, back) = self.ending.take().unwrap_or((cause, ComeBack::Backoff));
        self.dial.lost(now, back, &mut self.rng);
        self.link = Link::Down;
        self.input.clear();
        self.output.clear();
        self.outbox.disconnected();
        self.lookups.disconnected();
        self.reads.disconnected();
        self.statuses.disconnected();
        self.lists.disconnected();
        self.claims.disconnected();
        self.upkeep.disconnected();
        self.groups.disconnected();
        self.people.disconnected();
        self.link_disconnected();
        self.offline = Some(cause.clone());
        if core::mem::take(&mut self.unanswered) {
            let cause = cause.clone();
            self.answers
                .push_back(Answer::RegistrationDelayed { cause });
        }
        if self.wants_connection() {
            self.notices.pass(Event::Offline {
                cause,
                retry_at: self.dial.next_at(),
            });
        }
    }

    /// Whether this device is none of its account's any more, as far as the server has said.
    pub(super) fn is_removed(&self) -> bool {
        let identity = self.identity.as_ref();
        identity.is_some_and(|identity| identity.standing != Standing::Accepted)
    }

    /// An application that opens a home hears at once that its device is out. Of a device that was
    /// removed nothing else can be heard; a server that did not know it is asked once in each run.
    pub(super) fn recall_standing(&mut self) {
        let Some(identity) = &self.identity else {
            return;
        };
        let cause = match identity.standing {
            Standing::Accepted => return,
            Standing::Removed => {
                self.dial.stop();
                let code = CloseCode::DEVICE_GONE;
                OfflineCause::ClosedByServer { code }
            }
            Standing::Unknown => {
                let code = NackCode::AUTH_FAILED;
                OfflineCause::Refused { code }
            }
        };
        self.offline = Some(cause.clone());
        self.notices.pass(Event::Offline {
            cause,
            retry_at: self.dial.next_at(),
        });
    }
}
