//! An account in memory: its devices, how far each has come, and who is connected.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use martlet_protocol::frame::{Credit, GapReason};
use martlet_protocol::limits::{CREDIT_BYTES_MAX, CREDIT_MESSAGES_MAX};
use martlet_protocol::{
    Address, DeviceId, GroupId, Kind, MessageId, Millis, Position, Timestamp, UserId,
};
use martlet_store::keys::account::{AccountRow, DeviceRow, ListHead};
use martlet_store::keys::cursor::CursorRow;
use martlet_store::keys::inbox::InboxRow;
use martlet_store::keys::message::{Origin, Placement};
use martlet_store::keys::relation::{self, PersonRow};
use martlet_store::keys::{account, cursor, inbox, message};
use martlet_store::{ShardId, View};

use crate::command::SessionId;
use crate::limits::IN_FLIGHT_MAX;
use crate::message::OwnDevices;
use crate::watchers::Watchers;

/// An account, loaded when it is first needed.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) handle: String,
    pub(crate) next_device: DeviceId,
    /// The version of its device list, 0 while nothing was published. The rest of what the next
    /// list must follow stays in the row: it is needed rarely, and accounts are many.
    pub(crate) list_version: u64,
    /// The devices are others than those of the list, until the next one is published.
    pub(crate) is_reset: bool,
    pub(crate) devices: BTreeMap<DeviceId, Device>,
    /// The newest message that some device has: the account's DELIVERED watermark.
    pub(crate) delivered: Timestamp,
    /// Messages outside the watermark: they ended at one device and wait for another.
    pub(crate) partial: BTreeMap<Timestamp, Origin>,
    /// How far devices had come that are removed: what they took stays delivered.
    pub(crate) gone: BTreeMap<DeviceId, CursorRow>,
    /// What it lets others know, and how many relations it has.
    pub(crate) person: PersonRow,
    /// Its presence, once somebody has asked for it or has looked at a device.
    pub(crate) watchers: Option<Box<Watchers>>,
    /// When it was last seen waits to be written; when that was done the last time.
    pub(crate) is_unsaved: bool,
    pub(crate) last_seen_saved: Millis,
}

/// A device and its stream. Invariant: `trimmed ≤ cursor ≤ pushed ≤ tail`.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) key: [u8; 32],
    pub(crate) epoch: u64,
    /// Rows up to here are removed.
    pub(crate) trimmed: Position,
    pub(crate) cursor: Position,
    /// The newest message at the cursor.
    pub(crate) delivered: Timestamp,
    /// The running sum of bytes at the cursor and at the tail.
    pub(crate) cursor_bytes: u64,
    pub(crate) tail_bytes: u64,
    pub(crate) tail: Position,
    /// The first position of the OVERFLOW gap that ends at the tail, if one does.
    pub(crate) overflow_from: Option<Position>,
    /// There are rows that count refusals.
    pub(crate) has_refusals: bool,
    pub(crate) session: Option<Box<Session>>,
}

/// The connection of a device.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    /// When it got its CHALLENGE: of two connections the younger one lives.
    pub(crate) challenged_us: u64,
    /// The last position pushed.
    pub(crate) pushed: Position,
    /// The device has stored up to here, though its acknowledgement never came: these items are
    /// not pushed again.
    pub(crate) stored: Position,
    pub(crate) credit_messages: u64,
    /// May be negative: one frame may exceed the rest of a grant.
    pub(crate) credit_bytes: i64,
    pub(crate) in_flight: VecDeque<InFlight>,
    /// READs of what lies between the cursor and `stored`: the newest of each author. Each names
    /// an item of that stretch, so there are no more than it has.
    pub(crate) reads: BTreeMap<Address, (Position, MessageId)>,
    /// PINGs that came behind such READs: their PONGs prove that the READs are recorded.
    pub(crate) pings: Vec<u64>,
    pub(crate) page: Page,
    /// The first position of a RESTORED gap, which ends at the server's cursor and is to be pushed
    /// before anything else.
    pub(crate) missed_from: Option<Position>,
    /// Nothing is pushed before this time: an item was refused.
    pub(crate) paused_until: Option<Millis>,
    /// The groups' own streams that it reads.
    pub(crate) groups: BTreeMap<GroupId, GroupStream>,
    /// A person looks at the device.
    pub(crate) active: bool,
    /// Whose presence it is told.
    pub(crate) watched: BTreeSet<UserId>,
    /// CAUGHT_UP has been told.
    pub(crate) caught_up: bool,
    /// A gap was in the backlog.
    pub(crate) trimmed: bool,
}

