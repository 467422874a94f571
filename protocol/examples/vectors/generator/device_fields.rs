//! The fields of the frames about devices, prekeys and links, as SPEC.md lists them.

use martlet_protocol::frame::{Bundle, Frame, Part, Parts, Prekey, SignedList};
use martlet_protocol::wire::List;

use super::fields::{Fields, Value, address, raw, user};

/// A list of parts.
pub(crate) fn parts(parts: Parts<'_>) -> Value {
    let part = |part: Part<'_>| {
        vec![
            ("device", Value::Device(part.device.0)),
            ("part", Value::Bytes(part.part.to_vec(), 2048)),
        ]
    };
    Value::List(parts.into_iter().map(part).collect(), 5)
}

/// The fields of `frame`, if it is one of these.
pub(crate) fn of(frame: &Frame<'_>) -> Option<Fields> {
    lists(frame)
        .or_else(|| prekeys(frame))
        .or_else(|| link(frame))
}

fn lists(frame: &Frame<'_>) -> Option<Fields> {
    Some(match frame {
        Frame::Devices(devices) => vec![
            ("request", Value::Varint(devices.request)),
            ("user", user(devices.user)),
            ("have", Value::Varint(devices.have)),
        ],
        Frame::DeviceLists(answer) => vec![
            ("request", Value::Varint(answer.request)),
            ("user", user(answer.user)),
            ("newest", Value::Varint(answer.newest)),
            ("lists", signed_lists(answer.lists)),
        ],
        Frame::Publish(publish) => vec![
            ("request", Value::Varint(publish.request)),
            ("list", Value::Bytes(publish.list.0.to_vec(), 2048)),
            ("answer", Value::Bytes(publish.answer.to_vec(), 1024)),
        ],
        Frame::Published(published) => vec![
            ("request", Value::Varint(published.request)),
            ("version", Value::Varint(published.version)),
        ],
        _ => return None,
    })
}

fn signed_lists(lists: List<'_, SignedList<'_>>) -> Value {
    let list = |list: SignedList<'_>| vec![("", Value::Bytes(list.0.to_vec(), 2048))];
    Value::List(lists.into_iter().map(list).collect(), 16)
}

fn prekeys(frame: &Frame<'_>) -> Option<Fields> {
    Some(match frame {
        Frame::Upload(upload) => vec![
            ("request", Value::Varint(upload.request)),
            (
                "last_resort",
                Value::List(upload.last_resort.iter().map(prekey).collect(), 1),
            ),
            (
                "one_time",
                Value::List(
                    upload.one_time.iter().map(|key| prekey(&key)).collect(),
                    100,
                ),
            ),
        ],
        Frame::Stock(stock) => vec![
            ("request", Value::Varint(stock.request)),
            ("one_time", Value::Varint(stock.one_time)),
            ("last_resort", Value::U64(stock.last_resort)),
            ("last_resort_uses", Value::Varint(stock.last_resort_uses)),
        ],
        Frame::Claim(claim) => {
            let devices = claim.devices.iter();
            let devices = devices.map(|device| vec![("", Value::Device(device.0))]);
            vec![
                ("request", Value::Varint(claim.request)),
                ("user", user(claim.user)),
                ("devices", Value::List(devices.collect(), 5)),
            ]
        }
        Frame::Bundles(bundles) => vec![
            ("request", Value::Varint(bundles.request)),
            ("user", user(bundles.user)),
            (
                "bundles",
                Value::List(bundles.bundles.iter().map(bundle).collect(), 5),
            ),
        ],
        _ => return None,
    })
}

fn prekey(prekey: &Prekey) -> Fields {
    vec![
        ("id", Value::U64(prekey.id)),
        ("key", raw(&prekey.key)),
        ("signature", raw(&prekey.signature)),
    ]
}

fn bundle(bundle: Bundle) -> Fields {
    let mut fields = vec![
        ("device", Value::Device(bundle.device.0)),
        ("kind", Value::U8(bundle.kind.0)),
    ];
    fields.extend(prekey(&bundle.prekey));
    fields
}

fn link(frame: &Frame<'_>) -> Option<Fields> {
    Some(match frame {
        Frame::LinkOpen(open) => vec![
            ("request", Value::Varint(open.request)),
            ("device", Value::Device(open.device.0)),
            ("ticket", raw(&open.ticket)),
        ],
        Frame::LinkOpened(opened) => vec![("request", Value::Varint(opened.request))],
        Frame::LinkClose(close) => vec![
            ("request", Value::Varint(close.request)),
            ("ticket", raw(&close.ticket)),
        ],
        Frame::LinkClosed(closed) => vec![("request", Value::Varint(closed.request))],
        Frame::LinkJoin(join) => [
            address("user", join.address).into(),
            vec![
                ("ticket", raw(&join.ticket)),
                ("offer", Value::Bytes(join.offer.to_vec(), 1024)),
            ],
        ]
        .concat(),
        Frame::LinkOffer(offer) => vec![
            ("device", Value::Device(offer.device.0)),
            ("offer", Value::Bytes(offer.offer.to_vec(), 1024)),
        ],
        Frame::Linked(linked) => vec![("answer", Value::Bytes(linked.answer.to_vec(), 1024))],
        _ => return None,
    })
}
