//! What the checksum covers, and how it is combined so that a body is never summed twice.

use crate::header::Header;

/// CRC-32 (IEEE 802.3) of `bytes`: the value that [`of_parts`] takes for a body.
#[must_use]
pub fn of_body(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// The checksum of a frame: the first four header bytes, then the payload.
#[must_use]
pub fn of_frame(header: Header, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&header.prefix());
    hasher.update(payload);
    hasher.finalize()
}

/// The checksum of a frame whose payload is `head` followed by a body whose own CRC is known.
///
/// Fan-out pushes one body to many devices behind different heads: combining costs the same for
/// any body length.
#[must_use]
pub fn of_parts(header: Header, head: &[u8], body_bytes: u64, body_crc: u32) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&header.prefix());
    hasher.update(head);
    hasher.combine(&crc32fast::Hasher::new_with_initial_len(
        body_crc, body_bytes,
    ));
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Kind;

    #[test]
    fn a_combined_checksum_equals_the_one_over_all_bytes() {
        let (head, body) = (b"head".as_slice(), [7u8; 300]);
        let whole = [head, &body].concat();
        let header = Header {
            payload_bytes: 304,
            kind: Kind::EVENT,
        };
        let combined = of_parts(header, head, 300, of_body(&body));
        assert_eq!(combined, of_frame(header, &whole));
    }
}
