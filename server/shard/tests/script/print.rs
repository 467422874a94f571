//! What a device sees, as text. Whatever breaks a rule of its connection fails here.

use bytes::{Bytes, BytesMut};
use martlet_protocol::codec;
use martlet_protocol::frame::{
    Bundle, CaughtUp, Event, EventKind, Fact, Frame, Gap, GapReason, GroupEvent, GroupReceipt,
    Nack, PrekeyKind, Receipt, StateReply, Stock,
};
use martlet_protocol::wire::{Reader, Writer};
use martlet_protocol::{
    Address, CloseCode, DeviceId, DeviceList, GroupId, Kind, Position, State, Timestamp,
};
use martlet_shard::{BundlesAnswer, Effect, ListsAnswer, Reply, SessionId};

use crate::parse::REQUEST;
use crate::world::World;
use crate::{groups, lists, people};

/// The device and the line for a frame; `None` when the connection has ended.
pub(crate) fn line(world: &mut World, effect: Effect) -> Option<(String, String)> {
    let (Effect::Frame { session, .. }
    | Effect::Event { session, .. }
    | Effect::Close { session, .. }) = &effect
    else {
        panic!("not for a device: {effect:?}");
    };
    let session = *session;
    let device = world.links.get(&session)?.device.clone();
    let text = match effect {
        Effect::Event {
            position,
            kind,
            body_crc,
            body,
            ..
        } => item(world, session, position, (kind, body_crc, body)),
        Effect::Close { code, .. } => {
            world.links.remove(&session);
            let mut names = CloseCode::TABLE.iter();
            let name = names
                .find(|(known, _)| *known == code)
                .expect("it is known");
            format!("closed {}", name.1)
        }
        Effect::Frame { reply, .. } => frame(world, session, reply),
        other => panic!("not for a device: {other:?}"),
    };
    Some((device, text))
}

fn frame(world: &mut World, session: SessionId, reply: Reply) -> String {
    let link = world.links.get_mut(&session).expect("looked up before");
    match reply {
        Reply::Registered(address) => {
            let device = link.device.clone();
            world.name_device(&device, address.user, address.device);
            format!("registered as device {}", address.device)
        }
        Reply::Ready { cursor, tail, .. } => {
            link.on_ready(cursor, tail);
            format!("ready {cursor}/{tail}")
        }
        Reply::Found(found) => format!("found {}", found.handle),
        Reply::Pong { token } => format!("pong {token}"),
        Reply::Sent(sent) => {
            let (name, message) = world.message_of(sent.message_id);
            let known = *message.timestamp.get_or_insert(sent.timestamp);
            assert_eq!(known, sent.timestamp, "{name} got two places");
            format!("sent {name} to {}", sent.devices)
        }
        Reply::Nack(nack) => refusal(world, &nack),
        Reply::State(StateReply {
            message_id, state, ..
        }) => {
            let (name, _) = world.message_of(message_id);
            format!("{name} is {}", state.name())
        }
        Reply::Gap(gap) => {
            let bytes = frame_bytes(&Frame::Gap(gap));
            link.on_item(gap.from, gap.to, bytes);
            link.trimmed = true;
            show_gap(&gap)
        }
        Reply::CaughtUp(CaughtUp { position, trimmed }) => {
            link.on_caught_up(position, trimmed);
            let note = if trimmed { " trimmed" } else { "" };
            format!("caught up {position}{note}")
        }
        Reply::DeviceLists(answer) => show_lists(world, &answer),
        Reply::Published(published) => {
            assert_eq!(published.request, REQUEST);
            format!("published {}", published.version)
        }
        Reply::Stock(stock) => show_stock(&stock),
        Reply::Bundles(answer) => show_bundles(world, &answer),
        Reply::LinkOpened(opened) => {
            assert_eq!(opened.request, REQUEST);
            "link opened".to_owned()
        }
        Reply::LinkClosed(closed) => {
            assert_eq!(closed.request, REQUEST);
            "link closed".to_owned()
        }
        Reply::LinkOffer { device, offer } if offer.is_empty() => {
            format!("device {device} is gone")
        }
        Reply::LinkOffer { device, offer } => {
            format!("device {device} offers {}", as_text(&offer))
        }
        Reply::Linked { answer } => format!("linked {}", as_text(&answer)),
        Reply::Presence(presence) => people::show_presence(world, &presence),
        Reply::Typed(typed) => people::show_typed(world, &typed),
        Reply::Related(related) => {
            assert_eq!(related.request, REQUEST);
            "related".to_owned()
        }
        Reply::RelationList(answer) => people::show_relations(world, &answer),
        Reply::SettingsAre(are) => people::show_settings(are.request, are.settings),
        other => groups::show(world, session, other),
    }
}

