//! A device asks about device lists, prekeys and links, or brings its own.
//!
//! Signatures are checked here, before a shard hears of them: they cost more than all else, and a
//! shard serves many. What may follow what is the shard's to say.

use martlet_protocol::NackCode;
use martlet_protocol::auth::PrekeyKind;
use martlet_protocol::device_list::DeviceList;
use martlet_protocol::frame::Reference;
use martlet_protocol::id::Address;
use martlet_shard::{Command, Publication};

use crate::gateway::inbound::{KeyRequest, Publish, Upload};
use crate::gateway::session::{Desk, Ending};
use crate::gateway::signatures;
use crate::random;
use crate::rate::Bucket;

/// Why a request is refused, and when to try again in milliseconds.
type Refusal = (NackCode, u64);

/// Hands a request to the shard that knows the answer, or refuses it.
pub(super) fn on_request(
    address: Address,
    requests: &mut Bucket,
    request: KeyRequest,
    desk: &mut Desk<'_>,
) -> Result<(), Ending> {
    let (of, number) = request.kind_and_number();
    let may_ask = requests.take(desk.shared.rates.key_requests, desk.now_us);
    let command = may_ask
        .map_err(limited)
        .and_then(|()| command(address, request, desk));
    match command {
        Ok(command) => {
            let is_list = matches!(command, Command::Publish { .. });
            desk.commands.push(command);
            if is_list {
                // What stands behind it may have been read already, and is judged by it [M-5.15].
                desk.decide_for(address.user);
            }
            Ok(())
        }
        Err((code, retry_after_ms)) => {
            tracing::debug!(
                event = "request_refused",
                conn = desk.session.0,
                of = of.name(),
                code = code.name(),
            );
            desk.refuse(of, code, retry_after_ms, Reference::number(number))
        }
    }
}

fn command(address: Address, request: KeyRequest, desk: &mut Desk<'_>) -> Result<Command, Refusal> {
    let session = desk.session;
    match request {
        KeyRequest::Claim(claim) => Ok(Command::Claim {
            session,
            from: address,
            request: claim.request,
            user: claim.user,
            devices: claim.devices,
        }),
        KeyRequest::Devices(devices) => Ok(Command::Devices {
            session,
            request: devices.request,
            user: devices.user,
            have: devices.have,
        }),
        KeyRequest::LinkClose(close) => Ok(Command::LinkClose {
            session,
            address,
            request: close.request,
            ticket: close.ticket,
        }),
        KeyRequest::LinkOpen(open) => Ok(Command::LinkOpen {
            session,
            address,
            request: open.request,
            device: open.device,
            ticket: open.ticket,
        }),
        KeyRequest::Publish(publish) => self::publish(address, publish, desk),
        KeyRequest::Upload(upload) => self::upload(address, upload, desk),
    }
}

fn publish(address: Address, publish: Publish, desk: &mut Desk<'_>) -> Result<Command, Refusal> {
    const INVALID: Refusal = (NackCode::LIST_INVALID, 0);
    let list = DeviceList::decode(&publish.list).map_err(|_| INVALID)?;
    if list.user != address.user {
        return Err(INVALID);
    }
    spend(address, signatures::count_of(&list), desk)?;
    if !signatures::is_genuine(&list) {
        return Err(INVALID);
    }
    let hash = signatures::hash_of(&list);
    Ok(Command::Publish {
        session: desk.session,
        address,
        request: publish.request,
        publication: Box::new(Publication {
            list: publish.list,
            hash,
            epoch: random::number(),
            answer: publish.answer,
        }),
    })
}

fn upload(address: Address, upload: Upload, desk: &mut Desk<'_>) -> Result<Command, Refusal> {
    const INVALID: Refusal = (NackCode::KEYS_INVALID, 0);
    if let Some(pressure) = desk.shared.pressure() {
        return Err((pressure.code, pressure.retry_after_ms));
    }
    let identity = desk.driver.device_identity(address).ok_or(INVALID)?;
    let last_resort = upload.last_resort.iter();
    let last_resort = last_resort.map(|prekey| (PrekeyKind::LAST_RESORT, &**prekey));
    let one_time = upload.one_time.iter();
    let one_time = one_time.map(|prekey| (PrekeyKind::ONE_TIME, prekey));
    let mut prekeys = last_resort.chain(one_time);
    spend(address, prekeys.size_hint().0, desk)?;
    if !prekeys.all(|(kind, prekey)| signatures::is_prekey_of(address, &identity, kind, prekey)) {
        return Err(INVALID);
    }
    Ok(Command::Upload {
        session: desk.session,
        address,
        request: upload.request,
        last_resort: upload.last_resort,
        one_time: upload.one_time,
    })
}

/// Counts signatures before they are checked.
fn spend(address: Address, count: usize, desk: &mut Desk<'_>) -> Result<(), Refusal> {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    desk.signatures
        .take(address, count, desk.now_us)
        .map_err(limited)
}

fn limited(wait_us: u64) -> Refusal {
    (NackCode::RATE_LIMITED, wait_us.div_ceil(1_000))
}
