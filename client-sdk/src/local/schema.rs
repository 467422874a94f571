//! The tables, and how a database says which format it has.

use rusqlite::Transaction;

use crate::error::StoreError;

/// "MRTL" in SQLite's application id: a foreign database is recognised before it is changed.
const APPLICATION_ID: i64 = 0x4d52_544c;
/// The format that this version writes. Those before were never released: 1 had no keys, in 2 no
/// message could be read late, in 3 none could be changed, and 4 had no groups.
pub(super) const FORMAT: i64 = 5;

const TABLES: &str = "
CREATE TABLE vault (                     -- which key opens the sealed columns
    only INTEGER PRIMARY KEY CHECK (only = 1),
    scheme TEXT,                         -- how a passphrase becomes the key; NULL: it is none
    salt BLOB,                           -- of the passphrase
    proof BLOB NOT NULL                  -- opens with the right key only
) STRICT;

CREATE TABLE identity (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    server TEXT NOT NULL,
    trust TEXT,                          -- PEM; NULL: the system's authorities
    handle TEXT NOT NULL,                -- empty while a linked home has not learned it
    key_seed BLOB NOT NULL,              -- sealed
    user INTEGER NOT NULL,               -- 0 until the server has answered REGISTER
    device INTEGER NOT NULL,
    epoch INTEGER NOT NULL,              -- 0: no stream seen yet
    cursor INTEGER NOT NULL,
    clock_offset_ms INTEGER NOT NULL,    -- the server's clock minus ours
    standing INTEGER NOT NULL            -- 1: the device was removed; 2: the server knows none
                                         -- such; 0: neither was said
) STRICT;

CREATE TABLE own_keys (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    account_key BLOB NOT NULL,           -- public
    account_seed BLOB,                   -- sealed; NULL: another device signs the list
    names_key BLOB,                      -- sealed; NULL until the answer to a link has come
    name BLOB NOT NULL,                  -- sealed: of this device, for the account's first list
    device_keys BLOB NOT NULL,           -- sealed: identity key, prekeys
    stage INTEGER NOT NULL,              -- what has yet to be done; see local::own_keys
    rotated_at INTEGER NOT NULL          -- when the last-resort key was made
) STRICT;

CREATE TABLE joining (                   -- the code of the link that this home waits for
    only INTEGER PRIMARY KEY CHECK (only = 1),
    code BLOB NOT NULL,                  -- sealed
    offer BLOB NOT NULL                  -- sealed; the LINK_JOIN's, which is never made anew
) STRICT;

CREATE TABLE drafts (                    -- the own list that is being published
    only INTEGER PRIMARY KEY CHECK (only = 1),
    list BLOB NOT NULL,
    answer BLOB NOT NULL,                -- for the device that waits to be in it; or empty
    with_history INTEGER NOT NULL        -- 1: that device gets the conversations
) STRICT;

CREATE TABLE lists (                     -- of each account whose devices are known
    user INTEGER PRIMARY KEY,
    list BLOB NOT NULL,                  -- the newest that was verified
    vouched BLOB,                        -- the account key that a person has verified
    blocked INTEGER NOT NULL             -- 1: nothing is sent until a person has accepted the key
) STRICT;

