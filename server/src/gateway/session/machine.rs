//! The state of a conversation, and which state hears a frame.

use martlet_protocol::CloseCode;
use martlet_protocol::id::{Address, UserId};
use martlet_protocol::limits::{FRAME_BYTES_MAX, FRAME_BYTES_MAX_UNAUTHENTICATED};

use crate::gateway::inbound::Inbound;
use crate::gateway::session::{Desk, Draining, ExpectAuth, ExpectHello, Ready};

/// The state of a conversation.
#[derive(Debug)]
pub enum Session {
    /// Nothing was said yet.
    ExpectHello(ExpectHello),
    /// The peer has its nonce.
    ExpectAuth(Box<ExpectAuth>),
    /// The device is known.
    Ready(Ready),
    /// The device is known, and the server is about to stop.
    Draining(Draining),
}

/// Why a conversation is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The client said goodbye.
    ByClient,
    /// The client is told this.
    Refused(CloseCode),
}

impl Session {
    /// A conversation that has not begun.
    pub fn new() -> Self {
        Self::ExpectHello(ExpectHello)
    }

    /// Handles one frame. The old state is used up.
    ///
    /// # Errors
    /// When the conversation is over.
    pub fn on_frame(self, frame: Inbound, desk: &mut Desk<'_>) -> Result<Self, Ending> {
        match frame {
            Inbound::Close(_) => Err(Ending::ByClient),
            Inbound::ServerOnly(_) => Err(Ending::Refused(CloseCode::UNEXPECTED_FRAME)),
            frame => match self {
                Self::ExpectHello(state) => state.on_frame(frame, desk),
                Self::ExpectAuth(state) => state.on_frame(frame, desk),
                Self::Ready(state) => state.on_frame(frame, desk).map(Self::Ready),
                Self::Draining(state) => state.on_frame(frame, desk).map(Self::Draining),
            },
        }
    }

    /// Largest frame that the client may send now.
    pub fn frame_bytes_max(&self) -> usize {
        match self.ready() {
            Some(ready) if ready.is_greeted() => FRAME_BYTES_MAX,
            _ => FRAME_BYTES_MAX_UNAUTHENTICATED,
        }
    }

    /// The authenticated device.
    pub fn address(&self) -> Option<Address> {
        self.ready().map(Ready::address)
    }

    /// The authenticated part, while the server stops or not.
    pub fn ready(&self) -> Option<&Ready> {
        match self {
            Self::ExpectHello(_) | Self::ExpectAuth(_) => None,
            Self::Ready(ready) => Some(ready),
            Self::Draining(draining) => Some(draining.ready()),
        }
    }

    /// As [`Self::ready`].
    pub fn ready_mut(&mut self) -> Option<&mut Ready> {
        match self {
            Self::ExpectHello(_) | Self::ExpectAuth(_) => None,
            Self::Ready(ready) => Some(ready),
            Self::Draining(draining) => Some(draining.ready_mut()),
        }
    }

    /// The server is about to stop: sends are refused from now on.
    pub fn drain(self) -> Self {
        match self {
            Self::Ready(ready) => Self::Draining(Draining::new(ready)),
            other => other,
        }
    }

    /// Whether an AUTH would be considered now.
    pub fn may_authenticate(&self) -> bool {
        matches!(self, Self::ExpectAuth(state) if state.may_speak())
    }

    /// Whether the peer waits to be listed among an account's devices.
    pub fn is_linking(&self) -> bool {
        self.linking_to().is_some()
    }

    /// The account among whose devices the peer waits to be listed.
    pub fn linking_to(&self) -> Option<UserId> {
        match self {
            Self::ExpectAuth(state) => state.linking_to(),
            Self::ExpectHello(_) | Self::Ready(_) | Self::Draining(_) => None,
        }
    }

    /// The REGISTER or LINK_JOIN under way was answered.
    pub fn answered(&mut self) {
        if let Self::ExpectAuth(state) = self {
            state.answered();
        }
    }
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

pub(super) const UNEXPECTED: Ending = Ending::Refused(CloseCode::UNEXPECTED_FRAME);
