//! `[groups]`: how large a group may be.

use martlet_protocol::limits::GROUP_MEMBERS_MAX;
use serde::Deserialize;

use crate::config::ConfigError;

/// What one group may cost.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Groups {
    /// Most members of a group.
    pub members_max: usize,
    /// Up to this many members get a group's messages in their inboxes; a larger group has a stream
    /// of its own, which each of them reads.
    pub inbox_members_max: usize,
}

impl Default for Groups {
    fn default() -> Self {
        let shard = martlet_shard::Limits::default();
        Self {
            members_max: shard.group_members_max,
            inbox_members_max: shard.group_inbox_members_max,
        }
    }
}

impl Groups {
    /// The limits as the shards know them, in place of those of `limits`.
    ///
    /// # Errors
    /// When no group could have members, or one more than the protocol allows.
    pub fn limits(
        &self,
        limits: martlet_shard::Limits,
    ) -> Result<martlet_shard::Limits, ConfigError> {
        if !(2..=GROUP_MEMBERS_MAX).contains(&self.members_max) {
            return Err(ConfigError::GroupSizeOutOfRange(self.members_max));
        }
        Ok(martlet_shard::Limits {
            group_members_max: self.members_max,
            group_inbox_members_max: self.inbox_members_max,
            ..limits
        })
    }
}
