//! What clients say, in memory of its own.

use bytes::Bytes;
use martlet_protocol::auth::{KEY_BYTES, SIGNATURE_BYTES};
use martlet_protocol::frame::{
    Ack, Active, Auth, Credit, Devices, Frame, GroupAck, GroupAsk, GroupCount, GroupRead,
    GroupTyping, Groups, LinkClose, LinkOpen, LookupQuery, Nack, Parts, Ping, Prekey, Read, Relate,
    Relations, SendScope, Settings, Status, TICKET_BYTES, Typing,
};
use martlet_protocol::id::{Address, DeviceId, MessageId, Timestamp, UserId};
use martlet_protocol::version::Features;
use martlet_protocol::{CloseCode, Kind};
use martlet_shard::{DevicePart, GroupSendRequest};

/// A frame of a client, with its bytes copied out of the reactor's scratch: what is kept must not
/// pin a buffer that all connections share.
#[derive(Debug)]
pub enum Inbound {
    /// The cursor of the device's stream.
    Ack(Ack),
    /// Proof of who the device is.
    Auth(Box<Auth>),
    /// The client is done.
    Close(CloseCode),
    /// Room for more stream items.
    Credit(Credit),
    /// Something about groups.
    Group(GroupRequest),
    /// A message to a group.
    GroupSend(GroupSend),
    /// A person types in a group.
    GroupTyping(GroupTyping),
    /// Versions and features.
    Hello {
        /// Oldest version the client speaks.
        version_min: u8,
        /// Newest version the client speaks.
        version_max: u8,
        /// What the client can do beyond the version.
        features: Features,
    },
    /// Device lists, prekeys or links of an account.
    KeyRequest(KeyRequest),
    /// A new device looks for the one that waits for it.
    LinkJoin(Box<LinkJoin>),
    /// A handle or an account is looked up.
    Lookup {
        /// The client's number for the answer.
        request: u64,
        /// What is known.
        query: Query,
    },
    /// An event the client could not store.
    Nack(Nack),
    /// Whether a person looks at the device.
    Active(Active),
    /// Whom the device watches, and what others are to its account.
    PeopleRequest(PeopleRequest),
    /// Asks for a PONG.
    Ping(Ping),
    /// Answers a PING.
    Pong,
    /// The person has read up to a message.
    Read(Read),
    /// A new account.
    Register(Box<Register>),
    /// A message.
    Send(Send),
    /// A frame that only servers send.
    ServerOnly(Kind),
    /// Asks for the state of one's own message.
    Status(Status),
    /// A person types.
    Typing(Typing),
}

/// What devices ask about device lists, prekeys and links, or bring of their own.
#[derive(Debug)]
pub enum KeyRequest {
    /// Prekeys of an account's devices are wanted.
    Claim(Claim),
    /// Device lists of an account are wanted.
    Devices(Devices),
    /// The device waits no more for a new one.
    LinkClose(LinkClose),
    /// The device waits for a new one.
    LinkOpen(LinkOpen),
    /// The account's next device list.
    Publish(Publish),
    /// Prekeys of the device.
    Upload(Upload),
}

impl KeyRequest {
    /// The frame's type and the client's number, for the answer.
    pub fn kind_and_number(&self) -> (Kind, u64) {
        match self {
            Self::Claim(claim) => (Kind::CLAIM, claim.request),
            Self::Devices(devices) => (Kind::DEVICES, devices.request),
            Self::LinkClose(close) => (Kind::LINK_CLOSE, close.request),
            Self::LinkOpen(open) => (Kind::LINK_OPEN, open.request),
            Self::Publish(publish) => (Kind::PUBLISH, publish.request),
            Self::Upload(upload) => (Kind::UPLOAD, upload.request),
        }
    }
}

/// What devices ask about groups, or say of them.
#[derive(Debug)]
pub enum GroupRequest {
    /// What a group is, and who is in it.
    Ask(GroupAsk),
    /// The group's next record.
    Change {
        /// The client's number for the answer.
        request: u64,
        /// The record as it was signed.
        record: Bytes,
    },
    /// How many members have a message.
    Count(GroupCount),
    /// Which groups the account is in.
    Groups(Groups),
    /// The person has read up to an entry.
    Read(GroupRead),
    /// The cursor of the group's own stream.
    Stored(GroupAck),
}

/// A GROUP_SEND with its own memory.
#[derive(Debug)]
pub struct GroupSend {
    /// The message.
    pub request: Box<GroupSendRequest>,
    /// Bytes of the whole frame: what it costs in credit.
    pub frame_bytes: u32,
}

/// What devices ask or say about other accounts.
#[derive(Debug)]
pub enum PeopleRequest {
    /// What an account is to the device's own.
    Relate(Relate),
    /// What others are is wanted.
    Relations(Relations),
    /// What the account lets others know.
    Settings(Settings),
    /// Whose presence is wanted, or no longer.
    Watch(Watch),
}

