//! What the devices of a transcript say about groups, and what they see of them.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use martlet_protocol::device_list::PREVIOUS_NONE;
use martlet_protocol::frame::{
    Frame, GapReason, GroupEvent, GroupEventKind, GroupMember, GroupReceipt, ListedGroup,
    TypingKind,
};
use martlet_protocol::group_record::{
    GroupRecord, GroupRights, Right, Role, RoleChange, members_bytes,
};
use martlet_protocol::wire::List;
use martlet_protocol::{Address, DeviceId, GroupId, Position, UserId};
use martlet_shard::{
    Command, GroupCommand, GroupCountAnswer, GroupListAnswer, GroupSendRequest, GroupStateAnswer,
    Reply, SessionId,
};
use martlet_store::keys::group::{self, GroupRow, MemberRow};
use martlet_store::{Batch, ShardId, View};
use sha2::{Digest as _, Sha256};

use crate::compose::message;
use crate::parse::REQUEST;
use crate::print::frame_bytes;
use crate::words::Words;
use crate::world::World;

/// Everybody may add and send, admins may change the info.
const RIGHTS: GroupRights = GroupRights {
    add: Right::MEMBERS,
    send: Right::MEMBERS,
    change: Right::ADMINS,
};

/// A command about groups; see `parse.rs`.
pub(crate) fn of_session(
    world: &mut World,
    (session, address): (SessionId, Address),
    words: &Words<'_>,
) -> Command {
    let command = match words.at(0) {
        "change" => GroupCommand::Change {
            session,
            address,
            request: REQUEST,
            group: group_id(words.at(1)),
            record: record(world, address, words),
        },
        "ask" => GroupCommand::Ask {
            session,
            from: address.user,
            request: REQUEST,
            group: group_id(words.at(1)),
            have: words.value("have").unwrap_or(0),
            have_roster: words.value("roster").unwrap_or(0),
        },
        "post" => GroupCommand::Send {
            session,
            from: address,
            request: Box::new(post(world, words)),
        },
        "typing" => GroupCommand::Typing {
            from: address,
            group: group_id(words.at(1)),
            kind: TypingKind::TYPING,
        },
        "stored" => GroupCommand::Ack {
            session,
            address,
            group: group_id(words.at(1)),
            sequence: words.number(2),
        },
        "saw" => GroupCommand::Read {
            session,
            address,
            group: group_id(words.at(1)),
            sequence: words.number(2),
        },
        "count" => GroupCommand::Count {
            session,
            from: address,
            request: REQUEST,
            group: group_id(words.at(1)),
            sequence: words.number(2),
            has_detail: words.has("detail"),
            is_told_reads: world.is_told_reads(address.user),
        },
        "groups" => GroupCommand::List {
            session,
            user: address.user,
            request: REQUEST,
            after: words.text("after").map_or(0, |name| group_id(name).0),
        },
        other => panic!("no such verb: {other}"),
    };
    command.into()
}

/// A group's id is its name's letters: `g` is 103.
pub(crate) fn group_id(name: &str) -> GroupId {
    let letters = name.bytes();
    GroupId(letters.fold(0, |id, letter| id << 8 | u64::from(letter)))
}

pub(crate) fn group_name(group: GroupId) -> String {
    let letters = group.0.to_be_bytes();
    let letters = letters.iter().filter(|letter| **letter != 0);
    letters.map(|letter| char::from(*letter)).collect()
}

/// The group as the server has it; what a device of a transcript knows when it does something.
fn known(world: &World, group: GroupId) -> Option<(GroupRow, BTreeMap<UserId, Role>)> {
    let home = world.topology.shard_of_group(group);
    let row = world.sealed.get(&group::key(home, group))?;
    let row = GroupRow::decode(&row).expect("it decodes");
    let first = group::member_key(home, group, UserId(0));
    let last = group::member_key(home, group, UserId(u64::MAX));
    let members = world.sealed.scan(&first, &last, usize::MAX, usize::MAX);
    let members = members.iter().map(|(key, value)| {
        let row = MemberRow::decode(value).expect("it decodes");
        (
            group::member_of(key).expect("it holds an account"),
            row.role,
        )
    });
    Some((
        row,
        members.filter(|(_, role)| *role != Role::NONE).collect(),
    ))
}

