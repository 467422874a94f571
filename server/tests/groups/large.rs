//! Two hundred and fifty-six members, half of them away.

use std::time::Duration;

use martlet_protocol::frame::GroupMode;
use martlet_protocol::group_record::Role;

use crate::circle::{Circle, people};
use crate::support::site::{Site, martletd};

const MEMBERS: usize = 256;
const MESSAGES: usize = 40;

/// Everybody ends with the same sequence, each entry once, whatever the way they come.
fn all_end_with_the_same(inbox_members_max: usize, mode: GroupMode) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let mut circle = Circle::new(0x6c_6172_6765);
    let server = site.start(martletd());
    let mut members = people(server.address(), MEMBERS, circle.group);
    server.kill();
    site.configure(&format!(
        "[groups]\ninbox_members_max = {inbox_members_max}\n"
    ));
    let server = site.start(martletd());

    for member in members.iter_mut().step_by(2) {
        member.connect(server.address()).expect("connect");
    }
    let mut first: Vec<_> = members[1..]
        .iter()
        .map(|it| (it.user(), Role::MEMBER))
        .collect();
    first.push((members[0].user(), Role::OWNER));
    circle.change(&mut members[0], &first);
    let mut last = 0;
    for number in 0..MESSAGES {
        // One after the other of those who are there.
        let author = &mut members[number * 2 % MEMBERS];
        author.refresh().expect("the server is there");
        let id = author.client.message_id();
        let sent = author.post(id, format!("message {number}").as_bytes());
        let sent = sent.expect("the server is there");
        assert_eq!(sent.members, MEMBERS as u64 - 1);
        last = sent.sequence;
    }
    for member in members.iter_mut().skip(1).step_by(2) {
        member.connect(server.address()).expect("connect");
    }
    for member in &mut members {
        member.pull_all(1, last);
    }
    let expected = members[0].sequences();
    assert_eq!(expected.len() as u64, last, "no place is empty");
    for member in &mut members {
        member
            .pull(Duration::from_millis(1))
            .expect("the server is there");
        assert_eq!(member.sequences(), expected);
        assert_eq!(member.mode(), mode);
    }
    server.kill();
    site.verify(martletd());
}

#[test]
fn a_large_group_by_its_own_stream() {
    all_end_with_the_same(100, GroupMode::STREAM);
}

#[test]
fn a_large_group_by_the_inboxes() {
    all_end_with_the_same(300, GroupMode::INBOX);
}
