//! What tests of people share: who is what to whom, and what was said of it.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test binary uses its part; all are tests"
)]

use martlet_client::{Event, Relation, Settings, SettingsChange, Strangers, Visibility};
use martlet_protocol::{Kind, NackCode};

use crate::lab::Lab;

pub(crate) const EVERYTHING: Settings = Settings {
    presence: Visibility::Everyone,
    read_receipts: true,
    strangers: Strangers::Anyone,
};

pub(crate) const AS_REQUESTS: SettingsChange = SettingsChange {
    presence: None,
    read_receipts: None,
    strangers: Some(Strangers::Requests),
};

/// What this client has said of people and sent since the last look, without its name.
pub(crate) fn heard(lab: &mut Lab, who: usize) -> Vec<String> {
    let from = lab.peers[who].address();
    let name = format!("{}.{} ", from.user.0, from.device.0);
    let heard = &mut lab.model.people.heard;
    let (own, others): (Vec<_>, Vec<_>) = heard.drain(..).partition(|it| it.starts_with(&name));
    *heard = others;
    own.into_iter()
        .map(|it| it[name.len()..].to_owned())
        .collect()
}

pub(crate) fn relate(lab: &mut Lab, who: usize, peer: &str, relation: Relation) {
    let now = lab.now;
    lab.engine(who).relate(now, peer, relation).unwrap();
    lab.dial(who);
}

pub(crate) fn set(lab: &mut Lab, who: usize, change: &SettingsChange) {
    let now = lab.now;
    lab.engine(who).set_settings(now, change).unwrap();
    lab.dial(who);
    lab.settle();
}

pub(crate) fn relations(lab: &mut Lab, who: usize) -> Vec<(String, Relation, bool)> {
    let relations = lab.engine(who).relations().unwrap().into_iter();
    let shown = relations.map(|it| (it.peer, it.relation, it.is_pending));
    shown.collect()
}

pub(crate) fn known(peer: &str, relation: Relation) -> (String, Relation, bool) {
    (peer.to_owned(), relation, false)
}

/// The events that are about people.
pub(crate) fn told(lab: &mut Lab, who: usize) -> Vec<Event> {
    let mut events = lab.peers[who].take();
    events.retain(|event| {
        matches!(
            event,
            Event::Seen { .. }
                | Event::RelationChanged { .. }
                | Event::RelationRefused { .. }
                | Event::SettingsChanged(_)
                | Event::SettingsRefused { .. }
        )
    });
    events
}

pub(crate) fn changed(peer: &str, relation: Relation) -> Event {
    let peer = peer.to_owned();
    Event::RelationChanged { peer, relation }
}

pub(crate) fn refuse(lab: &mut Lab, kind: Kind, count: u32, code: NackCode) {
    lab.model.people.refusals.insert(kind, (count, code));
}

/// Alice with two devices, and Bob, who have talked; the tablet has come last.
pub(crate) fn with_tablet() -> (Lab, usize) {
    let mut lab = Lab::acquainted();
    let tablet = lab.link(0, true);
    for who in [0, 1, tablet] {
        lab.peers[who].take();
    }
    heard(&mut lab, 0);
    heard(&mut lab, tablet);
    (lab, tablet)
}

/// The number of the last question about people that this client has asked.
pub(crate) fn last_request(lab: &Lab, who: usize) -> u64 {
    let from = lab.peers[who].address();
    lab.model.people.requests[&from]
}
