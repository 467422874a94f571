//! The load generator: pairs of accounts that exchange direct messages over one epoll loop.

mod pair;
mod run;
mod worker;

pub use run::{Settings, run};
