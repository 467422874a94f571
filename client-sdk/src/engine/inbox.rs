//! The stream: items in order, stored before they are acknowledged, shown once.

use martlet_protocol::frame::{self, CaughtUp, EventKind, Frame, Ping};
use martlet_protocol::{Address, CloseCode, Millis, Position};

use super::link::Backlog;
use super::state::{Core, Fault, UNEXPECTED};
use super::statuses;
use crate::error::StoreError;
use crate::event::{Event, SecurityKind};
use crate::local::{Contact, HoleScope, Notice, Parcel, Tx};

/// How long the end of a backlog is not told because messages of it are parked, in milliseconds. A
/// server that has their authors' lists answers in one round trip; one that is busy has been asked
/// four times by then.
const PARKED_MS_MAX: u64 = 10_000;

/// How long a server has for its answer when it has certainly been asked, in milliseconds: it has
/// answered a PING that was written behind the questions. A slow network withholds nothing.
const ASKED_MS_MAX: u64 = 2_000;

impl Core {
    /// Checks that an item is the one that must come next, and moves past it. Returns whether it
    /// is new: an item at or below the stored cursor was stored before [M-10.2, M-10.3].
    pub(super) fn step(&mut self, from: Position, to: Position) -> Result<bool, Fault> {
        let live = self.live().ok_or(UNEXPECTED)?;
        if from != live.next || to < from {
            return Err(Fault::Violation(CloseCode::UNEXPECTED_FRAME));
        }
        live.next = to.next();
        let identity = self.identity.as_mut().ok_or(UNEXPECTED)?;
        if to <= identity.place.cursor {
            return Ok(false);
        }
        identity.place.cursor = to;
        Ok(true)
    }

    /// Every message is acknowledged: what cannot be opened now is parked, or asked for again. To
    /// refuse it would only bring the same bytes once more.
    pub(super) fn on_event(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        event: &frame::Event<'_>,
    ) -> Result<(), Fault> {
        if !self.step(event.position, event.position)? {
            return Ok(());
        }
        // Unknown kinds of events are acknowledged and skipped [M-3.7].
        let own = event.kind == EventKind::OWN_COPY;
        if !own && event.kind != EventKind::INCOMING {
            return Ok(());
        }
        let own_user = self.own_address().ok_or(UNEXPECTED)?.user;
        let parcel = Parcel {
            kind: event.kind,
            sender: Address {
                user: if own { own_user } else { event.peer.user },
                device: event.peer.device,
            },
            peer: event.peer.user,
            id: event.message_id,
            timestamp: event.timestamp,
            envelope: event.envelope.to_vec(),
            part: event.part.to_vec(),
        };
        if self.is_known(tx, now, &parcel)? {
            return Ok(());
        }
        self.receive(tx, now, &parcel)?;
        Ok(())
    }

    /// Whether this home has dealt with the message before. After the server has begun the stream
    /// anew that is nobody's fault [M-10.13].
    fn is_known(&mut self, tx: &Tx<'_>, now: Millis, parcel: &Parcel) -> Result<bool, StoreError> {
        let is_own = parcel.kind == EventKind::OWN_COPY;
        let author = (parcel.peer, parcel.sender.device);
        let is_stored = tx.find_from(parcel.id, author, is_own)?.is_some();
        let is_open = tx.repair(parcel.id, parcel.sender)?.is_some();
        if !is_stored && !is_open {
            return Ok(false);
        }
        if !tx.may_repeat(parcel.timestamp)? {
            let about = (parcel.sender.user, Some(parcel.sender.device));
            self.secure(tx, now, about, SecurityKind::Replayed)?;
        }
        Ok(true)
    }

    /// Asks for the handle of an account that is not known yet.
    pub(super) fn introduce(&mut self, now: Millis, contact: &Contact) {
        if let (None, Some(user)) = (&contact.handle, contact.user) {
            self.lookups.introduce(now, user);
        }
    }

