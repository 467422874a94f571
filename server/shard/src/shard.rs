//! The shard's face: dispatch of commands, and nothing else.

use martlet_protocol::auth::KEY_BYTES;
use martlet_protocol::{Address, Millis, UserId};
use martlet_store::{Batch, ShardId, View};

use crate::command::Command;
use crate::effect::Effect;
use crate::handle;
use crate::handle::register::Registration;
use crate::limits::Limits;
use crate::message::OwnDevices;
use crate::state::State;
use crate::topology::Topology;
use crate::turn::Turn;

/// One shard: order, inboxes and message states of the accounts it owns. Its methods are of
/// three kinds:
///
/// - [`apply`](Self::apply), the only mutator: one command in; rows go to `batch`, everything
///   else to `effects`. A turn ends with [`Command::Seal`] when [`is_dirty`](Self::is_dirty).
/// - [`due`](Self::due): when the caller must apply [`Command::Tick`], if nothing else happens.
/// - getters, taking `&self` or reading through a view.
///
/// It never reads a clock, never blocks, never draws a random number and never fails: a bad peer
/// is a refusal or a close, a broken invariant is an `assert!`, there is no third case.
///
/// The view must show the rows of all sealed turns, durable or not; rows of the current turn the
/// shard remembers itself.
#[derive(Debug)]
pub struct Shard {
    state: State,
}

impl Shard {
    /// The shard as its rows describe it. `effects` gets again what a crash or a stop may have
    /// left undone; nothing in it waits for a commit.
    pub fn recover(
        id: ShardId,
        topology: Topology,
        limits: Limits,
        now: Millis,
        view: &dyn View,
        effects: &mut Vec<Effect>,
    ) -> Self {
        Self {
            state: State::recover(id, topology, limits, now, view, effects),
        }
    }

