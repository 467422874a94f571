//! What a chat knows: the conversation, the connection, and what is being typed.

use martlet_client::{
    Change, Direction, Event, Message, MessageId, MessageState, Millis, Reaction,
};

use super::activity::Activity;
use super::input::Editor;
use crate::output::{GroupNames, Zone, is_group, refusal, security, update, words};

/// The whole state of the screen; [`layout`](super::layout) turns it into rows.
#[derive(Debug)]
pub(crate) struct Model {
    /// The other side's name, as the client knows it.
    pub(crate) peer: String,
    /// What the groups of this account are called.
    pub(crate) groups: GroupNames,
    /// What is shown, oldest first.
    pub(crate) entries: Vec<Entry>,
    /// This account's name.
    me: String,
    /// Whether the other side's key was verified; `None` while that is not known.
    pub(crate) verified: Option<bool>,
    /// What the others do right now.
    activity: Activity,
    /// The connection to the server.
    pub(crate) link: Link,
    /// What is being typed.
    pub(crate) editor: Editor,
    /// How many rows the newest one lies below the screen.
    pub(crate) scrolled_rows: usize,
    /// Whether the ids of messages are shown.
    pub(crate) shows_ids: bool,
}

/// One thing on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A message of the conversation.
    Said(Said),
    /// Something to know that nobody said.
    Notice(String),
    /// The same, about keys.
    Warning(String),
}

/// A message of the conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) id: MessageId,
    pub(crate) direction: Direction,
    /// Who wrote it.
    pub(crate) author: String,
    pub(crate) text: String,
    /// What it answers.
    pub(crate) quote: Option<String>,
    pub(crate) edited: bool,
    pub(crate) reactions: Vec<Reaction>,
    pub(crate) at: Millis,
    pub(crate) state: MessageState,
    /// Why the server refused it.
    pub(crate) refusal: Option<String>,
}

/// The connection as a person should see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Connecting,
    Online,
    Offline {
        cause: String,
        /// When the next attempt is made; `None` when none will be.
        retry_at: Option<Millis>,
    },
}

impl Model {
    /// The conversation so far, oldest first.
    pub(crate) fn new(me: String, peer: String, history: Vec<Message>) -> Self {
        let entries = history
            .into_iter()
            .map(|message| Entry::Said(message.into()))
            .collect();
        let (link, editor) = (Link::Connecting, Editor::default());
        Self {
            peer,
            groups: GroupNames::default(),
            activity: Activity::default(),
            me,
            verified: None,
            entries,
            link,
            editor,
            scrolled_rows: 0,
            shows_ids: false,
        }
    }

    /// Who writes right now, and in a conversation of two else whether the other side is there.
    pub(crate) fn activity(&self, zone: &Zone) -> Option<String> {
        self.activity.words(is_group(&self.peer), zone)
    }

    /// What a person calls the other side.
    pub(crate) fn title(&self) -> String {
        self.groups.shown(&self.peer)
    }

    /// The newest message of the other side that is shown: up to it everything is read.
    pub(crate) fn newest_incoming(&self) -> Option<MessageId> {
        let incoming = |said: &&Said| said.direction == Direction::Incoming;
        self.said().rev().find(incoming).map(|said| said.id)
    }

    /// An own message was just written; perhaps it answers another one.
    pub(crate) fn sent(
        &mut self,
        id: MessageId,
        (text, quote): (String, Option<String>),
        at: Millis,
    ) {
        let (direction, state) = (Direction::Outgoing, MessageState::Pending);
        self.entries.push(Entry::Said(Said {
            id,
            direction,
            author: self.me.clone(),
            text,
            quote,
            edited: false,
            reactions: Vec::new(),
            at,
            state,
            refusal: None,
        }));
        self.scrolled_rows = 0;
    }

    /// What a message of the conversation says.
    pub(crate) fn text_of(&self, id: MessageId) -> Option<&str> {
        let said = self.said().find(|said| said.id == id);
        said.map(|said| said.text.as_str())
    }

    /// The messages that are shown, newest last.
    pub(crate) fn ids(&self) -> impl Iterator<Item = MessageId> {
        self.said().map(|said| said.id)
    }

    /// The person has put an emoji to a message, or taken it back.
    pub(crate) fn reacted(&mut self, id: MessageId, emoji: String) {
        let (by, author) = (Direction::Outgoing, self.me.clone());
        if let Some(said) = self.said_mut(id) {
            said.reactions.retain(|reaction| reaction.by != by);
            if !emoji.is_empty() {
                said.reactions.push(Reaction { by, author, emoji });
            }
        }
    }

    /// A message is not what it was.
    pub(crate) fn changed(&mut self, id: MessageId, change: Change) {
        if change == Change::Expired {
            let is_it = |entry: &Entry| matches!(entry, Entry::Said(said) if said.id == id);
            self.entries.retain(|entry| !is_it(entry));
            return;
        }
        let Some(said) = self.said_mut(id) else {
            return;
        };
        match change {
            Change::Edited { text } => {
                said.text = text;
                said.edited = true;
            }
            Change::Restored(message) => *said = (*message).into(),
            Change::Reactions(reactions) => said.reactions = reactions,
            Change::Deleted => {
                said.text = "[deleted]".to_owned();
                said.quote = None;
                said.edited = false;
                said.reactions.clear();
            }
            _ => {}
        }
    }

