//! Groups: their newest verified record, their members, and every record that was verified.

use std::collections::BTreeMap;

use martlet_protocol::frame::GroupMode;
use martlet_protocol::{DeviceId, GroupId, GroupRecord, Role, UserId};

use super::contacts::ContactId;
use super::db::{Tx, from_sql, to_sql};
use crate::crypto::group_log::{GroupChange, RoleStep, VerifiedGroup};
use crate::crypto::list::Head;
use crate::error::StoreError;

const INFO: &str = "groups.info";

const RIGHTS: u8 = 1;
const INFO_HASH: u8 = 2;
const JOINED: u8 = 4;

/// A group as its row has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupRow {
    /// Its conversation.
    pub contact: ContactId,
    /// Its id.
    pub group: GroupId,
    /// Whether a record of it was verified here.
    pub is_known: bool,
    /// The version of the newest record among the entries that came.
    pub seen: u64,
    /// The newest roster number that the server has told; 0 before it has.
    pub roster: u64,
    /// The newest entry in line: all before it have come, or will not.
    pub sequence: u64,
    /// The newest one that has come by the inbox; 0 for none.
    pub inbox: u64,
    /// The newest one that came out of the group's own stream; 0 for none.
    pub cursor: u64,
    /// How the next one in line comes; `None` when that is not known.
    pub way: Option<GroupMode>,
    /// How its entries come now, as the server says.
    pub mode: GroupMode,
    /// Whether this account is no member any more.
    pub is_gone: bool,
    /// Whether the server was put back from a copy, which may have less of the own stream than this
    /// home.
    pub is_restored: bool,
}

/// What a record has changed, of what this home knew before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// This.
    Change(GroupChange),
    /// It is the first one that this home has of the group.
    Joined {
        /// Who has signed it.
        actor: UserId,
    },
}

