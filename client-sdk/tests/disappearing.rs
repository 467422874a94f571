//! Messages that disappear: when their lives begin and end, on every device, and that nothing of
//! them is left then, not even in the files.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test binary has no public interface"
)]

#[path = "support/lab.rs"]
mod lab;
#[path = "support/model/mod.rs"]
mod model;

use std::fs;
use std::path::Path;

use lab::Lab;
use martlet_client::content::Content;
use martlet_client::engine::Post;
use martlet_client::local::{Db, Secret};
use martlet_client::{Body, Change, Event, MessageId, Millis, StoreKey};
use rusqlite::Connection;

fn post(lab: &mut Lab, who: usize, to: &str, what: Post) -> MessageId {
    let id = lab.post(who, to, what).unwrap();
    lab.settle();
    id
}

fn timer(lab: &mut Lab, who: usize, to: &str, seconds: u32) -> MessageId {
    post(lab, who, to, Post::Timer { seconds })
}

fn read(lab: &mut Lab, who: usize, peer: &str, id: MessageId) {
    let now = lab.now;
    lab.engine(who).mark_read(now, peer, id).unwrap();
    lab.dial(who);
    lab.exchange();
}

fn has(lab: &mut Lab, who: usize, peer: &str, id: MessageId) -> bool {
    let history = lab.peers[who].history(peer);
    history.iter().any(|message| message.id == id)
}

/// Which messages the application was told to be over.
fn expired(lab: &mut Lab, who: usize) -> Vec<MessageId> {
    let events = lab.peers[who].take().into_iter();
    let over = events.filter_map(|event| match event {
        Event::Changed {
            id,
            change: Change::Expired,
            ..
        } => Some(id),
        _ => None,
    });
    over.collect()
}

fn acquainted_for(seconds: u32) -> Lab {
    let mut lab = Lab::acquainted();
    timer(&mut lab, 0, "bob", seconds);
    lab.peers[0].take();
    lab.peers[1].take();
    lab
}

/// [M-23.30]
#[test]
fn from_a_timer_on_messages_of_both_sides_have_a_life() {
    let mut lab = Lab::acquainted();
    let set = timer(&mut lab, 0, "bob", 60);
    let mut of_both = Vec::new();
    for (who, peer) in [(0, "bob"), (1, "alice")] {
        let shown = lab.engine(who).message(set).unwrap().unwrap();
        assert_eq!(shown.body, Body::Timer { seconds: 60 });
        assert!(has(&mut lab, who, peer, set), "it is shown");
        of_both.push((who, lab.say(who, peer, "a secret")));
    }
    for (who, id) in &of_both {
        let shown = lab.engine(*who).message(*id).unwrap().unwrap();
        let ends = Some(shown.at.plus(60_000));
        assert_eq!((shown.text(), shown.expires_at), ("a secret", ends));
    }
    // The other side can change it; what was written before keeps its life.
    timer(&mut lab, 1, "alice", 0);
    let stays = lab.say(0, "bob", "no secret");
    lab.wait(61_000);
    lab.settle();
    for (who, id) in of_both {
        assert!(!has(&mut lab, who, ["bob", "alice"][who], id));
    }
    lab.wait(1_000_000);
    for (who, peer) in [(0, "bob"), (1, "alice")] {
        assert!(has(&mut lab, who, peer, stays));
        assert!(has(&mut lab, who, peer, set), "it has none itself");
    }
}

#[test]
fn a_timer_that_was_set_and_not_sent_yet_counts_for_what_follows_it() {
    let mut lab = Lab::acquainted();
    lab.leave(0);
    lab.post(0, "bob", Post::Timer { seconds: 60 }).unwrap();
    let id = lab.send(0, "bob", "a secret");
    // Bob's timer is older for the server, which decides.
    timer(&mut lab, 1, "alice", 5);
    lab.come_back(0);
    let shown = lab.engine(0).message(id).unwrap().unwrap();
    assert_eq!(shown.expires_at, Some(shown.at.plus(60_000)));
    for (who, peer) in [(0, "bob"), (1, "alice")] {
        let id = lab.say(who, peer, "another one");
        let shown = lab.engine(who).message(id).unwrap().unwrap();
        assert_eq!(shown.expires_at, Some(shown.at.plus(60_000)), "{peer}");
    }
}

