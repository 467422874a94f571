//! From the first byte to READY: HELLO, registration, the proof of identity.

use martlet_protocol::auth::{KEY_BYTES, auth_message, register_message};
use martlet_protocol::codec::{self, Decoder};
use martlet_protocol::frame::{Auth, Challenge, Frame, Hello, Nack, Ready, Register, Registered};
use martlet_protocol::limits::{FRAME_BYTES_MAX, FRAME_BYTES_MAX_UNAUTHENTICATED};
use martlet_protocol::version::{Features, VERSION_MAX, VERSION_MIN};
use martlet_protocol::{Class, CloseCode, Millis, NackCode, Position, Timestamp};

use super::dial::ComeBack;
use super::link::{Challenged, Greeting, HANDSHAKE_MS_MAX, Link, Live, WINDOW};
use super::notices::Answer;
use super::state::{Core, Fault, UNEXPECTED};
use crate::error::StoreError;
use crate::event::{Event, GapReason, OfflineCause};
use crate::local::{HoleScope, Notice, Standing, StreamPlace, Tx};

/// What registration and authentication work with.
const NO_IDENTITY: &str = "a connection is made only for an identity";

impl Core {
    pub(super) fn on_connected(&mut self, now: Millis, binding: [u8; KEY_BYTES]) {
        self.decoder = Decoder::new(FRAME_BYTES_MAX_UNAUTHENTICATED);
        self.input.clear();
        self.output.clear();
        let agent = core::mem::take(&mut self.agent);
        self.write(&Frame::Hello(Hello {
            version_min: VERSION_MIN,
            version_max: VERSION_MAX,
            features: Features::SUPPORTED,
            agent: &agent,
        }));
        self.agent = agent;
        self.link = Link::Greeting(Greeting {
            binding,
            deadline: now.plus(HANDSHAKE_MS_MAX),
        });
    }

    pub(super) fn on_challenge(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        challenge: &Challenge,
    ) -> Result<(), Fault> {
        let Link::Greeting(greeting) = self.link else {
            return Err(UNEXPECTED);
        };
        if !(VERSION_MIN..=VERSION_MAX).contains(&challenge.version) {
            return Err(Fault::Violation(CloseCode::VERSION_UNSUPPORTED));
        }
        self.unanswered = false;
        self.set_clock(tx, now, challenge.server_time)?;
        let challenged = Challenged {
            greeting,
            nonce: challenge.nonce,
        };
        match &self.identity {
            Some(_) if self.joining.is_some() => self.join(now, challenged),
            Some(identity) if identity.address.is_some() => self.authenticate(&challenged, now),
            Some(_) if self.registration.is_some() => self.register(challenged),
            // The registration was given up while the connection was made.
            _ => self.say_goodbye(),
        }
        Ok(())
    }

    fn register(&mut self, challenged: Challenged) {
        let key = self.key.as_ref().expect(NO_IDENTITY);
        let identity = self.identity.as_ref().expect(NO_IDENTITY);
        let binding = &challenged.greeting.binding;
        let signed = register_message(&challenged.nonce, binding, &identity.handle);
        let frame = Frame::Register(Register {
            handle: &identity.handle,
            key: key.public(),
            signature: key.sign(&signed),
            token: self.registration.as_deref().unwrap_or_default(),
        });
        codec::encode(&frame, &mut self.output);
        self.link = Link::Registering(challenged);
    }

    pub(super) fn on_registered(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        registered: &Registered,
    ) -> Result<(), Fault> {
        let Link::Registering(challenged) = self.link else {
            return Err(UNEXPECTED);
        };
        let identity = self.identity.as_mut().expect(NO_IDENTITY);
        identity.address = Some(registered.address);
        tx.put_identity(identity)?;
        let handle = identity.handle.clone();
        self.registration = None;
        self.learn(tx, registered.address.user, &handle)?;
        self.announce();
        self.authenticate(&challenged, now);
        Ok(())
    }

    /// Proves who this device is. A home that has waited for a link has its time anew.
    pub(super) fn authenticate(&mut self, challenged: &Challenged, now: Millis) {
        let key = self.key.as_ref().expect(NO_IDENTITY);
        let identity = self.identity.as_ref().expect(NO_IDENTITY);
        let address = identity.address.expect("the registration was answered");
        let signed = auth_message(&challenged.nonce, &challenged.greeting.binding, address);
        let frame = Frame::Auth(Auth {
            address,
            signature: key.sign(&signed),
            epoch: identity.place.epoch,
            cursor: identity.place.cursor,
            credit: WINDOW,
        });
        self.write(&frame);
        self.link = Link::Proving {
            deadline: now.plus(HANDSHAKE_MS_MAX),
        };
    }

