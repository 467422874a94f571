//! `martletd restored`: gives every stream of a data directory that was put back a new identity.

use std::io::{self, Write};
use std::path::Path;

use bytes::BytesMut;
use martlet_protocol::Address;
use martlet_store::keys::account::{self, AccountRow};
use martlet_store::keys::group::{self, GroupRow};
use martlet_store::keys::prekey::{self, StockRow};
use martlet_store::keys::{KeyTag, group_log, key_prefix, key_prefix_end};
use martlet_store::rocks::{self, Engine, Options};
use martlet_store::{Batch, Row, ShardId, View};

use crate::args::RestoredArgs;
use crate::error::StartError;
use crate::random;

/// Gives each device's stream a new epoch. A copy does not know what happened after it was made:
/// without this, positions of its streams would be used a second time, and devices that have
/// stored the first use would take the second for old [M-10.8]. One-time prekeys are removed: what
/// was given away after the copy was made would be given away again. Their devices upload others.
/// The logs of groups go on far behind what the copy knows, for the same reason [M-27.26].
///
/// May be run any number of times; each time, devices resume from what the directory knows.
///
/// # Errors
/// When the directory is in use, damaged, or cannot be written.
pub fn restored(args: &RestoredArgs) -> Result<(), StartError> {
    let devices = renew(&args.data_dir)?;
    // When standard output is closed, the exit code still tells.
    let _ = writeln!(
        io::stdout(),
        "{}: {devices} devices will resume from what this copy knows",
        args.data_dir.display()
    );
    Ok(())
}

/// Returns how many devices there are.
fn renew(directory: &Path) -> Result<usize, StartError> {
    let creation = rocks::verify::creation(directory)?;
    let engine = Engine::open(directory, &Options::new(creation.shards, creation.seed))?;
    let mut devices = 0;
    for shard in (0..creation.shards).map(ShardId) {
        each_page(&engine, shard, KeyTag::Account, |rows| {
            devices += renew_accounts(&engine, shard, rows)?;
            Ok(())
        })?;
        each_page(&engine, shard, KeyTag::Group, |rows| {
            raise_floors(&engine, shard, rows)
        })?;
    }
    Ok(devices)
}

/// Walks over the rows of one family.
fn each_page(
    engine: &Engine,
    shard: ShardId,
    tag: KeyTag,
    mut change: impl FnMut(&[Row]) -> Result<(), StartError>,
) -> Result<(), StartError> {
    let mut from = key_prefix(shard, tag).to_vec();
    let end = key_prefix_end(shard, tag);
    loop {
        let rows = engine.scan(&from, &end, ROWS_MAX, BYTES_MAX);
        let Some((last, _)) = rows.last() else {
            return Ok(());
        };
        from = [last, &[0][..]].concat();
        change(&rows)?;
    }
}

/// Lets each group's log and roster go on where they cannot have been before.
fn raise_floors(engine: &Engine, shard: ShardId, rows: &[Row]) -> Result<(), StartError> {
    let mut batch = Batch::new();
    for (key, value) in rows {
        let mut group = GroupRow::decode(value).map_err(|_| BROKEN)?;
        let id = group::group_of(key).ok_or(BROKEN)?;
        let first = group_log::key(shard, id, 0);
        let last = group_log::key(shard, id, u64::MAX);
        let newest = engine.last(&first, &last);
        let newest = newest.and_then(|(key, _)| group_log::place_of(&key));
        let newest = newest.map_or(0, |(_, sequence)| sequence);
        group.floor = newest.max(group.floor).saturating_add(FORGOTTEN_MAX);
        group.roster = group.roster.saturating_add(FORGOTTEN_MAX);
        let mut raised = BytesMut::new();
        group.encode(&mut raised);
        batch.put(key, &raised);
    }
    engine.commit(&batch)?;
    Ok(())
}

fn renew_accounts(engine: &Engine, shard: ShardId, rows: &[Row]) -> Result<usize, StartError> {
    let mut batch = Batch::new();
    let mut devices = 0;
    for (key, value) in rows {
        let mut account = AccountRow::decode(value).map_err(|_| BROKEN)?;
        let user = account::user_of(key).ok_or(BROKEN)?;
        for device in &mut account.devices {
            device.epoch = random::number();
            devices += 1;
            let address = Address {
                user,
                device: device.device,
            };
            drop_one_time_keys(engine, shard, address, &mut batch)?;
        }
        let mut renewed = BytesMut::new();
        account.encode(&mut renewed);
        batch.put(key, &renewed);
    }
    engine.commit(&batch)?;
    Ok(devices)
}

/// Leaves a device its last-resort key only.
fn drop_one_time_keys(
    engine: &Engine,
    shard: ShardId,
    address: Address,
    batch: &mut Batch,
) -> Result<(), StartError> {
    let key = prekey::key(shard, address);
    let Some(value) = engine.get(&key) else {
        return Ok(());
    };
    let mut stock = StockRow::decode(&value).map_err(|_| BROKEN)?;
    let from = prekey::one_time_key(shard, address, stock.claimed_up_to);
    let end = prekey::one_time_end(shard, address);
    for (key, _) in engine.scan(&from, &end, usize::MAX, usize::MAX) {
        batch.delete(&key);
    }
    stock.one_time = 0;
    stock.claimed_up_to = stock.taken_up_to;
    let mut emptied = BytesMut::new();
    stock.encode(&mut emptied);
    batch.put(&key, &emptied);
    Ok(())
}

/// More entries, or other members and devices, than a group gets between the moments when a copy
/// is made and when it is put back.
const FORGOTTEN_MAX: u64 = 1 << 32;

const BROKEN: StartError = StartError::InvariantsBroken { count: 1 };

/// Accounts, or groups, in one commit.
const ROWS_MAX: usize = 4_096;

/// Bytes of their rows.
const BYTES_MAX: usize = 1 << 20;
