//! Lines for programs: one JSON object each, times in milliseconds since the Unix epoch.

use martlet_client::{
    Body, Change, Device, Direction, Event, Message, MessageId, MessageState, Millis, Reaction,
    SafetyNumber, group_peer,
};
use serde::Serialize;

use super::groups;
use super::people::Known;

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line<'a> {
    Message {
        id: String,
        from: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<&'a str>,
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        group: Option<&'a str>,
        at: u64,
        #[serde(flatten)]
        more: Box<More<'a>>,
    },
    Changed {
        id: String,
        peer: &'a str,
        change: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reactions: Option<Vec<Reacted<'a>>>,
    },
    Receipt {
        id: String,
        state: &'a str,
        by: &'a str,
        at: u64,
    },
    Failed {
        id: String,
        to: &'a str,
        code: String,
    },
    Gap {
        from: u64,
        to: u64,
        reason: &'a str,
    },
    Seen {
        peer: &'a str,
        up_to: u64,
    },
    Typing {
        peer: &'a str,
        by: &'a str,
        kind: &'static str,
    },
    Relation {
        peer: &'a str,
        relation: &'static str,
    },
    Settings(Known),
    GroupGap {
        group: &'a str,
        from: u64,
        to: u64,
        reason: &'a str,
    },
    GroupRefused {
        group: &'a str,
        code: String,
    },
    Security {
        kind: &'a str,
        peer: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        group: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        device: Option<u16>,
    },
    CaughtUp {
        position: u64,
        trimmed: bool,
    },
}

/// What there is to a message beside its text; what is not there has no field.
#[derive(Serialize)]
struct More<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<Quoted<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contact: Option<Card<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<Place<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timer_s: Option<u32>,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    request: bool,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    edited: bool,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    deleted: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reactions: Vec<Reacted<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
}

#[derive(Serialize)]
struct Quoted<'a> {
    id: String,
    by: &'a str,
    text: &'a str,
}

#[derive(Serialize)]
struct Reacted<'a> {
    by: &'a str,
    emoji: &'a str,
}

#[derive(Serialize)]
struct Card<'a> {
    user: String,
    handle: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
struct Place<'a> {
    latitude: f64,
    longitude: f64,
    accuracy_m: u32,
    label: &'a str,
}

/// Units of a place's coordinates in a degree.
const UNITS: f64 = 1e7;

impl<'a> More<'a> {
    fn of(message: &'a Message, me: &'a str) -> Self {
        let quoted = message.reply_to.as_ref().map(|quote| Quoted {
            id: quote.id.to_string(),
            by: name(quote.by, me, &quote.author),
            text: &quote.text,
        });
        let mut more = Self {
            reply_to: quoted,
            contact: None,
            location: None,
            timer_s: None,
            request: message.is_request,
            edited: message.edited,
            deleted: message.body == Body::Deleted,
            reactions: reacted(&message.reactions, me),
            expires_at: message.expires_at.map(|at| at.0),
        };
        match &message.body {
            Body::Contact(card) => {
                more.contact = Some(Card {
                    user: card.user.to_string(),
                    handle: &card.handle,
                    name: &card.name,
                });
            }
            Body::Location(place) => {
                more.location = Some(Place {
                    latitude: f64::from(place.latitude) / UNITS,
                    longitude: f64::from(place.longitude) / UNITS,
                    accuracy_m: place.accuracy_m,
                    label: &place.label,
                });
            }
            Body::Timer { seconds } => more.timer_s = Some(*seconds),
            _ => {}
        }
        more
    }
}

const fn name<'a>(by: Direction, me: &'a str, author: &'a str) -> &'a str {
    match by {
        Direction::Incoming => author,
        Direction::Outgoing => me,
    }
}

fn reacted<'a>(reactions: &'a [Reaction], me: &'a str) -> Vec<Reacted<'a>> {
    let each = reactions.iter().map(|reaction| Reacted {
        by: name(reaction.by, me, &reaction.author),
        emoji: &reaction.emoji,
    });
    each.collect()
}

