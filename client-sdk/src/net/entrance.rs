//! The part of the desk for homes without an account: registering one, or joining one.

use martlet_protocol::{Millis, NackCode};
use zeroize::Zeroize;

use super::mailbox::{NewRegistration, Reply};
use crate::address::ServerAddress;
use crate::config::Config;
use crate::engine::{Engine, Linking, Registration};
use crate::error::{ClientError, LinkError, RegisterError, StoreError};
use crate::event::{Identity, OfflineCause};
use crate::keys::KeySeed;

/// How long a home waits until somebody lets it join, in milliseconds: as long as the server does.
const JOIN_MS_MAX: u64 = 11 * 60 * 1_000;

/// Who waits for an account.
#[derive(Default)]
pub(super) struct Entrance {
    registering: Option<Waiting<RegisterError>>,
    joining: Option<Waiting<LinkError>>,
}

struct Waiting<E> {
    deadline: Millis,
    reply: Reply<Result<Identity, E>>,
}

impl Entrance {
    pub(super) fn register(
        &mut self,
        engine: &mut Engine,
        now: Millis,
        (config, trust): (&Config, Option<&str>),
        asked: &NewRegistration,
        reply: Reply<Result<Identity, RegisterError>>,
    ) {
        let begun = check_address(&asked.server, config).and_then(|()| {
            let mut registration = Registration {
                server: &asked.server,
                handle: &asked.handle,
                token: asked.token.as_deref(),
                trust,
                key_seed: new_seed()?,
                account_seed: new_seed()?,
                device_name: &config.device_name,
            };
            let begun = engine.register(now, &registration);
            registration.key_seed.0.zeroize();
            registration.account_seed.0.zeroize();
            begun
        });
        match begun {
            Ok(()) => {
                let deadline = now.plus(config.register_timeout_ms);
                self.registering = Some(Waiting { deadline, reply });
            }
            Err(error) => answer(reply, Err(error)),
        }
    }

    pub(super) fn link(
        &mut self,
        engine: &mut Engine,
        now: Millis,
        (config, trust): (&Config, Option<&str>),
        (code, name): (&str, &str),
        reply: Reply<Result<Identity, LinkError>>,
    ) {
        let begun = check_code(code, config).and_then(|()| {
            let mut linking = Linking {
                code,
                name,
                trust,
                key_seed: new_seed()?,
            };
            let begun = engine.link(now, &linking);
            linking.key_seed.0.zeroize();
            begun
        });
        match begun {
            Ok(()) => {
                let deadline = now.plus(JOIN_MS_MAX);
                self.joining = Some(Waiting { deadline, reply });
            }
            Err(error) => answer(reply, Err(error)),
        }
    }

    /// The home has an account, and others can write to it.
    pub(super) fn on_entered(&mut self, engine: &Engine) {
        let Some(identity) = engine.identity() else {
            return;
        };
        if let Some(waiting) = self.registering.take() {
            answer(waiting.reply, Ok(identity));
        } else if let Some(waiting) = self.joining.take() {
            answer(waiting.reply, Ok(identity));
        }
    }

    /// A person who registers, or joins, wants to know at once.
    pub(super) fn on_delayed(
        &mut self,
        engine: &mut Engine,
        now: Millis,
        cause: OfflineCause,
    ) -> Result<(), StoreError> {
        if let Some(waiting) = self.registering.take() {
            engine.cancel_registration(now)?;
            answer(waiting.reply, Err(undone(cause)));
        } else if let Some(waiting) = self.joining.take() {
            engine.cancel_link(now)?;
            let reason = cause.to_string();
            answer(waiting.reply, Err(LinkError::Unreachable { reason }));
        }
        Ok(())
    }

    pub(super) fn on_refused(&mut self, code: NackCode) {
        if let Some(waiting) = self.registering.take() {
            answer(waiting.reply, Err(RegisterError::Refused(code)));
        }
    }

    pub(super) fn on_link_ended(&mut self, error: LinkError) {
        if let Some(waiting) = self.joining.take() {
            answer(waiting.reply, Err(error));
        }
    }

    /// Ends the waiting whose time is over.
    pub(super) fn expire(&mut self, engine: &mut Engine, now: Millis) -> Result<(), StoreError> {
        if let Some(waiting) = self.registering.take_if(|it| it.deadline <= now) {
            engine.cancel_registration(now)?;
            answer(waiting.reply, Err(RegisterError::TimedOut));
        }
        if let Some(waiting) = self.joining.take_if(|it| it.deadline <= now) {
            engine.cancel_link(now)?;
            answer(waiting.reply, Err(LinkError::TimedOut));
        }
        Ok(())
    }

    /// When the next waiting ends.
    pub(super) fn due(&self) -> Option<Millis> {
        let registering = self.registering.iter().map(|waiting| waiting.deadline);
        let joining = self.joining.iter().map(|waiting| waiting.deadline);
        registering.chain(joining).min()
    }
}

fn new_seed() -> Result<KeySeed, ClientError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| entropy_missing(&error))?;
    Ok(KeySeed(seed))
}

/// A code leads to a server: it must be one that may be reached so.
fn check_code(code: &str, config: &Config) -> Result<(), LinkError> {
    match check_address(&Engine::server_of(code)?, config) {
        Ok(()) => Ok(()),
        Err(_) => Err(LinkError::PlaintextForbidden),
    }
}

pub(super) fn entropy_missing(error: &getrandom::Error) -> ClientError {
    ClientError::EntropyMissing {
        reason: error.to_string(),
    }
}

fn undone(cause: OfflineCause) -> RegisterError {
    match cause {
        OfflineCause::Unreachable { reason } => RegisterError::Unreachable { reason },
        cause => RegisterError::Ungreeted { cause },
    }
}

fn check_address(server: &str, config: &Config) -> Result<(), RegisterError> {
    let address = ServerAddress::parse(server).ok_or_else(|| RegisterError::AddressInvalid {
        address: server.to_owned(),
    })?;
    if address.tls || address.is_loopback() || config.allow_plaintext {
        return Ok(());
    }
    Err(RegisterError::PlaintextForbidden)
}

pub(super) fn answer<T>(reply: Reply<T>, value: T) {
    // The asking future may have been dropped; then nobody misses the answer.
    let _nobody = reply.send(value);
}
