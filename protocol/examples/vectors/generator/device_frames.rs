//! The frames about devices, prekeys and links with usual values and with values at the edges.
//! Lists, keys and signatures inside them are placeholders: a frame carries them unread.

use martlet_protocol::frame::*;
use martlet_protocol::limits::VARINT_MAX;
use martlet_protocol::wire::List;
use martlet_protocol::{Address, DeviceId, UserId};

use super::frames::Cases;
use super::people::{ALICE, BOB};

pub(crate) fn cases() -> Cases {
    [lists(), prekeys(), links()].concat()
}

fn lists() -> Cases {
    let devices = |user, have| {
        Frame::Devices(Devices {
            request: 7,
            user,
            have,
        })
    };
    let lists = |newest, lists| {
        Frame::DeviceLists(DeviceLists {
            request: 7,
            user: BOB.address.user,
            newest,
            lists: List::Slice(lists),
        })
    };
    let publish = |answer| {
        Frame::Publish(Publish {
            request: 8,
            list: SignedList(b"list 3"),
            answer,
        })
    };
    let published = |request, version| Frame::Published(Published { request, version });
    const TWO: &[SignedList<'static>] = &[SignedList(b"list 2"), SignedList(b"list 3")];
    const MANY: &[SignedList<'static>] = &[SignedList(b""); 16];
    vec![
        ("DEVICES", devices(BOB.address.user, 1)),
        ("DEVICES for the newest", devices(UserId(u64::MAX), 0)),
        ("DEVICE_LISTS", lists(3, TWO)),
        ("DEVICE_LISTS when nothing is newer", lists(3, &[])),
        ("DEVICE_LISTS as many as may be", lists(VARINT_MAX, MANY)),
        ("PUBLISH", publish(b"answer")),
        ("PUBLISH without a link", publish(b"")),
        ("PUBLISHED", published(8, 3)),
        ("PUBLISHED far on", published(VARINT_MAX, VARINT_MAX)),
    ]
}

const fn prekey(id: u64) -> Prekey {
    Prekey {
        id,
        key: [0x6b; 32],
        signature: [0x73; 64],
    }
}

fn prekeys() -> Cases {
    const ONE: &[Prekey] = &[prekey(41)];
    const THREE: &[Prekey] = &[prekey(1), prekey(2), prekey(u64::MAX)];
    const BUNDLE: Bundle = Bundle {
        device: DeviceId(1),
        kind: PrekeyKind::ONE_TIME,
        prekey: prekey(41),
    };
    const LATER: Bundle = Bundle {
        device: DeviceId(u16::MAX),
        kind: PrekeyKind(255),
        prekey: prekey(u64::MAX),
    };
    const LAST_RESORT: Bundle = Bundle {
        kind: PrekeyKind::LAST_RESORT,
        ..BUNDLE
    };
    let upload = |last_resort, one_time| {
        Frame::Upload(Upload {
            request: 9,
            last_resort,
            one_time: List::Slice(one_time),
        })
    };
    let stock = |request, one_time, last_resort, last_resort_uses| {
        Frame::Stock(Stock {
            request,
            one_time,
            last_resort,
            last_resort_uses,
        })
    };
    let claim = |devices| {
        Frame::Claim(Claim {
            request: 10,
            user: BOB.address.user,
            devices: List::Slice(devices),
        })
    };
    let bundles = |bundles| {
        Frame::Bundles(Bundles {
            request: 10,
            user: BOB.address.user,
            bundles: List::Slice(bundles),
        })
    };
    vec![
        ("UPLOAD", upload(Some(prekey(2)), ONE)),
        ("UPLOAD of one-time keys", upload(None, THREE)),
        ("UPLOAD that asks for the stock", upload(None, &[])),
        ("STOCK", stock(9, 100, 2, 0)),
        ("STOCK that nobody asked for", stock(0, 9, 2, 3)),
        ("STOCK of nothing", stock(9, 0, 0, 0)),
        ("CLAIM", claim(&[DeviceId(1), DeviceId(3)])),
        ("CLAIM for nobody", claim(&[])),
        ("BUNDLES", bundles(&[BUNDLE])),
        ("BUNDLES of two kinds", bundles(&[BUNDLE, LAST_RESORT])),
        ("BUNDLES of an unknown kind", bundles(&[LATER])),
        ("BUNDLES without any key", bundles(&[])),
    ]
}

fn links() -> Cases {
    let ticket = [0x74; TICKET_BYTES];
    let address = Address {
        user: ALICE.address.user,
        device: DeviceId(2),
    };
    let open = LinkOpen {
        request: 11,
        device: address.device,
        ticket,
    };
    let join = LinkJoin {
        address,
        ticket,
        offer: b"offer",
    };
    let offer = LinkOffer {
        device: address.device,
        offer: b"offer",
    };
    let gone = LinkOffer {
        device: address.device,
        offer: b"",
    };
    let close = LinkClose {
        request: 12,
        ticket,
    };
    vec![
        ("LINK_OPEN", Frame::LinkOpen(open)),
        ("LINK_OPENED", Frame::LinkOpened(LinkOpened { request: 11 })),
        ("LINK_JOIN", Frame::LinkJoin(join)),
        ("LINK_OFFER", Frame::LinkOffer(offer)),
        ("LINK_OFFER that is gone", Frame::LinkOffer(gone)),
        ("LINKED", Frame::Linked(Linked { answer: b"answer" })),
        ("LINK_CLOSE", Frame::LinkClose(close)),
        ("LINK_CLOSED", Frame::LinkClosed(LinkClosed { request: 12 })),
    ]
}
