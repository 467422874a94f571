//! One file per command; `dispatch` opens the home, and ends a command cleanly on a signal.

mod dispatch;
mod history;
mod listen;
mod register;
mod send;
mod status;

pub(crate) use dispatch::run;
