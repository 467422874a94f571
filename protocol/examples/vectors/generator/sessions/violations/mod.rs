//! Transcripts whose last frame breaks one statement of SPEC.md.

mod connection;
mod devices;
mod groups;
mod people;
mod sending;
mod stream;

use martlet_protocol::frame::*;
use martlet_protocol::nack::{Class, NackCode};
use martlet_protocol::version::Features;
use martlet_protocol::{Address, CloseCode, Kind, State, Timestamp};

use super::super::builders::{fact, gap, incoming, nack, receipt, send};
use super::super::people::{ALICE, ALICE_2, BOB, message_id, timestamp};
use super::delivery::from_alice;
use super::*;

pub(super) fn sessions() -> Vec<Session> {
    let mut all = Vec::new();
    for scripts in [
        connection::ENTRANCE,
        connection::ANSWERS,
        connection::CREDIT,
        sending::SENDING,
        stream::STREAM,
        stream::RECEIPTS,
        devices::LISTS,
        devices::KEYS,
        devices::PARTS,
        groups::RECORDS,
        groups::SENDING,
        groups::ENTRIES,
        groups::PROGRESS,
        people::PRESENCE,
        people::RELATIONS,
    ] {
        for (name, violates, about, script) in scripts {
            let mut session = Session::new(name, about);
            session.violates = Some(violates);
            script(&mut session);
            all.push(session);
        }
    }
    all
}

/// File name, statement, what goes wrong, script.
type Script = (&'static str, &'static str, &'static str, fn(&mut Session));
