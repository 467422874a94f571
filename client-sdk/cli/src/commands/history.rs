//! `history`: one conversation, from the home alone.

use anyhow::bail;
use martlet_client::{Client, History, Identity};

use crate::args::HistoryOf;
use crate::output::{Format, Output};
use crate::peers;

/// Messages fetched at a time.
const PAGE: usize = 500;

pub(super) async fn run(client: Client, identity: Identity, args: HistoryOf) -> anyhow::Result<()> {
    let peer = peers::resolve(&client, &args.name).await?;
    let mut output = Output::stdout(Format::new(args.json), &identity);
    output.learn_groups(&client).await?;
    // Pages come newest first, people read oldest first.
    let mut pages = Vec::new();
    let mut before = None;
    loop {
        let page = client
            .history(
                &peer,
                History {
                    limit: PAGE,
                    before,
                },
            )
            .await?;
        let Some(first) = page.first() else { break };
        before = Some(first.id);
        let last_page = page.len() < PAGE;
        pages.push(page);
        if last_page {
            break;
        }
    }
    if pages.is_empty() {
        bail!(
            "there is no conversation with {} in this home: check the name",
            args.name
        );
    }
    for message in pages.iter().rev().flatten() {
        output.history(message, args.ids)?;
    }
    Ok(())
}
