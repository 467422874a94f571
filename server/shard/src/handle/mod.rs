//! One file per command or group of commands: functions over the state.

pub(crate) mod ack;
pub(crate) mod attach;
pub(crate) mod copies;
pub(crate) mod devices;
pub(crate) mod expire;
pub(crate) mod link;
pub(crate) mod lookup;
pub(crate) mod parts;
pub(crate) mod prekeys;
pub(crate) mod presence;
pub(crate) mod read;
pub(crate) mod refuse;
pub(crate) mod register;
pub(crate) mod relate;
pub(crate) mod relay;
pub(crate) mod removal;
pub(crate) mod seal;
pub(crate) mod send;
pub(crate) mod status;
pub(crate) mod tick;
pub(crate) mod typing;
