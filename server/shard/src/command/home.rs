//! Which shard decides about a command.

use martlet_store::ShardId;

use crate::command::Command;
use crate::topology::Topology;

impl Command {
    /// The shard that decides about this command.
    pub fn home(&self, topology: &Topology) -> ShardId {
        match self {
            Self::Register { handle, .. } | Self::LookupHandle { handle, .. } => {
                topology.shard_of_handle(handle)
            }
            Self::LookupUser { user, .. }
            | Self::Devices { user, .. }
            | Self::Claim { user, .. }
            | Self::LinkJoin { user, .. }
            | Self::LinkLeave { user, .. } => topology.shard_of_user(*user),
            Self::Publish { address, .. }
            | Self::Upload { address, .. }
            | Self::LinkOpen { address, .. }
            | Self::LinkClose { address, .. }
            | Self::Attach { address, .. }
            | Self::Detach { address, .. }
            | Self::Ack { address, .. }
            | Self::Read { address, .. }
            | Self::Refuse { address, .. }
            | Self::Credit { address, .. }
            | Self::Ping { address, .. }
            | Self::Watch { address, .. }
            | Self::Active { address, .. }
            | Self::Relate { address, .. }
            | Self::Relations { address, .. }
            | Self::Settings { address, .. }
            | Self::Page { address, .. } => topology.shard_of_user(address.user),
            Self::Send { request, .. } => topology.shard_of_user(request.to),
            Self::Group(command) => command.home(topology),
            Self::Accepted { from, .. } | Self::Typing { from, .. } => {
                topology.shard_of_user(from.user)
            }
            Self::Decline { to, .. } | Self::Status { to, .. } | Self::Typed { to, .. } => {
                topology.shard_of_user(*to)
            }
            Self::Relayed { target, .. }
            | Self::Observe { target, .. }
            | Self::Unobserve { target, .. } => *target,
            Self::RelayDone { source, .. } => *source,
            Self::Tick { shard } | Self::Seal { shard } => *shard,
        }
    }
}
