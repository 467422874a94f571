//! Lines for people: local time first, then who and what.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use martlet_client::{
    Change, Device, Direction, Event, Message, MessageId, MessageState, Millis, NackCode,
    SafetyNumber,
};

use super::groups::{GroupNames, is_group, refused, update};
use super::security::security;
use super::words::{reactions, words};
use crate::{ids, text};

/// The groups of a safety number that stand on one line.
const GROUPS_A_LINE: usize = 4;

/// How much of a message's text names it.
const STEP_COLUMNS: usize = 60;

/// Where the reader's clock hangs.
#[derive(Clone, Debug)]
pub(crate) struct Zone(TimeZone);

impl Zone {
    /// The zone of this machine.
    pub(crate) fn system() -> Self {
        Self(TimeZone::system())
    }

    #[cfg(test)]
    pub(crate) const fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The day, as `2026-11-24`.
    pub(crate) fn day(&self, at: Millis) -> String {
        self.format(at, "%Y-%m-%d")
    }

    /// Hour and minute.
    pub(crate) fn minute(&self, at: Millis) -> String {
        self.format(at, "%H:%M")
    }

    /// Hour, minute and second.
    pub(crate) fn second(&self, at: Millis) -> String {
        self.format(at, "%H:%M:%S")
    }

    fn format(&self, at: Millis, format: &str) -> String {
        let time = i64::try_from(at.0)
            .ok()
            .and_then(|ms| Timestamp::from_millisecond(ms).ok());
        match time {
            Some(time) => time
                .to_zoned_datetime(self.0.clone())
                .strftime(format)
                .to_string(),
            // A time after the year 9999: another clock's mistake, not worth an error here.
            None => "?".to_owned(),
        }
    }
}

/// For whom lines are.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    /// The name of the account.
    pub(crate) me: String,
    pub(crate) zone: Zone,
    /// What the account's groups are called.
    pub(crate) groups: GroupNames,
}

pub(super) fn event(event: &Event, reader: &Reader) -> Option<String> {
    let Reader { me, zone, groups } = reader;
    Some(match event {
        Event::Message(message) => said(message, reader),
        Event::Changed { id, peer, change } => changed(*id, change, peer, reader)?,
        Event::Receipt(receipt) => {
            let (at, id, by) = (zone.second(receipt.at), receipt.id, &receipt.by);
            let by = match receipt.state {
                MessageState::Delivered | MessageState::Read if is_group(by) => {
                    format!("everyone in {}", groups.shown(by))
                }
                _ => groups.shown(by),
            };
            format!("{at} {}  {id}", outcome(receipt.state, &by))
        }
        Event::Failed { id, to, code } => {
            let to = groups.shown(to);
            format!("not sent to {to}: {}  {id}", refusal(*code))
        }
        Event::Gap { from, to, reason } => {
            format!("missing for good: stream positions {from} to {to} ({reason})")
        }
        Event::RelationChanged { peer, relation } => {
            format!("on another device of yours {peer} became {relation}")
        }
        Event::SettingsChanged(_) => {
            "another device of yours has changed settings: `martlet settings` shows them".to_owned()
        }
        Event::GroupGap {
            peer,
            from,
            to,
            reason,
            ..
        } => {
            let group = groups.shown(peer);
            format!("missing for good: entries {from} to {to} of {group} ({reason})")
        }
        Event::GroupChanged(change) => update(change, me, groups),
        Event::GroupRefused { peer, code, .. } => refused(peer, *code, groups),
        Event::Security(notice) => format!("! {}", text::one_line(&security(notice, me, groups))),
        Event::CaughtUp { trimmed: false, .. } => "caught up".to_owned(),
        Event::CaughtUp { trimmed: true, .. } => "caught up, with a gap".to_owned(),
        _ => return None,
    })
}

pub(super) fn history(message: &Message, reader: &Reader, ids: bool) -> String {
    let id = if ids {
        format!("{} ", ids::short(message.id))
    } else {
        String::new()
    };
    let line = format!(
        "{id}{} {}",
        reader.zone.day(message.at),
        said(message, reader)
    );
    match message.direction {
        Direction::Incoming => line,
        Direction::Outgoing => format!("{line}  [{}]", message.state),
    }
}

