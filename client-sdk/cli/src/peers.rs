//! Names of peers as people write them: a person's, or `#` and a group's.

use anyhow::bail;
use martlet_client::{Client, Group};

/// What begins the name of a group.
const SIGN: char = '#';
/// Digits of a group's id.
const ID_DIGITS: usize = 16;

/// The name that the client knows a peer by.
///
/// # Errors
/// A sentence for the person, when it is a group's and no group is called so, or more than one.
pub(crate) async fn resolve(client: &Client, name: &str) -> anyhow::Result<String> {
    match name.strip_prefix(SIGN) {
        Some(group) => Ok(group_of(client, group).await?.peer),
        None => Ok(name.to_owned()),
    }
}

/// The group that is called so, with or without its sign.
///
/// # Errors
/// As [`resolve`].
pub(crate) async fn group(client: &Client, name: &str) -> anyhow::Result<Group> {
    group_of(client, name.strip_prefix(SIGN).unwrap_or(name)).await
}

async fn group_of(client: &Client, name: &str) -> anyhow::Result<Group> {
    find(client.groups().await?, name)
}

fn find(groups: Vec<Group>, name: &str) -> anyhow::Result<Group> {
    let is_id = name.len() == ID_DIGITS && name.chars().all(|c| c.is_ascii_hexdigit());
    let peer = format!("{SIGN}{}", name.to_ascii_lowercase());
    let is_named = |group: &Group| group.name.as_deref() == Some(name);
    let mut found = groups
        .into_iter()
        .filter(|it| (is_id && it.peer == peer) || is_named(it));
    match (found.next(), found.next()) {
        (Some(group), None) => Ok(group),
        (None, _) => bail!("no group is called {name}: `martlet group list` lists them"),
        (Some(_), Some(_)) => bail!(
            "more than one group is called {name}: say its id, which `martlet group list` shows"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::group;

    #[test]
    fn a_group_is_named_by_its_name_or_its_id() {
        let groups = || {
            vec![
                group(1, Some("climbing")),
                group(2, Some("climbing")),
                group(3, None),
            ]
        };
        let only = |name: &str| {
            find(groups(), name)
                .map(|it| it.id.0)
                .map_err(|it| it.to_string())
        };
        assert_eq!(only("0000000000000002"), Ok(2));
        assert_eq!(only("0000000000000003"), Ok(3));
        assert!(only("climbing").unwrap_err().contains("more than one"));
        assert!(only("3").unwrap_err().contains("no group"));
        assert_eq!(
            find(vec![group(1, Some("climbing"))], "climbing")
                .unwrap()
                .id
                .0,
            1
        );
    }
}
