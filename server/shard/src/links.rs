//! Devices that wait for a new one of their account.

use std::collections::BTreeMap;

use bytes::Bytes;
use martlet_protocol::frame::TICKET_BYTES;
use martlet_protocol::{DeviceId, Millis, UserId};

use crate::command::SessionId;
use crate::quota::Spent;

/// Links under way, in memory alone: after a restart people begin anew.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// One for an account.
    pub(crate) open: BTreeMap<UserId, Link>,
    /// Who has begun how many.
    pub(crate) spent: Spent<UserId>,
}

/// A device that waits, and what it waits for.
#[derive(Debug)]
pub(crate) struct Link {
    /// The device that waits.
    pub(crate) opener: DeviceId,
    /// Its connection, or the last one that said so.
    pub(crate) session: SessionId,
    /// The id that the new one will have.
    pub(crate) device: DeviceId,
    /// What the new one must know.
    pub(crate) ticket: [u8; TICKET_BYTES],
    pub(crate) until: Millis,
    pub(crate) place: Place,
}

/// The place in a link. It is the first offer's, whichever connection that comes with: who has only
/// seen the code does not know its bytes.
#[derive(Debug)]
pub(crate) enum Place {
    /// Nobody has come who knows the ticket.
    Free,
    /// Somebody has.
    Offered {
        offer: Bytes,
        /// The connection that waits, unless it is lost.
        joiner: Option<SessionId>,
    },
    /// A list has the device. Its connection may have been lost on the way of this answer.
    Listed { offer: Bytes, answer: Bytes },
}

impl Place {
    /// The connection that waits.
    pub(crate) fn joiner(&self) -> Option<SessionId> {
        match self {
            Self::Offered { joiner, .. } => *joiner,
            Self::Free | Self::Listed { .. } => None,
        }
    }
}