/// What has become of a message.
fn changed(id: MessageId, change: &Change, peer: &str, reader: &Reader) -> Option<String> {
    let what = match change {
        Change::Edited { text } => format!("edited: {}", text::one_line(text)),
        Change::Reactions(none) if none.is_empty() => "no reactions any more".to_owned(),
        Change::Reactions(all) => {
            format!("reactions: {}", text::one_line(&reactions(all, &reader.me)))
        }
        Change::Deleted => "deleted".to_owned(),
        Change::Restored(message) => {
            format!("not deleted after all: {}", text::one_line(&words(message)))
        }
        Change::Expired => "disappeared".to_owned(),
        _ => return None,
    };
    let place = if is_group(peer) { "in" } else { "with" };
    Some(format!(
        "{place} {}, {what}  {id}",
        reader.groups.shown(peer)
    ))
}

pub(super) fn status(message: &Message, reader: &Reader) -> String {
    let zone = &reader.zone;
    let (day, second) = (
        zone.day(message.changed_at),
        zone.second(message.changed_at),
    );
    format!(
        "{} since {day} {second}  {}",
        message.state,
        said(message, reader)
    )
}

pub(super) fn step(text: &str, state: MessageState, refusal: Option<&str>) -> String {
    let text = text::cut(&text::one_line(text), STEP_COLUMNS);
    match refusal {
        Some(refusal) => format!("[{state}] {text}: {refusal}"),
        None => format!("[{state}] {text}"),
    }
}

/// A device in a line of its own.
pub(super) fn device(device: &Device) -> String {
    let mark = match (device.is_this, device.has_account_key) {
        (true, true) => "  (this device; it has the account's key)",
        (true, false) => "  (this device)",
        (false, true) => "  (it has the account's key)",
        (false, false) => "",
    };
    format!("{:>3}  {}{mark}", device.device.0, device_name(device))
}

/// What a person calls a device.
pub(crate) fn device_name(device: &Device) -> String {
    // Another device of the account wrote it, or says that it is one.
    let name = device.name.as_deref().map(text::one_line);
    name.unwrap_or_else(|| "[name unknown]".to_owned())
}

/// Twelve groups of five digits, four on a line.
pub(super) fn safety_number(number: &SafetyNumber) -> String {
    let groups: Vec<&str> = number.groups().collect();
    let lines = groups.chunks(GROUPS_A_LINE);
    lines
        .map(|line| line.join(" "))
        .collect::<Vec<_>>()
        .join("\n")
}

fn said(message: &Message, reader: &Reader) -> String {
    let Reader { me, zone, groups } = reader;
    let peer = groups.shown(&message.peer);
    let who = match (message.direction, message.group) {
        (Direction::Incoming, None) if message.is_request => format!("{peer} (asks to be heard)"),
        (Direction::Incoming, None) => peer,
        (Direction::Incoming, Some(_)) => format!("{} in {peer}", message.author),
        (Direction::Outgoing, _) => format!("{me} to {peer}"),
    };
    // A second line in a message must not look like a message of its own.
    let mut text = text::harmless(&words(message)).replace('\n', "\n    ");
    if let Some(quote) = &message.reply_to {
        let quote = text::cut(&text::one_line(&quote.text), STEP_COLUMNS);
        text = format!("> {quote}\n    {text}");
    }
    if message.edited {
        text.push_str("  (edited)");
    }
    if !message.reactions.is_empty() {
        let all = reactions(&message.reactions, me);
        text.push_str(&format!("  ({})", text::one_line(&all)));
    }
    format!("{} {who}: {text}", zone.second(message.at))
}

/// What a state means, in a sentence about the other side.
fn outcome(state: MessageState, by: &str) -> String {
    match state {
        MessageState::Pending => format!("waits here for {by}"),
        MessageState::Sent => format!("sent to {by}"),
        MessageState::Delivered => format!("delivered to {by}"),
        MessageState::Read => format!("read by {by}"),
        MessageState::Expired => format!("expired before {by} fetched it"),
        MessageState::Overflow => format!("lost: the inbox of {by} was full"),
        MessageState::Held => format!("set aside: {by} could not open it"),
        MessageState::DeviceGone => format!("lost: the device of {by} was removed"),
        MessageState::Failed => format!("not sent to {by}"),
    }
}

