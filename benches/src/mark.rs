//! What a run's messages are made of: ids that lead back to them, and a payload.

use anyhow::{Result, anyhow};
use aws_lc_rs::rand;
use bytes::Bytes;
use martlet_protocol::{MessageId, Millis};

use crate::schedule::Random;

/// The names of a run's messages: a message id holds the run's mark and the sequence within the
/// run or its pair, so an answer is matched without a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunMark([u8; 5]);

impl RunMark {
    /// That of a new run.
    ///
    /// # Errors
    /// When there are no random bytes.
    pub fn random() -> Result<Self> {
        let mut mark = [0; 5];
        rand::fill(&mut mark).map_err(|_| anyhow!("no random bytes"))?;
        Ok(Self(mark))
    }

    /// The id of a message that is made now.
    pub fn message_id(self, sequence: u64, now: Millis) -> MessageId {
        let Self([a, b, c, d, e]) = self;
        let [.., s0, s1, s2, s3, s4] = sequence.to_be_bytes();
        MessageId::new(now, [a, b, c, d, e, s0, s1, s2, s3, s4])
    }

    /// The sequence, if the id is of this run.
    pub fn sequence(self, id: MessageId) -> Option<u64> {
        let [_, _, _, _, _, _, _, _, _, _, _, s0, s1, s2, s3, s4] = id.0;
        let sequence = u64::from_be_bytes([0, 0, 0, s0, s1, s2, s3, s4]);
        // The version and variant bits of a UUID take the place of some of the mark's.
        (self.message_id(sequence, id.time()?) == id).then_some(sequence)
    }
}

/// So many bytes, not all zeros: a store that compresses would look better than it is.
pub fn payload(bytes: usize) -> Bytes {
    let mut random = Random::new(bytes as u64);
    (0..bytes).map(|_| random.next_u64() as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_leads_back_to_its_sequence_and_only_in_its_own_run() {
        let (mine, other) = (RunMark([1, 2, 3, 4, 5]), RunMark([1, 2, 3, 4, 6]));
        for sequence in [0, 1, 255, 256, (1 << 40) - 1] {
            let id = mine.message_id(sequence, Millis(1_700_000_000_000));
            assert_eq!(mine.sequence(id), Some(sequence));
            assert_eq!(other.sequence(id), None);
            assert_eq!(id.time(), Some(Millis(1_700_000_000_000)));
        }
    }
}
