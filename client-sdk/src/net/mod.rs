//! The only place with sockets, threads and clocks: it moves bytes between a server and the
//! engine, and commands and events between the engine and the application.

mod clock;
mod connection;
mod desk;
mod devices_desk;
mod driver;
mod entrance;
mod mailbox;
mod tls;

pub(crate) use driver::Driver;
pub(crate) use entrance::entropy_missing;
pub(crate) use mailbox::{Command, DevicesCommand, EventQueue, NewRegistration, Reply};
