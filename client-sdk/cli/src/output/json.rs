//! Lines for programs: one JSON object each, times in milliseconds since the Unix epoch.

use martlet_client::{
    Device, Direction, Event, Message, MessageId, MessageState, Millis, SafetyNumber,
};
use serde::Serialize;

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line<'a> {
    Message {
        id: String,
        from: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<&'a str>,
        text: &'a str,
        at: u64,
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
    Security {
        kind: &'a str,
        peer: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        device: Option<u16>,
    },
    CaughtUp {
        position: u64,
        trimmed: bool,
    },
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
}

pub(super) fn event(event: &Event, me: &str) -> Option<String> {
    let line = match event {
        Event::Message(message) => {
            let (from, to) = match message.direction {
                Direction::Incoming => (message.peer.as_str(), None),
                Direction::Outgoing => (me, Some(message.peer.as_str())),
            };
            let (id, text, at) = (message.id.to_string(), message.text(), message.at.0);
            Line::Message {
                id,
                from,
                to,
                text,
                at,
            }
        }
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
        Event::Security(notice) => Line::Security {
            kind: notice.kind.as_str(),
            peer: &notice.peer,
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

pub(super) fn state(id: MessageId, state: MessageState, at: Millis) -> String {
    render(&State {
        id: id.to_string(),
        state: state.as_str(),
        at: at.0,
    })
}

pub(super) fn history(message: &Message, me: &str) -> String {
    let peer = message.peer.as_str();
    let (from, to) = match message.direction {
        Direction::Incoming => (peer, me),
        Direction::Outgoing => (me, peer),
    };
    render(&Said {
        id: message.id.to_string(),
        from,
        to,
        text: message.text(),
        state: message.state.as_str(),
        at: message.at.0,
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

fn render(line: &impl Serialize) -> String {
    serde_json::to_string(line).expect("strings, numbers and truth values are always valid JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use martlet_client::{
        Body, DeviceId, GapReason, NackCode, Position, Receipt, SecurityKind, SecurityNotice,
    };

    const ID: &str = "01900000-1234-7fff-bfff-ffffffffffff";

    fn id() -> MessageId {
        MessageId::parse(ID).unwrap()
    }

    fn message(direction: Direction) -> Message {
        Message {
            id: id(),
            direction,
            peer: "bob".to_owned(),
            device: DeviceId(1),
            body: Body::Text("line\n\"two\"".to_owned()),
            state: MessageState::Delivered,
            at: Millis(5),
            changed_at: Millis(6),
            refusal: None,
        }
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
