//! `send`: one message, and each state it reaches.

use std::time::Duration;

use anyhow::{anyhow, bail};
use martlet_client::{
    Client, ClientError, Identity, Message, MessageId, MessageState, Millis, OfflineCause,
    SendOptions,
};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};

use crate::args::{Send, Until};
use crate::ids;
use crate::output::{Format, Output, not_taken, refusal};
use crate::over::{is_over, over};
use crate::peers;

pub(super) async fn run(client: Client, identity: Identity, args: Send) -> anyhow::Result<()> {
    let peer = peers::resolve(&client, &args.name).await?;
    to(client, identity, args, peer).await
}

/// Sends to the peer that the client knows by this name.
pub(super) async fn to(
    client: Client,
    identity: Identity,
    args: Send,
    peer: String,
) -> anyhow::Result<()> {
    let ttl_ms = args
        .ttl
        .map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
    let options = SendOptions { ttl_ms };
    let name = args.name;
    check(&client, &name).await?;
    let sent = match &args.reply_to {
        Some(to) => {
            let to = ids::resolve(&client, &peer, to).await?;
            client.reply(&peer, to, &args.text, options).await
        }
        None => client.send(&peer, &args.text, options).await,
    };
    let id = sent.map_err(|error| anyhow!(not_taken(&error, &name)))?;
    let until = args.until;
    follow(client, identity, Followed { name, id, until }).await
}

/// What was sent to whom, and how far it is followed.
pub(super) struct Followed {
    pub(super) name: String,
    pub(super) id: MessageId,
    pub(super) until: Until,
}

/// Whether this home can send anything at all.
pub(super) async fn check(client: &Client, name: &str) -> anyhow::Result<()> {
    match client.offline_cause().await?.filter(is_over) {
        Some(cause) => bail!("not sent to {name}: {}", over(&cause)),
        None => Ok(()),
    }
}

/// Prints each state that the message reaches, up to the one that is waited for.
pub(super) async fn follow(
    client: Client,
    identity: Identity,
    args: Followed,
) -> anyhow::Result<()> {
    let (id, until) = (args.id, &args.until);
    let mut output = Output::stdout(Format::new(until.json), &identity);
    let deadline = Instant::now() + until.timeout.min(FOREVER);
    let mut last = MessageState::Pending;
    for (wanted, wait) in watch(&client, id, until.wait.states()) {
        let reached = tokio::select! {
            reached = timeout_at(deadline, wait) => reached,
            cause = ended(&client) => bail!(cut_off(&args.name, id, last, &cause?)),
        };
        let Ok(joined) = reached else {
            if last == MessageState::Pending {
                output.state(id, last, Millis(id.time().unwrap_or_default().0))?;
            }
            let cause = client.offline_cause().await?;
            bail!(late(until, &identity, id, (last, wanted), cause));
        };
        let reached = joined?;
        if let (Err(ClientError::DeviceRemoved), Some(cause)) =
            (&reached, client.offline_cause().await?)
        {
            bail!(cut_off(&args.name, id, last, &cause));
        }
        let message = reached?;
        match judge(&message, wanted) {
            Step::Reached { at } => output.state(id, wanted, at)?,
            Step::Refused => bail!(refused(&args.name, &message)),
            Step::Ended => {
                output.state(id, message.state, message.changed_at)?;
                bail!(
                    "the message to {} is {}: it will not be {wanted}",
                    args.name,
                    message.state
                );
            }
        }
        last = wanted;
    }
    Ok(())
}

/// As long as any clock can count to.
pub(super) const FOREVER: Duration = Duration::from_secs(60 * 60 * 24 * 365);

/// Waits until this home cannot connect any more. The events say so too, but they are for the
/// command that shows them.
async fn ended(client: &Client) -> Result<OfflineCause, ClientError> {
    loop {
        if let Some(cause) = client.offline_cause().await?.filter(is_over) {
            return Ok(cause);
        }
        sleep(LOOK).await;
    }
}

/// How often to look whether waiting makes sense.
const LOOK: Duration = Duration::from_millis(250);

/// Waits for all states at once: each is then seen when it is reached, not when its turn comes.
fn watch(
    client: &Client,
    id: MessageId,
    states: &[MessageState],
) -> Vec<(MessageState, JoinHandle<Result<Message, ClientError>>)> {
    let wait = |state| {
        let client = client.clone();
        (
            state,
            tokio::spawn(async move { client.wait_for(id, state).await }),
        )
    };
    states.iter().copied().map(wait).collect()
}

/// What the end of waiting for a state means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It was reached, then.
    Reached { at: Millis },
    /// The server took the message, and it ended otherwise.
    Ended,
    /// The server did not take the message.
    Refused,
}

fn judge(message: &Message, wanted: MessageState) -> Step {
    if message.state == MessageState::Failed {
        return Step::Refused;
    }
    if !message.state.reached(wanted) {
        return Step::Ended;
    }
    // The server's time of a message is the time it was sent; of a state that was passed over,
    // the time of the one that implies it is the best known.
    let at = if wanted == MessageState::Sent {
        message.at
    } else {
        message.changed_at
    };
    Step::Reached { at }
}

fn refused(name: &str, message: &Message) -> String {
    let why = message
        .refusal
        .map_or_else(|| "the server refused it".to_owned(), refusal);
    format!("not sent to {name}: {why}")
}

fn cut_off(name: &str, id: MessageId, last: MessageState, cause: &OfflineCause) -> String {
    let cause = over(cause);
    match last {
        MessageState::Pending => format!("not sent to {name}: {cause}"),
        last => format!("message {id} is {last}, and nothing more is heard of it: {cause}"),
    }
}

fn late(
    until: &Until,
    identity: &Identity,
    id: MessageId,
    (last, wanted): (MessageState, MessageState),
    cause: Option<OfflineCause>,
) -> String {
    let waited = humantime::format_duration(until.timeout);
    if last == MessageState::Pending {
        let server = &identity.server;
        let cause = cause.map_or_else(String::new, |cause| format!(" ({cause})"));
        return format!(
            "no answer from {server} within {waited}{cause}: message {id} is kept in this home \
             and goes out with the next command that connects"
        );
    }
    format!(
        "message {id} is {last}, but not {wanted} within {waited}: \
         ask later with `martlet status {id}`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::message as any_message;
    use martlet_client::{Body, Direction};

    fn message(state: MessageState) -> Message {
        Message {
            state,
            at: Millis(1),
            changed_at: Millis(2),
            ..any_message(Direction::Outgoing, Body::Text(String::new()))
        }
    }

    #[test]
    fn a_state_counts_as_reached_when_a_later_one_implies_it() {
        use MessageState::{Delivered, Read, Sent};
        assert_eq!(judge(&message(Read), Sent), Step::Reached { at: Millis(1) });
        assert_eq!(
            judge(&message(Read), Delivered),
            Step::Reached { at: Millis(2) }
        );
        assert_eq!(
            judge(&message(Delivered), Delivered),
            Step::Reached { at: Millis(2) }
        );
    }

    #[test]
    fn a_message_that_ended_otherwise_does_not_count_as_delivered() {
        use MessageState::{Delivered, Expired, Failed, Sent};
        assert_eq!(
            judge(&message(Expired), Sent),
            Step::Reached { at: Millis(1) }
        );
        assert_eq!(judge(&message(Expired), Delivered), Step::Ended);
        assert_eq!(judge(&message(Failed), Sent), Step::Refused);
    }
}
