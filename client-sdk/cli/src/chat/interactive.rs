//! A chat on a terminal: keys and events in, screens out.

use std::future::pending;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crossterm::event::Event as Key;
use martlet_client::{
    Change, Client, ClientError, Event, History, Identity, MessageId, Millis, PeopleError,
    SendOptions, Typing,
};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::input::Action;
use super::layout;
use super::model::Model;
use super::orders::{self, Order};
use super::terminal::{Terminal, input};
use crate::ids;
use crate::output::{GroupNames, Zone, is_group, life, not_taken};

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
    model.groups = GroupNames::of_all(&client.groups().await?);
    model.notice(format!(
        "you are {}; /quit leaves, /ids shows what /reply, /react, /edit and /delete need",
        identity.handle
    ));
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
    chat.show_up().await?;
    let talked = chat.talk().await;
    // The others see at once that nobody is here any more.
    chat.leave().await;
    talked
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
                event = self.client.next_event() => self.happened(event?).await?,
                verified = checked(&mut self.check) => {
                    self.check = None;
                    self.model.verified = verified;
                }
            }
            paint_at.get_or_insert_with(|| Instant::now() + PAINT_DELAY);
        }
    }

    /// The person is here, and wants to know whether the other side is.
    async fn show_up(&self) -> anyhow::Result<()> {
        self.client.set_active(true).await?;
        if !is_group(&self.model.peer) {
            // Of a name that nobody has nothing is known: the first message will say so.
            match self.client.watch(&self.model.peer).await {
                Ok(()) | Err(PeopleError::Client(ClientError::NoAnswer)) => {}
                Err(PeopleError::Client(ClientError::UnknownPeer)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn leave(&self) {
        // The client may have ended for a reason that is told already.
        let _stopped = self.typing(Typing::Stopped).await;
        let _left = self.client.set_active(false).await;
    }

    /// Tells the others whether the person writes.
    async fn typing(&self, kind: Typing) -> Result<(), PeopleError> {
        match self.client.typing(&self.model.peer, kind).await {
            // Nobody can be told.
            Err(PeopleError::Client(ClientError::UnknownPeer)) => Ok(()),
            told => told,
        }
    }

    async fn happened(&mut self, event: Event) -> anyhow::Result<()> {
        if matches!(event, Event::GroupChanged(_)) {
            self.model.groups = GroupNames::of_all(&self.client.groups().await?);
        }
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
        Ok(())
    }

    /// Asks without waiting: the answer comes to `talk`.
    fn check_verified(&mut self) {
        // In a group each member would have to be.
        if is_group(&self.model.peer) {
            return;
        }
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
            Action::Edit => {
                let editor = &self.model.editor;
                let kind = if editor.is_empty() || editor.is_order() {
                    Typing::Stopped
                } else {
                    Typing::Typing
                };
                self.typing(kind).await?;
            }
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
        let done = match orders::parse(&text) {
            None => self.say(&text, None).await,
            Some(Ok(order)) => self.obey(order).await,
            Some(Err(usage)) => Err(usage),
        };
        if let Err(reason) = done {
            // Given back to be mended.
            self.model.editor.paste(&text);
            self.model.notice(reason);
        }
    }

    /// Sends a text, perhaps as an answer.
    async fn say(&mut self, text: &str, to: Option<MessageId>) -> Result<(), String> {
        let (peer, options) = (&self.model.peer, SendOptions::default());
        let sent = match to {
            Some(to) => self.client.reply(peer, to, text, options).await,
            None => self.client.send(peer, text, options).await,
        };
        let id = sent.map_err(|error| not_taken(&error, &self.model.title()))?;
        let quote = to.and_then(|to| self.model.text_of(to));
        let quote = quote.map(str::to_owned);
        self.model.sent(id, (text.to_owned(), quote), now());
        Ok(())
    }

    /// Does what a line asks for; what it changes is seen at once.
    async fn obey(&mut self, order: Order) -> Result<(), String> {
        let find = |id: &str| ids::find(self.model.ids(), id);
        let peer = &self.model.peer;
        let title = self.model.title();
        let failed = |error| not_taken(&error, &title);
        match order {
            Order::Reply { id, text } => {
                let to = find(&id)?;
                self.say(&text, Some(to)).await?;
            }
            Order::React { id, emoji } => {
                let to = find(&id)?;
                self.client.react(peer, to, &emoji).await.map_err(failed)?;
                self.model.reacted(to, emoji);
            }
            Order::Edit { id, text } => {
                let of = find(&id)?;
                self.client.edit(peer, of, &text).await.map_err(failed)?;
                self.model.changed(of, Change::Edited { text });
            }
            Order::Delete { id } => {
                let of = find(&id)?;
                let deleted = self.client.delete_for_everyone(peer, of).await;
                deleted.map_err(failed)?;
                self.model.changed(of, Change::Deleted);
            }
            Order::Timer { seconds } => {
                let set = self.client.set_timer(peer, seconds).await;
                set.map_err(failed)?;
                self.model.notice(match seconds {
                    0 => "from here on messages stay".to_owned(),
                    seconds => format!(
                        "from here on messages disappear {} after they were read",
                        life(seconds)
                    ),
                });
            }
            Order::Ids => self.model.shows_ids = !self.model.shows_ids,
        }
        Ok(())
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
