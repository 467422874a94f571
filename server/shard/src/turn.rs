//! What every handler gets besides the state: the time, what can be read, and where results go.

use bytes::BytesMut;
use martlet_protocol::frame::{Nack, Reference};
use martlet_protocol::{Class, CloseCode, Kind, Millis, NackCode};
use martlet_store::{Batch, View};

use crate::command::SessionId;
use crate::effect::{Effect, Reply};

/// The inputs and outputs of one `apply`.
pub(crate) struct Turn<'a> {
    pub(crate) now: Millis,
    pub(crate) view: &'a dyn View,
    pub(crate) batch: &'a mut Batch,
    pub(crate) effects: &'a mut Vec<Effect>,
}

impl Turn<'_> {
    pub(crate) fn reply(&mut self, session: SessionId, reply: Reply) {
        self.effects.push(Effect::Frame { session, reply });
    }

    pub(crate) fn close(&mut self, session: SessionId, code: CloseCode) {
        self.effects.push(Effect::Close { session, code });
    }

    /// Refuses a request for good, or until something else than time has changed.
    pub(crate) fn refuse(
        &mut self,
        session: SessionId,
        of: Kind,
        code: NackCode,
        reference: Reference,
    ) {
        self.refuse_for(session, of, code, reference, 0);
    }

    /// Refuses a request that may be tried again after `retry_after_ms`.
    pub(crate) fn refuse_for(
        &mut self,
        session: SessionId,
        of: Kind,
        code: NackCode,
        reference: Reference,
        retry_after_ms: u64,
    ) {
        let class = code.class();
        assert!(
            retry_after_ms == 0 || class == Class::RETRY_AFTER,
            "{code:?} is never retried"
        );
        self.reply(
            session,
            Reply::Nack(Nack {
                of,
                code,
                class,
                retry_after_ms,
                reference,
            }),
        );
    }

    /// Writes a row whose value a codec appends.
    pub(crate) fn put_with(&mut self, key: &[u8], encode: impl FnOnce(&mut BytesMut)) {
        let mut value = BytesMut::new();
        encode(&mut value);
        self.batch.put(key, &value);
    }
}
