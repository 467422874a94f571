//! Lies that a server can tell, and by which name a client must notice each of them.

use martlet_client::SecurityKind;

/// A way to lie. Whoever tells one has all that a server has: every message as it was encrypted,
/// every list and every public key, and keys of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// A prekey is replaced by another one.
    KeySwapped,
    /// A device list names another identity key for one of the devices.
    ListedKeySwapped,
    /// A device list has one device more, which the server has made.
    DeviceAdded,
    /// Two people see different device lists of one version. The account key has signed both: a
    /// server alone cannot do this, only one to which the key was given.
    ListForked,
    /// Whoever knows of a list is given an older one.
    OldList,
    /// A message comes again.
    Replayed,
    /// A message comes again as another one.
    ReplayedAsAnother,
    /// Of two messages of one author the second comes first.
    Reordered,
    /// A message does not come, and what is in its place says nothing.
    Withheld,
    /// A message has another id, or a copy another recipient.
    ContextChanged,
    /// A message has another author.
    AuthorChanged,
    /// A ciphertext is changed.
    BytesChanged,
}

impl Lie {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::KeySwapped,
        Self::ListedKeySwapped,
        Self::DeviceAdded,
        Self::ListForked,
        Self::OldList,
        Self::Replayed,
        Self::ReplayedAsAnother,
        Self::Reordered,
        Self::Withheld,
        Self::ContextChanged,
        Self::AuthorChanged,
        Self::BytesChanged,
    ];

    /// What a client says of it.
    #[must_use]
    pub const fn told_as(self) -> SecurityKind {
        match self {
            Self::KeySwapped => SecurityKind::KeyInvalid,
            Self::ListedKeySwapped | Self::DeviceAdded => SecurityKind::ListInvalid,
            Self::ListForked => SecurityKind::ListForked,
            Self::OldList => SecurityKind::ListRolledBack,
            Self::Replayed => SecurityKind::Replayed,
            Self::Reordered => SecurityKind::Reordered,
            Self::Withheld => SecurityKind::Missing,
            Self::ContextChanged => SecurityKind::ContextMismatch,
            Self::ReplayedAsAnother | Self::AuthorChanged | Self::BytesChanged => {
                SecurityKind::Undecryptable
            }
        }
    }

    /// What a client may say of it as well.
    pub(crate) fn may_be_told_as(self, kind: SecurityKind) -> bool {
        // Before the earlier of two messages comes it is missing. So is one that stands under
        // another author's name.
        let leaves_hole = matches!(self, Self::Reordered | Self::AuthorChanged);
        kind == self.told_as() || (leaves_hole && kind == SecurityKind::Missing)
    }

    /// Whether the message is not to be seen under its own name: nobody is told what it was.
    pub(crate) const fn hides_message(self) -> bool {
        matches!(
            self,
            Self::Withheld | Self::ContextChanged | Self::AuthorChanged
        )
    }

    /// Whether an account that knows no key has to send what is replaced.
    pub(crate) const fn needs_stranger(self) -> bool {
        matches!(self, Self::Replayed | Self::ReplayedAsAnother)
    }
}
