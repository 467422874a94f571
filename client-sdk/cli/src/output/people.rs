//! Other people in lines: whether they are there, and what they are to this account.

use martlet_client::{Millis, Presence, Related, Settings};
use serde::Serialize;

use super::json::render;
use super::plain::Zone;
use crate::text;

/// Whether somebody is there, for people.
pub(crate) fn presence(state: Presence, last_seen: Option<Millis>, zone: &Zone) -> String {
    match (state, last_seen) {
        (Presence::Online, _) => "online".to_owned(),
        (Presence::Offline, Some(at)) => {
            format!("offline, last seen {} {}", zone.day(at), zone.minute(at))
        }
        (state, _) => state.to_string(),
    }
}

/// A contact, or somebody who is blocked.
pub(super) fn related(related: &Related) -> String {
    let pending = if related.is_pending {
        "  (the server has yet to hear of it)"
    } else {
        ""
    };
    let peer = text::one_line(&related.peer);
    format!("{:<8}  {peer}{pending}", related.relation)
}

/// What an account lets others know.
pub(super) fn settings(settings: &Settings) -> String {
    let reads = switch(settings.read_receipts);
    format!(
        "presence: {}\nread receipts: {reads}\nstrangers: {}",
        settings.presence, settings.strangers
    )
}

const fn switch(is_on: bool) -> &'static str {
    if is_on { "on" } else { "off" }
}

#[derive(Serialize)]
struct There<'a> {
    peer: &'a str,
    state: &'static str,
    last_seen: Option<u64>,
}

/// Whether somebody is there, for programs.
pub(super) fn presence_json(peer: &str, state: Presence, last_seen: Option<Millis>) -> String {
    render(&There {
        peer,
        state: state.as_str(),
        last_seen: last_seen.map(|at| at.0),
    })
}

#[derive(Serialize)]
struct To<'a> {
    peer: &'a str,
    relation: &'static str,
    pending: bool,
}

/// A contact, or somebody who is blocked, for programs.
pub(super) fn related_json(related: &Related) -> String {
    render(&To {
        peer: &related.peer,
        relation: related.relation.as_str(),
        pending: related.is_pending,
    })
}

#[derive(Serialize)]
pub(super) struct Known {
    presence: &'static str,
    read_receipts: bool,
    strangers: &'static str,
}

impl From<&Settings> for Known {
    fn from(settings: &Settings) -> Self {
        Self {
            presence: settings.presence.as_str(),
            read_receipts: settings.read_receipts,
            strangers: settings.strangers.as_str(),
        }
    }
}

/// What an account lets others know, for programs.
pub(super) fn settings_json(settings: &Settings) -> String {
    render(&Known::from(settings))
}

#[cfg(test)]
mod tests {
    use super::*;
    use martlet_client::{Relation, Strangers, UserId, Visibility};

    #[test]
    fn presence_says_when_somebody_was_last_there_if_that_is_known() {
        let at = Some(Millis(1_790_000_000_123));
        let say = |state, last_seen| presence(state, last_seen, &Zone::utc());
        assert_eq!(say(Presence::Online, at), "online");
        assert_eq!(
            say(Presence::Offline, at),
            "offline, last seen 2026-09-21 14:13"
        );
        assert_eq!(say(Presence::Offline, None), "offline");
        assert_eq!(say(Presence::Hidden, None), "hidden");
        assert_eq!(
            presence_json("bob", Presence::Hidden, None),
            r#"{"peer":"bob","state":"hidden","last_seen":null}"#
        );
    }

    #[test]
    fn relations_and_settings_have_the_documented_fields() {
        let blocked = Related {
            peer: "mallory".to_owned(),
            user: UserId(7),
            relation: Relation::Blocked,
            is_pending: true,
        };
        let line = related(&blocked);
        assert_eq!(
            line,
            "blocked   mallory  (the server has yet to hear of it)"
        );
        let json = r#"{"peer":"mallory","relation":"blocked","pending":true}"#;
        assert_eq!(related_json(&blocked), json);
        let known = Settings {
            presence: Visibility::Contacts,
            read_receipts: false,
            strangers: Strangers::Requests,
        };
        let json = r#"{"presence":"contacts","read_receipts":false,"strangers":"requests"}"#;
        assert_eq!(settings_json(&known), json);
        assert!(settings(&known).contains("read receipts: off"));
    }
}
