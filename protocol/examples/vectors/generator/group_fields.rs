//! The fields of the frames about groups, as SPEC.md lists them.

use martlet_protocol::GroupId;
use martlet_protocol::frame::{
    Frame, GroupCounted, GroupEvent, GroupReceipt, GroupSend, GroupSent, GroupState,
};

use super::fields::{Fields, Value, address, message_id, millis, position, raw, timestamp, user};

/// The fields of `frame`, if it is one of these.
pub(crate) fn of(frame: &Frame<'_>) -> Option<Fields> {
    changes(frame)
        .or_else(|| messages(frame))
        .or_else(|| progress(frame))
}

fn group(group: GroupId) -> (&'static str, Value) {
    ("group", Value::User(group.0))
}

fn varint(name: &'static str, value: u64) -> (&'static str, Value) {
    (name, Value::Varint(value))
}

fn changes(frame: &Frame<'_>) -> Option<Fields> {
    Some(match frame {
        Frame::GroupChange(change) => vec![
            varint("request", change.request),
            ("record", Value::Bytes(change.record.0.to_vec(), 4096)),
        ],
        Frame::GroupChanged(changed) => vec![
            varint("request", changed.request),
            group(changed.group),
            varint("version", changed.version),
            varint("sequence", changed.sequence),
        ],
        Frame::GroupAsk(ask) => vec![
            varint("request", ask.request),
            group(ask.group),
            varint("have", ask.have),
            varint("have_roster", ask.have_roster),
        ],
        Frame::GroupState(answer) => state(answer),
        Frame::Groups(groups) => vec![
            varint("request", groups.request),
            ("after", Value::U64(groups.after)),
        ],
        Frame::GroupList(list) => {
            let groups = list.groups.iter();
            let groups = groups.map(|it| vec![group(it.group), varint("version", it.version)]);
            vec![
                varint("request", list.request),
                ("more", Value::U8(u8::from(list.more))),
                ("groups", Value::List(groups.collect(), 256)),
            ]
        }
        _ => return None,
    })
}

fn state(answer: &GroupState<'_>) -> Fields {
    let records = answer.records.iter();
    let records = records.map(|record| vec![("", Value::Bytes(record.0.to_vec(), 4096))]);
    let members = answer.members.iter().map(|member| {
        vec![
            ("user", user(member.user)),
            ("role", Value::U8(member.role.0)),
            varint("list_version", member.list_version),
        ]
    });
    vec![
        varint("request", answer.request),
        group(answer.group),
        varint("version", answer.version),
        varint("roster", answer.roster),
        varint("sequence", answer.sequence),
        ("mode", Value::U8(answer.mode.0)),
        ("records", Value::List(records.collect(), 8)),
        ("members", Value::List(members.collect(), 5000)),
    ]
}

fn messages(frame: &Frame<'_>) -> Option<Fields> {
    Some(match frame {
        Frame::GroupSend(message) => send(message),
        Frame::GroupSent(answer) => sent(answer),
        Frame::GroupEvent(entry) => event(entry),
        Frame::GroupAck(ack) => vec![group(ack.group), varint("sequence", ack.sequence)],
        Frame::GroupGap(gap) => vec![
            group(gap.group),
            varint("from", gap.from),
            varint("to", gap.to),
            ("reason", Value::U8(gap.reason.0)),
        ],
        Frame::GroupTyping(typing) => {
            vec![group(typing.group), ("kind", Value::U8(typing.kind.0))]
        }
        Frame::GroupTyped(typed) => {
            let [peer, device] = address("peer", typed.peer);
            let kind = ("kind", Value::U8(typed.kind.0));
            vec![group(typed.group), peer, device, kind]
        }
        _ => return None,
    })
}

fn send(message: &GroupSend<'_>) -> Fields {
    vec![
        ("message_id", message_id(message.message_id)),
        group(message.group),
        varint("version", message.version),
        varint("roster", message.roster),
        varint("ttl_ms", message.ttl_ms),
        ("envelope", Value::Bytes(message.envelope.to_vec(), 65536)),
    ]
}

fn sent(answer: &GroupSent) -> Fields {
    vec![
        ("message_id", message_id(answer.message_id)),
        group(answer.group),
        varint("sequence", answer.sequence),
        ("timestamp", timestamp(answer.timestamp)),
        varint("members", answer.members),
    ]
}

fn event(entry: &GroupEvent<'_>) -> Fields {
    let (author, device) = entry
        .author
        .map_or((0, 0), |author| (author.user.0, author.device.0));
    vec![
        ("position", position(entry.position)),
        group(entry.group),
        varint("sequence", entry.sequence),
        ("kind", Value::U8(entry.kind.0)),
        ("author", Value::U64(author)),
        ("device", Value::U16(device)),
        (
            "message_id",
            raw(&entry.message_id.map_or([0; 16], |id| id.0)),
        ),
        ("timestamp", timestamp(entry.timestamp)),
        ("body", Value::Bytes(entry.body.to_vec(), 65536)),
    ]
}

fn progress(frame: &Frame<'_>) -> Option<Fields> {
    Some(match frame {
        Frame::GroupRead(read) => vec![group(read.group), varint("sequence", read.sequence)],
        Frame::GroupReceipt(told) => receipt(told),
        Frame::GroupCount(count) => vec![
            varint("request", count.request),
            group(count.group),
            varint("sequence", count.sequence),
            ("detail", Value::U8(u8::from(count.detail))),
        ],
        Frame::GroupCounted(answer) => counted(answer),
        _ => return None,
    })
}

fn receipt(told: &GroupReceipt<'_>) -> Fields {
    let members = told.members.iter().map(|progress| {
        let member = progress.member.map_or(0, |user| user.0);
        vec![
            ("member", Value::U64(member)),
            varint("up_to", progress.up_to),
        ]
    });
    vec![
        ("position", position(told.position)),
        group(told.group),
        ("state", Value::U8(told.state.0)),
        ("at", millis(told.at)),
        ("members", Value::List(members.collect(), 256)),
    ]
}

fn counted(answer: &GroupCounted<'_>) -> Fields {
    let details = answer.details.iter().map(|detail| {
        vec![
            ("user", user(detail.user)),
            ("state", Value::U8(detail.state.0)),
        ]
    });
    vec![
        varint("request", answer.request),
        group(answer.group),
        varint("sequence", answer.sequence),
        varint("members", answer.members),
        varint("delivered", answer.delivered),
        varint("read", answer.read),
        ("details", Value::List(details.collect(), 256)),
    ]
}
