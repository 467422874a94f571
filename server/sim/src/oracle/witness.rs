//! What the rows on the disk say at the end of a run.

use std::collections::BTreeMap;

use martlet_protocol::{
    Address, DeviceId, DeviceList, MessageId, Position, State, Timestamp, UserId,
};
use martlet_store::Memory;
use martlet_store::keys::cursor::{self, CursorRow};
use martlet_store::keys::message::MessageRow;
use martlet_store::keys::{KeyTag, device_list, inbox};

use super::members::GroupRows;

/// The rows that matter to the ledger.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    pub(super) messages: BTreeMap<(MessageId, Address), Placed>,
    pub(super) cursors: BTreeMap<Address, Position>,
    pub(super) tails: BTreeMap<Address, Position>,
    pub(super) waiting: BTreeMap<Address, u64>,
    pub(super) outbox_rows: u64,
    /// How far a reader has read what a peer wrote.
    pub(super) reads: BTreeMap<(UserId, UserId), Timestamp>,
    /// The devices of every list.
    pub(super) lists: BTreeMap<(UserId, u64), Vec<DeviceId>>,
    pub(crate) groups: GroupRows,
}

/// Where a message went: device, position, and how it ended there.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) timestamp: Timestamp,
    pub(super) at: Vec<(DeviceId, Position, Option<State>)>,
}

impl Witness {
    pub(crate) fn of(rows: &Memory) -> Self {
        let mut witness = Self::default();
        for (key, value) in rows.iter() {
            let known = match KeyTag::of(key) {
                Some(KeyTag::Message) => witness.message(key, value),
                Some(KeyTag::Cursor) => witness.cursor(key, value),
                Some(KeyTag::Inbox) => witness.inbox(key),
                Some(KeyTag::ReadMark) => witness.read(key, value),
                Some(KeyTag::DeviceList) => witness.list(key, value),
                Some(KeyTag::Group) => witness.groups.group(key, value),
                Some(KeyTag::GroupRecord) => witness.groups.record(value),
                Some(KeyTag::GroupMessage) => witness.groups.message(key, value),
                Some(KeyTag::Outbox) => {
                    witness.outbox_rows += 1;
                    Some(())
                }
                _ => Some(()),
            };
            assert!(known.is_some(), "a row that does not decode: {key:02x?}");
        }
        witness
    }

    /// Whether a device has acknowledged all that was placed for it.
    pub(crate) fn is_drained(&self, address: Address) -> bool {
        self.cursor_of(address) >= self.tail_of(address)
    }

    /// The devices of an account; none without a list.
    pub(crate) fn devices_of(&self, user: UserId) -> &[DeviceId] {
        let lists = self.lists.range((user, 0)..=(user, u64::MAX));
        lists.last().map_or(&[], |(_, devices)| devices)
    }

    pub(crate) fn is_listed(&self, address: Address) -> bool {
        self.devices_of(address.user).contains(&address.device)
    }

    pub(super) fn cursor_of(&self, address: Address) -> Position {
        self.cursors.get(&address).copied().unwrap_or_default()
    }

    pub(super) fn tail_of(&self, address: Address) -> Position {
        let tail = self.tails.get(&address).copied().unwrap_or_default();
        tail.max(self.cursor_of(address))
    }

    fn message(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let id = MessageId(key.get(3..19)?.try_into().ok()?);
        let sender = Address {
            user: UserId(u64::from_be_bytes(key.get(19..27)?.try_into().ok()?)),
            device: DeviceId(u16::from_be_bytes(key.get(27..29)?.try_into().ok()?)),
        };
        let row = MessageRow::decode(value).ok()?;
        let at = row.placements.iter();
        let at = at.map(|placed| (placed.device, placed.position, placed.fact));
        let placed = Placed {
            timestamp: row.timestamp,
            at: at.collect(),
        };
        self.messages.insert((id, sender), placed);
        Some(())
    }

    fn cursor(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let row = CursorRow::decode(value).ok()?;
        self.cursors.insert(cursor::address_of(key)?, row.position);
        Some(())
    }

    fn inbox(&mut self, key: &[u8]) -> Option<()> {
        let address = cursor::address_of(key.get(..13)?)?;
        let position = inbox::position_of(key)?;
        self.tails.insert(address, position);
        // Cursors come before inboxes in no order that one may count on: counted at the end.
        *self.waiting.entry(address).or_default() += 1;
        Some(())
    }

    fn read(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let reader = UserId(u64::from_be_bytes(key.get(3..11)?.try_into().ok()?));
        let peer = UserId(u64::from_be_bytes(key.get(11..19)?.try_into().ok()?));
        let up_to = cursor::timestamp_of(value).ok()?;
        self.reads.insert((reader, peer), up_to);
        Some(())
    }

    fn list(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let list = DeviceList::decode(value).ok()?;
        let devices = list.devices.iter().map(|listed| listed.device).collect();
        self.lists.insert(device_list::version_of(key)?, devices);
        Some(())
    }
}
