//! The server is about to stop: it answers and pushes, but takes no new messages.

use martlet_protocol::frame::Frame;
use martlet_protocol::frame::Reference;
use martlet_protocol::{Kind, MessageId, NackCode};

use crate::gateway::inbound::Inbound;
use crate::gateway::session::{Desk, Ending, Ready, UNEXPECTED};

/// A session that was told to come back later.
#[derive(Debug)]
pub struct Draining {
    ready: Ready,
}

impl Draining {
    pub(super) fn new(ready: Ready) -> Self {
        Self { ready }
    }

    pub(super) fn ready(&self) -> &Ready {
        &self.ready
    }

    pub(super) fn ready_mut(&mut self) -> &mut Ready {
        &mut self.ready
    }

    pub(super) fn on_frame(mut self, frame: Inbound, desk: &mut Desk<'_>) -> Result<Self, Ending> {
        if !self.ready.is_greeted() {
            return Err(UNEXPECTED);
        }
        match frame {
            Inbound::Send(send) => {
                self.refuse((Kind::SEND, send.message_id), send.frame_bytes, desk)?;
            }
            Inbound::GroupSend(send) => {
                let message = (Kind::GROUP_SEND, send.request.message_id);
                self.refuse(message, send.frame_bytes, desk)?;
            }
            other => self.ready.on_other(other, desk)?,
        }
        Ok(self)
    }

    /// Every later message is refused too, so no order is lost by refusing here.
    fn refuse(
        &mut self,
        (of, message_id): (Kind, MessageId),
        frame_bytes: u32,
        desk: &mut Desk<'_>,
    ) -> Result<(), Ending> {
        self.ready.spend(frame_bytes)?;
        let reference = Reference::message(message_id);
        desk.refuse(of, NackCode::DRAINING, 0, reference)?;
        if let Some(grant) = self.ready.answered() {
            desk.send(&Frame::Credit(grant))?;
        }
        Ok(())
    }
}
