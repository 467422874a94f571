//! What a client may say when: one file per state, each with only its own fields.
//!
//! ```text
//!              HELLO       REGISTER  LINK_JOIN  AUTH   SEND      PING ACK PUBLISH …  CLOSE
//! ExpectHello  ExpectAuth  ✗         ✗          ✗      ✗         ✗                   ends
//! ExpectAuth   ✗           answered  answered   Ready  ✗         ✗                   ends
//! Ready        ✗           ✗         ✗          ✗      answered  served              ends
//! Draining     ✗           ✗         ✗          ✗      refused   served              ends
//! ```
//!
//! ✗ is CLOSE(UNEXPECTED_FRAME), and so is a frame that only servers send, in every state. A
//! session that waits for the answer to its REGISTER, LINK_JOIN or AUTH may only close.

mod auth;
mod desk;
mod directory;
mod drain;
mod groups;
mod hello;
mod machine;
mod people;
mod ready;

pub use auth::{ExpectAuth, log_link_refused, log_registration_refused};
pub use desk::Desk;
pub use drain::Draining;
pub use hello::ExpectHello;
pub use machine::{Ending, Session};
pub use ready::Ready;

use machine::UNEXPECTED;
