//! What a gate needs beside itself: the world, and what the shards know of a device.

use martlet_protocol::Address;
use martlet_shard::{DeviceIdentity, OwnDevices, Shard, Topology};
use martlet_store::Memory;

use crate::env::Env;

/// The surroundings of a gate while it reads.
pub(crate) struct Desk<'a> {
    pub(crate) env: &'a mut Env,
    pub(crate) topology: &'a Topology,
    pub(crate) shards: &'a mut [Shard],
    pub(crate) view: &'a Memory,
}

impl Desk<'_> {
    pub(crate) fn device_key(&mut self, address: Address) -> Option<[u8; 32]> {
        let view = self.view;
        self.home(address)?.device_key(view, address)
    }

    pub(crate) fn device_identity(&mut self, address: Address) -> Option<DeviceIdentity> {
        let view = self.view;
        self.home(address)?.device_identity(view, address)
    }

    /// The account of `address` beside that device.
    pub(crate) fn own_devices(&mut self, address: Address) -> OwnDevices {
        let view = self.view;
        let home = self.home(address);
        home.map_or(OwnDevices::NONE, |home| home.own_devices(view, address))
    }

    /// Whether the account of `address` is told what others have read.
    pub(crate) fn is_told_reads(&mut self, address: Address) -> bool {
        let view = self.view;
        let home = self.home(address);
        home.is_none_or(|home| home.is_told_reads(view, address.user))
    }

    fn home(&mut self, address: Address) -> Option<&mut Shard> {
        let home = self.topology.shard_of_user(address.user);
        self.shards.get_mut(usize::from(home.0))
    }
}
