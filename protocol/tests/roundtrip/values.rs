//! Values for the fields of any frame, and the frames out of them.

mod groups;

use martlet_protocol::frame::*;
use martlet_protocol::limits::VARINT_MAX;
use martlet_protocol::nack::Class;
use martlet_protocol::version::Features;
use martlet_protocol::wire::List;
use martlet_protocol::{
    Address, CloseCode, DeviceId, Kind, MessageId, Millis, NackCode, Position, State, Timestamp,
    UserId,
};
use proptest::array::uniform32;
use proptest::collection::vec;
use proptest::prelude::*;

/// Values for the fields of any frame.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    which: usize,
    small: (u8, u16),
    address: Address,
    fixed: (u64, u64),
    varints: [u64; 4],
    key: [u8; 32],
    text: String,
    data: Vec<u8>,
    elements: Elements,
}

/// Elements for the lists of any frame, as many of each.
#[derive(Clone, Debug)]
struct Elements {
    devices: Vec<DeviceId>,
    parts: Vec<Part<'static>>,
    prekeys: Vec<Prekey>,
    bundles: Vec<Bundle>,
    lists: Vec<SignedList<'static>>,
    relations: Vec<RelationEntry>,
    users: Vec<UserId>,
    groups: groups::Elements,
}

/// At most five, as in the shortest list.
fn elements() -> impl Strategy<Value = Elements> {
    const BYTES: &[u8] = &[0x70; 300];
    let one = (1..=u16::MAX, 0..BYTES.len(), any::<(u8, u64, [u8; 32])>());
    vec(one, 0..=5).prop_map(|all| {
        let prekeys = all.iter().map(|(_, _, (_, id, key))| Prekey {
            id: *id,
            key: *key,
            signature: std::array::from_fn(|at| key[at % 32]),
        });
        let prekeys: Vec<_> = prekeys.collect();
        let bundle = |((device, _, (kind, ..)), prekey): (&(_, _, (_, _, _)), &Prekey)| Bundle {
            device: DeviceId(*device),
            kind: PrekeyKind(*kind),
            prekey: *prekey,
        };
        let user = |prekey: &Prekey| UserId(prekey.id.max(1));
        let relation = |prekey: &Prekey| RelationEntry {
            user: user(prekey),
            relation: Relation(prekey.key[0]),
        };
        let part = |(device, len, _): &(_, _, _)| Part {
            device: DeviceId(*device),
            part: &BYTES[..*len],
        };
        Elements {
            devices: all.iter().map(|(device, ..)| DeviceId(*device)).collect(),
            parts: all.iter().map(part).collect(),
            bundles: all.iter().zip(&prekeys).map(bundle).collect(),
            lists: all
                .iter()
                .map(|(_, len, _)| SignedList(&BYTES[..*len]))
                .collect(),
            relations: prekeys.iter().map(relation).collect(),
            users: prekeys.iter().map(user).collect(),
            groups: groups::Elements::of(&all, BYTES),
            prekeys,
        }
    })
}

/// As likely in each of the four sizes.
fn varint() -> impl Strategy<Value = u64> {
    prop_oneof![0..=63u64, 0..=16_383u64, 0..(1u64 << 30), 0..=VARINT_MAX]
}

pub(crate) fn values() -> impl Strategy<Value = Values> {
    let address = (1..=u64::MAX, 1..=u16::MAX).prop_map(|(user, device)| Address {
        user: UserId(user),
        device: DeviceId(device),
    });
    let numbers = [varint(), varint(), varint(), varint()];
    let small = (0..Kind::TABLE.len(), any::<(u8, u16)>());
    // 16 characters have at most 64 bytes.
    let large = (
        uniform32(any::<u8>()),
        "\\PC{0,16}",
        vec(any::<u8>(), 0..300),
        elements(),
    );
    (small, address, any::<(u64, u64)>(), numbers, large).prop_map(
        |((which, small), address, fixed, varints, (key, text, data, elements))| Values {
            which,
            small,
            address,
            fixed,
            varints,
            key,
            text,
            data,
            elements,
        },
    )
}

