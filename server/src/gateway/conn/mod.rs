//! One connection: its socket, what is half received and not yet written, and its session.

mod held;
mod read;
mod state;
mod write;

pub use held::Held;
pub use read::{Office, Received, Why};
pub use state::{Conn, Phase, State, Traveller};
pub use write::Flushed;

use state::Partial;
