//! The fields of a frame by name and type, as SPEC.md lists them, written without the codec.

use martlet_protocol::frame::{Credit, Frame, LookupQuery};
use martlet_protocol::version::MAGIC;
use martlet_protocol::{Address, MessageId, Millis, Position, Timestamp, UserId};

use super::json::Json;
use super::{device_fields, group_fields, relation_frames};

/// One field's value with the type that SPEC.md gives it.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    /// `varint` and `position`.
    Varint(u64),
    /// An account or a group: 8 bytes, never 0.
    User(u64),
    /// A device: 2 bytes, never 0.
    Device(u16),
    /// `[n]` and `message_id`.
    Raw(Vec<u8>),
    /// Data and the most bytes it may have.
    Bytes(Vec<u8>, u64),
    /// Text and the most bytes it may have.
    Text(String, u64),
    /// Bytes to the end.
    Rest(Vec<u8>),
    /// How many elements follow, and how many may.
    Count(u64, u64),
    /// Elements and how many there may be. One that is a single field has it without a name.
    List(Vec<Fields>, u64),
}

pub(crate) type Fields = Vec<(&'static str, Value)>;

impl Value {
    /// The field on the wire.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::U8(value) => out.push(*value),
            Self::U16(value) | Self::Device(value) => out.extend(value.to_le_bytes()),
            Self::U32(value) => out.extend(value.to_le_bytes()),
            Self::U64(value) | Self::User(value) => out.extend(value.to_le_bytes()),
            Self::Varint(value) | Self::Count(value, _) => varint(*value, shortest(*value), out),
            Self::Raw(bytes) | Self::Rest(bytes) => out.extend(bytes),
            Self::Bytes(bytes, _) => prefixed(bytes, out),
            Self::Text(text, _) => prefixed(text.as_bytes(), out),
            Self::List(elements, _) => {
                let count = elements.len() as u64;
                varint(count, shortest(count), out);
                elements.iter().for_each(|it| out.extend(payload(it)));
            }
        }
    }

    /// The value for a JSON reader: integers above 32 bits as decimal text, bytes as hex.
    pub(crate) fn json(&self) -> Json {
        match self {
            Self::U8(value) => Json::Number(u64::from(*value)),
            Self::U16(value) | Self::Device(value) => Json::Number(u64::from(*value)),
            Self::U32(value) => Json::Number(u64::from(*value)),
            Self::U64(value) | Self::User(value) | Self::Varint(value) | Self::Count(value, _) => {
                Json::text(value.to_string())
            }
            Self::Raw(bytes) | Self::Bytes(bytes, _) | Self::Rest(bytes) => Json::hex(bytes),
            Self::Text(text, _) => Json::text(text),
            Self::List(elements, _) => Json::List(elements.iter().map(element).collect()),
        }
    }
}

fn element(fields: &Fields) -> Json {
    match &fields[..] {
        [("", value)] => value.json(),
        _ => named(fields),
    }
}

/// The fields by name.
pub(crate) fn named(fields: &Fields) -> Json {
    let members = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.json()));
    Json::Object(members.collect())
}

/// The same bytes without lists: a count, then the fields of the elements.
pub(crate) fn flat(fields: &Fields) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (name, value) in fields {
        let Value::List(elements, max) = value else {
            all.push(((*name).to_owned(), value.clone()));
            continue;
        };
        all.push((
            (*name).to_owned(),
            Value::Count(elements.len() as u64, *max),
        ));
        for (index, (inner, value)) in elements
            .iter()
            .enumerate()
            .flat_map(|(index, element)| element.iter().map(move |field| (index, field)))
        {
            let dot = if inner.is_empty() { "" } else { "." };
            all.push((format!("{name}[{index}]{dot}{inner}"), value.clone()));
        }
    }
    all
}

/// Writes `value` in `len` bytes, which may be more than it needs.
pub(crate) fn varint(value: u64, len: usize, out: &mut Vec<u8>) {
    let tag = len.trailing_zeros();
    let raw = (value << 2) | u64::from(tag);
    out.extend(&raw.to_le_bytes()[..len]);
}

/// The size of a varint in its only legal form.
pub(crate) fn shortest(value: u64) -> usize {
    [1, 2, 4]
        .into_iter()
        .find(|len| value < 1 << (8 * len - 2))
        .unwrap_or(8)
}

