//! A group grows over the threshold and shrinks again while messages flow.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use martlet_protocol::UserId;
use martlet_protocol::frame::GroupMode;
use martlet_protocol::group_record::Role;

use crate::circle::{Circle, people};
use crate::member::Member;
use crate::support::site::{Site, martletd};

/// What one of them writes while the others come and go.
fn write(mut author: Member, count: usize) -> Member {
    author.refresh().expect("the server is there");
    for number in 0..count {
        let id = author.client.message_id();
        let text = format!("{number} of {}", author.user());
        author
            .post(id, text.as_bytes())
            .expect("the server is there");
    }
    author
}

/// The owner gives these members a role, one after the other; which entry did it, by the member.
fn change_each(
    circle: &mut Circle,
    members: &mut [Member],
    indexes: impl Iterator<Item = usize>,
    role: Role,
) -> BTreeMap<UserId, u64> {
    let changes = indexes.map(|index| {
        let user = members[index].user();
        let changed = circle.change(&mut members[0], &[(user, role)]);
        (user, changed.sequence)
    });
    changes.collect()
}

#[test]
fn ninety_become_a_hundred_and_twenty_and_then_eighty_and_nothing_is_lost() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let server = site.start(martletd());
    let mut circle = Circle::new(0x7377_6974_6368);
    let mut members = people(server.address(), 120, circle.group);
    server.kill();
    // The group changes faster than any person could change it.
    site.configure("group_requests_per_second = 0\nsignatures_per_second = 0\n");
    let server = site.start(martletd());
    for member in &mut members {
        member.connect(server.address()).expect("connect");
    }
    let mut first: Vec<_> = members[1..90]
        .iter()
        .map(|it| (it.user(), Role::MEMBER))
        .collect();
    first.push((members[0].user(), Role::OWNER));
    circle.change(&mut members[0], &first);

    // Four write all the time; the owner changes the group; the others only read.
    let mut writing = Vec::new();
    for author in members.drain(1..5) {
        writing.push(thread::spawn(move || write(author, 60)));
    }
    let joined = change_each(&mut circle, &mut members, 86..116, Role::MEMBER);
    let left = change_each(&mut circle, &mut members, (76..116).rev(), Role::NONE);
    let authors: Vec<_> = writing
        .into_iter()
        .map(|thread| thread.join().expect("it writes to the end"))
        .collect();

    // One more message marks the end for everybody who is still there.
    let owner = &mut members[0];
    owner.refresh().expect("the server is there");
    let id = owner.client.message_id();
    let last = owner
        .post(id, b"the end")
        .expect("the server is there")
        .sequence;
    let mut still: Vec<_> = members.drain(..76).chain(authors).collect();
    for member in &mut still {
        member.pull_all(1, last);
        member
            .pull(Duration::from_millis(5))
            .expect("the server is there");
    }
    let expected = still[0].sequences();
    assert_eq!(expected.len() as u64, last, "no place is empty");
    for member in &still {
        assert_eq!(member.sequences(), expected);
        assert_eq!(member.mode(), GroupMode::INBOX, "it is small again");
    }
    let switches = expected.values().filter(|id| id.is_none()).count() - (1 + 30 + 40);
    assert_eq!(switches, 2, "there and back");
    assert_eq!(site.logged("group_mode"), 2, "the operator can see it");
    // Whoever was removed has everything up to that, and nothing behind it.
    for member in &mut members {
        let from = *joined.get(&member.user()).unwrap_or(&1);
        let to = left[&member.user()];
        member.pull_all(from, to);
        member
            .pull(Duration::from_millis(5))
            .expect("the server is there");
        let seen = member.sequences();
        let all: Vec<_> = expected.range(from..=to).collect();
        assert_eq!(seen.iter().collect::<Vec<_>>(), all, "from {from} to {to}");
    }
    server.kill();
    site.verify(martletd());
}
