//! The peer has its nonce: it registers, and proves which device it is.

use std::net::IpAddr;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use martlet_protocol::auth::{KEY_BYTES, auth_message, register_message};
use martlet_protocol::frame::{Auth, Reference};
use martlet_protocol::{CloseCode, Kind, NackCode, handle};
use martlet_shard::{Command, SessionId};

use crate::config::Registration;
use crate::gateway::codec::{Inbound, Register};
use crate::gateway::session::{Desk, Ending, Ready, Session, UNEXPECTED};
use crate::random;

/// A connection that has a nonce and no identity.
#[derive(Debug)]
pub struct ExpectAuth {
    nonce: [u8; KEY_BYTES],
    binding: [u8; KEY_BYTES],
    /// When it got the nonce, monotonic.
    challenged_us: u64,
    /// A REGISTER is on its way through a shard; the peer waits for its answer.
    is_registering: bool,
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
            is_registering: false,
        }
    }

    pub(super) fn is_registering(&self) -> bool {
        self.is_registering
    }

    pub(super) fn registered(&mut self) {
        self.is_registering = false;
    }

    pub(super) fn on_frame(
        mut self: Box<Self>,
        frame: Inbound,
        desk: &mut Desk<'_>,
    ) -> Result<Session, Ending> {
        match frame {
            _ if self.is_registering => Err(UNEXPECTED),
            Inbound::Register(register) => {
                match self.check_register(&register, desk) {
                    Ok(()) => {
                        self.is_registering = true;
                        let user = desk
                            .shared
                            .topology
                            .user_for_handle(&register.handle, random::number());
                        desk.commands.push(Command::Register {
                            session: desk.session,
                            handle: register.handle,
                            key: register.key,
                            user,
                            epoch: random::number(),
                        });
                    }
                    Err((code, retry_after_ms)) => {
                        log_registration_refused(desk.session, desk.peer, code);
                        desk.refuse(Kind::REGISTER, code, retry_after_ms, NO_REFERENCE)?;
                    }
                }
                Ok(Session::ExpectAuth(self))
            }
            Inbound::Auth(auth) => self.on_auth(&auth, desk),
            _ => Err(UNEXPECTED),
        }
    }

    /// The rate first, whatever is wrong with the request: M-7.8 limits all that are refused. Then
    /// the cheap checks: a signature costs as much as hundreds of them.
    fn check_register(&self, register: &Register, desk: &Desk<'_>) -> Result<(), (NackCode, u64)> {
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
        if let Some(verifier) = &desk.shared.tokens {
            verifier
                .check(&register.token, &register.handle)
                .map_err(|refused| (refused.nack_code(), 0))?;
        }
        let message = register_message(&self.nonce, &self.binding, &register.handle);
        UnparsedPublicKey::new(&ED25519, &register.key)
            .verify(&message, &register.signature)
            .map_err(|_| (NackCode::AUTH_FAILED, 0))
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
        let is_genuine = UnparsedPublicKey::new(&ED25519, &key.unwrap_or(NOBODYS_KEY))
            .verify(&message, &auth.signature)
            .is_ok();
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

const NO_REFERENCE: Reference = Reference([0; 16]);

/// The Ed25519 base point: a valid key, so that checking against it takes its full time.
const NOBODYS_KEY: [u8; KEY_BYTES] = {
    let mut key = [0x66; KEY_BYTES];
    key[0] = 0x58;
    key
};

/// The rates per address are counted in seconds.
const RETRY_AFTER_MS: u64 = 1_000;
