//! Lists, prekeys and links: SPEC.md §19 to §22.

use std::collections::{BTreeMap, BTreeSet};

use martlet_protocol::frame::{
    Bundles, Claim, DeviceLists, Devices, Frame, LinkClosed, LinkOffer, LinkOpen, PrekeyKind,
    Publish, Published, SendScope, Stock, TICKET_BYTES,
};
use martlet_protocol::limits::DEVICE_LISTS_MAX;
use martlet_protocol::{Address, DeviceId, DeviceList, Kind, UserId};

use crate::inbox::Verdict;
use crate::requests::Pending;

/// What one connection after the other has told of accounts, and what is open on this one.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// The newest version and, if it was seen, its devices.
    accounts: BTreeMap<UserId, (u64, Option<Vec<DeviceId>>)>,
    handed_out: BTreeSet<(UserId, DeviceId, u64)>,
    on: Open,
}

#[derive(Debug, Default)]
struct Open {
    asked: Vec<(Kind, u64)>,
    devices: BTreeMap<u64, (UserId, u64)>,
    published: BTreeMap<u64, Vec<u8>>,
    claims: BTreeMap<u64, (UserId, Vec<DeviceId>)>,
    /// The accounts whose newest list came unasked, and its version.
    told: BTreeMap<UserId, u64>,
    link: Option<OpenLink>,
    closes: BTreeMap<u64, [u8; TICKET_BYTES]>,
}

/// A link that a LINK_OPEN of this connection asked for.
#[derive(Debug)]
struct OpenLink {
    device: DeviceId,
    ticket: [u8; TICKET_BYTES],
    comes: Comes,
}

/// What became of the device that is to join.
#[derive(Debug, PartialEq, Eq)]
enum Comes {
    NotYet,
    Waits,
    Gone,
}

impl Book {
    pub(crate) fn connection_begins(&mut self) {
        self.on = Open::default();
    }

    /// Whether this request is open, for a NACK.
    pub(crate) fn has_asked(&self, kind: Kind, request: u64) -> bool {
        self.on.asked.contains(&(kind, request))
    }

    /// Whether a refusal of a message to `to`, made for `version`, was explained before.
    pub(crate) fn has_told(&self, to: UserId, version: u64) -> bool {
        self.on
            .told
            .get(&to)
            .is_some_and(|newest| *newest != version)
    }