    /// Shows a line that nobody said.
    pub(crate) fn notice(&mut self, line: String) {
        self.entries.push(Entry::Notice(line));
    }

    /// Something happened. Returns the message that the person has now seen, if it was one.
    pub(crate) fn apply(&mut self, event: Event) -> Option<MessageId> {
        match event {
            Event::Message(message) if message.peer == self.peer => return self.arrived(message),
            Event::Message(message) if message.direction == Direction::Incoming => {
                // Taken from the stream, so no other command will announce it; it stays unread.
                let place = match message.group {
                    Some(_) => format!(" in {}", self.groups.shown(&message.peer)),
                    None => String::new(),
                };
                let (author, words) = (&message.author, words(&message));
                self.notice(format!("{author} wrote{place}: {words}"));
            }
            Event::Changed { id, peer, change } if peer == self.peer => self.changed(id, change),
            Event::Receipt(receipt) => self.advance(receipt.id, receipt.state, None),
            Event::Failed { id, code, .. } => {
                self.advance(id, MessageState::Failed, Some(refusal(code)));
            }
            Event::Gap { reason, .. } => {
                self.notice(format!("something is missing here for good ({reason})"));
            }
            Event::GroupGap { peer, reason, .. } if peer == self.peer => {
                self.notice(format!("something is missing here for good ({reason})"));
            }
            Event::GroupChanged(change) => {
                let line = update(&change, &self.me, &self.groups);
                self.notice(line);
            }
            Event::Security(notice) => {
                let line = security(&notice, &self.me, &self.groups);
                self.entries.push(Entry::Warning(line));
            }
            Event::Presence {
                peer,
                state,
                last_seen,
            } if peer == self.peer => self.activity.there(state, last_seen),
            Event::Typing { peer, by, kind } if peer == self.peer => self.activity.does(by, kind),
            Event::Online { .. } => self.link = Link::Online,
            Event::Offline { cause, retry_at } => {
                // Nothing is known of others without a connection.
                self.activity = Activity::default();
                self.link = Link::Offline {
                    cause: cause.to_string(),
                    retry_at,
                };
            }
            _ => {}
        }
        None
    }

    fn arrived(&mut self, message: Message) -> Option<MessageId> {
        let seen = (message.direction == Direction::Incoming).then_some(message.id);
        // History may have been read after the message was stored and before it was announced.
        if !self.said().any(|said| said.id == message.id) {
            self.entries.push(Entry::Said(message.into()));
        }
        seen
    }

    fn advance(&mut self, id: MessageId, state: MessageState, refusal: Option<String>) {
        let said = self.said_mut(id);
        // Receipts that waited for this run may be older than the history it has read.
        if let Some(said) = said.filter(|said| said.state.may_become(state)) {
            said.state = state;
            said.refusal = refusal;
        }
    }

    fn said_mut(&mut self, id: MessageId) -> Option<&mut Said> {
        self.entries.iter_mut().rev().find_map(|entry| match entry {
            Entry::Said(said) if said.id == id => Some(said),
            _ => None,
        })
    }

    fn said(&self) -> impl DoubleEndedIterator<Item = &Said> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Said(said) => Some(said),
            Entry::Notice(_) | Entry::Warning(_) => None,
        })
    }
}