/// Lists by their versions. Each must be the account's, and follow the one before it.
fn show_lists(world: &World, answer: &ListsAnswer) -> String {
    let name = world.name_of(Address {
        user: answer.user,
        device: DeviceId(1),
    });
    let note = if answer.request == 0 { "unasked " } else { "" };
    let decode = |bytes| DeviceList::decode(bytes).expect("a list decodes");
    let lists: Vec<_> = answer.lists.iter().map(|bytes| decode(bytes)).collect();
    assert!(lists.iter().all(|list| list.user == answer.user));
    assert!(lists.is_sorted_by(|a, b| a.version + 1 == b.version));
    let range = match (lists.first(), lists.last()) {
        (Some(first), Some(last)) => format!("{}-{}", first.version, last.version),
        _ => "none".to_owned(),
    };
    format!("{note}lists {range} of {} of {name}", answer.newest)
}

fn show_stock(stock: &Stock) -> String {
    let note = if stock.request == 0 { "low " } else { "" };
    let last = match (stock.last_resort, stock.last_resort_uses) {
        (0, 0) => String::new(),
        (id, uses) => format!(" last {id} used {uses}"),
    };
    format!("{note}stock {}{last}", stock.one_time)
}

/// Keys by their numbers; each must be the very one that its device has made.
fn show_bundles(world: &World, answer: &BundlesAnswer) -> String {
    assert_eq!(answer.request, REQUEST);
    let show = |bundle: &Bundle| {
        let address = Address {
            user: answer.user,
            device: bundle.device,
        };
        let made = lists::prekey(address, bundle.kind, bundle.prekey.id);
        assert_eq!(bundle.prekey, made, "a key was changed");
        let last = bundle.kind == PrekeyKind::LAST_RESORT;
        let note = if last { "last " } else { "" };
        format!(" {} {note}{}", world.name_of(address), bundle.prekey.id)
    };
    let shown: Vec<_> = answer.bundles.iter().map(show).collect();
    format!("keys{}", shown.join(","))
}

fn as_text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("a test says text")
}

fn refusal(world: &mut World, nack: &Nack) -> String {
    let what = match nack.of {
        Kind::SEND | Kind::READ | Kind::STATUS | Kind::GROUP_SEND => {
            world.message_of(nack.reference.as_message()).0
        }
        Kind::LOOKUP => format!("lookup {}", nack.reference.as_number()),
        Kind::DEVICES
        | Kind::PUBLISH
        | Kind::UPLOAD
        | Kind::CLAIM
        | Kind::LINK_OPEN
        | Kind::LINK_CLOSE
        | Kind::GROUP_CHANGE
        | Kind::GROUP_ASK
        | Kind::GROUP_COUNT
        | Kind::WATCH
        | Kind::RELATE
        | Kind::RELATIONS
        | Kind::SETTINGS => {
            assert_eq!(nack.reference.as_number(), REQUEST);
            let info = nack.of.info().expect("it is known");
            info.name.to_lowercase()
        }
        Kind::GROUP_READ => {
            let group = GroupId(nack.reference.as_number());
            format!("saw {}", groups::group_name(group))
        }
        Kind::LINK_JOIN => "link_join".to_owned(),
        _ => "request".to_owned(),
    };
    assert_eq!(nack.class, nack.code.class());
    let wait = match nack.retry_after_ms {
        0 => String::new(),
        ms => format!(" for {ms}"),
    };
    format!("{what} refused {}{wait}", nack.code.name())
}

