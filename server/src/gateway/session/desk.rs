//! What a session may use while it handles a frame.

use std::net::IpAddr;

use bytes::BytesMut;
use martlet_protocol::frame::{Frame, Nack, Reference};
use martlet_protocol::id::{Address, Millis, UserId};
use martlet_protocol::limits::FRAME_BYTES_MAX;
use martlet_protocol::{Kind, NackCode};
use martlet_shard::{Command, SessionId};
use rustls::ServerConnection;
use tokio_util::codec::Encoder;

use crate::driver::Driver;
use crate::gateway::codec::FrameCodec;
use crate::gateway::session::Ending;
use crate::rate::Buckets;
use crate::shared::Shared;

/// What a session works with while it handles a frame.
pub struct Desk<'a> {
    /// The connection.
    pub session: SessionId,
    /// Where it comes from.
    pub peer: IpAddr,
    /// Wall-clock time.
    pub now: Millis,
    /// Monotonic time in microseconds.
    pub now_us: u64,
    /// What all reactors share.
    pub shared: &'a Shared,
    /// The shards of this reactor: what is known of the devices whose inboxes are here.
    pub driver: &'a mut Driver,
    /// What devices may still make the server check.
    pub signatures: &'a mut Buckets<Address>,
    /// What accounts may still send.
    pub sends: &'a mut Buckets<UserId>,
    /// The TLS session, if there is one.
    pub tls: Option<&'a ServerConnection>,
    /// Bytes for the client.
    pub out: &'a mut BytesMut,
    /// Work for the shards.
    pub commands: &'a mut Vec<Command>,
}

impl Desk<'_> {
    /// Lets the shard of an account, which is one of this reactor's, decide now about all that
    /// waits for it. Its answers come with the turn, as ever.
    pub(super) fn decide_for(&mut self, user: UserId) {
        let topology = &self.shared.topology;
        let shard = topology.shard_of_user(user);
        let is_due = |command: &mut Command| command.home(topology) == shard;
        for command in self.commands.extract_if(.., is_due) {
            self.driver.apply(self.now, command);
        }
    }

    /// Queues a frame for the client.
    ///
    /// # Errors
    /// When the client leaves too much unread.
    pub fn send(&mut self, frame: &Frame<'_>) -> Result<(), Ending> {
        let mut codec = FrameCodec {
            frame_bytes_max: FRAME_BYTES_MAX,
            outbound_bytes_max: self.shared.config.limits.outbound_max.bytes(),
        };
        codec
            .encode(frame, self.out)
            .map_err(|error| Ending::Refused(error.close_code()))
    }

    /// Refuses a request.
    ///
    /// # Errors
    /// When the client leaves too much unread.
    pub fn refuse(
        &mut self,
        of: Kind,
        code: NackCode,
        retry_after_ms: u64,
        reference: Reference,
    ) -> Result<(), Ending> {
        self.send(&Frame::Nack(Nack {
            of,
            code,
            class: code.class(),
            retry_after_ms,
            reference,
        }))
    }
}
