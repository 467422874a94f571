//! Holds each effect against the rows that are durable at the moment it is released.
//!
//! This is the promise "an effect waits for its commit" as a check: an effect that speaks of a row
//! which a crash could still take back fails here, in every transcript.

use bytes::Bytes;
use martlet_protocol::frame::{GroupEvent, GroupMode, PrekeyKind};
use martlet_protocol::wire::Reader;
use martlet_protocol::{Address, DeviceList, Kind, Position, UserId};
use martlet_shard::{Command, Effect, GroupCommand, Note, Reply, SentAnswer};
use martlet_store::keys::account::{self, AccountRow};
use martlet_store::keys::cursor::{self, CursorRow};
use martlet_store::keys::group::{self, GroupMessageRow};
use martlet_store::keys::group_log::{self, LogRow};
use martlet_store::keys::inbox::{self, InboxRow, Reference};
use martlet_store::keys::message::{self, MessageRow};
use martlet_store::keys::prekey::{self, StockRow};
use martlet_store::keys::relation::{self, PersonRow, RelationRow};
use martlet_store::keys::{device_list, relay};
use martlet_store::{ShardId, View};

use crate::world::World;

pub(crate) fn check(world: &World, effect: &Effect) {
    match effect {
        Effect::Event {
            session,
            position,
            kind,
            body,
            ..
        } => {
            let Some(link) = world.links.get(session) else {
                return;
            };
            let address = link.address.expect("it is attached");
            if *position == Position(0) {
                return entry_is_durable(world, address, body);
            }
            let row = inbox_row(world, address, *position).expect("an item has a durable row");
            match row.as_reference() {
                None => assert_eq!((row.kind, &row.body), (*kind, body)),
                Some(Reference {
                    group, sequence, ..
                }) => {
                    let home = world.topology.shard_of_user(address.user);
                    let entry = world.durable.get(&group_log::key(home, group, sequence));
                    let entry = LogRow::decode(&entry.expect("an entry has a durable row"));
                    let entry = entry.expect("it decodes").body;
                    assert_eq!((Kind::GROUP_EVENT, &entry), (*kind, body));
                }
            }
        }
        Effect::Frame { session, reply } => {
            let address = world.links.get(session).and_then(|link| link.address);
            reply_is_durable(world, address, reply);
        }
        Effect::Forward(command) => forward_is_durable(world, command),
        Effect::Note(note) => note_is_durable(world, note),
        Effect::LoadPage { .. } | Effect::LoadEntries { .. } | Effect::Close { .. } => {}
    }
}

/// What comes by a group's own stream is in the log of the device's shard.
fn entry_is_durable(world: &World, address: Address, body: &Bytes) {
    let event = GroupEvent::decode_body(Position(0), &mut Reader::new(body)).expect("it decodes");
    let home = world.topology.shard_of_user(address.user);
    let key = group_log::key(home, event.group, event.sequence);
    let row = world.durable.get(&key).expect("an entry has a durable row");
    let row = LogRow::decode(&row).expect("it decodes");
    assert_eq!((row.way, &row.body), (GroupMode::STREAM, body));
}

