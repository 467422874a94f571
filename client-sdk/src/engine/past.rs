//! Earlier lists of an account: who its devices were, for what they wrote before they were removed.
//!
//! Of an account that is new here only the newest list is known, and a message may have waited for
//! longer than its author's device was listed. Then the server is asked for the lists before. They
//! have to lead, link by link, to the one that is known.

use martlet_protocol::frame::DeviceLists;
use martlet_protocol::{Address, Millis, UserId};

use super::state::Core;
use crate::crypto::list::{SignedList, check_successor};
use crate::error::StoreError;
use crate::event::SecurityKind;
use crate::local::{Former, ParkedId, Tx};

/// How far the lists of an account were looked through.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// The last of them that was seen. The first one of all cannot be had: version 0 asks for the
    /// newest.
    last: Option<SignedList>,
    /// Devices that were in one of them and not in the next.
    gone: Vec<(Address, Former)>,
    /// Nothing more is to be learned.
    pub(super) is_over: bool,
}

/// What an answer with earlier lists was good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    /// Those that follow are to be asked for.
    Further,
    /// They are all there, or will not be.
    Over,
    /// It is not to be believed: the same question later.
    Wrong,
}

impl Past {
    /// What to say in DEVICES.
    pub(super) fn have(&self) -> u64 {
        self.last.as_ref().map_or(1, SignedList::version)
    }

    /// Takes the next list, if it follows the last one.
    fn take(&mut self, list: SignedList) -> bool {
        if let Some(last) = &self.last {
            let Ok(step) = check_successor(last, &list) else {
                return false;
            };
            for device in step.removed {
                let user = last.user();
                if let Some(listed) = last.device(device) {
                    let former = Former {
                        identity_key: listed.identity_key,
                        until: list.version(),
                    };
                    self.gone.push((Address { user, device }, former));
                }
            }
        }
        self.last = Some(list);
        true
    }
}

impl Core {
    /// Whether a message waits whose author is in no list that is known here, so that the earlier
    /// ones are asked for.
    pub(super) fn looks_back(&mut self, tx: &Tx<'_>, user: UserId) -> Result<bool, StoreError> {
        let version = self.list_of(tx, user)?.map_or(0, |list| list.version());
        if version < 2 {
            return Ok(false);
        }
        let mut after = ParkedId(0);
        while let Some((number, parcel)) = tx.next_parked(user, after)? {
            after = number;
            if self.is_stranger(tx, parcel.sender)? {
                return Ok(self.lists.look_back(user));
            }
        }
        Ok(false)
    }

    /// Earlier lists have come.
    pub(super) fn on_past_lists(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        answer: &DeviceLists<'_>,
    ) -> Result<Looked, StoreError> {
        let user = answer.user;
        let known = self.list_of(tx, user)?;
        let (Some(known), Some(past)) = (known, self.lists.past(user)) else {
            return Ok(Looked::Over);
        };
        if answer.newest < known.version() {
            self.tell_once(tx, now, user, SecurityKind::ListRolledBack)?;
            return Ok(Looked::Wrong);
        }
        let before = past.have();
        let mut is_wrong = false;
        for bytes in answer.lists {
            let Ok(list) = SignedList::verify(bytes.0, user) else {
                self.tell_once(tx, now, user, SecurityKind::ListInvalid)?;
                return Ok(Looked::Wrong);
            };
            if list.version() > known.version() {
                break;
            }
            is_wrong |= !past.take(list);
        }
        let (at, is_same) = past.last.as_ref().map_or((0, true), |last| {
            (last.version(), last.head() == known.head())
        });
        if !is_wrong && at > before && at < known.version() {
            return Ok(Looked::Further);
        }
        past.is_over = true;
        let gone = core::mem::take(&mut past.gone);
        if is_wrong || (at == known.version() && !is_same) {
            self.tell_once(tx, now, user, SecurityKind::ListForked)?;
        } else if at == known.version() {
            for (address, former) in gone {
                tx.put_former(address, &former)?;
            }
        }
        Ok(Looked::Over)
    }
}
