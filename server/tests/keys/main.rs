//! Device lists, prekeys and links over the wire of a built server: who may say what, who gets
//! what, and what is still so after a crash.

#[path = "../support/mod.rs"]
mod support;

mod claims;
mod home;
mod linking;
mod lists;
mod parts;
mod prekeys;
mod removal;
