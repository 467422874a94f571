//! Chains of payloads: how a device notices what was repeated, reordered or withheld.
//!
//! There is one chain from each sending device to each receiving device in each conversation, one
//! for control messages, and one from each sending device to each group. The server decides when a
//! message arrives, so a hole is a sign, not a proof: what fills it later is told apart from what
//! never comes.

use bytes::BytesMut;
use martlet_protocol::DecodeError;
use martlet_protocol::device_list::HASH_BYTES;
use martlet_protocol::wire::{Reader, Writer};

use super::payload::hash_of;
use super::store_key::StateInvalid;

/// Most missing counters that are remembered: what a peer can make us store for a chain. Older
/// ones are forgotten, and what comes for them counts as repeated.
pub const MISSING_MAX: usize = 64;

/// The sender's end of a chain. Stored as counter varint · previous 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SendChain {
    counter: u64,
    previous: [u8; HASH_BYTES],
}

impl SendChain {
    /// Counter and hash for the next payload.
    #[must_use]
    pub const fn next(&self) -> (u64, [u8; HASH_BYTES]) {
        (self.counter + 1, self.previous)
    }

    /// `payload` is the next payload, as it was encoded.
    pub fn advance(&mut self, payload: &[u8]) {
        self.counter += 1;
        self.previous = hash_of(payload);
    }

    /// The end of the chain, to be stored.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = BytesMut::new();
        let mut writer = Writer::new(&mut out);
        writer.varint(self.counter);
        writer.raw(&self.previous);
        out.into()
    }

    /// The end that was stored.
    ///
    /// # Errors
    /// [`StateInvalid`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateInvalid> {
        let mut reader = Reader::new(bytes);
        let read = |reader: &mut Reader<'_>| {
            Ok::<_, DecodeError>(Self {
                counter: reader.varint()?,
                previous: reader.array()?,
            })
        };
        read(&mut reader)
            .and_then(|chain| reader.finish().map(|()| chain))
            .map_err(|_| StateInvalid)
    }
}

/// How a payload stands to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainVerdict {
    /// It follows the newest one.
    InOrder,
    /// It fills a hole: it was delivered after a later one.
    Late,
    /// Payloads before it have not arrived.
    Missing {
        /// How many.
        count: u64,
    },
    /// It has the next counter and names another payload as the one before: the sender and this
    /// device do not remember the same chain.
    Broken,
    /// A payload with this counter has been here before.
    Repeated,
}

/// The receiver's end of a chain.
///
/// Stored as counter varint · previous 32 · count varint · count × missing varint.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ReceiveChain {
    counter: u64,
    previous: [u8; HASH_BYTES],
    /// Counters below `counter` that have not arrived, ascending, the newest ones.
    missing: Vec<u64>,
}

impl ReceiveChain {
    /// Takes the next payload in, which was `bytes` and has this `counter` and `previous`. Nothing
    /// changes when it is a repeated one.
    ///
    /// The chain goes on from a broken link, so that one break is told once.
    pub fn check(
        &mut self,
        counter: u64,
        previous: &[u8; HASH_BYTES],
        bytes: &[u8],
    ) -> ChainVerdict {
        if counter <= self.counter {
            return match self.missing.binary_search(&counter) {
                Ok(index) => {
                    self.missing.remove(index);
                    ChainVerdict::Late
                }
                Err(_) => ChainVerdict::Repeated,
            };
        }
        let count = counter - self.counter - 1;
        let verdict = if count > 0 {
            ChainVerdict::Missing { count }
        } else if *previous == self.previous {
            ChainVerdict::InOrder
        } else {
            ChainVerdict::Broken
        };
        let first = counter - count.min(MISSING_MAX as u64);
        self.missing.extend(first..counter);
        let surplus = self.missing.len().saturating_sub(MISSING_MAX);
        self.missing.drain(..surplus);
        self.counter = counter;
        self.previous = hash_of(bytes);
        verdict
    }

    /// How many payloads are known to be missing, the last 64 at most.
    #[must_use]
    pub const fn missing(&self) -> usize {
        self.missing.len()
    }

