//! A group, and the records by which it changes.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::BytesMut;
use martlet_protocol::device_list::{HASH_BYTES, PREVIOUS_NONE};
use martlet_protocol::frame::{Frame, GroupChanged};
use martlet_protocol::group_record::{
    GroupRecord, GroupRights, Right, Role, RoleChange, members_bytes,
};
use martlet_protocol::group_rules::check;
use martlet_protocol::wire::List;
use martlet_protocol::{GroupId, Roster, UserId};

use crate::member::Member;
use crate::support::client::{Client, now};
use crate::support::household::{Household, sign};
use crate::support::site::{Server, Site, martletd};
use crate::support::wire::Got;

/// Everybody may do everything that no role is needed for.
const RIGHTS: GroupRights = GroupRights {
    add: Right::MEMBERS,
    send: Right::MEMBERS,
    change: Right::MEMBERS,
};

/// A group as everybody knows it who has seen its records.
pub(crate) struct Circle {
    pub(crate) group: GroupId,
    pub(crate) roster: Option<Roster>,
}

impl Circle {
    pub(crate) const fn new(group: u64) -> Self {
        Self {
            group: GroupId(group),
            roster: None,
        }
    }

    /// The signed record by which `actor` changes the group so.
    pub(crate) fn record(
        &self,
        actor: &Client,
        changes: &[(UserId, Role)],
        edit: impl FnOnce(&mut GroupRecord<'_>),
    ) -> Vec<u8> {
        let mut changes: Vec<_> = changes
            .iter()
            .map(|(user, role)| RoleChange {
                user: *user,
                role: *role,
            })
            .collect();
        changes.sort_by_key(|change| change.user);
        let before = self.roster.as_ref();
        let mut members = before.map_or_else(BTreeMap::new, |roster| roster.members.clone());
        for change in &changes {
            match change.role {
                Role::NONE => members.remove(&change.user),
                role => members.insert(change.user, role),
            };
        }
        let mut record = GroupRecord {
            group: self.group,
            version: before.map_or(1, |roster| roster.version + 1),
            previous: before.map_or(PREVIOUS_NONE, |roster| roster.hash),
            issued_at: now(),
            actor: actor.address(),
            actor_list: 1,
            rights: before.map_or(RIGHTS, |roster| roster.rights),
            info_hash: before.map_or([0; 32], |roster| roster.info_hash),
            changes: List::Slice(&changes),
            members_hash: sha256(&members_bytes(&members)),
            signature: [0; 64],
        };
        edit(&mut record);
        record.signature = sign(actor.key(), &record.signed_bytes());
        let mut bytes = BytesMut::new();
        record.encode(&mut bytes);
        bytes.to_vec()
    }

    /// Changes the group.
    pub(crate) fn change(
        &mut self,
        actor: &mut Member,
        changes: &[(UserId, Role)],
    ) -> GroupChanged {
        let record = self.record(&actor.client, changes, |_| {});
        let changed = actor.change(&record);
        let changed = changed.unwrap_or_else(|code| panic!("refused: {code:?}"));
        let decoded = GroupRecord::decode(&record).expect("it was made here");
        let next = check(self.roster.as_ref(), &decoded, sha256);
        self.roster = Some(next.expect("it follows"));
        changed
    }
}

/// A group of so many people, all of them connected and members; the first one is its owner.
pub(crate) fn gathering(
    site: &mut Site,
    count: usize,
    inbox_members_max: usize,
) -> (Server, Circle, Vec<Member>) {
    let mut circle = Circle::new(0x6761_7468);
    let server = site.start(martletd());
    let mut members = people(server.address(), count, circle.group);
    server.kill();
    site.configure(&format!(
        "[groups]\ninbox_members_max = {inbox_members_max}\n"
    ));
    let server = site.start(martletd());
    connect(&mut members, server.address());
    let mut first: Vec<_> = members[1..]
        .iter()
        .map(|it| (it.user(), Role::MEMBER))
        .collect();
    first.push((members[0].user(), Role::OWNER));
    circle.change(&mut members[0], &first);
    (server, circle, members)
}

/// Connects all of them.
pub(crate) fn connect(members: &mut [Member], server: SocketAddr) {
    for member in members {
        member.connect(server).expect("connect");
    }
}

/// So many accounts with a list each, none of them connected.
pub(crate) fn people(server: SocketAddr, count: usize, group: GroupId) -> Vec<Member> {
    let registered = (0..count).map(|number| {
        let mut client = Client::register(server, &format!("member{number}"));
        client.go_online(server);
        let mut household = Household::new(client.address(), client.key());
        publish(&mut client, &household.sign());
        client.disconnect();
        Member::new(client, group)
    });
    registered.collect()
}

fn publish(client: &mut Client, list: &[u8]) {
    use martlet_protocol::frame::{Publish, SignedList};
    client.ask(&Frame::Publish(Publish {
        request: 73,
        list: SignedList(list),
        answer: b"",
    }));
    client.expect("PUBLISHED", |got| match got {
        Got::Published(_) => Some(()),
        Got::Nack(nack) => panic!("refused: {nack:?}"),
        _ => None,
    });
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; HASH_BYTES] {
    let hash = digest(&SHA256, bytes);
    hash.as_ref().try_into().expect("32 bytes")
}