/// How far a connection has come in a group's own stream. Invariant: `stored ≤ acked ≤ pushed`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupStream {
    /// The last entry pushed, or passed over.
    pub(crate) pushed: u64,
    /// The last entry acknowledged,
    pub(crate) acked: u64,
    /// and as it is stored.
    pub(crate) stored: u64,
    /// A page is on its way.
    pub(crate) is_loading: bool,
    /// The device has yet to be told that it misses all from here to where the stream began.
    pub(crate) missed_from: Option<u64>,
}

impl GroupStream {
    /// A stream that goes on behind an entry.
    pub(crate) const fn new(behind: u64) -> Self {
        Self {
            pushed: behind,
            acked: behind,
            stored: behind,
            is_loading: false,
            missed_from: None,
        }
    }

    /// A stream that leaves out what a device misses, which has acknowledged less.
    pub(crate) const fn missing(from: u64, behind: u64, (acked, stored): (u64, u64)) -> Self {
        Self {
            pushed: behind,
            acked,
            stored,
            is_loading: false,
            missed_from: Some(from),
        }
    }
}

/// What a connection expects of the reader: it answers each request once, and slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// Nothing.
    None,
    /// A page on its way goes on where the stream is.
    Awaited,
    /// A page on its way was asked for before a refusal rewound the stream: its rows may have been
    /// replaced since. It is thrown away.
    Outdated,
}

/// An item that was pushed and is not acknowledged: what its acknowledgement will need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InFlight {
    pub(crate) position: Position,
    pub(crate) kind: Kind,
    pub(crate) total_bytes: u64,
    pub(crate) subject: Subject,
}

/// What an item is about, as far as its acknowledgement tells somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Nothing that anybody waits for.
    None,
    /// A message of another account.
    Message {
        author: Address,
        timestamp: Timestamp,
    },
    /// An entry of a group.
    Group { group: GroupId, sequence: u64 },
}

impl Account {
    /// A new account without devices.
    pub(crate) fn new(handle: String) -> Self {
        Self {
            handle,
            next_device: DeviceId(1),
            list_version: 0,
            is_reset: false,
            devices: BTreeMap::new(),
            delivered: Timestamp(0),
            partial: BTreeMap::new(),
            gone: BTreeMap::new(),
            person: PersonRow::default(),
            watchers: None,
            is_unsaved: false,
            last_seen_saved: Millis(0),
        }
    }

    /// Reads an account with what its rows say about each device.
    pub(crate) fn load(shard: ShardId, user: UserId, view: &dyn View) -> Option<Self> {
        let value = view.get(&account::key(shard, user))?;
        let row = AccountRow::decode(&value).expect("an account row is ours");
        let mut account = Self {
            next_device: row.next_device,
            list_version: row.list.map_or(0, |head| head.version),
            is_reset: row.list.is_some_and(|head| head.is_reset),
            ..Self::new(row.handle)
        };
        for row in &row.devices {
            let address = Address {
                user,
                device: row.device,
            };
            let device = Device::load(shard, address, row, view);
            account.delivered = account.delivered.max(device.delivered);
            account.devices.insert(row.device, device);
        }
        account.load_gone(shard, user, view);
        if let Some(value) = view.get(&relation::person_key(shard, user)) {
            account.person = PersonRow::decode(&value).expect("a person row is ours");
        }
        let from = message::partial_key(shard, user, Timestamp(0));
        let to = message::partial_key(shard, user, Timestamp(u64::MAX));
        for (key, value) in view.scan(&from, &to, usize::MAX, usize::MAX) {
            let timestamp = message::partial_of(&key).expect("a partial key holds a timestamp");
            let origin = Origin::decode(&value).expect("a partial row is ours");
            account.partial.insert(timestamp, origin);
        }
        Some(account)
    }

