//! `[inbox]`: what waits for devices, and for how long.

use martlet_protocol::limits::{FRAME_BYTES_MAX, TTL_MS_MAX, TTL_MS_MIN};
use serde::Deserialize;

use crate::config::ConfigError;
use crate::config::units::{Size, Span};

/// Caps of one device's inbox. A device that is over them misses messages and is told so.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Inbox {
    /// Most items that wait for one device.
    pub messages_max: u64,
    /// Most bytes that wait for one device: the disk that flooding a stranger can take.
    pub bytes_max: Size,
    /// How long a message waits whose sender has set no shorter life.
    pub retention: Span,
}

impl Default for Inbox {
    fn default() -> Self {
        let shard = martlet_shard::Limits::default();
        Self {
            messages_max: shard.inbox_rows_max,
            bytes_max: Size(shard.inbox_bytes_max),
            retention: Span::from_millis(shard.retention_ms),
        }
    }
}

impl Inbox {
    /// The limits as the shards know them.
    ///
    /// # Errors
    /// When no message may live as long as the retention says, or none would fit.
    pub fn limits(&self) -> Result<martlet_shard::Limits, ConfigError> {
        let retention_ms = u64::try_from(self.retention.0.as_millis()).unwrap_or(u64::MAX);
        if !(TTL_MS_MIN..=TTL_MS_MAX).contains(&retention_ms) {
            return Err(ConfigError::RetentionOutOfRange(self.retention));
        }
        let too_small = |name, least| Err(ConfigError::InboxTooSmall { name, least });
        if self.messages_max == 0 {
            return too_small("messages_max", "1");
        }
        // Its sender would try again for ever: an inbox that is full may be read.
        if self.bytes_max < BYTES_MIN {
            return too_small("bytes_max", "\"128KiB\"");
        }
        Ok(martlet_shard::Limits {
            inbox_rows_max: self.messages_max,
            inbox_bytes_max: self.bytes_max.0,
            retention_ms,
            ..martlet_shard::Limits::default()
        })
    }
}

/// Room for the largest message.
const BYTES_MIN: Size = Size(128 << 10);
const _: () = assert!(BYTES_MIN.0 >= FRAME_BYTES_MAX as u64);
