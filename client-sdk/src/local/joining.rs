//! The link that this home waits for, until another device of the account has listed it.

use super::db::Tx;
use crate::crypto::link::LinkCode;
use crate::error::StoreError;

const CODE: &str = "joining.code";
const OFFER: &str = "joining.offer";

/// How this home joins an account.
#[derive(Clone, Debug)]
pub struct Joining {
    /// What the account's device has shown.
    pub code: LinkCode,
    /// What LINK_JOIN says: the same bytes each time [M-21.13].
    pub offer: Vec<u8>,
}

impl Tx<'_> {
    /// The link that this home waits for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn joining(&self) -> Result<Option<Joining>, StoreError> {
        let found = self.first("SELECT code, offer FROM joining", (), |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?))
        })?;
        let Some((sealed, offer)) = found else {
            return Ok(None);
        };
        let offer = self.unseal(OFFER, &[], &offer)?.to_vec();
        let text = self.unseal(CODE, &[], &sealed)?;
        let code = core::str::from_utf8(&text).ok();
        let code = code.and_then(|text| LinkCode::parse(text).ok());
        let code = code.ok_or(StoreError::RowInvalid { column: CODE })?;
        Ok(Some(Joining { code, offer }))
    }

    /// Stores the link to wait for, in place of any earlier one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_joining(&self, joining: &Joining) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO joining (only, code, offer) VALUES (1, ?1, ?2)",
            (
                self.seal(CODE, &[], joining.code.to_text().as_bytes()),
                self.seal(OFFER, &[], &joining.offer),
            ),
        )?;
        Ok(())
    }

    /// This home is a device of the account now, or will not be.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn drop_joining(&self) -> Result<(), StoreError> {
        self.execute("DELETE FROM joining", ())?;
        Ok(())
    }

    /// Forgets who this home was going to be.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn drop_identity(&self) -> Result<(), StoreError> {
        self.drop_joining()?;
        self.execute("DELETE FROM own_keys", ())?;
        self.execute("DELETE FROM identity", ())?;
        Ok(())
    }
}
