//! Where the numbering of messages stands, one row for each chain.

use martlet_protocol::{Address, UserId};
use zeroize::Zeroizing;

use super::db::{Tx, to_sql};
use crate::error::StoreError;

const DATA: &str = "chains.data";

/// Which chain. The two directions between two devices are two chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainKey {
    /// The other device.
    pub peer: Address,
    /// The account that the messages are to.
    pub conversation: UserId,
    /// Whether it is the chain of control messages.
    pub is_control: bool,
    /// Whether it leads to the other device.
    pub is_outgoing: bool,
}

impl ChainKey {
    fn bytes(&self) -> Vec<u8> {
        let flags = u8::from(self.is_control) | u8::from(self.is_outgoing) << 1;
        [
            &self.peer.user.0.to_le_bytes()[..],
            &self.peer.device.0.to_le_bytes(),
            &self.conversation.0.to_le_bytes(),
            &[flags],
        ]
        .concat()
    }
}

impl Tx<'_> {
    /// The end of a chain, or `None` before its first message.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn chain(&self, key: &ChainKey) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let found = self.first(
            "SELECT data FROM chains WHERE user = ?1 AND device = ?2 AND conversation = ?3
             AND control = ?4 AND outgoing = ?5",
            (
                to_sql(key.peer.user.0),
                key.peer.device.0,
                to_sql(key.conversation.0),
                key.is_control,
                key.is_outgoing,
            ),
            |row| row.get::<_, Vec<u8>>(0),
        )?;
        found
            .map(|sealed| self.unseal(DATA, &key.bytes(), &sealed))
            .transpose()
    }

    /// Stores the end of a chain. It is sealed: a hash of a short text can be guessed at.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_chain(&self, key: &ChainKey, data: &[u8]) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO chains (user, device, conversation, control, outgoing, data)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (
                to_sql(key.peer.user.0),
                key.peer.device.0,
                to_sql(key.conversation.0),
                key.is_control,
                key.is_outgoing,
                self.seal(DATA, &key.bytes(), data),
            ),
        )?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Db;
    use super::*;
    use crate::crypto::store_key::StoreKey;
    use martlet_protocol::DeviceId;

    #[test]
    fn each_direction_and_each_kind_has_its_own_chain() {
        let mut db = Db::memory(&StoreKey::random()).unwrap();
        let tx = db.begin().unwrap();
        let peer = Address {
            user: UserId(7),
            device: DeviceId(2),
        };
        let key = |is_control, is_outgoing| ChainKey {
            peer,
            conversation: UserId(1),
            is_control,
            is_outgoing,
        };
        let all = [(false, false), (false, true), (true, false), (true, true)];
        for (mark, (is_control, is_outgoing)) in (0..).zip(all) {
            let key = key(is_control, is_outgoing);
            assert!(tx.chain(&key).unwrap().is_none());
            tx.put_chain(&key, &[mark]).unwrap();
        }
        for (mark, (is_control, is_outgoing)) in (0..).zip(all) {
            let data = tx.chain(&key(is_control, is_outgoing)).unwrap().unwrap();
            assert_eq!(data.as_slice(), [mark]);
        }
    }
}
