//! What people do with messages in a lab, and how all of them see it.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test binary uses its part; all are tests"
)]

use martlet_client::content::{Content, MessageName};
use martlet_client::engine::Post;
use martlet_client::local::{Outgoing, Queued};
use martlet_client::{Change, Event, Message, MessageId};
use martlet_protocol::{Address, Timestamp};

use crate::lab::Lab;

pub(crate) fn edit(of: MessageId, text: &str) -> Post {
    let text = text.to_owned();
    Post::Edit { of, text }
}

pub(crate) fn react(to: MessageId, emoji: &str) -> Post {
    let emoji = emoji.to_owned();
    Post::React { to, emoji }
}

/// Says it, and lets it arrive.
pub(crate) fn post(lab: &mut Lab, who: usize, to: &str, what: Post) -> MessageId {
    let id = lab.post(who, to, what).unwrap();
    lab.settle();
    id
}

/// The message as each of these sees it: the same for all, but for the side.
pub(crate) fn seen(lab: &mut Lab, id: MessageId, by: &[usize]) -> Message {
    let mut all = by
        .iter()
        .map(|who| lab.engine(*who).message(id).unwrap().unwrap());
    let first = all.next().unwrap();
    for other in all {
        assert_eq!(other.body, first.body);
        assert_eq!(other.edited, first.edited);
        let emoji = |message: &Message| {
            let mut emoji: Vec<_> = message
                .reactions
                .iter()
                .map(|it| it.emoji.clone())
                .collect();
            emoji.sort();
            emoji
        };
        assert_eq!(emoji(&other), emoji(&first));
    }
    first
}

/// What the application was told of changes.
pub(crate) fn changes(lab: &mut Lab, who: usize) -> Vec<(MessageId, Change)> {
    let events = lab.peers[who].take().into_iter();
    let changes = events.filter_map(|event| match event {
        Event::Changed { id, change, .. } => Some((id, change)),
        _ => None,
    });
    changes.collect()
}

pub(crate) fn text(text: &str) -> Change {
    let text = text.to_owned();
    Change::Edited { text }
}

/// A client that follows no rule sends these contents as they are.
pub(crate) fn smuggle(lab: &mut Lab, who: usize, to: &str, content: &Content) -> MessageId {
    let (id, device) = (MessageId::new(lab.now, [0xee; 10]), lab.device(who));
    let written_at = lab.now;
    lab.tamper(who, |tx| {
        let contact = tx.contact_of_handle(to).unwrap();
        tx.insert_outgoing(&Outgoing {
            id,
            contact: contact.id,
            device,
            written_at,
            content,
            target: None,
            life_s: 0,
            is_to_group: false,
        })
        .unwrap();
        tx.queue(&Queued {
            id,
            contact: contact.id,
            after: Timestamp(0),
            ttl_ms: 0,
            control: None,
        })
        .unwrap();
    });
    lab.settle();
    id
}

pub(crate) fn name(id: MessageId, author: Address) -> MessageName {
    MessageName { id, author }
}
