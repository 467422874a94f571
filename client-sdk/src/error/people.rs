//! Why something that concerns another account cannot be done.

use super::{ClientError, StoreError};

/// What concerns another account cannot be done. Nothing was stored.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeopleError {
    /// The client cannot do it now.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It concerns one account, and this is a group.
    #[error("this is a group: it has no presence and cannot be blocked, leave it instead")]
    IsGroup,
    /// The account is the own one.
    #[error("this is the own account")]
    SelfAddressed,
    /// As many accounts are watched as a connection may watch.
    #[error("{accounts_max} accounts are watched, and not more can be: stop to watch another one")]
    TooManyWatched {
        /// The most.
        accounts_max: usize,
    },
}

impl From<StoreError> for PeopleError {
    fn from(error: StoreError) -> Self {
        Self::Client(error.into())
    }
}
