//! What commands print: a line is one write, in JSON for programs or as text for people.

mod groups;
mod json;
mod lines;
mod people;
mod plain;
mod qr;
mod security;
mod words;

pub(crate) use groups::{GroupNames, is_group, update};
pub(crate) use lines::{Format, Output, is_closed_pipe, print, registered};
pub(crate) use people::presence;
pub(crate) use plain::{Zone, device_name, refusal};
pub(crate) use qr::qr;
pub(crate) use security::{not_taken, security};
#[cfg(test)]
pub(crate) use words::tests;
pub(crate) use words::{life, reactions, words};
