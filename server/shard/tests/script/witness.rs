//! Holds each effect against the rows that are durable at the moment it is released.
//!
//! This is the promise "an effect waits for its commit" as a check: an effect that speaks of a row
//! which a crash could still take back fails here, in every transcript.

use bytes::Bytes;
use martlet_protocol::{Address, Position};
use martlet_shard::{Command, Effect, Reply, SentAnswer};
use martlet_store::keys::account::{self, AccountRow};
use martlet_store::keys::cursor::{self, CursorRow};
use martlet_store::keys::inbox::{self, InboxRow};
use martlet_store::keys::message::{self, MessageRow};
use martlet_store::keys::relay;
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
            let row = inbox_row(world, address, *position).expect("an item has a durable row");
            assert_eq!((row.kind, &row.body), (*kind, body));
        }
        Effect::Frame { session, reply } => {
            let address = world.links.get(session).and_then(|link| link.address);
            reply_is_durable(world, address, reply);
        }
        Effect::Forward(command) => forward_is_durable(world, command),
        Effect::LoadPage { .. } | Effect::Close { .. } => {}
    }
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
            let siblings = account_row(world, from).map_or(0, |row| row.devices.len());
            let home = world.topology.shard_of_user(from.user);
            let copied = message::copied_key(home, sent.message_id, from);
            assert!(
                siblings < 2 || world.durable.get(&copied).is_some(),
                "SENT before the own copies are durable"
            );
        }
        _ => {}
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
        other => panic!("nobody forwards {other:?}"),
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