CREATE TABLE list_log (                  -- every version that was verified
    user INTEGER NOT NULL,
    version INTEGER NOT NULL,
    hash BLOB NOT NULL,
    list BLOB,                           -- NULL: somebody has only said that there is one
    PRIMARY KEY (user, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE claims (                    -- what somebody says an account's newest list is
    user INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    hash BLOB NOT NULL,
    account_key BLOB                     -- which another own device knows of a contact
) STRICT;

CREATE TABLE former (                    -- devices that are in no list any more
    user INTEGER NOT NULL,
    device INTEGER NOT NULL,
    identity_key BLOB NOT NULL,
    until INTEGER NOT NULL,              -- the first version without it
    PRIMARY KEY (user, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    user INTEGER NOT NULL,
    device INTEGER NOT NULL,
    data BLOB NOT NULL,                  -- sealed
    parts INTEGER NOT NULL DEFAULT 0,    -- how many were made for the device
    PRIMARY KEY (user, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE chains (                    -- where the numbering of messages stands
    user INTEGER NOT NULL,               -- the other device
    device INTEGER NOT NULL,
    conversation INTEGER NOT NULL,       -- the account that SEND named
    control INTEGER NOT NULL,            -- 1: of control messages
    outgoing INTEGER NOT NULL,           -- 1: to that device, 0: from it
    data BLOB NOT NULL,                  -- sealed: a hash can be guessed at
    PRIMARY KEY (user, device, conversation, control, outgoing)
) STRICT, WITHOUT ROWID;

CREATE TABLE contacts (
    contact INTEGER PRIMARY KEY,
    user INTEGER UNIQUE,                 -- NULL until LOOKUP has answered
    handle TEXT UNIQUE,                  -- NULL until LOOKUP has answered
    newest INTEGER NOT NULL DEFAULT 0,   -- newest timestamp seen in the conversation
    read_up_to INTEGER NOT NULL DEFAULT 0, -- newest incoming timestamp marked read here
    group_id INTEGER UNIQUE,             -- of a conversation in a group, which has neither of both
    CHECK ((group_id IS NULL) = (user IS NOT NULL OR handle IS NOT NULL))
) STRICT;

CREATE TABLE messages (
    seq INTEGER PRIMARY KEY,             -- the order in which this home learned of them
    id BLOB NOT NULL,
    contact INTEGER NOT NULL REFERENCES contacts,
    direction INTEGER NOT NULL,          -- 0 sent here, 1 received, 2 sent by another own device
    author INTEGER NOT NULL DEFAULT 0,   -- account of another member of a group; else 0
    device INTEGER NOT NULL,             -- the author's
    sequence INTEGER,                    -- place in the group's log, 0 while the server has not
                                         -- answered; NULL: in no group
    timestamp INTEGER NOT NULL,          -- the server's; 2^63-1 while it has not answered
    written_at INTEGER NOT NULL,
    kind INTEGER NOT NULL,               -- of the contents
    data BLOB NOT NULL,                  -- sealed; empty when nothing of it is left
    state INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    devices INTEGER NOT NULL,            -- inboxes it was placed in; 0: not known
    to_next INTEGER NOT NULL DEFAULT 0,  -- it was encrypted for devices of the recipient below this
    own_next INTEGER NOT NULL DEFAULT 0, -- and for own ones below this
    refusal INTEGER,                     -- why the server will never take it; NULL: it may
    life_s INTEGER NOT NULL DEFAULT 0,   -- how long it stays once its life has begun; 0: for ever
    expires_at INTEGER,                  -- by the server's clock; NULL: its life has not begun
    gone INTEGER NOT NULL DEFAULT 0,     -- 1: it was deleted, 2: it is over and not shown
    edited_at INTEGER NOT NULL DEFAULT 0, -- timestamp of the edit that it shows; 0: none
    edited_by BLOB NOT NULL DEFAULT x'', -- and its id
    target INTEGER                       -- the message that this one changes, once that is known
) STRICT;
CREATE UNIQUE INDEX messages_id ON messages (id, direction, contact, author, device);
CREATE INDEX messages_order ON messages (contact, timestamp, id);
CREATE INDEX messages_open ON messages (contact, state, timestamp)
    WHERE direction = 0 AND state < 3;
CREATE INDEX messages_target ON messages (target) WHERE target IS NOT NULL;
CREATE INDEX messages_timers ON messages (contact, timestamp, id) WHERE kind = 6;
CREATE INDEX messages_waking ON messages (contact, timestamp)
    WHERE life_s > 0 AND expires_at IS NULL AND gone = 0;
CREATE INDEX messages_expiring ON messages (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE reactions (                 -- the newest one of each account
    seq INTEGER NOT NULL REFERENCES messages,
    own INTEGER NOT NULL,                -- 1: of this account
    author INTEGER NOT NULL,             -- account of another member of a group; else 0
    emoji BLOB NOT NULL,                 -- sealed
    timestamp INTEGER NOT NULL,          -- of the REACTION, and its id
    id BLOB NOT NULL,
    PRIMARY KEY (seq, own, author)
) STRICT, WITHOUT ROWID;

CREATE TABLE waiting (                   -- modifications whose message has not come
    seq INTEGER PRIMARY KEY REFERENCES messages, -- of the modification
    contact INTEGER NOT NULL REFERENCES contacts,
    id BLOB NOT NULL,                    -- of the message, and who wrote it
    own INTEGER NOT NULL,
    author INTEGER NOT NULL,
    device INTEGER NOT NULL
) STRICT;
CREATE INDEX waiting_message ON waiting (contact, id, own, author, device);

CREATE TABLE outbox (
    slot INTEGER PRIMARY KEY AUTOINCREMENT, -- the order of sending
    id BLOB NOT NULL UNIQUE,
    contact INTEGER NOT NULL REFERENCES contacts,
    after INTEGER NOT NULL,
    ttl_ms INTEGER NOT NULL,
    device INTEGER NOT NULL,             -- the only one that gets it; 0: all, and copies
    kind INTEGER NOT NULL,               -- of what is in no table of messages; else 0
    data BLOB,                           -- its contents, sealed; NULL: the message's
    is_fresh INTEGER NOT NULL,           -- 1: only through a session that is yet to be made
    to_version INTEGER NOT NULL,         -- the lists that the parts are for; 0: no parts yet
    own_version INTEGER NOT NULL,        -- to a group: version and roster that it is for
    body BLOB,                           -- what payloads say of the envelope, sealed; to a group:
                                         -- the payload in it
    envelope BLOB NOT NULL
) STRICT;
CREATE INDEX outbox_contact ON outbox (contact);

CREATE TABLE outbox_parts (              -- made once: every retry repeats the bytes
    slot INTEGER NOT NULL REFERENCES outbox ON DELETE CASCADE,
    own INTEGER NOT NULL,                -- 1: for a device of this account
    device INTEGER NOT NULL,
    part BLOB NOT NULL,
    number INTEGER NOT NULL,             -- among all parts for the device
    payload BLOB,                        -- sealed; what it encrypts, if it may have to be done anew
    PRIMARY KEY (slot, own, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE parked (                    -- messages of devices that are in no list known here
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind INTEGER NOT NULL,               -- of the EVENT
    user INTEGER NOT NULL,               -- the sender
    device INTEGER NOT NULL,
    peer INTEGER NOT NULL,               -- the other account of the conversation
    id BLOB NOT NULL,
    timestamp INTEGER NOT NULL,
    envelope BLOB NOT NULL,
    part BLOB NOT NULL,
    told INTEGER NOT NULL DEFAULT 0      -- 1: somebody was told that it cannot be opened yet
) STRICT;
CREATE INDEX parked_sender ON parked (user, device, number);

CREATE TABLE repairs (                   -- messages that could not be opened
    id BLOB NOT NULL,
    user INTEGER NOT NULL,               -- the sender; or who asks this home again
    device INTEGER NOT NULL,
    asked INTEGER NOT NULL,              -- 1: the other device asks this home
    peer INTEGER NOT NULL,               -- the other account of the conversation
    timestamp INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    again_at INTEGER NOT NULL,           -- when to ask again; 2^63-1: never
    group_id INTEGER NOT NULL DEFAULT 0, -- where it was written, and its place there; else 0
    sequence INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (id, user, device, asked)
) STRICT, WITHOUT ROWID;
CREATE INDEX repairs_due ON repairs (again_at) WHERE asked = 0;

CREATE TABLE excuses (                   -- what may come again without anybody's fault
    only INTEGER PRIMARY KEY CHECK (only = 1),
    repeats INTEGER NOT NULL             -- messages up to this timestamp
) STRICT;

CREATE TABLE holes (                     -- how many messages may be missing without that
    contact INTEGER NOT NULL,            -- in this group; 0: not in a group, or wherever
    user INTEGER NOT NULL,               -- of this device; 0: of any
    device INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (contact, user, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE syncs (                     -- what a device that was linked has yet to get
    device INTEGER PRIMARY KEY,
    needs_contacts INTEGER NOT NULL,     -- 1: who is who
    with_history INTEGER NOT NULL,       -- 1: the history, and how far it is:
    contact INTEGER NOT NULL,            -- the conversation that is next, and where in it:
    timestamp INTEGER NOT NULL,          -- below this message, which is on its way already
    id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    messages INTEGER NOT NULL            -- how many of the conversation are on their way
) STRICT;

CREATE TABLE facts (                     -- own messages that a FACT of this device has named;
                                         -- device 0: a gap may have hidden one
    seq INTEGER NOT NULL REFERENCES messages,
    device INTEGER NOT NULL,
    ended INTEGER NOT NULL,              -- the state in which it ended undelivered, or 0
    at INTEGER NOT NULL,
    PRIMARY KEY (seq, device)
) STRICT, WITHOUT ROWID;
CREATE INDEX facts_doubt ON facts (seq) WHERE device = 0;

CREATE TABLE watermarks (
    contact INTEGER NOT NULL REFERENCES contacts,
    device INTEGER NOT NULL,
    state INTEGER NOT NULL,
    up_to INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (contact, device, state)
) STRICT, WITHOUT ROWID;

CREATE TABLE notices (
    notice INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,               -- 1 message, 2 receipt, 3 failed, 4 gap, 5 security,
                                         -- 6 changed, and of groups 7 changed,
                                         -- 8 refused, 9 named, 10 gap; 11 seen,
                                         -- 12 related, 13 not related, 14 settings,
                                         -- 15 no settings
    seq INTEGER,                         -- of the message it is about
    contact INTEGER,                     -- the group that it is about
    code INTEGER NOT NULL,               -- state, refusal, reason or what has happened
    low INTEGER NOT NULL,                -- time of a receipt, first position of a gap, account
    high INTEGER NOT NULL                -- last position of a gap, device, timestamp, relation
) STRICT;

CREATE TABLE reads (
    contact INTEGER NOT NULL REFERENCES contacts,
    device INTEGER NOT NULL,
    id BLOB NOT NULL,
    late INTEGER NOT NULL,               -- 1: of this message alone, and not of those before it
    PRIMARY KEY (contact, device, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE relations (                 -- what other accounts are to this one
    user INTEGER PRIMARY KEY,
    relation INTEGER NOT NULL,           -- as the server has it; 0: nothing
    wanted INTEGER,                      -- as this home wants it; NULL: as the server has it
    by_itself INTEGER NOT NULL           -- 1: no person has asked for what is wanted
) STRICT;

CREATE TABLE people (                    -- what the account lets others know
    only INTEGER PRIMARY KEY CHECK (only = 1),
    has_relations INTEGER NOT NULL,      -- 1: the server was asked for all relations
    presence INTEGER,                    -- as the server has it; NULL: it was not heard of yet
    read_receipts INTEGER,
    strangers INTEGER,
    new_presence INTEGER,                -- as this home wants it; NULL: as the server has it
    new_read_receipts INTEGER,
    new_strangers INTEGER
) STRICT;

CREATE TABLE groups (
    contact INTEGER PRIMARY KEY REFERENCES contacts,
    record BLOB,                         -- the newest that was verified; NULL: none yet
    seen INTEGER NOT NULL DEFAULT 0,     -- version of the newest record among the entries
    roster INTEGER NOT NULL DEFAULT 0,   -- the server's number of the members and their devices
    sequence INTEGER NOT NULL DEFAULT 0, -- of the newest entry in line
    inbox INTEGER NOT NULL DEFAULT 0,    -- of the newest one that has come by the inbox
    cursor INTEGER NOT NULL DEFAULT 0,   -- of the newest one out of the group's own stream
    way INTEGER NOT NULL DEFAULT 0,      -- how the next one in line comes, as `mode`; 0: not known
    mode INTEGER NOT NULL DEFAULT 1,     -- now, as the server says: 1 by inbox, 2 by own stream
    info BLOB,                           -- sealed; contents of the newest GROUP_INFO
    gone INTEGER NOT NULL DEFAULT 0,     -- 1: this account is no member any more
    restored INTEGER NOT NULL DEFAULT 0  -- 1: the server may have less of the own stream than this
) STRICT;

CREATE TABLE group_members (             -- and those who were
    contact INTEGER NOT NULL REFERENCES groups,
    user INTEGER NOT NULL,
    role INTEGER NOT NULL,               -- 0: not any more
    until INTEGER NOT NULL,              -- then the version of the record that removed it,
    left_at INTEGER NOT NULL DEFAULT 0,  -- and its place in the log; 0: not known yet
    list_version INTEGER NOT NULL,       -- as the server says; 0: not yet
    since INTEGER NOT NULL,              -- messages up to this sequence are not for it
    delivered INTEGER NOT NULL,          -- up to which sequence it has all, or was no member
    read INTEGER NOT NULL,
    PRIMARY KEY (contact, user)
) STRICT, WITHOUT ROWID;

CREATE TABLE group_log (                 -- every record that was verified
    contact INTEGER NOT NULL REFERENCES groups,
    version INTEGER NOT NULL,
    hash BLOB NOT NULL,
    record BLOB NOT NULL,
    roles BLOB NOT NULL,                 -- those before, of whose role it changes: a byte for each
    changes INTEGER NOT NULL,            -- 1: the rights, 2: the info, 4: it is the first
                                         -- one that was verified here
    PRIMARY KEY (contact, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE group_drafts (              -- what this home wants to change
    contact INTEGER PRIMARY KEY REFERENCES groups,
    wish BLOB NOT NULL,                  -- sealed; see engine::group_drafts
    record BLOB                          -- that was sent and has no answer
) STRICT;

CREATE TABLE group_entries (             -- that wait for a list, a sender key or those before
    contact INTEGER NOT NULL REFERENCES groups,
    sequence INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    user INTEGER NOT NULL,
    device INTEGER NOT NULL,
    id BLOB NOT NULL,
    timestamp INTEGER NOT NULL,
    body BLOB NOT NULL,
    way INTEGER NOT NULL,                -- how it has come, as `mode`
    lined INTEGER NOT NULL,              -- 0: some before it may not have come
    PRIMARY KEY (contact, sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_entries_author ON group_entries (contact, user, device, sequence);

CREATE TABLE group_own_keys (            -- this device's sender keys
    contact INTEGER PRIMARY KEY REFERENCES groups,
    data BLOB NOT NULL,                  -- sealed
    made_at INTEGER NOT NULL
) STRICT;

CREATE TABLE group_shares (              -- who gets, or has, the present one
    contact INTEGER NOT NULL REFERENCES groups,
    user INTEGER NOT NULL,
    device INTEGER NOT NULL,
    id BLOB NOT NULL,                    -- of the message with it
    placed INTEGER NOT NULL,             -- 1: the server has that message
    PRIMARY KEY (contact, user, device)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_shares_id ON group_shares (id);

CREATE TABLE group_keys (                -- the others' sender keys
    contact INTEGER NOT NULL REFERENCES groups,
    user INTEGER NOT NULL,
    device INTEGER NOT NULL,
    key BLOB NOT NULL,                   -- its id
    number INTEGER NOT NULL,             -- rises with each one of the device
    data BLOB NOT NULL,                  -- sealed
    PRIMARY KEY (contact, user, device, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE group_chains (              -- where the numbering of messages stands
    contact INTEGER NOT NULL REFERENCES groups,
    user INTEGER NOT NULL,
    device INTEGER NOT NULL,
    data BLOB NOT NULL,                  -- sealed
    PRIMARY KEY (contact, user, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE group_claims (              -- what somebody says a group's newest record is
    contact INTEGER PRIMARY KEY REFERENCES groups,
    version INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;

CREATE TABLE group_search (              -- a row while the server is to be asked for all groups
    only INTEGER PRIMARY KEY CHECK (only = 1)
) STRICT;
";

/// Creates the tables in a new database, accepts one of this format, refuses any other. Returns
/// whether it is new.
pub(super) fn prepare(transaction: &Transaction<'_>) -> Result<bool, StoreError> {
    let application: i64 = transaction.query_row("PRAGMA application_id", (), |row| row.get(0))?;
    let format: i64 = transaction.query_row("PRAGMA user_version", (), |row| row.get(0))?;
    let tables: i64 =
        transaction.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    if tables > 0 {
        return match (application, format) {
            (APPLICATION_ID, FORMAT) => Ok(false),
            (APPLICATION_ID, found) if found < FORMAT => Err(StoreError::FormatOutdated { found }),
            (APPLICATION_ID, found) => Err(StoreError::FormatUnknown {
                found,
                newest: FORMAT,
            }),
            _ => Err(StoreError::NotOurs),
        };
    }
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    Ok(true)
}
