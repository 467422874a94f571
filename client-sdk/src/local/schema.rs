//! The tables, and how a database says which format it has.

use rusqlite::Connection;

use crate::error::StoreError;

/// "MRTL" in SQLite's application id: a foreign database is recognised before it is changed.
const APPLICATION_ID: i64 = 0x4d52_544c;
/// The format that this version writes.
const FORMAT: i64 = 1;

const TABLES: &str = "
CREATE TABLE identity (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    server TEXT NOT NULL,
    trust TEXT,                          -- PEM; NULL: the system's authorities
    handle TEXT NOT NULL,
    key_seed BLOB NOT NULL,
    user INTEGER NOT NULL,               -- 0 until the server has answered REGISTER
    device INTEGER NOT NULL,
    epoch INTEGER NOT NULL,              -- 0: no stream seen yet
    cursor INTEGER NOT NULL,
    clock_offset_ms INTEGER NOT NULL     -- the server's clock minus ours
) STRICT;

CREATE TABLE contacts (
    contact INTEGER PRIMARY KEY,
    user INTEGER UNIQUE,                 -- NULL until LOOKUP has answered
    handle TEXT UNIQUE,                  -- NULL until LOOKUP has answered
    newest INTEGER NOT NULL DEFAULT 0,   -- newest timestamp seen in the conversation
    read_up_to INTEGER NOT NULL DEFAULT 0, -- newest incoming timestamp marked read here
    CHECK (user IS NOT NULL OR handle IS NOT NULL)
) STRICT;

CREATE TABLE messages (
    seq INTEGER PRIMARY KEY,             -- the order in which this home learned of them
    id BLOB NOT NULL,
    contact INTEGER NOT NULL REFERENCES contacts,
    direction INTEGER NOT NULL,          -- 0 sent here, 1 received, 2 sent by another own device
    device INTEGER NOT NULL,             -- the author's
    timestamp INTEGER NOT NULL,          -- the server's; 2^63-1 while it has not answered
    written_at INTEGER NOT NULL,
    kind INTEGER NOT NULL,               -- of the contents
    data BLOB NOT NULL,
    state INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    devices INTEGER NOT NULL,            -- inboxes it was placed in; 0: not known
    refusal INTEGER                      -- why the server will never take it; NULL: it may
) STRICT;
CREATE UNIQUE INDEX messages_id ON messages (id, direction, contact, device);
CREATE INDEX messages_order ON messages (contact, timestamp, id);
CREATE INDEX messages_open ON messages (contact, state, timestamp)
    WHERE direction = 0 AND state < 3;

CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY REFERENCES messages,
    id BLOB NOT NULL,
    contact INTEGER NOT NULL REFERENCES contacts,
    after INTEGER NOT NULL,
    ttl_ms INTEGER NOT NULL,
    envelope BLOB NOT NULL
) STRICT;
CREATE INDEX outbox_contact ON outbox (contact);

CREATE TABLE facts (                     -- own messages that a FACT of this device has named;
                                         -- device 0: a gap may have hidden one
    seq INTEGER NOT NULL REFERENCES messages,
    device INTEGER NOT NULL,
    ended INTEGER NOT NULL,              -- the state in which it ended undelivered, or 0
    at INTEGER NOT NULL,
    PRIMARY KEY (seq, device)
) STRICT, WITHOUT ROWID;

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
    kind INTEGER NOT NULL,               -- 1 message, 2 receipt, 3 failed, 4 gap
    seq INTEGER,                         -- of the message it is about
    code INTEGER NOT NULL,               -- state, refusal or reason
    low INTEGER NOT NULL,                -- time of a receipt, first position of a gap
    high INTEGER NOT NULL                -- last position of a gap
) STRICT;

CREATE TABLE reads (
    contact INTEGER PRIMARY KEY REFERENCES contacts,
    device INTEGER NOT NULL,
    id BLOB NOT NULL
) STRICT;
";

/// Creates the tables in a new database, accepts one of this format, refuses any other.
pub(super) fn prepare(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction()?;
    let application: i64 = transaction.query_row("PRAGMA application_id", (), |row| row.get(0))?;
    let format: i64 = transaction.query_row("PRAGMA user_version", (), |row| row.get(0))?;
    let tables: i64 =
        transaction.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    if tables > 0 {
        return match (application, format) {
            (APPLICATION_ID, FORMAT) => Ok(()),
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
    transaction.commit()?;
    Ok(())
}
