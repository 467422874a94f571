//! What a message says, in words: also a contact, a place, and what was deleted.

use std::fmt::Write;
use std::time::Duration;

use martlet_client::{Body, Direction, Location, Message, Reaction};

/// Units of a place's coordinates in a degree.
const UNITS: f64 = 1e7;

/// What the message says.
pub(crate) fn words(message: &Message) -> String {
    match &message.body {
        Body::Contact(card) if card.name.is_empty() => format!("[contact] {}", card.handle),
        Body::Contact(card) => format!("[contact] {} ({})", card.name, card.handle),
        Body::Location(place) => location(place),
        Body::Timer { seconds: 0 } => "[from here on messages stay]".to_owned(),
        Body::Timer { seconds } => {
            let life = life(*seconds);
            format!("[from here on messages disappear {life} after they were read]")
        }
        _ => message.text().to_owned(),
    }
}

/// A life as people write it.
pub(crate) fn life(seconds: u32) -> String {
    humantime::format_duration(Duration::from_secs(seconds.into())).to_string()
}

/// Whose reactions these are.
pub(crate) fn reactions(reactions: &[Reaction], me: &str) -> String {
    let each = reactions.iter().map(|reaction| {
        let by = match reaction.by {
            Direction::Incoming => &reaction.author,
            Direction::Outgoing => me,
        };
        format!("{} {by}", reaction.emoji)
    });
    each.collect::<Vec<_>>().join(", ")
}

fn location(place: &Location) -> String {
    let (latitude, longitude) = (f64::from(place.latitude), f64::from(place.longitude));
    let mut words = format!(
        "[location] {:.5}, {:.5} (within {} m)",
        latitude / UNITS,
        longitude / UNITS,
        place.accuracy_m
    );
    if !place.label.is_empty() {
        // Writing to a string does not fail.
        let _ = write!(words, " {}", place.label);
    }
    words
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use martlet_client::{
        ContactCard, DeviceId, Group, GroupId, GroupRights, Member, MessageId, MessageState,
        Millis, Right, Role, UserId, group_peer,
    };

    /// A group of bob, who owns it, and alice.
    pub(crate) fn group(id: u64, name: Option<&str>) -> Group {
        let member = |user, handle: &str, role| Member {
            user: UserId(user),
            handle: handle.to_owned(),
            role,
        };
        Group {
            id: GroupId(id),
            peer: group_peer(GroupId(id)),
            name: name.map(str::to_owned),
            picture: Vec::new(),
            role: Role::MEMBER,
            rights: GroupRights {
                add: Right::ADMINS,
                send: Right::MEMBERS,
                change: Right::ADMINS,
            },
            version: 1,
            members: vec![
                member(1, "alice", Role::MEMBER),
                member(2, "bob", Role::OWNER),
            ],
        }
    }

    /// A message to or from bob.
    pub(crate) fn message(direction: Direction, body: Body) -> Message {
        Message {
            id: MessageId([1; 16]),
            direction,
            peer: "bob".to_owned(),
            group: None,
            author: match direction {
                Direction::Incoming => "bob",
                Direction::Outgoing => "alice",
            }
            .to_owned(),
            device: DeviceId(1),
            body,
            reply_to: None,
            edited: false,
            reactions: Vec::new(),
            expires_at: None,
            state: MessageState::Delivered,
            at: Millis(0),
            changed_at: Millis(0),
            refusal: None,
            is_request: false,
        }
    }

    #[test]
    fn whatever_is_no_text_has_words() {
        let say = |body| words(&message(Direction::Incoming, body));
        let mut card = ContactCard {
            user: UserId(7),
            handle: "carol".to_owned(),
            name: "Carol from work".to_owned(),
        };
        let named = say(Body::Contact(card.clone()));
        assert_eq!(named, "[contact] Carol from work (carol)");
        card.name.clear();
        assert_eq!(say(Body::Contact(card)), "[contact] carol");
        let place = Location {
            latitude: 524_970_000,
            longitude: -132_410_000,
            accuracy_m: 12,
            label: "Teufelsberg".to_owned(),
        };
        let place = say(Body::Location(place));
        assert_eq!(
            place,
            "[location] 52.49700, -13.24100 (within 12 m) Teufelsberg"
        );
        let timer = say(Body::Timer { seconds: 86_400 });
        assert_eq!(
            timer,
            "[from here on messages disappear 1day after they were read]"
        );
        assert_eq!(say(Body::Deleted), "[deleted]");
    }

    #[test]
    fn a_reaction_says_whose_it_is() {
        let reaction = |by, emoji: &str| Reaction {
            by,
            author: "bob".to_owned(),
            emoji: emoji.to_owned(),
        };
        let both = [
            reaction(Direction::Incoming, "👍"),
            reaction(Direction::Outgoing, "🎉"),
        ];
        assert_eq!(reactions(&both, "alice"), "👍 bob, 🎉 alice");
    }
}
