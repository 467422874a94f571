//! Keys in scripts: a registered client with a list, and people who answer for their devices.

use std::collections::{BTreeMap, BTreeSet};

use bytes::BytesMut;
use martlet_client::content::Content;
use martlet_client::crypto::device::DeviceKeys;
use martlet_client::crypto::identity::{AccountKey, NamesKey};
use martlet_client::crypto::list::SignedList;
use martlet_client::keys::{DeviceKey, KeySeed};
use martlet_client::local::{Db, IdentityRow, OwnKeys, Stage, Standing, StreamPlace};
use martlet_client::{MessageId, StoreKey};
use martlet_protocol::codec;
use martlet_protocol::frame::{
    Bundles, DeviceLists, Event, EventKind, Frame, GroupList, Published, Related, RelationList,
    Send, SettingsAre, SignedList as ListBytes, Stock,
};
use martlet_protocol::wire::List;
use martlet_protocol::{Address, DeviceId, MessageId as Id, Position, Timestamp, UserId};

use super::puppet::{Puppet, Speech, Subject, listed};
use super::show::name;
use super::{ALICE, START, World};

/// The second device of the client's account.
const TABLET: Address = Address {
    user: ALICE.user,
    device: DeviceId(2),
};

/// Who is behind the server.
#[derive(Default)]
pub(crate) struct People {
    subject: Option<Subject>,
    puppets: BTreeMap<Address, Puppet>,
    own_list: Option<SignedList>,
    /// What each message that was sent said, and its parts: retries repeat the bytes.
    sent: BTreeMap<MessageId, (String, Parts)>,
    /// Messages that were refused because of stale lists: they may be made anew.
    pub(crate) stale: BTreeSet<MessageId>,
}

/// The part of each device.
type Parts = BTreeMap<Address, Vec<u8>>;

impl World {
    /// A client that is registered and reachable, with one device.
    pub(crate) fn registered() -> Self {
        Self::with_account(None)
    }

    /// The same with a second device.
    pub(crate) fn with_tablet() -> Self {
        let signer = DeviceKey::new(&KeySeed([11; 32]));
        Self::with_account(Some((signer, DeviceKeys::random())))
    }

    fn with_account(tablet: Option<(DeviceKey, DeviceKeys)>) -> Self {
        let mut db = Db::memory(&StoreKey::random()).unwrap();
        let key_seed = KeySeed([7; 32]);
        let signer = DeviceKey::new(&key_seed);
        let account = AccountKey::from_seed(&[5; 32]);
        let mut device = DeviceKeys::random();
        let upload = device.prekeys(&signer, ALICE, 20);
        device.mark_published();

        let mut devices = vec![listed(&signer, ALICE, &account, &device)];
        if let Some((signer, keys)) = &tablet {
            devices.push(listed(signer, TABLET, &account, keys));
        }
        let next = DeviceId(devices.len() as u16 + 1);
        let list = SignedList::first(&account, ALICE.user, next, &devices, START).unwrap();
        let subject = Subject {
            address: ALICE,
            head: list.head(),
            identity_key: device.identity_key(),
            prekeys: upload.one_time,
        };

        let tx = db.begin().unwrap();
        tx.put_identity(&IdentityRow {
            server: "home:1".to_owned(),
            trust: None,
            handle: "alice".to_owned(),
            key_seed,
            address: Some(ALICE),
            place: StreamPlace::default(),
            clock_offset_ms: 0,
            standing: Standing::Accepted,
        })
        .unwrap();
        tx.put_own_keys(&OwnKeys {
            account_key: account.public(),
            account: Some(account),
            names: Some(NamesKey::random()),
            name: String::new(),
            device,
            stage: Stage::Reachable,
            rotated_at: START,
        })
        .unwrap();
        tx.put_list(ALICE.user, list.head(), list.bytes()).unwrap();
        tx.learn(ALICE.user, "alice").unwrap();
        tx.commit().unwrap();

        let mut world = Self::new(db);
        world.people.subject = Some(subject);
        if let Some((signer, keys)) = tablet {
            let puppet = Puppet::with_keys(TABLET, signer, keys, list.clone());
            world.people.puppets.insert(TABLET, puppet);
        }
        world.people.own_list = Some(list);
        world
    }
}

impl People {
    fn puppet(&mut self, address: Address) -> &mut Puppet {
        let new = || Puppet::new(address);
        self.puppets.entry(address).or_insert_with(new)
    }

    /// Answers a question about keys, and returns whether it was one.
    pub(crate) fn answer(&mut self, frame: &Frame<'_>, out: &mut BytesMut) -> bool {
        match frame {
            Frame::Devices(asked) => {
                let list = self.list_of(asked.user);
                let is_news = list.version() > asked.have;
                let lists = [ListBytes(list.bytes())];
                codec::encode(
                    &Frame::DeviceLists(DeviceLists {
                        request: asked.request,
                        user: asked.user,
                        newest: list.version(),
                        lists: List::Slice(&lists[..usize::from(is_news)]),
                    }),
                    out,
                );
            }
            Frame::Claim(claim) => {
                let (request, user) = (claim.request, claim.user);
                let bundles: Vec<_> = claim
                    .devices
                    .iter()
                    .map(|device| self.puppet(Address { user, device }).bundle())
                    .collect();
                let bundles = List::Slice(&bundles);
                codec::encode(
                    &Frame::Bundles(Bundles {
                        request,
                        user,
                        bundles,
                    }),
                    out,
                );
            }
            Frame::Publish(publish) => {
                let list = SignedList::verify(publish.list.0, ALICE.user).unwrap();
                codec::encode(
                    &Frame::Published(Published {
                        request: publish.request,
                        version: list.version(),
                    }),
                    out,
                );
            }
            Frame::Upload(upload) => codec::encode(
                &Frame::Stock(Stock {
                    request: upload.request,
                    one_time: upload.one_time.len() as u64,
                    last_resort: upload.last_resort.map_or(0, |key| key.id),
                    last_resort_uses: 0,
                }),
                out,
            ),
            frame => return answer_about_others(frame, out),
        }
        true
    }

