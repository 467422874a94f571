//! What all reactors share: settings, limits, the store, and each other's mailboxes.

use std::sync::Arc;

use martlet_protocol::limits::{DEVICES_MAX, PREKEYS_MAX};
use martlet_protocol::{NackCode, UserId};
use martlet_shard::{SessionId, Topology};
use martlet_store::ShardId;
use martlet_store::rocks::{Committer, Engine, Readers};
use rustls::ServerConfig;

use crate::admission::Admission;
use crate::clock::Monotonic;
use crate::config::Config;
use crate::config::limits::Limits;
use crate::rate::Rate;
use crate::token::Verifier;

/// One of these for the whole process.
pub struct Shared {
    /// The configuration.
    pub config: Config,
    /// Which shard owns what.
    pub topology: Topology,
    /// Who may connect.
    pub admission: Arc<Admission>,
    /// Rates of each session, device and account.
    pub rates: Rates,
    /// Who may register, when tokens decide it.
    pub tokens: Option<Verifier>,
    /// TLS, unless the transport is plain.
    pub tls: Option<Arc<ServerConfig>>,
    /// The rows.
    pub engine: Arc<Engine>,
    /// The one writer.
    pub committer: Committer,
    /// Who reads backlogs.
    pub readers: Readers,
    /// How many reactors there are.
    pub reactors: usize,
    /// Time for deadlines.
    pub clock: Monotonic,
}

/// How fast one session, one device or one account may do what.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// SEND and GROUP_SEND, of an account.
    pub sends: Rate,
    /// LOOKUP.
    pub lookups: Rate,
    /// DEVICES, PUBLISH, UPLOAD, CLAIM, LINK_OPEN.
    pub key_requests: Rate,
    /// Questions about groups, and changes of them.
    pub group_requests: Rate,
    /// WATCH, RELATE, RELATIONS, SETTINGS.
    pub people_requests: Rate,
    /// All but SEND and GROUP_SEND.
    pub frames: Rate,
    /// Signatures that a device makes the server check, in whatever session.
    pub signatures: Rate,
}

impl Rates {
    /// The configured rates.
    pub fn new(limits: &Limits) -> Self {
        Self {
            sends: Rate::per_second(limits.sends_per_second),
            lookups: Rate::per_second(limits.lookups_per_second),
            key_requests: Rate::per_second(limits.key_requests_per_second),
            group_requests: Rate::per_second(limits.group_requests_per_second),
            people_requests: Rate::per_second(limits.people_requests_per_second),
            frames: Rate::per_second(limits.frames_per_second),
            signatures: Rate::per_second(limits.signatures_per_second).at_once(SIGNATURES_AT_ONCE),
        }
    }
}

/// Why nothing new can be stored now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pressure {
    /// OVERLOADED or DISK_FULL.
    pub code: NackCode,
    /// When to try again.
    pub retry_after_ms: u64,
}

impl Shared {
    /// Why a new message must be refused before any write, if it must.
    pub fn pressure(&self) -> Option<Pressure> {
        if self.committer.is_full() {
            return Some(Pressure {
                code: NackCode::DISK_FULL,
                retry_after_ms: DISK_FULL_RETRY_MS,
            });
        }
        (self.committer.queued_bytes() > QUEUED_BYTES_MAX).then_some(Pressure {
            code: NackCode::OVERLOADED,
            retry_after_ms: OVERLOADED_RETRY_MS,
        })
    }

    /// The reactor that hosts a shard.
    pub fn reactor_of_shard(&self, shard: ShardId) -> usize {
        usize::from(shard.0) % self.reactors
    }

    /// The reactor that hosts an account.
    pub fn reactor_of_user(&self, user: UserId) -> usize {
        self.reactor_of_shard(self.topology.shard_of_user(user))
    }

    /// The reactor that a session's connection is on.
    pub fn reactor_of_session(&self, session: SessionId) -> usize {
        (session.0 >> SESSION_REACTOR_SHIFT) as usize
    }
}

/// Where the reactor's index stands in a session id.
pub const SESSION_REACTOR_SHIFT: u32 = 48;

/// What may wait for the committer: a tenth of a second of a modest disk's bandwidth. More would
/// not make the disk faster, only every answer later.
const QUEUED_BYTES_MAX: usize = 8 << 20;

/// Two UPLOADs with a whole stock of prekeys and two lists: what a new device brings, and brings
/// again after a lost answer. It is some 15 ms of its reactor, in which nobody else is served.
const SIGNATURES_AT_ONCE: u32 = 2 * (1 + PREKEYS_MAX + 1 + DEVICES_MAX) as u32;

const OVERLOADED_RETRY_MS: u64 = 500;

/// An operator or an expiry has to make room first.
const DISK_FULL_RETRY_MS: u64 = 5_000;
