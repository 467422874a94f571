//! `[limits]`: what one client, one address and all of them together may cost.

use std::num::NonZeroU32;

use martlet_protocol::limits::{CREDIT_BYTES_MAX, FRAME_BYTES_MAX};
use martlet_shard::Quota;
use serde::Deserialize;

use crate::config::units::{Size, Span};

/// Bounds against clients that are broken, greedy or hostile.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections in all. Above it new ones are turned away, so that established ones keep
    /// their memory and descriptors.
    pub connections_max: u32,
    /// Connections in all that have not authenticated: each may hold 4 KiB of a partial frame,
    /// so this bounds what strangers can make the server remember.
    pub unauthenticated_max: u32,
    /// The same per address (IPv4 /32, IPv6 /64), or one address could use up the bound above.
    pub unauthenticated_per_address_max: u32,
    /// New connections per second and address; as many may come at once.
    pub connections_per_second: NonZeroU32,
    /// Registrations and authentications per second and address; as many may come at once.
    /// Each costs a signature check, so a flood of them would starve everybody else.
    pub authentications_per_second: NonZeroU32,
    /// Whether loopback addresses are exempt from the limits per address. Wrong behind a proxy
    /// on the same machine.
    pub loopback_exempt: bool,
    /// Sends per second and account, on all its devices; twice as many may come at once. A message
    /// to a group is one for every 32 members that it is for. 0 is no limit.
    pub sends_per_second: u32,
    /// Conversations with strangers that an account may begin at once, and the time after which it
    /// may begin one more; 0s is no limit. Whoever writes to everybody stops here.
    pub new_conversations_at_once: u32,
    /// See there.
    pub new_conversations_time: Span,
    /// Lookups per second and session; twice as many may come at once. 0 is no limit. They are
    /// how accounts are enumerated.
    pub lookups_per_second: u32,
    /// Lookups of an account at once, on all its devices, and the time after which it has one more;
    /// 0s is no limit.
    pub account_lookups_at_once: u32,
    /// See there.
    pub account_lookups_time: Span,
    /// Requests for device lists, prekeys and links per second and session; twice as many may come
    /// at once. 0 is no limit. Such a request makes the server read or write a few rows.
    pub key_requests_per_second: u32,
    /// Questions about groups and changes of them, per second and session; twice as many may come
    /// at once. 0 is no limit.
    pub group_requests_per_second: u32,
    /// Requests about other accounts (whom to watch, contacts, blocks, settings) per second and
    /// session; twice as many may come at once. 0 is no limit.
    pub people_requests_per_second: u32,
    /// Signatures of device lists, prekeys and groups that are checked per second and device,
    /// whatever the number of its connections; two whole stocks of prekeys may come at once. 0 is
    /// no limit. Each check costs as much as dozens of messages.
    pub signatures_per_second: u32,
    /// Other frames per second and session; twice as many may come at once. 0 is no limit.
    pub frames_per_second: u32,
    /// From accept to authenticated, in all: a drip of bytes does not prolong it.
    pub authentication_time: Span,
    /// Silence after which a client is taken for gone. A client pings well before it.
    pub idle_time: Span,
    /// How long a frame may stay half received without progress worth the name.
    pub frame_time: Span,
    /// How long written bytes may wait for a client that does not read.
    pub slow_reader_time: Span,
    /// Bytes that may wait for a client that reads slowly; the rest stays in its inbox.
    pub outbound_max: Size,
}

impl Limits {
    /// The quotas that the shards keep.
    pub fn quotas(&self, shard: martlet_shard::Limits) -> martlet_shard::Limits {
        let quota = |at_once: u32, time: Span| Quota {
            burst: u64::from(at_once),
            refill_ms: u64::try_from(time.0.as_millis()).unwrap_or(u64::MAX),
        };
        martlet_shard::Limits {
            conversations: quota(self.new_conversations_at_once, self.new_conversations_time),
            lookups: quota(self.account_lookups_at_once, self.account_lookups_time),
            ..shard
        }
    }

    /// The first setting that would leave nobody connected, and its least sensible value as it is
    /// written in the file.
    pub fn senseless(&self) -> Option<(&'static str, &'static str)> {
        let second = Span::from_secs(1);
        [
            ("authentication_time", self.authentication_time < second),
            ("idle_time", self.idle_time < second),
            ("frame_time", self.frame_time < second),
            ("slow_reader_time", self.slow_reader_time < second),
        ]
        .into_iter()
        .find_map(|(name, is_senseless)| is_senseless.then_some((name, "\"1s\"")))
        .or_else(|| {
            [
                ("connections_max", self.connections_max),
                ("unauthenticated_max", self.unauthenticated_max),
                (
                    "unauthenticated_per_address_max",
                    self.unauthenticated_per_address_max,
                ),
            ]
            .into_iter()
            .find_map(|(name, most)| (most == 0).then_some((name, "1")))
        })
        .or_else(|| {
            // Less than one whole window of credit, and a client that reads well would be closed.
            (self.outbound_max < OUTBOUND_MIN).then_some(("outbound_max", "\"384KiB\""))
        })
    }
}

impl Default for Limits {
    fn default() -> Self {
        let shard = martlet_shard::Limits::default();
        let to_u32 = |number| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            connections_max: 1_000_000,
            unauthenticated_max: 16_384,
            unauthenticated_per_address_max: 64,
            connections_per_second: TWENTY,
            authentications_per_second: TWENTY,
            loopback_exempt: false,
            sends_per_second: 1_000,
            new_conversations_at_once: to_u32(shard.conversations.burst),
            new_conversations_time: Span::from_millis(shard.conversations.refill_ms),
            lookups_per_second: 10,
            account_lookups_at_once: to_u32(shard.lookups.burst),
            account_lookups_time: Span::from_millis(shard.lookups.refill_ms),
            key_requests_per_second: 20,
            group_requests_per_second: 20,
            people_requests_per_second: 20,
            signatures_per_second: 10,
            frames_per_second: 10_000,
            authentication_time: Span::from_secs(5),
            idle_time: Span::from_secs(180),
            frame_time: Span::from_secs(10),
            slow_reader_time: Span::from_secs(30),
            outbound_max: Size(512 << 10),
        }
    }
}

/// A window of credit that its last frame has taken below zero.
const OUTBOUND_MIN: Size = Size(384 << 10);
const _: () = assert!(OUTBOUND_MIN.0 >= CREDIT_BYTES_MAX + FRAME_BYTES_MAX as u64);

/// Enough for a household behind one address, too little for a flood.
const TWENTY: NonZeroU32 = NonZeroU32::new(20).expect("20 is not zero");
