//! Groups in lines: what they are called, who is in them, and who has changed what.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use martlet_client::{
    Group, GroupReceipts, GroupRights, GroupStep, GroupUpdate, Millis, NackCode, Right, Role,
};
use serde::Serialize;

use super::json::render;
use super::plain::Reader;
use crate::text;

/// What the groups of this home are called, by their names among peers.
#[derive(Clone, Debug, Default)]
pub(crate) struct GroupNames(BTreeMap<String, String>);

impl GroupNames {
    /// Of these groups. What two are called names neither.
    pub(crate) fn of_all(groups: &[Group]) -> Self {
        let mut names = BTreeMap::new();
        for group in groups {
            let Some(name) = &group.name else { continue };
            let others = groups.iter().filter(|it| it.name.as_ref() == Some(name));
            if others.count() == 1 {
                names.insert(group.peer.clone(), name.clone());
            }
        }
        Self(names)
    }

    /// What the group is called, if this is one that has a name of its own.
    pub(crate) fn name(&self, peer: &str) -> Option<&str> {
        self.0.get(peer).map(String::as_str)
    }

    /// How a person reads the name of a peer.
    pub(crate) fn shown(&self, peer: &str) -> String {
        match self.name(peer) {
            Some(name) => format!("#{}", text::one_line(name)),
            None => peer.to_owned(),
        }
    }
}

/// Whether this is the name of a group among peers.
pub(crate) fn is_group(peer: &str) -> bool {
    peer.starts_with('#')
}

/// The name of a role, for people and programs.
pub(crate) const fn role_name(role: Role) -> &'static str {
    match role {
        Role::OWNER => "owner",
        Role::ADMIN => "admin",
        Role::MEMBER => "member",
        _ => "none",
    }
}

/// The name of who has a right.
const fn right_name(right: Right) -> &'static str {
    match right {
        Right::MEMBERS => "members",
        _ => "admins",
    }
}

/// A group in a line of its own.
pub(super) fn listed(group: &Group) -> String {
    let name = title(group);
    match (group.role, group.version) {
        (_, 0) => format!("{}  {name}  (not made yet)", group.peer),
        (Role::NONE, _) => format!("{}  {name}  (left)", group.peer),
        (_, _) => match group.members.len() {
            1 => format!("{}  {name}  (1 member)", group.peer),
            count => format!("{}  {name}  ({count} members)", group.peer),
        },
    }
}

/// A group, its rights, and a line for each member.
pub(super) fn whole(group: &Group) -> String {
    let rights = group.rights;
    let mut lines = vec![
        listed(group),
        format!(
            "add: {}, send: {}, change: {}",
            right_name(rights.add),
            right_name(rights.send),
            right_name(rights.change)
        ),
    ];
    let mut members: Vec<_> = group.members.iter().collect();
    members.sort_by_key(|member| (Reverse(member.role), &member.handle));
    for member in members {
        lines.push(format!(
            "{:>6}  {}",
            role_name(member.role),
            text::one_line(&member.handle)
        ));
    }
    lines.join("\n")
}

fn title(group: &Group) -> String {
    let name = group.name.as_deref().map(text::one_line);
    name.unwrap_or_else(|| "[name unknown]".to_owned())
}

/// Who has changed what, in a sentence. `me` is this account's name.
pub(crate) fn update(update: &GroupUpdate, me: &str, names: &GroupNames) -> String {
    let by = you(&update.by, me);
    let steps: Vec<_> = update
        .changes
        .iter()
        .map(|step| said(step, &by, me))
        .collect();
    let group = names.shown(&update.peer);
    format!("in {group}, {}", text::one_line(&steps.join("; ")))
}

/// The same with its day and time, where the record tells it.
pub(super) fn dated_update(change: &GroupUpdate, reader: &Reader) -> String {
    let line = update(change, &reader.me, &reader.groups);
    match change.at {
        Millis(0) => line,
        at => format!("{} {} {line}", reader.zone.day(at), reader.zone.second(at)),
    }
}