fn prefixed(bytes: &[u8], out: &mut Vec<u8>) {
    let len = bytes.len() as u64;
    varint(len, shortest(len), out);
    out.extend(bytes);
}

/// A payload out of its fields.
pub(crate) fn payload<N>(fields: &[(N, Value)]) -> Vec<u8> {
    let mut out = Vec::new();
    fields.iter().for_each(|(_, value)| value.encode(&mut out));
    out
}

/// The fields of `frame` in the order of the wire.
pub(crate) fn of(frame: &Frame<'_>) -> Fields {
    connection(frame)
        .or_else(|| stream(frame))
        .or_else(|| device_fields::of(frame))
        .or_else(|| group_fields::of(frame))
        .or_else(|| relation_frames::of(frame))
        .unwrap_or_else(|| request(frame))
}

fn connection(frame: &Frame<'_>) -> Option<Fields> {
    Some(match frame {
        Frame::Hello(hello) => vec![
            ("magic", Value::U32(MAGIC)),
            ("version_min", Value::U8(hello.version_min)),
            ("version_max", Value::U8(hello.version_max)),
            ("features", Value::U64(hello.features.0)),
            ("agent", text(hello.agent, 64)),
        ],
        Frame::Challenge(challenge) => vec![
            ("version", Value::U8(challenge.version)),
            ("features", Value::U64(challenge.features.0)),
            ("nonce", raw(&challenge.nonce)),
            ("server_time", millis(challenge.server_time)),
            ("registration", Value::U8(challenge.registration.0)),
        ],
        Frame::Register(register) => vec![
            ("handle", text(register.handle, 64)),
            ("key", raw(&register.key)),
            ("signature", raw(&register.signature)),
            ("token", Value::Bytes(register.token.to_vec(), 3072)),
        ],
        Frame::Registered(registered) => address("user", registered.address).into(),
        Frame::Auth(auth) => [
            address("user", auth.address).into(),
            vec![
                ("signature", raw(&auth.signature)),
                ("epoch", Value::U64(auth.epoch)),
                ("cursor", position(auth.cursor)),
            ],
            credit("credit_messages", "credit_bytes", auth.credit),
        ]
        .concat(),
        Frame::Ready(ready) => [
            vec![
                ("epoch", Value::U64(ready.epoch)),
                ("cursor", position(ready.cursor)),
                ("tail", position(ready.tail)),
            ],
            credit("credit_messages", "credit_bytes", ready.credit),
            vec![
                ("idle_ms", Value::Varint(ready.idle_ms)),
                ("server_time", millis(ready.server_time)),
            ],
        ]
        .concat(),
        Frame::Ping(ping) => vec![("token", Value::U64(ping.token))],
        Frame::Pong(pong) => vec![("token", Value::U64(pong.token))],
        Frame::Credit(granted) => credit("messages", "bytes", *granted),
        Frame::Goaway(goaway) => vec![
            ("code", Value::U16(goaway.code.0)),
            ("delay_ms_min", Value::Varint(goaway.delay_ms_min)),
            ("delay_ms_max", Value::Varint(goaway.delay_ms_max)),
            ("address", text(goaway.address, 255)),
        ],
        Frame::Close(close) => {
            vec![
                ("code", Value::U16(close.code.0)),
                ("detail", text(close.detail, 255)),
            ]
        }
        _ => return None,
    })
}

fn stream(frame: &Frame<'_>) -> Option<Fields> {
    Some(match frame {
        Frame::Event(event) => [
            vec![
                ("position", position(event.position)),
                ("kind", Value::U8(event.kind.0)),
            ],
            address("peer", event.peer).into(),
            vec![
                ("message_id", message_id(event.message_id)),
                ("timestamp", timestamp(event.timestamp)),
                ("envelope", Value::Bytes(event.envelope.to_vec(), 65536)),
                ("part", Value::Bytes(event.part.to_vec(), 2048)),
            ],
        ]
        .concat(),
        Frame::Receipt(receipt) => [
            vec![
                ("position", position(receipt.position)),
                ("state", Value::U8(receipt.state.0)),
            ],
            address("peer", receipt.peer).into(),
            vec![
                ("up_to", timestamp(receipt.up_to)),
                ("at", millis(receipt.at)),
            ],
        ]
        .concat(),
        Frame::Fact(fact) => [
            vec![
                ("position", position(fact.position)),
                ("state", Value::U8(fact.state.0)),
            ],
            address("peer", fact.peer).into(),
            vec![
                ("message_id", message_id(fact.message_id)),
                ("timestamp", timestamp(fact.timestamp)),
                ("at", millis(fact.at)),
            ],
        ]
        .concat(),
        Frame::Gap(gap) => vec![
            ("from", position(gap.from)),
            ("to", position(gap.to)),
            ("reason", Value::U8(gap.reason.0)),
        ],
        Frame::CaughtUp(mark) => vec![
            ("position", position(mark.position)),
            ("trimmed", Value::U8(u8::from(mark.trimmed))),
        ],
        Frame::Ack(ack) => vec![("position", position(ack.position))],
        _ => return None,
    })
}

