//! The load generator: pairs of accounts that exchange direct messages over one epoll loop.

mod pair;
mod progress;
mod run;
mod worker;

pub use run::{Length, Settings, run};