impl PeopleRequest {
    /// The frame's type and the client's number, for the answer.
    pub fn kind_and_number(&self) -> (Kind, u64) {
        match self {
            Self::Relate(relate) => (Kind::RELATE, relate.request),
            Self::Relations(ask) => (Kind::RELATIONS, ask.request),
            Self::Settings(settings) => (Kind::SETTINGS, settings.request),
            Self::Watch(watch) => (Kind::WATCH, watch.request),
        }
    }

    /// Whether it may change rows.
    pub fn writes(&self) -> bool {
        match self {
            Self::Relate(_) => true,
            Self::Settings(settings) => settings.set.is_some(),
            Self::Relations(_) | Self::Watch(_) => false,
        }
    }
}

/// A WATCH with its own memory.
#[derive(Debug)]
pub struct Watch {
    /// The client's number for a refusal.
    pub request: u64,
    /// Whether it begins.
    pub on: bool,
    /// Which accounts.
    pub users: Vec<UserId>,
}

/// A CLAIM with its own memory.
#[derive(Debug)]
pub struct Claim {
    /// The client's number for the answer.
    pub request: u64,
    /// Whose prekeys.
    pub user: UserId,
    /// For which devices of that account.
    pub devices: Vec<DeviceId>,
}

/// What a LOOKUP knows.
#[derive(Debug)]
pub enum Query {
    /// The handle.
    Handle(String),
    /// The account.
    User(UserId),
}

/// A LINK_JOIN with its own memory.
#[derive(Debug)]
pub struct LinkJoin {
    /// The account to join, and the id the device will have there.
    pub address: Address,
    /// What the account's own device has shown.
    pub ticket: [u8; TICKET_BYTES],
    /// For that device, sealed.
    pub offer: Bytes,
}

/// A PUBLISH with its own memory.
#[derive(Debug)]
pub struct Publish {
    /// The client's number for the answer.
    pub request: u64,
    /// The list as it was signed.
    pub list: Bytes,
    /// For the device that the list adds, if it waits.
    pub answer: Bytes,
}

/// A REGISTER with its own memory.
#[derive(Debug)]
pub struct Register {
    /// The wanted handle.
    pub handle: String,
    /// The device's Ed25519 public key.
    pub key: [u8; KEY_BYTES],
    /// Over the register message.
    pub signature: [u8; SIGNATURE_BYTES],
    /// The operator's token, or empty.
    pub token: Bytes,
}

/// A SEND with its own memory.
#[derive(Debug)]
pub struct Send {
    /// The client's key for this message.
    pub message_id: MessageId,
    /// The recipient.
    pub to: UserId,
    /// The newest timestamp the sender has seen in the conversation, 0 for none.
    pub after: Timestamp,
    /// Time to live in milliseconds, 0 for the default.
    pub ttl_ms: u64,
    /// Which devices get it.
    pub scope: SendScope,
    /// The version of the recipient's device list that it was made for.
    pub to_version: u64,
    /// The version of the sender's device list that it was made for.
    pub own_version: u64,
    /// For the recipient's devices.
    pub to_parts: Vec<DevicePart>,
    /// For the sender's other devices.
    pub own_parts: Vec<DevicePart>,
    /// The opaque message.
    pub envelope: Bytes,
    /// Bytes of the whole frame: what it costs in credit.
    pub frame_bytes: u32,
}

/// An UPLOAD with its own memory.
#[derive(Debug)]
pub struct Upload {
    /// The client's number for the answer.
    pub request: u64,
    /// The key for when no one-time key is left.
    pub last_resort: Option<Box<Prekey>>,
    /// Keys for one use each.
    pub one_time: Vec<Prekey>,
}

