//! `presence`: whether somebody is there.

use std::future::pending;
use std::time::Duration;

use anyhow::bail;
use martlet_client::{Client, Identity};
use tokio::time::{Instant, sleep, sleep_until};

use super::people::unanswered;
use super::send::FOREVER;
use crate::args::PresenceOf;
use crate::output::{Format, Output};
use crate::over::{is_over, over};

/// How often to look whether something is known. The events would say so too, but they are for
/// the command that shows them.
const LOOK: Duration = Duration::from_millis(100);

pub(super) async fn run(
    client: Client,
    identity: Identity,
    args: PresenceOf,
) -> anyhow::Result<()> {
    let mut output = Output::stdout(Format::new(args.json), &identity);
    client.watch(&args.name).await?;
    let deadline = Instant::now() + args.patience.timeout.min(FOREVER);
    let mut shown = None;
    loop {
        if let Some(cause) = client.offline_cause().await?.filter(is_over) {
            bail!(over(&cause));
        }
        let known = client.presence(&args.name).await?;
        if let Some((state, last_seen)) = known
            && known != shown
        {
            output.presence(&args.name, state, last_seen)?;
            shown = known;
        }
        if shown.is_some() && !args.watch {
            return Ok(());
        }
        let late = async {
            if shown.is_none() {
                sleep_until(deadline).await;
            } else {
                pending::<()>().await;
            }
        };
        tokio::select! {
            () = sleep(LOOK) => {}
            () = late => {
                let cause = client.offline_cause().await?;
                bail!("{}", unanswered(&identity, &args.patience, cause));
            }
        }
    }
}
