//! What an account lets others know: the rules, read from its settings and relations.

use martlet_protocol::UserId;
use martlet_protocol::frame::{Relation, Strangers, Visibility};
use martlet_store::keys::relation::{self, PersonRow, RelationRow};
use martlet_store::{ShardId, View};

use crate::fresh::Fresh;

/// What `peer` is to `owner`, also when this turn has written it.
pub(crate) fn relation_of(
    fresh: &Fresh,
    view: &dyn View,
    shard: ShardId,
    (owner, peer): (UserId, UserId),
) -> RelationRow {
    let row = fresh.get(view, &relation::key(shard, owner, peer));
    row.map_or(RelationRow::STRANGER, |row| {
        RelationRow::decode(&row).expect("a relation row is ours")
    })
}

/// Whether an account has to look at its relations before it answers somebody's message: most
/// have blocked nobody, and take strangers like others.
pub(crate) fn is_reserved(person: &PersonRow) -> bool {
    person.blocked > 0 || takes_requests(person)
}

/// Whether somebody is told neither receipts nor that a person types.
pub(crate) fn hushes(person: &PersonRow, relation: Relation) -> bool {
    match relation {
        Relation::CONTACT => false,
        Relation::BLOCKED => true,
        _ => takes_requests(person),
    }
}

/// Whether somebody may see the account's presence, as far as the account is concerned.
pub(crate) fn shows(person: &PersonRow, relation: Relation) -> bool {
    match person.settings.presence {
        _ if relation == Relation::BLOCKED => false,
        Visibility::EVERYONE => true,
        Visibility::CONTACTS => relation == Relation::CONTACT,
        _ => false,
    }
}

fn takes_requests(person: &PersonRow) -> bool {
    person.settings.strangers == Strangers::AS_REQUESTS
}

#[cfg(test)]
mod tests {
    use martlet_protocol::frame::AccountSettings;

    use super::*;

    fn person(presence: Visibility, strangers: Strangers) -> PersonRow {
        let settings = AccountSettings {
            presence,
            strangers,
            ..AccountSettings::default()
        };
        PersonRow {
            settings,
            ..PersonRow::default()
        }
    }

    // [M-24.7] [M-25.8]
    #[test]
    fn each_setting_says_who_may_see_and_who_is_told() {
        const ALL: [Relation; 3] = [Relation::NONE, Relation::CONTACT, Relation::BLOCKED];
        let shown = |presence| {
            let person = person(presence, Strangers::ANYONE);
            ALL.map(|relation| shows(&person, relation))
        };
        assert_eq!(shown(Visibility::EVERYONE), [true, true, false]);
        assert_eq!(shown(Visibility::CONTACTS), [false, true, false]);
        assert_eq!(shown(Visibility::NOBODY), [false, false, false]);
        let told = |strangers| {
            let person = person(Visibility::EVERYONE, strangers);
            ALL.map(|relation| !hushes(&person, relation))
        };
        assert_eq!(told(Strangers::ANYONE), [true, true, false]);
        assert_eq!(told(Strangers::AS_REQUESTS), [false, true, false]);
    }

    #[test]
    fn who_has_said_nothing_looks_at_nobody() {
        assert!(!is_reserved(&PersonRow::default()));
        assert!(is_reserved(&person(
            Visibility::EVERYONE,
            Strangers::AS_REQUESTS
        )));
    }
}