fn reply_is_durable(world: &World, address: Option<Address>, reply: &Reply) {
    match (reply, address) {
        (Reply::Ready { tail, .. }, Some(address)) => {
            assert_eq!(durable_tail(world, address), *tail, "READY names a tail");
        }
        (Reply::Registered(address), _) => {
            account_row(world, *address).expect("REGISTERED has a durable account");
        }
        (Reply::Sent(sent), Some(from)) => {
            message_is_durable(world, from, sent);
            let mut messages = world.messages.values();
            let message = messages.find(|message| message.id == sent.message_id);
            let has_copies = message.is_some_and(|message| !message.own_parts.is_empty());
            let home = world.topology.shard_of_user(from.user);
            let copied = message::copied_key(home, sent.message_id, from);
            assert!(
                !has_copies || world.durable.get(&copied).is_some(),
                "SENT before the own copies are durable"
            );
        }
        (Reply::Published(published), Some(from)) => {
            let home = world.topology.shard_of_user(from.user);
            let list = device_list::key(home, from.user, published.version);
            assert!(world.durable.get(&list).is_some(), "PUBLISHED has its list");
        }
        (Reply::SettingsAre(_) | Reply::RelationList(_), Some(of)) => {
            people_are_durable(world, of.user, reply);
        }
        (Reply::DeviceLists(answer), _) => {
            let home = world.topology.shard_of_user(answer.user);
            for list in &answer.lists {
                let version = DeviceList::decode(list).expect("it decodes").version;
                let key = device_list::key(home, answer.user, version);
                assert_eq!(world.durable.get(&key).as_ref(), Some(list));
            }
        }
        (Reply::Stock(stock), Some(of)) if stock.request != 0 => {
            let home = world.topology.shard_of_user(of.user);
            let row = world.durable.get(&prekey::key(home, of));
            let row = row.map_or_else(StockRow::default, |row| {
                StockRow::decode(&row).expect("it decodes")
            });
            let last_resort = row.last_resort.map_or(0, |key| key.prekey.id);
            assert_eq!(
                last_resort, stock.last_resort,
                "STOCK tells what is durable"
            );
            // Keys may have been claimed in the same turn.
            let is_counted = row.one_time == stock.one_time || row.claimed_up_to > 0;
            assert!(is_counted, "STOCK counts what is durable");
        }
        (Reply::Bundles(answer), _) => answer.bundles.iter().for_each(|bundle| {
            let home = world.topology.shard_of_user(answer.user);
            let address = Address {
                user: answer.user,
                device: bundle.device,
            };
            let key = prekey::one_time_key(home, address, bundle.prekey.id);
            assert!(
                bundle.kind != PrekeyKind::ONE_TIME || world.durable.get(&key).is_none(),
                "a key is told while a crash could bring it back"
            );
        }),
        _ => group_is_durable(world, address, reply),
    }
}

fn group_is_durable(world: &World, address: Option<Address>, reply: &Reply) {
    match (reply, address) {
        (Reply::GroupSent(sent), Some(from)) => {
            let home = world.topology.shard_of_group(sent.group);
            let key = group::message_key(home, sent.message_id, from);
            let row = world.durable.get(&key).expect("GROUP_SENT has its row");
            let row = GroupMessageRow::decode(&row).expect("it decodes");
            assert_eq!(
                (row.sequence, row.timestamp),
                (sent.sequence, sent.timestamp)
            );
            let entry = group_log::key(home, sent.group, sent.sequence);
            assert!(world.durable.get(&entry).is_some(), "and its entry");
        }
        (Reply::GroupChanged(changed), _) => {
            let home = world.topology.shard_of_group(changed.group);
            let record = group::record_key(home, changed.group, changed.version);
            assert!(
                world.durable.get(&record).is_some(),
                "GROUP_CHANGED has its record"
            );
        }
        _ => {}
    }
}

fn people_are_durable(world: &World, owner: UserId, reply: &Reply) {
    let home = world.topology.shard_of_user(owner);
    match reply {
        Reply::SettingsAre(are) => {
            let row = world.durable.get(&relation::person_key(home, owner));
            let row = row.map_or_else(PersonRow::default, |row| {
                PersonRow::decode(&row).expect("it decodes")
            });
            assert_eq!(row.settings, are.settings, "it tells what is durable");
        }
        Reply::RelationList(answer) => {
            for entry in &answer.relations {
                let row = world.durable.get(&relation::key(home, owner, entry.user));
                let row = row.map_or(RelationRow::STRANGER, |row| {
                    RelationRow::decode(&row).expect("it decodes")
                });
                assert_eq!(row.relation, entry.relation, "it tells what is durable");
            }
        }
        other => panic!("not about people: {other:?}"),
    }
}

