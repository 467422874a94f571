//! What commands print: a line is one write, in JSON for programs or as text for people.

mod json;
mod lines;
mod plain;

pub(crate) use lines::{Format, Output, is_closed_pipe, registered};
pub(crate) use plain::{Zone, refusal};
