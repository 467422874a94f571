//! Messages whose life is over are taken away, whether there is a connection or not.

use martlet_protocol::Millis;

use super::state::Core;
use crate::error::StoreError;
use crate::local::{Changed, Notice, Tx};

/// When a life of so many seconds ends that begins then.
pub(super) const fn life_end(begin: Millis, life_s: u32) -> Millis {
    begin.plus(1_000 * life_s as u64)
}

impl Core {
    /// Lives have begun: finds out which one ends next.
    pub(super) fn reload_lives(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        self.expire_at = tx.next_expiry()?;
        Ok(())
    }

    /// Takes away what is over. When that is much, the rest is due at once.
    pub(super) fn pump_lives(&mut self, tx: &Tx<'_>, now: Millis) -> Result<(), StoreError> {
        let server_now = self.server_time(now);
        if self.expire_at.is_none_or(|at| at > server_now) {
            return Ok(());
        }
        for seq in tx.expire(server_now)? {
            self.has_wiped = true;
            let what = Changed::Expired;
            self.notices.store(tx, &Notice::Changed { seq, what })?;
        }
        self.reload_lives(tx)
    }

    /// When the next life ends, by the clock of this device.
    pub(super) fn lives_due(&self) -> Option<Millis> {
        self.expire_at.map(|at| self.local_time(at))
    }
}
