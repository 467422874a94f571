//! What the limit program logs: one record for each message and for each cursor moved.

use martlet_protocol::frame::Send;
use martlet_protocol::{Position, Timestamp, UserId};

/// Layout: `length u32 · from u64 · to u64 · message id 16 · timestamp u64 · envelope`, the length
/// being that of what follows it.
pub(super) fn append_message(
    from: UserId,
    send: &Send<'_>,
    timestamp: Timestamp,
    records: &mut Vec<u8>,
) {
    let length = MESSAGE_BYTES + send.envelope.len() as u32;
    records.extend_from_slice(&length.to_le_bytes());
    records.extend_from_slice(&from.0.to_le_bytes());
    records.extend_from_slice(&send.to.0.to_le_bytes());
    records.extend_from_slice(&send.message_id.0);
    records.extend_from_slice(&timestamp.0.to_le_bytes());
    records.extend_from_slice(send.envelope);
}

/// Layout: `length u32 · user u64 · position u64`.
pub(super) fn append_cursor(user: UserId, position: Position, records: &mut Vec<u8>) {
    records.extend_from_slice(&CURSOR_BYTES.to_le_bytes());
    records.extend_from_slice(&user.0.to_le_bytes());
    records.extend_from_slice(&position.0.to_le_bytes());
}

/// Everything of a message but its envelope.
const MESSAGE_BYTES: u32 = 8 + 8 + 16 + 8;

const CURSOR_BYTES: u32 = 8 + 8;
