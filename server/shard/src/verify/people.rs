//! Settings and relations: what their rows must have in common.

use std::collections::BTreeMap;

use martlet_protocol::UserId;
use martlet_protocol::frame::Relation;
use martlet_store::keys::relation::{self, PersonRow, RelationRow};

use super::say;

/// What was seen of what accounts say about others.
#[derive(Debug)]
pub(super) struct People {
    persons: BTreeMap<UserId, PersonRow>,
    /// Contacts and blocked accounts of each owner.
    counted: BTreeMap<UserId, (u64, u64)>,
}

impl People {
    pub(super) const fn new() -> Self {
        Self {
            persons: BTreeMap::new(),
            counted: BTreeMap::new(),
        }
    }

    pub(super) fn person(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let user = relation::user_of(key).ok_or("a person key of another length")?;
        let row = PersonRow::decode(value).map_err(say)?;
        self.persons.insert(user, row);
        Ok(())
    }

    pub(super) fn relation(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let (owner, peer) = relation::pair_of(key).ok_or("a relation key of another length")?;
        let row = RelationRow::decode(value).map_err(say)?;
        if owner == peer {
            return Err(format!("{owner} is related to itself"));
        }
        let (contacts, blocked) = self.counted.entry(owner).or_default();
        match row.relation {
            Relation::CONTACT if row.hushed.is_some() => {
                return Err("a contact that is told nothing".into());
            }
            Relation::CONTACT => *contacts += 1,
            Relation::BLOCKED if row.hushed.is_none() => {
                return Err("a blocked account without marks".into());
            }
            Relation::BLOCKED => *blocked += 1,
            _ => {}
        }
        Ok(())
    }

    /// What does not fit together.
    pub(super) fn finish(&self, accounts: &BTreeMap<UserId, String>, problems: &mut Vec<String>) {
        let owners = self.persons.keys().chain(self.counted.keys());
        for owner in owners.filter(|owner| !accounts.contains_key(owner)) {
            problems.push(format!("relations of {owner}, who has no account"));
        }
        for (owner, counted) in &self.counted {
            let row = self.persons.get(owner).copied().unwrap_or_default();
            if (row.contacts, row.blocked) != *counted {
                problems.push(format!("account {owner} does not count its relations"));
            }
        }
        for (owner, row) in &self.persons {
            if row.contacts + row.blocked > 0 && !self.counted.contains_key(owner) {
                problems.push(format!(
                    "account {owner} counts relations that are not there"
                ));
            }
        }
    }
}
