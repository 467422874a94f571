//! What a shard can be told, and by whom.

use bytes::Bytes;
use martlet_protocol::device_list::HASH_BYTES;
use martlet_protocol::frame::{
    AccountSettings, Credit, Prekey, Relation, TICKET_BYTES, TypingKind,
};
use martlet_protocol::{Address, DeviceId, MessageId, NackCode, Position, UserId};
use martlet_store::ShardId;
use martlet_store::keys::relay::RelayItem;

use crate::message::{Copy, SendRequest, SentAnswer};

mod groups;
mod home;

pub use groups::GroupCommand;

/// One authenticated (or registering) connection, as its driver numbers it. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// Something that happened, for one shard to decide about.
///
/// A command is moved from queue to queue: what is large and rare is in a box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A connection asks for an account. The driver has checked the handle's form, the signature
    /// and the token, and drawn the ids.
    Register {
        /// Who asks.
        session: SessionId,
        /// The name asked for.
        handle: String,
        /// The device's public key.
        key: [u8; 32],
        /// A random id on the handle's shard:
        /// [`Topology::user_for_handle`](crate::Topology::user_for_handle).
        user: UserId,
        /// A random identity for the device's stream.
        epoch: u64,
        /// The token vouches that the owner of the handle has lost the account's keys: an account
        /// that exists gets this device in place of all it has. Never without a token.
        reset: bool,
    },
    /// Which devices has this account?
    Devices {
        /// Who asks.
        session: SessionId,
        /// The client's number for the question.
        request: u64,
        /// The account.
        user: UserId,
        /// The newest version that the client has; 0 for the newest list alone.
        have: u64,
    },
    /// A device publishes its account's next device list: the only way in which devices come, and
    /// but for a reset the only one in which they go. The driver has verified the list's signature
    /// against the list's own account key, and the proof of each device.
    Publish {
        /// The device's connection.
        session: SessionId,
        /// The device.
        address: Address,
        /// The client's number for the request.
        request: u64,
        /// The list, and what goes with it.
        publication: Box<Publication>,
    },
    /// A device hands over prekeys. The driver has verified their signatures against
    /// [`Shard::device_identity`](crate::Shard::device_identity).
    Upload {
        /// The device's connection.
        session: SessionId,
        /// The device.
        address: Address,
        /// The client's number for the request.
        request: u64,
        /// Its key for when no one-time key is left.
        last_resort: Option<Box<Prekey>>,
        /// Its one-time keys.
        one_time: Vec<Prekey>,
    },
    /// A device wants to begin sessions with devices of an account of this shard.
    Claim {
        /// The connection that asks.
        session: SessionId,
        /// The device that asks.
        from: Address,
        /// The client's number for the request.
        request: u64,
        /// Whose prekeys.
        user: UserId,
        /// For which of its devices.
        devices: Vec<DeviceId>,
    },
    /// A device waits for a new device of its account.
    LinkOpen {
        /// The connection of the one that waits.
        session: SessionId,
        /// The device that waits.
        address: Address,
        /// The client's number for the request.
        request: u64,
        /// The id that the new device will have.
        device: DeviceId,
        /// What the new one must know.
        ticket: [u8; TICKET_BYTES],
    },
    /// A connection that belongs to no device yet wants to become one.
    LinkJoin {
        /// The connection.
        session: SessionId,
        /// The account.
        user: UserId,
        /// The device it would be.
        device: DeviceId,
        /// What it knows.
        ticket: [u8; TICKET_BYTES],
        /// For the device that waits.
        offer: Bytes,
    },
    /// The connection of a LINK_JOIN has ended before its answer.
    LinkLeave {
        /// The connection.
        session: SessionId,
        /// The account that it was to join.
        user: UserId,
    },
    /// A device waits no more for a new one.
    LinkClose {
        /// The connection that asks.
        session: SessionId,
        /// The device that asks.
        address: Address,
        /// The client's number for the request.
        request: u64,
        /// Which link it means.
        ticket: [u8; TICKET_BYTES],
    },
    /// Who has this handle?
    LookupHandle {
        /// Who asks.
        session: SessionId,
        /// The client's number for the question.
        request: u64,
        /// The handle.
        handle: String,
    },
    /// Which handle has this account?
    LookupUser {
        /// Who asks.
        session: SessionId,
        /// The client's number for the question.
        request: u64,
        /// The account.
        user: UserId,
    },
    /// A device is connected; the driver has verified its signature against
    /// [`Shard::device_key`](crate::Shard::device_key).
    Attach {
        /// The connection.
        session: SessionId,
        /// The device.
        address: Address,
        /// When the connection got its CHALLENGE, in microseconds of a clock that never steps back
        /// while the server runs: of two connections of a device the younger one lives.
        challenged_us: u64,
        /// The epoch the device knows, or 0.
        epoch: u64,
        /// The last position the device has stored.
        cursor: Position,
        /// What it is ready to receive.
        credit: Credit,
    },
    /// The connection of a device has ended.
    Detach {
        /// The connection.
        session: SessionId,
        /// The device.
        address: Address,
    },
    /// A device sends a message to an account of this shard.
    Send {
        /// The sender's connection.
        session: SessionId,
        /// The sender.
        from: Address,
        /// The message.
        request: SendRequest,
    },
    /// The driver cannot take a message now (rate, overload, full disk). The recipient's shard
    /// answers, because it keeps the order of what was sent behind the refused message.
    Decline {
        /// The sender's connection.
        session: SessionId,
        /// The sender.
        from: Address,
        /// The recipient.
        to: UserId,
        /// The message.
        message_id: MessageId,
        /// Why; of class RETRY_AFTER.
        code: NackCode,
        /// When to try again, in milliseconds.
        retry_after_ms: u64,
    },
    /// To the sender's shard, from the recipient's: the message is durable there.
    Accepted {
        /// The sender's connection.
        session: SessionId,
        /// The sender.
        from: Address,
        /// What the sender will be told.
        sent: SentAnswer,
        /// What the sender's other devices will see.
        copy: Box<Copy>,
    },
    /// Something about groups.
    Group(GroupCommand),
    /// A device has stored its stream up to a position.
    Ack {
        /// Its connection.
        session: SessionId,
        /// The device.
        address: Address,
        /// Up to here.
        position: Position,
    },
    /// A person has read a conversation up to a message.
    Read {
        /// The reader's connection.
        session: SessionId,
        /// The reader.
        address: Address,
        /// Who wrote the message.
        author: Address,
        /// The message.
        message_id: MessageId,
    },
    /// A device cannot store an item now.
    Refuse {
        /// Its connection.
        session: SessionId,
        /// The device.
        address: Address,
        /// The item.
        position: Position,
    },
    /// A device is ready to receive more.
    Credit {
        /// Its connection.
        session: SessionId,
        /// The device.
        address: Address,
        /// How much more.
        credit: Credit,
    },
    /// A device asks for a sign that all it has said before is durable.
    Ping {
        /// Its connection.
        session: SessionId,
        /// The device.
        address: Address,
        /// Comes back in the answer.
        token: u64,
    },
    /// A sender asks where its message to an account of this shard stands.
    Status {
        /// The sender's connection.
        session: SessionId,
        /// The sender.
        from: Address,
        /// The client's number for the question.
        request: u64,
        /// The message's recipient.
        to: UserId,
        /// The message.
        message_id: MessageId,
        /// Whether the sender's account is told what others have read
        /// ([`Shard::is_told_reads`](crate::Shard::is_told_reads)).
        is_told_reads: bool,
    },
    /// A device begins or ends to watch accounts.
    Watch {
        /// Its connection.
        session: SessionId,
        /// The device.
        address: Address,
        /// The client's number for the request.
        request: u64,
        /// Whether it begins.
        on: bool,
        /// Which accounts.
        users: Vec<UserId>,
    },
    /// To the shard of the watched, from the watcher's: a connection watches, or its account shows
    /// itself to others than before.
    Observe {
        /// This shard.
        target: ShardId,
        /// The connection.
        session: SessionId,
        /// Its account.
        watcher: UserId,
        /// Accounts of this shard, and whether the watcher shows itself to each.
        users: Vec<(UserId, bool)>,
    },
    /// To the shard of the watched, from the watcher's: a connection watches no longer.
    Unobserve {
        /// This shard.
        target: ShardId,
        /// The connection.
        session: SessionId,
        /// Accounts of this shard.
        users: Vec<UserId>,
    },
    /// A person looks at a device, or looks away.
    Active {
        /// Its connection.
        session: SessionId,
        /// The device.
        address: Address,
        /// Whether a person looks at it.
        active: bool,
    },
    /// A person types.
    Typing {
        /// The sender's connection.
        session: SessionId,
        /// The sender.
        from: Address,
        /// To whom.
        to: UserId,
        /// What the person does.
        kind: TypingKind,
    },
    /// To the recipient's shard, from the sender's: a person types, and shows itself.
    Typed {
        /// The sender.
        from: Address,
        /// To whom.
        to: UserId,
        /// What the person does.
        kind: TypingKind,
    },
    /// A device says what an account is to its own.
    Relate {
        /// Its connection.
        session: SessionId,
        /// The device.
        address: Address,
        /// The client's number for the request.
        request: u64,
        /// Which account.
        user: UserId,
        /// What it is from now on.
        relation: Relation,
    },
    /// A device asks for the relations of its account.
    Relations {
        /// Its connection.
        session: SessionId,
        /// The device.
        address: Address,
        /// The client's number for the question.
        request: u64,
        /// Only those behind this account.
        after: u64,
    },
    /// A device asks for the settings of its account, or sets them.
    Settings {
        /// Its connection.
        session: SessionId,
        /// The device.
        address: Address,
        /// The client's number for the request.
        request: u64,
        /// What they are from now on.
        set: Option<AccountSettings>,
    },
    /// The answer to [`Effect::LoadPage`](crate::Effect::LoadPage): rows of the device's inbox in
    /// order, from the position asked for.
    Page {
        /// The connection it was loaded for.
        session: SessionId,
        /// The device.
        address: Address,
        /// Positions and stored values.
        rows: Vec<(Position, Bytes)>,
    },
    /// From another shard's outbox. Delivery is in order for each source and may repeat.
    Relayed {
        /// This shard.
        target: ShardId,
        /// Whose outbox.
        source: ShardId,
        /// The outbox row.
        sequence: u64,
        /// What it holds for this shard.
        items: Vec<RelayItem>,
    },
    /// To the source of a relay: the target has it on synced storage.
    RelayDone {
        /// The shard that relayed.
        source: ShardId,
        /// The shard that has applied it.
        target: ShardId,
        /// The outbox row.
        sequence: u64,
    },
    /// Time passed: [`Shard::due`](crate::Shard::due) said when.
    Tick {
        /// The shard meant.
        shard: ShardId,
    },
    /// The turn ends: cursors, receipts and outbox rows that were merged during it are written.
    /// The last command before the batch is handed on, for each shard that is dirty.
    Seal {
        /// The shard meant.
        shard: ShardId,
    },
}

/// A device list that was verified, and what goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The list as it was signed.
    pub list: Bytes,
    /// Its hash.
    pub hash: [u8; HASH_BYTES],
    /// A random identity for the stream of a device that the list adds.
    pub epoch: u64,
    /// What that device is to be told, if it waits.
    pub answer: Bytes,
}
