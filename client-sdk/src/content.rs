//! What a message says: a kind, and data whose meaning depends on it.

use martlet_protocol::limits::ENVELOPE_BYTES_MAX;

use crate::crypto::payload::kind;
use crate::event::Body;

/// What encryption adds to contents, and what a repeated message says about itself, fit into this.
const OVERHEAD_BYTES_MAX: usize = 64;

/// Longest text that fits an envelope, in bytes of UTF-8.
pub const TEXT_BYTES_MAX: usize = ENVELOPE_BYTES_MAX - OVERHEAD_BYTES_MAX;

/// The contents of a message, as the sender wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// How the data is to be read.
    pub kind: u8,
    /// The bytes.
    pub data: Vec<u8>,
}

impl Content {
    /// A text message.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self {
            kind: kind::TEXT,
            data: text.as_bytes().to_vec(),
        }
    }

    /// Whether it is for this library itself.
    #[must_use]
    pub const fn is_control(&self) -> bool {
        kind::is_control(self.kind)
    }

    /// What an application gets to see of it.
    #[must_use]
    pub fn into_body(self) -> Body {
        match (self.kind, String::from_utf8(self.data)) {
            (kind::TEXT, Ok(text)) => Body::Text(text),
            (kind, _) => Body::Unsupported { kind },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_of_a_newer_client_and_broken_texts_are_kept_and_not_shown() {
        let text = Content::text("grüß dich");
        assert_eq!(text.into_body(), Body::Text("grüß dich".to_owned()));
        let newer = Content {
            kind: 9,
            data: vec![0xff],
        };
        assert_eq!(newer.into_body(), Body::Unsupported { kind: 9 });
        let broken = Content {
            kind: kind::TEXT,
            data: vec![0xff],
        };
        assert_eq!(broken.into_body(), Body::Unsupported { kind: 1 });
    }
}
