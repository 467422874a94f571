//! The Martlet wire protocol: frames to bytes and back, without I/O.
//!
//! ```text
//!  0        3      4              8
//!  ├────────┼──────┼──────────────┼───────────────── ── ─ ─
//!  │ length │ type │ crc32        │ payload (length bytes)
//!  └────────┴──────┴──────────────┴───────────────── ── ─ ─
//!  crc32 covers length, type and payload · all integers are little-endian
//! ```
//!
//! `SPEC.md` beside this crate is normative. The tour: [`header`] has the eight bytes above,
//! [`wire`] reads and writes fields, [`frame`] has one file per frame, [`kind`] is the one table
//! of frame types, [`codec`] turns a buffer into frames and back, [`limits`] says how large
//! anything may be and who would abuse it if it could be larger.
//!
//! Nothing here allocates for a peer before its length was checked, and no input makes it panic.
//!
//! ```
//! use bytes::BytesMut;
//! use martlet_protocol::codec::{self, Decoder};
//! use martlet_protocol::frame::{Frame, Ping};
//! use martlet_protocol::limits::FRAME_BYTES_MAX;
//!
//! let mut out = BytesMut::new();
//! codec::encode(&Frame::Ping(Ping { token: 7 }), &mut out);
//!
//! let mut decoder = Decoder::new(FRAME_BYTES_MAX);
//! let mut input = &out[..];
//! assert_eq!(decoder.next(&mut input), Ok(Some(Frame::Ping(Ping { token: 7 }))));
//! assert_eq!(decoder.next(&mut input), Ok(None));
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unreachable,
    clippy::unwrap_used
)]

pub mod auth;
pub mod close;
pub mod codec;
pub mod crc;
pub mod device_list;
pub mod error;
pub mod frame;
pub mod fuzzing;
pub mod group_record;
pub mod group_rules;
pub mod handle;
pub mod header;
pub mod id;
pub mod kind;
pub mod limits;
pub mod nack;
pub mod state;
pub mod version;
pub mod wire;

pub use close::CloseCode;
pub use device_list::{DeviceList, ListedDevice};
pub use error::DecodeError;
pub use group_record::{GroupRecord, Role};
pub use group_rules::{Roster, RuleError};
pub use id::{Address, DeviceId, GroupId, MessageId, Millis, Position, Timestamp, UserId};
pub use kind::Kind;
pub use nack::{Class, NackCode};
pub use state::State;
