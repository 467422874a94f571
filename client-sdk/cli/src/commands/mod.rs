//! One file per command; `dispatch` opens the home, and ends a command cleanly on a signal.

mod change;
mod devices;
mod dispatch;
mod group;
mod history;
mod join;
mod link;
mod listen;
mod people;
mod presence;
mod register;
mod safety;
mod send;
mod status;

pub(crate) use dispatch::run;
