//! One file per command or group of commands: functions over the state.

pub(crate) mod ack;
pub(crate) mod attach;
pub(crate) mod copies;
pub(crate) mod devices;
pub(crate) mod expire;
pub(crate) mod group_ask;
pub(crate) mod group_change;
pub(crate) mod group_entry;
pub(crate) mod group_progress;
pub(crate) mod group_send;
pub(crate) mod group_stream;
pub(crate) mod group_sweep;
pub(crate) mod group_typing;
pub(crate) mod link;
pub(crate) mod lookup;
pub(crate) mod parts;
pub(crate) mod prekeys;
pub(crate) mod read;
pub(crate) mod refuse;
pub(crate) mod register;
pub(crate) mod relay;
pub(crate) mod removal;
pub(crate) mod seal;
pub(crate) mod send;
pub(crate) mod status;
pub(crate) mod tick;
