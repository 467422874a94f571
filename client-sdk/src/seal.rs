//! The one place where contents become envelopes and envelopes contents.
//!
//! Format 1 frames the contents and protects nothing: `format u8 = 1 · kind u8 · data`. Encryption
//! is a new format here; neither the engine nor the database looks into an envelope elsewhere.

use martlet_protocol::limits::ENVELOPE_BYTES_MAX;

use crate::event::Body;

const FORMAT: u8 = 1;
const KIND_TEXT: u8 = 1;
const HEAD_BYTES: usize = 2;

/// Longest text that fits an envelope, in bytes of UTF-8.
pub const TEXT_BYTES_MAX: usize = ENVELOPE_BYTES_MAX - HEAD_BYTES;

/// An envelope that cannot be opened. Its message is refused, and the server tries again: a later
/// version of this client may know how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenFailed {
    /// The format is newer than this version, or it is no envelope at all.
    FormatUnknown,
    /// The contents promise text and are not UTF-8.
    TextNotUtf8,
}

/// What an envelope holds: a kind, and data whose meaning depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// How the data is to be read.
    pub kind: u8,
    /// The bytes as the sender wrote them.
    pub data: Vec<u8>,
}

impl Content {
    /// A text message.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self {
            kind: KIND_TEXT,
            data: text.as_bytes().to_vec(),
        }
    }

    /// What an application gets to see of it.
    #[must_use]
    pub fn into_body(self) -> Body {
        match (self.kind, String::from_utf8(self.data)) {
            (KIND_TEXT, Ok(text)) => Body::Text(text),
            (kind, _) => Body::Unsupported { kind },
        }
    }
}

/// Makes the envelope that goes to the server.
#[must_use]
pub fn seal(content: &Content) -> Vec<u8> {
    let mut envelope = Vec::with_capacity(HEAD_BYTES + content.data.len());
    envelope.extend_from_slice(&[FORMAT, content.kind]);
    envelope.extend_from_slice(&content.data);
    envelope
}

/// Opens an envelope. A kind that this version does not know is no error: it is stored as it is
/// and shown as unsupported.
///
/// # Errors
/// [`OpenFailed`].
pub fn open(envelope: &[u8]) -> Result<Content, OpenFailed> {
    let [FORMAT, kind, data @ ..] = envelope else {
        return Err(OpenFailed::FormatUnknown);
    };
    if *kind == KIND_TEXT && core::str::from_utf8(data).is_err() {
        return Err(OpenFailed::TextNotUtf8);
    }
    Ok(Content {
        kind: *kind,
        data: data.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_comes_out_as_it_went_in() {
        let envelope = seal(&Content::text("grüß dich"));
        let body = open(&envelope).map(Content::into_body);
        assert_eq!(body, Ok(Body::Text("grüß dich".to_owned())));
    }

    #[test]
    fn contents_of_a_newer_client_are_kept_and_foreign_bytes_are_refused() {
        let newer = open(&[FORMAT, 9, 0xff]).map(Content::into_body);
        assert_eq!(newer, Ok(Body::Unsupported { kind: 9 }));
        assert_eq!(open(&[]), Err(OpenFailed::FormatUnknown));
        assert_eq!(open(&[2, KIND_TEXT, b'a']), Err(OpenFailed::FormatUnknown));
        assert_eq!(
            open(&[FORMAT, KIND_TEXT, 0xff]),
            Err(OpenFailed::TextNotUtf8)
        );
    }
}
