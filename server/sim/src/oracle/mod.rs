//! The ledger: what users, wires and rows have shown, and whether it keeps the promises.
//!
//! It watches from outside. It shares no decision with the shards or the engines: of the code it
//! checks it uses ids, frames and the layout of rows, nothing else.
//!
//! | promise | checked when |
//! |---|---|
//! | every message ends at every device: shown, or a gap there and a fact here | at the end |
//! | nothing appears that nobody wrote, nothing is changed, nothing is shown twice | at once |
//! | a position of a stream means one thing; none is left out | at once, and at the end |
//! | what one device writes to another stays in order | at once |
//! | a message comes after what its writer had seen | at once |
//! | states move forward, are true, and are told once | at once, and at the end |
//! | every device shows texts, reactions and deletions by the newest it has heard of | at the end |
//! | what was read is told, whoever crashes | at the end |
//! | a place of a group's log means one thing, in the order that all see | at once, at the end |
//! | who was a member when something was said has it, and nobody else | at the end |
//! | all members see one group | at the end |
//! | neither side breaks the protocol | at once |
//! | whoever is lied to, and can know it, is told so by the name of the lie | at the end |
//! | queues stay within their bounds | at the end, and at every fault |

mod app;
mod deeds;
mod devices;
mod end;
mod groups;
mod ledger;
mod lies;
mod members;
mod roll;
mod security;
mod sends;
mod wire;
mod witness;

pub(crate) use deeds::{Deed, View, What};
pub(crate) use groups::Remark;
pub(crate) use ledger::{Ledger, Rules};
pub(crate) use roll::Roll;
pub(crate) use witness::Witness;
