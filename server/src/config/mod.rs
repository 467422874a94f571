//! The configuration: file and flags to one checked value.

mod effective;
mod file;
pub mod groups;
pub mod inbox;
pub mod limits;
pub mod log;
pub mod registration;
pub mod server;
pub mod units;

pub use effective::{Config, Flags, Registration, Transport};
pub use file::{ConfigError, File};
