//! A chat without a terminal: each line of input is sent, what happens is printed line by line.

use std::collections::BTreeMap;
use std::future::pending;
use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use martlet_client::{Client, Direction, Event, Identity, MessageId, MessageState, SendOptions};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::output::{Format, Output, not_taken, refusal};
use crate::over::{is_over, over};

/// How long the server may take, after the input has ended, to take what it has not yet.
const SETTLE_MAX: Duration = Duration::from_secs(30);

/// Lines read ahead of what is sent.
const LINES_AHEAD: usize = 64;

pub(super) async fn run(client: Client, identity: Identity, peer: String) -> anyhow::Result<()> {
    if let Some(cause) = client.offline_cause().await?.filter(is_over) {
        bail!(over(&cause));
    }
    let output = Output::stdout(Format::Plain, &identity);
    let texts = BTreeMap::new();
    let mut chat = Chat {
        client,
        peer,
        output,
        texts,
        unsent: 0,
        refused: 0,
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
        Ok(())
    }

    async fn send(&mut self, text: String) -> anyhow::Result<()> {
        if text.trim().is_empty() {
            return Ok(());
        }
        let id = self
            .client
            .send(&self.peer, &text, SendOptions::default())
            .await
            .map_err(|error| anyhow!(not_taken(&error, &self.peer)))?;
        self.texts.insert(id, (text, MessageState::Pending));
        self.unsent += 1;
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
