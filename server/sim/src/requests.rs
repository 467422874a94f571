//! What a device may ask for once it is known, and what the gate says to it without a shard.

use bytes::Bytes;
use martlet_protocol::auth::PrekeyKind;
use martlet_protocol::frame::{Frame, LookupQuery, Part, Publish, Reference, Send, Status, Upload};
use martlet_protocol::wire::List;
use martlet_protocol::{Address, DeviceList, Kind, NackCode, Position};
use martlet_shard::{Addressing, Command, DevicePart, Publication, SendRequest};

use crate::desk::Desk;
use crate::gate::Gate;
use crate::signatures;

impl Gate {
    pub(super) fn on_traffic(
        &mut self,
        desk: &mut Desk<'_>,
        address: Address,
        frame: &Frame<'_>,
        frame_bytes: u64,
    ) -> Option<Command> {
        let session = self.session();
        Some(match frame {
            Frame::Ping(ping) => Command::Ping {
                session,
                address,
                token: ping.token,
            },
            Frame::Send(send) => self.on_send(desk, address, send, frame_bytes),
            Frame::Ack(ack) => Command::Ack {
                session,
                address,
                position: ack.position,
            },
            Frame::Read(read) => Command::Read {
                session,
                address,
                author: read.author,
                message_id: read.message_id,
            },
            Frame::Credit(credit) => Command::Credit {
                session,
                address,
                credit: *credit,
            },
            Frame::Nack(nack) if nack.of == Kind::EVENT => Command::Refuse {
                session,
                address,
                position: Position(nack.reference.as_number()),
            },
            Frame::Status(Status {
                request,
                to,
                message_id,
            }) => Command::Status {
                session,
                from: address,
                request: *request,
                to: *to,
                message_id: *message_id,
                is_told_reads: desk.is_told_reads(address),
            },
            Frame::Lookup(lookup) => match lookup.query {
                LookupQuery::Handle(handle) => Command::LookupHandle {
                    session,
                    request: lookup.request,
                    handle: handle.to_owned(),
                },
                LookupQuery::User(user) => Command::LookupUser {
                    session,
                    request: lookup.request,
                    user,
                },
            },
            frame => return self.on_further(desk, address, frame, frame_bytes),
        })
    }

    /// Frames about keys and devices, other accounts and groups.
    fn on_further(
        &mut self,
        desk: &mut Desk<'_>,
        address: Address,
        frame: &Frame<'_>,
        frame_bytes: u64,
    ) -> Option<Command> {
        let session = self.session();
        Some(match frame {
            Frame::Devices(devices) => Command::Devices {
                session,
                request: devices.request,
                user: devices.user,
                have: devices.have,
            },
            Frame::Publish(publish) => return self.on_publish(desk, address, publish),
            Frame::Upload(upload) => return self.on_upload(desk, address, upload),
            Frame::Claim(claim) => Command::Claim {
                session,
                from: address,
                request: claim.request,
                user: claim.user,
                devices: claim.devices.iter().collect(),
            },
            Frame::LinkOpen(open) => Command::LinkOpen {
                session,
                address,
                request: open.request,
                device: open.device,
                ticket: open.ticket,
            },
            Frame::LinkClose(close) => Command::LinkClose {
                session,
                address,
                request: close.request,
                ticket: close.ticket,
            },
            Frame::Watch(_)
            | Frame::Active(_)
            | Frame::Typing(_)
            | Frame::Relate(_)
            | Frame::Relations(_)
            | Frame::Settings(_) => return self.on_people(address, frame),
            Frame::GroupAsk(_)
            | Frame::GroupChange(_)
            | Frame::GroupSend(_)
            | Frame::GroupAck(_)
            | Frame::GroupRead(_)
            | Frame::GroupCount(_)
            | Frame::Groups(_)
            | Frame::GroupTyping(_) => {
                let command = self.on_groups(desk, address, frame, frame_bytes);
                return command.map(Command::Group);
            }
            other => {
                let what = format!("a client says {:?} to a server", other.kind());
                desk.env.ledger.violate(what);
                return None;
            }
        })
    }

