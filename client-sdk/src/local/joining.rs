//! The link that this home waits for, until another device of the account has listed it.

use super::db::Tx;
use crate::crypto::link::LinkCode;
use crate::error::StoreError;

const CODE: &str = "joining.code";
const NAME: &str = "joining.name";

/// How this home joins an account.
#[derive(Clone, Debug)]
pub struct Joining {
    /// What the account's device has shown.
    pub code: LinkCode,
    /// This device, as its owner calls it.
    pub name: String,
}

impl Tx<'_> {
    /// The link that this home waits for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn joining(&self) -> Result<Option<Joining>, StoreError> {
        let found = self.first("SELECT code, name FROM joining", (), |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?))
        })?;
        let Some((sealed, name)) = found else {
            return Ok(None);
        };
        let name = self.unseal(NAME, &[], &name)?;
        let name =
            core::str::from_utf8(&name).map_err(|_| StoreError::RowInvalid { column: NAME })?;
        let name = name.to_owned();
        let text = self.unseal(CODE, &[], &sealed)?;
        let code = core::str::from_utf8(&text).ok();
        let code = code.and_then(|text| LinkCode::parse(text).ok());
        let code = code.ok_or(StoreError::RowInvalid { column: CODE })?;
        Ok(Some(Joining { code, name }))
    }

    /// Stores the link to wait for, in place of any earlier one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_joining(&self, joining: &Joining) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO joining (only, code, name) VALUES (1, ?1, ?2)",
            (
                self.seal(CODE, &[], joining.code.to_text().as_bytes()),
                self.seal(NAME, &[], joining.name.as_bytes()),
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