fn item(
    world: &mut World,
    session: SessionId,
    position: Position,
    (kind, body_crc, body): (Kind, u32, Bytes),
) -> String {
    let mut head = BytesMut::new();
    Writer::new(&mut head).position(position);
    let mut frame = BytesMut::new();
    codec::encode_parts(kind, &head, &body, body_crc, &mut frame);
    let link = world.links.get_mut(&session).expect("looked up before");
    link.on_item(position, position, frame.len());
    // The decoder checks the combined checksum.
    let mut input = &frame[..];
    let decoded = codec::Decoder::new(frame.len()).next(&mut input);
    let decoded = decoded.expect("it decodes").expect("it is whole");
    assert!(input.is_empty());
    let reader = &mut Reader::new(&body);
    match decoded {
        Frame::Event(_) => {
            let event = Event::decode_body(position, reader).expect("it decoded before");
            let address = world.links[&session].address;
            show_event(world, address.expect("it is attached"), &event)
        }
        Frame::Receipt(Receipt {
            state: State::SEEN,
            peer,
            up_to,
            ..
        }) => {
            let author = Address {
                device: DeviceId(1),
                ..peer
            };
            let (author, up_to) = (world.name_of(author), message_at(world, up_to));
            format!(
                "{position} {author} seen up to {up_to} at device {}",
                peer.device
            )
        }
        Frame::Receipt(Receipt {
            state, peer, up_to, ..
        }) => {
            let (peer, up_to) = (world.name_of(peer), message_at(world, up_to));
            format!("{position} {peer} {} up to {up_to}", state.name())
        }
        Frame::Fact(Fact {
            state,
            peer,
            message_id,
            ..
        }) => {
            let (peer, (name, _)) = (world.name_of(peer), world.message_of(message_id));
            format!("{position} {name} {} at {peer}", state.name())
        }
        Frame::GroupEvent(_) => {
            let event = GroupEvent::decode_body(position, reader).expect("it decoded before");
            groups::show_event(world, &event)
        }
        Frame::GroupReceipt(_) => {
            let receipt = GroupReceipt::decode_body(position, reader);
            groups::show_receipt(world, &receipt.expect("it decoded before"))
        }
        other => panic!("not a stream item: {other:?}"),
    }
}

fn show_event(world: &mut World, at: Address, event: &Event<'_>) -> String {
    let (name, message) = world.message_of(event.message_id);
    assert_eq!(message.envelope, event.envelope, "{name} was changed");
    let is_incoming = event.kind == EventKind::INCOMING;
    let mut parts = if is_incoming {
        message.to_parts.iter()
    } else {
        message.own_parts.iter()
    };
    let part = parts.find(|part| part.device == at.device);
    let part = part.map_or(&[][..], |part| &part.part);
    assert_eq!(part, event.part, "{name} has another part for {at}");
    let known = *message.timestamp.get_or_insert(event.timestamp);
    assert_eq!(known, event.timestamp, "{name} got two places");
    let to = message.to;
    let position = event.position;
    if is_incoming {
        return format!("{position} {name} from {}", world.name_of(event.peer));
    }
    assert_eq!(event.peer.user, to, "a copy names the recipient");
    let device = event.peer.device;
    format!("{position} {name} copied from device {device}")
}

fn show_gap(gap: &Gap) -> String {
    let reason = match gap.reason {
        GapReason::EXPIRED => "expired",
        GapReason::OVERFLOW => "overflow",
        GapReason::HELD => "held",
        GapReason::RESTORED => "restored",
        other => panic!("no such reason: {other:?}"),
    };
    format!("gap {}-{} {reason}", gap.from, gap.to)
}

fn message_at(world: &World, timestamp: Timestamp) -> String {
    let mut known = world.messages.iter();
    let found = known.find(|(_, message)| message.timestamp == Some(timestamp));
    found.map_or_else(|| timestamp.to_string(), |(name, _)| name.clone())
}

pub(crate) fn frame_bytes(frame: &Frame<'_>) -> usize {
    let mut bytes = BytesMut::new();
    codec::encode(frame, &mut bytes);
    bytes.len()
}
