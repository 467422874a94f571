//! One file per frame; here only the dispatch between type codes and frames.

mod auth;
mod challenge;
mod credit;
mod devices;
mod ending;
mod event;
mod group_ask;
mod group_change;
mod group_list;
mod group_receipt;
mod group_send;
mod group_stream;
mod group_typing;
mod hello;
mod link;
mod lookup;
mod nack;
mod ping;
mod prekeys;
mod presence;
mod publish;
mod read;
mod register;
mod relations;
mod send;
mod settings;
mod status;
mod stream;
mod typing;

pub use auth::{Auth, Ready};
pub use challenge::{Challenge, Registration};
pub use credit::Credit;
pub use devices::{DeviceLists, Devices, SignedList};
pub use ending::{Close, Goaway};
pub use event::{Event, EventKind};
pub use group_ask::{GroupAsk, GroupMember, GroupMode, GroupState};
pub use group_change::{GroupChange, GroupChanged, SignedRecord};
pub use group_list::{GroupList, Groups, ListedGroup};
pub use group_receipt::{
    GroupCount, GroupCounted, GroupDetail, GroupProgress, GroupRead, GroupReceipt,
};
pub use group_send::{GroupSend, GroupSent};
pub use group_stream::{GroupAck, GroupEvent, GroupEventKind, GroupGap};
pub use group_typing::{GroupTyped, GroupTyping};
pub use hello::Hello;
pub use link::{
    LinkClose, LinkClosed, LinkJoin, LinkOffer, LinkOpen, LinkOpened, Linked, TICKET_BYTES,
};
pub use lookup::{Found, Lookup, LookupQuery};
pub use nack::{Nack, Reference};
pub use ping::{Ping, Pong};
pub use prekeys::{Bundle, Bundles, Claim, Prekey, PrekeyKind, Stock, Upload};
pub use presence::{Active, Presence, PresenceState, Watch};
pub use publish::{Publish, Published};
pub use read::Read;
pub use register::{Register, Registered};
pub use relations::{Relate, Related, Relation, RelationEntry, RelationList, Relations};
pub use send::{Part, Parts, Send, SendScope, Sent};
pub use settings::{AccountSettings, Settings, SettingsAre, Strangers, Visibility};
pub use status::{StateReply, Status};
pub use stream::{Ack, CaughtUp, Fact, Gap, GapReason, Receipt};
pub use typing::{Typed, Typing, TypingKind};

pub use crate::group_record::{GroupRights, Right, Role, RoleChange};

use crate::error::DecodeError;
use crate::kind::Kind;
use crate::wire::{Reader, Writer};

macro_rules! frames {
    ($($variant:ident($payload:ty) = $kind:ident,)+) => {
        /// Any frame of version 1. Byte and text fields borrow from the decoded buffer.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Frame<'a> {
            $(#[doc = concat!("[`Kind::", stringify!($kind), "`].")] $variant($payload),)+
        }

        impl<'a> Frame<'a> {
            /// The type code of this frame.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self {
                    $(Self::$variant(_) => Kind::$kind,)+
                }
            }

            /// Reads a payload of type `kind`.
            ///
            /// # Errors
            /// [`DecodeError::TypeUnknown`], or what is wrong with a field.
            #[inline]
            pub fn decode(kind: Kind, payload: &'a [u8]) -> Result<Self, DecodeError> {
                let mut reader = Reader::new(payload);
                let frame = match kind {
                    $(Kind::$kind => Self::$variant(<$payload>::decode(&mut reader)?),)+
                    unknown => return Err(DecodeError::TypeUnknown(unknown)),
                };
                reader.ignore_rest();
                Ok(frame)
            }

            /// Appends the payload of this frame.
            pub fn encode_payload(&self, writer: &mut Writer<'_>) {
                match self {
                    $(Self::$variant(payload) => payload.encode(writer),)+
                }
            }
        }
    };
}

frames! {
    Hello(Hello<'a>) = HELLO,
    Challenge(Challenge) = CHALLENGE,
    Register(Register<'a>) = REGISTER,
    Registered(Registered) = REGISTERED,
    Auth(Auth) = AUTH,
    Ready(Ready) = READY,
    Ping(Ping) = PING,
    Pong(Pong) = PONG,
    Credit(Credit) = CREDIT,
    Nack(Nack) = NACK,
    Goaway(Goaway<'a>) = GOAWAY,
    Close(Close<'a>) = CLOSE,
    Send(Send<'a>) = SEND,
    Sent(Sent) = SENT,
    Event(Event<'a>) = EVENT,
    Receipt(Receipt) = RECEIPT,
    Fact(Fact) = FACT,
    Gap(Gap) = GAP,
    CaughtUp(CaughtUp) = CAUGHT_UP,
    Ack(Ack) = ACK,
    Read(Read) = READ,
    Status(Status) = STATUS,
    State(StateReply) = STATE,
    Lookup(Lookup<'a>) = LOOKUP,
    Found(Found<'a>) = FOUND,
    Devices(Devices) = DEVICES,
    DeviceLists(DeviceLists<'a>) = DEVICE_LISTS,
    Publish(Publish<'a>) = PUBLISH,
    Published(Published) = PUBLISHED,
    Upload(Upload<'a>) = UPLOAD,
    Stock(Stock) = STOCK,
    Claim(Claim<'a>) = CLAIM,
    Bundles(Bundles<'a>) = BUNDLES,
    LinkOpen(LinkOpen) = LINK_OPEN,
    LinkOpened(LinkOpened) = LINK_OPENED,
    LinkJoin(LinkJoin<'a>) = LINK_JOIN,
    LinkOffer(LinkOffer<'a>) = LINK_OFFER,
    Linked(Linked<'a>) = LINKED,
    LinkClose(LinkClose) = LINK_CLOSE,
    LinkClosed(LinkClosed) = LINK_CLOSED,
    Watch(Watch<'a>) = WATCH,
    Presence(Presence) = PRESENCE,
    Active(Active) = ACTIVE,
    Typing(Typing) = TYPING,
    Typed(Typed) = TYPED,
    Relate(Relate) = RELATE,
    Related(Related) = RELATED,
    Relations(Relations) = RELATIONS,
    RelationList(RelationList<'a>) = RELATION_LIST,
    Settings(Settings) = SETTINGS,
    SettingsAre(SettingsAre) = SETTINGS_ARE,
    GroupChange(GroupChange<'a>) = GROUP_CHANGE,
    GroupChanged(GroupChanged) = GROUP_CHANGED,
    GroupAsk(GroupAsk) = GROUP_ASK,
    GroupState(GroupState<'a>) = GROUP_STATE,
    GroupSend(GroupSend<'a>) = GROUP_SEND,
    GroupSent(GroupSent) = GROUP_SENT,
    GroupEvent(GroupEvent<'a>) = GROUP_EVENT,
    GroupAck(GroupAck) = GROUP_ACK,
    GroupRead(GroupRead) = GROUP_READ,
    GroupReceipt(GroupReceipt<'a>) = GROUP_RECEIPT,
    GroupCount(GroupCount) = GROUP_COUNT,
    GroupCounted(GroupCounted<'a>) = GROUP_COUNTED,
    Groups(Groups) = GROUPS,
    GroupList(GroupList<'a>) = GROUP_LIST,
    GroupGap(GroupGap) = GROUP_GAP,
    GroupTyping(GroupTyping) = GROUP_TYPING,
    GroupTyped(GroupTyped) = GROUP_TYPED,
}
