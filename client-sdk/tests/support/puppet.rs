//! The other ends of a script: accounts with real keys, which read what the client sends and write
//! what it receives.

use std::collections::BTreeMap;

use martlet_client::content::Content;
use martlet_client::crypto::chain::SendChain;
use martlet_client::crypto::device::DeviceKeys;
use martlet_client::crypto::identity::{AccountKey, prove};
use martlet_client::crypto::list::{Head, ListedDevice, SignedList};
use martlet_client::crypto::payload::{Contents, Payload, kind};
use martlet_client::crypto::ratchet::PeerSessions;
use martlet_client::keys::{DeviceKey, KeySeed};
use martlet_client::{MessageId, Millis};
use martlet_protocol::frame::{Bundle, Prekey, PrekeyKind};
use martlet_protocol::{Address, DeviceId, UserId};

/// A device that a script plays.
pub(crate) struct Puppet {
    pub(crate) address: Address,
    signer: DeviceKey,
    keys: DeviceKeys,
    /// Its account's list.
    pub(crate) list: SignedList,
    sessions: PeerSessions,
    chains: BTreeMap<(UserId, bool), SendChain>,
    /// What it has written: a message that is pushed again has the same bytes.
    written: BTreeMap<MessageId, Vec<u8>>,
}

/// What a puppet says.
pub(crate) struct Speech<'a> {
    pub(crate) kind: u8,
    pub(crate) contents: &'a [u8],
    /// It names another message as the one before than it has sent.
    pub(crate) breaks_chain: bool,
}

impl<'a> Speech<'a> {
    pub(crate) const fn text(text: &'a str) -> Self {
        Self {
            kind: kind::TEXT,
            contents: text.as_bytes(),
            breaks_chain: false,
        }
    }
}

/// The client under test, as its peers see it.
pub(crate) struct Subject {
    pub(crate) address: Address,
    pub(crate) head: Head,
    pub(crate) identity_key: [u8; 32],
    /// Prekeys that nobody has claimed.
    pub(crate) prekeys: Vec<Prekey>,
}

impl Puppet {
    /// The only device of an account of its own.
    pub(crate) fn new(address: Address) -> Self {
        let account = AccountKey::from_seed(&[0x40 + address.user.0 as u8; 32]);
        let signer = DeviceKey::new(&KeySeed([0x60 + address.user.0 as u8; 32]));
        let keys = DeviceKeys::random();
        let this = listed(&signer, address, &account, &keys);
        let next = DeviceId(address.device.0 + 1);
        let list = SignedList::first(&account, address.user, next, &[this], Millis(0)).unwrap();
        Self::with_keys(address, signer, keys, list)
    }

    /// Its account's second device, which stands in the account's next list.
    pub(crate) fn second(&mut self) -> Self {
        let address = Address {
            user: self.address.user,
            device: self.list.next_device(),
        };
        let account = AccountKey::from_seed(&[0x40 + address.user.0 as u8; 32]);
        let signer = DeviceKey::new(&KeySeed([0x70 + address.user.0 as u8; 32]));
        let keys = DeviceKeys::random();
        let device = listed(&signer, address, &account, &keys);
        self.list = self.list.with_device(&account, device, Millis(1)).unwrap();
        Self::with_keys(address, signer, keys, self.list.clone())
    }

    pub(crate) fn with_keys(
        address: Address,
        signer: DeviceKey,
        keys: DeviceKeys,
        list: SignedList,
    ) -> Self {
        Self {
            address,
            signer,
            keys,
            list,
            sessions: PeerSessions::new(),
            chains: BTreeMap::new(),
            written: BTreeMap::new(),
        }
    }

    /// What CLAIM gets of it.
    pub(crate) fn bundle(&mut self) -> Bundle {
        let upload = self.keys.prekeys(&self.signer, self.address, 1);
        self.keys.mark_published();
        Bundle {
            device: self.address.device,
            kind: PrekeyKind::ONE_TIME,
            prekey: upload.one_time[0],
        }
    }

    /// The part with which it says `text` to the client under test.
    pub(crate) fn write(
        &mut self,
        subject: &mut Subject,
        (id, conversation): (MessageId, UserId),
        speech: &Speech<'_>,
    ) -> Vec<u8> {
        if let Some(part) = self.written.get(&id) {
            return part.clone();
        }
        if self.sessions.is_empty() {
            let prekey = subject.prekeys.pop().expect("prekeys are left");
            self.sessions
                .start(&self.keys, &subject.identity_key, &prekey.key)
                .unwrap();
        }
        let is_control = kind::is_control(speech.kind);
        let chain = self.chains.entry((conversation, is_control)).or_default();
        let (counter, mut previous) = chain.next();
        if speech.breaks_chain {
            previous[0] ^= 1;
        }
        let payload = Payload {
            kind: speech.kind,
            message_id: id,
            sender: self.address,
            recipient: subject.address,
            conversation,
            own: self.list.head(),
            peer: if conversation == subject.address.user {
                subject.head
            } else {
                Head::default()
            },
            counter,
            previous,
            contents: Contents::Inline(speech.contents),
        };
        let payload = payload.encode();
        chain.advance(&payload);
        let part = self.sessions.encrypt(&payload).unwrap();
        self.written.insert(id, part.clone());
        part
    }

    /// What the client under test says in a part.
    pub(crate) fn read(&mut self, subject: &Subject, part: &[u8]) -> Content {
        let identity_key = &subject.identity_key;
        let opened = self.sessions.decrypt(&mut self.keys, identity_key, part);
        let opened = opened.expect("a client encrypts for this device");
        let payload = Payload::decode(&opened.plain).unwrap();
        let Contents::Inline(contents) = payload.contents else {
            panic!("scripts have short texts");
        };
        Content {
            kind: payload.kind,
            data: contents.to_vec(),
        }
    }
}

/// A device as it stands in a list.
pub(crate) fn listed(
    signer: &DeviceKey,
    address: Address,
    account: &AccountKey,
    keys: &DeviceKeys,
) -> ListedDevice {
    let identity_key = keys.identity_key();
    ListedDevice {
        device: address.device,
        signing_key: signer.public(),
        identity_key,
        proof: prove(signer, address, &account.public(), &identity_key),
        name: Vec::new(),
    }
}
