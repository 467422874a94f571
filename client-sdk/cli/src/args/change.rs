//! What can be done to messages.

use std::time::Duration;

use super::Wait;

/// How long to wait for the states of what was sent, and how to print them.
#[derive(Debug, clap::Args)]
pub(crate) struct Until {
    /// The state to wait for
    #[arg(long, value_name = "STATE", value_enum, default_value_t = Wait::Sent)]
    pub(crate) wait: Wait,
    /// How long to wait for it
    #[arg(long, value_name = "DUR", default_value = "30s")]
    #[arg(value_parser = humantime::parse_duration)]
    pub(crate) timeout: Duration,
    /// Print {"id","state","at"} for each state reached; `at` in milliseconds since the Unix epoch
    #[arg(long)]
    pub(crate) json: bool,
}

/// Put an emoji to a message, in place of an earlier one of yours.
#[derive(Debug, clap::Args)]
pub(crate) struct React {
    /// The other side's name, or '#GROUP'
    pub(crate) name: String,
    /// The message's id, or the last digits of it (`history --ids` shows six)
    pub(crate) id: String,
    /// The emoji, at most 64 bytes; '' takes yours back
    pub(crate) emoji: String,
    #[command(flatten)]
    pub(crate) until: Until,
}

/// Give a message of yours another text, up to 24 hours after it was sent.
///
/// Everybody sees that it was edited; the earlier text is not kept.
#[derive(Debug, clap::Args)]
pub(crate) struct Edit {
    /// The other side's name, or '#GROUP'
    pub(crate) name: String,
    /// The message's id, or the last digits of it (`history --ids` shows six)
    pub(crate) id: String,
    /// What it shall say (after `--` if it begins with a dash)
    pub(crate) text: String,
    #[command(flatten)]
    pub(crate) until: Until,
}

/// Delete a message of yours on all devices of both sides, up to 48 hours after it was sent.
///
/// What stays is that there was one. Whoever has read it may have kept it elsewhere.
#[derive(Debug, clap::Args)]
pub(crate) struct Delete {
    /// The other side's name, or '#GROUP'
    pub(crate) name: String,
    /// The message's id, or the last digits of it (`history --ids` shows six)
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) until: Until,
}

/// Let messages of both sides disappear from now on, or stay.
///
/// A message disappears from a device so long after it was read there, and from the devices of its
/// author so long after it was sent. Those that are there already stay.
#[derive(Debug, clap::Args)]
pub(crate) struct Timer {
    /// The other side's name, or '#GROUP'
    pub(crate) name: String,
    /// How long messages stay, from 1s on, or `off`
    #[arg(value_name = "DUR|off", value_parser = life)]
    pub(crate) life: u32,
    #[command(flatten)]
    pub(crate) until: Until,
}

/// A life in seconds, or 0 for `off`.
pub(crate) fn life(text: &str) -> Result<u32, String> {
    if text == "off" {
        return Ok(0);
    }
    let life = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    match u32::try_from(life.as_secs()) {
        Ok(seconds) if seconds > 0 => Ok(seconds),
        _ => Err("messages stay a second at least; `off` lets them stay for ever".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_a_time_or_off() {
        assert_eq!(life("off"), Ok(0));
        assert_eq!(life("1h 30m"), Ok(5_400));
        for wrong in ["0s", "10ms", "soon", "-1s", "5000years"] {
            assert!(life(wrong).is_err(), "{wrong}");
        }
    }
}
