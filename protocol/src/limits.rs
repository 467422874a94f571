//! Every size the wire allows, with its reason, and the relations between them.

/// Bytes of the fixed header in front of every payload.
pub const HEADER_BYTES: usize = 8;

/// Largest frame, header included. A peer can make us hold one partial frame per connection, so
/// this times the number of connections is memory that strangers control.
pub const FRAME_BYTES_MAX: usize = 128 * 1024;

/// Largest frame before authentication. Anybody may open a connection: 4 KiB fits a registration
/// with its token and keeps ten thousand silent strangers below 40 MiB.
pub const FRAME_BYTES_MAX_UNAUTHENTICATED: usize = 4 * 1024;

/// Largest envelope (the encrypted message). Larger bodies are media and travel beside the stream;
/// without the limit one sender could fill a recipient's credit with a single message.
pub const ENVELOPE_BYTES_MAX: usize = 64 * 1024;

/// Most devices of an account. A message has a part for each of them, and each is an inbox: what
/// one account can make every sender encrypt and the server store.
pub const DEVICES_MAX: usize = 5;

/// Largest part: what one device gets of a message beside the envelope. An Olm prekey message
/// around a kibibyte of text fits; what is longer goes into the envelope, once for all devices.
pub const PART_BYTES_MAX: usize = 2048;

/// Largest device list, signature included. Lists are kept for ever and handed to everybody who
/// asks, so their size is storage that an account takes and never gives back.
pub const DEVICE_LIST_BYTES_MAX: usize = 2048;

/// Longest name of a device in a list, sealed: 40 bytes of text, a nonce and a tag fit.
pub const DEVICE_NAME_BYTES_MAX: usize = 96;

/// Most device lists in one answer: who is further behind asks again.
pub const DEVICE_LISTS_MAX: usize = 16;

/// Most one-time prekeys that the server keeps for a device, and most in one UPLOAD. A device
/// could otherwise store what it likes in them.
pub const PREKEYS_MAX: usize = 100;

/// Largest offer and largest answer of a link. An offer is relayed for a stranger who has no
/// account yet.
pub const LINK_BYTES_MAX: usize = 1024;

/// Most members of a group that any server may allow. A list of them fits into one frame, and each
/// is a row that a change of the group may touch.
pub const GROUP_MEMBERS_MAX: usize = 5_000;

/// Largest record of a group, signature included. Records are kept for ever, as device lists are.
pub const GROUP_RECORD_BYTES_MAX: usize = 4096;

/// Most accounts that one record of a group may add, change or remove.
pub const GROUP_CHANGES_MAX: usize = 256;

/// Most records in one answer: who is further behind asks again. Beside them every member of the
/// largest group fits into the frame.
pub const GROUP_RECORDS_MAX: usize = 8;

/// Most elements in one GROUP_RECEIPT, GROUP_COUNTED or GROUP_LIST.
pub const GROUP_PAGE_MAX: usize = 256;

/// Longest handle. It is a storage key and shown to people.
pub const HANDLE_BYTES_MAX: usize = 64;

/// Longest client description in HELLO. It ends in log lines, which an attacker would flood.
pub const AGENT_BYTES_MAX: usize = 64;

/// Longest registration token (a JWT). It is parsed before its sender is known.
pub const TOKEN_BYTES_MAX: usize = 3 * 1024;

/// Longest explanation in CLOSE and longest server address in GOAWAY.
pub const TEXT_BYTES_MAX: usize = 255;

/// Largest value of a varint: two of its 64 bits hold its length.
pub const VARINT_MAX: u64 = (1 << 62) - 1;

/// Most messages a receiver may have granted and not yet received. The server holds one small
/// record for each of them, so a device cannot make it hold more.
pub const CREDIT_MESSAGES_MAX: u64 = 1024;

/// Most bytes a receiver may have granted and not yet received: what a slow reader costs the
/// server in memory.
pub const CREDIT_BYTES_MAX: u64 = 256 * 1024;

/// Shortest time to live that a sender may ask for, in milliseconds. Below a second a message
/// would expire while its recipient's acknowledgement is on the way.
pub const TTL_MS_MIN: u64 = 1_000;

/// Longest time to live, and the default, in milliseconds: 30 days.
pub const TTL_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1_000;

/// How far a message id's time may lie ahead of the server's clock, in milliseconds.
pub const MESSAGE_ID_AHEAD_MS_MAX: u64 = 5 * 60 * 1_000;

/// How old a message id may be, in milliseconds: the window in which a retry gets the original
/// answer. 7 days.
pub const MESSAGE_ID_AGE_MS_MAX: u64 = 7 * 24 * 60 * 60 * 1_000;

/// How far `after` in SEND may lie ahead of the server's clock, in microseconds. A client that
/// could go further would drag a conversation's timestamps into the future.
pub const AFTER_AHEAD_US_MAX: u64 = 60 * 1_000_000;

/// The refusal of one EVENT that sets it aside (HELD).
pub const REFUSALS_MAX: u8 = 5;

