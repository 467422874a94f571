//! Following the chain of an account's device lists: what each step changes, and which are wrong.

use martlet_protocol::DeviceId;

use super::list::{ListError, ListedDevice, SignedList};

/// What a list changes against the one before.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Step {
    /// The account was reset: whoever it was before has not vouched for this list.
    pub account_key_changed: bool,
    /// Devices that are new, ascending.
    pub added: Vec<DeviceId>,
    /// Devices that are gone, ascending.
    pub removed: Vec<DeviceId>,
    /// Devices that stay under another name, ascending. Only the account's own devices read it.
    pub renamed: Vec<DeviceId>,
}

impl Step {
    /// Whether others than before are the account's devices.
    #[must_use]
    pub const fn changes_devices(&self) -> bool {
        !self.added.is_empty() || !self.removed.is_empty()
    }
}

/// What `new` changes against `old`, the list that is known. The same list again changes nothing.
///
/// A changed account key is no error: the account was reset, and it is for people to find out by
/// whom.
///
/// # Errors
/// Why `new` does not follow `old` directly: [`ListError::OtherAccount`],
/// [`ListError::RolledBack`], [`ListError::Forked`], [`ListError::VersionSkipped`],
/// [`ListError::PreviousWrong`], [`ListError::KeysChanged`], [`ListError::DeviceIdsWrong`].
pub fn check_successor(old: &SignedList, new: &SignedList) -> Result<Step, ListError> {
    if new.user() != old.user() {
        return Err(ListError::OtherAccount);
    }
    if new.version() < old.version() {
        return Err(ListError::RolledBack);
    }
    if new.version() == old.version() {
        let same = new.head() == old.head();
        return same.then(Step::default).ok_or(ListError::Forked);
    }
    if new.version() != old.version() + 1 {
        return Err(ListError::VersionSkipped);
    }
    if *new.previous() != old.head().hash {
        return Err(ListError::PreviousWrong);
    }
    let step = step(old, new);
    check_devices(old, new, &step)?;
    Ok(step)
}

fn step(old: &SignedList, new: &SignedList) -> Step {
    let missing_in = |list: &SignedList, other: &SignedList| {
        let ids = list.devices().iter().map(|listed| listed.device);
        ids.filter(|id| other.device(*id).is_none()).collect()
    };
    let is_renamed = |listed: &&ListedDevice| {
        let known = old.device(listed.device);
        known.is_some_and(|known| known.name != listed.name)
    };
    let renamed = new.devices().iter().filter(is_renamed);
    Step {
        account_key_changed: new.account_key() != old.account_key(),
        added: missing_in(new, old),
        removed: missing_in(old, new),
        renamed: renamed.map(|listed| listed.device).collect(),
    }
}

/// Kept devices keep their keys. One new device at a time takes the id that is due. A reset leaves
/// its one new device and none of before; ids may have been passed over, none is given again.
fn check_devices(old: &SignedList, new: &SignedList, step: &Step) -> Result<(), ListError> {
    for listed in new.devices() {
        let changed = old.device(listed.device).is_some_and(|known| {
            known.signing_key != listed.signing_key || known.identity_key != listed.identity_key
        });
        if changed {
            return Err(ListError::KeysChanged(listed.device));
        }
    }
    let fresh = step.added.iter().all(|id| *id >= old.next_device());
    let due = if step.account_key_changed {
        step.added.len() == 1 && new.devices().len() == 1
    } else {
        let (before, after) = (old.next_device().0, new.next_device().0);
        let risen = after.checked_sub(before).map(usize::from);
        step.added.len() <= 1 && risen == Some(step.added.len())
    };
    if fresh && due {
        Ok(())
    } else {
        Err(ListError::DeviceIdsWrong)
    }
}

#[cfg(test)]
mod tests {
    use martlet_protocol::{Millis, UserId};

    use super::*;
    use crate::crypto::fixtures::{account, device, first, first_of};
    use crate::crypto::identity::AccountKey;

    const LATER: Millis = Millis(2_000);

    fn added(id: u16) -> Step {
        Step {
            added: vec![DeviceId(id)],
            ..Step::default()
        }
    }

    #[test]
    fn another_name_is_a_step_of_its_own() {
        let key = account(1);
        let one = first(&key);
        let name = vec![7; 80];
        let two = one.renamed(&key, DeviceId(1), name, LATER).unwrap();
        let step = check_successor(&one, &two).unwrap();
        assert_eq!(step.renamed, [DeviceId(1)]);
        assert!(!step.changes_devices() && !step.account_key_changed);
        let unknown = one.renamed(&key, DeviceId(9), Vec::new(), LATER);
        assert_eq!(unknown, Err(ListError::DeviceIdsWrong));
    }

