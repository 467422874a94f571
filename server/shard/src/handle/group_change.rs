//! A member changes a group: the record is checked, gets a place in the log, and is in force.

use bytes::Bytes;
use martlet_protocol::device_list::HASH_BYTES;
use martlet_protocol::frame::{GroupChanged, GroupEventKind, GroupMode, Reference, Role};
use martlet_protocol::group_record::{GroupRecord, Roster, RuleError};
use martlet_protocol::{Address, GroupId, Kind, Millis, NackCode, UserId};
use martlet_store::keys::group::{self, GroupRow, MemberRow, RecordRow};
use martlet_store::{ShardId, View};
use sha2::{Digest as _, Sha256};

use crate::command::{GroupRecordIn, SessionId};
use crate::effect::Reply;
use crate::group::Group;
use crate::handle::group_send::{Entry, append};
use crate::state::State;
use crate::turn::Turn;

/// Puts a record in force. The driver has verified that the connection's device has signed it, and
/// hashed it.
pub(crate) fn change(
    state: &mut State,
    turn: &mut Turn<'_>,
    (session, address, request): (SessionId, Address, u64),
    signed: &GroupRecordIn,
) {
    let verdict = judge(state, turn, address, signed);
    let answer = match verdict {
        Err(code) => {
            let reference = Reference::number(request);
            return turn.refuse(session, Kind::GROUP_CHANGE, code, reference);
        }
        Ok(Verdict::Known { group, version }) => GroupChanged {
            request,
            group,
            version,
            sequence: record(state, turn.view, group, version).0,
        },
        Ok(Verdict::Next(next)) => {
            let (group, version) = (next.group, next.version);
            let sequence = adopt(state, turn, address, *next, signed);
            GroupChanged {
                request,
                group,
                version,
                sequence,
            }
        }
    };
    turn.reply(session, Reply::GroupChanged(answer));
}