    /// The cursor of a removed device stays behind.
    fn load_gone(&mut self, shard: ShardId, user: UserId, view: &dyn View) {
        let key = |device| {
            let device = DeviceId(device);
            cursor::key(shard, Address { user, device })
        };
        for (key, value) in view.scan(&key(0), &key(u16::MAX), usize::MAX, usize::MAX) {
            let address = cursor::address_of(&key).expect("a cursor key holds an address");
            if !self.devices.contains_key(&address.device) {
                let row = CursorRow::decode(&value).expect("a cursor row is ours");
                self.remember_gone(address.device, row);
            }
        }
    }

    /// Keeps how far a device had come that the account does not have any more.
    pub(crate) fn remember_gone(&mut self, device: DeviceId, row: CursorRow) {
        self.delivered = self.delivered.max(row.delivered);
        self.gone.insert(device, row);
    }

    /// Whether a message was acknowledged where it was placed, by a device of now or of before.
    pub(crate) fn has_taken(&self, placement: &Placement) -> bool {
        let of_now = self.devices.get(&placement.device);
        let of_before = self.gone.get(&placement.device);
        of_now
            .map(|device| device.cursor)
            .or_else(|| of_before.map(|row| row.position))
            .is_some_and(|cursor| placement.position <= cursor)
    }

    /// Whether the devices are those of a list: only then do they have prekeys.
    pub(crate) const fn is_listed(&self) -> bool {
        self.list_version > 0 && !self.is_reset
    }

    /// The account as a message of one of its devices must know it.
    pub(crate) fn own_devices(&self, sender: DeviceId) -> OwnDevices {
        if self.devices.len() == 1 && self.devices.contains_key(&sender) {
            return OwnDevices::alone(self.list_version);
        }
        let devices = self.devices.keys().copied();
        OwnDevices::new(
            self.list_version,
            devices.filter(|device| *device != sender),
        )
    }

    /// The account as it is stored, with what the next list must follow.
    pub(crate) fn row(&self, list: Option<ListHead>) -> AccountRow {
        let devices = self.devices.iter().map(|(device, state)| DeviceRow {
            device: *device,
            key: state.key,
            epoch: state.epoch,
        });
        AccountRow {
            handle: self.handle.clone(),
            next_device: self.next_device,
            list,
            devices: devices.collect(),
        }
    }

    /// Whether an id is left for another device.
    pub(crate) const fn can_grow(&self) -> bool {
        self.next_device.0 < u16::MAX
    }

    /// Adds a device with an empty stream. Its id was never used before.
    pub(crate) fn add_device(&mut self, key: [u8; 32], epoch: u64) -> DeviceId {
        assert!(self.can_grow(), "the caller has checked it");
        let id = self.next_device;
        self.next_device = DeviceId(id.0 + 1);
        let row = DeviceRow {
            device: id,
            key,
            epoch,
        };
        self.devices.insert(id, Device::new(&row));
        id
    }
}

impl Device {
    fn new(row: &DeviceRow) -> Self {
        Self {
            key: row.key,
            epoch: row.epoch,
            trimmed: Position(0),
            cursor: Position(0),
            delivered: Timestamp(0),
            cursor_bytes: 0,
            tail_bytes: 0,
            tail: Position(0),
            overflow_from: None,
            has_refusals: false,
            session: None,
        }
    }