fn request(frame: &Frame<'_>) -> Fields {
    match frame {
        Frame::Nack(nack) => vec![
            ("of", Value::U8(nack.of.0)),
            ("code", Value::U16(nack.code.0)),
            ("class", Value::U8(nack.class.0)),
            ("retry_after_ms", Value::Varint(nack.retry_after_ms)),
            ("reference", raw(&nack.reference.0)),
        ],
        Frame::Send(send) => vec![
            ("message_id", message_id(send.message_id)),
            ("to", user(send.to)),
            ("after", timestamp(send.after)),
            ("ttl_ms", Value::Varint(send.ttl_ms)),
            ("scope", Value::U8(send.scope.0)),
            ("to_version", Value::Varint(send.to_version)),
            ("own_version", Value::Varint(send.own_version)),
            ("to_parts", device_fields::parts(send.to_parts)),
            ("own_parts", device_fields::parts(send.own_parts)),
            ("envelope", Value::Bytes(send.envelope.to_vec(), 65536)),
        ],
        Frame::Sent(sent) => vec![
            ("message_id", message_id(sent.message_id)),
            ("timestamp", timestamp(sent.timestamp)),
            ("devices", Value::Varint(sent.devices)),
        ],
        Frame::Read(read) => [
            address("peer", read.author).into(),
            vec![("message_id", message_id(read.message_id))],
        ]
        .concat(),
        Frame::Status(status) => vec![
            ("request", Value::Varint(status.request)),
            ("to", user(status.to)),
            ("message_id", message_id(status.message_id)),
        ],
        Frame::State(state) => vec![
            ("request", Value::Varint(state.request)),
            ("message_id", message_id(state.message_id)),
            ("state", Value::U8(state.state.0)),
            ("timestamp", timestamp(state.timestamp)),
        ],
        Frame::Lookup(lookup) => {
            let (user, handle) = match &lookup.query {
                LookupQuery::Handle(handle) => (0, *handle),
                LookupQuery::User(user) => (user.0, ""),
            };
            vec![
                ("request", Value::Varint(lookup.request)),
                ("user", Value::U64(user)),
                ("handle", text(handle, 64)),
            ]
        }
        Frame::Found(found) => vec![
            ("request", Value::Varint(found.request)),
            ("user", user(found.user)),
            ("handle", text(found.handle, 64)),
        ],
        other => panic!("{other:?} has no field list"),
    }
}

pub(crate) fn address(first: &'static str, address: Address) -> [(&'static str, Value); 2] {
    [
        (first, user(address.user)),
        ("device", Value::Device(address.device.0)),
    ]
}

fn credit(messages: &'static str, bytes: &'static str, credit: Credit) -> Fields {
    vec![
        (messages, Value::Varint(credit.messages)),
        (bytes, Value::Varint(credit.bytes)),
    ]
}

pub(crate) fn user(user: UserId) -> Value {
    Value::User(user.0)
}

pub(crate) fn position(position: Position) -> Value {
    Value::Varint(position.0)
}

pub(crate) fn timestamp(timestamp: Timestamp) -> Value {
    Value::U64(timestamp.0)
}

pub(crate) fn millis(millis: Millis) -> Value {
    Value::U64(millis.0)
}

pub(crate) fn message_id(id: MessageId) -> Value {
    raw(&id.0)
}

pub(crate) fn raw(bytes: &[u8]) -> Value {
    Value::Raw(bytes.to_vec())
}

fn text(text: &str, bytes_max: u64) -> Value {
    Value::Text(text.to_owned(), bytes_max)
}
