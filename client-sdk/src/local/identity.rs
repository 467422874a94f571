//! The one row that says who this home is and how far it has read its stream.

use martlet_protocol::{Address, DeviceId, Position, UserId};
use zeroize::Zeroize;

use super::db::{Tx, from_sql, to_sql};
use crate::error::StoreError;
use crate::keys::KeySeed;

const KEY_SEED: &str = "identity.key_seed";

/// Who this home is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityRow {
    /// The server's address.
    pub server: String,
    /// Certificates to trust, as PEM; `None` for the system's.
    pub trust: Option<String>,
    /// The account's name; empty while a home that was linked has not learned it.
    pub handle: String,
    /// The device's secret.
    pub key_seed: KeySeed,
    /// The account and device; `None` until the server has answered the registration.
    pub address: Option<Address>,
    /// Where the stream stands.
    pub place: StreamPlace,
    /// The server's clock minus ours, in milliseconds.
    pub clock_offset_ms: i64,
    /// Whether the server lets this device in.
    pub standing: Standing,
}

/// Whether the server lets a device in, as far as it has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing else was said.
    Accepted,
    /// It was removed while it was connected: it will not be accepted again.
    Removed,
    /// The server did not know it when it came: it was removed meanwhile, or the server was set
    /// back to a time before it was added and may yet be set forward.
    Unknown,
}

impl Standing {
    const fn code(self) -> u8 {
        match self {
            Self::Accepted => 0,
            Self::Removed => 1,
            Self::Unknown => 2,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Accepted),
            1 => Some(Self::Removed),
            2 => Some(Self::Unknown),
            _ => None,
        }
    }
}

impl Drop for IdentityRow {
    fn drop(&mut self) {
        self.key_seed.0.zeroize();
    }
}

/// The last stream position stored, and the history it belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamPlace {
    /// The stream's identity; 0 while no stream was seen.
    pub epoch: u64,
    /// Everything up to here is in this database.
    pub cursor: Position,
}

impl Tx<'_> {
    /// Who this home is, or `None` when it never tried to register.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn identity(&self) -> Result<Option<IdentityRow>, StoreError> {
        let found = self.first(
            "SELECT server, trust, handle, key_seed, user, device, epoch, cursor,
             clock_offset_ms, standing FROM identity",
            (),
            |row| {
                let (user, device): (i64, u16) = (row.get(4)?, row.get(5)?);
                let address = Address {
                    user: UserId(from_sql(user)),
                    device: DeviceId(device),
                };
                let sealed: Vec<u8> = row.get(3)?;
                let identity = IdentityRow {
                    server: row.get(0)?,
                    trust: row.get(1)?,
                    handle: row.get(2)?,
                    key_seed: KeySeed([0; 32]),
                    address: (user != 0).then_some(address),
                    place: StreamPlace {
                        epoch: from_sql(row.get(6)?),
                        cursor: Position(from_sql(row.get(7)?)),
                    },
                    clock_offset_ms: row.get(8)?,
                    standing: Standing::Accepted,
                };
                Ok((identity, sealed, row.get(9)?))
            },
        )?;
        let Some((mut identity, sealed, standing)) = found else {
            return Ok(None);
        };
        let seed = self.unseal(KEY_SEED, &[], &sealed)?;
        identity.key_seed.0 = seed
            .as_slice()
            .try_into()
            .map_err(|_| StoreError::RowInvalid { column: KEY_SEED })?;
        identity.standing = Standing::from_code(standing).ok_or(StoreError::RowInvalid {
            column: "identity.standing",
        })?;
        Ok(Some(identity))
    }

    /// Stores who this home is going to be, in place of any earlier attempt.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_identity(&self, identity: &IdentityRow) -> Result<(), StoreError> {
        let (user, device) = identity
            .address
            .map_or((0, 0), |address| (to_sql(address.user.0), address.device.0));
        self.execute(
            "INSERT OR REPLACE INTO identity
             (only, server, trust, handle, key_seed, user, device, epoch, cursor,
              clock_offset_ms, standing)
             VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            (
                &identity.server,
                &identity.trust,
                &identity.handle,
                self.seal(KEY_SEED, &[], &identity.key_seed.0),
                user,
                device,
                to_sql(identity.place.epoch),
                to_sql(identity.place.cursor.0),
                identity.clock_offset_ms,
                identity.standing.code(),
            ),
        )?;
        Ok(())
    }

    /// Moves the stream's place. It belongs into the transaction that stores the items up to it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_place(&self, place: StreamPlace) -> Result<(), StoreError> {
        self.execute(
            "UPDATE identity SET epoch = ?1, cursor = ?2",
            (to_sql(place.epoch), to_sql(place.cursor.0)),
        )?;
        Ok(())
    }
}
