//! Checks every row of a stopped store against the invariants of the shards.

use std::collections::BTreeMap;

use bytes::Bytes;
use martlet_protocol::wire::Reader;
use martlet_protocol::{Address, Position, UserId};
use martlet_store::keys::account::{self, AccountRow};
use martlet_store::keys::cursor::{self, CursorRow};
use martlet_store::keys::inbox::{self, InboxRow};
use martlet_store::keys::message::{self, MessageRow};
use martlet_store::keys::{self, KeyTag};
use martlet_store::keys::{relation, relay};

use crate::inbox::StoredMessage;
use crate::topology::Topology;

mod directory;
mod groups;
mod people;

use directory::Directory;
use groups::Groups;
use people::People;

/// Reads rows in any order and says at the end what does not fit together.
#[derive(Debug)]
pub struct Verifier {
    topology: Topology,
    devices: BTreeMap<Address, ()>,
    cursors: BTreeMap<Address, CursorRow>,
    streams: BTreeMap<Address, Stream>,
    handles: BTreeMap<UserId, String>,
    named: BTreeMap<String, UserId>,
    directory: Directory,
    groups: Groups,
    people: People,
    messages: u64,
    problems: Vec<String>,
}

/// What the rows of one inbox have in common: they follow each other without a hole.
#[derive(Debug)]
struct Stream {
    first: Position,
    last: Position,
    last_total: u64,
}

/// How many rows of each kind there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Accounts.
    pub accounts: u64,
    /// Devices.
    pub devices: u64,
    /// Message rows.
    pub messages: u64,
    /// Items that wait for a device.
    pub waiting: u64,
}

impl Verifier {
    /// A verifier that has seen nothing.
    pub const fn new(topology: Topology) -> Self {
        Self {
            topology,
            devices: BTreeMap::new(),
            cursors: BTreeMap::new(),
            streams: BTreeMap::new(),
            handles: BTreeMap::new(),
            named: BTreeMap::new(),
            directory: Directory::new(),
            groups: Groups::new(),
            people: People::new(),
            messages: 0,
            problems: Vec::new(),
        }
    }

    /// Looks at one row. Rows must come in key order, as a store lists them.
    pub fn row(&mut self, key: &[u8], value: &[u8]) {
        let problem = match self.check(key, value) {
            Ok(()) => return,
            Err(problem) => problem,
        };
        self.problems.push(format!("row {}: {problem}", hex(key)));
    }

    /// What was counted and what does not fit: empty when all invariants hold.
    pub fn finish(mut self) -> (Counts, Vec<String>) {
        let mut waiting = 0;
        for (address, stream) in &self.streams {
            let cursor = self.cursors.get(address).copied().unwrap_or_default();
            if !self.devices.contains_key(address) {
                self.problems
                    .push(format!("an inbox without a device: {address}"));
            }
            // Rows up to the cursor may be there or gone, but none may be missing behind it.
            if stream.first > cursor.position.next() {
                self.problems.push(format!(
                    "{address}: the inbox starts at {}, its cursor is {}",
                    stream.first, cursor.position
                ));
            }
            if stream.last > cursor.position && stream.last_total < cursor.total_bytes {
                self.problems
                    .push(format!("{address}: the byte count runs backwards"));
            }
            waiting += cursor.position.until(stream.last);
        }
        // A cursor without a device is that of a device which was removed.
        for (user, handle) in &self.handles {
            if self.named.get(handle) != Some(user) {
                self.problems
                    .push(format!("account {user} does not own its handle"));
            }
        }
        self.directory.finish(&mut self.problems);
        self.groups.finish(&mut self.problems);
        self.people.finish(&self.handles, &mut self.problems);
        let counts = Counts {
            accounts: self.handles.len() as u64,
            devices: self.devices.len() as u64,
            messages: self.messages,
            waiting,
        };
        (counts, self.problems)
    }

