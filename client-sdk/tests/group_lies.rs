//! A server, or a member with its help, that lies about a group is found out.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test binary has no public interface"
)]

#[path = "support/circle.rs"]
mod circle;
#[path = "support/lab.rs"]
mod lab;
#[path = "support/model/mod.rs"]
mod model;

use circle::{group_of, members, security, sign};
use lab::Lab;
use martlet_client::{GroupId, MessageId, Role, SecurityKind};
use martlet_protocol::frame::{GroupEventKind, GroupMember};

use crate::model::Item;

/// The newest entry of a group once more, at another place or at the same one.
fn repeat(lab: &mut Lab, group: GroupId, who: usize, is_new_place: bool) {
    let log = &lab.model.group(group).log;
    let (entry, sequence) = (log.last().unwrap().clone(), log.len() as u64);
    if is_new_place {
        let named = (entry.author, entry.id);
        lab.model.append(group, entry.kind, named, entry.body);
    } else {
        let address = lab.peers[who].address();
        lab.model.inbox(address).stream.push(Item::GroupEvent {
            group,
            sequence,
            entry,
        });
    }
    lab.settle();
}

#[test]
fn a_record_is_taken_only_when_it_follows_and_its_device_signed_it() {
    let mut lab = Lab::of(&["alice", "bob", "mallory"]);
    let (group, peer) = group_of(&mut lab, &["bob"]);
    let alice = lab.peers[0].address();
    let mallory = lab.model.user("mallory");
    let records = lab.model.group(group).records.clone();
    let (mut record, _) = sign(&mut lab, 0, &records, (mallory, Role::MEMBER));
    *record.last_mut().unwrap() ^= 1;
    let author = (Some(alice), None);
    lab.model
        .append(group, GroupEventKind::RECORD, author, record);
    lab.settle();
    for who in 0..2 {
        let told = security(&lab.peers[who].take());
        assert_eq!(told, [SecurityKind::GroupRecordInvalid], "{who}");
        assert_eq!(members(&mut lab, who, &peer), ["alice", "bob"]);
        assert_eq!(lab.engine(who).group(&peer).unwrap().version, 1);
    }
    lab.say(0, &peer, "the two of us");
    assert_eq!(lab.peers[1].texts(&peer), ["the two of us"]);
}

#[test]
fn a_record_that_its_actor_was_not_allowed_is_not_taken() {
    let mut lab = Lab::of(&["alice", "bob", "mallory"]);
    let (group, peer) = group_of(&mut lab, &["bob"]);
    let bob = lab.peers[1].address();
    let mallory = lab.model.user("mallory");
    // Bob is no admin. He signs what Alice could have signed, under his own name.
    let records = lab.model.group(group).records.clone();
    let (record, _) = sign(&mut lab, 0, &records, (mallory, Role::MEMBER));
    let forged = resign(&lab, 1, &record);
    let author = (Some(bob), None);
    lab.model
        .append(group, GroupEventKind::RECORD, author, forged);
    lab.settle();
    let told = security(&lab.peers[0].take());
    assert_eq!(told, [SecurityKind::GroupRecordInvalid]);
    assert_eq!(members(&mut lab, 0, &peer), ["alice", "bob"]);
}

/// A record with another actor, who signs it.
fn resign(lab: &Lab, who: usize, record: &[u8]) -> Vec<u8> {
    use martlet_client::keys::{DeviceKey, KeySeed};
    use martlet_protocol::GroupRecord;
    let mut record = GroupRecord::decode(record).unwrap();
    record.actor = lab.peers[who].address();
    let key = DeviceKey::new(&KeySeed([1 + u8::try_from(who).unwrap(); 32]));
    record.signature = key.sign(&record.signed_bytes());
    let mut bytes = bytes::BytesMut::new();
    record.encode(&mut bytes);
    bytes.to_vec()
}

#[test]
fn a_member_whom_no_record_has_added_is_told_of_and_gets_nothing() {
    let mut lab = Lab::of(&["alice", "bob", "mallory"]);
    let (group, peer) = group_of(&mut lab, &["bob"]);
    let mallory = lab.model.user("mallory");
    lab.model.group(group).false_members.push(GroupMember {
        user: mallory,
        role: Role::MEMBER,
        list_version: 1,
    });
    lab.model.grow_rosters_of(group);
    lab.say(0, &peer, "the two of us");
    assert_eq!(lab.peers[1].texts(&peer), ["the two of us"]);
    let told = security(&lab.peers[0].take());
    assert_eq!(told, [SecurityKind::GroupMembersInvalid]);
    assert_eq!(members(&mut lab, 0, &peer), ["alice", "bob"]);
    let address = lab.peers[2].address();
    assert!(lab.model.inbox(address).stream.is_empty());
}