    /// An account of the script gets a second device.
    pub(crate) fn link(&mut self, user: UserId) {
        let device = DeviceId(1);
        let second = self.puppet(Address { user, device }).second();
        self.puppets.insert(second.address, second);
    }

    fn list_of(&mut self, user: UserId) -> SignedList {
        match &self.own_list {
            Some(list) if list.user() == user => list.clone(),
            _ => {
                let device = DeviceId(1);
                self.puppet(Address { user, device }).list.clone()
            }
        }
    }

    /// What a SEND says, as each of its recipients reads it.
    pub(crate) fn show_send(
        &mut self,
        send: &Send<'_>,
        names: &BTreeMap<MessageId, String>,
    ) -> String {
        let to = send.to_parts.iter().map(|part| (send.to, part));
        let own = send.own_parts.iter().map(|part| (ALICE.user, part));
        let parts: Parts = to
            .chain(own)
            .map(|(user, part)| {
                let device = part.device;
                (Address { user, device }, part.part.to_vec())
            })
            .collect();
        let known = self.sent.get(&send.message_id).cloned();
        let is_anew = self.stale.remove(&send.message_id);
        if let Some((shown, known)) = &known {
            assert!(is_anew || *known == parts, "a retry repeats the bytes");
            if *known == parts {
                return shown.clone();
            }
        }
        let known = known.map(|(_, parts)| parts).unwrap_or_default();
        let mut contents: Vec<Content> = Vec::new();
        for (address, part) in &parts {
            if let Some(before) = known.get(address) {
                assert_eq!(before, part, "a device that stays keeps its part");
                continue;
            }
            let subject = self.subject.take().unwrap();
            contents.push(self.puppet(*address).read(&subject, part));
            self.subject = Some(subject);
        }
        assert!(
            contents.is_sorted_by(|a, b| a == b),
            "everybody reads the same"
        );
        let content = contents.pop().expect("somebody reads it");
        let id = name(send.message_id, names);
        let shown = if content.is_control() {
            let device = send.to_parts.iter().next().unwrap().device;
            format!("CONTROL {:#04x} {}.{device}", content.kind, send.to.0)
        } else {
            let text = String::from_utf8(content.data).unwrap();
            let (to, after, ttl_ms) = (send.to.0, send.after, send.ttl_ms);
            format!("SEND {id} {to} {after} {ttl_ms} {text}")
        };
        self.sent.insert(send.message_id, (shown.clone(), parts));
        if known.is_empty() {
            shown
        } else {
            format!("{shown} (anew for {})", send.to_version)
        }
    }

    /// The frame with which a message from `peer`, or a copy of one to it, arrives.
    pub(crate) fn event(
        &mut self,
        (kind, position): (EventKind, Position),
        peer: Address,
        (id, timestamp): (Id, Timestamp),
        speech: Option<&Speech<'_>>,
    ) -> BytesMut {
        let is_copy = kind == EventKind::OWN_COPY;
        let user = if is_copy { ALICE.user } else { peer.user };
        let writer = Address {
            user,
            device: peer.device,
        };
        let conversation = if is_copy { peer.user } else { ALICE.user };
        let mut subject = self.subject.take().unwrap();
        let part = match speech {
            Some(speech) => self
                .puppet(writer)
                .write(&mut subject, (id, conversation), speech),
            None => vec![2, 1, 9, 9],
        };
        self.subject = Some(subject);
        let mut out = BytesMut::new();
        codec::encode(
            &Frame::Event(Event {
                position,
                kind,
                peer,
                message_id: id,
                timestamp,
                envelope: &[],
                part: &part,
            }),
            &mut out,
        );
        out
    }
}

/// Answers a question about groups and people, and returns whether it was one.
fn answer_about_others(frame: &Frame<'_>, out: &mut BytesMut) -> bool {
    match frame {
        // The client of a script is in no group.
        Frame::Groups(asked) => codec::encode(
            &Frame::GroupList(GroupList {
                request: asked.request,
                more: false,
                groups: List::Slice(&[]),
            }),
            out,
        ),
        // Nor has it contacts, or settings of its own, and it may have any.
        Frame::Relations(asked) => codec::encode(
            &Frame::RelationList(RelationList {
                request: asked.request,
                more: false,
                relations: List::Slice(&[]),
            }),
            out,
        ),
        Frame::Relate(relate) => {
            let request = relate.request;
            codec::encode(&Frame::Related(Related { request }), out);
        }
        Frame::Settings(asked) => codec::encode(
            &Frame::SettingsAre(SettingsAre {
                request: asked.request,
                settings: asked.set.unwrap_or_default(),
            }),
            out,
        ),
        _ => return false,
    }
    true
}

/// What is shown of questions about keys that were answered.
pub(crate) fn show(frame: &Frame<'_>) -> Option<String> {
    match frame {
        Frame::Publish(publish) => {
            let list = SignedList::verify(publish.list.0, ALICE.user).unwrap();
            Some(format!("PUBLISH {}", list.version()))
        }
        Frame::Upload(upload) => Some(format!("UPLOAD {}", upload.one_time.len())),
        _ => None,
    }
}
