//! Chains of payloads: how a device notices what was repeated, reordered or withheld.
//!
//! There is one chain from each sending device to each receiving device in each conversation, and
//! one for control messages. The server decides when a message arrives, so a hole is a sign, not a
//! proof: what fills it later is told apart from what never comes.

use bytes::BytesMut;
use martlet_protocol::DecodeError;
use martlet_protocol::device_list::HASH_BYTES;
use martlet_protocol::wire::{Reader, Writer};

use super::payload::{Payload, hash_of};
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
    /// Takes the next payload in, which was `bytes`. Nothing changes when it is a repeated one.
    ///
    /// The chain goes on from a broken link, so that one break is told once.
    pub fn check(&mut self, payload: &Payload<'_>, bytes: &[u8]) -> ChainVerdict {
        if payload.counter <= self.counter {
            return match self.missing.binary_search(&payload.counter) {
                Ok(index) => {
                    self.missing.remove(index);
                    ChainVerdict::Late
                }
                Err(_) => ChainVerdict::Repeated,
            };
        }
        let count = payload.counter - self.counter - 1;
        let verdict = if count > 0 {
            ChainVerdict::Missing { count }
        } else if payload.previous == self.previous {
            ChainVerdict::InOrder
        } else {
            ChainVerdict::Broken
        };
        let first = payload.counter - count.min(MISSING_MAX as u64);
        self.missing.extend(first..payload.counter);
        let surplus = self.missing.len().saturating_sub(MISSING_MAX);
        self.missing.drain(..surplus);
        self.counter = payload.counter;
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