/// `change g [+bob[:ROLE]] [-cid] [rights=ADD,SEND,CHANGE] [info=N] [version=N] [previous=N]
/// [members=N] [actor=bob]`. The first change of a group makes its actor the owner.
fn record(world: &World, actor: Address, words: &Words<'_>) -> Bytes {
    let group = group_id(words.at(1));
    let known = known(world, group).filter(|_| words.value("version") != Some(1));
    let user = |name: &str| world.devices[name].user;
    let mut changes = BTreeMap::new();
    if known.is_none() {
        changes.insert(actor.user, Role::OWNER);
    }
    for word in words.signed('+') {
        let (name, role) = word.split_once(':').unwrap_or((word, "1"));
        changes.insert(user(name), Role(role.parse().expect("a role")));
    }
    changes.extend(words.signed('-').map(|name| (user(name), Role::NONE)));
    let (row, mut members) = known.map_or((None, BTreeMap::new()), |(row, members)| {
        (Some(row), members)
    });
    for (user, role) in &changes {
        match *role {
            Role::NONE => members.remove(user),
            role => members.insert(*user, role),
        };
    }
    let changes: Vec<_> = changes
        .into_iter()
        .map(|(user, role)| RoleChange { user, role })
        .collect();
    let filled = |key, otherwise: [u8; 32]| {
        let value = words.value(key);
        value.map_or(otherwise, |byte| [u8::try_from(byte).expect("a byte"); 32])
    };
    let members_hash = Sha256::digest(members_bytes(&members)).into();
    let version = words.value("version");
    let record = GroupRecord {
        group,
        version: version.unwrap_or_else(|| row.map_or(1, |row| row.version + 1)),
        previous: filled("previous", row.map_or(PREVIOUS_NONE, |row| row.record_hash)),
        issued_at: world.now,
        actor: words
            .text("actor")
            .map_or(actor, |name| world.devices[name]),
        actor_list: 1,
        rights: rights(words).unwrap_or_else(|| row.map_or(RIGHTS, |row| row.rights)),
        info_hash: filled("info", row.map_or([0; 32], |row| row.info_hash)),
        changes: List::Slice(&changes),
        members_hash: filled("members", members_hash),
        // The shard verifies none: its driver has.
        signature: [0; 64],
    };
    let mut bytes = BytesMut::new();
    record.encode(&mut bytes);
    bytes.freeze()
}

fn rights(words: &Words<'_>) -> Option<GroupRights> {
    let mut rights = words.text("rights")?.split(',').map(|right| {
        let right = right.parse().expect("a right is a byte");
        Right(right)
    });
    let mut next = || rights.next().expect("three rights");
    Some(GroupRights {
        add: next(),
        send: next(),
        change: next(),
    })
}

/// `post m1 g [version=N] [roster=N] [ttl=MS] [size=BYTES] [text=WORD]`. Without versions the
/// sender knows the newest ones.
fn post(world: &mut World, words: &Words<'_>) -> GroupSendRequest {
    let (name, group) = (words.at(1), group_id(words.at(2)));
    let known = known(world, group).map(|(row, _)| (row.version, row.roster));
    let (version, roster) = known.unwrap_or((0, 0));
    let message_id = message(world, name);
    let size = usize::try_from(words.value("size").unwrap_or(0)).expect("a test's size");
    let text = words.text("text").unwrap_or(name);
    let envelope = Bytes::from(format!("{text:size$}"));
    let message = world.messages.get_mut(name).expect("made above");
    if message.timestamp.is_none() {
        message.envelope = envelope.clone();
    }
    GroupSendRequest {
        message_id,
        group,
        version: words.value("version").unwrap_or(version),
        roster: words.value("roster").unwrap_or(roster),
        ttl_ms: words.value("ttl").unwrap_or(0),
        envelope,
    }
}

/// What a device is told of groups, but for what stands in its inbox.
pub(crate) fn show(world: &mut World, session: SessionId, reply: Reply) -> String {
    match reply {
        Reply::GroupChanged(changed) => {
            assert_eq!(changed.request, REQUEST);
            let name = group_name(changed.group);
            format!(
                "changed {name} to {} at {}",
                changed.version, changed.sequence
            )
        }
        Reply::GroupSent(sent) => {
            let (name, message) = world.message_of(sent.message_id);
            let known = *message.timestamp.get_or_insert(sent.timestamp);
            assert_eq!(known, sent.timestamp, "{name} got two places");
            let group = group_name(sent.group);
            format!(
                "sent {name} at {group}/{} to {}",
                sent.sequence, sent.members
            )
        }
        Reply::GroupState(answer) => show_state(world, &answer),
        Reply::GroupCounted(answer) => show_count(world, &answer),
        Reply::GroupGap(gap) => {
            let bytes = frame_bytes(&Frame::GroupGap(gap));
            let link = world.links.get_mut(&session).expect("looked up before");
            link.on_item(Position(0), Position(0), bytes);
            let name = group_name(gap.group);
            let reason = match gap.reason {
                GapReason::EXPIRED => "expired",
                GapReason::RESTORED => "restored",
                other => panic!("no reason for a gap in a stream: {other:?}"),
            };
            format!("gap {name}/{}-{} {reason}", gap.from, gap.to)
        }
        Reply::GroupTyped(typed) => {
            let name = group_name(typed.group);
            format!("{} types in {name}", world.name_of(typed.peer))
        }
        Reply::GroupList(answer) => show_list(&answer),
        other => panic!("not about a group: {other:?}"),
    }
}

