//! HELLO: the first frame of a connection.

use crate::error::DecodeError;
use crate::limits::AGENT_BYTES_MAX;
use crate::version::{Features, MAGIC};
use crate::wire::{Reader, Writer};

/// Wire: magic u32 · version_min u8 · version_max u8 · features u64 · agent text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello<'a> {
    /// The oldest version the client speaks.
    pub version_min: u8,
    /// The newest version the client speaks.
    pub version_max: u8,
    /// What the client can do beyond the version.
    pub features: Features,
    /// Name and version of the client, for the operator's logs.
    pub agent: &'a str,
}

impl<'a> Hello<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        if reader.u32()? != MAGIC {
            return Err(DecodeError::FieldValueForbidden);
        }
        Ok(Self {
            version_min: reader.u8()?,
            version_max: reader.u8()?,
            features: Features(reader.u64()?),
            agent: reader.text(AGENT_BYTES_MAX)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.u32(MAGIC);
        writer.u8(self.version_min);
        writer.u8(self.version_max);
        writer.u64(self.features.0);
        writer.text(self.agent);
    }
}
