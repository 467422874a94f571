//! The part of the desk for the account's devices: codes, offers, removals, names.

use martlet_protocol::{DeviceId, Millis, NackCode};
use zeroize::Zeroizing;

use super::entrance::answer;
use super::mailbox::{DevicesCommand, Reply};
use crate::engine::Engine;
use crate::error::{ClientError, DevicesError, StoreError};
use crate::event::Device;

/// How long the server may take to answer, in milliseconds.
const ANSWER_MS_MAX: u64 = 15_000;
/// How long a code waits for its device, in milliseconds: as long as at the server.
const OFFER_MS_MAX: u64 = 10 * 60 * 1_000;
/// How long a device that was approved may be without a connection, in milliseconds: a telephone
/// changes its network, or its owner goes to where there is one.
const LOST_MS_MAX: u64 = 60_000;

/// Commands that wait. Each kind is asked for by one at a time; a newer one ends an older one.
#[derive(Default)]
pub(super) struct DevicesDesk {
    opening: Option<Waiting<Zeroizing<String>>>,
    offered: Option<Device>,
    awaiting: Option<Waiting<Device>>,
    approving: Option<Waiting<DeviceId>>,
    /// The device that is to be added has no connection.
    is_lost: bool,
    /// A removal, or a new name. There is one change at a time.
    changing: Option<(DeviceId, Waiting<()>)>,
}

struct Waiting<T> {
    deadline: Millis,
    reply: Reply<Result<T, DevicesError>>,
}

impl DevicesDesk {
    pub(super) fn serve(
        &mut self,
        engine: &mut Engine,
        now: Millis,
        command: DevicesCommand,
    ) -> Result<(), StoreError> {
        let deadline = now.plus(ANSWER_MS_MAX);
        match command {
            DevicesCommand::OpenLink {
                with_history,
                reply,
            } => {
                self.offered = None;
                self.is_lost = false;
                match engine.open_link(now, with_history) {
                    Ok(()) => self.opening = Some(Waiting { deadline, reply }),
                    Err(error) => answer(reply, Err(error)),
                }
            }
            DevicesCommand::AwaitOffer(reply) => match &self.offered {
                Some(device) => answer(reply, Ok(device.clone())),
                None => {
                    let deadline = now.plus(OFFER_MS_MAX);
                    self.awaiting = Some(Waiting { deadline, reply });
                }
            },
            DevicesCommand::Approve(reply) => match engine.approve_link(now) {
                Ok(()) => {
                    let deadline = now.plus(self.approval_ms_max());
                    self.approving = Some(Waiting { deadline, reply });
                }
                Err(error) => answer(reply, Err(error)),
            },
            DevicesCommand::CloseLink(reply) => {
                self.offered = None;
                self.is_lost = false;
                answer(reply, engine.close_link(now).map_err(ClientError::from));
            }
            DevicesCommand::Revoke(device, reply) => match engine.revoke(now, device) {
                Ok(()) => self.changing = Some((device, Waiting { deadline, reply })),
                Err(error) => answer(reply, Err(error)),
            },
            DevicesCommand::Rename {
                device,
                name,
                reply,
            } => match engine.rename(now, device, &name) {
                Ok(()) => self.changing = Some((device, Waiting { deadline, reply })),
                Err(error) => answer(reply, Err(error)),
            },
        }
        Ok(())
    }

    pub(super) fn on_opened(&mut self, code: Zeroizing<String>) {
        if let Some(waiting) = self.opening.take() {
            answer(waiting.reply, Ok(code));
        }
    }

    pub(super) fn on_offered(&mut self, now: Millis, device: DeviceId, name: String) {
        self.is_lost = false;
        self.prolong_approval(now);
        let device = Device {
            device,
            name: Some(name),
            is_this: false,
            has_account_key: false,
        };
        if let Some(waiting) = self.awaiting.take() {
            answer(waiting.reply, Ok(device.clone()));
        }
        self.offered = Some(device);
    }

    pub(super) fn on_left(&mut self, now: Millis) {
        self.offered = None;
        self.is_lost = true;
        self.prolong_approval(now);
    }

    fn prolong_approval(&mut self, now: Millis) {
        let deadline = now.plus(self.approval_ms_max());
        if let Some(waiting) = &mut self.approving {
            waiting.deadline = deadline;
        }
    }

    const fn approval_ms_max(&self) -> u64 {
        if self.is_lost {
            LOST_MS_MAX
        } else {
            ANSWER_MS_MAX
        }
    }

    pub(super) fn on_linked(&mut self, device: DeviceId) {
        self.offered = None;
        if let Some(waiting) = self.approving.take() {
            answer(waiting.reply, Ok(device));
        }
    }

    /// The account's list has the change.
    pub(super) fn on_changed(&mut self, device: DeviceId) {
        if let Some((_, waiting)) = self.changing.take_if(|(asked, _)| *asked == device) {
            answer(waiting.reply, Ok(()));
        }
    }

    /// The server does not do what was asked last.
    pub(super) fn on_refused(&mut self, code: NackCode) {
        let refused = || DevicesError::Refused(code);
        if let Some(waiting) = self.opening.take() {
            answer(waiting.reply, Err(refused()));
        } else if let Some(waiting) = self.approving.take() {
            answer(waiting.reply, Err(refused()));
        } else if let Some((_, waiting)) = self.changing.take() {
            answer(waiting.reply, Err(refused()));
        }
    }

    /// Ends the waiting whose time is over.
    pub(super) fn expire(&mut self, engine: &mut Engine, now: Millis) -> Result<(), StoreError> {
        if let Some(waiting) = self.opening.take_if(|waiting| waiting.deadline <= now) {
            engine.close_link(now)?;
            answer(waiting.reply, Err(ClientError::NoAnswer.into()));
        }
        if let Some(waiting) = self.awaiting.take_if(|waiting| waiting.deadline <= now) {
            answer(waiting.reply, Err(DevicesError::NobodyJoined));
        }
        if let Some(waiting) = self.approving.take_if(|waiting| waiting.deadline <= now) {
            let error = if self.is_lost {
                DevicesError::DeviceLost
            } else {
                ClientError::NoAnswer.into()
            };
            answer(waiting.reply, Err(error));
        }
        if let Some((_, waiting)) = self
            .changing
            .take_if(|(_, waiting)| waiting.deadline <= now)
        {
            answer(waiting.reply, Err(ClientError::NoAnswer.into()));
        }
        Ok(())
    }

    /// When the next waiting ends.
    pub(super) fn due(&self) -> Option<Millis> {
        let deadlines = [
            self.opening.as_ref().map(|waiting| waiting.deadline),
            self.awaiting.as_ref().map(|waiting| waiting.deadline),
            self.approving.as_ref().map(|waiting| waiting.deadline),
            self.changing.as_ref().map(|(_, waiting)| waiting.deadline),
        ];
        deadlines.into_iter().flatten().min()
    }
}
