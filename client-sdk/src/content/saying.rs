//! The kinds of contents that people write, with their fields.

use bytes::BytesMut;
use martlet_protocol::limits::HANDLE_BYTES_MAX;
use martlet_protocol::wire::{Reader, Writer};
use martlet_protocol::{Address, DecodeError, MessageId, handle};

use super::{Content, TEXT_BYTES_MAX};
use crate::crypto::payload::kind;
use crate::event::{ContactCard, Location};

/// Longest quote in a reply, in bytes of UTF-8.
pub const QUOTE_BYTES_MAX: usize = 255;
/// Longest reaction, in bytes of UTF-8: the longest emoji have some 40.
pub const EMOJI_BYTES_MAX: usize = 64;
/// Longest name of a contact or a place, in bytes of UTF-8.
const LABEL_BYTES_MAX: usize = 128;

const NAME_BYTES: usize = 16 + 8 + 2;
/// What a REPLY says beside its text: the name of a message, and a quote with its length.
pub(super) const REPLY_HEAD_BYTES_MAX: usize = NAME_BYTES + 2 + QUOTE_BYTES_MAX;

const LATITUDE_MAX: u32 = 900_000_000;
const LONGITUDE_MAX: u32 = 1_800_000_000;

/// What names a message of a conversation: ids are unique for one device only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageName {
    /// The id.
    pub id: MessageId,
    /// The device that wrote it.
    pub author: Address,
}

/// Contents whose kind this version knows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Saying {
    /// Text. Layout: the UTF-8.
    Text(String),
    /// An answer to another message. Layout: name 26 · quote str<=255 · text.
    Reply {
        /// Which one.
        to: MessageName,
        /// How it began, as the author of the reply saw it.
        quote: String,
        /// The answer.
        text: String,
    },
    /// What somebody thinks of another message. Layout: name 26 · emoji str<=64.
    Reaction {
        /// Which one.
        to: MessageName,
        /// A sign; empty to take it back.
        emoji: String,
    },
    /// Another text for a message. Layout: name 26 · text.
    Edit {
        /// Which one.
        of: MessageName,
        /// The text.
        text: String,
    },
    /// A message is deleted for everyone. Layout: name 26.
    Delete {
        /// Which one.
        of: MessageName,
    },
    /// The life of the messages that follow. Layout: seconds u32.
    Timer {
        /// 0: they stay.
        seconds: u32,
    },
    /// How to reach somebody. Layout: user u64 · handle str<=64 · name str<=128.
    Contact(ContactCard),
    /// A place. Layout: latitude i32 · longitude i32 · accuracy_m u32 · label str<=128.
    Location(Location),
}

impl Saying {
    /// The contents that say it.
    #[must_use]
    pub fn encode(&self) -> Content {
        let mut data = BytesMut::new();
        let mut writer = Writer::new(&mut data);
        match self {
            Self::Text(text) => writer.raw(text.as_bytes()),
            Self::Reply { to, quote, text } => {
                write_name(&mut writer, to);
                writer.text(quote);
                writer.raw(text.as_bytes());
            }
            Self::Reaction { to, emoji } => {
                write_name(&mut writer, to);
                writer.text(emoji);
            }
            Self::Edit { of, text } => {
                write_name(&mut writer, of);
                writer.raw(text.as_bytes());
            }
            Self::Delete { of } => write_name(&mut writer, of),
            Self::Timer { seconds } => writer.u32(*seconds),
            Self::Contact(card) => {
                writer.user(card.user);
                writer.text(&card.handle);
                writer.text(&card.name);
            }
            Self::Location(place) => {
                writer.u32(place.latitude.cast_unsigned());
                writer.u32(place.longitude.cast_unsigned());
                writer.u32(place.accuracy_m);
                writer.text(&place.label);
            }
        }
        Content {
            kind: self.kind(),
            data: data.into(),
        }
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::Text(_) => kind::TEXT,
            Self::Reply { .. } => kind::REPLY,
            Self::Reaction { .. } => kind::REACTION,
            Self::Edit { .. } => kind::EDIT,
            Self::Delete { .. } => kind::DELETE,
            Self::Timer { .. } => kind::TIMER,
            Self::Contact(_) => kind::CONTACT,
            Self::Location(_) => kind::LOCATION,
        }
    }

    /// Reads contents; nothing may follow them, and each has one spelling. `None` for a kind that
    /// this version does not know, and for LIMITED.
    ///
    /// # Errors
    /// [`DecodeError::FieldValueForbidden`] for what is no handle and a place that is not on the
    /// earth, or what is wrong with a field.
    pub fn decode(content: &Content) -> Result<Option<Self>, DecodeError> {
        let mut reader = Reader::new(&content.data);
        let saying = match content.kind {
            kind::TEXT => Self::Text(rest_text(&mut reader)?),
            kind::REPLY => Self::Reply {
                to: read_name(&mut reader)?,
                quote: reader.text(QUOTE_BYTES_MAX)?.to_owned(),
                text: rest_text(&mut reader)?,
            },
            kind::REACTION => Self::Reaction {
                to: read_name(&mut reader)?,
                emoji: reader.text(EMOJI_BYTES_MAX)?.to_owned(),
            },
            kind::EDIT => Self::Edit {
                of: read_name(&mut reader)?,
                text: edit_text(&mut reader)?,
            },
            kind::DELETE => Self::Delete {
                of: read_name(&mut reader)?,
            },
            kind::TIMER => Self::Timer {
                seconds: reader.u32()?,
            },
            kind::CONTACT => Self::Contact(read_card(&mut reader)?),
            kind::LOCATION => Self::Location(read_place(&mut reader)?),
            _ => return Ok(None),
        };
        reader.finish()?;
        Ok(Some(saying))
    }

    /// Whether all of it is within its limits, so that others can read it.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        Self::decode(&self.encode()) == Ok(Some(self.clone()))
    }
}

