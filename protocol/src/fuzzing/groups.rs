//! Records of groups: one that a stranger sent, and sequences of them under the rules.

use std::collections::BTreeMap;

use bytes::BytesMut;

use crate::auth::SIGNATURE_BYTES;
use crate::crc;
use crate::device_list::{HASH_BYTES, PREVIOUS_NONE};
use crate::error::DecodeError;
use crate::group_record::{
    GroupRecord, GroupRights, INFO_NONE, Right, Role, RoleChange, members_bytes,
};
use crate::group_rules::{self, Roster};
use crate::id::{Address, DeviceId, GroupId, Millis, UserId};
use crate::limits::GROUP_RECORD_BYTES_MAX;
use crate::wire::{List, Reader};

/// Bytes that claim to be a record of a group: what decodes has no other spelling, keeps to the
/// limits, and what is signed and hashed of it does not depend on the signature.
///
/// # Panics
/// When one of these is not so.
pub fn records(data: &[u8]) {
    let Ok(record) = GroupRecord::decode(data) else {
        return;
    };
    let mut again = BytesMut::new();
    record.encode(&mut again);
    assert_eq!(again, data, "a record has one spelling");
    assert!(data.len() <= GROUP_RECORD_BYTES_MAX, "{}", data.len());
    let count = record.changes.iter().count();
    assert_eq!(count, record.changes.len(), "each change is read again");
    let unsigned = GroupRecord {
        signature: [0; SIGNATURE_BYTES],
        ..record.clone()
    };
    assert_eq!(unsigned.signed_bytes(), record.signed_bytes());
    assert_eq!(unsigned.hashed_bytes(), record.hashed_bytes());
}

/// A script of records of one group: whatever is accepted leaves an owner, and nobody got more
/// than the actor had. Bytes of a record: actor · flags · count · (user · role) for each.
///
/// # Panics
/// When one of these is not so.
pub fn rosters(data: &[u8]) {
    let mut script = Script(Reader::new(data));
    let mut roster: Option<Roster> = None;
    while let Ok(op) = script.next() {
        let before = roster.as_ref();
        let result = group_rules::check(before, &op.record(before), stand_in);
        let Ok(after) = result else {
            continue;
        };
        let members = &after.members;
        assert!(members.is_empty() || members.values().any(|role| *role == Role::OWNER));
        let legal = |role: &Role| *role != Role::NONE && role.is_known();
        assert!(members.values().all(legal), "{members:?}");
        if let Some(before) = before {
            assert_eq!(after.version, before.version.saturating_add(1));
            op.kept_to(before.role(op.actor), before, &after);
        }
        let again = group_rules::check(Some(&after), &op.record(before), stand_in);
        assert!(again.is_err(), "a record follows once");
        roster = Some(after);
    }
}

/// What one record does.
struct Op {
    actor: UserId,
    flags: u8,
    changes: Vec<RoleChange>,
}

struct Script<'a>(Reader<'a>);

impl Script<'_> {
    fn next(&mut self) -> Result<Op, DecodeError> {
        let user = |byte: u8| UserId(u64::from(byte % 6).saturating_add(1));
        let reader = &mut self.0;
        let (actor, flags, count) = (user(reader.u8()?), reader.u8()?, reader.u8()? % 5);
        let mut changes: Vec<RoleChange> = Vec::new();
        for _ in 0..count {
            changes.push(RoleChange {
                user: user(reader.u8()?),
                role: Role(reader.u8()? % 5),
            });
        }
        changes.sort_unstable_by_key(|change| change.user);
        changes.dedup_by_key(|change| change.user);
        Ok(Op {
            actor,
            flags,
            changes,
        })
    }
}

impl Op {
    /// The record that does it. Flags: 1 other rights, 2 another info, 4 a version too many,
    /// 8 another record before it, 16 the hash of other members.
    fn record(&self, before: Option<&Roster>) -> GroupRecord<'_> {
        let has = |flag: u8| self.flags & flag != 0;
        let everybody = GroupRights {
            add: Right::MEMBERS,
            send: Right::MEMBERS,
            change: Right::MEMBERS,
        };
        let (version, previous, rights, info_hash) = before
            .map_or((0, PREVIOUS_NONE, everybody, INFO_NONE), |it| {
                (it.version, it.hash, it.rights, it.info_hash)
            });
        let mut members = before.map_or_else(BTreeMap::new, |it| it.members.clone());
        for change in &self.changes {
            match change.role {
                Role::NONE => members.remove(&change.user),
                role => members.insert(change.user, role),
            };
        }
        let add = match rights.add {
            Right::MEMBERS => Right::ADMINS,
            _ => Right::MEMBERS,
        };
        GroupRecord {
            group: GroupId(1),
            version: version.saturating_add(if has(4) { 2 } else { 1 }),
            previous: if has(8) { [8; HASH_BYTES] } else { previous },
            issued_at: Millis(0),
            actor: Address {
                user: self.actor,
                device: DeviceId(1),
            },
            actor_list: 1,
            rights: if has(1) {
                GroupRights { add, ..rights }
            } else {
                rights
            },
            info_hash: if has(2) {
                stand_in(&info_hash)
            } else {
                info_hash
            },
            changes: List::Slice(&self.changes),
            members_hash: if has(16) {
                [16; HASH_BYTES]
            } else {
                stand_in(&members_bytes(&members))
            },
            signature: [0; SIGNATURE_BYTES],
        }
    }

    /// Nobody but the actor may have lost a role that is not below the actor's, unless an owner
    /// acted, and nobody may have got one above it.
    fn kept_to(&self, actor: Role, before: &Roster, after: &Roster) {
        assert_ne!(actor, Role::NONE, "a stranger changed the group");
        assert!(self.flags & (4 | 8 | 16) == 0, "a broken record was taken");
        for RoleChange { user, .. } in &self.changes {
            let (old, new) = (before.role(*user), after.role(*user));
            assert_ne!(old, new);
            assert!(new <= actor, "{user} got more than {actor:?}");
            assert!(
                *user == self.actor || actor == Role::OWNER || old < actor,
                "{user} lost {old:?} by {actor:?}"
            );
        }
        assert!(after.rights == before.rights || actor >= Role::ADMIN);
        assert!(after.info_hash == before.info_hash || before.rights.change.allows(actor));
    }
}

/// Not a hash function: different for what the rules tell apart, which is enough here.
fn stand_in(bytes: &[u8]) -> [u8; HASH_BYTES] {
    let [a, b, c, d] = crc::of_body(bytes).to_le_bytes();
    let mut hash = [bytes.len().to_le_bytes()[0]; HASH_BYTES];
    for (byte, value) in hash.iter_mut().zip([a, b, c, d]) {
        *byte = value;
    }
    hash
}