#[test]
fn whoever_joins_does_not_believe_members_of_whom_the_record_does_not_speak() {
    let mut lab = Lab::of(&["alice", "bob", "carol", "mallory"]);
    let (group, peer) = group_of(&mut lab, &["bob"]);
    let mallory = lab.model.user("mallory");
    lab.model.group(group).false_members.push(GroupMember {
        user: mallory,
        role: Role::MEMBER,
        list_version: 1,
    });
    lab.meet(0, &["carol"]);
    lab.change(0, |engine, now| engine.add_members(now, &peer, &["carol"]));
    let told = security(&lab.peers[2].take());
    assert_eq!(told, [SecurityKind::GroupMembersInvalid]);
    assert!(lab.engine(2).group(&peer).is_err());
    lab.model.group(group).false_members.clear();
    lab.wait(60_000);
    lab.settle();
    assert_eq!(members(&mut lab, 2, &peer), ["alice", "bob", "carol"]);
}

#[test]
fn two_records_of_one_version_are_a_fork_and_are_told() {
    let mut lab = Lab::of(&["alice", "bob", "carol", "dave"]);
    let (group, peer) = group_of(&mut lab, &["bob"]);
    let (carol, dave) = (lab.model.user("carol"), lab.model.user("dave"));
    let alice = lab.peers[0].address();
    let records = lab.model.group(group).records.clone();
    let (second, _) = sign(&mut lab, 0, &records, (carol, Role::MEMBER));
    let (first, after) = sign(&mut lab, 0, &records, (dave, Role::MEMBER));
    // Alice has signed both. Which of them comes first is the one that counts.
    let roster = after.roster().clone();
    lab.model.take_group_record(alice, &first, roster);
    lab.settle();
    assert_eq!(security(&lab.peers[1].take()), []);
    let author = (Some(alice), None);
    lab.model
        .append(group, GroupEventKind::RECORD, author, second);
    lab.settle();
    let told = security(&lab.peers[1].take());
    assert_eq!(told, [SecurityKind::GroupForked]);
    assert_eq!(members(&mut lab, 1, &peer), ["alice", "bob", "dave"]);
}

#[test]
fn what_the_writer_knows_of_a_group_shows_a_fork_that_the_server_hides() {
    let mut lab = Lab::of(&["alice", "bob", "carol", "dave"]);
    let (group, peer) = group_of(&mut lab, &["bob"]);
    lab.say(0, &peer, "hello");
    let carol = lab.model.user("carol");
    let records = lab.model.group(group).records.clone();
    let (shown_to_bob, _) = sign(&mut lab, 0, &records, (carol, Role::MEMBER));
    lab.meet(0, &["dave"]);
    lab.leave(1);
    lab.change(0, |engine, now| engine.add_members(now, &peer, &["dave"]));
    let bob = lab.peers[1].address();
    for item in &mut lab.model.inbox(bob).stream {
        if let Item::GroupEvent {
            sequence, entry, ..
        } = item
            && entry.kind == GroupEventKind::RECORD
            && *sequence > 1
        {
            entry.body.clone_from(&shown_to_bob);
        }
    }
    let true_records = lab.model.group(group).records.clone();
    lab.model.group(group).records[1] = shown_to_bob;
    lab.come_back(1);
    lab.model.group(group).records = true_records;
    lab.say(0, &peer, "with Dave");
    let told = security(&lab.peers[1].take());
    assert!(told.contains(&SecurityKind::GroupForked), "{told:?}");
}

#[test]
fn a_server_that_hides_the_newest_record_is_found_out_by_a_message() {
    let mut lab = Lab::of(&["alice", "bob", "carol"]);
    let (group, peer) = group_of(&mut lab, &["bob"]);
    lab.say(0, &peer, "hello");
    lab.meet(0, &["carol"]);
    lab.leave(1);
    lab.change(0, |engine, now| engine.add_members(now, &peer, &["carol"]));
    lab.say(0, &peer, "with Carol");
    let bob = lab.peers[1].address();
    let is_record = |item: &Item| {
        matches!(item, Item::GroupEvent { entry, sequence, .. }
            if entry.kind == GroupEventKind::RECORD && *sequence > 1)
    };
    lab.model.inbox(bob).stream.retain(|item| !is_record(item));
    lab.model.group(group).hides_newest = true;
    lab.come_back(1);
    let told = security(&lab.peers[1].take());
    assert!(told.contains(&SecurityKind::GroupRolledBack), "{told:?}");
    assert_eq!(lab.peers[1].texts(&peer).last().unwrap(), "with Carol");
    assert_eq!(members(&mut lab, 1, &peer), ["alice", "bob"]);
}

