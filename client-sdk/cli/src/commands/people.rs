//! `block`, `unblock`, `accept`, `contacts` and `settings`: who may reach this account, and what it
//! lets others know.

use std::time::Duration;

use anyhow::bail;
use martlet_client::{Client, Identity, OfflineCause, Relation, Settings, SettingsChange};
use tokio::time::{Instant, sleep, timeout_at};

use super::send::FOREVER;
use crate::args::{Accept, Block, Contacts, Patience, SettingsOf, Switch, Unblock};
use crate::output::{self, Format, Output};
use crate::over::{is_over, over};

/// How often to look whether the server has told the settings.
const LOOK: Duration = Duration::from_millis(50);

pub(super) async fn block(client: Client, identity: Identity, args: Block) -> anyhow::Result<()> {
    check(&client).await?;
    client.block(&args.name).await?;
    let told = settled(&client, &identity, &args.patience).await;
    confirm(&client, &args.name, (Relation::Blocked, told)).await?;
    output::print(&format!("{} is blocked", args.name))?;
    Ok(())
}

pub(super) async fn unblock(
    client: Client,
    identity: Identity,
    args: Unblock,
) -> anyhow::Result<()> {
    check(&client).await?;
    let is_blocked = |relation: Option<Relation>| relation == Some(Relation::Blocked);
    if !is_blocked(relation(&client, &args.name).await?) {
        bail!(
            "{} is not blocked: `martlet contacts` lists who is",
            args.name
        );
    }
    client.unblock(&args.name).await?;
    settled(&client, &identity, &args.patience).await?;
    if is_blocked(relation(&client, &args.name).await?) {
        bail!("the server did not take it: {} is still blocked", args.name);
    }
    output::print(&format!("{} is not blocked any more", args.name))?;
    Ok(())
}

pub(super) async fn accept(client: Client, identity: Identity, args: Accept) -> anyhow::Result<()> {
    check(&client).await?;
    client.accept_request(&args.name).await?;
    let told = settled(&client, &identity, &args.patience).await;
    confirm(&client, &args.name, (Relation::Contact, told)).await?;
    output::print(&format!("{} is a contact", args.name))?;
    Ok(())
}

pub(super) async fn contacts(
    client: Client,
    identity: Identity,
    args: Contacts,
) -> anyhow::Result<()> {
    let mut output = Output::stdout(Format::new(args.json), &identity);
    for related in client.relations().await? {
        output.related(&related)?;
    }
    Ok(())
}

pub(super) async fn settings(
    client: Client,
    identity: Identity,
    args: SettingsOf,
) -> anyhow::Result<()> {
    check(&client).await?;
    let change = SettingsChange {
        presence: args.presence.map(|shown| shown.visibility()),
        read_receipts: args.read_receipts.map(|switch| switch == Switch::On),
        strangers: args.strangers.map(|taken| taken.strangers()),
    };
    let deadline = Instant::now() + args.patience.timeout.min(FOREVER);
    let Ok(known) = timeout_at(deadline, told(&client)).await else {
        let cause = client.offline_cause().await?;
        bail!("{}", unanswered(&identity, &args.patience, cause));
    };
    let mut now = known?;
    if !change.is_empty() {
        client.set_settings(change).await?;
        settled(&client, &identity, &args.patience).await?;
        now = told(&client).await?;
        if change.applied_to(now) != now {
            bail!("the server did not take these settings: they are as they were");
        }
    }
    let mut output = Output::stdout(Format::new(args.json), &identity);
    output.settings(&now)?;
    Ok(())
}

/// Waits until the server has told the settings to this home, which it does once.
async fn told(client: &Client) -> anyhow::Result<Settings> {
    loop {
        match client.settings().await {
            Err(martlet_client::ClientError::NoAnswer) => sleep(LOOK).await,
            known => return Ok(known?),
        }
    }
}

/// Whether this home can change anything at all.
async fn check(client: &Client) -> anyhow::Result<()> {
    match client.offline_cause().await?.filter(is_over) {
        Some(cause) => bail!("not changed: {}", over(&cause)),
        None => Ok(()),
    }
}

/// Waits until the server has what is to be changed.
async fn settled(client: &Client, identity: &Identity, patience: &Patience) -> anyhow::Result<()> {
    let deadline = Instant::now() + patience.timeout.min(FOREVER);
    let Ok(flushed) = timeout_at(deadline, client.flush()).await else {
        let cause = client.offline_cause().await?;
        bail!(
            "{}: it is kept in this home and told with the next command that connects",
            unanswered(identity, patience, cause)
        );
    };
    flushed?;
    Ok(())
}

async fn confirm(
    client: &Client,
    name: &str,
    (wanted, told): (Relation, anyhow::Result<()>),
) -> anyhow::Result<()> {
    told?;
    if relation(client, name).await? != Some(wanted) {
        bail!("the server did not take it: {name} is not {wanted}");
    }
    Ok(())
}

/// What somebody is to this account, if anything.
async fn relation(client: &Client, name: &str) -> anyhow::Result<Option<Relation>> {
    let related = client.relations().await?;
    let related = related.iter().find(|related| related.peer == name);
    Ok(related.map(|related| related.relation))
}

/// That the server has said nothing.
pub(super) fn unanswered(
    identity: &Identity,
    patience: &Patience,
    cause: Option<OfflineCause>,
) -> String {
    let server = &identity.server;
    let waited = humantime::format_duration(patience.timeout);
    let cause = cause.map_or_else(String::new, |cause| format!(" ({cause})"));
    format!("no answer from {server} within {waited}{cause}")
}
