//! A device asks about groups, or changes one.

use martlet_protocol::frame::Reference;
use martlet_protocol::group_record::GroupRecord;
use martlet_protocol::id::Address;
use martlet_protocol::{Kind, NackCode};
use martlet_shard::{Command, GroupCommand};

use crate::gateway::inbound::GroupRequest;
use crate::gateway::session::directory::{Refusal, limited, spend};
use crate::gateway::session::{Desk, Ending};
use crate::gateway::signatures;
use crate::rate::Bucket;

/// Hands what a device says of groups to the shard that it concerns. Questions and changes have a
/// rate of their own; progress has that of all frames.
pub(super) fn on_request(
    address: Address,
    requests: &mut Bucket,
    request: GroupRequest,
    desk: &mut Desk<'_>,
) -> Result<(), Ending> {
    let session = desk.session;
    let (of, number) = match &request {
        GroupRequest::Stored(ack) => {
            let ack = GroupCommand::Ack {
                session,
                address,
                group: ack.group,
                sequence: ack.sequence,
            };
            desk.commands.push(ack.into());
            return Ok(());
        }
        GroupRequest::Read(read) => {
            let read = GroupCommand::Read {
                session,
                address,
                group: read.group,
                sequence: read.sequence,
            };
            desk.commands.push(read.into());
            return Ok(());
        }
        GroupRequest::Ask(ask) => (Kind::GROUP_ASK, ask.request),
        GroupRequest::Change { request, .. } => (Kind::GROUP_CHANGE, *request),
        GroupRequest::Count(count) => (Kind::GROUP_COUNT, count.request),
        GroupRequest::Groups(groups) => (Kind::GROUPS, groups.request),
    };
    let may_ask = requests.take(desk.shared.rates.group_requests, desk.now_us);
    let command = may_ask
        .map_err(limited)
        .and_then(|()| command(address, request, desk));
    match command {
        Ok(command) => {
            desk.commands.extend(command.map(Command::Group));
            Ok(())
        }
        Err((code, retry_after_ms)) => {
            desk.refuse(of, code, retry_after_ms, Reference::number(number))
        }
    }
}

fn command(
    address: Address,
    request: GroupRequest,
    desk: &mut Desk<'_>,
) -> Result<Option<GroupCommand>, Refusal> {
    let session = desk.session;
    Ok(Some(match request {
        GroupRequest::Ask(ask) => GroupCommand::Ask {
            session,
            from: address.user,
            request: ask.request,
            group: ask.group,
            have: ask.have,
            have_roster: ask.have_roster,
        },
        GroupRequest::Change { request, record } => {
            const INVALID: Refusal = (NackCode::RECORD_INVALID, 0);
            let decoded = GroupRecord::decode(&record).map_err(|_| INVALID)?;
            if decoded.actor != address {
                return Err(INVALID);
            }
            if let Some(pressure) = desk.shared.pressure() {
                return Err((pressure.code, pressure.retry_after_ms));
            }
            spend(address, 1, desk)?;
            let key = desk.driver.device_key(address).ok_or(INVALID)?;
            if !signatures::is_signed(&key, &decoded.signed_bytes(), &decoded.signature) {
                return Err(INVALID);
            }
            GroupCommand::Change {
                session,
                address,
                request,
                group: decoded.group,
                record,
            }
        }
        GroupRequest::Count(count) => GroupCommand::Count {
            session,
            from: address,
            request: count.request,
            group: count.group,
            sequence: count.sequence,
            has_detail: count.detail,
            is_told_reads: desk.driver.is_told_reads(address.user),
        },
        GroupRequest::Groups(groups) => GroupCommand::List {
            session,
            user: address.user,
            request: groups.request,
            after: groups.after,
        },
        GroupRequest::Read(_) | GroupRequest::Stored(_) => return Ok(None),
    }))
}