    fn on_publish(
        &mut self,
        desk: &mut Desk<'_>,
        address: Address,
        publish: &Publish<'_>,
    ) -> Option<Command> {
        let list = DeviceList::decode(publish.list.0).ok();
        let list = list.filter(|list| list.user == address.user && signatures::is_genuine(list));
        let Some(list) = list else {
            let what = format!("{address} publishes a list that is not genuine");
            desk.env.ledger.violate(what);
            let reference = Reference::number(publish.request);
            self.refuse(Kind::PUBLISH, NackCode::LIST_INVALID, reference, 0);
            return None;
        };
        desk.env.ledger.on_publish(&list);
        Some(Command::Publish {
            session: self.session(),
            address,
            request: publish.request,
            publication: Box::new(Publication {
                hash: signatures::hash_of(&list),
                list: Bytes::copy_from_slice(publish.list.0),
                epoch: desk.env.rng.next() | 1,
                answer: Bytes::copy_from_slice(publish.answer),
            }),
        })
    }

    /// Of many one-time keys only the first and the last are verified: the others are signed by
    /// the same code, and each signature costs as much as ten turns.
    fn on_upload(
        &mut self,
        desk: &mut Desk<'_>,
        address: Address,
        upload: &Upload<'_>,
    ) -> Option<Command> {
        let one_time: Vec<_> = upload.one_time.iter().collect();
        let last_resort = upload.last_resort.map(Box::new);
        let ends = one_time.first().into_iter().chain(one_time.last());
        let ends = ends.map(|prekey| (PrekeyKind::ONE_TIME, prekey));
        let last = last_resort.as_deref();
        let mut looked_at = ends.chain(last.map(|prekey| (PrekeyKind::LAST_RESORT, prekey)));
        let identity = desk.device_identity(address);
        let is_genuine = identity.is_some_and(|identity| {
            looked_at
                .all(|(kind, prekey)| signatures::is_prekey_of(address, &identity, kind, prekey))
        });
        if !is_genuine {
            // One that was removed a moment ago has yet to be told.
            if identity.is_some() || !desk.env.ledger.is_removed(address) {
                let what = format!("{address} uploads prekeys that are not its own");
                desk.env.ledger.violate(what);
            }
            let reference = Reference::number(upload.request);
            self.refuse(Kind::UPLOAD, NackCode::KEYS_INVALID, reference, 0);
            return None;
        }
        desk.env.counters.uploads += 1;
        Some(Command::Upload {
            session: self.session(),
            address,
            request: upload.request,
            last_resort,
            one_time,
        })
    }

    /// Takes the credit of a SEND or GROUP_SEND.
    pub(crate) fn spend(&mut self, desk: &mut Desk<'_>, from: Address, frame_bytes: u64) {
        if self.left.messages == 0 || self.in_debt {
            let what = format!("{from} sends without credit");
            desk.env.ledger.violate(what);
        }
        self.left.messages = self.left.messages.saturating_sub(1);
        self.in_debt = frame_bytes >= self.left.bytes;
        self.left.bytes = self.left.bytes.saturating_sub(frame_bytes);
        self.unanswered_bytes += frame_bytes;
    }

    fn on_send(
        &mut self,
        desk: &mut Desk<'_>,
        from: Address,
        send: &Send<'_>,
        frame_bytes: u64,
    ) -> Command {
        self.spend(desk, from, frame_bytes);
        let env = &mut *desk.env;
        let is_retry = env.ledger.on_send(&mut env.counters, self.device, send);
        env.counters.retries += u64::from(is_retry);
        let addressing = Addressing {
            scope: send.scope,
            to_version: send.to_version,
            own_version: send.own_version,
            to_parts: parts(&send.to_parts),
            own_parts: parts(&send.own_parts),
            own: desk.own_devices(from),
        };
        Command::Send {
            session: self.session(),
            from,
            request: SendRequest {
                message_id: send.message_id,
                to: send.to,
                after: send.after,
                ttl_ms: send.ttl_ms,
                addressing: addressing.boxed(),
                envelope: Bytes::copy_from_slice(send.envelope),
            },
        }
    }
}

fn parts(parts: &List<'_, Part<'_>>) -> Vec<DevicePart> {
    let parts = parts.iter();
    parts
        .map(|part| DevicePart {
            device: part.device,
            part: Bytes::copy_from_slice(part.part),
        })
        .collect()
}