fn forward_is_durable(world: &World, command: &Command) {
    let durable = &world.durable;
    match command {
        Command::Accepted { from, sent, .. } => message_is_durable(world, *from, sent),
        Command::Relayed {
            source, sequence, ..
        } => {
            let row = durable.get(&relay::outbox_key(*source, *sequence));
            row.expect("what is relayed has a durable row");
        }
        Command::RelayDone {
            source,
            target,
            sequence,
        } => {
            let row = durable.get(&relay::applied_key(*target, *source));
            let row: Bytes = row.expect("what is confirmed is durable");
            let applied = u64::from_le_bytes(row[..].try_into().expect("a sequence"));
            assert!(applied >= *sequence);
        }
        // Nothing of presence and typing is ever stored.
        Command::Observe { .. }
        | Command::Unobserve { .. }
        | Command::Typed { .. }
        | Command::Group(GroupCommand::Typed { .. }) => {}
        other => panic!("nobody forwards {other:?}"),
    }
}

fn note_is_durable(world: &World, note: &Note) {
    match note {
        Note::ListPublished {
            user,
            version,
            devices,
            added,
            removed,
        } => {
            let home = world.topology.shard_of_user(*user);
            let list = world.durable.get(&device_list::key(home, *user, *version));
            let list = list.expect("a list that is logged is durable");
            let list = DeviceList::decode(&list).expect("it decodes");
            assert_eq!(list.devices.len(), *devices);
            assert!(added.is_none_or(|device| list.device(device).is_some()));
            assert!(removed.iter().all(|it| list.device(*it).is_none()));
        }
        Note::AccountReset(address) => {
            let row = account_row(world, *address).expect("the account is durable");
            let devices: Vec<_> = row.devices.iter().map(|row| row.device).collect();
            // Another reset of the same turn may have taken its place.
            let is_alone = devices.len() == 1 && devices[0] >= address.device;
            assert!(is_alone, "a reset leaves one device");
        }
        Note::GroupChanged { group, version, .. } => {
            let home = world.topology.shard_of_group(*group);
            let record = world
                .durable
                .get(&group::record_key(home, *group, *version));
            record.expect("a record that is logged is durable");
        }
        Note::GroupMode {
            group, sequence, ..
        } => {
            let home = world.topology.shard_of_group(*group);
            let entry = world.durable.get(&group_log::key(home, *group, *sequence));
            entry.expect("a switch that is logged is durable");
        }
    }
}

fn message_is_durable(world: &World, from: Address, sent: &SentAnswer) {
    let mut messages = world.messages.values();
    let known = messages.find(|message| message.id == sent.message_id);
    let to = known.expect("somebody sent it").to;
    let home = world.topology.shard_of_user(to);
    let key = message::key(home, sent.message_id, from);
    let row = world.durable.get(&key).expect("SENT has a durable message");
    let row = MessageRow::decode(&row).expect("it decodes");
    assert_eq!(row.timestamp, sent.timestamp);
    assert_eq!(row.devices(), sent.devices);
}

fn durable_tail(world: &World, address: Address) -> Position {
    let home = world.topology.shard_of_user(address.user);
    let from = inbox::key(home, address, Position(0));
    let to = inbox::key(home, address, Position(u64::MAX));
    let newest = world.durable.last(&from, &to);
    let newest = newest.and_then(|(key, _)| inbox::position_of(&key));
    let cursor = world.durable.get(&cursor::key(home, address));
    let cursor = cursor.map(|row| CursorRow::decode(&row).expect("it decodes").position);
    newest.max(cursor).unwrap_or_default()
}

fn inbox_row(world: &World, address: Address, position: Position) -> Option<InboxRow> {
    let home: ShardId = world.topology.shard_of_user(address.user);
    let row = world.durable.get(&inbox::key(home, address, position))?;
    Some(InboxRow::decode(&row).expect("it decodes"))
}

fn account_row(world: &World, address: Address) -> Option<AccountRow> {
    let home = world.topology.shard_of_user(address.user);
    let row = world.durable.get(&account::key(home, address.user))?;
    Some(AccountRow::decode(&row).expect("it decodes"))
}