/// Copies a frame's bytes out of the buffer that it was decoded from.
#[expect(
    clippy::too_many_lines,
    reason = "one arm for each frame, and nothing else"
)]
pub(super) fn owned(frame: Frame<'_>) -> Inbound {
    match frame {
        Frame::Ack(ack) => Inbound::Ack(ack),
        Frame::Active(active) => Inbound::Active(active),
        Frame::Auth(auth) => Inbound::Auth(Box::new(auth)),
        Frame::Claim(claim) => Inbound::KeyRequest(KeyRequest::Claim(Claim {
            request: claim.request,
            user: claim.user,
            devices: claim.devices.iter().collect(),
        })),
        Frame::Close(close) => Inbound::Close(close.code),
        Frame::Credit(credit) => Inbound::Credit(credit),
        Frame::Devices(devices) => Inbound::KeyRequest(KeyRequest::Devices(devices)),
        Frame::GroupAck(ack) => Inbound::Group(GroupRequest::Stored(ack)),
        Frame::GroupAsk(ask) => Inbound::Group(GroupRequest::Ask(ask)),
        Frame::GroupChange(change) => Inbound::Group(GroupRequest::Change {
            request: change.request,
            record: Bytes::copy_from_slice(change.record.0),
        }),
        Frame::GroupCount(count) => Inbound::Group(GroupRequest::Count(count)),
        Frame::GroupRead(read) => Inbound::Group(GroupRequest::Read(read)),
        Frame::GroupSend(send) => Inbound::GroupSend(GroupSend {
            request: Box::new(GroupSendRequest {
                message_id: send.message_id,
                group: send.group,
                version: send.version,
                roster: send.roster,
                ttl_ms: send.ttl_ms,
                envelope: Bytes::copy_from_slice(send.envelope),
            }),
            frame_bytes: 0,
        }),
        Frame::GroupTyping(typing) => Inbound::GroupTyping(typing),
        Frame::Groups(groups) => Inbound::Group(GroupRequest::Groups(groups)),
        Frame::Hello(hello) => Inbound::Hello {
            version_min: hello.version_min,
            version_max: hello.version_max,
            features: hello.features,
        },
        Frame::LinkClose(close) => Inbound::KeyRequest(KeyRequest::LinkClose(close)),
        Frame::LinkJoin(join) => Inbound::LinkJoin(Box::new(LinkJoin {
            address: join.address,
            ticket: join.ticket,
            offer: Bytes::copy_from_slice(join.offer),
        })),
        Frame::LinkOpen(open) => Inbound::KeyRequest(KeyRequest::LinkOpen(open)),
        Frame::Lookup(lookup) => Inbound::Lookup {
            request: lookup.request,
            query: match lookup.query {
                LookupQuery::Handle(handle) => Query::Handle(handle.to_owned()),
                LookupQuery::User(user) => Query::User(user),
            },
        },
        Frame::Nack(nack) => Inbound::Nack(nack),
        Frame::Ping(ping) => Inbound::Ping(ping),
        Frame::Pong(_) => Inbound::Pong,
        Frame::Publish(publish) => Inbound::KeyRequest(KeyRequest::Publish(Publish {
            request: publish.request,
            list: Bytes::copy_from_slice(publish.list.0),
            answer: Bytes::copy_from_slice(publish.answer),
        })),
        Frame::Read(read) => Inbound::Read(read),
        Frame::Relate(relate) => Inbound::PeopleRequest(PeopleRequest::Relate(relate)),
        Frame::Relations(ask) => Inbound::PeopleRequest(PeopleRequest::Relations(ask)),
        Frame::Register(register) => Inbound::Register(Box::new(Register {
            handle: register.handle.to_owned(),
            key: register.key,
            signature: register.signature,
            token: Bytes::copy_from_slice(register.token),
        })),
        Frame::Send(send) => Inbound::Send(Send {
            message_id: send.message_id,
            to: send.to,
            after: send.after,
            ttl_ms: send.ttl_ms,
            scope: send.scope,
            to_version: send.to_version,
            own_version: send.own_version,
            to_parts: owned_parts(send.to_parts),
            own_parts: owned_parts(send.own_parts),
            envelope: Bytes::copy_from_slice(send.envelope),
            frame_bytes: 0,
        }),
        Frame::Settings(settings) => Inbound::PeopleRequest(PeopleRequest::Settings(settings)),
        Frame::Status(status) => Inbound::Status(status),
        Frame::Typing(typing) => Inbound::Typing(typing),
        Frame::Upload(upload) => Inbound::KeyRequest(KeyRequest::Upload(Upload {
            request: upload.request,
            last_resort: upload.last_resort.map(Box::new),
            one_time: upload.one_time.iter().collect(),
        })),
        Frame::Watch(watch) => Inbound::PeopleRequest(PeopleRequest::Watch(Watch {
            request: watch.request,
            on: watch.on,
            users: watch.users.iter().collect(),
        })),
        Frame::Bundles(_)
        | Frame::CaughtUp(_)
        | Frame::Challenge(_)
        | Frame::DeviceLists(_)
        | Frame::Event(_)
        | Frame::Fact(_)
        | Frame::Found(_)
        | Frame::Gap(_)
        | Frame::Goaway(_)
        | Frame::GroupChanged(_)
        | Frame::GroupCounted(_)
        | Frame::GroupEvent(_)
        | Frame::GroupGap(_)
        | Frame::GroupList(_)
        | Frame::GroupReceipt(_)
        | Frame::GroupSent(_)
        | Frame::GroupState(_)
        | Frame::GroupTyped(_)
        | Frame::LinkClosed(_)
        | Frame::LinkOffer(_)
        | Frame::LinkOpened(_)
        | Frame::Linked(_)
        | Frame::Presence(_)
        | Frame::Published(_)
        | Frame::Ready(_)
        | Frame::Receipt(_)
        | Frame::Registered(_)
        | Frame::Related(_)
        | Frame::RelationList(_)
        | Frame::Sent(_)
        | Frame::SettingsAre(_)
        | Frame::State(_)
        | Frame::Stock(_)
        | Frame::Typed(_) => Inbound::ServerOnly(frame.kind()),
    }
}

fn owned_parts(parts: Parts<'_>) -> Vec<DevicePart> {
    parts
        .iter()
        .map(|part| DevicePart {
            device: part.device,
            part: Bytes::copy_from_slice(part.part),
        })
        .collect()
}
