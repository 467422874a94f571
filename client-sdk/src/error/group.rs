//! Why a group cannot be made or changed.

use martlet_protocol::NackCode;

use super::{ClientError, StoreError};

/// A group cannot be made or changed. Nothing was stored.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// A change of this home has no answer yet.
    #[error("the last change of this group has no answer yet: wait for it")]
    Busy,
    /// The client cannot do it now.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The name or the reference to a picture breaks the rules.
    #[error(
        "the name is empty, longer than 100 bytes or has control characters, or the reference to a \
         picture is longer than 1,024 bytes"
    )]
    InfoInvalid,
    /// This account is not in the group, or not any more.
    #[error("this account is not in the group any more")]
    NotMember,
    /// The change will not be made: the server, or a rule of the group, is against it.
    #[error("{}", group_refusal(*.0))]
    Refused(NackCode),
    /// More accounts than one change can name.
    #[error("at most {accounts_max} accounts can be changed at a time")]
    TooMany {
        /// The most.
        accounts_max: usize,
    },
}

/// Why a change of a group will not be made.
fn group_refusal(code: NackCode) -> String {
    match code {
        NackCode::GROUP_FORBIDDEN => {
            "this account's role in the group does not allow it".to_owned()
        }
        NackCode::GROUP_FULL => {
            "the group would have more members than the server allows".to_owned()
        }
        NackCode::GROUP_UNKNOWN => "this account is not in the group any more".to_owned(),
        NackCode::RECORD_INVALID => {
            "the group cannot be changed so: it needs an owner, and members that are in it"
                .to_owned()
        }
        other => format!("the server refused: {}", other.name()),
    }
}

impl From<StoreError> for GroupError {
    fn from(error: StoreError) -> Self {
        Self::Client(error.into())
    }
}
