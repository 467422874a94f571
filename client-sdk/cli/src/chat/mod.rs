//! `chat`: one conversation, on a terminal or through pipes.

mod input;
mod interactive;
mod layout;
mod model;
mod piped;
mod terminal;

use std::io::{self, IsTerminal};

use martlet_client::{Client, Identity};

/// Talks to `peer` until the person leaves or the input ends.
pub(crate) async fn run(client: Client, identity: Identity, peer: String) -> anyhow::Result<()> {
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        interactive::run(client, identity, peer).await
    } else {
        piped::run(client, identity, peer).await
    }
}
