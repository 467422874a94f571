//! A message has a part for each device that gets it: is it made for the devices there are?

use martlet_protocol::frame::SendScope;
use martlet_protocol::{Address, DeviceId, NackCode};

use crate::account::Account;
use crate::limits::INBOX_FULL_RETRY_MS;
use crate::message::{Addressing, DevicePart, SendRequest};

/// Why not, and when to try again in milliseconds.
pub(crate) type Refusal = (NackCode, u64);

/// Holds the versions against those of both accounts, then the parts against the devices.
///
/// A sender that does not know of a device would leave it out, one that does not know that a device
/// is gone would encrypt for whoever has it now: both are told to look at the list first.
pub(crate) fn check(
    account: &Account,
    from: Address,
    request: &SendRequest,
) -> Result<(), Refusal> {
    let made = request.addressing();
    if made.scope == SendScope::ALL && made.own_version != made.own.version() {
        return Err((NackCode::STALE_OWN, 0));
    }
    if made.to_version != account.list_version {
        return Err((NackCode::STALE_RECIPIENT, 0));
    }
    if account.is_reset {
        // The list names devices that are gone; its successor is on its way.
        return Err((NackCode::INBOX_FULL, INBOX_FULL_RETRY_MS));
    }
    let fits = match made.scope {
        SendScope::ALL => is_for_all(account, made),
        SendScope::NAMED => {
            let sender = (request.to == from.user).then_some(from.device);
            is_for_some(account, sender, made)
        }
        _ => false,
    };
    fits.then_some(()).ok_or((NackCode::PARTS_MISMATCH, 0))
}

/// Exactly the recipient's devices, and exactly the sender's others. An account without a list has
/// one device, which gets the envelope alone.
fn is_for_all(account: &Account, made: &Addressing) -> bool {
    let is_for_them = if account.list_version == 0 {
        made.to_parts.is_empty()
    } else {
        devices(&made.to_parts).eq(account.devices.keys().copied())
    };
    is_for_them && devices(&made.own_parts).eq(made.own.others().iter().copied())
}

/// At least one device of the recipient's list, and never the one that sends, if it is there.
fn is_for_some(account: &Account, sender: Option<DeviceId>, made: &Addressing) -> bool {
    let is_right =
        |device: DeviceId| account.devices.contains_key(&device) && sender != Some(device);
    account.is_listed()
        && !made.to_parts.is_empty()
        && made.own_parts.is_empty()
        && devices(&made.to_parts).is_sorted_by(|a, b| a < b)
        && devices(&made.to_parts).all(is_right)
}

fn devices(parts: &[DevicePart]) -> impl Iterator<Item = DeviceId> {
    parts.iter().map(|part| part.device)
}
