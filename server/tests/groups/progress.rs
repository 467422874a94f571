//! How far members have come, over the wire and over the ends of servers and connections.

use std::time::Duration;

use martlet_protocol::frame::{
    Frame, GroupAck, GroupCount, GroupRead, GroupTyping, Ping, Reference, TypingKind,
};
use martlet_protocol::group_record::Role;
use martlet_protocol::{Kind, NackCode};

use crate::circle::{connect, gathering};
use crate::member::Member;
use crate::support::site::{Site, martletd};
use crate::support::wire::Got;

const TOKEN: u64 = 7;

/// Writes a message that all others have then.
fn say(members: &mut [Member], text: &str) -> u64 {
    members[0].refresh().expect("the server is there");
    let id = members[0].client.message_id();
    let sent = members[0].post(id, text.as_bytes());
    let sequence = sent.expect("the server is there").sequence;
    for member in &mut *members {
        member.pull_all(1, sequence);
    }
    sequence
}

fn pong(member: &mut Member) {
    member.client.ask(&Frame::Ping(Ping { token: TOKEN }));
    member.client.expect("PONG", |got| match got {
        Got::Pong { token } => (*token == TOKEN).then_some(()),
        Got::Nack(nack) => panic!("refused: {nack:?}"),
        _ => None,
    });
}

/// How many of the others have it, and how many have read it.
fn count(author: &mut Member, sequence: u64) -> (u64, u64) {
    let (group, request, detail) = (author.group, 70, false);
    author.client.ask(&Frame::GroupCount(GroupCount {
        request,
        group,
        sequence,
        detail,
    }));
    author.client.expect("GROUP_COUNTED", |got| match got {
        Got::GroupCounted {
            delivered, read, ..
        } => Some((*delivered, *read)),
        _ => None,
    })
}

fn what_a_pong_stands_behind_survives(inbox_members_max: usize) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let (server, _, mut members) = gathering(&mut site, 4, inbox_members_max);
    let sequence = say(&mut members, "for everybody to read");
    let group = members[0].group;
    for member in &mut members[1..] {
        member
            .client
            .ask(&Frame::GroupRead(GroupRead { group, sequence }));
        pong(member);
    }
    server.kill();

    let server = site.start(martletd());
    connect(&mut members, server.address());
    // What was acknowledged of a stream is said again.
    for member in &mut members {
        member
            .pull(Duration::from_millis(50))
            .expect("the server is there");
        member
            .client
            .ask(&Frame::GroupAck(GroupAck { group, sequence }));
        pong(member);
    }
    let author = &mut members[0];
    let mut counted = count(author, sequence);
    // Of a large group the home is told with some delay.
    for _ in 0..50 {
        if counted == (3, 3) {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
        counted = count(author, sequence);
    }
    assert_eq!(counted, (3, 3), "have it, and have read it");
    server.kill();
    site.verify(martletd());
}

#[test]
fn a_pong_stands_behind_group_reads_of_inboxes() {
    what_a_pong_stands_behind_survives(100);
}

#[test]
fn a_pong_stands_behind_group_reads_of_streams() {
    what_a_pong_stands_behind_survives(2);
}

#[test]
fn a_stream_goes_on_behind_what_was_acknowledged() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let (server, _, mut members) = gathering(&mut site, 4, 2);
    let first = say(&mut members, "before it leaves");
    let reader = &mut members[3];
    pong(reader);
    reader.client.disconnect();
    let mut others: Vec<_> = members.drain(..3).collect();
    let second = say(&mut others, "while it is away");
    let reader = &mut members[0];
    reader.connect(server.address()).expect("connect");
    let entry = reader.client.expect("GROUP_EVENT", |got| match got {
        Got::GroupEvent(entry) => Some(entry.clone()),
        _ => None,
    });
    assert_eq!((entry.sequence, entry.position.0), (second, 0));
    assert!(second > first);
    server.kill();
}

#[test]
fn what_was_under_way_when_a_member_was_removed_ends_nothing() {
    for inbox_members_max in [100, 2] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
        let (server, mut circle, mut members) = gathering(&mut site, 4, inbox_members_max);
        let sequence = say(&mut members, "the last that it sees");
        let gone = members[3].user();
        let removed = circle.change(&mut members[0], &[(gone, Role::NONE)]);
        let member = &mut members[3];
        member.pull_to(removed.sequence);
        let (group, kind) = (member.group, TypingKind::TYPING);
        let client = &mut member.client;
        client.ask(&Frame::GroupAck(GroupAck { group, sequence }));
        client.ask(&Frame::GroupTyping(GroupTyping { group, kind }));
        client.ask(&Frame::GroupRead(GroupRead { group, sequence }));
        let nack = client.expect("a refusal", |got| match got {
            Got::Nack(nack) => Some(*nack),
            _ => None,
        });
        let of = Reference::number(group.0);
        assert_eq!(
            (nack.of, nack.code, nack.reference),
            (Kind::GROUP_READ, NackCode::GROUP_UNKNOWN, of)
        );
        pong(member);
        server.kill();
        site.verify(martletd());
    }
}