/// [M-23.31]
#[test]
fn a_life_begins_when_the_message_is_read_and_at_its_author_when_it_was_sent() {
    let mut lab = acquainted_for(60);
    let tablet = lab.link(0, false);
    let id = lab.say(0, "bob", "a secret");
    lab.wait(61_000);
    for who in [0, tablet] {
        assert!(!has(&mut lab, who, "bob", id));
        assert!(expired(&mut lab, who).contains(&id));
    }
    lab.wait(100_000);
    assert!(has(&mut lab, 1, "alice", id), "nobody has read it yet");
    read(&mut lab, 1, "alice", id);
    let shown = lab.engine(1).message(id).unwrap().unwrap();
    assert_eq!(shown.expires_at, Some(lab.now.plus(60_000)));
    lab.wait(59_000);
    assert!(has(&mut lab, 1, "alice", id));
    assert_eq!(expired(&mut lab, 1), []);
    lab.wait(1_000);
    assert!(!has(&mut lab, 1, "alice", id));
    assert_eq!(expired(&mut lab, 1), [id]);
    // It is known all the same, so that nobody can show it again.
    let shown = lab.engine(1).message(id).unwrap().unwrap();
    assert_eq!((shown.body, shown.reactions), (Body::Deleted, Vec::new()));
}

#[test]
fn lives_end_without_a_connection_and_also_after_a_restart() {
    let mut lab = acquainted_for(60);
    let id = lab.say(1, "alice", "a secret");
    read(&mut lab, 0, "bob", id);
    lab.leave(0);
    lab.crash(0);
    let now = lab.now;
    let due = lab.engine(0).poll_timeout(now).unwrap();
    assert!(due <= now.plus(60_000), "{due} {now}");
    // The process is away when the time comes.
    lab.now = lab.now.plus(61_000);
    lab.crash(0);
    let now = lab.now;
    assert!(lab.engine(0).poll_timeout(now).unwrap() <= now);
    lab.wait(0);
    assert!(!has(&mut lab, 0, "bob", id));
    assert_eq!(expired(&mut lab, 0), [id]);
    lab.crash(0);
    assert_eq!(expired(&mut lab, 0), [], "it is told once");
}

#[test]
fn an_edit_keeps_the_life_and_what_was_said_about_it_goes_with_it() {
    let mut lab = acquainted_for(60);
    let id = lab.say(0, "bob", "a secret");
    let emoji = "🤫".to_owned();
    post(&mut lab, 1, "alice", Post::React { to: id, emoji });
    let text = "another secret".to_owned();
    post(&mut lab, 0, "bob", Post::Edit { of: id, text });
    read(&mut lab, 1, "alice", id);
    lab.wait(61_000);
    for (who, peer) in [(0, "bob"), (1, "alice")] {
        assert!(!has(&mut lab, who, peer, id));
    }
    let error = lab.post(0, "bob", Post::Delete { of: id }).unwrap_err();
    assert!(error.to_string().contains("cannot be changed"), "{error}");
    // What comes for it now has no effect.
    let emoji = "🤫".to_owned();
    assert!(lab.post(1, "alice", Post::React { to: id, emoji }).is_err());
}

#[test]
fn an_application_that_was_away_hears_only_that_it_is_over() {
    let mut lab = Lab::acquainted();
    let tablet = lab.link(0, false);
    timer(&mut lab, 0, "bob", 60);
    lab.peers[tablet].take();
    let id = lab.send(0, "bob", "a secret");
    lab.settle();
    let mut about = Vec::new();
    lab.now = lab.now.plus(61_000);
    lab.wait(0);
    for event in lab.peers[tablet].take() {
        match event {
            Event::Message(message) if message.id == id => about.push("message"),
            Event::Changed { id: of, .. } if of == id => about.push("over"),
            _ => {}
        }
    }
    assert_eq!(about, ["over"]);
}

#[test]
fn a_new_device_gets_what_is_left_of_a_life_and_the_timer_in_any_case() {
    let mut lab = acquainted_for(600);
    let own = lab.say(0, "bob", "a secret");
    let unread = lab.say(1, "alice", "another one");
    lab.wait(300_000);
    let with = lab.link(0, true);
    let without = lab.link(0, false);
    for device in [with, without] {
        let id = lab.say(device, "bob", "from a new device");
        let shown = lab.engine(device).message(id).unwrap().unwrap();
        assert_eq!(shown.expires_at, Some(shown.at.plus(600_000)));
    }
    let left = |lab: &mut Lab, who: usize| {
        let shown = lab.engine(who).message(own).unwrap().unwrap();
        shown.expires_at.unwrap()
    };
    let (here, there) = (left(&mut lab, 0), left(&mut lab, with));
    let apart = here.0.abs_diff(there.0);
    assert!(apart < 10_000, "{here} {there}");
    let shown = lab.engine(with).message(unread).unwrap().unwrap();
    assert_eq!((shown.text(), shown.expires_at), ("another one", None));
    lab.wait(601_000);
    assert!(!has(&mut lab, with, "bob", own));
    assert!(has(&mut lab, with, "bob", unread));
}

