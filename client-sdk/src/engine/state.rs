//! What the engine has in memory, and the dispatch of frames to those who handle them.

use std::collections::{BTreeSet, VecDeque};

use bytes::BytesMut;
use martlet_protocol::codec::{self, Decoder};
use martlet_protocol::frame::{Frame, Nack, Ping, Pong};
use martlet_protocol::limits::FRAME_BYTES_MAX_UNAUTHENTICATED;
use martlet_protocol::{
    Address, Class, CloseCode, DecodeError, GroupId, Kind, Millis, NackCode, UserId,
};

use super::claims::Claims;
use super::dial::{ComeBack, Dial};
use super::groups::Groups;
use super::ids::Ids;
use super::keys::Upkeep;
use super::link::{Link, Live};
use super::linking::{LinkEnd, OpenLink};
use super::lists::Lists;
use super::lookups::{Lookups, Query};
use super::notices::{Answer, Notices};
use super::outbox::{Outbox, Recipient};
use super::people::People;
use super::reads::Reads;
use super::rng::Rng;
use super::statuses::Statuses;
use crate::error::StoreError;
use crate::event::{OfflineCause, SecurityKind};
use crate::keys::DeviceKey;
use crate::local::{IdentityRow, Joining, OwnKeys, Stage, StreamPlace, Tx};

/// Everything that is not in the database. All of it can be rebuilt from there: dropping it is
/// what a crash does.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) agent: String,
    pub(super) rng: Rng,
    pub(super) ids: Ids,
    pub(super) identity: Option<IdentityRow>,
    /// The place in the stream that the database has. Invariant: what is acknowledged, by ACK or
    /// by the next AUTH, ≤ `stored` ≤ `identity.place` within a call, and all equal after it.
    pub(super) stored: StreamPlace,
    pub(super) key: Option<DeviceKey>,
    /// The other keys of this home, as the database has them.
    pub(super) keys: Option<OwnKeys>,
    /// The account that this home joins, until the server has accepted it.
    pub(super) joining: Option<Joining>,
    /// Why the server would not wait for the account's device.
    pub(super) join_refusal: Option<NackCode>,
    /// The code that this home shows to a new device.
    pub(super) linking: Option<OpenLink>,
    /// The link whose end the server has to hear of.
    pub(super) link_end: Option<LinkEnd>,
    /// The token of a registration that was asked for in this run.
    pub(super) registration: Option<Vec<u8>>,
    /// The connection is for a registration, and the server has not answered to it yet.
    pub(super) unanswered: bool,
    pub(super) link: Link,
    pub(super) dial: Dial,
    /// Why and how the connection is about to end, when this side decided it.
    pub(super) ending: Option<(OfflineCause, ComeBack)>,
    /// Why the newest attempt or connection ended, until one is ready.
    pub(super) offline: Option<OfflineCause>,
    pub(super) outbox: Outbox,
    pub(super) lists: Lists,
    pub(super) claims: Claims,
    pub(super) upkeep: Upkeep,
    /// What was told of accounts since their newest list.
    pub(super) told: BTreeSet<(UserId, SecurityKind)>,
    /// When a message is to be asked for again.
    pub(super) repair_at: Option<Millis>,
    /// Whether a device that was linked has yet to get something, and may have it now.
    pub(super) has_syncs: bool,
    /// When the next message disappears, by the server's clock.
    pub(super) expire_at: Option<Millis>,
    /// Whether contents were taken away in this call, of which copies may lie in the database's
    /// log.
    pub(super) has_wiped: bool,
    pub(super) groups: Groups,
    pub(super) people: People,
    pub(super) lookups: Lookups,
    pub(super) reads: Reads,
    pub(super) statuses: Statuses,
    pub(super) notices: Notices,
    pub(super) answers: VecDeque<Answer>,
    /// The last number given to a question or to a PING behind READs; 0 is the keep-alive's.
    pub(super) requests: u64,
    /// The last number given to a question about keys or devices.
    pub(super) key_requests: u64,
    pub(super) decoder: Decoder,
    /// The beginning of a frame whose end has not come.
    pub(super) input: Vec<u8>,
    pub(super) output: BytesMut,
}