    pub(super) fn on_ready(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        ready: &Ready,
    ) -> Result<(), Fault> {
        if !matches!(self.link, Link::Proving { .. }) {
            return Err(UNEXPECTED);
        }
        self.set_clock(tx, now, ready.server_time)?;
        let identity = self.identity.as_mut().expect(NO_IDENTITY);
        let server = identity.server.clone();
        let known = identity.place;
        let place = StreamPlace {
            epoch: ready.epoch,
            cursor: ready.cursor,
        };
        if known.epoch != place.epoch || known.cursor < place.cursor {
            identity.place = place;
            self.note_missing(tx, now, known, place)?;
        }
        if known.epoch != 0 && known.epoch != place.epoch {
            tx.excuse_repeats(Timestamp(ready.server_time.0.saturating_mul(1_000)))?;
            tx.restore_groups()?;
        }
        self.finish_joining(tx)?;
        self.set_standing(tx, Standing::Accepted)?;
        // What was asked on an earlier connection, or by an earlier process, may have no answer.
        self.ask_in_doubt(tx)?;
        self.decoder.set_frame_bytes_max(FRAME_BYTES_MAX);
        self.link = Link::Ready(Live::new(now, ready));
        self.resume_streams(tx)?;
        self.resume_people(tx)?;
        self.dial.ready(now);
        self.offline = None;
        self.notices.pass(Event::Online { server });
        Ok(())
    }

    /// The stream goes on further than this home has stored: what lies between was received by an
    /// older copy of it, or belonged to a stream that the server has lost.
    fn note_missing(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        known: StreamPlace,
        place: StreamPlace,
    ) -> Result<(), StoreError> {
        let from = if known.epoch == place.epoch {
            known.cursor.next()
        } else {
            Position(1)
        };
        if known.epoch == 0 || from > place.cursor {
            return Ok(());
        }
        let gap = Notice::Gap {
            from,
            to: place.cursor,
            reason: GapReason::Restored,
        };
        self.notices.store(tx, &gap)?;
        tx.excuse_holes(HoleScope::Inbox, place.cursor.0 - from.0 + 1)?;
        self.search_groups(tx)?;
        self.doubt(tx, now)
    }

    /// REGISTER or AUTH was refused.
    pub(super) fn on_handshake_refused(
        &mut self,
        tx: &Tx<'_>,
        nack: &Nack,
    ) -> Result<(), StoreError> {
        let code = nack.code;
        if matches!(self.link, Link::Registering(_)) {
            self.registration = None;
            self.answers.push_back(Answer::RegistrationRefused { code });
        } else if self.joining.is_some() && nack.class == Class::RE_AUTHENTICATE {
            return self.on_join_failed(tx, code);
        } else if code == NackCode::AUTH_FAILED {
            self.set_standing(tx, Standing::Unknown)?;
        }
        let back = match nack.class {
            Class::RETRY_AFTER => {
                let delay = nack.retry_after_ms;
                ComeBack::Between(delay, self.rng.stretch(delay))
            }
            Class::MOVED => ComeBack::Backoff,
            _ => ComeBack::Never,
        };
        self.ending
            .get_or_insert((OfflineCause::Refused { code }, back));
        self.say_goodbye();
        Ok(())
    }

    /// Message ids are made by the server's clock [M-8.4]; the difference is kept for the time
    /// without a connection.
    fn set_clock(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        server_time: Millis,
    ) -> Result<(), StoreError> {
        /// Smaller changes are the network's delay and not worth a write.
        const CHANGE_MS_MIN: u64 = 1_000;
        let Some(identity) = self.identity.as_mut() else {
            return Ok(());
        };
        let offset_ms = server_time
            .0
            .cast_signed()
            .wrapping_sub(now.0.cast_signed());
        if offset_ms.abs_diff(identity.clock_offset_ms) < CHANGE_MS_MIN {
            return Ok(());
        }
        identity.clock_offset_ms = offset_ms;
        tx.put_identity(identity)
    }

    /// The server's clock, as far as it is known.
    pub(super) fn server_time(&self, now: Millis) -> Millis {
        let offset_ms = self
            .identity
            .as_ref()
            .map_or(0, |identity| identity.clock_offset_ms);
        Millis(now.0.saturating_add_signed(offset_ms))
    }

    /// The inverse of [`Core::server_time`].
    pub(super) fn local_time(&self, server: Millis) -> Millis {
        let offset_ms = self
            .identity
            .as_ref()
            .map_or(0, |identity| identity.clock_offset_ms);
        Millis(server.0.saturating_add_signed(offset_ms.saturating_neg()))
    }
}
