//! `link` without a code: shows one, and adds the device that has it to the account.

use std::io::{self, IsTerminal};
use std::time::Duration;

use anyhow::bail;
use martlet_client::Client;
use tokio::time::timeout;

use crate::args::Link;
use crate::output::{self, device_name, qr};
use crate::{ask, text};

/// How long this command goes on to give the new device what it has to know: who is who,
const SYNC_MAX: Duration = Duration::from_secs(30);
/// and the conversations, if they are asked for.
const HISTORY_MAX: Duration = Duration::from_secs(10 * 60);

pub(super) async fn run(client: Client, args: Link) -> anyhow::Result<()> {
    if !args.yes && !ask::is_person() {
        bail!(
            "nobody can be asked whether the new device may join: \
             say --yes to add whichever device has the code"
        );
    }
    let code = client.open_link(args.history).await?;
    show(&code)?;
    let added = add(&client, &args).await;
    // The code ends with the screen that shows it.
    client.close_link().await?;
    added
}

/// Shows the code: to a program on a line of its own, to a person also for a camera.
fn show(code: &str) -> io::Result<()> {
    if !io::stdout().is_terminal() {
        return output::print(code);
    }
    let mut lines = qr(code.as_bytes(), true).unwrap_or_default();
    lines.push(code.to_owned());
    lines.push(
        "Enter it on the new device within ten minutes, and show it to nobody else:\n  \
         martlet --home DIR link CODE --name NAME"
            .to_owned(),
    );
    output::print(&lines.join("\n"))
}

async fn add(client: &Client, args: &Link) -> anyhow::Result<()> {
    let offered = client.link_offered().await?;
    let name = device_name(&offered);
    if !args.yes {
        let question = format!("A device that calls itself \"{name}\" has the code. Add it?");
        if !ask::confirm(&question).await? {
            bail!("{name} was not added: the code is of no use any more");
        }
    }
    let device = client.approve_link().await?;
    output::print(&format!("linked device {device} ({name})"))?;
    let limit = if args.history { HISTORY_MAX } else { SYNC_MAX };
    match timeout(limit, client.flush()).await {
        Ok(flushed) => flushed?,
        Err(_) => text::tell("the rest of what it gets goes out with the next command"),
    }
    Ok(())
}