/// Why a batch of frames was not processed to its end.
#[derive(Debug)]
pub(super) enum Fault {
    /// The database failed: the engine is of no use any more.
    Store(StoreError),
    /// The server broke the protocol: the connection ends with this code.
    Violation(CloseCode),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Self {
        Self::Violation(match error {
            DecodeError::FrameTooLarge => CloseCode::TOO_LARGE,
            DecodeError::TypeUnknown(_) => CloseCode::UNKNOWN_TYPE,
            _ => CloseCode::BAD_FRAME,
        })
    }
}

/// A frame that the protocol does not allow here.
pub(super) const UNEXPECTED: Fault = Fault::Violation(CloseCode::UNEXPECTED_FRAME);

impl Core {
    pub(super) fn new(tx: &Tx<'_>, now: Millis, seed: u64) -> Result<Self, StoreError> {
        let identity = tx.identity()?;
        let mut core = Self {
            agent: String::new(),
            rng: Rng::new(seed),
            ids: Ids::after(tx.newest_own_id()?),
            key: identity
                .as_ref()
                .map(|identity| DeviceKey::new(&identity.key_seed)),
            stored: identity
                .as_ref()
                .map(|identity| identity.place)
                .unwrap_or_default(),
            identity,
            keys: tx.own_keys()?,
            joining: tx.joining()?,
            join_refusal: None,
            linking: None,
            link_end: None,
            registration: None,
            unanswered: false,
            link: Link::Down,
            dial: Dial::new(now),
            ending: None,
            offline: None,
            outbox: Outbox::default(),
            lists: Lists::default(),
            claims: Claims::default(),
            upkeep: Upkeep::load(tx)?,
            told: BTreeSet::new(),
            repair_at: tx.next_repair()?.map(|(at, _)| at),
            has_syncs: !tx.syncs()?.is_empty(),
            expire_at: tx.next_expiry()?,
            has_wiped: false,
            groups: Groups::default(),
            people: People::load(tx)?,
            lookups: Lookups::default(),
            reads: Reads::default(),
            statuses: Statuses::default(),
            notices: Notices::after(tx.newest_notice()?),
            answers: VecDeque::new(),
            requests: 0,
            key_requests: 0,
            decoder: Decoder::new(FRAME_BYTES_MAX_UNAUTHENTICATED),
            input: Vec::new(),
            output: BytesMut::new(),
        };
        core.load(tx, now)?;
        Ok(core)
    }

    fn load(&mut self, tx: &Tx<'_>, now: Millis) -> Result<(), StoreError> {
        for entry in tx.queued()? {
            let contact = tx.contact(entry.contact)?;
            self.outbox.load(entry, Recipient::of(&contact));
        }
        self.reads.load(&tx.pending_reads()?);
        for contact in tx.incomplete_contacts()? {
            match (contact.user, contact.handle) {
                (Some(user), _) => self.lookups.introduce(now, user),
                (None, Some(handle)) => self.lookups.want(Query::Handle(handle), false),
                (None, None) => {}
            }
        }
        self.load_groups(tx)?;
        for user in tx.parked_users()?.into_iter().chain(tx.claimed()?) {
            self.lists.want(user);
        }
        if let Some(own) = self.own_address().filter(|_| self.is_listed())
            && tx.list(own.user)?.is_none()
        {
            self.lists.demand(own.user);
        }
        self.recall_standing();
        Ok(())
    }

    /// This device, once it has an account, or will have when it has joined.
    pub(super) fn own_address(&self) -> Option<Address> {
        self.identity.as_ref()?.address
    }

    /// Whether this is the own account.
    pub(super) fn is_own(&self, user: UserId) -> bool {
        self.own_address().is_some_and(|own| own.user == user)
    }

    /// Whether the account's list has this device.
    pub(super) fn is_listed(&self) -> bool {
        let keys = self.keys.as_ref();
        keys.is_some_and(|keys| keys.stage >= Stage::Unstocked)
    }

