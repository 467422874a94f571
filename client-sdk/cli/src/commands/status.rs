//! `status`: where one message stands.

use anyhow::bail;
use martlet_client::{Client, ClientError, Direction, Identity};

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
    output.learn_groups(&client).await?;
    output.status(&message)?;
    if message.group.is_some() && message.direction == Direction::Outgoing {
        // Without an answer, what is known here is all there is to say.
        match client.receipts(args.id).await {
            Ok(Some(receipts)) => output.group_receipts(&receipts)?,
            Ok(None) | Err(ClientError::NoAnswer) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
