//! One connection of the model server.

use std::collections::BTreeMap;

use bytes::BytesMut;
use martlet_protocol::codec::{self, Decoder};
use martlet_protocol::frame::{Credit, Frame, Nack, Reference};
use martlet_protocol::limits::FRAME_BYTES_MAX;
use martlet_protocol::{Address, Class, Kind, MessageId, NackCode, UserId};

pub(crate) struct Session {
    pub(super) address: Option<Address>,
    /// The account and the ticket of the link that this connection waits in.
    pub(super) joining: Option<(UserId, [u8; 32])>,
    pub(super) decoder: Decoder,
    pub(super) input: Vec<u8>,
    /// The size of the frame that is handled.
    pub(super) frame_bytes: usize,
    pub(super) pushed: u64,
    pub(super) credit: Credit,
    pub(super) caught_up: bool,
    /// The first message to an account that was refused for now.
    pub(super) refused: BTreeMap<UserId, MessageId>,
    /// What the client must have signed beside the nonce.
    pub(crate) binding: [u8; 32],
    pub(crate) output: BytesMut,
    pub(crate) closed: bool,
}

impl Session {
    pub(crate) fn new() -> Self {
        Self {
            address: None,
            joining: None,
            decoder: Decoder::new(FRAME_BYTES_MAX),
            input: Vec::new(),
            frame_bytes: 0,
            pushed: 0,
            credit: Credit::default(),
            caught_up: false,
            refused: BTreeMap::new(),
            binding: [0; 32],
            output: BytesMut::new(),
            closed: false,
        }
    }

    pub(super) fn write(&mut self, frame: &Frame<'_>) {
        codec::encode(frame, &mut self.output);
    }

    pub(super) fn refuse(&mut self, of: Kind, code: NackCode, reference: Reference) {
        let class = code.class();
        let retry_after_ms = if class == Class::RETRY_AFTER { 20 } else { 0 };
        self.write(&Frame::Nack(Nack {
            of,
            code,
            class,
            retry_after_ms,
            reference,
        }));
    }
}