    /// Whether this home has something to connect for, and with.
    pub(super) fn wants_connection(&self) -> bool {
        let registered = self
            .identity
            .as_ref()
            .is_some_and(|identity| identity.address.is_some());
        registered || self.registration.is_some()
    }

    pub(super) fn write(&mut self, frame: &Frame<'_>) {
        codec::encode(frame, &mut self.output);
    }

    pub(super) const fn live(&mut self) -> Option<&mut Live> {
        match &mut self.link {
            Link::Ready(live) => Some(live),
            _ => None,
        }
    }

    /// Handles one frame of `frame_bytes` bytes.
    pub(super) fn on_frame(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        frame: Frame<'_>,
        frame_bytes: usize,
    ) -> Result<(), Fault> {
        match frame {
            Frame::Close(close) => self.on_close(tx, &close)?,
            Frame::Goaway(goaway) => self.on_goaway(now, &goaway)?,
            Frame::Nack(nack) => self.on_nack(tx, now, &nack)?,
            Frame::Challenge(challenge) => self.on_challenge(tx, now, &challenge)?,
            Frame::Registered(registered) => self.on_registered(tx, now, &registered)?,
            Frame::Linked(linked) => self.on_linked(tx, now, &linked)?,
            Frame::Ready(ready) => self.on_ready(tx, now, &ready)?,
            frame => {
                let live = self.live().ok_or(UNEXPECTED)?;
                if matches!(
                    frame.kind(),
                    Kind::EVENT
                        | Kind::RECEIPT
                        | Kind::FACT
                        | Kind::GAP
                        | Kind::GROUP_EVENT
                        | Kind::GROUP_RECEIPT
                        | Kind::GROUP_GAP
                ) {
                    live.spent.messages += 1;
                    live.spent.bytes += frame_bytes as u64;
                }
                self.on_traffic(tx, now, frame)?;
            }
        }
        Ok(())
    }

    /// Frames that are legal only when the connection is ready.
    fn on_traffic(&mut self, tx: &Tx<'_>, now: Millis, frame: Frame<'_>) -> Result<(), Fault> {
        match frame {
            Frame::Ping(Ping { token }) => self.write(&Frame::Pong(Pong { token })),
            Frame::Pong(Pong { token }) => {
                self.on_pong(tx, token)?;
                self.on_proof(now, token);
            }
            Frame::Credit(credit) => {
                if let Some(live) = self.live() {
                    live.allowance.add(credit);
                }
            }
            Frame::Sent(sent) => self.on_sent(tx, now, &sent)?,
            Frame::Event(event) => self.on_event(tx, now, &event)?,
            Frame::Receipt(receipt) => self.on_receipt(tx, now, &receipt)?,
            Frame::Fact(fact) => self.on_fact(tx, &fact)?,
            Frame::Gap(gap) => self.on_gap(tx, now, &gap)?,
            Frame::CaughtUp(caught_up) => self.on_caught_up(tx, now, caught_up)?,
            Frame::State(state) => self.on_state(tx, now, &state)?,
            Frame::Found(found) => self.on_found(tx, &found)?,
            frame => self.on_keys_traffic(tx, now, frame)?,
        }
        Ok(())
    }

    /// The frames among them that are about keys and devices.
    fn on_keys_traffic(&mut self, tx: &Tx<'_>, now: Millis, frame: Frame<'_>) -> Result<(), Fault> {
        match frame {
            Frame::DeviceLists(lists) => self.on_device_lists(tx, now, &lists)?,
            Frame::Bundles(bundles) => self.on_bundles(tx, now, &bundles)?,
            Frame::Published(published) => self.on_published(tx, now, &published)?,
            Frame::Stock(stock) => self.on_stock(tx, now, &stock)?,
            Frame::LinkOpened(opened) => self.on_link_opened(&opened),
            Frame::LinkClosed(closed) => self.on_link_closed(closed.request),
            Frame::LinkOffer(offer) => self.on_link_offer(tx, now, &offer)?,
            frame => self.on_group_traffic(tx, now, frame)?,
        }
        Ok(())
    }

