//! What a message says: a kind, and data whose meaning depends on it.

mod group;
mod saying;

use bytes::BytesMut;
use martlet_protocol::DecodeError;
use martlet_protocol::limits::ENVELOPE_BYTES_MAX;
use martlet_protocol::wire::{Reader, Writer};

use crate::crypto::payload::kind;
use crate::crypto::{body, group_payload};

pub use group::{
    GROUP_INFO_BYTES_MAX, GROUP_NAME_BYTES_MAX, GROUP_PICTURE_BYTES_MAX, GroupInfo, GroupResent,
    GroupRetry, SenderKey,
};
pub use saying::{EMOJI_BYTES_MAX, MessageName, QUOTE_BYTES_MAX, Saying};

/// What a LIMITED says beside the contents that it holds: seconds, kind.
const LIMITED_HEAD_BYTES: usize = 4 + 1;

/// What encryption adds to contents, and what a repeated message says about itself, fit into this.
const OVERHEAD_BYTES_MAX: usize = 256;
const _: () = assert!(group_payload::OVERHEAD_BYTES_MAX <= OVERHEAD_BYTES_MAX);
const _: () =
    assert!(CONTENT_BYTES_MAX + group::GROUP_RESENT_HEAD_BYTES_MAX <= body::CONTENTS_BYTES_MAX);

/// Longest text that fits an envelope in whatever kind of message, in bytes of UTF-8.
pub const TEXT_BYTES_MAX: usize =
    CONTENT_BYTES_MAX - LIMITED_HEAD_BYTES - saying::REPLY_HEAD_BYTES_MAX;

/// Longest contents of a message of any kind.
pub const CONTENT_BYTES_MAX: usize = ENVELOPE_BYTES_MAX - OVERHEAD_BYTES_MAX;

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

    /// The same with a life of so many seconds; 0 for none. Layout: seconds u32 · kind u8 ·
    /// contents.
    #[must_use]
    pub fn limited(self, life_s: u32) -> Self {
        if life_s == 0 {
            return self;
        }
        let mut data = BytesMut::with_capacity(LIMITED_HEAD_BYTES + self.data.len());
        let mut writer = Writer::new(&mut data);
        writer.u32(life_s);
        writer.u8(self.kind);
        writer.raw(&self.data);
        Self {
            kind: kind::LIMITED,
            data: data.into(),
        }
    }

    /// Takes the contents out of a LIMITED, with their life in seconds; of any other kind, and of
    /// a LIMITED that breaks the rules, they are what they were, and the life is 0.
    #[must_use]
    pub fn unlimited(self) -> (Self, u32) {
        match self.limit() {
            Ok(Some((life_s, inner))) => (inner, life_s),
            Ok(None) | Err(_) => (self, 0),
        }
    }

    /// What a LIMITED holds; `None` for any other kind.
    ///
    /// # Errors
    /// [`DecodeError::FieldValueForbidden`] for a life of 0 and for kinds that have none, or what
    /// is wrong with a field.
    pub fn limit(&self) -> Result<Option<(u32, Self)>, DecodeError> {
        if self.kind != kind::LIMITED {
            return Ok(None);
        }
        let mut reader = Reader::new(&self.data);
        let (life_s, kind) = (reader.u32()?, reader.u8()?);
        if life_s == 0 || !kind::may_be_limited(kind) {
            return Err(DecodeError::FieldValueForbidden);
        }
        let data = reader.rest().to_vec();
        Ok(Some((life_s, Self { kind, data })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_what_the_documents_say() {
        assert_eq!((CONTENT_BYTES_MAX, TEXT_BYTES_MAX), (65_280, 64_992));
    }

    #[test]
    fn a_life_is_put_around_contents_and_taken_off() {
        let text = Content::text("hi");
        assert_eq!(text.clone().limited(0), text);
        let limited = text.clone().limited(60);
        assert_eq!(limited.data, [60, 0, 0, 0, 1, b'h', b'i']);
        assert_eq!(limited.unlimited(), (text.clone(), 60));
        assert_eq!(text.clone().unlimited(), (text, 0));
    }

    #[test]
    fn modifications_timers_and_control_messages_have_no_life() {
        for kind in (0..=u8::MAX).filter(|kind| !kind::may_be_limited(*kind)) {
            let data = vec![1];
            let limited = Content { kind, data }.limited(60);
            assert!(limited.limit().is_err(), "{kind}");
            assert_eq!(limited.clone().unlimited(), (limited, 0), "{kind}");
        }
        assert!(!kind::may_be_limited(kind::LIMITED));
    }

    proptest! {
        #[test]
        fn a_limited_has_one_spelling(data in proptest::collection::vec(any::<u8>(), 0..40)) {
            let content = Content { kind: kind::LIMITED, data };
            let (inner, life_s) = content.clone().unlimited();
            if life_s > 0 {
                prop_assert_eq!(inner.limited(life_s), content);
            }
        }
    }
}
