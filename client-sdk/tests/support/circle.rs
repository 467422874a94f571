//! Groups in tests: making them, and what their members were told.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test binary uses its part; all are tests"
)]

use martlet_client::crypto::group_log::{Draft, Signer, VerifiedGroup};
use martlet_client::crypto::list::SignedList;
use martlet_client::keys::{DeviceKey, KeySeed};
use martlet_client::{
    Event, GroupId, GroupStep, MessageId, MessageState, Role, SecurityKind, UserId,
};

use crate::lab::Lab;

/// A group of the first client and of those that are named, of which everybody has heard.
pub(crate) fn group_of(lab: &mut Lab, members: &[&str]) -> (GroupId, String) {
    let group = lab.create_group(0, "climbing", members);
    for peer in &mut lab.peers {
        peer.take();
    }
    (group, peer_of(group))
}

pub(crate) fn peer_of(group: GroupId) -> String {
    format!("#{:016x}", group.0)
}

/// Who has changed what, as the events say.
pub(crate) fn changes(events: &[Event]) -> Vec<(String, Vec<GroupStep>)> {
    let updates = events.iter().filter_map(|event| match event {
        Event::GroupChanged(update) => Some((update.by.clone(), update.changes.clone())),
        _ => None,
    });
    updates.collect()
}

pub(crate) fn security(events: &[Event]) -> Vec<SecurityKind> {
    let notices = events.iter().filter_map(|event| match event {
        Event::Security(notice) => Some(notice.kind),
        _ => None,
    });
    notices.collect()
}

/// The steps that a message has made.
pub(crate) fn states(events: &[Event], id: MessageId) -> Vec<MessageState> {
    let receipts = events.iter().filter_map(|event| match event {
        Event::Receipt(receipt) if receipt.id == id => Some(receipt.state),
        _ => None,
    });
    receipts.collect()
}

pub(crate) fn added(handle: &str, role: Role) -> GroupStep {
    let handle = handle.to_owned();
    GroupStep::Added { handle, role }
}

pub(crate) fn removed(handle: &str) -> GroupStep {
    let handle = handle.to_owned();
    GroupStep::Removed { handle }
}

/// The members of a group as a client knows them.
pub(crate) fn members(lab: &mut Lab, who: usize, peer: &str) -> Vec<String> {
    let group = lab.engine(who).group(peer).unwrap();
    let members = group.members.iter().map(|member| member.handle.clone());
    members.collect()
}

/// A record behind these, signed by a client's device, whatever that client wants.
pub(crate) fn sign(
    lab: &mut Lab,
    who: usize,
    records: &[Vec<u8>],
    change: (UserId, Role),
) -> (Vec<u8>, VerifiedGroup) {
    let address = lab.peers[who].address();
    let list = lab.model.account(address.user).lists.last().unwrap();
    let list = SignedList::verify(list, address.user).unwrap();
    let key = DeviceKey::new(&KeySeed([1 + u8::try_from(who).unwrap(); 32]));
    let signer = Signer {
        key: &key,
        device: address.device,
        list: &list,
    };
    let (mut group, _) = VerifiedGroup::first(&records[0], &list).unwrap();
    for record in &records[1..] {
        group.follow(record, &list).unwrap();
    }
    let draft = Draft {
        changes: [change].into(),
        ..group.draft(lab.now)
    };
    let (next, _) = group.signed(&signer, &draft).unwrap();
    (next.record().to_vec(), next)
}