    fn load(shard: ShardId, address: Address, row: &DeviceRow, view: &dyn View) -> Self {
        let mut device = Self::new(row);
        if let Some(value) = view.get(&cursor::key(shard, address)) {
            let row = CursorRow::decode(&value).expect("a cursor row is ours");
            device.cursor = row.position;
            device.delivered = row.delivered;
            device.cursor_bytes = row.total_bytes;
        }
        let start = inbox::key(shard, address, Position(0));
        let oldest = view.first(&start, &inbox::key(shard, address, device.cursor.next()));
        device.trimmed = oldest.map_or(device.cursor, |(key, _)| {
            let oldest = inbox::position_of(&key).expect("an inbox key holds a position");
            Position(oldest.0 - 1)
        });
        let first = cursor::refusal_key(shard, address, Position(0));
        let last = cursor::refusal_key(shard, address, Position(u64::MAX));
        device.has_refusals = view.first(&first, &last).is_some();
        device.tail = device.cursor;
        device.tail_bytes = device.cursor_bytes;
        // Rows below the cursor may be left or gone; the tail is the newest row, if there is one
        // beyond the cursor.
        let from = inbox::key(shard, address, device.cursor.next());
        let to = inbox::key(shard, address, Position(u64::MAX));
        if let Some((key, value)) = view.last(&from, &to) {
            let row = InboxRow::decode(&value).expect("an inbox row is ours");
            device.tail = inbox::position_of(&key).expect("an inbox key holds a position");
            device.tail_bytes = row.total_bytes;
            let gap = row.as_gap(device.tail).expect("a gap row is ours");
            device.overflow_from = gap
                .filter(|gap| gap.reason == GapReason::OVERFLOW)
                .map(|gap| gap.from);
        }
        device
    }

    /// How many items wait.
    pub(crate) const fn waiting_rows(&self) -> u64 {
        self.cursor.until(self.tail)
    }

    /// How many body bytes wait.
    pub(crate) const fn waiting_bytes(&self) -> u64 {
        self.tail_bytes - self.cursor_bytes
    }

    /// The cursor as it is stored.
    pub(crate) const fn cursor_row(&self) -> CursorRow {
        CursorRow {
            position: self.cursor,
            delivered: self.delivered,
            total_bytes: self.cursor_bytes,
        }
    }

    /// Whether an item may be on its way to the device: it was pushed, or is in a page that is
    /// being read, and is not acknowledged.
    pub(crate) fn is_in_flight(&self, position: Position) -> bool {
        self.session.as_ref().is_some_and(|session| {
            position > self.cursor
                && (session.page == Page::Awaited || position <= session.pushed.max(session.stored))
        })
    }

    /// The connection `session`, unless another one has taken its place.
    pub(crate) fn session_mut(&mut self, session: SessionId) -> Option<&mut Session> {
        self.session
            .as_deref_mut()
            .filter(|current| current.id == session)
    }
}

impl Session {
    pub(crate) fn new(id: SessionId, pushed: Position, stored: Position, credit: Credit) -> Self {
        let mut session = Self {
            id,
            pushed,
            stored,
            credit_messages: 0,
            credit_bytes: 0,
            in_flight: VecDeque::new(),
            reads: BTreeMap::new(),
            pings: Vec::new(),
            page: Page::None,
            missed_from: None,
            challenged_us: 0,
            paused_until: None,
            groups: BTreeMap::new(),
            active: false,
            watched: BTreeSet::new(),
            caught_up: false,
            trimmed: false,
        };
        session.grant(credit);
        session
    }

    /// Adds credit, up to what a device may have granted at once.
    pub(crate) fn grant(&mut self, credit: Credit) {
        let messages = self.credit_messages.saturating_add(credit.messages);
        self.credit_messages = messages.min(CREDIT_MESSAGES_MAX);
        let bytes_max = i64::try_from(CREDIT_BYTES_MAX).unwrap_or(i64::MAX);
        let granted = i64::try_from(credit.bytes).unwrap_or(i64::MAX);
        self.credit_bytes = self.credit_bytes.saturating_add(granted).min(bytes_max);
    }

    /// Whether the next item may be pushed.
    pub(crate) fn may_push(&self) -> bool {
        self.credit_messages > 0
            && self.credit_bytes > 0
            && self.paused_until.is_none()
            && self.in_flight.len() < IN_FLIGHT_MAX
    }

    /// Notes that an item of `frame_bytes` was pushed.
    pub(crate) fn charge(&mut self, frame_bytes: usize) {
        self.credit_messages -= 1;
        self.credit_bytes -= i64::try_from(frame_bytes).unwrap_or(i64::MAX);
    }
}

/// A body that several devices' rows share.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) kind: Kind,
    pub(crate) body: Bytes,
    pub(crate) body_crc: u32,
    pub(crate) subject: Subject,
}
