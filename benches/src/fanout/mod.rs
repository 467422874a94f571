//! The fan-out: messages to one group whose members are all connected, from GROUP_SEND to the last
//! member, over one epoll loop.

mod crowd;
mod found;
mod report;
mod run;
mod worker;

pub use report::{Crowding, FanoutReport};
pub use run::{Settings, run};