impl From<Message> for Said {
    fn from(message: Message) -> Self {
        Self {
            id: message.id,
            direction: message.direction,
            text: words(&message),
            author: message.author,
            quote: message.reply_to.map(|quote| quote.text),
            edited: message.edited,
            reactions: message.reactions,
            at: message.at,
            state: message.state,
            refusal: message.refusal.map(refusal),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::output::tests::{group, message as any_message};
    use martlet_client::{Body, NackCode, Quote, Receipt, SecurityKind, SecurityNotice};

    /// A message of or to bob; its id is made of `number`.
    pub(crate) fn message(number: u8, direction: Direction, text: &str) -> Message {
        Message {
            id: MessageId([number; 16]),
            at: Millis(1_790_000_000_000 + u64::from(number) * 60_000),
            ..any_message(direction, Body::Text(text.to_owned()))
        }
    }

    #[test]
    fn changes_are_seen_at_the_message_that_they_are_about() {
        let mut answer = message(2, Direction::Outgoing, "Yes");
        answer.reply_to = Some(Quote {
            id: MessageId([1; 16]),
            by: Direction::Incoming,
            author: "bob".to_owned(),
            text: "Are you there?".to_owned(),
        });
        let question = message(1, Direction::Incoming, "Are you there?");
        let history = vec![question, answer.clone()];
        let mut model = Model::new("alice".to_owned(), "bob".to_owned(), history);
        let (one, two) = (MessageId([1; 16]), MessageId([2; 16]));
        let quotes: Vec<_> = model.said().map(|said| said.quote.clone()).collect();
        assert_eq!(quotes, [None, Some("Are you there?".to_owned())]);
        let change = |id, change| Event::Changed {
            id,
            peer: "bob".to_owned(),
            change,
        };
        let text = "Are you here?".to_owned();
        model.apply(change(one, Change::Edited { text }));
        assert_eq!(model.text_of(one), Some("Are you here?"));
        for emoji in ["👍", "🎉", ""] {
            model.reacted(one, emoji.to_owned());
            let said = model.said().next().unwrap();
            assert_eq!(said.reactions.len(), usize::from(!emoji.is_empty()));
        }
        model.apply(change(two, Change::Deleted));
        assert_eq!(model.text_of(two), Some("[deleted]"));
        model.apply(change(two, Change::Restored(Box::new(answer))));
        let quotes: Vec<_> = model.said().map(|said| said.quote.clone()).collect();
        assert_eq!(quotes, [None, Some("Are you there?".to_owned())]);
        model.apply(change(two, Change::Expired));
        assert_eq!(model.ids().collect::<Vec<_>>(), [one]);
    }

    fn receipt(number: u8, state: MessageState) -> Event {
        let (id, by) = (MessageId([number; 16]), "bob".to_owned());
        Event::Receipt(Receipt {
            id,
            state,
            by,
            at: Millis(0),
        })
    }

    fn state(model: &Model, number: u8) -> MessageState {
        model
            .said()
            .find(|said| said.id.0[0] == number)
            .unwrap()
            .state
    }

    #[test]
    fn ticks_change_in_place_and_never_go_back() {
        let mut model = Model::new("alice".to_owned(), "bob".to_owned(), Vec::new());
        model.sent(MessageId([1; 16]), ("hi".to_owned(), None), Millis(0));
        model.sent(MessageId([2; 16]), ("there".to_owned(), None), Millis(0));
        for (reached, shown) in [
            (MessageState::Sent, MessageState::Sent),
            (MessageState::Read, MessageState::Read),
            (MessageState::Delivered, MessageState::Read),
        ] {
            model.apply(receipt(1, reached));
            assert_eq!(state(&model, 1), shown);
        }
        assert_eq!(state(&model, 2), MessageState::Pending);
        assert_eq!(model.entries.len(), 2);
    }

    #[test]
    fn what_history_has_shown_already_is_not_shown_twice() {
        let first = message(1, Direction::Incoming, "hi");
        let mut model = Model::new("alice".to_owned(), "bob".to_owned(), vec![first.clone()]);
        assert_eq!(model.apply(Event::Message(first.clone())), Some(first.id));
        assert_eq!(model.entries.len(), 1);
    }

    #[test]
    fn only_messages_of_this_conversation_count_as_seen() {
        let mut model = Model::new("alice".to_owned(), "bob".to_owned(), Vec::new());
        let mut other = message(1, Direction::Incoming, "psst");
        other.peer = "carol".to_owned();
        other.author = "carol".to_owned();
        assert_eq!(model.apply(Event::Message(other)), None);
        assert_eq!(
            model.entries,
            [Entry::Notice("carol wrote: psst".to_owned())]
        );
        let mut in_group = message(4, Direction::Incoming, "psst");
        let told = group(7, Some("climbing"));
        in_group.peer = told.peer.clone();
        in_group.group = Some(told.id);
        model.groups = GroupNames::of_all(&[told]);
        assert_eq!(model.apply(Event::Message(in_group)), None);
        assert_eq!(
            model.entries.pop(),
            Some(Entry::Notice("bob wrote in #climbing: psst".to_owned()))
        );
        let own = message(2, Direction::Outgoing, "from my telephone");
        assert_eq!(model.apply(Event::Message(own)), None);
        assert_eq!(model.newest_incoming(), None);
        let incoming = message(3, Direction::Incoming, "hi");
        assert_eq!(
            model.apply(Event::Message(incoming)),
            Some(MessageId([3; 16]))
        );
        assert_eq!(model.newest_incoming(), Some(MessageId([3; 16])));
    }

    #[test]
    fn a_refused_message_says_why() {
        let mut model = Model::new("alice".to_owned(), "bob".to_owned(), Vec::new());
        let id = MessageId([1; 16]);
        model.sent(id, ("hi".to_owned(), None), Millis(0));
        let (to, code) = ("bob".to_owned(), NackCode::UNKNOWN_RECIPIENT);
        model.apply(Event::Failed { id, to, code });
        assert_eq!(state(&model, 1), MessageState::Failed);
        assert!(
            model
                .said()
                .next()
                .unwrap()
                .refusal
                .as_ref()
                .unwrap()
                .contains("nobody")
        );
    }
    #[test]
    fn a_security_notice_is_shown_as_a_warning() {
        let mut model = Model::new("alice".to_owned(), "bob".to_owned(), Vec::new());
        model.apply(Event::Security(SecurityNotice {
            peer: "bob".to_owned(),
            device: None,
            group: None,
            kind: SecurityKind::IdentityChanged,
        }));
        let [Entry::Warning(line)] = &model.entries[..] else {
            panic!("{:?}", model.entries)
        };
        assert!(line.starts_with("bob has a new key"), "{line}");
    }
}