    /// Decides about one command. See [`Effect`] for when the effects may be carried out.
    #[expect(
        clippy::too_many_lines,
        reason = "one arm for each command, and nothing else"
    )]
    pub fn apply(
        &mut self,
        now: Millis,
        command: Command,
        view: &dyn View,
        batch: &mut Batch,
        effects: &mut Vec<Effect>,
    ) {
        let state = &mut self.state;
        let turn = &mut Turn {
            now,
            view,
            batch,
            effects,
        };
        match command {
            Command::Register {
                session,
                handle,
                key,
                user,
                epoch,
                reset,
            } => {
                let registration = Registration {
                    handle,
                    key,
                    user,
                    epoch,
                    reset,
                };
                handle::register::register(state, turn, session, registration);
            }
            Command::Devices {
                session,
                request,
                user,
                have,
            } => {
                handle::devices::devices(state, turn, (session, request), user, have);
            }
            Command::Publish {
                session,
                address,
                request,
                publication,
            } => {
                let request = (session, address, request);
                handle::devices::publish(state, turn, request, *publication);
            }
            Command::Upload {
                session,
                address,
                request,
                last_resort,
                one_time,
            } => {
                let request = (session, address, request);
                handle::prekeys::upload(state, turn, request, last_resort.map(|it| *it), &one_time);
            }
            Command::Claim {
                session,
                from,
                request,
                user,
                devices,
            } => {
                handle::prekeys::claim(state, turn, (session, from, request), user, &devices);
            }
            Command::LinkOpen {
                session,
                address,
                request,
                device,
                ticket,
            } => {
                handle::link::open(state, turn, (session, address, request), device, ticket);
            }
            Command::LinkJoin {
                session,
                user,
                device,
                ticket,
                offer,
            } => {
                handle::link::join(state, turn, session, user, (device, ticket, offer));
            }
            Command::LinkLeave { session, user } => {
                handle::link::leave(state, turn, session, user);
            }
            Command::LinkClose {
                session,
                address,
                request,
                ticket,
            } => {
                handle::link::close(state, turn, (session, address, request), &ticket);
            }
            Command::LookupHandle {
                session,
                request,
                handle,
            } => {
                handle::lookup::by_handle(state, turn, session, request, handle);
            }
            Command::LookupUser {
                session,
                request,
                user,
            } => {
                handle::lookup::by_user(state, turn, session, request, user);
            }
            Command::Attach {
                session,
                address,
                challenged_us,
                epoch,
                cursor,
                credit,
            } => {
                let connection = (session, address, challenged_us);
                handle::attach::attach(state, turn, connection, (epoch, cursor), credit);
            }
            Command::Detach { session, address } => {
                handle::attach::detach(state, turn, session, address);
            }
            Command::Send {
                session,
                from,
                request,
            } => {
                handle::send::send(state, turn, (session, from), request);
            }
            Command::Decline {
                session,
                from,
                to,
                message_id,
                code,
                retry_after_ms,
            } => {
                let refusal = (code, retry_after_ms);
                handle::send::decline(state, turn, session, (from, to, message_id), refusal);
            }
            Command::Accepted {
                session,
                from,
                sent,
                copy,
            } => {
                handle::copies::accepted(state, turn, session, from, sent, &copy);
            }
            Command::Group(command) => handle::groups::decide(state, turn, command),
            Command::Ack {
                session,
                address,
                position,
            } => {
                handle::ack::ack(state, turn, session, address, position);
            }
            Command::Read {
                session,
                address,
                author,
                message_id,
            } => {
                handle::read::read(state, turn, session, address, author, message_id);
            }
            Command::Refuse {
                session,
                address,
                position,
            } => {
                handle::refuse::refuse(state, turn, session, address, position);
            }
            Command::Credit {
                session,
                address,
                credit,
            } => {
                handle::attach::credit(state, turn, session, address, credit);
            }
            Command::Ping {
                session,
                address,
                token,
            } => {
                handle::read::ping(state, turn, session, address, token);
            }
            Command::Status {
                session,
                from,
                request,
                to,
                message_id,
                is_told_reads,
            } => {
                let asked = (session, request, is_told_reads);
                handle::status::status(state, turn, asked, from, to, message_id);
            }
            Command::Watch {
                session,
                address,
                request,
                on,
                users,
            } => {
                handle::presence::watch(state, turn, (session, address, request), on, users);
            }
            Command::Observe {
                target: _,
                session,
                watcher,
                users,
            } => {
                handle::presence::observed(state, turn, (session, watcher), users);
            }
            Command::Unobserve {
                target: _,
                session,
                users,
            } => {
                handle::presence::unobserved(state, session, &users);
            }
            Command::Active {
                session,
                address,
                active,
            } => {
                handle::presence::active(state, turn, (session, address), active);
            }
            Command::Typing {
                session,
                from,
                to,
                kind,
            } => {
                handle::typing::typing(state, turn, (session, from), to, kind);
            }
            Command::Typed { from, to, kind } => {
                handle::typing::typed(state, turn, from, to, kind);
            }
            Command::Relate {
                session,
                address,
                request,
                user,
                relation,
            } => {
                let request = (session, address, request);
                handle::relate::relate(state, turn, request, user, relation);
            }
            Command::Relations {
                session,
                address,
                request,
                after,
            } => {
                handle::relate::relations(state, turn, (session, address, request), after);
            }
            Command::Settings {
                session,
                address,
                request,
                set,
            } => {
                handle::relate::settings(state, turn, (session, address, request), set);
            }
            Command::Page {
                session,
                address,
                rows,
            } => {
                handle::ack::page(state, turn, session, address, rows);
            }
            Command::Relayed {
                target: _,
                source,
                sequence,
                items,
            } => {
                handle::relay::relayed(state, turn, source, sequence, items);
            }
            Command::RelayDone {
                source: _,
                target,
                sequence,
            } => {
                let id = state.id;
                state.outbox.done(id, target, sequence, turn);
            }
            Command::Tick { .. } => handle::tick::tick(state, turn),
            Command::Seal { .. } => handle::seal::seal(state, turn),
        }
    }

    /// Whether [`Command::Seal`] must be applied before the batch is handed on.
    pub const fn is_dirty(&self) -> bool {
        self.state.dirty
    }

    /// When [`Command::Tick`] must be applied next.
    pub fn due(&self) -> Millis {
        let pause = self.state.paused.keys().next().map(|(until, _)| *until);
        let sweep = self.state.sweep_due;
        let presence = self.state.presence_due.first().map(|(due, _)| *due);
        sweep
            .min(self.state.lazy_due.unwrap_or(sweep))
            .min(presence.unwrap_or(sweep))
            .min(pause.unwrap_or(sweep))
            .min(self.state.expiry_due.unwrap_or(sweep))
    }

    /// The account of a device beside the device: what a message must say of its sender
    /// ([`Addressing::own`](crate::Addressing::own)).
    pub fn own_devices(&mut self, view: &dyn View, address: Address) -> OwnDevices {
        let account = self.state.account(view, address.user);
        account.map_or(OwnDevices::NONE, |account| {
            account.own_devices(address.device)
        })
    }

    /// Lets an account send to another one. It has a quota of those that it does not know.
    ///
    /// # Errors
    /// The quota is spent: the message is to be declined with RATE_LIMITED, for so many
    /// milliseconds.
    pub fn begin_conversation(
        &mut self,
        now: Millis,
        view: &dyn View,
        from: UserId,
        to: UserId,
    ) -> Result<(), u64> {
        self.state.begin_conversation(now, view, from, to)
    }

    /// Lets an account look up another one.
    ///
    /// # Errors
    /// Its quota is spent: the LOOKUP is to be refused by RATE_LIMITED, for so many milliseconds.
    pub fn look_up(&mut self, now: Millis, user: UserId) -> Result<(), u64> {
        let quota = self.state.limits.lookups;
        quota.take(&mut self.state.lookups, user, 1, now)
    }

    /// Whether an account is told what others have read: what a STATUS must say of its sender.
    pub fn is_told_reads(&mut self, view: &dyn View, user: UserId) -> bool {
        let account = self.state.account(view, user);
        account.is_none_or(|account| account.person.settings.read_receipts)
    }

    /// The public key of a device, for the driver to verify a signature with.
    pub fn device_key(&mut self, view: &dyn View, address: Address) -> Option<[u8; 32]> {
        let account = self.state.account(view, address.user)?;
        account
            .devices
            .get(&address.device)
            .map(|device| device.key)
    }

    /// The keys of a device that is in its account's list, for the driver to verify the signatures
    /// of prekeys with. `None` when it is in none: then [`Command::Upload`] is refused, whatever it
    /// holds.
    pub fn device_identity(&mut self, view: &dyn View, address: Address) -> Option<DeviceIdentity> {
        Some(DeviceIdentity {
            signing_key: self.device_key(view, address)?,
            identity_key: handle::devices::identity_key(&mut self.state, view, address)?,
        })
    }
}

/// The public keys of a listed device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceIdentity {
    /// Its Ed25519 key, which signs its prekeys.
    pub signing_key: [u8; KEY_BYTES],
    /// Its Curve25519 key, which the signatures name.
    pub identity_key: [u8; KEY_BYTES],
}