    /// The end of the chain, to be stored.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = BytesMut::new();
        let mut writer = Writer::new(&mut out);
        writer.varint(self.counter);
        writer.raw(&self.previous);
        writer.varint(self.missing.len() as u64);
        for counter in &self.missing {
            writer.varint(*counter);
        }
        out.into()
    }

    /// The end that was stored.
    ///
    /// # Errors
    /// [`StateInvalid`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateInvalid> {
        let mut reader = Reader::new(bytes);
        Self::read(&mut reader)
            .and_then(|chain| reader.finish().map(|()| chain))
            .map_err(|_| StateInvalid)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut chain = Self {
            counter: reader.varint()?,
            previous: reader.array()?,
            missing: Vec::new(),
        };
        for _ in 0..reader.varint()? {
            chain.missing.push(reader.varint()?);
        }
        Ok(chain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::list::Head;
    use crate::crypto::payload::{Contents, Payload};
    use martlet_protocol::{Address, DeviceId, MessageId, UserId};
    use proptest::prelude::*;

    const ADDRESS: Address = Address {
        user: UserId(1),
        device: DeviceId(1),
    };

    /// The payload with this counter, and what it looks like.
    fn payload(counter: u64, previous: [u8; HASH_BYTES]) -> (Payload<'static>, Vec<u8>) {
        let payload = Payload {
            kind: 1,
            message_id: MessageId([0; 16]),
            sender: ADDRESS,
            recipient: ADDRESS,
            conversation: ADDRESS.user,
            own: Head::default(),
            peer: Head::default(),
            counter,
            previous,
            contents: Contents::Inline(b""),
        };
        let bytes = payload.encode().to_vec();
        (payload, bytes)
    }

    /// `count` payloads of one honest chain.
    fn honest(count: usize) -> Vec<(Payload<'static>, Vec<u8>)> {
        let mut chain = SendChain::default();
        let mut payloads = Vec::new();
        for _ in 0..count {
            let (counter, previous) = chain.next();
            let made = payload(counter, previous);
            chain.advance(&made.1);
            payloads.push(made);
        }
        payloads
    }

    fn check_next(chain: &mut ReceiveChain, payload: &Payload<'_>, bytes: &[u8]) -> ChainVerdict {
        chain.check(payload.counter, &payload.previous, bytes)
    }

    fn check(order: &[usize], expected: &[ChainVerdict]) {
        let payloads = honest(10);
        let mut chain = ReceiveChain::default();
        let verdicts: Vec<ChainVerdict> = order
            .iter()
            .map(|number| {
                let (payload, bytes) = &payloads[number - 1];
                chain = ReceiveChain::from_bytes(&chain.to_bytes()).unwrap();
                check_next(&mut chain, payload, bytes)
            })
            .collect();
        assert_eq!(verdicts, expected, "{order:?}");
    }

    #[test]
    fn each_order_has_its_verdicts() {
        use ChainVerdict::{InOrder, Late, Missing, Repeated};
        check(&[1, 2, 3], &[InOrder, InOrder, InOrder]);
        check(
            &[1, 3, 2, 4],
            &[InOrder, Missing { count: 1 }, Late, InOrder],
        );
        check(&[1, 2, 2, 3], &[InOrder, InOrder, Repeated, InOrder]);
        check(
            &[4, 2, 2, 5, 1],
            &[Missing { count: 3 }, Late, Repeated, InOrder, Late],
        );
        check(
            &[2, 5, 4, 3, 1, 1],
            &[
                Missing { count: 1 },
                Missing { count: 2 },
                Late,
                Late,
                Late,
                Repeated,
            ],
        );
    }

    #[test]
    fn another_past_is_told_once() {
        let payloads = honest(3);
        let mut chain = ReceiveChain::default();
        check_next(&mut chain, &payloads[0].0, &payloads[0].1);
        let (other, bytes) = payload(2, [9; HASH_BYTES]);
        assert_eq!(check_next(&mut chain, &other, &bytes), ChainVerdict::Broken);
        let (next, bytes) = payload(3, hash_of(&bytes));
        assert_eq!(check_next(&mut chain, &next, &bytes), ChainVerdict::InOrder);
    }

    #[test]
    fn a_huge_hole_is_counted_and_not_stored() {
        let mut chain = ReceiveChain::default();
        let (first, bytes) = payload(1, [0; HASH_BYTES]);
        check_next(&mut chain, &first, &bytes);
        let far = 1 << 60;
        let (newest, bytes) = payload(far, [1; HASH_BYTES]);
        let missing = ChainVerdict::Missing { count: far - 2 };
        assert_eq!(check_next(&mut chain, &newest, &bytes), missing);
        assert_eq!(chain.missing(), MISSING_MAX);
        assert!(chain.to_bytes().len() < 700);
        let (kept, bytes) = payload(far - MISSING_MAX as u64, [1; HASH_BYTES]);
        assert_eq!(check_next(&mut chain, &kept, &bytes), ChainVerdict::Late);
        let (forgotten, bytes) = payload(far - MISSING_MAX as u64 - 1, [1; HASH_BYTES]);
        assert_eq!(
            check_next(&mut chain, &forgotten, &bytes),
            ChainVerdict::Repeated
        );
    }

    #[test]
    fn the_senders_end_is_stored_as_it_is() {
        let mut chain = SendChain::default();
        assert_eq!(chain.next(), (1, [0; HASH_BYTES]));
        chain.advance(b"payload");
        assert_eq!(chain.next(), (2, hash_of(b"payload")));
        assert_eq!(SendChain::from_bytes(&chain.to_bytes()), Ok(chain));
        assert_eq!(SendChain::from_bytes(&[]), Err(StateInvalid));
        assert_eq!(ReceiveChain::from_bytes(&[1]), Err(StateInvalid));
    }

    proptest! {
        /// Whatever the order: what comes first is new, what comes again is repeated, and each hole
        /// is counted once.
        #[test]
        fn nothing_is_taken_twice_and_every_hole_is_counted(
            order in proptest::collection::vec(1usize..30, 1..60),
        ) {
            let payloads = honest(30);
            let mut chain = ReceiveChain::default();
            let mut seen = std::collections::BTreeSet::new();
            let (mut holes, mut late) = (0, 0);
            for number in order {
                let (payload, bytes) = &payloads[number - 1];
                let verdict = check_next(&mut chain, payload, bytes);
                prop_assert_eq!(verdict == ChainVerdict::Repeated, !seen.insert(number));
                match verdict {
                    ChainVerdict::Missing { count } => holes += count,
                    ChainVerdict::Late => late += 1,
                    ChainVerdict::Broken => prop_assert!(false, "an honest chain never breaks"),
                    ChainVerdict::InOrder | ChainVerdict::Repeated => {}
                }
            }
            let newest = *seen.last().unwrap();
            prop_assert_eq!(holes - late, (newest - seen.len()) as u64);
            prop_assert_eq!(chain.missing(), newest - seen.len());
        }
    }
}