impl Values {
    pub(crate) fn frame(&self) -> Frame<'_> {
        match Kind::TABLE[self.which].kind.0 {
            0x00..=0x0f => self.connection_frame(),
            0x10..=0x1c => self.message_frame(),
            0x1d..=0x2f => self.device_frame(),
            0x30..=0x3a => self.relation_frame(),
            _ => self.group_frame(),
        }
    }

    fn position(&self) -> Position {
        Position(self.varints[0])
    }

    fn credit(&self) -> Credit {
        Credit {
            messages: self.varints[2],
            bytes: self.varints[3],
        }
    }

    fn signature(&self) -> [u8; 64] {
        std::array::from_fn(|at| self.key[at % 32])
    }

    fn message_id(&self) -> MessageId {
        MessageId(std::array::from_fn(|at| self.key[at]))
    }

    fn connection_frame(&self) -> Frame<'_> {
        let ((byte, short), address, (a, b)) = (self.small, self.address, self.fixed);
        let (text, token) = (&self.text[..], a);
        match Kind::TABLE[self.which].kind {
            Kind::HELLO => Frame::Hello(Hello {
                version_min: byte,
                version_max: short as u8,
                features: Features(a),
                agent: text,
            }),
            Kind::CHALLENGE => Frame::Challenge(Challenge {
                version: byte,
                features: Features(a),
                nonce: self.key,
                server_time: Millis(b),
                registration: Registration(short as u8),
            }),
            Kind::REGISTER => Frame::Register(Register {
                handle: text,
                key: self.key,
                signature: self.signature(),
                token: &self.data,
            }),
            Kind::REGISTERED => Frame::Registered(Registered { address }),
            Kind::AUTH => Frame::Auth(Auth {
                address,
                signature: self.signature(),
                epoch: a,
                cursor: self.position(),
                credit: self.credit(),
            }),
            Kind::READY => Frame::Ready(Ready {
                epoch: a,
                cursor: self.position(),
                tail: Position(self.varints[1]),
                credit: self.credit(),
                idle_ms: self.varints[2],
                server_time: Millis(b),
            }),
            Kind::PING => Frame::Ping(Ping { token }),
            Kind::PONG => Frame::Pong(Pong { token }),
            Kind::CREDIT => Frame::Credit(self.credit()),
            Kind::NACK => Frame::Nack(Nack {
                of: Kind(byte),
                code: NackCode(short),
                class: Class(byte),
                retry_after_ms: self.varints[1],
                reference: Reference(self.message_id().0),
            }),
            Kind::GOAWAY => Frame::Goaway(Goaway {
                code: CloseCode(short),
                delay_ms_min: self.varints[0],
                delay_ms_max: self.varints[1],
                address: text,
            }),
            Kind::CLOSE => Frame::Close(Close {
                code: CloseCode(short),
                detail: text,
            }),
            other => panic!("{other:?} has no values"),
        }
    }

    fn message_frame(&self) -> Frame<'_> {
        let ((byte, _), peer, (a, b)) = (self.small, self.address, self.fixed);
        let (position, message_id) = (self.position(), self.message_id());
        let (timestamp, at, state) = (Timestamp(a), Millis(b), State(byte));
        let to = peer.user;
        match Kind::TABLE[self.which].kind {
            Kind::SEND => Frame::Send(Send {
                message_id,
                to,
                after: timestamp,
                ttl_ms: self.varints[1],
                scope: SendScope(byte),
                to_version: self.varints[2],
                own_version: self.varints[3],
                to_parts: List::Slice(&self.elements.parts),
                own_parts: List::Slice(self.elements.parts.get(1..).unwrap_or_default()),
                envelope: &self.data,
            }),
            Kind::SENT => Frame::Sent(Sent {
                message_id,
                timestamp,
                devices: self.varints[1],
            }),
            Kind::EVENT => Frame::Event(Event {
                position,
                kind: EventKind(byte),
                peer,
                message_id,
                timestamp,
                envelope: &self.data,
                part: &self.data,
            }),
            Kind::RECEIPT => Frame::Receipt(Receipt {
                position,
                state,
                peer,
                up_to: timestamp,
                at,
            }),
            Kind::FACT => Frame::Fact(Fact {
                position,
                state,
                peer,
                message_id,
                timestamp,
                at,
            }),
            Kind::GAP => {
                let to = Position(self.varints[1]);
                let (from, to) = (position.min(to), position.max(to));
                Frame::Gap(Gap {
                    from,
                    to,
                    reason: GapReason(byte),
                })
            }
            Kind::CAUGHT_UP => Frame::CaughtUp(CaughtUp {
                position,
                trimmed: byte % 2 == 1,
            }),
            Kind::ACK => Frame::Ack(Ack { position }),
            _ => self.request_frame(),
        }
    }

    fn request_frame(&self) -> Frame<'_> {
        let ((byte, _), peer, message_id) = (self.small, self.address, self.message_id());
        let (timestamp, state) = (Timestamp(self.fixed.0), State(byte));
        let (request, to, handle) = (self.varints[1], peer.user, &self.text[..]);
        match Kind::TABLE[self.which].kind {
            Kind::READ => Frame::Read(Read {
                author: peer,
                message_id,
            }),
            Kind::STATUS => Frame::Status(Status {
                request,
                to,
                message_id,
            }),
            Kind::STATE => Frame::State(StateReply {
                request,
                message_id,
                state,
                timestamp,
            }),
            Kind::LOOKUP if byte % 2 == 0 => Frame::Lookup(Lookup {
                request,
                query: LookupQuery::Handle(handle),
            }),
            Kind::LOOKUP => Frame::Lookup(Lookup {
                request,
                query: LookupQuery::User(to),
            }),
            Kind::FOUND => Frame::Found(Found {
                request,
                user: to,
                handle,
            }),
            other => panic!("{other:?} has no values"),
        }
    }

    fn device_frame(&self) -> Frame<'_> {
        let (address, elements, [a, request, b, c]) = (self.address, &self.elements, self.varints);
        let (user, device) = (address.user, address.device);
        match Kind::TABLE[self.which].kind {
            Kind::DEVICES => Frame::Devices(Devices {
                request,
                user,
                have: a,
            }),
            Kind::DEVICE_LISTS => Frame::DeviceLists(DeviceLists {
                request,
                user,
                newest: a,
                lists: List::Slice(&elements.lists),
            }),
            Kind::PUBLISH => Frame::Publish(Publish {
                request,
                list: SignedList(&self.data),
                answer: &self.data,
            }),
            Kind::PUBLISHED => Frame::Published(Published {
                request,
                version: a,
            }),
            Kind::UPLOAD => Frame::Upload(Upload {
                request,
                last_resort: elements.prekeys.last().copied(),
                one_time: List::Slice(&elements.prekeys),
            }),
            Kind::STOCK => Frame::Stock(Stock {
                request,
                one_time: b,
                last_resort: self.fixed.0,
                last_resort_uses: c,
            }),
            Kind::CLAIM => Frame::Claim(Claim {
                request,
                user,
                devices: List::Slice(&elements.devices),
            }),
            Kind::BUNDLES => Frame::Bundles(Bundles {
                request,
                user,
                bundles: List::Slice(&elements.bundles),
            }),
            Kind::LINK_OPEN => Frame::LinkOpen(LinkOpen {
                request,
                device,
                ticket: self.key,
            }),
            Kind::LINK_OPENED => Frame::LinkOpened(LinkOpened { request }),
            Kind::LINK_JOIN => Frame::LinkJoin(LinkJoin {
                address,
                ticket: self.key,
                offer: &self.data,
            }),
            Kind::LINK_OFFER => Frame::LinkOffer(LinkOffer {
                device,
                offer: &self.data,
            }),
            Kind::LINKED => Frame::Linked(Linked { answer: &self.data }),
            Kind::LINK_CLOSE => Frame::LinkClose(LinkClose {
                request,
                ticket: self.key,
            }),
            Kind::LINK_CLOSED => Frame::LinkClosed(LinkClosed { request }),
            other => panic!("{other:?} has no values"),
        }
    }
}

