//! Rows of an inbox that stand for entries of a group's log.

use crate::keys::group_log;
use crate::keys::inbox::{InboxRow, Reference};
use crate::view::ScanBudget;
use crate::{Row, ShardId, View};

/// Appends, to each reference among the rows of an inbox, the entry that it stands for, as a page
/// of the inbox is read. A reference whose entry has fallen off by age stays as it is.
///
/// The page ends behind the row that makes it reach `bytes_max`: many small references stand for
/// a lot, and whoever asked bounded what comes.
pub fn resolve(shard: ShardId, view: &(impl View + ?Sized), rows: &mut Vec<Row>, bytes_max: usize) {
    let mut budget = ScanBudget::new(rows.len(), bytes_max);
    let mut whole = 0;
    for (key, value) in rows.iter_mut() {
        if budget.is_spent() {
            break;
        }
        // A row that is not whole is found by whoever reads it.
        let reference = InboxRow::decode(value)
            .ok()
            .and_then(|row| row.as_reference());
        let entry = reference.and_then(
            |Reference {
                 group, sequence, ..
             }| { view.get(&group_log::key(shard, group, sequence)) },
        );
        if let Some(entry) = entry {
            *value = [&value[..], &entry[..]].concat().into();
        }
        budget.charge(key, value);
        whole += 1;
    }
    rows.truncate(whole);
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use martlet_protocol::frame::GroupMode;
    use martlet_protocol::{Address, DeviceId, GroupId, Millis, Position, UserId};

    use super::*;
    use crate::keys::group_log::LogRow;
    use crate::keys::inbox;
    use crate::{Batch, Memory};

    const SHARD: ShardId = ShardId(3);
    const GROUP: GroupId = GroupId(9);

    fn put(batch: &mut Batch, key: &[u8], encode: impl FnOnce(&mut BytesMut)) {
        let mut value = BytesMut::new();
        encode(&mut value);
        batch.put(key, &value);
    }

    #[test]
    fn a_reference_is_replaced_by_its_entry_and_stays_when_that_is_gone() {
        let address = Address {
            user: UserId(1),
            device: DeviceId(1),
        };
        let entry = LogRow {
            body_crc: 77,
            expires_at: Millis(5),
            way: GroupMode::INBOX,
            body: Bytes::from_static(b"entry"),
        };
        let mut batch = Batch::new();
        put(&mut batch, &group_log::key(SHARD, GROUP, 4), |out| {
            entry.encode(out)
        });
        for (position, sequence) in [(1, 4), (2, 5)] {
            let reference = Reference {
                group: GROUP,
                sequence,
                at: Millis(8),
            };
            let row = InboxRow::reference(reference, entry.body.len() as u64, 100);
            let key = inbox::key(SHARD, address, Position(position));
            put(&mut batch, &key, |out| row.encode(out));
        }
        let mut memory = Memory::new();
        memory.apply(&batch);
        let from = inbox::key(SHARD, address, Position(0));
        let to = inbox::key(SHARD, address, Position(u64::MAX));
        let mut rows = memory.scan(&from, &to, 10, 1_000);
        let page = rows.clone();
        resolve(SHARD, &memory, &mut rows, 1_000);
        let read = |index: usize| InboxRow::decode(&rows[index].1).expect("it is whole");
        assert_eq!(read(0).entry(), Some(entry));
        assert_eq!(read(0).total_bytes, 105);
        let gone = read(1);
        assert_eq!(gone.entry(), None);
        assert_eq!(gone.as_reference().map(|it| it.sequence), Some(5));

        let mut bounded = page;
        resolve(SHARD, &memory, &mut bounded, 50);
        assert_eq!(bounded, rows[..1], "the first row alone is that large");
    }
}
