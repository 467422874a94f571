//! Groups: who is in them, who may do what, and how far messages to them are. A group is a peer
//! like any other: what sends, answers, reads and lists takes its name, [`Group::peer`].

use martlet_protocol::group_record::GroupRights;
use martlet_protocol::{GroupId, MessageId, Role};

use super::Client;
use crate::error::{ClientError, GroupError};
use crate::event::{Group, GroupReceipts, GroupUpdate};
use crate::net::{Command, entropy_missing};

impl Client {
    /// Makes a group with this account as its owner and the accounts with these handles as its
    /// members. Durable when this returns, and sent as soon as there is a connection: then
    /// [`Event::GroupChanged`](crate::Event::GroupChanged) says so, or
    /// [`Event::GroupRefused`](crate::Event::GroupRefused) that it will not be. Messages to
    /// [`Group::peer`] may be sent at once.
    ///
    /// # Errors
    /// [`GroupError`]: nothing was stored. [`ClientError::UnknownPeer`] when nobody has one of the
    /// handles.
    pub async fn create_group(&self, name: &str, handles: &[&str]) -> Result<GroupId, GroupError> {
        let handles = self.known(handles).await?;
        let name = name.to_owned();
        self.with_engine(move |engine, now| {
            let mut entropy = [0; 8];
            getrandom::fill(&mut entropy).map_err(|error| entropy_missing(&error))?;
            engine.create_group(now, entropy, &name, &names(&handles))
        })
        .await
    }

    /// Adds accounts to a group. They see what is written from then on.
    ///
    /// # Errors
    /// [`GroupError`]: nothing will happen. What the group's rights do not allow is told later, as
    /// [`Event::GroupRefused`](crate::Event::GroupRefused).
    pub async fn add_members(&self, peer: &str, handles: &[&str]) -> Result<(), GroupError> {
        let handles = self.known(handles).await?;
        let peer = peer.to_owned();
        self.with_engine(move |engine, now| engine.add_members(now, &peer, &names(&handles)))
            .await
    }

    /// Removes members. What they have they keep; what is written from then on they cannot read.
    ///
    /// # Errors
    /// As [`add_members`](Self::add_members).
    pub async fn remove_members(&self, peer: &str, handles: &[&str]) -> Result<(), GroupError> {
        let handles = self.known(handles).await?;
        let peer = peer.to_owned();
        self.with_engine(move |engine, now| engine.remove_members(now, &peer, &names(&handles)))
            .await
    }

    /// Leaves a group. Its last owner makes another member one, an admin if there is any.
    ///
    /// # Errors
    /// As [`add_members`](Self::add_members).
    pub async fn leave_group(&self, peer: &str) -> Result<(), GroupError> {
        let peer = peer.to_owned();
        self.with_engine(move |engine, now| engine.leave_group(now, &peer))
            .await
    }

    /// Gives a member another role.
    ///
    /// # Errors
    /// As [`add_members`](Self::add_members).
    pub async fn set_role(&self, peer: &str, handle: &str, role: Role) -> Result<(), GroupError> {
        let (peer, handle) = (peer.to_owned(), handle.to_owned());
        self.with_engine(move |engine, now| engine.set_role(now, &peer, &handle, role))
            .await
    }

    /// Changes who may add members, send, and change the info.
    ///
    /// # Errors
    /// As [`add_members`](Self::add_members).
    pub async fn set_rights(&self, peer: &str, rights: GroupRights) -> Result<(), GroupError> {
        let peer = peer.to_owned();
        self.with_engine(move |engine, now| engine.set_rights(now, &peer, rights))
            .await
    }

    /// Gives a group another name of 1 to 100 bytes, and a reference to a picture of at most 1,024
    /// bytes, which is the application's own and may be empty. Only members can read them.
    ///
    /// # Errors
    /// As [`add_members`](Self::add_members).
    pub async fn rename_group(
        &self,
        peer: &str,
        name: &str,
        picture: &[u8],
    ) -> Result<(), GroupError> {
        let (peer, name, picture) = (peer.to_owned(), name.to_owned(), picture.to_owned());
        self.with_engine(move |engine, now| engine.rename_group(now, &peer, &name, picture))
            .await
    }

    /// Waits until the last change that this home wants of a group has been made. Takes nothing
    /// from the stream of events.
    ///
    /// # Errors
    /// [`GroupError::Refused`] when it will not be made; [`ClientError::DeviceRemoved`] when
    /// nothing more is heard of it; as [`group`](Self::group).
    pub async fn settled_group(&self, peer: &str) -> Result<Group, GroupError> {
        let peer = peer.to_owned();
        self.ask(|reply| Command::SettledGroup { peer, reply })
            .await?
    }

    /// The groups of this account, and those that it has left.
    ///
    /// # Errors
    /// [`GroupError`].
    pub async fn groups(&self) -> Result<Vec<Group>, GroupError> {
        self.with_engine(|engine, _| Ok(engine.groups()?)).await
    }

    /// A group, by its name among peers.
    ///
    /// # Errors
    /// [`ClientError::UnknownPeer`] when this home knows none such.
    pub async fn group(&self, peer: &str) -> Result<Group, GroupError> {
        let peer = peer.to_owned();
        self.with_engine(move |engine, _| engine.group(&peer)).await
    }

    /// Who has changed what of a group, oldest first, as far back as this home knows it.
    ///
    /// # Errors
    /// As [`group`](Self::group).
    pub async fn group_history(&self, peer: &str) -> Result<Vec<GroupUpdate>, GroupError> {
        let peer = peer.to_owned();
        self.with_engine(move |engine, _| engine.group_history(&peer))
            .await
    }

    /// How far an own message to a group is, by the server: [`Message::state`](crate::Message) says
    /// only what all members have reached. `None` when the server does not count it, because it is
    /// none of this account in a group.
    ///
    /// # Errors
    /// [`ClientError::NoAnswer`] when the server does not answer within three seconds.
    pub async fn receipts(&self, id: MessageId) -> Result<Option<GroupReceipts>, ClientError> {
        self.ask(|reply| Command::GroupReceipts(id, reply)).await?
    }

    /// The handles, each of an account that this home knows by now if there is one.
    async fn known(&self, handles: &[&str]) -> Result<Vec<String>, GroupError> {
        for handle in handles {
            if self.lookup(handle).await?.is_none() {
                return Err(ClientError::UnknownPeer.into());
            }
        }
        Ok(handles.iter().map(|handle| (*handle).to_owned()).collect())
    }
}

fn names(handles: &[String]) -> Vec<&str> {
    handles.iter().map(String::as_str).collect()
}