    /// The frames among them that are about groups.
    fn on_group_traffic(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        frame: Frame<'_>,
    ) -> Result<(), Fault> {
        match frame {
            Frame::GroupEvent(event) => self.on_group_event(tx, now, &event)?,
            Frame::GroupGap(gap) => self.on_group_gap(tx, &gap)?,
            Frame::GroupReceipt(receipt) => self.on_group_receipt(tx, &receipt)?,
            Frame::GroupSent(sent) => self.on_group_sent(tx, now, &sent)?,
            Frame::GroupChanged(changed) => self.on_group_changed(tx, now, &changed)?,
            Frame::GroupState(state) => self.on_group_state(tx, now, &state)?,
            Frame::GroupList(list) => self.on_group_list(tx, &list)?,
            Frame::GroupCounted(counted) => self.on_group_counted(tx, &counted)?,
            Frame::GroupTyped(typed) => self.on_group_typed(tx, now, &typed)?,
            frame => self.on_people_traffic(tx, now, &frame)?,
        }
        Ok(())
    }

    fn on_nack(&mut self, tx: &Tx<'_>, now: Millis, nack: &Nack) -> Result<(), Fault> {
        match &self.link {
            Link::Joining { challenged, .. } => {
                let challenged = *challenged;
                self.on_join_refused(now, &challenged, nack.code);
                return Ok(());
            }
            Link::Registering(_) | Link::Proving { .. } => {
                self.on_handshake_refused(tx, nack)?;
                return Ok(());
            }
            Link::Ready(_) => {}
            _ => return Err(UNEXPECTED),
        }
        let until = match nack.class {
            Class::NEVER => None,
            Class::RETRY_AFTER | Class::REFRESH_DEVICES => {
                Some(now.plus(self.rng.stretch(nack.retry_after_ms)))
            }
            // The same connection would refuse again: the request is repeated on the next one.
            Class::RE_AUTHENTICATE | Class::MOVED => {
                let cause = OfflineCause::Refused { code: nack.code };
                self.ending.get_or_insert((cause, ComeBack::Backoff));
                self.live().ok_or(UNEXPECTED)?.leaving.get_or_insert(now);
                Some(now)
            }
            _ => None,
        };
        let request = nack.reference.as_number();
        match nack.of {
            Kind::SEND | Kind::GROUP_SEND => self.on_send_refused(tx, now, nack, until)?,
            Kind::READ => self.on_read_refused(tx, nack, until)?,
            Kind::STATUS => self.on_status_refused(nack, until),
            Kind::LOOKUP => self.on_lookup_refused(tx, now, nack, until)?,
            Kind::DEVICES => self.on_devices_refused(tx, now, (request, nack.code), until)?,
            Kind::CLAIM => self.on_claim_refused(now, request, until),
            Kind::PUBLISH => self.on_publish_refused(tx, now, nack.code, until)?,
            Kind::UPLOAD => self.on_upload_refused(now, until),
            Kind::LINK_OPEN => self.on_link_refused(request, nack.code),
            // It ends by its time, then.
            Kind::LINK_CLOSE => self.on_link_closed(request),
            _ => self.on_group_nack(tx, now, nack, until)?,
        }
        Ok(())
    }

    fn on_group_nack(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        nack: &Nack,
        until: Option<Millis>,
    ) -> Result<(), Fault> {
        let request = nack.reference.as_number();
        let refused = (request, nack.code);
        match nack.of {
            Kind::GROUP_CHANGE => self.on_group_change_refused(tx, now, refused, until)?,
            Kind::GROUP_ASK => self.on_group_ask_refused(tx, now, refused, until)?,
            Kind::GROUP_READ => self.on_group_read_refused(tx, GroupId(request), until)?,
            Kind::GROUP_COUNT => self.on_count_refused(refused),
            Kind::GROUPS => self.on_groups_refused(request),
            _ => self.on_people_nack(tx, nack, until)?,
        }
        Ok(())
    }
}
