//! One file per command: functions over the state.

pub(crate) mod ack;
pub(crate) mod attach;
pub(crate) mod expire;
pub(crate) mod lookup;
pub(crate) mod read;
pub(crate) mod refuse;
pub(crate) mod register;
pub(crate) mod relay;
pub(crate) mod seal;
pub(crate) mod send;
pub(crate) mod status;
pub(crate) mod tick;
