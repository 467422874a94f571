//! `chat`: one conversation, on a terminal or through pipes.

mod activity;
mod input;
mod interactive;
mod layout;
mod model;
mod orders;
mod piped;
mod start;
mod terminal;

pub(crate) use start::{is_interactive, run};
