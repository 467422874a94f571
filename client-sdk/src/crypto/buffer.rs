//! A buffer for secrets that grows without leaving copies of them behind.

use std::io::{self, Write};

use zeroize::{Zeroize, Zeroizing};

/// Room for what is usually written: a session with a few skipped keys.
const ROOM: usize = 2048;

/// Bytes that are wiped when they are dropped, and where they were before they needed more room.
pub(super) struct SecretBuffer(Zeroizing<Vec<u8>>);

impl SecretBuffer {
    pub(super) fn new() -> Self {
        Self(Zeroizing::new(Vec::with_capacity(ROOM)))
    }

    pub(super) fn put(&mut self, bytes: &[u8]) {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut larger = Vec::with_capacity(needed.max(2 * self.0.capacity()));
            larger.extend_from_slice(&self.0);
            let mut smaller = core::mem::replace(&mut *self.0, larger);
            smaller.zeroize();
        }
        self.0.extend_from_slice(bytes);
    }

    /// Appends what `write` writes, behind its length as a u32.
    pub(super) fn put_sized(&mut self, write: impl FnOnce(&mut Self)) {
        let at = self.0.len();
        self.put(&[0; 4]);
        write(self);
        let written = self.0.len() - at - 4;
        let length = u32::try_from(written).expect("stored keys are far below 4 GiB");
        if let Some(place) = self.0.get_mut(at..at + 4) {
            place.copy_from_slice(&length.to_le_bytes());
        }
    }

    pub(super) fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

impl Write for SecretBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_was_put_in_however_often_it_grew() {
        let mut buffer = SecretBuffer::new();
        let mut expected = Vec::new();
        for round in 0..100u8 {
            let bytes = vec![round; 200];
            buffer.put(&bytes);
            expected.extend_from_slice(&bytes);
        }
        assert_eq!(buffer.into_bytes().as_slice(), expected);
    }

    #[test]
    fn a_length_stands_before_what_it_counts() {
        let mut buffer = SecretBuffer::new();
        buffer.put(b"a");
        buffer.put_sized(|buffer| buffer.put(b"bcd"));
        buffer.put_sized(|_| {});
        assert_eq!(buffer.into_bytes().as_slice(), b"a\x03\0\0\0bcd\0\0\0\0");
    }
}