#[derive(Serialize)]
struct Listed<'a> {
    device: u16,
    name: Option<&'a str>,
    this: bool,
    account_key: bool,
}

#[derive(Serialize)]
struct Compared<'a> {
    peer: &'a str,
    number: &'a str,
    verified: bool,
}

#[derive(Serialize)]
struct State<'a> {
    id: String,
    state: &'a str,
    at: u64,
}

#[derive(Serialize)]
struct Said<'a> {
    id: String,
    from: &'a str,
    to: &'a str,
    text: &'a str,
    state: &'a str,
    at: u64,
    #[serde(flatten)]
    more: More<'a>,
}

pub(super) fn event(event: &Event, me: &str) -> Option<String> {
    let line = match event {
        Event::Message(message) => said(message, me),
        Event::Changed { id, peer, change } => changed(*id, peer, change, me)?,
        Event::Receipt(receipt) => Line::Receipt {
            id: receipt.id.to_string(),
            state: receipt.state.as_str(),
            by: &receipt.by,
            at: receipt.at.0,
        },
        Event::Failed { id, to, code } => Line::Failed {
            id: id.to_string(),
            to,
            code: code.name().to_ascii_lowercase(),
        },
        Event::Gap { from, to, reason } => Line::Gap {
            from: from.0,
            to: to.0,
            reason: reason.as_str(),
        },
        Event::Seen { peer, up_to } => Line::Seen {
            peer,
            up_to: up_to.0,
        },
        Event::Typing { peer, by, kind } => Line::Typing {
            peer,
            by,
            kind: kind.as_str(),
        },
        Event::RelationChanged { peer, relation } => Line::Relation {
            peer,
            relation: relation.as_str(),
        },
        Event::SettingsChanged(settings) => Line::Settings(settings.into()),
        Event::GroupGap {
            peer,
            from,
            to,
            reason,
            ..
        } => Line::GroupGap {
            group: peer,
            from: *from,
            to: *to,
            reason: reason.as_str(),
        },
        Event::GroupChanged(update) => return Some(groups::update_json(update)),
        Event::GroupRefused { peer, code, .. } => Line::GroupRefused {
            group: peer,
            code: code.name().to_ascii_lowercase(),
        },
        Event::Security(notice) => Line::Security {
            kind: notice.kind.as_str(),
            peer: &notice.peer,
            group: notice.group.map(group_peer),
            device: notice.device.map(|device| device.0),
        },
        Event::CaughtUp { position, trimmed } => Line::CaughtUp {
            position: position.0,
            trimmed: *trimmed,
        },
        _ => return None,
    };
    Some(render(&line))
}

fn said<'a>(message: &'a Message, me: &'a str) -> Line<'a> {
    let (from, to) = match message.direction {
        Direction::Incoming => (message.author.as_str(), None),
        Direction::Outgoing => (me, Some(message.peer.as_str())),
    };
    Line::Message {
        id: message.id.to_string(),
        from,
        to,
        text: message.text(),
        group: message.group.map(|_| message.peer.as_str()),
        at: message.at.0,
        more: Box::new(More::of(message, me)),
    }
}

fn changed<'a>(id: MessageId, peer: &'a str, change: &'a Change, me: &'a str) -> Option<Line<'a>> {
    let (change, text, reactions) = match change {
        Change::Edited { text } => ("edited", Some(text.as_str()), None),
        Change::Reactions(all) => ("reactions", None, Some(reacted(all, me))),
        Change::Deleted => ("deleted", None, None),
        Change::Restored(message) => ("restored", Some(message.text()), None),
        Change::Expired => ("expired", None, None),
        _ => return None,
    };
    Some(Line::Changed {
        id: id.to_string(),
        peer,
        change,
        text,
        reactions,
    })
}

pub(super) fn state(id: MessageId, state: MessageState, at: Millis) -> String {
    render(&State {
        id: id.to_string(),
        state: state.as_str(),
        at: at.0,
    })
}

