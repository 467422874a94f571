//! `chat`: one conversation, on a terminal or through pipes.

mod input;
mod interactive;
mod layout;
mod model;
mod piped;
mod terminal;

use std::io::{self, IsTerminal};

use martlet_client::{Client, Identity};

/// Whether a person sits at the chat, who ends it when he likes.
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Talks to `peer` until the person leaves or the input ends.
pub(crate) async fn run(client: Client, identity: Identity, peer: String) -> anyhow::Result<()> {
    if is_interactive() {
        interactive::run(client, identity, peer).await
    } else {
        piped::run(client, identity, peer).await
    }
}
