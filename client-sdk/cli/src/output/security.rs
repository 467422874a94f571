//! Security notices as sentences: what has happened, and what a person can do.

use martlet_client::{
    ClientError, CloseCode, OfflineCause, SecurityKind, SecurityNotice, SendError, group_peer,
};

use super::groups::GroupNames;
use crate::over::over;

/// The notice as a sentence. `me` is this account's name, which notices may be about as well.
pub(crate) fn security(notice: &SecurityNotice, me: &str, groups: &GroupNames) -> String {
    if notice.peer == me && notice.kind == SecurityKind::DevicesChanged {
        return "your account has other devices now: `martlet devices` lists them; \
                if that was not you, remove what you do not know from the account's first device"
            .to_owned();
    }
    let peer = notice.peer.as_str();
    let who = if peer == me { "your account" } else { peer };
    let device = match notice.device {
        Some(device) => format!("device {device} of {who}"),
        None => who.to_owned(),
    };
    if let Some(group) = notice.group
        && let Some(line) = about_group(notice.kind, &groups.shown(&group_peer(group)))
    {
        return line;
    }
    match notice.kind {
        SecurityKind::IdentityChanged => format!(
            "{who} has a new key: {who} has begun anew, or somebody is in between; \
             ask, and compare `martlet safety-number {peer}`"
        ),
        SecurityKind::VerifiedIdentityChanged => format!(
            "{who} has a new key, and the old one was verified: nothing is sent to {who} until \
             you have compared again with `martlet verify {peer}`"
        ),
        SecurityKind::DevicesChanged => {
            format!("{who} has added or removed devices; if that surprises you, ask")
        }
        SecurityKind::ListForked => format!(
            "there are two device lists of {who} with one number: the server may show others \
             other devices; trust no new device, and tell the server's operator"
        ),
        SecurityKind::ListRolledBack => format!(
            "the server offers an older device list of {who} than there is: it may hide that a \
             device was added or removed; tell its operator"
        ),
        SecurityKind::ListInvalid => format!(
            "the server gave a device list of {who} that is not genuine: it is not used; \
             tell its operator"
        ),
        SecurityKind::KeyInvalid => format!(
            "the server gave a key of {device} that is not genuine: it is not used; \
             tell its operator"
        ),
        SecurityKind::LastResortKey => format!(
            "a session with {device} began with a key that others may have used as well: its \
             first messages are protected a little less; there is nothing to do"
        ),
        SecurityKind::Undecryptable => {
            format!("a message of {device} could not be opened: it is asked for again")
        }
        SecurityKind::Replayed => {
            format!("a message of {device} came a second time: it is not shown again")
        }
        SecurityKind::Reordered => format!("a message of {device} came behind a later one"),
        SecurityKind::Missing => format!(
            "a message of {device} is missing: the server has withheld or lost it; \
             ask what it said"
        ),
        SecurityKind::ChainBroken => format!(
            "a message of {device} does not follow the one before: the device was set back to an \
             older state, or somebody writes in its name; ask which"
        ),
        SecurityKind::ContextMismatch => format!(
            "a message of {device} was delivered as another one than it is: it is not shown; \
             tell the server's operator"
        ),
        kind => format!("something about the keys of {device}: {kind}"),
    }
}

/// What is wrong with a group; `None` when it is about keys.
fn about_group(kind: SecurityKind, group: &str) -> Option<String> {
    Some(match kind {
        SecurityKind::GroupForked => format!(
            "there are two states of {group} with one number: the server may show others another \
             group; trust no new member, and tell the server's operator"
        ),
        SecurityKind::GroupRolledBack => format!(
            "the server offers an older state of {group} than there is: it may hide that somebody \
             was added or removed; tell its operator"
        ),
        SecurityKind::GroupRecordInvalid => format!(
            "the server gave a change of {group} that nobody has signed who may make it: it is not \
             made; tell its operator"
        ),
        SecurityKind::GroupMembersInvalid => format!(
            "the server names members of {group} whom nobody has added: nothing is sent to them; \
             tell its operator"
        ),
        _ => return None,
    })
}

/// Why a message to `peer` was not taken, and which command helps.
pub(crate) fn not_taken(error: &SendError, peer: &str) -> String {
    match error {
        SendError::IdentityChanged => format!(
            "{error}: `martlet verify {peer}` compares and marks the new key, \
             `martlet verify {peer} --accept` accepts it as it is"
        ),
        SendError::Client(ClientError::DeviceRemoved) => {
            let code = CloseCode::DEVICE_GONE;
            over(&OfflineCause::ClosedByServer { code })
        }
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use martlet_client::DeviceId;

    fn notice(peer: &str, device: Option<u16>, kind: SecurityKind) -> String {
        let notice = SecurityNotice {
            peer: peer.to_owned(),
            device: device.map(DeviceId),
            group: None,
            kind,
        };
        security(&notice, "alice", &GroupNames::default())
    }

    #[test]
    fn a_notice_says_about_whom_it_is_and_what_to_do() {
        let line = notice("bob", None, SecurityKind::IdentityChanged);
        assert!(line.starts_with("bob has a new key"), "{line}");
        assert!(line.contains("martlet safety-number bob"), "{line}");
        let line = notice("bob", None, SecurityKind::VerifiedIdentityChanged);
        assert!(line.contains("martlet verify bob"), "{line}");
        let line = notice("bob", Some(2), SecurityKind::Missing);
        assert!(
            line.starts_with("a message of device 2 of bob is missing"),
            "{line}"
        );
    }

    #[test]
    fn the_own_account_is_not_called_by_its_name() {
        let line = notice("alice", None, SecurityKind::DevicesChanged);
        assert!(line.contains("`martlet devices`"), "{line}");
        let line = notice("alice", None, SecurityKind::ListForked);
        assert!(line.contains("of your account"), "{line}");
    }

    #[test]
    fn a_changed_key_leads_to_the_command_that_looks_at_it() {
        let line = not_taken(&SendError::IdentityChanged, "bob");
        assert!(line.contains("`martlet verify bob --accept`"), "{line}");
        let line = not_taken(&SendError::Client(ClientError::DeviceRemoved), "bob");
        assert!(line.contains("`link` a new home"), "{line}");
        let line = not_taken(&SendError::SelfAddressed, "alice");
        assert_eq!(line, SendError::SelfAddressed.to_string());
    }
}
