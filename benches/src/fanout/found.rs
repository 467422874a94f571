//! A group of the run's accounts.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use bytes::BytesMut;
use martlet_protocol::GroupId;
use martlet_protocol::Millis;
use martlet_protocol::auth::SIGNATURE_BYTES;
use martlet_protocol::device_list::{HASH_BYTES, PREVIOUS_NONE};
use martlet_protocol::frame::{Frame, GroupAsk, GroupChange, SignedRecord};
use martlet_protocol::group_record::{
    GroupRecord, GroupRights, Right, Role, RoleChange, members_bytes,
};
use martlet_protocol::wire::List;

use crate::account::{Account, Greeting};
use crate::clock::unix_millis;

/// A group as GROUP_SEND names it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Founded {
    pub(super) group: GroupId,
    pub(super) version: u64,
    pub(super) roster: u64,
}

/// Makes a group of all accounts, which the first one owns.
pub(super) fn found(server: SocketAddr, accounts: &[Account]) -> Result<Founded> {
    let owner = accounts.first().context("a group has members")?;
    let mut session = owner.authenticate(Greeting::connect(server, None)?)?;
    let mut id = [0; 8];
    rand::fill(&mut id).ok().context("no random bytes")?;
    let group = GroupId(u64::from_le_bytes(id));
    let record = record(group, owner, accounts)?;
    let change = Frame::GroupChange(GroupChange {
        request: 1,
        record: SignedRecord(&record),
    });
    let version = session.ask(&change, |frame| match frame {
        Frame::GroupChanged(changed) => Some(changed.version),
        _ => None,
    });
    let version = version.context("make a group")?;
    let ask = Frame::GroupAsk(GroupAsk {
        request: 2,
        group,
        have: version,
        have_roster: 0,
    });
    let roster = session.ask(&ask, |frame| match frame {
        Frame::GroupState(state) => Some(state.roster),
        _ => None,
    });
    Ok(Founded {
        group,
        version,
        roster: roster.context("ask for the group")?,
    })
}

/// The signed record that makes it.
fn record(group: GroupId, owner: &Account, accounts: &[Account]) -> Result<BytesMut> {
    let roles = accounts.iter().map(|account| {
        let user = account.address().user;
        let is_owner = user == owner.address().user;
        (user, if is_owner { Role::OWNER } else { Role::MEMBER })
    });
    let members: BTreeMap<_, _> = roles.collect();
    let changes: Vec<_> = members
        .iter()
        .map(|(user, role)| RoleChange {
            user: *user,
            role: *role,
        })
        .collect();
    let hash = digest(&SHA256, &members_bytes(&members));
    let members_hash: [u8; HASH_BYTES] = hash.as_ref().try_into().context("32 bytes")?;
    let mut record = GroupRecord {
        group,
        version: 1,
        previous: PREVIOUS_NONE,
        issued_at: Millis(unix_millis()),
        actor: owner.address(),
        actor_list: 1,
        rights: GroupRights {
            add: Right::MEMBERS,
            send: Right::MEMBERS,
            change: Right::MEMBERS,
        },
        info_hash: [0; HASH_BYTES],
        changes: List::Slice(&changes),
        members_hash,
        signature: [0; SIGNATURE_BYTES],
    };
    record.signature = owner.sign(&record.signed_bytes())?;
    let mut bytes = BytesMut::new();
    record.encode(&mut bytes);
    Ok(bytes)
}
