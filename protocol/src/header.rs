//! The eight bytes in front of every payload.

use crate::error::DecodeError;
use crate::kind::Kind;
use crate::limits::HEADER_BYTES;

/// Length and type of a frame: the four header bytes that the checksum covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of payload after the header; fits 24 bits.
    pub payload_bytes: u32,
    /// The frame type.
    pub kind: Kind,
}

impl Header {
    /// The first four bytes of the header as they stand on the wire.
    #[must_use]
    pub const fn prefix(self) -> [u8; 4] {
        let [a, b, c, _] = self.payload_bytes.to_le_bytes();
        [a, b, c, self.kind.0]
    }

    /// The whole header with its checksum.
    #[must_use]
    pub const fn bytes(self, crc: u32) -> [u8; HEADER_BYTES] {
        let [l0, l1, l2, kind] = self.prefix();
        let [c0, c1, c2, c3] = crc.to_le_bytes();
        [l0, l1, l2, kind, c0, c1, c2, c3]
    }

    /// Reads a header and checks its length against `frame_bytes_max` before anybody reserves
    /// memory for it. Returns the header and the checksum that the payload must have.
    ///
    /// # Errors
    /// [`DecodeError::FrameTooLarge`].
    pub fn parse(
        bytes: [u8; HEADER_BYTES],
        frame_bytes_max: usize,
    ) -> Result<(Self, u32), DecodeError> {
        let [l0, l1, l2, kind, c0, c1, c2, c3] = bytes;
        let header = Self {
            payload_bytes: u32::from_le_bytes([l0, l1, l2, 0]),
            kind: Kind(kind),
        };
        if header.frame_bytes() > frame_bytes_max {
            return Err(DecodeError::FrameTooLarge);
        }
        Ok((header, u32::from_le_bytes([c0, c1, c2, c3])))
    }

    /// Bytes of the whole frame, header included.
    #[must_use]
    pub const fn frame_bytes(self) -> usize {
        HEADER_BYTES.saturating_add(self.payload_bytes as usize)
    }
}
