//! Fields: a reader without offsets and a writer into the caller's buffer.

mod list;
mod reader;
mod varint;
mod writer;

pub use list::{Checked, Element, Iter, List};
pub use reader::Reader;
pub use varint::encoded_len as varint_bytes;
pub use writer::Writer;