#[test]
fn a_message_that_the_server_repeats_is_not_shown_twice() {
    let mut lab = Lab::of(&["alice", "bob"]);
    let (group, peer) = group_of(&mut lab, &["bob"]);
    lab.say(0, &peer, "pay him");
    repeat(&mut lab, group, 1, true);
    let told = security(&lab.peers[1].take());
    assert_eq!(told, [SecurityKind::Replayed]);
    repeat(&mut lab, group, 1, false);
    let told = security(&lab.peers[1].take());
    assert_eq!(told, [SecurityKind::Replayed]);
    assert_eq!(lab.peers[1].texts(&peer), ["pay him"]);
}

#[test]
fn a_message_that_is_shown_as_another_members_is_not_believed() {
    let mut lab = Lab::of(&["alice", "bob", "carol"]);
    let (group, peer) = group_of(&mut lab, &["bob", "carol"]);
    lab.say(0, &peer, "hello");
    lab.say(2, &peer, "hello");
    lab.leave(1);
    lab.say(0, &peer, "from Alice");
    let carol = lab.peers[2].address();
    let bob = lab.peers[1].address();
    match lab.model.inbox(bob).stream.last_mut() {
        Some(Item::GroupEvent { entry, .. }) => entry.author = Some(carol),
        other => panic!("the message is the last item, not {other:?}"),
    }
    lab.come_back(1);
    lab.wait(11_000);
    lab.settle();
    let told = security(&lab.peers[1].take());
    assert_eq!(told, [SecurityKind::Undecryptable]);
    assert_eq!(lab.peers[1].texts(&peer), ["hello", "hello"]);
    assert!(lab.model.group(group).log.len() > 3);
}

// [M-28.15]
#[test]
fn a_message_that_comes_under_another_name_is_not_shown() {
    let mut lab = Lab::of(&["alice", "bob"]);
    let (_, peer) = group_of(&mut lab, &["bob"]);
    lab.say(0, &peer, "hello");
    lab.leave(1);
    lab.say(0, &peer, "pay him");
    let bob = lab.peers[1].address();
    match lab.model.inbox(bob).stream.last_mut() {
        Some(Item::GroupEvent { entry, .. }) => entry.id = Some(MessageId([9; 16])),
        other => panic!("the message is the last item, not {other:?}"),
    }
    lab.come_back(1);
    let told = security(&lab.peers[1].take());
    assert_eq!(told, [SecurityKind::ContextMismatch]);
    assert_eq!(lab.peers[1].texts(&peer), ["hello"]);
}

// [M-28.24]
#[test]
fn what_was_noticed_of_a_group_is_told_also_after_a_crash_and_once() {
    let mut lab = Lab::of(&["alice", "bob"]);
    let (_, peer) = group_of(&mut lab, &["bob"]);
    lab.say(0, &peer, "first");
    lab.leave(1);
    lab.say(0, &peer, "kept back");
    let bob = lab.peers[1].address();
    lab.model.inbox(bob).stream.pop();
    lab.say(0, &peer, "third");
    lab.come_back(1);
    lab.crash(1);
    assert_eq!(security(&lab.peers[1].take()), [SecurityKind::Missing]);
    lab.crash(1);
    lab.settle();
    assert_eq!(security(&lab.peers[1].take()), []);
}

#[test]
fn a_message_that_is_kept_back_is_missed() {
    let mut lab = Lab::of(&["alice", "bob"]);
    let (_, peer) = group_of(&mut lab, &["bob"]);
    lab.say(0, &peer, "first");
    lab.leave(1);
    lab.say(0, &peer, "kept back");
    let bob = lab.peers[1].address();
    lab.model.inbox(bob).stream.pop();
    lab.say(0, &peer, "third");
    lab.come_back(1);
    assert_eq!(lab.peers[1].texts(&peer), ["first", "third"]);
    assert_eq!(security(&lab.peers[1].take()), [SecurityKind::Missing]);
}
