//! The server is killed while it fans out, again and again.

use std::collections::BTreeMap;
use std::time::Duration;

use martlet_protocol::MessageId;

use crate::circle::gathering;
use crate::member::Member;
use crate::support::random::{Random, seed};
use crate::support::site::{Site, martletd};

const MEMBERS: usize = 12;
const KILLS: usize = 50;

/// Messages of one author that the server has answered, by their ids.
type Sent = BTreeMap<MessageId, u64>;

/// Writes until the server is gone. What was not answered is written again first.
fn write_until_lost(author: &mut Member, pending: &mut Vec<MessageId>, sent: &mut Sent) {
    if author.refresh().is_err() {
        return;
    }
    loop {
        if pending.is_empty() {
            let id = author.client.message_id();
            pending.push(id);
        }
        let id = pending[0];
        let Ok(answer) = author.post(id, &id.0) else {
            return;
        };
        sent.insert(id, answer.sequence);
        pending.clear();
    }
}

fn every_answered_message_reaches_everybody_once(inbox_members_max: usize) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::new(directory.path().join("data"), directory.path().join("log"));
    let mut random = Random::new(seed());
    let (server, _, mut members) = gathering(&mut site, MEMBERS, inbox_members_max);
    for member in &mut members {
        member.client.disconnect();
    }
    server.kill();

    let mut pending = vec![Vec::new(); 3];
    let mut sent = vec![Sent::new(); 3];
    for _ in 0..KILLS {
        let server = site.start(martletd());
        let address = server.address();
        let after = Duration::from_millis(20 + random.below(150));
        std::thread::scope(|scope| {
            for (member, (pending, sent)) in
                members.iter_mut().zip(pending.iter_mut().zip(&mut sent))
            {
                scope.spawn(move || {
                    if member.connect(address).is_ok() {
                        write_until_lost(member, pending, sent);
                    }
                });
            }
            std::thread::sleep(after);
            server.kill();
        });
    }

    let server = site.start(martletd());
    for (member, pending) in members.iter_mut().zip(&pending) {
        member.connect(server.address()).expect("connect");
        member.refresh().expect("the server is there");
        for id in pending {
            member.post(*id, &id.0).expect("the server is there");
        }
    }
    let id = members[0].client.message_id();
    let last = members[0]
        .post(id, b"the end")
        .expect("the server is there")
        .sequence;
    for member in &mut members[3..] {
        member.connect(server.address()).expect("connect");
    }
    for member in &mut members {
        member.pull_all(1, last);
        member
            .pull(Duration::from_millis(5))
            .expect("the server is there");
    }
    judge(&members, &sent, last);
    server.kill();
    site.verify(martletd());
}

/// Everybody has the same entries, all of them up to `last`, and each message that was answered is
/// where the answer says.
fn judge(members: &[Member], sent: &[Sent], last: u64) {
    let expected = members[0].sequences();
    assert_eq!(expected.len() as u64, last, "no place is empty");
    for member in members {
        assert_eq!(member.sequences(), expected);
    }
    let messages = expected.iter();
    let by_id: BTreeMap<_, _> = messages
        .filter_map(|(sequence, id)| Some(((*id)?, *sequence)))
        .collect();
    let answered: usize = sent.iter().map(BTreeMap::len).sum();
    println!("{answered} messages were answered, {last} entries, {KILLS} kills");
    assert!(answered > KILLS, "the kills hit a server that works");
    for (id, sequence) in sent.iter().flatten() {
        let place = by_id.get(id);
        assert_eq!(place, Some(sequence), "{id} was answered and is not there");
    }
}

#[test]
fn kills_while_inboxes_are_filled() {
    every_answered_message_reaches_everybody_once(100);
}

#[test]
fn kills_while_streams_are_read() {
    every_answered_message_reaches_everybody_once(4);
}
