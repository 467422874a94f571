//! The peer has its nonce: it registers, and proves which device it is.

use std::net::IpAddr;

use martlet_protocol::auth::{KEY_BYTES, auth_message, register_message};
use martlet_protocol::frame::{Auth, Reference};
use martlet_protocol::{CloseCode, Kind, NackCode, UserId, handle};
use martlet_shard::{Command, SessionId};

use crate::config::Registration;
use crate::gateway::inbound::{Inbound, LinkJoin, Register};
use crate::gateway::session::{Desk, Ending, Ready, Session, UNEXPECTED};
use crate::gateway::signatures::is_signed;
use crate::random;
use crate::token::Voucher;

/// A connection that has a nonce and no identity.
#[derive(Debug)]
pub struct ExpectAuth {
    nonce: [u8; KEY_BYTES],
    binding: [u8; KEY_BYTES],
    /// When it got the nonce, monotonic.
    challenged_us: u64,
    waits: Waits,
}

/// What the peer has asked a shard for. Until it has the answer it may only close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// Nothing: it may speak.
    No,
    /// An account.
    ForAccount,
    /// A place in this account's device list, for which a person has to look at another screen.
    ForLink(UserId),
}

impl ExpectAuth {
    pub(super) fn new(
        nonce: [u8; KEY_BYTES],
        binding: [u8; KEY_BYTES],
        challenged_us: u64,
    ) -> Self {
        Self {
            nonce,
            binding,
            challenged_us,
            waits: Waits::No,
        }
    }

    pub(super) fn may_speak(&self) -> bool {
        self.waits == Waits::No
    }

    pub(super) fn linking_to(&self) -> Option<UserId> {
        match self.waits {
            Waits::ForLink(user) => Some(user),
            Waits::No | Waits::ForAccount => None,
        }
    }

    pub(super) fn answered(&mut self) {
        self.waits = Waits::No;
    }

    pub(super) fn on_frame(
        mut self: Box<Self>,
        frame: Inbound,
        desk: &mut Desk<'_>,
    ) -> Result<Session, Ending> {
        match frame {
            _ if !self.may_speak() => return Err(UNEXPECTED),
            Inbound::Register(register) => self.on_register(*register, desk)?,
            Inbound::LinkJoin(join) => self.on_link_join(*join, desk)?,
            Inbound::Auth(auth) => return self.on_auth(&auth, desk),
            _ => return Err(UNEXPECTED),
        }
        Ok(Session::ExpectAuth(self))
    }

    fn on_register(&mut self, register: Register, desk: &mut Desk<'_>) -> Result<(), Ending> {
        let voucher = match self.check_register(&register, desk) {
            Ok(voucher) => voucher,
            Err((code, retry_after_ms)) => {
                log_registration_refused(desk.session, desk.peer, code);
                return desk.refuse(Kind::REGISTER, code, retry_after_ms, NO_REFERENCE);
            }
        };
        self.waits = Waits::ForAccount;
        let topology = &desk.shared.topology;
        let user = topology.user_for_handle(&register.handle, random::number());
        desk.commands.push(Command::Register {
            session: desk.session,
            handle: register.handle,
            key: register.key,
            user,
            epoch: random::number(),
            reset: voucher.reset,
        });
        Ok(())
    }

    /// A ticket can be guessed at as often as an address may authenticate.
    fn on_link_join(&mut self, join: LinkJoin, desk: &mut Desk<'_>) -> Result<(), Ending> {
        if !desk.shared.admission.may_authenticate(desk.peer) {
            let code = NackCode::RATE_LIMITED;
            log_link_refused(desk.session, desk.peer, code);
            return desk.refuse(Kind::LINK_JOIN, code, RETRY_AFTER_MS, NO_REFERENCE);
        }
        self.waits = Waits::ForLink(join.address.user);
        desk.commands.push(Command::LinkJoin {
            session: desk.session,
            user: join.address.user,
            device: join.address.device,
            ticket: join.ticket,
            offer: join.offer,
        });
        Ok(())
    }

    /// The rate first, whatever is wrong with the request: M-7.8 limits all that are refused. Then
    /// the cheap checks: a signature costs as much as hundreds of them.
    fn check_register(
        &self,
        register: &Register,
        desk: &Desk<'_>,
    ) -> Result<Voucher, (NackCode, u64)> {
        if !desk.shared.admission.may_authenticate(desk.peer) {
            return Err((NackCode::RATE_LIMITED, RETRY_AFTER_MS));
        }
        if desk.shared.config.registration == Registration::Closed {
            return Err((NackCode::REGISTRATION_CLOSED, 0));
        }
        if !handle::is_valid(&register.handle) {
            return Err((NackCode::HANDLE_INVALID, 0));
        }
        if let Some(pressure) = desk.shared.pressure() {
            return Err((pressure.code, pressure.retry_after_ms));
        }
        // Without tokens nobody vouches for anything: whoever comes first has the handle.
        let voucher = match &desk.shared.tokens {
            None => Voucher { reset: false },
            Some(verifier) => verifier
                .check(&register.token, &register.handle)
                .map_err(|refused| (refused.nack_code(), 0))?,
        };
        let message = register_message(&self.nonce, &self.binding, &register.handle);
        is_signed(&register.key, &message, &register.signature)
            .then_some(voucher)
            .ok_or((NackCode::AUTH_FAILED, 0))
    }

    fn on_auth(&self, auth: &Auth, desk: &mut Desk<'_>) -> Result<Session, Ending> {
        if !desk.shared.admission.may_authenticate(desk.peer) {
            desk.refuse(
                Kind::AUTH,
                NackCode::RATE_LIMITED,
                RETRY_AFTER_MS,
                NO_REFERENCE,
            )?;
            return Err(Ending::Refused(CloseCode::RATE_LIMITED));
        }
        let message = auth_message(&self.nonce, &self.binding, auth.address);
        // An unknown device costs the same check as a known one, and gets the same answer.
        let key = desk.driver.device_key(auth.address);
        let is_genuine = is_signed(&key.unwrap_or(NOBODYS_KEY), &message, &auth.signature);
        if !is_genuine || key.is_none() {
            desk.refuse(Kind::AUTH, NackCode::AUTH_FAILED, 0, NO_REFERENCE)?;
            return Err(Ending::Refused(CloseCode::AUTH_FAILED));
        }
        desk.commands.push(Command::Attach {
            session: desk.session,
            address: auth.address,
            challenged_us: self.challenged_us,
            epoch: auth.epoch,
            cursor: auth.cursor,
            credit: auth.credit,
        });
        Ok(Session::Ready(Ready::new(auth.address)))
    }
}

/// One line for each registration that was refused, whoever refused it.
pub fn log_registration_refused(session: SessionId, peer: IpAddr, code: NackCode) {
    tracing::info!(
        event = "registration_refused",
        conn = session.0,
        %peer,
        code = code.name(),
    );
}

/// One line for each new device that was turned away, whoever turned it away: many of them are
/// somebody who guesses.
pub fn log_link_refused(session: SessionId, peer: IpAddr, code: NackCode) {
    tracing::info!(
        event = "link_refused",
        conn = session.0,
        %peer,
        code = code.name(),
    );
}

const NO_REFERENCE: Reference = Reference([0; 16]);

/// The Ed25519 base point: a valid key, so that checking against it takes its full time.
const NOBODYS_KEY: [u8; KEY_BYTES] = {
    let mut key = [0x66; KEY_BYTES];
    key[0] = 0x58;
    key
};

/// The rates per address are counted in seconds.
const RETRY_AFTER_MS: u64 = 1_000;