impl Tx<'_> {
    /// The row of a group.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn group(&self, contact: ContactId) -> Result<Option<GroupRow>, StoreError> {
        self.first(
            "SELECT contact, group_id, record IS NOT NULL, seen, roster, sequence, inbox, cursor,
                    way, mode, gone, restored
             FROM groups JOIN contacts USING (contact) WHERE contact = ?1",
            [contact.0],
            read_group,
        )
    }

    /// Every group, by its conversation.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn groups(&self) -> Result<Vec<GroupRow>, StoreError> {
        self.all(
            "SELECT contact, group_id, record IS NOT NULL, seen, roster, sequence, inbox, cursor,
                    way, mode, gone, restored
             FROM groups JOIN contacts USING (contact) ORDER BY contact",
            (),
            read_group,
        )
    }

    /// How many groups there are of which no record was verified.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn groups_without_record(&self) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM groups WHERE record IS NULL";
        Ok(self
            .first(sql, (), |row| row.get(0).map(from_sql))?
            .unwrap_or(0))
    }

    /// A group as its newest record left it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn verified_group(&self, contact: ContactId) -> Result<Option<VerifiedGroup>, StoreError> {
        let record = self.first(
            "SELECT record FROM groups WHERE contact = ?1 AND record IS NOT NULL",
            [contact.0],
            |row| row.get::<_, Vec<u8>>(0),
        )?;
        let Some(record) = record else {
            return Ok(None);
        };
        let members = self.all(
            "SELECT user, role FROM group_members WHERE contact = ?1 AND role > 0",
            [contact.0],
            |row| Ok((UserId(from_sql(row.get(0)?)), Role(row.get(1)?))),
        )?;
        let members: BTreeMap<UserId, Role> = members.into_iter().collect();
        let group = VerifiedGroup::stored(record, members);
        let invalid = |_| StoreError::RowInvalid {
            column: "groups.record",
        };
        group.map(Some).map_err(invalid)
    }

    /// Stores the newest record of a group. Whoever is new in it has to do with nothing up to the
    /// sequence `floor`, nor with the entries that have come.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_group(
        &self,
        contact: ContactId,
        group: &VerifiedGroup,
        change: Option<&GroupChange>,
        floor: u64,
    ) -> Result<(), StoreError> {
        let (roster, head) = (group.roster(), group.head());
        self.execute(
            "UPDATE groups SET record = ?2 WHERE contact = ?1",
            (contact.0, group.record()),
        )?;
        self.execute(
            "UPDATE group_members SET role = 0, until = ?2 WHERE contact = ?1 AND role > 0",
            (contact.0, to_sql(head.version)),
        )?;
        for (user, role) in &roster.members {
            self.execute(
                "INSERT INTO group_members
                 (contact, user, role, until, list_version, since, delivered, read)
                 SELECT contact, ?2, ?3, 0, 0, max(sequence, ?5), max(sequence, ?5),
                        max(sequence, ?5)
                 FROM groups WHERE contact = ?1
                 ON CONFLICT DO UPDATE SET
                 since = iif(until = ?4, since, excluded.since),
                 delivered = iif(until = ?4, delivered, excluded.delivered),
                 read = iif(until = ?4, read, excluded.read),
                 role = excluded.role, until = 0, left_at = 0",
                (
                    contact.0,
                    to_sql(user.0),
                    role.0,
                    to_sql(head.version),
                    to_sql(floor),
                ),
            )?;
        }
        let mut flags = change.map_or(JOINED, |_| 0);
        let mut roles = Vec::new();
        if let Some(change) = change {
            flags |= change.rights.map_or(0, |_| RIGHTS);
            flags |= change.info_hash.map_or(0, |_| INFO_HASH);
            roles.extend(change.roles.iter().map(|step| step.before.0));
        }
        self.execute(
            "INSERT OR REPLACE INTO group_log (contact, version, hash, record, roles, changes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (
                contact.0,
                to_sql(head.version),
                head.hash.as_slice(),
                group.record(),
                roles,
                flags,
            ),
        )?;
        Ok(())
    }

    /// The hash of a record that was verified.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn record_hash(
        &self,
        contact: ContactId,
        version: u64,
    ) -> Result<Option<[u8; 32]>, StoreError> {
        self.first(
            "SELECT hash FROM group_log WHERE contact = ?1 AND version = ?2",
            (contact.0, to_sql(version)),
            |row| row.get(0),
        )
    }

    /// What a record that was verified has changed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn recorded(
        &self,
        contact: ContactId,
        version: u64,
    ) -> Result<Option<Recorded>, StoreError> {
        let found = self.first(
            "SELECT record, roles, changes FROM group_log WHERE contact = ?1 AND version = ?2",
            (contact.0, to_sql(version)),
            |row| {
                let (record, roles): (Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?);
                Ok((record, roles, row.get::<_, u8>(2)?))
            },
        )?;
        let Some((bytes, roles, flags)) = found else {
            return Ok(None);
        };
        let record = GroupRecord::decode(&bytes).map_err(|_| StoreError::RowInvalid {
            column: "group_log.record",
        })?;
        if flags & JOINED != 0 {
            let actor = record.actor.user;
            return Ok(Some(Recorded::Joined { actor }));
        }
        let steps = record.changes.iter().zip(roles);
        Ok(Some(Recorded::Change(GroupChange {
            version: record.version,
            actor: record.actor,
            issued_at: record.issued_at,
            roles: steps
                .map(|(change, before)| RoleStep {
                    user: change.user,
                    before: Role(before),
                    after: change.role,
                })
                .collect(),
            rights: (flags & RIGHTS != 0).then_some(record.rights),
            info_hash: (flags & INFO_HASH != 0).then_some(record.info_hash),
        })))
    }

    /// The versions of the records of a group that were verified here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn recorded_versions(&self, contact: ContactId) -> Result<Vec<u64>, StoreError> {
        self.all(
            "SELECT version FROM group_log WHERE contact = ?1 ORDER BY version",
            [contact.0],
            |row| row.get(0).map(from_sql),
        )
    }

    /// The accounts of which one has to know the names to say what a record has changed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn touched_by(&self, contact: ContactId, version: u64) -> Result<Vec<UserId>, StoreError> {
        Ok(match self.recorded(contact, version)? {
            Some(Recorded::Change(change)) => {
                let steps = change.roles.iter().map(|step| step.user);
                steps.chain([change.actor.user]).collect()
            }
            Some(Recorded::Joined { actor }) => vec![actor],
            None => Vec::new(),
        })
    }

    /// The server's word about a group: the number of its roster, and how its entries come.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_roster(
        &self,
        contact: ContactId,
        roster: u64,
        mode: GroupMode,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE groups SET roster = ?2, mode = ?3 WHERE contact = ?1",
            (contact.0, to_sql(roster), mode.0),
        )?;
        Ok(())
    }

    /// An entry has come, this way.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_come(
        &self,
        contact: ContactId,
        sequence: u64,
        way: GroupMode,
    ) -> Result<(), StoreError> {
        let sql = match way {
            GroupMode::STREAM => "UPDATE groups SET cursor = ?2, restored = 0 WHERE contact = ?1",
            _ => "UPDATE groups SET inbox = ?2 WHERE contact = ?1",
        };
        self.execute(sql, (contact.0, to_sql(sequence)))?;
        Ok(())
    }

    /// The server was put back from a copy: what it knows of own streams is to be seen.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn restore_groups(&self) -> Result<(), StoreError> {
        self.execute("UPDATE groups SET restored = 1", ())?;
        Ok(())
    }

    /// An entry is the next one in line, and the one behind it comes this way, if that is known.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_lined(
        &self,
        contact: ContactId,
        sequence: u64,
        way: Option<GroupMode>,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE groups SET sequence = max(sequence, ?2), way = ?3 WHERE contact = ?1",
            (contact.0, to_sql(sequence), way.map_or(0, |way| way.0)),
        )?;
        Ok(())
    }

    /// A record of this version was among the entries.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_seen(&self, contact: ContactId, version: u64) -> Result<(), StoreError> {
        let sql = "UPDATE groups SET seen = max(seen, ?2) WHERE contact = ?1";
        self.execute(sql, (contact.0, to_sql(version)))?;
        Ok(())
    }

    /// How the entries behind this one come.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_group_mode(&self, contact: ContactId, mode: GroupMode) -> Result<(), StoreError> {
        let sql = "UPDATE groups SET mode = ?2 WHERE contact = ?1";
        self.execute(sql, (contact.0, mode.0))?;
        Ok(())
    }

    /// Whether this account is a member, or not any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_group_gone(&self, contact: ContactId, is_gone: bool) -> Result<(), StoreError> {
        let sql = "UPDATE groups SET gone = ?2 WHERE contact = ?1";
        self.execute(sql, (contact.0, is_gone))?;
        Ok(())
    }

    /// The contents of the newest GROUP_INFO that fits the group's record.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn group_info(&self, contact: ContactId) -> Result<Option<Vec<u8>>, StoreError> {
        let sealed = self.first(
            "SELECT info FROM groups WHERE contact = ?1 AND info IS NOT NULL",
            [contact.0],
            |row| row.get::<_, Vec<u8>>(0),
        )?;
        let key = contact.0.to_le_bytes();
        let opened = sealed.map(|sealed| self.unseal(INFO, &key, &sealed));
        Ok(opened.transpose()?.map(|info| info.to_vec()))
    }

    /// Stores the contents of a GROUP_INFO.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_group_info(&self, contact: ContactId, info: &[u8]) -> Result<(), StoreError> {
        let sealed = self.seal(INFO, &contact.0.to_le_bytes(), info);
        let sql = "UPDATE groups SET info = ?2 WHERE contact = ?1";
        self.execute(sql, (contact.0, sealed))?;
        Ok(())
    }

    /// What somebody says a group's newest record is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn group_claim(&self, contact: ContactId) -> Result<Option<Head>, StoreError> {
        self.first(
            "SELECT version, hash FROM group_claims WHERE contact = ?1",
            [contact.0],
            |row| {
                Ok(Head {
                    version: from_sql(row.get(0)?),
                    hash: row.get(1)?,
                })
            },
        )
    }

    /// Stores a claim, in place of an older one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_group_claim(&self, contact: ContactId, head: Head) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO group_claims (contact, version, hash) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET version = excluded.version, hash = excluded.hash
             WHERE version < excluded.version",
            (contact.0, to_sql(head.version), head.hash.as_slice()),
        )?;
        Ok(())
    }

    /// Forgets a claim: the server has answered to it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn drop_group_claim(&self, contact: ContactId) -> Result<(), StoreError> {
        self.execute("DELETE FROM group_claims WHERE contact = ?1", [contact.0])?;
        Ok(())
    }

    /// Whether the server is to be asked which groups the account has.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn searches_groups(&self) -> Result<bool, StoreError> {
        let found = self.first("SELECT 1 FROM group_search", (), |_| Ok(()))?;
        Ok(found.is_some())
    }

    /// Sets that.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn search_groups(&self, is_wanted: bool) -> Result<(), StoreError> {
        let sql = if is_wanted {
            "INSERT OR IGNORE INTO group_search (only) VALUES (1)"
        } else {
            "DELETE FROM group_search"
        };
        self.execute(sql, ())?;
        Ok(())
    }
}

fn read_group(row: &rusqlite::Row<'_>) -> rusqlite::Result<GroupRow> {
    Ok(GroupRow {
        contact: ContactId(row.get(0)?),
        group: GroupId(from_sql(row.get(1)?)),
        is_known: row.get(2)?,
        seen: from_sql(row.get(3)?),
        roster: from_sql(row.get(4)?),
        sequence: from_sql(row.get(5)?),
        inbox: from_sql(row.get(6)?),
        cursor: from_sql(row.get(7)?),
        way: Some(GroupMode(row.get(8)?)).filter(|way| way.0 != 0),
        mode: GroupMode(row.get(9)?),
        is_gone: row.get(10)?,
        is_restored: row.get(11)?,
    })
}

/// The bytes that name a device of a group among the sealed rows.
pub(super) fn device_key(contact: ContactId, user: UserId, device: DeviceId) -> Vec<u8> {
    let (contact, user) = (contact.0.to_le_bytes(), user.0.to_le_bytes());
    [&contact[..], &user, &device.0.to_le_bytes()].concat()
}
