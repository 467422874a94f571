//! Which shard owns what: the only place that knows.

use martlet_protocol::{GroupId, UserId};
use martlet_store::keys::relay::Destination;
use martlet_store::{ShardId, hash128};

/// The number of shards and the secret that spreads handles over them; both are chosen when the
/// data directory is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topology {
    /// How many shards there are.
    pub shards: u16,
    /// Keys the hash of handles: people choose handles, and could otherwise choose a hot shard.
    pub seed: u64,
}

impl Topology {
    /// The shard of an account.
    pub fn shard_of_user(&self, user: UserId) -> ShardId {
        let shard = user.0 % u64::from(self.shards);
        ShardId(u16::try_from(shard).expect("a remainder is below its divisor, a u16"))
    }

    /// The home of a group.
    pub fn shard_of_group(&self, group: GroupId) -> ShardId {
        self.shard_of_user(UserId(group.0))
    }

    /// The shard of whoever is told something.
    pub fn shard_of(&self, destination: Destination) -> ShardId {
        match destination {
            Destination::User(user) => self.shard_of_user(user),
            Destination::Group(group) => self.shard_of_group(group),
        }
    }

    /// The shard of a handle.
    pub fn shard_of_handle(&self, handle: &str) -> ShardId {
        let hash = hash128(&[&self.seed.to_le_bytes(), handle.as_bytes()]);
        let shard = hash % u128::from(self.shards);
        ShardId(u16::try_from(shard).expect("a remainder is below its divisor, a u16"))
    }

    /// A user id from `random` bits that lives on the shard of its handle, so that a registration
    /// is one write. Never 0.
    pub fn user_for_handle(&self, handle: &str, random: u64) -> UserId {
        let shards = u64::from(self.shards);
        let shard = u64::from(self.shard_of_handle(handle).0);
        // The first multiple of `shards` that is neither 0 nor near the upper end.
        let base = (random / shards).clamp(1, u64::MAX / shards - 1) * shards;
        UserId(base + shard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_lives_on_the_shard_of_its_handle() {
        for shards in [1, 7, 64] {
            let topology = Topology { shards, seed: 9 };
            for (index, random) in [0, 1, u64::MAX, 0x1234_5678_9abc_def0]
                .into_iter()
                .enumerate()
            {
                let handle = format!("user{index}");
                let user = topology.user_for_handle(&handle, random);
                assert_ne!(user, UserId(0));
                assert_eq!(
                    topology.shard_of_user(user),
                    topology.shard_of_handle(&handle)
                );
            }
        }
    }
}
