//! A data directory is put back from a copy that does not know the newest entries of groups.

use std::time::Duration;

use crate::circle::{connect, gathering};
use crate::member::Member;
use crate::support::site::{Site, martletd};

/// Writes a message, and lets everybody read it.
fn say(members: &mut [Member], text: &str) -> u64 {
    members[0].refresh().expect("the server is there");
    let id = members[0].client.message_id();
    let sent = members[0].post(id, text.as_bytes());
    let sequence = sent.expect("the server is there").sequence;
    for member in &mut *members {
        member.pull_to(sequence);
    }
    sequence
}

fn nobody_misses_what_is_said_after_a_restore(inbox_members_max: usize) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let copy = directory.path().join("copy");
    let (server, _, mut members) = gathering(&mut site, 5, inbox_members_max);
    let known = say(&mut members, "the copy knows it");
    server.kill();
    site.copy_to(&copy);

    let server = site.start(martletd());
    connect(&mut members, server.address());
    let forgotten = say(&mut members, "the copy does not know it");
    assert_eq!(forgotten, known + 1);
    server.kill();
    site.put_back(&copy);

    // With the same place it would be taken for what everybody has.
    let server = site.start(martletd());
    connect(&mut members, server.address());
    let next = say(&mut members, "and on it goes");
    assert!(next > forgotten, "no place is given out twice");
    for member in &mut members {
        member
            .pull(Duration::from_millis(5))
            .expect("the server is there");
        let last = &member.seen.get(&next).map(|entry| &entry.body[..]);
        let is_own = member.own.contains_key(&next);
        assert!(is_own || *last == Some(b"and on it goes"));
    }
    server.kill();
    site.verify(martletd());
}

#[test]
fn inboxes_go_on_behind_what_a_copy_has_forgotten() {
    nobody_misses_what_is_said_after_a_restore(100);
}

#[test]
fn streams_go_on_behind_what_a_copy_has_forgotten() {
    nobody_misses_what_is_said_after_a_restore(4);
}