/// An entry: `POSITION GROUP/SEQUENCE m1 from ann`, `… record 2 by ann`, `… from here by stream`;
/// without a position in the group's own stream.
pub(crate) fn show_event(world: &mut World, event: &GroupEvent<'_>) -> String {
    let group = group_name(event.group);
    let place = match event.position {
        Position(0) => format!("{group}/{}", event.sequence),
        position => format!("{position} {group}/{}", event.sequence),
    };
    let author = event
        .author
        .map_or_else(String::new, |author| world.name_of(author));
    match event.kind {
        GroupEventKind::MESSAGE => {
            let id = event.message_id.expect("a message has an id");
            let (name, message) = world.message_of(id);
            assert_eq!(message.envelope, event.body, "{name} was changed");
            let known = *message.timestamp.get_or_insert(event.timestamp);
            assert_eq!(known, event.timestamp, "{name} got two places");
            format!("{place} {name} from {author}")
        }
        GroupEventKind::RECORD => {
            let record = GroupRecord::decode(event.body).expect("a record decodes");
            assert_eq!(Some(record.actor), event.author);
            format!("{place} record {} by {author}", record.version)
        }
        GroupEventKind::MODE => {
            let way = match event.body {
                [1] => "inboxes",
                [2] => "stream",
                other => panic!("no such way: {other:?}"),
            };
            format!("{place} from here by {way}")
        }
        other => panic!("no such entry: {other:?}"),
    }
}

/// `POSITION GROUP delivered bob up to 2`.
pub(crate) fn show_receipt(world: &World, receipt: &GroupReceipt<'_>) -> String {
    let members = receipt.members.iter().map(|progress| {
        let member = progress.member.map(|member| account(world, member));
        let member = member.unwrap_or_else(|| "all".to_owned());
        format!("{member} up to {}", progress.up_to)
    });
    let members: Vec<_> = members.collect();
    format!(
        "{} {} {} {}",
        receipt.position,
        group_name(receipt.group),
        receipt.state.name(),
        members.join(", ")
    )
}

/// `g is 2/3 at 5: records 1-2, ann 3/1 bob 1/1`: version and roster, the newest place, and each
/// member's role and list.
fn show_state(world: &World, answer: &GroupStateAnswer) -> String {
    assert_eq!(answer.request, REQUEST);
    let decode = |record| GroupRecord::decode(record).expect("a record decodes");
    let records: Vec<_> = answer.records.iter().map(|it| decode(it)).collect();
    assert!(records.iter().all(|record| record.group == answer.group));
    assert!(records.is_sorted_by(|a, b| a.version + 1 == b.version));
    let range = match (records.first(), records.last()) {
        (Some(first), Some(last)) => format!("{}-{}", first.version, last.version),
        _ => "none".to_owned(),
    };
    let show = |member: &GroupMember| {
        let name = account(world, member.user);
        format!("{name} {}/{}", member.role.0, member.list_version)
    };
    assert!(answer.members.is_sorted_by_key(|member| member.user));
    let mut members: Vec<_> = answer.members.iter().map(show).collect();
    members.sort();
    format!(
        "{} is {}/{} at {}: records {range}, {}",
        group_name(answer.group),
        answer.version,
        answer.roster,
        answer.sequence,
        members.join(" ")
    )
}

/// `g/2: 1 delivered, 0 read of 2 (bob delivered, cid sent)`.
fn show_count(world: &World, answer: &GroupCountAnswer) -> String {
    assert_eq!(answer.request, REQUEST);
    let details = answer.details.iter().map(|detail| {
        let name = account(world, detail.user);
        format!("{name} {}", detail.state.name())
    });
    let mut details: Vec<_> = details.collect();
    details.sort();
    let details = match details.is_empty() {
        true => String::new(),
        false => format!(" ({})", details.join(", ")),
    };
    format!(
        "{}/{}: {} delivered, {} read of {}{details}",
        group_name(answer.group),
        answer.sequence,
        answer.delivered,
        answer.read,
        answer.members
    )
}

fn show_list(answer: &GroupListAnswer) -> String {
    assert_eq!(answer.request, REQUEST);
    let show = |listed: &ListedGroup| {
        let name = group_name(listed.group);
        format!("{name}/{}", listed.version)
    };
    let names: Vec<_> = answer.groups.iter().map(show).collect();
    let more = if answer.more { " and more" } else { "" };
    format!("in {}{more}", names.join(" "))
}

fn account(world: &World, user: UserId) -> String {
    let device = DeviceId(1);
    world.name_of(Address { user, device })
}

impl World {
    /// Where the log of a group is: at its home, and at the shard of this member.
    pub(crate) fn shards_of(&self, group: &str, member: &str) -> impl Iterator<Item = ShardId> {
        let user = self.devices[member].user;
        let home = self.topology.shard_of_group(group_id(group));
        [home, self.topology.shard_of_user(user)].into_iter()
    }

    /// Starts again from a copy that has forgotten places of groups up to `floor`.
    pub(crate) fn raise_floors(&mut self, floor: u64) {
        self.crash();
        let mut batch = Batch::new();
        for shard in (0..self.topology.shards).map(ShardId) {
            let first = group::key(shard, GroupId(0));
            let last = group::key(shard, GroupId(u64::MAX));
            for (key, value) in self.durable.scan(&first, &last, usize::MAX, usize::MAX) {
                let row = GroupRow::decode(&value).expect("a group row is ours");
                let mut raised = BytesMut::new();
                GroupRow { floor, ..row }.encode(&mut raised);
                batch.put(&key, &raised);
            }
        }
        self.durable.apply(&batch);
        self.crash();
    }
}
