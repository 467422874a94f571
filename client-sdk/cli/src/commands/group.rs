//! `group`: making and changing groups, and what there is to know of them.

use std::collections::BTreeSet;

use anyhow::bail;
use martlet_client::{Client, Group, GroupRights, Identity, group_peer};
use tokio::time::{Instant, timeout_at};

use super::send::{self, FOREVER};
use crate::args::{
    Answer, Create, GroupCommand, Info, Leave, ListGroups, Members, RenameGroup, SetRights, SetRole,
};
use crate::output::{Format, Output};
use crate::over::{is_over, over};
use crate::peers;

pub(super) async fn run(
    client: Client,
    identity: Identity,
    command: GroupCommand,
) -> anyhow::Result<()> {
    let home = Home { client, identity };
    match command {
        GroupCommand::Create(args) => home.create(args).await,
        GroupCommand::List(args) => home.list(args).await,
        GroupCommand::Info(args) => home.info(args).await,
        GroupCommand::Send(args) => {
            let peer = peers::group(&home.client, &args.name).await?.peer;
            send::to(home.client, home.identity, args, peer).await
        }
        GroupCommand::Add(args) => home.add(args).await,
        GroupCommand::Remove(args) => home.remove(args).await,
        GroupCommand::Leave(args) => home.leave(args).await,
        GroupCommand::Role(args) => home.role(args).await,
        GroupCommand::Rights(args) => home.rights(args).await,
        GroupCommand::Rename(args) => home.rename(args).await,
    }
}

struct Home {
    client: Client,
    identity: Identity,
}

impl Home {
    async fn create(self, args: Create) -> anyhow::Result<()> {
        self.check().await?;
        let members = self.known(&args.members).await?;
        let id = self.client.create_group(&args.name, &members).await?;
        self.settle(&group_peer(id), &args.answer).await
    }

    async fn list(self, args: ListGroups) -> anyhow::Result<()> {
        let mut output = Output::stdout(Format::new(args.json), &self.identity);
        for group in self.client.groups().await? {
            output.listed_group(&group)?;
        }
        Ok(())
    }

    async fn info(self, args: Info) -> anyhow::Result<()> {
        let group = peers::group(&self.client, &args.group).await?;
        let mut output = Output::stdout(Format::new(args.json), &self.identity);
        if !args.history {
            output.group(&group)?;
            return Ok(());
        }
        output.learn_groups(&self.client).await?;
        for update in self.client.group_history(&group.peer).await? {
            output.group_update(&update)?;
        }
        Ok(())
    }

    async fn add(self, args: Members) -> anyhow::Result<()> {
        self.check().await?;
        let group = peers::group(&self.client, &args.group).await?;
        let already: BTreeSet<_> = group.members.iter().map(|it| it.handle.as_str()).collect();
        if let Some(member) = args.members.iter().find(|it| already.contains(it.as_str())) {
            bail!("{member} is in the group already");
        }
        let members = self.known(&args.members).await?;
        self.client.add_members(&group.peer, &members).await?;
        self.settle(&group.peer, &args.answer).await
    }

    async fn remove(self, args: Members) -> anyhow::Result<()> {
        self.check().await?;
        let group = peers::group(&self.client, &args.group).await?;
        for member in &args.members {
            check_member(&group, member)?;
        }
        let members: Vec<_> = args.members.iter().map(String::as_str).collect();
        self.client.remove_members(&group.peer, &members).await?;
        self.settle(&group.peer, &args.answer).await
    }

    async fn leave(self, args: Leave) -> anyhow::Result<()> {
        self.check().await?;
        let peer = peers::group(&self.client, &args.group).await?.peer;
        self.client.leave_group(&peer).await?;
        self.settle(&peer, &args.answer).await
    }

    async fn role(self, args: SetRole) -> anyhow::Result<()> {
        self.check().await?;
        let group = peers::group(&self.client, &args.group).await?;
        check_member(&group, &args.member)?;
        self.client
            .set_role(&group.peer, &args.member, args.role.role())
            .await?;
        self.settle(&group.peer, &args.answer).await
    }

    async fn rights(self, args: SetRights) -> anyhow::Result<()> {
        self.check().await?;
        let group = peers::group(&self.client, &args.group).await?;
        let old = group.rights;
        let rights = GroupRights {
            add: args.add.map_or(old.add, |who| who.right()),
            send: args.send.map_or(old.send, |who| who.right()),
            change: args.change.map_or(old.change, |who| who.right()),
        };
        self.client.set_rights(&group.peer, rights).await?;
        self.settle(&group.peer, &args.answer).await
    }

    async fn rename(self, args: RenameGroup) -> anyhow::Result<()> {
        self.check().await?;
        let group = peers::group(&self.client, &args.group).await?;
        // The picture stays as it is.
        self.client
            .rename_group(&group.peer, &args.name, &group.picture)
            .await?;
        self.settle(&group.peer, &args.answer).await
    }

    /// The names, when each of them is somebody's.
    async fn known<'a>(&self, names: &'a [String]) -> anyhow::Result<Vec<&'a str>> {
        for name in names {
            if self.client.lookup(name).await?.is_none() {
                bail!("nobody is called {name}: check the name");
            }
        }
        Ok(names.iter().map(String::as_str).collect())
    }

    /// Whether this home can change anything at all.
    async fn check(&self) -> anyhow::Result<()> {
        match self.client.offline_cause().await?.filter(is_over) {
            Some(cause) => bail!("not changed: {}", over(&cause)),
            None => Ok(()),
        }
    }

    /// Waits for the server's answer to the last change, and shows the group as it is then.
    async fn settle(&self, peer: &str, answer: &Answer) -> anyhow::Result<()> {
        let deadline = Instant::now() + answer.timeout.min(FOREVER);
        let Ok(settled) = timeout_at(deadline, self.client.settled_group(peer)).await else {
            let server = &self.identity.server;
            let waited = humantime::format_duration(answer.timeout);
            let cause = self.client.offline_cause().await?;
            let cause = cause.map_or_else(String::new, |cause| format!(" ({cause})"));
            bail!(
                "no answer from {server} within {waited}{cause}: the change is kept in this home \
                 and is made with the next command that connects"
            );
        };
        let group = settled?;
        // What members learn of it comes by messages. Those that do not leave in time leave with
        // the next command that connects.
        if let Ok(flushed) = timeout_at(deadline, self.client.flush()).await {
            flushed?;
        }
        let mut output = Output::stdout(Format::new(answer.json), &self.identity);
        output.group(&group)?;
        Ok(())
    }
}

fn check_member(group: &Group, name: &str) -> anyhow::Result<()> {
    if !group.members.iter().any(|it| it.handle == name) {
        bail!("{name} is not in the group");
    }
    Ok(())
}