fn said(step: &GroupStep, by: &str, me: &str) -> String {
    match step {
        // Whoever makes a group is in it by its first record.
        GroupStep::Added { handle, .. } if you(handle, me) == by => format!("{by} made it"),
        GroupStep::Added {
            handle,
            role: Role::MEMBER,
        } => {
            format!("{by} added {}", you(handle, me))
        }
        GroupStep::Added { handle, role } => {
            format!("{by} added {} as {}", you(handle, me), role_name(*role))
        }
        GroupStep::Removed { handle } if you(handle, me) == by => format!("{by} left"),
        GroupStep::Removed { handle } => format!("{by} removed {}", you(handle, me)),
        GroupStep::RoleChanged { handle, role } => {
            format!("{by} made {} {}", you(handle, me), role_name(*role))
        }
        GroupStep::RightsChanged(rights) => format!(
            "{by} said who may: add {}, send {}, change {}",
            right_name(rights.add),
            right_name(rights.send),
            right_name(rights.change)
        ),
        GroupStep::InfoChanged { name } => format!("{by} called it {name}"),
        GroupStep::Gone => "you are not in it any more, the server says".to_owned(),
        GroupStep::Joined => format!("known from here on; {by} made the change before"),
        _ => format!("{by} changed something that this version does not know"),
    }
}

fn you(handle: &str, me: &str) -> String {
    if handle == me { "you" } else { handle }.to_owned()
}

/// Why a change of a group will not be made.
pub(super) fn refused(peer: &str, code: NackCode, names: &GroupNames) -> String {
    let why = martlet_client::GroupError::Refused(code);
    format!("{} is not changed: {why}", names.shown(peer))
}

/// How far a message is at the members.
pub(super) fn receipts(receipts: &GroupReceipts) -> String {
    let GroupReceipts {
        members,
        delivered,
        read,
        ..
    } = receipts;
    let mut lines = vec![format!(
        "of {members} members {delivered} have it, {read} have read it"
    )];
    for (handle, state) in &receipts.details {
        lines.push(format!("{state:>9}  {}", text::one_line(handle)));
    }
    lines.join("\n")
}

#[derive(Serialize)]
struct Rights {
    add: &'static str,
    send: &'static str,
    change: &'static str,
}

impl From<GroupRights> for Rights {
    fn from(rights: GroupRights) -> Self {
        Self {
            add: right_name(rights.add),
            send: right_name(rights.send),
            change: right_name(rights.change),
        }
    }
}

#[derive(Serialize)]
struct Member<'a> {
    name: &'a str,
    role: &'static str,
}

#[derive(Serialize)]
struct Whole<'a> {
    group: &'a str,
    name: Option<&'a str>,
    role: &'static str,
    version: u64,
    rights: Rights,
    members: Vec<Member<'a>>,
}

/// A group as a program reads it.
pub(super) fn whole_json(group: &Group) -> String {
    let members = group.members.iter().map(|member| Member {
        name: &member.handle,
        role: role_name(member.role),
    });
    render(&Whole {
        group: &group.peer,
        name: group.name.as_deref(),
        role: role_name(group.role),
        version: group.version,
        rights: group.rights.into(),
        members: members.collect(),
    })
}

#[derive(Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
enum Step<'a> {
    Added { name: &'a str, role: &'static str },
    Removed { name: &'a str },
    Role { name: &'a str, role: &'static str },
    Rights(Rights),
    Name { text: &'a str },
    Gone,
    Joined,
}

fn step(step: &GroupStep) -> Option<Step<'_>> {
    Some(match step {
        GroupStep::Added { handle, role } => Step::Added {
            name: handle,
            role: role_name(*role),
        },
        GroupStep::Removed { handle } => Step::Removed { name: handle },
        GroupStep::RoleChanged { handle, role } => Step::Role {
            name: handle,
            role: role_name(*role),
        },
        GroupStep::RightsChanged(rights) => Step::Rights((*rights).into()),
        GroupStep::InfoChanged { name } => Step::Name { text: name },
        GroupStep::Gone => Step::Gone,
        GroupStep::Joined => Step::Joined,
        _ => return None,
    })
}

#[derive(Serialize)]
struct Update<'a> {
    event: &'static str,
    group: &'a str,
    by: &'a str,
    at: u64,
    changes: Vec<Step<'a>>,
}

/// Who has changed what, as a program reads it.
pub(super) fn update_json(update: &GroupUpdate) -> String {
    render(&Update {
        event: "group",
        group: &update.peer,
        by: &update.by,
        at: update.at.0,
        changes: update.changes.iter().filter_map(step).collect(),
    })
}

#[derive(Serialize)]
struct Receipts<'a> {
    members: u64,
    delivered: u64,
    read: u64,
    details: Vec<At<'a>>,
}

