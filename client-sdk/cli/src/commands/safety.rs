//! `safety-number` and `verify`: whether somebody is in between.

use std::io::{self, IsTerminal};

use anyhow::{anyhow, bail};
use martlet_client::{Client, ClientError, Identity, VerifyError};

use crate::args::{SafetyNumber, Verify};
use crate::ask;
use crate::output::{self, Format, Output, qr};

pub(super) async fn show(
    client: Client,
    identity: Identity,
    args: SafetyNumber,
) -> anyhow::Result<()> {
    let peer = &args.name;
    refuse_own(&identity, peer)?;
    let number = client.safety_number(peer).await;
    let number = number.map_err(|error| explain(error, peer))?;
    let verified = client.is_verified(peer).await?;
    let mut output = Output::stdout(Format::new(args.json), &identity);
    output.safety_number(peer, &number, verified)?;
    if args.qr {
        let code = client.safety_code(peer).await?;
        let Some(rows) = qr(&code, io::stdout().is_terminal()) else {
            bail!("the code of this number does not fit a QR code");
        };
        output::print(&rows.join("\n"))?;
    }
    if !args.json {
        output::print(verdict(verified))?;
    }
    Ok(())
}

pub(super) async fn verify(client: Client, identity: Identity, args: Verify) -> anyhow::Result<()> {
    let peer = &args.name;
    refuse_own(&identity, peer)?;
    if args.accept {
        let accepted = client.accept_identity(peer).await;
        accepted.map_err(|error| explain(error, peer))?;
        output::print(&format!("the key of {peer} is accepted, and not verified"))?;
        return Ok(());
    }
    if args.undo {
        let undone = client.set_verified(peer, false).await;
        undone.map_err(|error| explain(error, peer))?;
        output::print(&format!("{peer} is not verified"))?;
        return Ok(());
    }
    let number = if args.number.is_empty() {
        compare(&client, &identity, peer).await?
    } else {
        args.number.join(" ")
    };
    // The number that was compared is what counts: the key may have changed meanwhile.
    client
        .verify(peer, &number)
        .await
        .map_err(|error| match error {
            VerifyError::Client(error) => explain(error, peer),
            error => anyhow!("{peer} is NOT verified: {error}"),
        })?;
    output::print(&format!("{peer} is verified"))?;
    Ok(())
}

/// Shows the number to a person who compares it, and returns it when it is the same.
async fn compare(client: &Client, identity: &Identity, peer: &str) -> anyhow::Result<String> {
    if !ask::is_person() {
        bail!("nobody can be asked: say --number DIGITS with what {peer} reads out");
    }
    let number = client.safety_number(peer).await;
    let number = number.map_err(|error| explain(error, peer))?;
    let mut output = Output::stdout(Format::Plain, identity);
    output.safety_number(peer, &number, false)?;
    let question = format!("Does {peer} see the same number?");
    if !ask::confirm(&question).await? {
        bail!(
            "{peer} is not verified: if the numbers differ, somebody may be in between; \
             send nothing that matters"
        );
    }
    Ok(number.digits().to_owned())
}

const fn verdict(verified: bool) -> &'static str {
    if verified { "verified" } else { "not verified" }
}

fn refuse_own(identity: &Identity, peer: &str) -> anyhow::Result<()> {
    if identity.handle == *peer {
        bail!("{peer} is your own name: a safety number is for two");
    }
    Ok(())
}

fn explain(error: ClientError, peer: &str) -> anyhow::Error {
    match error {
        ClientError::UnknownPeer => {
            anyhow!("nobody has the name {peer}, or the server does not answer: check the name")
        }
        error => error.into(),
    }
}