    fn check(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let tag = KeyTag::of(key).ok_or("an unknown tag")?;
        let shard = keys::shard_of(key).ok_or("a key without a shard")?;
        if tag == KeyTag::Commit {
            return Ok(());
        }
        if shard.0 >= self.topology.shards {
            return Err("a shard that does not exist".into());
        }
        match tag {
            KeyTag::Inbox => self.inbox(key, value),
            KeyTag::Account => self.account(key, value),
            KeyTag::Handle => {
                let handle = str::from_utf8(&key[keys::PREFIX_BYTES..]).map_err(say)?;
                let user = account::handle_owner(value).map_err(say)?;
                self.named.insert(handle.to_owned(), user);
                Ok(())
            }
            KeyTag::Cursor => {
                let address = cursor::address_of(key).ok_or("a cursor key of another length")?;
                self.cursors
                    .insert(address, CursorRow::decode(value).map_err(say)?);
                Ok(())
            }
            KeyTag::Message => {
                self.messages += 1;
                MessageRow::decode(value).map(|_| ()).map_err(say)
            }
            KeyTag::Outbox => relay::decode_outbox(value).map(|_| ()).map_err(say),
            KeyTag::ReadMark | KeyTag::Clock => {
                cursor::timestamp_of(value).map(|_| ()).map_err(say)
            }
            KeyTag::Expiry => message::expiry_of(key)
                .map(|_| ())
                .ok_or_else(|| "a bad expiry key".into()),
            KeyTag::Partial => message::Origin::decode(value).map(|_| ()).map_err(say),
            KeyTag::Applied => Reader::new(value).u64().map(|_| ()).map_err(say),
            KeyTag::DeviceList => self.directory.list(key, value),
            KeyTag::DeviceKeys => self.directory.stock(key, value),
            KeyTag::OneTimeKey => self.directory.one_time(key, value),
            KeyTag::GroupLog
            | KeyTag::Group
            | KeyTag::GroupRecord
            | KeyTag::GroupMember
            | KeyTag::GroupMessage
            | KeyTag::LocalGroup
            | KeyTag::LocalMember
            | KeyTag::UserGroup
            | KeyTag::GroupCursor => self.groups.row(&self.topology, (shard, tag), key, value),
            KeyTag::Person => self.people.person(key, value),
            KeyTag::Relation => self.people.relation(key, value),
            KeyTag::LastSeen => relation::seen_at(value).map(|_| ()).map_err(say),
            KeyTag::Held | KeyTag::Refusal | KeyTag::Copied | KeyTag::Commit => Ok(()),
        }
    }

    fn account(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let user = account::user_of(key).ok_or("an account key of another length")?;
        let mut row = AccountRow::decode(value).map_err(say)?;
        let shard = keys::shard_of(key).ok_or("a key without a shard")?;
        if self.topology.shard_of_user(user) != shard {
            return Err(format!("account {user} is on the wrong shard"));
        }
        for device in &row.devices {
            self.devices.insert(
                Address {
                    user,
                    device: device.device,
                },
                (),
            );
        }
        self.handles.insert(user, std::mem::take(&mut row.handle));
        self.directory.account(user, row);
        Ok(())
    }

    fn inbox(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let position = inbox::position_of(key).ok_or("an inbox key of another length")?;
        let address = cursor::address_of(&key[..13]).ok_or("an inbox key of another length")?;
        let row = InboxRow::decode(&Bytes::copy_from_slice(value)).map_err(say)?;
        if let Some(reference) = row.as_reference() {
            let shard = keys::shard_of(key).ok_or("a key without a shard")?;
            self.groups.reference(shard, reference);
        } else if martlet_protocol::crc::of_body(&row.body) != row.body_crc {
            return Err("the body's checksum does not match".into());
        }
        let gap = row.as_gap(position).map_err(say)?;
        if gap.is_none() {
            // Reading it is the check; a row of another kind has nothing more to read.
            let _ = StoredMessage::of(&row);
        }
        let first = gap.map_or(position, |gap| gap.from);
        match self.streams.get_mut(&address) {
            None => {
                let stream = Stream {
                    first,
                    last: position,
                    last_total: row.total_bytes,
                };
                self.streams.insert(address, stream);
            }
            Some(stream) => {
                let (expected, before) = (stream.last.next(), stream.last_total);
                stream.last = position;
                stream.last_total = row.total_bytes;
                if first > expected {
                    return Err(format!("a hole: {first} follows {}", expected.0 - 1));
                }
                if row.total_bytes < before {
                    return Err("the byte count runs backwards".into());
                }
            }
        }
        Ok(())
    }
}

fn say(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
