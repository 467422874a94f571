//! A device asks or says something about other accounts: whom it watches, what they are to it.

use martlet_protocol::NackCode;
use martlet_protocol::frame::{Reference, TypingKind};
use martlet_protocol::id::Address;
use martlet_shard::Command;

use crate::gateway::inbound::PeopleRequest;
use crate::gateway::session::{Desk, Ending};
use crate::rate::{Bucket, Rate};

/// Hands a request to the account's own shard, or refuses it.
pub(super) fn on_request(
    address: Address,
    requests: &mut Bucket,
    request: PeopleRequest,
    desk: &mut Desk<'_>,
) -> Result<(), Ending> {
    let (of, number) = request.kind_and_number();
    let limited = |wait_us: u64| (NackCode::RATE_LIMITED, wait_us.div_ceil(1_000));
    let may_ask = requests.take(desk.shared.rates.people_requests, desk.now_us);
    let pressure = desk.shared.pressure().filter(|_| request.writes());
    let pressed = pressure.map(|pressure| (pressure.code, pressure.retry_after_ms));
    let refusal = may_ask.err().map(limited).or(pressed);
    if let Some((code, retry_after_ms)) = refusal {
        return desk.refuse(of, code, retry_after_ms, Reference::number(number));
    }
    let session = desk.session;
    desk.commands.push(match request {
        PeopleRequest::Watch(watch) => Command::Watch {
            session,
            address,
            request: watch.request,
            on: watch.on,
            users: watch.users,
        },
        PeopleRequest::Relate(relate) => Command::Relate {
            session,
            address,
            request: relate.request,
            user: relate.user,
            relation: relate.relation,
        },
        PeopleRequest::Relations(ask) => Command::Relations {
            session,
            address,
            request: ask.request,
            after: ask.after,
        },
        PeopleRequest::Settings(settings) => Command::Settings {
            session,
            address,
            request: settings.request,
            set: settings.set,
        },
    });
    Ok(())
}

/// Whether others are told that a person types, in a group or to one other: it is dropped when
/// there is too much of it, and when nobody knows what it means.
pub(super) fn may_type(bucket: &mut Bucket, kind: TypingKind, now_us: u64) -> bool {
    let rate = Rate::per_second(TYPINGS_PER_SECOND).at_once(TYPINGS_AT_ONCE);
    kind.is_known() && bucket.take(rate, now_us).is_ok()
}

/// A client repeats itself every four seconds. Whoever talks to several people at once, and stops
/// at each of them, stays below this.
const TYPINGS_PER_SECOND: u32 = 1;
const TYPINGS_AT_ONCE: u32 = 5;
