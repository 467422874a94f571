//! Who may say what about a group, as the server hears it.

use std::time::Duration;

use martlet_protocol::NackCode;
use martlet_protocol::frame::{Frame, GroupTyping, Typing, TypingKind};
use martlet_protocol::group_record::Role;

use crate::circle::{Circle, gathering, people};
use crate::member::Member;
use crate::support::site::{Site, martletd};
use crate::support::wire::Got;

#[test]
fn a_record_is_its_signers_alone() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let server = site.start(martletd());
    let mut circle = Circle::new(77);
    let mut members = people(server.address(), 3, circle.group);
    for member in &mut members {
        member.connect(server.address()).expect("connect");
    }
    let users: Vec<_> = members.iter().map(|member| member.user()).collect();
    let first = [(users[0], Role::OWNER), (users[1], Role::MEMBER)];
    let record = circle.record(&members[0].client, &first, |_| {});
    let mut forged = record.clone();
    *forged.last_mut().expect("a signature") ^= 1;
    assert_eq!(members[0].change(&forged), Err(NackCode::RECORD_INVALID));
    // As good as it is, it is not bob's to say.
    assert_eq!(members[1].change(&record), Err(NackCode::RECORD_INVALID));
    assert_eq!(
        members[0].change(b"no record"),
        Err(NackCode::RECORD_INVALID)
    );
    circle.change(&mut members[0], &first);

    // Nobody adds himself, and nobody is added in somebody else's name.
    let add = [(users[2], Role::MEMBER)];
    let own = circle.record(&members[2].client, &add, |_| {});
    assert_eq!(members[2].change(&own), Err(NackCode::GROUP_UNKNOWN));
    let borrowed = circle.record(&members[2].client, &add, |record| {
        record.actor.user = users[0];
    });
    assert_eq!(members[2].change(&borrowed), Err(NackCode::RECORD_INVALID));
    server.kill();
    site.verify(martletd());
}

#[test]
fn who_writes_is_told_to_the_others() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let server = site.start(martletd());
    let mut circle = Circle::new(78);
    let mut members = people(server.address(), 2, circle.group);
    for member in &mut members {
        member.connect(server.address()).expect("connect");
    }
    let users: Vec<_> = members.iter().map(|member| member.user()).collect();
    circle.change(
        &mut members[0],
        &[(users[0], Role::OWNER), (users[1], Role::MEMBER)],
    );
    let (group, kind) = (circle.group, TypingKind::RECORDING);
    members[0]
        .client
        .ask(&Frame::GroupTyping(GroupTyping { group, kind }));
    members[0].client.flush().expect("the server is there");
    let peer = members[0].client.address();
    let typed = members[1].client.expect("GROUP_TYPED", |got| match got {
        Got::GroupTyped(typed) => Some(*typed),
        _ => None,
    });
    assert_eq!((typed.group, typed.peer, typed.kind), (group, peer, kind));

    // More than five at once are dropped, whether to the group or to one of its members.
    let to = users[1];
    for _ in 0..10 {
        let client = &mut members[0].client;
        client.ask(&Frame::Typing(Typing { to, kind }));
        client.ask(&Frame::GroupTyping(GroupTyping { group, kind }));
    }
    members[0].client.flush().expect("the server is there");
    let mut told = 0;
    let quiet = Duration::from_millis(300);
    while let Some(got) = members[1].client.next(quiet).expect("the server is there") {
        told += usize::from(matches!(got, Got::Typed(_) | Got::GroupTyped(_)));
    }
    assert!((4..=8).contains(&told), "{told} of 20 were told");
}

/// How many messages are accepted at once, and how many milliseconds the next one has to wait.
fn spend_all(author: &mut Member) -> (u64, u64) {
    author.settle();
    let mut accepted = 0;
    loop {
        match author.try_post(b"to all of you") {
            Ok(_) => accepted += 1,
            Err(nack) => {
                assert_eq!(nack.code, NackCode::RATE_LIMITED);
                return (accepted, nack.retry_after_ms);
            }
        }
    }
}

// [M-27.29]
#[test]
fn a_message_to_many_costs_its_sender_as_much_as_several() {
    let spent_by = |members: usize| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
        site.bound_sends(1);
        let (server, _, mut members) = gathering(&mut site, members, 100);
        let spent = spend_all(&mut members[0]);
        server.kill();
        site.verify(martletd());
        spent
    };
    // Two at once, and some more if the machine is slow.
    let (accepted, wait_ms) = spent_by(3);
    assert!((2..=4).contains(&accepted), "{accepted} accepted");
    assert!(wait_ms <= 1_000, "{wait_ms} ms");
    // Four for the 97 others.
    let (accepted, wait_ms) = spent_by(98);
    assert_eq!(accepted, 1);
    assert!((1_001..=3_000).contains(&wait_ms), "{wait_ms} ms");
}
