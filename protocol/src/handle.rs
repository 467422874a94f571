//! Which names an account may have.

use crate::limits::HANDLE_BYTES_MAX;

/// Whether `handle` is a legal handle: 1 to 64 bytes of lower-case ASCII letters, digits and
/// `_ . - +`, the first one a letter, a digit or `+`.
///
/// The set is narrow on purpose: two handles that look alike to a person are two strings here, so
/// nothing outside ASCII and no upper case.
#[must_use]
pub fn is_valid(handle: &str) -> bool {
    let bytes = handle.as_bytes();
    let Some(first) = bytes.first() else {
        return false;
    };
    bytes.len() <= HANDLE_BYTES_MAX
        && (first.is_ascii_lowercase() || first.is_ascii_digit() || *first == b'+')
        && bytes.iter().all(|byte| {
            byte.is_ascii_lowercase()
                || byte.is_ascii_digit()
                || matches!(byte, b'_' | b'.' | b'-' | b'+')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_phone_numbers_are_handles_and_look_alikes_are_not() {
        for good in ["alice", "bob.2", "+4915112345", "9lives", "a_b-c"] {
            assert!(is_valid(good), "{good}");
        }
        for bad in ["", "Alice", "-x", ".x", "a b", "älice", &"x".repeat(65)] {
            assert!(!is_valid(bad), "{bad}");
        }
    }
}