pub(super) fn history(message: &Message, me: &str) -> String {
    let peer = message.peer.as_str();
    let (from, to) = match (message.direction, message.group) {
        (Direction::Incoming, None) => (peer, me),
        (Direction::Incoming, Some(_)) => (message.author.as_str(), peer),
        (Direction::Outgoing, _) => (me, peer),
    };
    render(&Said {
        id: message.id.to_string(),
        from,
        to,
        text: message.text(),
        state: message.state.as_str(),
        at: message.at.0,
        more: More::of(message, me),
    })
}

pub(super) fn device(device: &Device) -> String {
    render(&Listed {
        device: device.device.0,
        name: device.name.as_deref(),
        this: device.is_this,
        account_key: device.has_account_key,
    })
}

pub(super) fn safety_number(peer: &str, number: &SafetyNumber, verified: bool) -> String {
    render(&Compared {
        peer,
        number: number.digits(),
        verified,
    })
}

pub(super) fn render(line: &impl Serialize) -> String {
    serde_json::to_string(line).expect("strings, numbers and truth values are always valid JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::message as any_message;
    use martlet_client::{
        DeviceId, GapReason, Location, NackCode, Position, Quote, Receipt, SecurityKind,
        SecurityNotice,
    };

    const ID: &str = "01900000-1234-7fff-bfff-ffffffffffff";

    fn id() -> MessageId {
        MessageId::parse(ID).unwrap()
    }

    fn message(direction: Direction) -> Message {
        Message {
            id: id(),
            at: Millis(5),
            changed_at: Millis(6),
            ..any_message(direction, Body::Text("line\n\"two\"".to_owned()))
        }
    }

    #[test]
    fn what_else_there_is_to_a_message_has_its_field() {
        let mut reply = message(Direction::Outgoing);
        reply.reply_to = Some(Quote {
            id: id(),
            by: Direction::Incoming,
            author: "bob".to_owned(),
            text: "Are you there?".to_owned(),
        });
        reply.edited = true;
        reply.reactions = vec![Reaction {
            by: Direction::Incoming,
            author: "bob".to_owned(),
            emoji: "👍".to_owned(),
        }];
        reply.expires_at = Some(Millis(9));
        let line = history(&reply, "alice");
        let more = format!(
            r#""at":5,"reply_to":{{"id":"{ID}","by":"bob","text":"Are you there?"}},"edited":true,"#
        );
        assert!(line.contains(&more), "{line}");
        let end = r#""reactions":[{"by":"bob","emoji":"👍"}],"expires_at":9}"#;
        assert!(line.ends_with(end), "{line}");
        reply.body = Body::Location(Location {
            latitude: 524_970_000,
            longitude: -1,
            accuracy_m: 12,
            label: String::new(),
        });
        let line = history(&reply, "alice");
        let place =
            r#""location":{"latitude":52.497,"longitude":-1e-7,"accuracy_m":12,"label":""}"#;
        assert!(line.contains(place), "{line}");
        for (body, field) in [
            (Body::Timer { seconds: 60 }, r#""timer_s":60"#),
            (Body::Deleted, r#""deleted":true"#),
        ] {
            reply.body = body;
            assert!(history(&reply, "alice").contains(field), "{field}");
        }
    }

    #[test]
    fn a_change_says_what_has_become_of_a_message() {
        let line = |change| {
            let peer = "bob".to_owned();
            event(
                &Event::Changed {
                    id: id(),
                    peer,
                    change,
                },
                "alice",
            )
            .unwrap()
        };
        let start = format!(r#"{{"event":"changed","id":"{ID}","peer":"bob","change":"#);
        let text = "hello".to_owned();
        let edited = line(Change::Edited { text });
        assert_eq!(edited, format!(r#"{start}"edited","text":"hello"}}"#));
        let none = line(Change::Reactions(Vec::new()));
        assert_eq!(none, format!(r#"{start}"reactions","reactions":[]}}"#));
        let restored = line(Change::Restored(Box::new(message(Direction::Outgoing))));
        assert_eq!(
            restored,
            format!(r#"{start}"restored","text":"line\n\"two\""}}"#)
        );
        assert_eq!(line(Change::Expired), format!(r#"{start}"expired"}}"#));
    }

    #[test]
    fn an_incoming_message_names_its_sender_and_an_own_copy_its_recipient_too() {
        assert_eq!(
            event(&Event::Message(message(Direction::Incoming)), "alice").unwrap(),
            format!(
                r#"{{"event":"message","id":"{ID}","from":"bob","text":"line\n\"two\"","at":5}}"#
            )
        );
        let own = event(&Event::Message(message(Direction::Outgoing)), "alice").unwrap();
        assert!(own.contains(r#""from":"alice","to":"bob""#), "{own}");
    }

    #[test]
    fn receipts_gaps_and_failures_have_the_documented_fields() {
        let (by, state) = ("bob".to_owned(), MessageState::Read);
        let receipt = Event::Receipt(Receipt {
            id: id(),
            state,
            by,
            at: Millis(9),
        });
        let failed = Event::Failed {
            id: id(),
            to: "bob".to_owned(),
            code: NackCode::UNKNOWN_RECIPIENT,
        };
        let gap = Event::Gap {
            from: Position(2),
            to: Position(4),
            reason: GapReason::Overflow,
        };
        let caught_up = Event::CaughtUp {
            position: Position(8),
            trimmed: true,
        };
        for (happened, line) in [
            (
                receipt,
                format!(r#"{{"event":"receipt","id":"{ID}","state":"read","by":"bob","at":9}}"#),
            ),
            (
                failed,
                format!(
                    r#"{{"event":"failed","id":"{ID}","to":"bob","code":"unknown_recipient"}}"#
                ),
            ),
            (
                gap,
                r#"{"event":"gap","from":2,"to":4,"reason":"overflow"}"#.to_owned(),
            ),
            (
                caught_up,
                r#"{"event":"caught_up","position":8,"trimmed":true}"#.to_owned(),
            ),
        ] {
            assert_eq!(event(&happened, "alice").unwrap(), line);
        }
    }

    #[test]
    fn a_security_notice_names_a_device_only_where_one_is_meant() {
        let line = |device| {
            let notice = SecurityNotice {
                peer: "bob".to_owned(),
                device,
                group: None,
                kind: SecurityKind::LastResortKey,
            };
            event(&Event::Security(notice), "alice").unwrap()
        };
        let start = r#"{"event":"security","kind":"last_resort_key","peer":"bob""#;
        assert_eq!(line(None), format!("{start}}}"));
        assert_eq!(line(Some(DeviceId(2))), format!(r#"{start},"device":2}}"#));
    }

    #[test]
    fn a_device_and_a_safety_number_have_the_documented_fields() {
        let listed = Device {
            device: DeviceId(2),
            name: Some("laptop".to_owned()),
            is_this: true,
            has_account_key: false,
        };
        assert_eq!(
            device(&listed),
            r#"{"device":2,"name":"laptop","this":true,"account_key":false}"#
        );
        let number = SafetyNumber::parse(&"12345 ".repeat(12)).unwrap();
        let digits = "12345".repeat(12);
        assert_eq!(
            safety_number("bob", &number, false),
            format!(r#"{{"peer":"bob","number":"{digits}","verified":false}}"#)
        );
    }

    #[test]
    fn the_connection_coming_and_going_is_no_line() {
        assert_eq!(
            event(
                &Event::Online {
                    server: "127.0.0.1:1".to_owned()
                },
                "alice"
            ),
            None
        );
    }

    #[test]
    fn a_state_and_a_line_of_history_have_the_documented_fields() {
        assert_eq!(
            state(id(), MessageState::Sent, Millis(3)),
            format!(r#"{{"id":"{ID}","state":"sent","at":3}}"#)
        );
        let line = history(&message(Direction::Outgoing), "alice");
        let start = format!(r#"{{"id":"{ID}","from":"alice","to":"bob","text":"#);
        assert!(line.starts_with(&start), "{line}");
        assert!(line.ends_with(r#""state":"delivered","at":5}"#), "{line}");
    }
}
