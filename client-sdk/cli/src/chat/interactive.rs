//! A chat on a terminal: keys and events in, screens out.

use std::future::pending;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crossterm::event::Event as Key;
use martlet_client::{Client, Event, History, Identity, MessageId, Millis, SendOptions};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::input::Action;
use super::layout;
use super::model::Model;
use super::terminal::{Terminal, input};
use crate::output::{Zone, not_taken};

/// How long changes are collected before they are painted: too short to notice, and a backlog of
/// a thousand messages is painted a few times instead of a thousand.
const PAINT_DELAY: Duration = Duration::from_millis(10);

/// How much of the conversation is there to scroll through.
const HISTORY: usize = 500;

pub(super) async fn run(client: Client, identity: Identity, peer: String) -> anyhow::Result<()> {
    let page = History {
        limit: HISTORY,
        before: None,
    };
    let history = client.history(&peer, page).await?;
    let mut model = Model::new(identity.handle.clone(), peer, history);
    model.notice(format!("you are {}; /quit leaves", identity.handle));
    let seen = model.newest_incoming();
    let (zone, terminal) = (Zone::system(), Terminal::take_over()?);
    let mut chat = Chat {
        client,
        model,
        zone,
        terminal,
        seen,
        check: None,
    };
    chat.check_verified();
    chat.talk().await
}

struct Chat {
    client: Client,
    model: Model,
    zone: Zone,
    terminal: Terminal,
    /// The newest message that came into view and is not yet marked read.
    seen: Option<MessageId>,
    /// Finds out whether the other side was verified; the server may have to be asked.
    check: Option<JoinHandle<Option<bool>>>,
}

impl Chat {
    async fn talk(&mut self) -> anyhow::Result<()> {
        let mut keys = input()?;
        let mut paint_at = Some(Instant::now());
        loop {
            let due = paint_at.unwrap_or_else(Instant::now);
            tokio::select! {
                biased;
                () = sleep_until(due), if paint_at.is_some() => {
                    paint_at = None;
                    self.paint().await?;
                    continue;
                }
                key = keys.recv() => match key {
                    Some(key) => if !self.key(key).await? { return Ok(()) },
                    // The terminal is gone.
                    None => return Ok(()),
                },
                event = self.client.next_event() => self.happened(event?),
                verified = checked(&mut self.check) => {
                    self.check = None;
                    self.model.verified = verified;
                }
            }
            paint_at.get_or_insert_with(|| Instant::now() + PAINT_DELAY);
        }
    }

    fn happened(&mut self, event: Event) {
        let may_be_known = match &event {
            Event::Security(notice) => notice.peer == self.model.peer,
            // The keys come with the first message, or with the connection.
            Event::Receipt(_) | Event::Message(_) | Event::Online { .. } => {
                self.model.verified.is_none()
            }
            _ => false,
        };
        if may_be_known {
            self.check_verified();
        }
        self.seen = self.model.apply(event).or(self.seen);
    }

    /// Asks without waiting: the answer comes to `talk`.
    fn check_verified(&mut self) {
        let (client, peer) = (self.client.clone(), self.model.peer.clone());
        let check = async move { client.is_verified(&peer).await.ok() };
        if let Some(earlier) = self.check.replace(tokio::spawn(check)) {
            earlier.abort();
        }
    }

    /// Shows the model. What is in view now was seen.
    async fn paint(&mut self) -> anyhow::Result<()> {
        let screen = layout::render(&mut self.model, Terminal::size()?, &self.zone);
        self.terminal.show(screen)?;
        if let Some(id) = self.seen.filter(|_| self.model.scrolled_rows == 0) {
            self.client.mark_read(&self.model.peer, id).await?;
            self.seen = None;
        }
        Ok(())
    }

    /// Returns whether the chat goes on.
    async fn key(&mut self, key: Key) -> anyhow::Result<bool> {
        let action = match key {
            Key::Key(key) => self.model.editor.key(key),
            Key::Paste(text) => {
                self.model.editor.paste(&text);
                Action::Edit
            }
            Key::Resize(..) => {
                self.terminal.forget();
                Action::Edit
            }
            _ => Action::Edit,
        };
        match action {
            Action::Edit => {}
            Action::Quit => return Ok(false),
            Action::Submit(text) => self.send(text).await,
            Action::PageUp => self.model.scrolled_rows += page()?,
            Action::PageDown => {
                self.model.scrolled_rows = self.model.scrolled_rows.saturating_sub(page()?);
            }
        }
        Ok(true)
    }

    async fn send(&mut self, text: String) {
        match self
            .client
            .send(&self.model.peer, &text, SendOptions::default())
            .await
        {
            Ok(id) => self.model.sent(id, text, now()),
            Err(error) => {
                // Given back to be mended.
                self.model.editor.paste(&text);
                self.model.notice(not_taken(&error, &self.model.peer));
            }
        }
    }
}

/// Waits for the check that is under way, if there is one.
async fn checked(check: &mut Option<JoinHandle<Option<bool>>>) -> Option<bool> {
    match check {
        Some(check) => check.await.ok().flatten(),
        None => pending().await,
    }
}

/// The rows that a page turns: all but the frame and one row to hold on to.
fn page() -> anyhow::Result<usize> {
    Ok(Terminal::size()?.rows.saturating_sub(4).max(1))
}

/// What this machine's clock says, until the server's time of the message is known.
fn now() -> Millis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
