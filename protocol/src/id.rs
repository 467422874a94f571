//! Identifiers, positions and times: newtypes, so that two integers cannot be swapped.

use core::fmt;

/// An account: random, never zero, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(pub u64);

/// A device within its account: small, counted from 1, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub u16);

/// A group: random, never zero, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u64);

/// One device of one account: what a message is sent from and delivered to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The account.
    pub user: UserId,
    /// The device within it.
    pub device: DeviceId,
}

/// A UUID version 7 that the sending client draws; with the sending device it is the key under
/// which a retry finds the original answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub [u8; 16]);

/// A place in a stream. The first item has position 1; 0 means "before the first".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(pub u64);

/// Microseconds since the Unix epoch, unique within the shard that gave it: with the message id
/// it is the one causal order of a conversation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub u64);

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Millis(pub u64);

impl Position {
    /// The place after this one. Positions stay below 2^62, so it never wraps in practice.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// How many items lie in `(self, later]`, or 0 when `later` is not later.
    #[must_use]
    pub const fn until(self, later: Self) -> u64 {
        later.0.saturating_sub(self.0)
    }
}

impl Timestamp {
    /// The millisecond this timestamp lies in.
    #[must_use]
    pub const fn millis(self) -> Millis {
        Millis(self.0 / 1_000)
    }
}

impl Millis {
    /// The first microsecond of this millisecond.
    #[must_use]
    pub const fn timestamp(self) -> Timestamp {
        Timestamp(self.0.saturating_mul(1_000))
    }

    /// This time, `ms` milliseconds later.
    #[must_use]
    pub const fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this time, or 0 when `earlier` is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl MessageId {
    /// The id for a message written at `time`, from 10 random bytes.
    ///
    /// Layout (RFC 9562, version 7): 48 bits of milliseconds, 4 bits version, 12 random bits,
    /// 2 bits variant, 62 random bits.
    #[must_use]
    pub const fn new(time: Millis, random: [u8; 10]) -> Self {
        let [_, _, t0, t1, t2, t3, t4, t5] = time.0.to_be_bytes();
        let [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9] = random;
        let version = 0x70 | (r0 & 0x0f);
        let variant = 0x80 | (r2 & 0x3f);
        Self([
            t0, t1, t2, t3, t4, t5, version, r1, variant, r3, r4, r5, r6, r7, r8, r9,
        ])
    }

    /// When the client says it wrote the message, or `None` when this is not a UUID version 7.
    #[must_use]
    pub const fn time(self) -> Option<Millis> {
        let [t0, t1, t2, t3, t4, t5, version, _, variant, ..] = self.0;
        if version >> 4 == 7 && variant >> 6 == 2 {
            Some(Millis(u64::from_be_bytes([0, 0, t0, t1, t2, t3, t4, t5])))
        } else {
            None
        }
    }

    /// Reads the usual hyphenated form, as [`Display`](fmt::Display) writes it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0u8; 16];
        let mut digits = text.bytes().filter(|byte| *byte != b'-');
        for byte in &mut bytes {
            let high = hex_digit(digits.next()?)?;
            let low = hex_digit(digits.next()?)?;
            *byte = (high << 4) | low;
        }
        let id = Self(bytes);
        // Comparing with the canonical form rejects stray hyphens and trailing digits.
        text.eq_ignore_ascii_case(&id.to_string()).then_some(id)
    }
}

const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(byte.wrapping_sub(b'a').wrapping_add(10)),
        b'A'..=b'F' => Some(byte.wrapping_sub(b'A').wrapping_add(10)),
        _ => None,
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.user, self.device.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! debug_as_number {
    ($($name:ident)*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    )*};
}
debug_as_number!(DeviceId Position Timestamp Millis);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_carries_its_time_and_reads_back_from_text() {
        let id = MessageId::new(Millis(0x0190_0000_1234), [0xff; 10]);
        assert_eq!(id.time(), Some(Millis(0x0190_0000_1234)));
        assert_eq!(id.to_string(), "01900000-1234-7fff-bfff-ffffffffffff");
        assert_eq!(MessageId::parse(&id.to_string()), Some(id));
    }

    #[test]
    fn text_that_is_not_exactly_a_message_id_is_refused() {
        for text in [
            "",
            "01900000",
            "01900000-1234-7fff-bfff-fffffffffffff",
            "g1900000-1234",
        ] {
            assert_eq!(MessageId::parse(text), None, "{text}");
        }
        assert_eq!(
            MessageId::parse("019000001234-7fff-bfff-ffffffffffff"),
            None
        );
    }

    #[test]
    fn an_id_of_another_uuid_version_has_no_time() {
        let mut id = MessageId::new(Millis(1), [0; 10]);
        id.0[6] = 0x40;
        assert_eq!(id.time(), None);
        let mut id = MessageId::new(Millis(1), [0; 10]);
        id.0[8] = 0xc0;
        assert_eq!(id.time(), None);
    }

    // [M-8.9]
    #[test]
    fn a_conversation_is_ordered_by_timestamp_and_then_by_id_as_bytes() {
        let id = |first| MessageId([first; 16]);
        let mut order = [
            (Timestamp(2), id(0)),
            (Timestamp(1), id(200)),
            (Timestamp(1), id(9)),
        ];
        order.sort();
        assert_eq!(
            order.map(|(time, id)| (time.0, id.0[0])),
            [(1, 9), (1, 200), (2, 0)]
        );
    }
}
