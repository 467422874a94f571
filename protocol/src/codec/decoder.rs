//! Takes whole frames off the front of the caller's buffer.

use crate::crc;
use crate::error::DecodeError;
use crate::frame::Frame;
use crate::header::Header;
use crate::limits::HEADER_BYTES;

/// Splits a byte stream into frames. It owns no buffer: the caller keeps what was not consumed
/// and calls again with more behind it.
#[derive(Clone, Copy, Debug)]
pub struct Decoder {
    frame_bytes_max: usize,
    failed: Option<DecodeError>,
}

impl Decoder {
    /// A decoder that refuses frames above `frame_bytes_max` bytes, header included.
    #[must_use]
    pub const fn new(frame_bytes_max: usize) -> Self {
        Self {
            frame_bytes_max,
            failed: None,
        }
    }

    /// Changes the limit, for example once the peer has authenticated.
    pub const fn set_frame_bytes_max(&mut self, frame_bytes_max: usize) {
        self.frame_bytes_max = frame_bytes_max;
    }

    /// The next frame at the front of `input`, which moves past it; `None` when `input` holds no
    /// whole frame. Frames of a skippable type that this version does not know are passed over.
    ///
    /// # Errors
    /// The first error is final: it is returned again by every later call.
    #[inline]
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Frame<'a>>, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.next_unchecked(input)
            .inspect_err(|error| self.failed = Some(*error))
    }

    #[inline]
    fn next_unchecked<'a>(&self, input: &mut &'a [u8]) -> Result<Option<Frame<'a>>, DecodeError> {
        loop {
            let Some((head, after)) = input.split_first_chunk::<HEADER_BYTES>() else {
                return Ok(None);
            };
            let (header, expected) = Header::parse(*head, self.frame_bytes_max)?;
            let Some((payload, rest)) = after.split_at_checked(header.payload_bytes as usize)
            else {
                return Ok(None);
            };
            if crc::of_frame(header, payload) != expected {
                return Err(DecodeError::FrameCorrupted);
            }
            let frame = Frame::decode(header.kind, payload);
            *input = rest;
            match frame {
                Err(DecodeError::TypeUnknown(kind)) if kind.is_skippable() => {}
                other => return other.map(Some),
            }
        }
    }

    /// How many bytes the frame at the front of `input` has, header included, once its header is
    /// there. Lets a caller that holds a partial frame reserve once.
    ///
    /// # Errors
    /// [`DecodeError::FrameTooLarge`].
    pub fn frame_bytes(&self, input: &[u8]) -> Result<Option<usize>, DecodeError> {
        match input.first_chunk::<HEADER_BYTES>() {
            None => Ok(None),
            Some(head) => {
                let (header, _) = Header::parse(*head, self.frame_bytes_max)?;
                Ok(Some(header.frame_bytes()))
            }
        }
    }
}
