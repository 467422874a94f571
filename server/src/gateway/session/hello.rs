//! Nothing was said yet: the first frame settles version and features.

use martlet_protocol::CloseCode;
use martlet_protocol::frame::{Challenge, Frame, Registration as Policy};
use martlet_protocol::version::{Features, negotiate};

use crate::config::Registration;
use crate::gateway::inbound::Inbound;
use crate::gateway::session::{Desk, Ending, ExpectAuth, Session, UNEXPECTED};
use crate::gateway::tls;
use crate::random;

/// A connection that was accepted and is silent.
#[derive(Debug)]
pub struct ExpectHello;

impl ExpectHello {
    pub(super) fn on_frame(self, frame: Inbound, desk: &mut Desk<'_>) -> Result<Session, Ending> {
        let Inbound::Hello {
            version_min,
            version_max,
            features,
        } = frame
        else {
            return Err(UNEXPECTED);
        };
        let version = negotiate(version_min, version_max)
            .ok_or(Ending::Refused(CloseCode::VERSION_UNSUPPORTED))?;
        let nonce = random::bytes();
        desk.send(&Frame::Challenge(Challenge {
            version,
            features: features.common(Features::SUPPORTED),
            nonce,
            server_time: desk.now,
            registration: match desk.shared.config.registration {
                Registration::Closed => Policy::CLOSED,
                Registration::Open => Policy::OPEN,
                Registration::Token { .. } => Policy::TOKEN,
            },
        }))?;
        let binding = tls::binding(desk.tls).ok_or(Ending::Refused(CloseCode::INTERNAL))?;
        Ok(Session::ExpectAuth(Box::new(ExpectAuth::new(
            nonce,
            binding,
            desk.now_us,
        ))))
    }
}
