//! A device asks about groups, or changes one.

use martlet_protocol::frame::{GroupCount, Reference};
use martlet_protocol::group_record::GroupRecord;
use martlet_protocol::id::Address;
use martlet_protocol::{Kind, NackCode};
use martlet_shard::Command;

use crate::gateway::inbound::GroupRequest;
use crate::gateway::session::directory::{Refusal, limited, spend};
use crate::gateway::session::{Desk, Ending};
use crate::gateway::signatures;
use crate::rate::Bucket;

/// Hands a request to the shard that knows the answer, or refuses it.
pub(super) fn on_request(
    address: Address,
    requests: &mut Bucket,
    request: GroupRequest,
    desk: &mut Desk<'_>,
) -> Result<(), Ending> {
    let (of, reference) = name_of(&request);
    let may_ask = requests.take(desk.shared.rates.group_requests, desk.now_us);
    let command = may_ask
        .map_err(limited)
        .and_then(|()| command(address, request, desk));
    match command {
        Ok(command) => {
            desk.commands.push(command);
            Ok(())
        }
        Err((code, retry_after_ms)) => desk.refuse(of, code, retry_after_ms, reference),
    }
}

fn name_of(request: &GroupRequest) -> (Kind, Reference) {
    match request {
        GroupRequest::Ask(ask) => (Kind::GROUP_ASK, Reference::number(ask.request)),
        GroupRequest::Change { request, .. } => (Kind::GROUP_CHANGE, Reference::number(*request)),
        GroupRequest::Count(count) => (Kind::GROUP_COUNT, Reference::number(count.request)),
        GroupRequest::Groups(groups) => (Kind::GROUPS, Reference::number(groups.request)),
        GroupRequest::Read(read) => (Kind::GROUP_READ, Reference::number(read.group.0)),
    }
}

fn command(
    address: Address,
    request: GroupRequest,
    desk: &mut Desk<'_>,
) -> Result<Command, Refusal> {
    let session = desk.session;
    Ok(match request {
        GroupRequest::Ask(ask) => Command::GroupAsk {
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
            Command::GroupChange {
                session,
                address,
                request,
                group: decoded.group,
                record,
            }
        }
        GroupRequest::Count(GroupCount {
            request,
            group,
            sequence,
            detail,
        }) => Command::GroupCount {
            session,
            from: address,
            request,
            group,
            sequence,
            has_detail: detail,
        },
        GroupRequest::Groups(groups) => Command::Groups {
            session,
            user: address.user,
            request: groups.request,
            after: groups.after,
        },
        GroupRequest::Read(read) => Command::GroupRead {
            session,
            address,
            group: read.group,
            sequence: read.sequence,
        },
    })
}