    pub(super) fn on_gap(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        gap: &frame::Gap,
    ) -> Result<(), Fault> {
        if !self.step(gap.from, gap.to)? {
            return Ok(());
        }
        let notice = Notice::Gap {
            from: gap.from,
            to: gap.to,
            reason: gap.reason.into(),
        };
        self.notices.store(tx, &notice)?;
        tx.excuse_holes(HoleScope::Inbox, gap.to.0 - gap.from.0 + 1)?;
        // There may have been entries of groups among them.
        self.search_groups(tx)?;
        self.has_hole(tx)?;
        self.doubt(tx, now)?;
        Ok(())
    }

    /// The backlog is over. The application hears of it when it has been shown all of it.
    pub(super) fn on_caught_up(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        end: CaughtUp,
    ) -> Result<(), Fault> {
        let parked = tx.newest_parked()?;
        let live = self.live().ok_or(UNEXPECTED)?;
        live.caught_up = true;
        live.backlog = Some(Backlog {
            end,
            parked,
            until: now.plus(PARKED_MS_MAX),
            proof: None,
        });
        self.line_up_streams(tx, now)?;
        self.pump_backlog(tx, now)?;
        Ok(())
    }

    /// Tells the application that the backlog is over, once no message of it is parked. Whose
    /// author the server does not let this home know is told of instead, and stays parked.
    pub(super) fn pump_backlog(&mut self, tx: &Tx<'_>, now: Millis) -> Result<(), StoreError> {
        let Some(backlog) = self.live().and_then(|live| live.backlog) else {
            return Ok(());
        };
        // What waits for a sender key has a question of its own behind it.
        if now < backlog.until && !tx.groups_held_up()?.is_empty() {
            return Ok(());
        }
        if tx.is_parked_up_to(backlog.parked)? {
            if now < backlog.until {
                return Ok(());
            }
            if backlog.proof.is_none() {
                self.ask_for_proof(now);
                return Ok(());
            }
            for sender in tx.tell_parked(backlog.parked)? {
                let about = (sender.user, Some(sender.device));
                self.secure(tx, now, about, SecurityKind::Undecryptable)?;
            }
        }
        if let Some(live) = self.live() {
            live.backlog = None;
        }
        self.notices.pass(Event::CaughtUp {
            position: backlog.end.position,
            trimmed: backlog.end.trimmed,
        });
        Ok(())
    }

    /// Lets the server show that it has had all questions before this one. A silent one is not
    /// waited for: its connection ends before. One that is heard must answer [M-5.7].
    fn ask_for_proof(&mut self, now: Millis) {
        self.requests += 1;
        let token = self.requests;
        self.write(&Frame::Ping(Ping { token }));
        if let Some(live) = self.live() {
            let until = now.plus(live.pulse.silence_ms_max() + ASKED_MS_MAX);
            if let Some(backlog) = &mut live.backlog {
                backlog.until = until;
                backlog.proof = Some(token);
            }
        }
    }

    /// The server has answered a PING that was written behind questions.
    pub(super) fn on_proof(&mut self, now: Millis, token: u64) {
        if let Some(backlog) = self.live().and_then(|live| live.backlog.as_mut())
            && backlog.proof == Some(token)
        {
            backlog.until = now.plus(ASKED_MS_MAX);
        }
    }

    /// What is missing may have been receipts: the states are asked for one by one.
    pub(super) fn doubt(&mut self, tx: &Tx<'_>, now: Millis) -> Result<(), StoreError> {
        tx.doubt_undelivered(self.server_time(now))?;
        self.ask_in_doubt(tx)
    }

    /// Asks the server about messages of which no watermark is believed.
    pub(super) fn ask_in_doubt(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        for id in tx.in_doubt(statuses::OPEN_MAX)? {
            self.statuses.want(id);
        }
        Ok(())
    }
}
