//! `react`, `edit`, `delete` and `timer`: what is done to messages, and the states it reaches.

use anyhow::anyhow;
use martlet_client::{Client, Identity, MessageId, SendError};

use super::send::{self, Followed};
use crate::args::{Delete, Edit, React, Timer, Until};
use crate::ids;
use crate::output::not_taken;
use crate::peers;

pub(super) async fn react(client: Client, identity: Identity, args: React) -> anyhow::Result<()> {
    send::check(&client, &args.name).await?;
    let peer = peers::resolve(&client, &args.name).await?;
    let to = ids::resolve(&client, &peer, &args.id).await?;
    let id = client.react(&peer, to, &args.emoji).await;
    follow(client, identity, (args.name, id), args.until).await
}

pub(super) async fn edit(client: Client, identity: Identity, args: Edit) -> anyhow::Result<()> {
    send::check(&client, &args.name).await?;
    let peer = peers::resolve(&client, &args.name).await?;
    let of = ids::resolve(&client, &peer, &args.id).await?;
    let id = client.edit(&peer, of, &args.text).await;
    follow(client, identity, (args.name, id), args.until).await
}

pub(super) async fn delete(client: Client, identity: Identity, args: Delete) -> anyhow::Result<()> {
    send::check(&client, &args.name).await?;
    let peer = peers::resolve(&client, &args.name).await?;
    let of = ids::resolve(&client, &peer, &args.id).await?;
    let id = client.delete_for_everyone(&peer, of).await;
    follow(client, identity, (args.name, id), args.until).await
}

pub(super) async fn timer(client: Client, identity: Identity, args: Timer) -> anyhow::Result<()> {
    send::check(&client, &args.name).await?;
    let peer = peers::resolve(&client, &args.name).await?;
    let id = client.set_timer(&peer, args.life).await;
    follow(client, identity, (args.name, id), args.until).await
}

async fn follow(
    client: Client,
    identity: Identity,
    (name, id): (String, Result<MessageId, SendError>),
    until: Until,
) -> anyhow::Result<()> {
    let id = id.map_err(|error| anyhow!(not_taken(&error, &name)))?;
    send::follow(client, identity, Followed { name, id, until }).await
}
