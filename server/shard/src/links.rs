//! Devices that wait for a new one of their account.

use std::collections::BTreeMap;

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
    /// The id that the new one will have.
    pub(crate) device: DeviceId,
    /// What the new one must know.
    pub(crate) ticket: [u8; TICKET_BYTES],
    pub(crate) until: Millis,
    /// The connection that knew the ticket first.
    pub(crate) joiner: Option<SessionId>,
}
