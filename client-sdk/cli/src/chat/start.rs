//! Whether a chat has a terminal, and the start of the one or the other kind.

use std::io::{self, IsTerminal};

use martlet_client::{Client, Identity};

use super::{interactive, piped};
use crate::peers;

/// Whether a person sits at the chat, who ends it when he likes.
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Talks to whoever is called `name`, or in the group, until the person leaves or the input ends.
pub(crate) async fn run(client: Client, identity: Identity, name: String) -> anyhow::Result<()> {
    let peer = peers::resolve(&client, &name).await?;
    if is_interactive() {
        interactive::run(client, identity, peer).await
    } else {
        piped::run(client, identity, peer).await
    }
}