    pub(crate) fn client(&mut self, frame: &Frame<'_>) -> Verdict {
        match frame {
            Frame::Devices(devices) => self.devices(devices),
            Frame::Publish(publish) => return self.publish(publish),
            Frame::Upload(upload) => self.ask(Kind::UPLOAD, upload.request),
            Frame::Claim(claim) => self.claim(claim),
            Frame::LinkOpen(open) => self.open(open),
            Frame::LinkClose(close) => {
                self.ask(Kind::LINK_CLOSE, close.request);
                self.on.closes.insert(close.request, close.ticket);
            }
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn server(&mut self, frame: &Frame<'_>, own: Address) -> Verdict {
        match frame {
            Frame::DeviceLists(answer) => self.lists(answer),
            Frame::Published(published) => self.published(published, own.user),
            Frame::Stock(stock) => self.stock(stock),
            Frame::Bundles(bundles) => self.bundles(bundles),
            Frame::LinkOpened(opened) => self.answered(Kind::LINK_OPEN, opened.request, "M-21.4"),
            Frame::LinkOffer(offer) => self.offer(offer),
            Frame::LinkClosed(closed) => self.closed(closed),
            _ => Ok(()),
        }
    }

    fn ask(&mut self, kind: Kind, request: u64) {
        self.on.asked.push((kind, request));
    }

    fn answered(&self, kind: Kind, request: u64, statement: &'static str) -> Verdict {
        self.has_asked(kind, request).then_some(()).ok_or(statement)
    }

    fn devices(&mut self, devices: &Devices) {
        self.ask(Kind::DEVICES, devices.request);
        let asked = (devices.user, devices.have);
        self.on.devices.insert(devices.request, asked);
    }

    fn publish(&mut self, publish: &Publish<'_>) -> Verdict {
        self.ask(Kind::PUBLISH, publish.request);
        let list = publish.list.0.to_vec();
        let gone = self.on.link.as_ref();
        let gone = gone.filter(|link| link.comes == Comes::Gone);
        let decoded = DeviceList::decode(&list).ok();
        let adds = gone.zip(decoded).is_some_and(|(link, list)| {
            // Known or not, a list that has it is one that the existing device has signed.
            list.device(link.device).is_some()
        });
        self.on.published.insert(publish.request, list);
        if adds { Err("M-21.13") } else { Ok(()) }
    }

    fn claim(&mut self, claim: &Claim<'_>) {
        self.ask(Kind::CLAIM, claim.request);
        let named = claim.devices.iter().collect();
        self.on.claims.insert(claim.request, (claim.user, named));
    }

    fn open(&mut self, open: &LinkOpen) {
        self.ask(Kind::LINK_OPEN, open.request);
        self.on.link = Some(OpenLink {
            device: open.device,
            ticket: open.ticket,
            comes: Comes::NotYet,
        });
    }

    fn offer(&mut self, offer: &LinkOffer<'_>) -> Verdict {
        let link = self.on.link.as_mut();
        let Some(link) = link.filter(|link| link.device == offer.device) else {
            let was_open = !self.on.closes.is_empty();
            return Err(if was_open { "M-21.12" } else { "M-21.5" });
        };
        let comes = if offer.offer.is_empty() {
            Comes::Gone
        } else {
            Comes::Waits
        };
        if comes == Comes::Gone && link.comes != Comes::Waits {
            return Err("M-21.13");
        }
        link.comes = comes;
        Ok(())
    }

    fn closed(&mut self, closed: &LinkClosed) -> Verdict {
        let ticket = self.on.closes.get(&closed.request).ok_or("M-21.12")?;
        self.on.link.take_if(|link| link.ticket == *ticket);
        Ok(())
    }

    fn lists(&mut self, answer: &DeviceLists<'_>) -> Verdict {
        const WRONG: &str = "M-19.13";
        let known = self
            .accounts
            .get(&answer.user)
            .map_or(0, |(newest, _)| *newest);
        let (user, have) = match answer.request {
            0 => (answer.user, 0),
            request => *self.on.devices.get(&request).ok_or(WRONG)?,
        };
        if user != answer.user || answer.newest < known {
            return Err(WRONG);
        }
        let first = if have == 0 { answer.newest } else { have + 1 };
        let count = (answer.newest + 1).saturating_sub(first);
        let count = if answer.newest == 0 { 0 } else { count };
        if answer.lists.len() as u64 != count.min(DEVICE_LISTS_MAX as u64) {
            return Err(WRONG);
        }
        for (bytes, version) in answer.lists.iter().zip(first..) {
            let list = DeviceList::decode(bytes.0).map_err(|_| WRONG)?;
            if list.user != user || list.version != version {
                return Err(WRONG);
            }
            self.learn(&list);
        }
        let account = self.accounts.entry(user).or_default();
        if account.0 < answer.newest {
            *account = (answer.newest, None);
        }
        if answer.request == 0 {
            self.on.told.insert(user, answer.newest);
        }
        Ok(())
    }

    fn learn(&mut self, list: &DeviceList<'_>) {
        let account = self.accounts.entry(list.user).or_default();
        if account.0 <= list.version {
            let devices = list.devices.iter().map(|listed| listed.device);
            *account = (list.version, Some(devices.collect()));
        }
    }

    fn published(&mut self, published: &Published, own: UserId) -> Verdict {
        let bytes = self.on.published.get(&published.request);
        let bytes = bytes.ok_or("M-19.9")?.clone();
        let list = DeviceList::decode(&bytes).map_err(|_| "M-19.10")?;
        if list.user != own {
            return Err("M-19.10");
        }
        if list.version != published.version {
            return Err("M-19.9");
        }
        let known = self.accounts.get(&own).map_or(0, |(newest, _)| *newest);
        if known > 0 && ![known, known + 1].contains(&list.version) {
            return Err("M-19.11");
        }
        self.learn(&list);
        Ok(())
    }

    fn stock(&self, stock: &Stock) -> Verdict {
        let runs_out = stock.one_time < 10 || stock.last_resort_uses > 0;
        match stock.request {
            0 if runs_out => Ok(()),
            0 => Err("M-20.6"),
            request => self.answered(Kind::UPLOAD, request, "M-20.3"),
        }
    }

    fn bundles(&mut self, bundles: &Bundles<'_>) -> Verdict {
        let (user, named) = self.on.claims.get(&bundles.request).ok_or("M-20.7")?;
        let mut left = named.iter();
        let in_order = bundles
            .bundles
            .iter()
            .all(|bundle| left.any(|device| *device == bundle.device));
        if *user != bundles.user || !in_order {
            return Err("M-20.7");
        }
        for bundle in &bundles.bundles {
            let key = (bundles.user, bundle.device, bundle.prekey.id);
            if bundle.kind == PrekeyKind::ONE_TIME && !self.handed_out.insert(key) {
                return Err("M-20.8");
            }
        }
        Ok(())
    }

    /// What holds for the parts of a message that the server has taken.
    pub(crate) fn check_accepted(&self, sent: &Pending, own: Address) -> Verdict {
        let payload = &sent.payload;
        let devices = |parts: &[(DeviceId, Vec<u8>)]| -> Vec<DeviceId> {
            parts.iter().map(|(device, _)| *device).collect()
        };
        let (to, others) = (devices(&payload.to_parts), devices(&payload.own_parts));
        let statement = match payload.scope {
            SendScope::ALL => "M-22.2",
            SendScope::NAMED => "M-22.3",
            _ => return Err("M-22.4"),
        };
        let ascends = |list: &[DeviceId]| list.is_sorted_by(|a, b| a < b);
        if !ascends(&to) || !ascends(&others) {
            return Err(statement);
        }
        let newest = |user| self.accounts.get(&user).map_or(0, |(version, _)| *version);
        let all = payload.scope == SendScope::ALL;
        if sent.to_version < newest(payload.to) || (all && sent.own_version < newest(own.user)) {
            return Err("M-22.7");
        }
        if !all {
            let himself = payload.to == own.user && to.contains(&own.device);
            let wrong = to.is_empty() || !others.is_empty() || himself;
            return if wrong { Err("M-22.3") } else { Ok(()) };
        }
        let listed = |user, version| match self.accounts.get(&user) {
            _ if version == 0 => Some(Vec::new()),
            Some((newest, devices)) if *newest == version => devices.clone(),
            _ => None,
        };
        let mut siblings = listed(own.user, sent.own_version);
        if let Some(siblings) = &mut siblings {
            siblings.retain(|device| *device != own.device);
        }
        let right = listed(payload.to, sent.to_version).is_none_or(|listed| listed == to)
            && siblings.is_none_or(|siblings| siblings == others);
        right.then_some(()).ok_or("M-22.2")
    }
}