/// Bytes of an EVENT frame that are neither envelope nor part: header, position, kind, peer,
/// device, message id, timestamp and the two lengths, each at its longest.
pub const EVENT_OVERHEAD_BYTES_MAX: usize = HEADER_BYTES + 8 + 1 + 8 + 2 + 16 + 8 + 8 + 8;

/// Most accounts that a connection watches. The server keeps a record of each, and each change of
/// one of them is a frame to write.
pub const WATCHED_MAX: usize = 1_024;

/// Most accounts in one WATCH.
pub const WATCH_USERS_MAX: usize = 256;

/// Most relations of an account: rows that it makes the server keep for ever.
pub const RELATIONS_MAX: usize = 10_000;

/// Most relations in one answer: who has more asks again.
pub const RELATION_LIST_MAX: usize = 256;

/// How often a TYPING that goes on is repeated, in milliseconds.
pub const TYPING_REPEAT_MS: u64 = 4_000;

/// How long a TYPED that nothing follows is shown, in milliseconds: one repetition may be late by
/// half of its time.
pub const TYPING_SHOWN_MS: u64 = 6_000;

const _: () = assert!(
    FRAME_BYTES_MAX - HEADER_BYTES < 1 << 24,
    "the length field is a u24"
);
const _: () = assert!(FRAME_BYTES_MAX_UNAUTHENTICATED <= FRAME_BYTES_MAX);
const _: () = assert!(
    ENVELOPE_BYTES_MAX + PART_BYTES_MAX + EVENT_OVERHEAD_BYTES_MAX <= FRAME_BYTES_MAX,
    "whatever may be sent can be pushed"
);
const _: () = assert!(
    HEADER_BYTES
        + (16 + 8 + 8 + 8 + 1 + 8 + 8)
        + 2 * (8 + DEVICES_MAX * (2 + 8 + PART_BYTES_MAX))
        + (8 + ENVELOPE_BYTES_MAX)
        <= FRAME_BYTES_MAX,
    "a SEND with the largest part for every device and the largest envelope fits"
);
const _: () = assert!(
    (1 + 8 + 32 + 8 + 32 + 8 + 2 + 8)
        + DEVICES_MAX * (2 + 32 + 32 + 64 + 8 + DEVICE_NAME_BYTES_MAX)
        + 64
        <= DEVICE_LIST_BYTES_MAX,
    "a list of as many devices as an account may have fits"
);
const _: () = assert!(
    HEADER_BYTES + 3 * 8 + 8 + DEVICE_LISTS_MAX * (8 + DEVICE_LIST_BYTES_MAX) <= FRAME_BYTES_MAX,
    "DEVICE_LISTS fits with as many lists as it may have"
);
const _: () = assert!(
    HEADER_BYTES + 3 * 8 + (1 + PREKEYS_MAX) * (8 + 32 + 64) <= FRAME_BYTES_MAX,
    "a whole stock of prekeys fits into one UPLOAD"
);
const _: () = assert!(
    HEADER_BYTES
        + (8 + 8 + 8 + 8 + 8 + 1)
        + (8 + GROUP_RECORDS_MAX * (8 + GROUP_RECORD_BYTES_MAX))
        + (8 + GROUP_MEMBERS_MAX * (8 + 1 + 8))
        <= FRAME_BYTES_MAX,
    "GROUP_STATE fits with as many records and members as it may have"
);
const _: () = assert!(
    (1 + 8 + 8 + 32 + 8 + 8 + 2 + 8 + 3 + 32) + (8 + GROUP_CHANGES_MAX * (8 + 1)) + (32 + 64)
        <= GROUP_RECORD_BYTES_MAX,
    "a record with as many changes as it may have fits"
);
const _: () = assert!(
    GROUP_RECORD_BYTES_MAX <= ENVELOPE_BYTES_MAX,
    "a record travels as the body of a GROUP_EVENT"
);
const _: () = assert!(
    HEADER_BYTES + (8 + 8 + 8 + 1 + 8 + 2 + 16 + 8) + (8 + ENVELOPE_BYTES_MAX) <= FRAME_BYTES_MAX,
    "whatever may be sent to a group can be pushed"
);
const _: () = assert!(
    HEADER_BYTES + 8 + 2 + 32 + 8 + LINK_BYTES_MAX <= FRAME_BYTES_MAX_UNAUTHENTICATED,
    "a LINK_JOIN with the largest offer fits before authentication"
);
const _: () = assert!(
    TOKEN_BYTES_MAX + HANDLE_BYTES_MAX + 32 + 64 + 16 + HEADER_BYTES
        <= FRAME_BYTES_MAX_UNAUTHENTICATED,
    "a REGISTER with the longest token fits before authentication"
);
const _: () = assert!(
    CREDIT_BYTES_MAX >= FRAME_BYTES_MAX as u64,
    "one frame always fits into a full grant, else a device could never receive it"
);
const _: () = assert!(TTL_MS_MIN < TTL_MS_MAX);
const _: () = assert!(
    TYPING_REPEAT_MS < TYPING_SHOWN_MS,
    "who goes on typing is shown without a break"
);
