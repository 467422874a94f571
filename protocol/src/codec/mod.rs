//! A buffer of bytes to frames, and frames to bytes.

mod decoder;
mod encoder;

pub use decoder::Decoder;
pub use encoder::{encode, encode_parts};
