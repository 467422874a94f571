//! What can be wrong with bytes. "Not enough bytes yet" is not among it.

use core::fmt;

use crate::kind::Kind;

/// Bytes that no correct peer sends. A decoder that reported one reports it again: the stream has
/// no next frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// A length or a count promises more than its field may have, or bytes follow where none may.
    FieldTooLong,
    /// A field's value is outside its range, for example account 0.
    FieldValueForbidden,
    /// The checksum does not match.
    FrameCorrupted,
    /// The header promises a frame above the limit.
    FrameTooLarge,
    /// The payload ends inside a field.
    PayloadTruncated,
    /// A text field is not UTF-8.
    TextNotUtf8,
    /// A frame type below the skippable range that this version does not know.
    TypeUnknown(Kind),
    /// A varint is longer than its value needs.
    VarintNotMinimal,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FieldTooLong => f.write_str("a field is longer than its limit"),
            Self::FieldValueForbidden => f.write_str("a field has a value outside its range"),
            Self::FrameCorrupted => f.write_str("the checksum does not match"),
            Self::FrameTooLarge => f.write_str("the frame is above the size limit"),
            Self::PayloadTruncated => f.write_str("the payload ends inside a field"),
            Self::TextNotUtf8 => f.write_str("a text field is not UTF-8"),
            Self::TypeUnknown(kind) => write!(f, "frame type 0x{:02x} is unknown", kind.0),
            Self::VarintNotMinimal => f.write_str("a varint is longer than its value needs"),
        }
    }
}

impl core::error::Error for DecodeError {}
