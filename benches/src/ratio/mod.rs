//! Two servers measured in turns in one run, so that their ratio outlives the machine's moods.

mod candidate;
mod probe;
mod round;
mod stats;
mod summary;

pub use candidate::{Candidate, Programs};
pub use probe::probe_sync;
pub use round::{Pace, Plan, Sample, measure};
pub use summary::{Row, Summary};
