//! The chain of commits: dense numbers, and hashes that each cover all that came before.

use std::collections::BTreeMap;
use std::fmt;

use super::StoreError;
use crate::hash128;
use crate::keys::commit::{self, CommitRow};

/// The number of a commit. The first commit of a data directory is 1; 0 is before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitNumber(pub u64);

impl CommitNumber {
    /// The number of the commit that follows.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for CommitNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One point of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) number: CommitNumber,
    pub(super) hash: u128,
}

impl Link {
    /// The point before the first commit. It differs from directory to directory, so that a mark
    /// or a log of another directory does not fit.
    pub(super) fn genesis(shards: u16, seed: u64) -> Self {
        let hash = hash128(&[
            b"martlet store 1\0",
            &shards.to_le_bytes(),
            &seed.to_le_bytes(),
        ]);
        Self {
            number: CommitNumber(0),
            hash,
        }
    }

    /// The point after a commit with this payload.
    pub(super) fn next(self, payload: &[u8]) -> Self {
        let number = self.number.next();
        let hash = hash128(&[&self.hash.to_le_bytes(), &number.0.to_le_bytes(), payload]);
        Self { number, hash }
    }

    /// The ring's row for the commit that ends here.
    pub(super) fn row(self, previous: Self) -> CommitRow {
        CommitRow {
            number: self.number.0,
            previous: previous.hash,
            hash: self.hash,
        }
    }
}

/// The newest commits, proven to be dense and chained.
#[derive(Debug)]
pub(super) struct Ring {
    links: BTreeMap<u64, u128>,
    newest: Link,
}

impl Ring {
    /// Checks the rows of the ring, given in any order.
    pub(super) fn check<'a>(
        genesis: Link,
        rows: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<Self, StoreError> {
        let mut found = BTreeMap::new();
        for (key, value) in rows {
            let slot = key.last().copied().unwrap_or_default();
            let row = CommitRow::decode(value)
                .filter(|row| commit::key(row.number) == key)
                .ok_or(StoreError::CommitUnreadable { slot })?;
            found.insert(row.number, row);
        }
        let newest = found.last_key_value().map_or(0, |(number, _)| *number);
        let first = newest.saturating_sub(commit::SLOTS - 1).max(1);
        let mut links = BTreeMap::from([(0, genesis.hash)]);
        for number in first..=newest {
            let commit = CommitNumber(number);
            let Some(row) = found.get(&number) else {
                return Err(StoreError::CommitMissing {
                    commit,
                    newest: CommitNumber(newest),
                });
            };
            // The oldest row of a full ring has no predecessor left to compare with.
            if links
                .get(&(number - 1))
                .is_some_and(|hash| *hash != row.previous)
            {
                return Err(StoreError::BrokenChain { commit });
            }
            links.insert(number, row.hash);
        }
        let hash = links.get(&newest).copied().unwrap_or(genesis.hash);
        Ok(Self {
            links,
            newest: Link {
                number: CommitNumber(newest),
                hash,
            },
        })
    }

    /// The end of the chain.
    pub(super) fn newest(&self) -> Link {
        self.newest
    }

    /// Whether the chain runs through `link`; a link older than the ring can't be refuted.
    pub(super) fn contains(&self, link: Link) -> bool {
        self.links
            .get(&link.number.0)
            .is_none_or(|hash| *hash == link.hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring_of(commits: u64) -> (Link, BTreeMap<[u8; 4], Vec<u8>>) {
        let genesis = Link::genesis(64, 9);
        let mut rows = BTreeMap::new();
        let mut tip = genesis;
        for number in 1..=commits {
            let next = tip.next(&number.to_le_bytes());
            rows.insert(commit::key(number), next.row(tip).encode().to_vec());
            tip = next;
        }
        (tip, rows)
    }

    fn check(rows: &BTreeMap<[u8; 4], Vec<u8>>) -> Result<Ring, StoreError> {
        let rows = rows.iter().map(|(key, value)| (&key[..], &value[..]));
        Ring::check(Link::genesis(64, 9), rows)
    }

    #[test]
    fn a_whole_ring_ends_where_it_was_written() {
        for commits in [0, 1, 2, 255, 256, 257, 1000] {
            let (tip, rows) = ring_of(commits);
            let ring = check(&rows).unwrap();
            assert_eq!(ring.newest(), tip, "{commits} commits");
            assert!(ring.contains(tip));
            assert!(!ring.contains(Link {
                hash: tip.hash ^ 1,
                ..tip
            }));
        }
    }

    #[test]
    fn a_missing_commit_is_named() {
        for commits in [5, 600] {
            let (tip, mut rows) = ring_of(commits);
            rows.remove(&commit::key(commits - 2));
            let error = check(&rows).unwrap_err();
            let missing = CommitNumber(commits - 2);
            assert!(
                matches!(error, StoreError::CommitMissing { commit, newest }
                    if commit == missing && newest == tip.number),
                "{error}"
            );
        }
    }

    #[test]
    fn a_commit_with_another_payload_breaks_the_chain_behind_it() {
        let (_, mut rows) = ring_of(300);
        let forged = Link::genesis(64, 9).next(b"other");
        let row = CommitRow {
            number: 290,
            previous: 1,
            hash: forged.hash,
        };
        rows.insert(commit::key(290), row.encode().to_vec());
        assert!(matches!(
            check(&rows),
            Err(StoreError::BrokenChain {
                commit: CommitNumber(290)
            })
        ));
    }

    #[test]
    fn the_first_commit_belongs_to_its_directory() {
        let (_, rows) = ring_of(3);
        let rows = rows.iter().map(|(key, value)| (&key[..], &value[..]));
        let error = Ring::check(Link::genesis(64, 10), rows).unwrap_err();
        assert!(matches!(
            error,
            StoreError::BrokenChain {
                commit: CommitNumber(1)
            }
        ));
    }

    #[test]
    fn a_row_in_another_slot_is_not_a_commit() {
        let (_, mut rows) = ring_of(3);
        let moved = rows.remove(&commit::key(3)).unwrap();
        rows.insert(commit::key(4), moved);
        assert!(matches!(
            check(&rows),
            Err(StoreError::CommitUnreadable { slot: 4 })
        ));
    }
}
