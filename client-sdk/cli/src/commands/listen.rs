//! `listen`: what arrives, line by line.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use anyhow::bail;
use martlet_client::{Client, Direction, Event, Identity, MessageId};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::args::Listen;
use crate::output::{Format, Output};
use crate::over::{is_over, over};
use crate::stop::Stopped;
use crate::text;

/// How long messages are collected before their senders hear that they were read. One mark covers
/// everything before it, so a backlog needs few.
const READ_DELAY: Duration = Duration::from_millis(20);

/// How many messages wait for such a mark at most: a stream without a pause has none otherwise.
const UNMARKED_MAX: usize = 64;

/// How long the end waits until the server knows what was read.
const FLUSH_MAX: Duration = Duration::from_secs(2);

/// Listens until it has heard enough, its time is over, or `stopped` says so.
pub(super) async fn run(
    client: Client,
    identity: Identity,
    args: Listen,
    stopped: impl Future<Output = Stopped>,
) -> anyhow::Result<()> {
    let until = args
        .timeout
        .and_then(|timeout| Instant::now().checked_add(timeout));
    let end = async {
        match until {
            Some(until) => sleep_until(until).await,
            None => std::future::pending().await,
        }
    };
    let mut output = Output::stdout(Format::new(args.json), &identity);
    output.learn_groups(&client).await?;
    let unread = BTreeMap::new();
    let mut listener = Listener {
        client,
        args,
        output,
        unread,
        unmarked: 0,
        heard: 0,
    };
    let ended = tokio::select! {
        ended = listener.listen() => ended,
        () = end => Ok(()),
        _ = stopped => Ok(()),
    };
    // What was printed is read, however the listening ended.
    ended.and(listener.settle().await)
}

struct Listener<W> {
    client: Client,
    args: Listen,
    output: Output<W>,
    /// The newest printed message of each conversation whose sender does not know yet.
    unread: BTreeMap<String, MessageId>,
    /// How many messages those marks will cover, at most.
    unmarked: usize,
    /// Printed messages of others.
    heard: u64,
}

impl<W: Write> Listener<W> {
    async fn listen(&mut self) -> anyhow::Result<()> {
        let mut online = true;
        loop {
            let event = tokio::select! {
                biased;
                event = self.client.next_event() => event?,
                () = sleep(READ_DELAY), if !self.unread.is_empty() => {
                    self.mark_read().await?;
                    continue;
                }
            };
            if matches!(event, Event::GroupChanged(_)) {
                self.output.learn_groups(&self.client).await?;
            }
            self.output.event(&event)?;
            match event {
                Event::Message(message) if message.direction == Direction::Incoming => {
                    if !self.args.no_read {
                        self.unread.insert(message.peer, message.id);
                        self.unmarked += 1;
                    }
                    if self.unmarked >= UNMARKED_MAX {
                        self.mark_read().await?;
                    }
                    self.heard += 1;
                    if self.heard == self.args.count {
                        self.mark_read().await?;
                        self.client.flush().await?;
                        return Ok(());
                    }
                }
                Event::Online { server } if !online => {
                    online = true;
                    text::tell(&format!("connected to {server} again"));
                }
                Event::Offline {
                    cause,
                    retry_at: None,
                } => {
                    bail!(over(&cause));
                }
                // One line tells it; the attempts that follow would only repeat it. What is known
                // from an earlier run is told when this one has it from the server too.
                Event::Offline { cause, .. } if online && !is_over(&cause) => {
                    online = false;
                    text::tell(&format!("{cause}; trying again until it works"));
                }
                _ => {}
            }
        }
    }

    /// Marks what was printed read, and gives the server a moment to hear it. One that does not
    /// answer hears it from the next command that connects.
    async fn settle(&mut self) -> anyhow::Result<()> {
        self.mark_read().await?;
        if let Ok(flushed) = timeout(FLUSH_MAX, self.client.flush()).await {
            flushed?;
        }
        Ok(())
    }

    async fn mark_read(&mut self) -> anyhow::Result<()> {
        while let Some((peer, id)) = self.unread.first_key_value() {
            self.client.mark_read(peer, *id).await?;
            // Taken away only now: the deadline may drop this future while it waits.
            self.unread.pop_first();
        }
        self.unmarked = 0;
        Ok(())
    }
}