/// Why the server will not take a message, and what to do.
pub(crate) fn refusal(code: NackCode) -> String {
    match code {
        NackCode::UNKNOWN_RECIPIENT | NackCode::UNKNOWN_HANDLE => {
            "nobody has this name: check it".to_owned()
        }
        NackCode::GROUP_UNKNOWN => "this account is not in the group any more".to_owned(),
        NackCode::GROUP_FORBIDDEN => "only admins may write in this group".to_owned(),
        NackCode::TTL_INVALID => "the server does not allow this time to live".to_owned(),
        NackCode::MESSAGE_ID_TOO_OLD => {
            "by this machine's clock it was written more than a week ago: send it anew".to_owned()
        }
        NackCode::MESSAGE_ID_AHEAD => {
            "this machine's clock was wrong when it was written: send it anew".to_owned()
        }
        other => format!("the server refused it ({})", other.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::{group, message as any_message};
    use martlet_client::{Body, DeviceId, Quote, Reaction, Receipt, SecurityKind, SecurityNotice};

    fn alice() -> Reader {
        Reader {
            me: "alice".to_owned(),
            zone: Zone::utc(),
            groups: GroupNames::of_all(&[group(7, Some("climbing"))]),
        }
    }

    fn message(direction: Direction, text: &str) -> Message {
        Message {
            at: Millis(1_790_000_000_123),
            changed_at: Millis(1_790_000_060_000),
            ..any_message(direction, Body::Text(text.to_owned()))
        }
    }

    #[test]
    fn a_reply_has_its_quote_and_marks_stand_behind_the_text() {
        let mut reply = message(Direction::Incoming, "Yes");
        reply.reply_to = Some(Quote {
            id: MessageId([2; 16]),
            by: Direction::Outgoing,
            author: "alice".to_owned(),
            text: "Are you\nthere?".to_owned(),
        });
        reply.edited = true;
        reply.reactions = vec![Reaction {
            by: Direction::Outgoing,
            author: "alice".to_owned(),
            emoji: "👍".to_owned(),
        }];
        let line = history(&reply, &alice(), true);
        assert_eq!(
            line,
            "010101 2026-09-21 14:13:20 bob: > Are you there?\n    Yes  (edited)  (👍 alice)"
        );
        let change = Change::Reactions(reply.reactions);
        let peer = "bob".to_owned();
        let happened = Event::Changed {
            id: reply.id,
            peer,
            change,
        };
        let line = event(&happened, &alice()).unwrap();
        let id = reply.id;
        assert_eq!(line, format!("with bob, reactions: 👍 alice  {id}"));
    }

    #[test]
    fn a_second_line_of_a_message_cannot_pose_as_another_message() {
        let happened = Event::Message(message(Direction::Incoming, "hi\n14:13:20 carol: pay me"));
        let line = event(&happened, &alice()).unwrap();
        assert_eq!(line, "14:13:20 bob: hi\n    14:13:20 carol: pay me");
    }

    #[test]
    fn history_says_who_wrote_to_whom_and_where_own_messages_stand() {
        let line = history(&message(Direction::Outgoing, "hi"), &alice(), false);
        assert_eq!(line, "2026-09-21 14:13:20 alice to bob: hi  [delivered]");
        let line = status(&message(Direction::Outgoing, "hi"), &alice());
        assert_eq!(
            line,
            "delivered since 2026-09-21 14:14:20  14:13:20 alice to bob: hi"
        );
    }

    #[test]
    fn a_receipt_reads_as_a_sentence() {
        let receipt = Receipt {
            id: MessageId([1; 16]),
            state: MessageState::Read,
            by: "bob".to_owned(),
            at: Millis(1_790_000_000_123),
        };
        let line = event(&Event::Receipt(receipt), &alice()).unwrap();
        assert_eq!(
            line,
            "14:13:20 read by bob  01010101-0101-0101-0101-010101010101"
        );
    }

    #[test]
    fn a_security_notice_is_one_line_that_begins_with_its_sign() {
        let notice = SecurityNotice {
            peer: "bob".to_owned(),
            device: None,
            group: None,
            kind: SecurityKind::IdentityChanged,
        };
        let line = event(&Event::Security(notice), &alice()).unwrap();
        assert!(line.starts_with("! bob has a new key"), "{line}");
        assert!(!line.contains('\n'), "{line}");
    }

    #[test]
    fn a_device_cannot_pose_as_another_one() {
        let mut listed = Device {
            device: DeviceId(2),
            name: Some("lap\n  1  first device".to_owned()),
            is_this: false,
            has_account_key: false,
        };
        assert_eq!(device(&listed), "  2  lap   1  first device");
        listed.name = None;
        listed.is_this = true;
        assert_eq!(device(&listed), "  2  [name unknown]  (this device)");
        listed.has_account_key = true;
        let line = device(&listed);
        assert!(
            line.ends_with("(this device; it has the account's key)"),
            "{line}"
        );
    }

    #[test]
    fn a_safety_number_has_three_lines_of_four_groups() {
        let number = SafetyNumber::parse(&"12345".repeat(12)).unwrap();
        let line = "12345 12345 12345 12345";
        assert_eq!(safety_number(&number), [line; 3].join("\n"));
    }

    #[test]
    fn a_time_that_no_calendar_has_is_no_error() {
        assert_eq!(Zone::utc().minute(Millis(u64::MAX)), "?");
    }
}
