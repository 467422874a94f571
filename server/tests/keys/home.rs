//! An account with its devices, as its owner has them on the table.

use std::net::SocketAddr;

use aws_lc_rs::signature::Ed25519KeyPair;
use martlet_protocol::auth::PrekeyKind;
use martlet_protocol::frame::{
    Bundle, Claim, Devices, Frame, Nack, Publish, SendScope, SignedList, Stock, Upload,
};
use martlet_protocol::wire::List;
use martlet_protocol::{Address, DeviceId, Kind, NackCode, Timestamp, UserId};

use crate::support::client::{Client, Outgoing, OwnPart};
use crate::support::household::Household;
use crate::support::wire::Got;

/// An account that has published its devices. All of them are connected.
pub(crate) struct Home {
    pub(crate) household: Household,
    /// By ascending id; the first one signs and publishes.
    pub(crate) devices: Vec<Client>,
    server: SocketAddr,
}

impl Home {
    /// A new account with so many devices.
    pub(crate) fn new(server: SocketAddr, handle: &str, devices: usize) -> Self {
        let mut first = Client::register(server, handle);
        first.go_online(server);
        let household = Household::new(first.address(), first.key());
        let mut home = Self {
            household,
            devices: vec![first],
            server,
        };
        home.publish();
        while home.devices.len() < devices {
            home.add_device();
        }
        home
    }

    pub(crate) fn user(&self) -> UserId {
        self.household.user
    }

    pub(crate) fn first(&mut self) -> &mut Client {
        &mut self.devices[0]
    }

    /// Publishes the next list.
    pub(crate) fn publish(&mut self) {
        let list = self.household.sign();
        let (version, _) = self.household.head;
        publish(self.first(), &list, b"");
        assert_eq!(published(self.first()), version);
    }

    /// One device more. It is told of nothing that was there before.
    pub(crate) fn add_device(&mut self) -> &mut Client {
        let key = Ed25519KeyPair::generate().expect("make a key");
        let address = self.household.admit(&key);
        self.publish();
        let mut device = Client::of(key, address);
        let ready = device.go_online(self.server);
        assert_eq!(
            (ready.cursor.0, ready.tail.0),
            (0, 0),
            "a stream of its own"
        );
        self.devices.push(device);
        self.devices.last_mut().expect("it was just added")
    }

    /// One device less. It is still connected, as far as it knows.
    pub(crate) fn remove(&mut self, device: u16) -> Client {
        self.household.dismiss(DeviceId(device));
        self.publish();
        let mut devices = self.devices.iter();
        let index = devices.position(|it| it.address().device == DeviceId(device));
        self.devices.remove(index.expect("it is there"))
    }

    /// A message of one device to all devices of `to` and to the others here. Each part says whom
    /// it is for.
    pub(crate) fn compose(&mut self, from: usize, to: &Self, text: &str) -> Outgoing {
        let sender = self.devices[from].address().device;
        let own_parts = self.parts(text, |device| device != sender);
        let versions = (to.household.head.0, self.household.head.0);
        Outgoing {
            versions,
            to_parts: to.parts(text, |_| true),
            own_parts,
            ..self.devices[from].compose(to.user(), text.as_bytes())
        }
    }

    /// A message of one device for these devices of `to` alone.
    pub(crate) fn compose_for(
        &mut self,
        from: usize,
        to: &Household,
        devices: &[u16],
        text: &str,
    ) -> Outgoing {
        Outgoing {
            scope: SendScope::NAMED,
            versions: (to.head.0, 0),
            to_parts: devices
                .iter()
                .map(|device| part(to.user, DeviceId(*device), text))
                .collect(),
            ..self.devices[from].compose(to.user, text.as_bytes())
        }
    }

    fn parts(&self, text: &str, is_meant: impl Fn(DeviceId) -> bool) -> Vec<OwnPart> {
        let devices = self.household.devices.iter().map(|listed| listed.device);
        devices
            .filter(|device| is_meant(*device))
            .map(|device| part(self.user(), device, text))
            .collect()
    }