impl Values {
    fn relation_frame(&self) -> Frame<'_> {
        let ((byte, short), peer, [last_seen, request, ..]) =
            (self.small, self.address, self.varints);
        let (user, flag) = (peer.user, short % 2 == 1);
        let settings = AccountSettings {
            presence: Visibility(byte),
            read_receipts: flag,
            strangers: Strangers(short as u8),
        };
        match Kind::TABLE[self.which].kind {
            Kind::WATCH => Frame::Watch(Watch {
                request,
                on: flag,
                users: List::Slice(&self.elements.users),
            }),
            Kind::PRESENCE => Frame::Presence(Presence {
                user,
                state: PresenceState(byte),
                last_seen: Millis(last_seen),
            }),
            Kind::ACTIVE => Frame::Active(Active { active: flag }),
            Kind::TYPING => Frame::Typing(Typing {
                to: user,
                kind: TypingKind(byte),
            }),
            Kind::TYPED => Frame::Typed(Typed {
                peer,
                kind: TypingKind(byte),
            }),
            Kind::RELATE => Frame::Relate(Relate {
                request,
                user,
                relation: Relation(byte),
            }),
            Kind::RELATED => Frame::Related(Related { request }),
            Kind::RELATIONS => Frame::Relations(Relations {
                request,
                after: self.fixed.0,
            }),
            Kind::RELATION_LIST => Frame::RelationList(RelationList {
                request,
                more: flag,
                relations: List::Slice(&self.elements.relations),
            }),
            Kind::SETTINGS => Frame::Settings(Settings {
                request,
                set: (byte % 2 == 1).then_some(settings),
            }),
            Kind::SETTINGS_ARE => Frame::SettingsAre(SettingsAre { request, settings }),
            other => panic!("{other:?} has no values"),
        }
    }
}