    #[test]
    fn an_honest_chain_is_followed_step_by_step() {
        let key = account(1);
        let one = first(&key);
        let two = one.with_device(&key, device(&key, 2, 12), LATER).unwrap();
        let three = two.without_device(&key, DeviceId(1), LATER).unwrap();
        assert_eq!(check_successor(&one, &one), Ok(Step::default()));
        assert_eq!(check_successor(&one, &two), Ok(added(2)));
        let removed = Step {
            removed: vec![DeviceId(1)],
            ..Step::default()
        };
        assert_eq!(check_successor(&two, &three), Ok(removed));

        assert_eq!(check_successor(&two, &one), Err(ListError::RolledBack));
        assert_eq!(
            check_successor(&one, &three),
            Err(ListError::VersionSkipped)
        );
    }

    #[test]
    fn two_lists_of_one_version_are_a_fork_and_so_is_what_grows_from_it() {
        let key = account(1);
        let one = first(&key);
        let left = one.with_device(&key, device(&key, 2, 12), LATER).unwrap();
        let right = one.with_device(&key, device(&key, 2, 13), LATER).unwrap();
        assert_eq!(check_successor(&left, &right), Err(ListError::Forked));
        let next = right.without_device(&key, DeviceId(2), LATER).unwrap();
        assert_eq!(check_successor(&left, &next), Err(ListError::PreviousWrong));
    }

    /// The step from `old` to a list that an owner of the account key could sign, but never should.
    fn crafted(
        key: &AccountKey,
        old: &SignedList,
        next_device: u16,
        ids: &[(u16, u8)],
    ) -> Result<Step, ListError> {
        let devices: Vec<_> = ids
            .iter()
            .map(|(id, seed)| device(key, *id, *seed))
            .collect();
        let next = DeviceId(next_device);
        let new = old.signed_with(key, next, &devices, LATER).unwrap();
        check_successor(old, &new)
    }

    #[test]
    fn ids_are_given_once_one_at_a_time_and_keys_stay() {
        let key = account(1);
        let one = first(&key);
        let keys_changed = Err(ListError::KeysChanged(DeviceId(1)));
        let ids_wrong = Err(ListError::DeviceIdsWrong);
        assert_eq!(crafted(&key, &one, 3, &[(1, 11), (2, 12)]), Ok(added(2)));
        assert_eq!(crafted(&key, &one, 2, &[(1, 12)]), keys_changed);
        let two_at_once = [(1, 11), (2, 12), (3, 13)];
        assert_eq!(crafted(&key, &one, 4, &two_at_once), ids_wrong);
        assert_eq!(crafted(&key, &one, 4, &[(1, 11), (3, 13)]), ids_wrong);
        assert_eq!(crafted(&key, &one, 3, &[(1, 11)]), ids_wrong);

        let two = one.with_device(&key, device(&key, 2, 12), LATER).unwrap();
        let gone = two.without_device(&key, DeviceId(1), LATER).unwrap();
        assert_eq!(crafted(&key, &gone, 3, &[(1, 11), (2, 12)]), ids_wrong);
    }

    #[test]
    fn a_reset_is_told_and_does_not_reuse_ids() {
        let (old_key, new_key) = (account(1), account(2));
        let one = first(&old_key);
        let reset = one.reset(&new_key, device(&new_key, 4, 14), LATER).unwrap();
        let expected = Step {
            account_key_changed: true,
            added: vec![DeviceId(4)],
            removed: vec![DeviceId(1)],
            renamed: Vec::new(),
        };
        assert_eq!(check_successor(&one, &reset), Ok(expected));
        assert_eq!(
            one.reset(&new_key, device(&new_key, 1, 14), LATER),
            Err(ListError::DeviceIdsWrong)
        );
        let ids_wrong = Err(ListError::DeviceIdsWrong);
        let keeps_one = [(1, 11), (2, 14)];
        assert_eq!(crafted(&new_key, &one, 3, &keeps_one), ids_wrong);
        let two_at_once = [(2, 14), (3, 15)];
        assert_eq!(crafted(&new_key, &one, 4, &two_at_once), ids_wrong);
        assert_eq!(
            crafted(&new_key, &one, 2, &[(1, 14)]),
            Err(ListError::KeysChanged(DeviceId(1)))
        );
    }

    #[test]
    fn another_accounts_list_is_no_successor() {
        let key = account(1);
        let one = first(&key);
        let stranger = first_of(UserId(8), &key);
        assert_eq!(
            check_successor(&one, &stranger),
            Err(ListError::OtherAccount)
        );
    }
}