fn write_name(writer: &mut Writer<'_>, name: &MessageName) {
    writer.message_id(name.id);
    writer.address(name.author);
}

fn read_name(reader: &mut Reader<'_>) -> Result<MessageName, DecodeError> {
    Ok(MessageName {
        id: reader.message_id()?,
        author: reader.address()?,
    })
}

fn read_card(reader: &mut Reader<'_>) -> Result<ContactCard, DecodeError> {
    let card = ContactCard {
        user: reader.user()?,
        handle: reader.text(HANDLE_BYTES_MAX)?.to_owned(),
        name: reader.text(LABEL_BYTES_MAX)?.to_owned(),
    };
    if handle::is_valid(&card.handle) {
        Ok(card)
    } else {
        Err(DecodeError::FieldValueForbidden)
    }
}

fn read_place(reader: &mut Reader<'_>) -> Result<Location, DecodeError> {
    let place = Location {
        latitude: reader.u32()?.cast_signed(),
        longitude: reader.u32()?.cast_signed(),
        accuracy_m: reader.u32()?,
        label: reader.text(LABEL_BYTES_MAX)?.to_owned(),
    };
    let is_on_earth = place.latitude.unsigned_abs() <= LATITUDE_MAX
        && place.longitude.unsigned_abs() <= LONGITUDE_MAX;
    if is_on_earth {
        Ok(place)
    } else {
        Err(DecodeError::FieldValueForbidden)
    }
}

/// All that is left, as text.
fn rest_text(reader: &mut Reader<'_>) -> Result<String, DecodeError> {
    let bytes = core::mem::replace(reader, Reader::new(&[])).rest();
    let text = str::from_utf8(bytes).map_err(|_| DecodeError::TextNotUtf8)?;
    Ok(text.to_owned())
}

/// The same of an EDIT: whatever it replaces still fits then.
fn edit_text(reader: &mut Reader<'_>) -> Result<String, DecodeError> {
    if reader.rest().len() > TEXT_BYTES_MAX {
        return Err(DecodeError::FieldTooLong);
    }
    rest_text(reader)
}

#[cfg(test)]
mod tests {
    use super::*;
    use martlet_protocol::{DeviceId, UserId};
    use proptest::prelude::*;

    fn name() -> MessageName {
        MessageName {
            id: MessageId([3; 16]),
            author: Address {
                user: UserId(7),
                device: DeviceId(2),
            },
        }
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let reply = Saying::Reply {
            to: name(),
            quote: "hi".to_owned(),
            text: "ho".to_owned(),
        };
        let expected = [
            &[3; 16][..],
            &[7, 0, 0, 0, 0, 0, 0, 0, 2, 0],
            &[2 << 2],
            b"hi",
            b"ho",
        ];
        let content = reply.encode();
        assert_eq!((content.kind, content.data), (2, expected.concat()));
        let place = Saying::Location(Location {
            latitude: -1,
            longitude: 2,
            accuracy_m: 3,
            label: String::new(),
        });
        let data = [255, 255, 255, 255, 2, 0, 0, 0, 3, 0, 0, 0, 0];
        assert_eq!(place.encode().data, data);
    }

    #[test]
    fn what_is_over_its_limits_is_not_sound() {
        let reaction = |bytes: usize| Saying::Reaction {
            to: name(),
            emoji: "x".repeat(bytes),
        };
        assert!(reaction(EMOJI_BYTES_MAX).is_sound());
        assert!(!reaction(EMOJI_BYTES_MAX + 1).is_sound());
        let card = |handle: &str| {
            Saying::Contact(ContactCard {
                user: UserId(7),
                handle: handle.to_owned(),
                name: "Bob".to_owned(),
            })
        };
        assert!(card("bob").is_sound());
        assert!(!card("Bob").is_sound());
    }

    #[test]
    fn a_kind_of_a_newer_version_is_read_by_that_version_only() {
        let newer = Content {
            kind: 0x7f,
            data: vec![0xff],
        };
        assert_eq!(Saying::decode(&newer), Ok(None));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic_and_have_one_spelling(
            kind in 0u8..=0x10,
            mut data in proptest::collection::vec(any::<u8>(), 0..400),
            has_name in any::<bool>(),
        ) {
            if has_name {
                let delete = Saying::Delete { of: name() }.encode();
                data.splice(..0, delete.data);
            }
            let content = Content { kind, data };
            if let Ok(Some(saying)) = Saying::decode(&content) {
                prop_assert_eq!(saying.encode(), content);
            }
        }
    }
}