#[derive(Serialize)]
struct At<'a> {
    name: &'a str,
    state: &'static str,
}

/// How far a message is at the members, as a program reads it.
pub(super) fn receipts_json(receipts: &GroupReceipts) -> String {
    let at = receipts.details.iter().map(|(name, state)| At {
        name,
        state: state.as_str(),
    });
    render(&Receipts {
        members: receipts.members,
        delivered: receipts.delivered,
        read: receipts.read,
        details: at.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::group;
    use martlet_client::GroupId;

    fn change(changes: Vec<GroupStep>) -> GroupUpdate {
        GroupUpdate {
            group: GroupId(7),
            peer: "#0000000000000007".to_owned(),
            by: "bob".to_owned(),
            at: Millis(5),
            changes,
        }
    }

    fn removed(handle: &str) -> GroupStep {
        let handle = handle.to_owned();
        GroupStep::Removed { handle }
    }

    #[test]
    fn a_name_that_two_groups_have_names_neither() {
        let mut groups = vec![group(7, Some("climbing")), group(8, None)];
        let names = GroupNames::of_all(&groups);
        assert_eq!(names.shown("#0000000000000007"), "#climbing");
        assert_eq!(names.shown("#0000000000000008"), "#0000000000000008");
        assert_eq!(names.shown("bob"), "bob");
        groups.push(group(9, Some("climbing")));
        let names = GroupNames::of_all(&groups);
        assert_eq!(names.shown("#0000000000000007"), "#0000000000000007");
    }

    #[test]
    fn a_group_is_a_line_or_shown_whole() {
        let mut shown = group(7, Some("climb\ning"));
        let mut alone = group(7, None);
        alone.members.truncate(1);
        assert!(listed(&alone).ends_with("(1 member)"));
        let line = "#0000000000000007  climb ing  (2 members)";
        assert_eq!(listed(&shown), line);
        let lines = [
            line,
            "add: admins, send: members, change: admins",
            " owner  bob",
            "member  alice",
        ];
        assert_eq!(whole(&shown), lines.join("\n"));
        shown.role = Role::NONE;
        shown.name = None;
        assert_eq!(listed(&shown), "#0000000000000007  [name unknown]  (left)");
        let json = whole_json(&group(7, Some("climbing")));
        let start =
            r##"{"group":"#0000000000000007","name":"climbing","role":"member","version":1,"##;
        let end = concat!(
            r#""rights":{"add":"admins","send":"members","change":"admins"},"#,
            r#""members":[{"name":"alice","role":"member"},{"name":"bob","role":"owner"}]}"#
        );
        assert_eq!(json, format!("{start}{end}"));
    }

    #[test]
    fn a_change_is_a_sentence_about_who_made_it() {
        let names = GroupNames::of_all(&[group(7, Some("climbing"))]);
        let say = |changes| update(&change(changes), "alice", &names);
        let carol = || "carol".to_owned();
        let added = GroupStep::Added {
            handle: carol(),
            role: Role::MEMBER,
        };
        assert_eq!(say(vec![added]), "in #climbing, bob added carol");
        assert_eq!(say(vec![removed("alice")]), "in #climbing, bob removed you");
        assert_eq!(say(vec![removed("bob")]), "in #climbing, bob left");
        let owner = GroupStep::RoleChanged {
            handle: carol(),
            role: Role::OWNER,
        };
        let name = "a\nb".to_owned();
        let both = say(vec![owner, GroupStep::InfoChanged { name }]);
        assert_eq!(
            both,
            "in #climbing, bob made carol owner; bob called it a b"
        );
    }

    #[test]
    fn a_change_has_the_documented_fields() {
        let rights = GroupRights {
            add: Right::MEMBERS,
            send: Right::ADMINS,
            change: Right::ADMINS,
        };
        let line = update_json(&change(vec![
            removed("carol"),
            GroupStep::RightsChanged(rights),
            GroupStep::Joined,
        ]));
        let expected = concat!(
            r##"{"event":"group","group":"#0000000000000007","by":"bob","at":5,"changes":["##,
            r#"{"step":"removed","name":"carol"},"#,
            r#"{"step":"rights","add":"members","send":"admins","change":"admins"},"#,
            r#"{"step":"joined"}]}"#
        );
        assert_eq!(line, expected);
    }
}
