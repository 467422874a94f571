//! Fields: a reader without offsets and a writer into the caller's buffer.

mod reader;
mod varint;
mod writer;

pub use reader::Reader;
pub use varint::encoded_len as varint_bytes;
pub use writer::Writer;
