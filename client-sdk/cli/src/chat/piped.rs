//! A chat without a terminal: each line of input is sent, what happens is printed line by line.

use std::collections::BTreeMap;
use std::future::pending;
use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use martlet_client::{
    Client, Direction, Event, History, Identity, MessageId, MessageState, SendError, SendOptions,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::orders::{self, Order};
use crate::output::{Format, Output, not_taken, refusal};
use crate::over::{is_over, over};
use crate::{ids, text};

/// How long the server may take, after the input has ended, to take what it has not yet.
const SETTLE_MAX: Duration = Duration::from_secs(30);

/// How many messages `/ids` shows.
const IDS_SHOWN: usize = 20;

/// Lines read ahead of what is sent.
const LINES_AHEAD: usize = 64;

pub(super) async fn run(client: Client, identity: Identity, peer: String) -> anyhow::Result<()> {
    if let Some(cause) = client.offline_cause().await?.filter(is_over) {
        bail!(over(&cause));
    }
    let mut output = Output::stdout(Format::Plain, &identity);
    output.learn_groups(&client).await?;
    let texts = BTreeMap::new();
    let mut chat = Chat {
        client,
        peer,
        output,
        texts,
        unsent: 0,
        refused: 0,
        not_done: 0,
    };
    chat.talk(lines()?).await
}

struct Chat<W> {
    client: Client,
    peer: String,
    output: Output<W>,
    /// What was sent here, and where it stands.
    texts: BTreeMap<MessageId, (String, MessageState)>,
    /// How many of those the server has not answered.
    unsent: usize,
    /// How many it will never take.
    refused: usize,
    /// How many lines asked for what cannot be done.
    not_done: usize,
}

impl<W: Write> Chat<W> {
    async fn talk(&mut self, mut lines: mpsc::Receiver<io::Result<String>>) -> anyhow::Result<()> {
        let mut deadline = None;
        while deadline.is_none() || self.unsent > 0 {
            let late = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                line = lines.recv(), if deadline.is_none() => {
                    match line.transpose().context("read standard input")? {
                        Some(line) if line.trim() == "/quit" => deadline = Some(settled_by()),
                        Some(line) => self.send(line).await?,
                        None => deadline = Some(settled_by()),
                    }
                }
                event = self.client.next_event() => self.happened(event?).await?,
                () = late => bail!(
                    "no answer from the server within {}: {} of these messages are kept in this \
                     home and go out with the next command that connects",
                    humantime::format_duration(SETTLE_MAX), self.unsent
                ),
            }
        }
        // What was printed is read; a server that is silent now hears it next time.
        let by = deadline.unwrap_or_else(settled_by);
        if let Ok(flushed) = timeout_at(by, self.client.flush()).await {
            flushed?;
        }
        if self.refused > 0 {
            bail!(
                "the server refused {} of these messages: see above",
                self.refused
            );
        }
        if self.not_done > 0 {
            bail!(
                "{} of these lines could not be done: see above",
                self.not_done
            );
        }
        Ok(())
    }

    async fn send(&mut self, line: String) -> anyhow::Result<()> {
        if line.trim().is_empty() {
            return Ok(());
        }
        let sent = match orders::parse(&line) {
            None => {
                let options = SendOptions::default();
                self.client.send(&self.peer, &line, options).await
            }
            Some(Ok(Order::Ids)) => return self.ids().await,
            Some(Ok(order)) => match self.obey(order).await {
                Ok(sent) => sent,
                Err(reason) => {
                    self.not_done(&line, &reason.to_string());
                    return Ok(());
                }
            },
            Some(Err(usage)) => {
                self.not_done(&line, &usage);
                return Ok(());
            }
        };
        let id = sent.map_err(|error| anyhow!(not_taken(&error, &self.peer)))?;
        self.texts.insert(id, (line, MessageState::Pending));
        self.unsent += 1;
        Ok(())
    }

    /// A line asks for what cannot be done. The others go on.
    fn not_done(&mut self, line: &str, reason: &str) {
        text::tell(&format!("{line}: {reason}"));
        self.not_done += 1;
    }

    /// Does what a line asks for; an error says that there is no such message.
    async fn obey(&self, order: Order) -> anyhow::Result<Result<MessageId, SendError>> {
        let (client, peer) = (&self.client, &self.peer);
        Ok(match order {
            Order::Reply { id, text } => {
                let to = ids::resolve(client, peer, &id).await?;
                client.reply(peer, to, &text, SendOptions::default()).await
            }
            Order::React { id, emoji } => {
                let to = ids::resolve(client, peer, &id).await?;
                client.react(peer, to, &emoji).await
            }
            Order::Edit { id, text } => {
                let of = ids::resolve(client, peer, &id).await?;
                client.edit(peer, of, &text).await
            }
            Order::Delete { id } => {
                let of = ids::resolve(client, peer, &id).await?;
                client.delete_for_everyone(peer, of).await
            }
            Order::Timer { seconds } => client.set_timer(peer, seconds).await,
            Order::Ids => bail!("/ids sends nothing"),
        })
    }

    /// Prints the newest messages with their ids.
    async fn ids(&mut self) -> anyhow::Result<()> {
        let page = History {
            limit: IDS_SHOWN,
            before: None,
        };
        for message in self.client.history(&self.peer, page).await? {
            self.output.history(&message, true)?;
        }
        Ok(())
    }

    async fn happened(&mut self, event: Event) -> anyhow::Result<()> {
        let ours = match &event {
            Event::Receipt(receipt) => self.step(receipt.id, receipt.state, None)?,
            Event::Failed { id, code, .. } => {
                self.step(*id, MessageState::Failed, Some(refusal(*code)))?
            }
            Event::Offline {
                cause,
                retry_at: None,
            } => bail!(over(cause)),
            _ => false,
        };
        if ours {
            return Ok(());
        }
        if matches!(event, Event::GroupChanged(_)) {
            self.output.learn_groups(&self.client).await?;
        }
        self.output.event(&event)?;
        if let Event::Message(message) = event
            && message.direction == Direction::Incoming
            && message.peer == self.peer
        {
            self.client.mark_read(&message.peer, message.id).await?;
        }
        Ok(())
    }

    /// Prints a step of a message that was sent here; returns whether it was one.
    fn step(
        &mut self,
        id: MessageId,
        state: MessageState,
        refusal: Option<String>,
    ) -> io::Result<bool> {
        let Some((text, last)) = self.texts.get_mut(&id) else {
            return Ok(false);
        };
        if *last == MessageState::Pending {
            self.unsent -= 1;
        }
        *last = state;
        self.refused += usize::from(state == MessageState::Failed);
        self.output.step(text, state, refusal.as_deref())?;
        if state.is_final() {
            self.texts.remove(&id);
        }
        Ok(true)
    }
}

fn settled_by() -> Instant {
    Instant::now() + SETTLE_MAX
}

/// The lines of standard input, read on a thread of its own because reading them blocks. The
/// thread ends with the input or with the process.
fn lines() -> io::Result<mpsc::Receiver<io::Result<String>>> {
    let (sender, receiver) = mpsc::channel(LINES_AHEAD);
    let forward = move || {
        for line in io::stdin().lines() {
            let failed = line.is_err();
            if sender.blocking_send(line).is_err() || failed {
                break;
            }
        }
    };
    thread::Builder::new()
        .name("martlet-input".to_owned())
        .spawn(forward)?;
    Ok(receiver)
}
