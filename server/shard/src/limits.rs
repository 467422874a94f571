//! What one account may cost, with the reason for each number.

use martlet_protocol::limits::{CREDIT_MESSAGES_MAX, MESSAGE_ID_AGE_MS_MAX, TTL_MS_MAX};

use crate::quota::Quota;

/// The limits an operator may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most items that wait in one inbox. Whoever floods a stranger stops here; a device that
    /// comes back drains this many in seconds.
    pub inbox_rows_max: u64,
    /// Most body bytes that wait in one inbox: the disk that one device can take.
    pub inbox_bytes_max: u64,
    /// How long a message without a shorter life waits, in milliseconds.
    pub retention_ms: u64,
    /// Most members of a group.
    pub group_members_max: usize,
    /// Up to this many members get a group's messages in their inboxes; a larger group has a stream
    /// of its own. One that shrinks has its messages in the inboxes again at nine tenths of it.
    pub group_inbox_members_max: usize,
    /// How many conversations an account may begin: whoever writes to strangers by the thousand
    /// stops here.
    pub conversations: Quota,
    /// How often an account may look up others: handles can be guessed.
    pub lookups: Quota,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            inbox_rows_max: 50_000,
            inbox_bytes_max: 64 * 1024 * 1024,
            retention_ms: TTL_MS_MAX,
            group_members_max: 256,
            group_inbox_members_max: 100,
            conversations: Quota {
                burst: 60,
                refill_ms: 60 * 1_000,
            },
            lookups: Quota {
                burst: 200,
                refill_ms: 10 * 1_000,
            },
        }
    }
}

/// Most items pushed and not yet acknowledged. The server keeps a record of each, and a client
/// that grants credit without acknowledging would otherwise make it keep any number.
pub(crate) const IN_FLIGHT_MAX: usize = 2 * CREDIT_MESSAGES_MAX as usize;

/// Most rows of one page of a backlog: as many as one grant of credit.
pub(crate) const PAGE_ROWS_MAX: usize = 128;

/// Most bytes of one page: a page is held in memory once per draining device.
pub(crate) const PAGE_BYTES_MAX: usize = 64 * 1024;

/// Acknowledged rows are removed by one range once there are this many, or when the device
/// disconnects: a range costs as much as a row, so this spreads it.
pub(crate) const TRIM_ROWS: u64 = 128;

/// Outbox rows are removed by one range once this many are done.
pub(crate) const OUTBOX_TRIM_ROWS: u64 = 64;

/// After a refusal the item is pushed again no sooner than this times the number of refusals, in
/// milliseconds.
pub(crate) const REFUSAL_PAUSE_MS: u64 = 1_000;

/// How long to wait before a refused SEND is tried again when an inbox is full, in milliseconds:
/// the recipient has to come back first.
pub(crate) const INBOX_FULL_RETRY_MS: u64 = 30_000;

/// Most senders whose refused message is remembered for the sake of order. One that falls out
/// loses only the order of what it had already sent, never a message.
pub(crate) const REFUSED_SENDERS_MAX: usize = 4_096;

/// Most messages that expire in one tick, so that a tick stays short.
pub(crate) const EXPIRIES_PER_TICK: usize = 64;

/// A message that is on its way to a device when it expires gets this much longer, in
/// milliseconds: the acknowledgement may be on its way back.
pub(crate) const EXPIRY_GRACE_MS: u64 = 30_000;

/// Most PINGs that wait behind READs which wait for a page: a client needs one, and a flood of them
/// would be memory.
pub(crate) const PINGS_MAX: usize = 64;

/// How often the shard looks for old rows, in milliseconds, and how many accounts it looks at.
pub(crate) const SWEEP_MS: u64 = 60_000;
pub(crate) const SWEEP_ACCOUNTS: usize = 64;

/// How many rows of one inbox a sweep ends at most in one tick.
pub(crate) const SWEEP_ROWS: usize = 256;

/// Message rows outlive the longest life of an inbox row and the retry window behind it, counted
/// from the time of the id, and by a day the sweep that ends the row and must find the message.
pub(crate) const MESSAGE_ROW_MS: u64 = TTL_MS_MAX + MESSAGE_ID_AGE_MS_MAX + 24 * 60 * 60 * 1_000;

/// How many device lists an account may publish: each is kept for ever. Whoever links and removes
/// all of an account's devices twice over is below it.
pub(crate) const LISTS: Quota = Quota {
    burst: 30,
    refill_ms: 10 * 60 * 1_000,
};

/// What one account may claim of another's prekeys: whoever could take them all would leave only
/// last-resort keys to everybody else. Twenty are sessions between all devices of both, four times
/// over.
pub(crate) const CLAIMS: Quota = Quota {
    burst: 20,
    refill_ms: 10 * 60 * 1_000,
};

/// Most claimants remembered for one account: 32 bytes each, for strangers to fill.
pub(crate) const CLAIMANTS_MAX: usize = 1_024;

/// A device with fewer one-time keys than this is told so: it has time to bring more before
/// somebody gets its last-resort key.
pub(crate) const STOCK_LOW: u64 = 10;

/// How often a device may begin to wait for a new one: each time costs a row of memory, and a
/// ticket that is guessed at is replaced no faster.
pub(crate) const LINKS: Quota = Quota {
    burst: 10,
    refill_ms: 60 * 1_000,
};

/// Entries of a group outlive the references to them in inboxes, which end with the retention, by a
/// day, in milliseconds.
pub(crate) const GROUP_LOG_GRACE_MS: u64 = 24 * 60 * 60 * 1_000;

/// How far a device has come in a group's own stream is written once it is this many entries
/// further, and when it leaves: after a crash it gets those again that it had acknowledged.
pub(crate) const GROUP_CURSOR_ENTRIES: u64 = 64;

/// How often a shard tells how far its members have come in groups' own streams, in milliseconds.
pub(crate) const GROUP_PROGRESS_MS: u64 = 1_000;

/// Most messages of a group whose authors are kept in memory: who is further behind than that is
/// looked up in the log.
pub(crate) const AUTHORS_MAX: usize = 256;

/// How long a device waits for a new one, in milliseconds: two people at two screens.
pub(crate) const LINK_MS: u64 = 10 * 60 * 1_000;

/// How long watchers of an account are told nothing new after they were told something, in
/// milliseconds: a device that comes and goes ten times a second is one frame for each of them.
pub(crate) const PRESENCE_QUIET_MS: u64 = 1_000;

/// When an account was last seen is written at most once in this time, in milliseconds: an account
/// that comes and goes all day is a row every five minutes.
pub(crate) const LAST_SEEN_MS: u64 = 5 * 60 * 1_000;

/// It is written beside the rows of another turn, so many at a time, or after so many milliseconds
/// without one: presence alone never makes the disk busy.
pub(crate) const LAST_SEEN_PER_TURN: usize = 16;
pub(crate) const LAST_SEEN_WAIT_MS: u64 = 60_000;

/// To how many accounts an account has sent of late without having them as contacts: whoever it
/// knows begins no conversation again.
pub(crate) const MET_MAX: usize = 64;