#[test]
fn a_message_that_was_asked_for_again_disappears_though_later_ones_were_read() {
    let mut lab = acquainted_for(60);
    let bob = lab.peers[1].address();
    lab.leave(1);
    let lost = lab.say(0, "bob", "lost at first");
    let inbox = lab.model.inbox(bob);
    let first = usize::try_from(inbox.cursor).unwrap();
    if let model::Item::Event { part, .. } = &mut inbox.stream[first] {
        let last = part.len() - 1;
        part[last] ^= 1;
    }
    let next = lab.say(0, "bob", "the next one");
    lab.leave(0);
    lab.come_back(1);
    assert!(!has(&mut lab, 1, "alice", lost));
    read(&mut lab, 1, "alice", next);
    lab.come_back(0);
    assert!(has(&mut lab, 1, "alice", lost));
    read(&mut lab, 1, "alice", lost);
    lab.wait(61_000);
    assert!(!has(&mut lab, 1, "alice", lost));
}

#[test]
fn a_life_around_contents_that_have_none_is_not_shown() {
    let inner = Content {
        kind: 6,
        data: vec![0; 4],
    };
    let limited = inner.limited(60);
    assert_eq!(limited.clone().unlimited(), (limited, 0));
}

/// Every file of the directory, one behind the other.
fn files(dir: &Path) -> Vec<u8> {
    let files = fs::read_dir(dir).unwrap();
    let files = files.map(|file| fs::read(file.unwrap().path()).unwrap());
    files.collect::<Vec<_>>().concat()
}

/// How the texts of a home lie in its file, sealed.
fn sealed(file: &Path) -> Vec<Vec<u8>> {
    let raw = Connection::open(file).unwrap();
    let mut rows = raw
        .prepare("SELECT data FROM messages WHERE length(data) > 1000")
        .unwrap();
    let rows = rows.query_map((), |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn count(haystack: &[u8], needle: &[u8]) -> usize {
    let windows = haystack.windows(needle.len());
    windows.filter(|window| *window == needle).count()
}

#[test]
fn nothing_is_left_in_the_files_of_what_was_edited_deleted_or_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("martlet.db");
    let key = StoreKey::random();
    let mut lab = Lab::of(&["alice"]);
    let bob = lab.add_on("bob", Db::open(&file, Secret::Key(&key)).unwrap());
    lab.say(0, "bob", "hello");
    lab.say(bob, "alice", "hello");
    // Long ones, which lie on pages of their own.
    let long = |what: &str| what.repeat(1_000);
    let edited = lab.say(0, "bob", &long("edited "));
    let deleted = lab.say(0, "bob", &long("deleted"));
    let own = lab.say(bob, "alice", &long("own    "));
    timer(&mut lab, 0, "bob", 60);
    let over = lab.say(0, "bob", &long("expired"));
    lab.say(bob, "alice", &long("of bob "));
    read(&mut lab, bob, "alice", over);
    lab.say(0, "bob", &long("stays  "));

    let before = sealed(&file);
    assert_eq!(before.len(), 6);
    let text = "short".to_owned();
    post(&mut lab, 0, "bob", Post::Edit { of: edited, text });
    post(&mut lab, 0, "bob", Post::Delete { of: deleted });
    post(&mut lab, bob, "alice", Post::Delete { of: own });
    lab.wait(61_000);
    lab.settle();
    let bytes = files(dir.path());
    let left = before.iter().filter(|it| count(&bytes, &it[..64]) > 0);
    assert_eq!(left.count(), 1, "the one that stays");
    assert_eq!(sealed(&file).len(), 1);
}

#[test]
fn the_clocks_of_devices_do_not_matter() {
    let mut lab = acquainted_for(60);
    // The server's clock is an hour ahead of everybody's.
    lab.model.ahead_ms = 60 * 60 * 1_000;
    for who in [0, 1] {
        lab.cut(who);
    }
    lab.settle();
    let id = lab.say(0, "bob", "a secret");
    read(&mut lab, 1, "alice", id);
    let shown = lab.engine(0).message(id).unwrap().unwrap();
    assert!(shown.at > Millis(lab.now.0 + 59 * 60 * 1_000));
    for (who, peer) in [(0, "bob"), (1, "alice")] {
        assert!(has(&mut lab, who, peer, id));
        let now = lab.now;
        let due = lab.engine(who).poll_timeout(now).unwrap();
        assert!(due <= now.plus(60_000));
    }
    lab.wait(61_000);
    for (who, peer) in [(0, "bob"), (1, "alice")] {
        assert!(!has(&mut lab, who, peer, id));
    }
}