    /// Brings one-time keys with these ids, and a last-resort key unless its id is 0.
    pub(crate) fn upload(
        &mut self,
        index: usize,
        one_time: impl IntoIterator<Item = u64>,
        last_resort: u64,
    ) -> Stock {
        let device = &mut self.devices[index];
        let household = &self.household;
        let one_time = household.prekeys(device.key(), PrekeyKind::ONE_TIME, one_time);
        let kind = PrekeyKind::LAST_RESORT;
        let last_resort = (last_resort > 0).then_some(last_resort);
        let last_resort = household.prekeys(device.key(), kind, last_resort);
        let request = UPLOAD;
        device.ask(&Frame::Upload(Upload {
            request,
            last_resort: last_resort.first().copied(),
            one_time: List::Slice(&one_time),
        }));
        device.expect("STOCK", |got| match got {
            Got::Stock(stock) if stock.request == request => Some(*stock),
            Got::Nack(nack) => panic!("refused: {nack:?}"),
            _ => None,
        })
    }
}

/// What a device gets of a message.
pub(crate) fn part(user: UserId, device: DeviceId, text: &str) -> OwnPart {
    (device, format!("{text} for {user}.{device}").into_bytes())
}

/// Asks to publish a list.
pub(crate) fn publish(client: &mut Client, list: &[u8], answer: &[u8]) {
    client.ask(&Frame::Publish(Publish {
        request: PUBLISH,
        list: SignedList(list),
        answer,
    }));
}

/// The version of PUBLISHED.
pub(crate) fn published(client: &mut Client) -> u64 {
    client.expect("PUBLISHED", |got| match got {
        Got::Published(published) => {
            assert_eq!(published.request, PUBLISH);
            Some(published.version)
        }
        Got::Nack(nack) => panic!("refused: {nack:?}"),
        _ => None,
    })
}

/// An account's version, and its lists behind `have`.
pub(crate) fn lists_of(client: &mut Client, user: UserId, have: u64) -> (u64, Vec<Vec<u8>>) {
    let request = 1_000 + have;
    client.ask(&Frame::Devices(Devices {
        request,
        user,
        have,
    }));
    client.expect("DEVICE_LISTS", |got| match got {
        Got::DeviceLists {
            request: of,
            user: whose,
            newest,
            lists,
        } if *of == request => {
            assert_eq!(*whose, user);
            Some((*newest, lists.clone()))
        }
        _ => None,
    })
}

/// Asks for a prekey of each of these devices.
pub(crate) fn claim(client: &mut Client, user: UserId, devices: &[u16]) {
    let devices: Vec<_> = devices.iter().copied().map(DeviceId).collect();
    client.ask(&Frame::Claim(Claim {
        request: CLAIM,
        user,
        devices: List::Slice(&devices),
    }));
}

/// The prekeys that came, or why none.
pub(crate) fn claimed(client: &mut Client) -> Result<Vec<Bundle>, Nack> {
    client.expect("BUNDLES", |got| match got {
        Got::Bundles {
            request, bundles, ..
        } if *request == CLAIM => Some(Ok(bundles.clone())),
        Got::Nack(nack) if nack.of == Kind::CLAIM => Some(Err(*nack)),
        _ => None,
    })
}

/// Asserts that a request is refused so.
pub(crate) fn expect_refusal(client: &mut Client, of: Kind, code: NackCode) -> Nack {
    let nack = client.expect("a refusal", |got| match got {
        Got::Nack(nack) => Some(*nack),
        Got::Published(_) | Got::Sent(_) => panic!("{of:?} was not refused: {got:?}"),
        Got::Stock(stock) if stock.request != 0 => panic!("{of:?} was not refused"),
        _ => None,
    });
    assert_eq!((nack.of, nack.code), (of, code));
    nack
}

/// Sends a message that is accepted: by so many devices.
pub(crate) fn deliver(client: &mut Client, outgoing: &Outgoing) -> u64 {
    client.send(outgoing, Timestamp(0));
    client.expect("SENT", |got| match got {
        Got::Sent(sent) if sent.message_id == outgoing.id => Some(sent.devices),
        Got::Nack(nack) => panic!("refused: {nack:?}"),
        _ => None,
    })
}

/// The next message of a device: whom it is from or was sent to, and what it says.
pub(crate) fn receive(client: &mut Client) -> (Address, String, String) {
    let message = client.next_message();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (message.peer, text(&message.envelope), text(&message.part))
}

pub(crate) const PUBLISH: u64 = 61;
const UPLOAD: u64 = 62;
const CLAIM: u64 = 63;
