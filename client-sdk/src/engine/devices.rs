//! Device lists from the server: each is verified, followed from the one before, and compared with
//! what others say of it. What does not fit is told and not used.

use std::sync::Arc;

use martlet_protocol::frame::DeviceLists;
use martlet_protocol::{Address, DeviceId, Millis, NackCode, UserId};

use super::notices::Answer;
use super::past::Looked;
use super::state::Core;
use crate::crypto::list::{Head, ListError, SignedList, Step, check_successor};
use crate::error::StoreError;
use crate::event::SecurityKind;
use crate::keys::DeviceKey;
use crate::local::{Claim, Former, ParkedId, Stage, Tx};

/// Why the rest of an answer is not looked at.
enum Stop {
    /// The database failed.
    Store(StoreError),
    /// A list is not what it has to be.
    Told(SecurityKind),
    /// An unasked list is further on: those in between have to be asked for.
    Skipped,
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Core {
    /// The newest verified list of an account, as far as it is known here.
    pub(super) fn list_of(
        &mut self,
        tx: &Tx<'_>,
        user: UserId,
    ) -> Result<Option<Arc<SignedList>>, StoreError> {
        if let Some(list) = self.lists.cached(user) {
            return Ok(Some(list));
        }
        let Some(row) = tx.list(user)? else {
            return Ok(None);
        };
        let list = SignedList::verify(&row.list, user).map_err(|_| StoreError::RowInvalid {
            column: "lists.list",
        })?;
        Ok(Some(self.lists.cache(list)))
    }

    /// The newest list of this account.
    pub(super) fn own_list(&mut self, tx: &Tx<'_>) -> Result<Option<Arc<SignedList>>, StoreError> {
        match self.own_address() {
            Some(own) => self.list_of(tx, own.user),
            None => Ok(None),
        }
    }

    /// What to say in DEVICES: the newest version that needs no answer. Where only a claim is
    /// known, the answer has to begin with the version that it names.
    pub(super) fn have_version(&mut self, tx: &Tx<'_>, user: UserId) -> Result<u64, StoreError> {
        if let Some(past) = self.lists.past(user) {
            return Ok(past.have());
        }
        match self.list_of(tx, user)? {
            Some(list) => Ok(list.version()),
            None => {
                let claim = tx.claim(user)?;
                Ok(claim.map_or(0, |claim| claim.head.version.saturating_sub(1)))
            }
        }
    }

    pub(super) fn on_device_lists(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        answer: &DeviceLists<'_>,
    ) -> Result<(), StoreError> {
        let user = answer.user;
        let asked = match answer.request {
            0 => false,
            request => match self.lists.answered(request) {
                Some(asked) if asked == user => true,
                Some(other) => {
                    self.lists.again(now, other, &mut self.rng);
                    return Ok(());
                }
                None => return Ok(()),
            },
        };
        if asked && self.lists.past(user).is_some() {
            match self.on_past_lists(tx, now, answer)? {
                Looked::Further => {}
                Looked::Over => self.open_parked(tx, now, user, true)?,
                Looked::Wrong => {
                    self.lists.again(now, user, &mut self.rng);
                    return Ok(());
                }
            }
            // What is newer by now is asked for next.
            self.lists.go_on(user);
            return Ok(());
        }
        let before = self.list_of(tx, user)?.map_or(0, |list| list.version());
        // Nobody asked, and nothing was made with a list that could be stale.
        if !asked && before == 0 {
            return Ok(());
        }
        let mut told = None;
        for bytes in answer.lists {
            match self.take_list(tx, now, user, bytes.0, asked) {
                Ok(()) => {}
                Err(Stop::Store(error)) => return Err(error),
                Err(Stop::Told(kind)) => told = Some(kind),
                Err(Stop::Skipped) => self.lists.demand(user),
            }
            if told.is_some() {
                break;
            }
        }
        let known = self.list_of(tx, user)?.map_or(0, |list| list.version());
        // What an own device has said of an account counts as long as nothing is known here.
        let seen = match tx.claim(user)? {
            Some(claim) if known == 0 => claim.head.version,
            _ => known,
        };
        if told.is_none() && asked && answer.newest < seen {
            told = Some(SecurityKind::ListRolledBack);
        }
        if let Some(kind) = told {
            self.tell_once(tx, now, user, kind)?;
        }
        if asked {
            let progress = known > before;
            let behind = answer.newest > known;
            self.conclude(tx, now, user, (progress, behind, told.is_some()))?;
        }
        self.outbox_prepared(user);
        Ok(())
    }

    /// What follows from an answer as a whole.
    fn conclude(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        user: UserId,
        (progress, behind, is_wrong): (bool, bool, bool),
    ) -> Result<(), StoreError> {
        if behind && progress && !is_wrong {
            self.lists.go_on(user);
            return Ok(());
        }
        if self.list_of(tx, user)?.is_none() || behind {
            // Never published, or not to be believed: whoever waits for it waits on.
            self.lists.again(now, user, &mut self.rng);
            return Ok(());
        }
        let is_wrong = !self.check_claim(tx, now, user)? || is_wrong;
        if is_wrong && tx.next_parked(user, ParkedId(0))?.is_some() {
            // A list that was kept back may name the device that wrote.
            self.lists.again(now, user, &mut self.rng);
            return Ok(());
        }
        if self.looks_back(tx, user)? {
            return Ok(());
        }
        if self.lists.settle(user) {
            self.answers.push_back(Answer::Devices { user });
        }
        self.open_parked(tx, now, user, true)
    }

    /// A question for lists was refused.
    pub(super) fn on_devices_refused(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        (request, code): (u64, NackCode),
        until: Option<Millis>,
    ) -> Result<(), StoreError> {
        if let Some(until) = until {
            self.lists.refused(request, until);
            return Ok(());
        }
        let Some(user) = self.lists.answered(request) else {
            return Ok(());
        };
        if code != NackCode::UNKNOWN_HANDLE {
            self.lists.again(now, user, &mut self.rng);
            return Ok(());
        }
        // The account is gone: nobody can read what waits for it.
        if self.lists.settle(user) {
            self.answers.push_back(Answer::Devices { user });
        }
        tx.drop_claim(user)?;
        for contact in self.outbox.lanes_of(user) {
            self.fail_all(tx, now, contact, NackCode::UNKNOWN_RECIPIENT)?;
        }
        self.open_parked(tx, now, user, true)
    }

    fn take_list(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        user: UserId,
        bytes: &[u8],
        asked: bool,
    ) -> Result<(), Stop> {
        let invalid = Stop::Told(SecurityKind::ListInvalid);
        let Ok(list) = SignedList::verify(bytes, user) else {
            return Err(invalid);
        };
        let Some(known) = self.list_of(tx, user)? else {
            return self.take_first(tx, now, list);
        };
        match check_successor(&known, &list) {
            Ok(_) if list.head() == known.head() => Ok(()),
            Ok(step) if step.account_key_changed && self.is_own(user) => Err(invalid),
            Ok(step) => {
                self.adopt(tx, now, list, Some((&known, &step)))?;
                Ok(())
            }
            Err(ListError::VersionSkipped) if !asked => Err(Stop::Skipped),
            Err(ListError::RolledBack) => Err(Stop::Told(SecurityKind::ListRolledBack)),
            Err(ListError::Forked | ListError::PreviousWrong) => {
                Err(Stop::Told(SecurityKind::ListForked))
            }
            Err(_) => Err(invalid),
        }
    }

    /// The first list that this home sees of an account is believed, unless it is known better.
    fn take_first(&mut self, tx: &Tx<'_>, now: Millis, list: SignedList) -> Result<(), Stop> {
        let user = list.user();
        if self.is_own(user) {
            return self.take_own(tx, now, list);
        }
        let claim = tx.claim(user)?;
        let (head, key) = (list.head(), *list.account_key());
        if claim.is_some_and(|it| it.head.version == head.version && it.head != head) {
            return Err(Stop::Told(SecurityKind::ListForked));
        }
        self.adopt(tx, now, list, None)?;
        let known_key = claim.and_then(|claim| claim.account_key);
        if known_key.is_some_and(|known| known != key) {
            self.tell(tx, now, user, SecurityKind::IdentityChanged)?;
        }
        Ok(())
    }

    /// The first list of this account that did not come from this device.
    fn take_own(&mut self, tx: &Tx<'_>, now: Millis, list: SignedList) -> Result<(), Stop> {
        let invalid = Err(Stop::Told(SecurityKind::ListInvalid));
        let (Some(keys), Some(own)) = (&self.keys, self.own_address()) else {
            return invalid;
        };
        if keys.account_key != *list.account_key() {
            // A device that has not published yet may be the first after a reset.
            if keys.stage == Stage::Unlisted {
                self.upkeep.follow(list);
                return Ok(());
            }
            return invalid;
        }
        let identity_key = keys.device.identity_key();
        let signing_key = self.key.as_ref().map(DeviceKey::public);
        let is_this = list.device(own.device).is_some_and(|listed| {
            listed.identity_key == identity_key && Some(listed.signing_key) == signing_key
        });
        if !is_this {
            return invalid;
        }
        self.adopt(tx, now, list, None)?;
        self.become_listed(tx)?;
        self.open_all_parked(tx, now)?;
        Ok(())
    }

    /// Stores a list that was verified and follows the known one, and tells what it changes.
    pub(super) fn adopt(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        list: SignedList,
        change: Option<(&SignedList, &Step)>,
    ) -> Result<(), StoreError> {
        let (user, head) = (list.user(), list.head());
        let row = tx.list(user)?;
        tx.put_list(user, head, list.bytes())?;
        self.told.retain(|(about, _)| *about != user);
        if let Some((known, step)) = change {
            self.keep_former(tx, known, &step.removed, head.version)?;
            let vouched = row.as_ref().and_then(|row| row.vouched);
            if !step.account_key_changed {
                // What its owner calls a device is nobody else's business.
                if step.changes_devices() {
                    self.tell(tx, now, user, SecurityKind::DevicesChanged)?;
                }
            } else if vouched.is_some() {
                tx.judge_list(user, None, true)?;
                self.tell(tx, now, user, SecurityKind::VerifiedIdentityChanged)?;
            } else {
                self.tell(tx, now, user, SecurityKind::IdentityChanged)?;
            }
        }
        self.lists.cache(list);
        Ok(())
    }

    /// What a removed device wrote before may still come.
    pub(super) fn keep_former(
        &mut self,
        tx: &Tx<'_>,
        known: &SignedList,
        removed: &[DeviceId],
        until: u64,
    ) -> Result<(), StoreError> {
        for device in removed {
            let peer = Address {
                user: known.user(),
                device: *device,
            };
            self.claims.settle(peer);
            if let Some(listed) = known.device(*device) {
                let former = Former {
                    identity_key: listed.identity_key,
                    until,
                };
                tx.put_former(peer, &former)?;
            }
        }
        Ok(())
    }

    /// A peer has said, inside a message, what the newest list of an account is.
    pub(super) fn hear_of(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        user: UserId,
        head: Head,
    ) -> Result<(), StoreError> {
        let known = self.list_of(tx, user)?.map_or(0, |list| list.version());
        if head.version > known {
            let account_key = None;
            tx.put_claim(user, &Claim { head, account_key })?;
            self.lists.want(user);
            return Ok(());
        }
        let same = tx.list_hash(user, head.version)?;
        if same.is_some_and(|hash| hash != head.hash) {
            self.tell_once(tx, now, user, SecurityKind::ListForked)?;
        }
        Ok(())
    }

    /// The server has said what the newest list of an account is. Returns whether that bears out
    /// what was claimed.
    fn check_claim(&mut self, tx: &Tx<'_>, now: Millis, user: UserId) -> Result<bool, StoreError> {
        let Some(claim) = tx.claim(user)? else {
            return Ok(true);
        };
        tx.drop_claim(user)?;
        let known = self.list_of(tx, user)?.map_or(0, |list| list.version());
        if claim.head.version > known {
            self.tell_once(tx, now, user, SecurityKind::ListRolledBack)?;
            return Ok(false);
        }
        let same = tx.list_hash(user, claim.head.version)?;
        if same.is_some_and(|hash| hash != claim.head.hash) {
            // What is known stays known: another answer would change nothing.
            self.tell_once(tx, now, user, SecurityKind::ListForked)?;
        }
        Ok(true)
    }

    /// Tells of an account as a whole.
    pub(super) fn tell(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        user: UserId,
        kind: SecurityKind,
    ) -> Result<(), StoreError> {
        self.secure(tx, now, (user, None), kind)
    }

    /// As [`Core::tell`], and not again before the account has a newer list: a server that gives
    /// the same wrong answer to each question is told of once.
    pub(super) fn tell_once(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        user: UserId,
        kind: SecurityKind,
    ) -> Result<(), StoreError> {
        if self.told.insert((user, kind)) {
            self.tell(tx, now, user, kind)?;
        }
        Ok(())
    }

    /// The lanes that a list of this account may have held up go on, or find out what is missing.
    pub(super) fn outbox_prepared(&mut self, user: UserId) {
        if self.is_own(user) {
            self.has_syncs = true;
            self.outbox.all_prepared();
        } else {
            self.outbox.prepared(user);
        }
    }
}
