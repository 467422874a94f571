//! `status`: where one message stands.

use anyhow::bail;
use martlet_client::{Client, Identity};

use crate::args::Status;
use crate::output::{Format, Output};

pub(super) async fn run(client: Client, identity: Identity, args: Status) -> anyhow::Result<()> {
    let mut output = Output::stdout(Format::new(args.json), &identity);
    let Some(message) = client.status(args.id).await? else {
        bail!(
            "no message of {} has the id {}: check it",
            identity.handle,
            args.id
        );
    };
    output.status(&message)?;
    Ok(())
}
