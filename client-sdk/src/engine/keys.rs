//! This home's own keys at the server: the account's list is published, prekeys are uploaded
//! before they run out, and the last-resort key is replaced every week.

use martlet_protocol::frame::{Frame, Publish, Published, SignedList as ListBytes, Stock, Upload};
use martlet_protocol::wire::List;
use martlet_protocol::{Address, DeviceId, Millis, NackCode};

use super::notices::Answer;
use super::state::Core;
use crate::crypto::identity::prove;
use crate::crypto::list::{ListedDevice, SignedList, check_successor};
use crate::error::StoreError;
use crate::local::{Draft, Stage, Tx};

/// How many one-time keys the server is to have.
const STOCK_KEYS: u64 = 50;
/// With fewer than that, more are uploaded.
const STOCK_KEYS_MIN: u64 = 25;
/// How long a last-resort key is handed out, in milliseconds. It is accepted as long again.
const LAST_RESORT_MS: u64 = 7 * 24 * 60 * 60 * 1_000;
/// One that was used is replaced earlier [M-20.12], but not before this time: what was sent to the
/// one before may still be on its way.
const LAST_RESORT_MS_MIN: u64 = 24 * 60 * 60 * 1_000;
/// The pause between two uploads, and after a refusal that nothing here can change, in
/// milliseconds: a server that is never content must not make this client busy.
const PAUSE_MS: u64 = 60 * 1_000;

const HAS_KEYS: &str = "a home that is connected has keys";

/// Requests about own keys that are under way.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    publishing: Option<u64>,
    uploading: Option<u64>,
    /// Whether the table of drafts has one.
    has_draft: bool,
    /// How many one-time keys to upload beside those that were never confirmed.
    wanted: u64,
    /// The last-resort key was used.
    is_worn: bool,
    not_before: Millis,
    /// The application waits to hear that the account can be written to.
    announces: bool,
    /// The newest list of the account before it was reset: the first own list follows it.
    predecessor: Option<SignedList>,
}

impl Upkeep {
    pub(super) fn load(tx: &Tx<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            has_draft: tx.draft()?.is_some(),
            ..Self::default()
        })
    }

    pub(super) const fn is_asking(&self) -> bool {
        self.publishing.is_some() || self.uploading.is_some()
    }

    /// Whether a list is on its way to the server.
    pub(super) const fn has_draft(&self) -> bool {
        self.has_draft
    }

    /// The account had another key before: the first list of this one follows that list.
    pub(super) fn follow(&mut self, predecessor: SignedList) {
        self.predecessor = Some(predecessor);
        self.not_before = Millis(0);
    }

    pub(super) const fn disconnected(&mut self) {
        self.publishing = None;
        self.uploading = None;
        self.not_before = Millis(0);
    }
}

impl Core {
    /// The application is to hear when this home can be written to.
    pub(super) const fn announce(&mut self) {
        self.upkeep.announces = true;
    }

    /// When there is something to do because time has passed.
    pub(super) fn keys_due(&self, now: Millis) -> Option<Millis> {
        let keys = self.keys.as_ref()?;
        let pause = Some(self.upkeep.not_before).filter(|at| *at > now);
        if self.upkeep.is_asking() {
            return None;
        }
        let age = self.server_time(now).since(keys.rotated_at);
        let rotation = now.plus(LAST_RESORT_MS.saturating_sub(age));
        let busy = self.upkeep.has_draft
            || self.upkeep.wanted > 0
            || self.upkeep.is_worn
            || keys.stage != Stage::Reachable;
        match pause {
            Some(pause) if busy => Some(pause),
            _ => Some(rotation).filter(|at| *at > now),
        }
    }

    /// Tells the server what it does not know of the own keys.
    pub(super) fn pump_keys(&mut self, tx: &Tx<'_>, now: Millis) -> Result<(), StoreError> {
        let Some(stage) = self.keys.as_ref().map(|keys| keys.stage) else {
            return Ok(());
        };
        if now < self.upkeep.not_before {
            return Ok(());
        }
        if stage == Stage::Unlisted && !self.upkeep.has_draft {
            self.draft_first(tx, now)?;
        }
        if self.upkeep.has_draft && self.upkeep.publishing.is_none() {
            self.publish(tx)?;
        }
        if stage >= Stage::Unstocked && self.upkeep.uploading.is_none() {
            self.upload(tx, now)?;
        }
        Ok(())
    }

    /// Signs this device's first list of the account: this device alone.
    fn draft_first(&mut self, tx: &Tx<'_>, now: Millis) -> Result<(), StoreError> {
        let address = self.own_address().expect(HAS_KEYS);
        let issued_at = self.server_time(now);
        let keys = self.keys.as_ref().expect(HAS_KEYS);
        let this = self.listed(address, &keys.name);
        let Some(account) = &keys.account else {
            return Ok(());
        };
        let list = match &self.upkeep.predecessor {
            Some(known) => known.reset(account, this, issued_at),
            None => {
                let next = DeviceId(address.device.0.saturating_add(1));
                SignedList::first(account, address.user, next, &[this], issued_at)
            }
        };
        let Ok(list) = list else {
            // The server has given this device an id that the account had before.
            self.upkeep.not_before = now.plus(PAUSE_MS);
            return Ok(());
        };
        self.put_draft(
            tx,
            &Draft {
                list: list.bytes().to_vec(),
                answer: Vec::new(),
                with_history: false,
            },
        )
    }

    /// This device as it stands in a list.
    pub(super) fn listed(&self, address: Address, name: &str) -> ListedDevice {
        let keys = self.keys.as_ref().expect(HAS_KEYS);
        let signer = self.key.as_ref().expect(HAS_KEYS);
        let identity_key = keys.device.identity_key();
        let name = keys.names.as_ref().map(|names| names.seal(address, name));
        ListedDevice {
            device: address.device,
            signing_key: signer.public(),
            identity_key,
            proof: prove(signer, address, &keys.account_key, &identity_key),
            name: name.unwrap_or_default(),
        }
    }

    /// Stores a list to publish. It goes out at the end of the call.
    pub(super) fn put_draft(&mut self, tx: &Tx<'_>, draft: &Draft) -> Result<(), StoreError> {
        tx.put_draft(draft)?;
        self.upkeep.has_draft = true;
        self.upkeep.publishing = None;
        self.upkeep.not_before = Millis(0);
        Ok(())
    }

    fn publish(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        let Some(draft) = tx.draft()? else {
            self.upkeep.has_draft = false;
            return Ok(());
        };
        let request = self.next_key_request();
        self.upkeep.publishing = Some(request);
        self.write(&Frame::Publish(Publish {
            request,
            list: ListBytes(&draft.list),
            answer: &draft.answer,
        }));
        Ok(())
    }

    /// Uploads prekeys where some are missing, or were never confirmed. They are stored before
    /// they can leave.
    fn upload(&mut self, tx: &Tx<'_>, now: Millis) -> Result<(), StoreError> {
        let server_time = self.server_time(now);
        let address = self.own_address().expect(HAS_KEYS);
        let keys = self.keys.as_mut().expect(HAS_KEYS);
        let signer = self.key.as_ref().expect(HAS_KEYS);
        let is_first = keys.stage == Stage::Unstocked;
        let is_old = self.upkeep.is_worn || server_time.since(keys.rotated_at) >= LAST_RESORT_MS;
        if !is_first && !is_old && self.upkeep.wanted == 0 {
            return Ok(());
        }
        if is_old && !is_first {
            keys.device.rotate_last_resort();
        }
        if is_old {
            keys.rotated_at = server_time;
            self.upkeep.is_worn = false;
        }
        let wanted = if is_first {
            STOCK_KEYS
        } else {
            self.upkeep.wanted
        };
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        let upload = keys.device.prekeys(signer, address, wanted);
        tx.put_own_keys(keys)?;
        let request = self.next_key_request();
        self.upkeep.uploading = Some(request);
        self.write(&Frame::Upload(Upload {
            request,
            last_resort: upload.last_resort,
            one_time: List::Slice(&upload.one_time),
        }));
        Ok(())
    }

    pub(super) fn on_published(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        published: &Published,
    ) -> Result<(), StoreError> {
        if self.upkeep.publishing != Some(published.request) {
            return Ok(());
        }
        self.upkeep.publishing = None;
        let Some(draft) = tx.draft()? else {
            return Ok(());
        };
        self.drop_draft(tx)?;
        let address = self.own_address().expect(HAS_KEYS);
        let list = SignedList::verify(&draft.list, address.user);
        let list = list.map_err(|_| StoreError::RowInvalid {
            column: "drafts.list",
        })?;
        let known = self.own_list(tx)?;
        let step = known
            .as_ref()
            .and_then(|known| check_successor(known, &list).ok());
        if let (Some(known), Some(step)) = (&known, &step) {
            self.keep_former(tx, known, &step.removed, list.version())?;
        }
        // Whoever signed it need not be told.
        self.adopt(tx, now, list, None)?;
        self.become_listed(tx)?;
        if known.is_none() {
            self.open_all_parked(tx, now)?;
        }
        let step = step.unwrap_or_default();
        self.on_own_devices(tx, &step, draft.with_history)?;
        for device in &step.renamed {
            let device = *device;
            self.answers.push_back(Answer::DeviceRenamed { device });
        }
        self.outbox_prepared(address.user);
        Ok(())
    }

    /// This device is in the account's list.
    pub(super) fn become_listed(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        if let Some(keys) = self
            .keys
            .as_mut()
            .filter(|keys| keys.stage < Stage::Unstocked)
        {
            keys.stage = Stage::Unstocked;
            tx.put_own_keys(keys)?;
        }
        Ok(())
    }

    /// The server says how many keys it has: when it was given some, and when they run out.
    pub(super) fn on_stock(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        stock: &Stock,
    ) -> Result<(), StoreError> {
        let server_time = self.server_time(now);
        let Some(keys) = self.keys.as_mut() else {
            return Ok(());
        };
        let age = server_time.since(keys.rotated_at);
        self.upkeep.is_worn = stock.last_resort_uses > 0 && age >= LAST_RESORT_MS_MIN;
        self.upkeep.wanted = if stock.one_time < STOCK_KEYS_MIN {
            STOCK_KEYS - stock.one_time
        } else {
            0
        };
        if self.upkeep.uploading != Some(stock.request) {
            return Ok(());
        }
        self.upkeep.uploading = None;
        self.upkeep.not_before = now.plus(PAUSE_MS);
        keys.device.mark_published();
        let was_first = keys.stage == Stage::Unstocked;
        keys.stage = Stage::Reachable;
        tx.put_own_keys(keys)?;
        if was_first && core::mem::take(&mut self.upkeep.announces) {
            let address = self.own_address().expect(HAS_KEYS);
            let (user, device) = (address.user, address.device);
            self.answers.push_back(Answer::Registered { user, device });
        }
        Ok(())
    }

    /// PUBLISH was refused.
    pub(super) fn on_publish_refused(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        code: NackCode,
        until: Option<Millis>,
    ) -> Result<(), StoreError> {
        self.upkeep.publishing = None;
        if let Some(until) = until.filter(|_| code != NackCode::LIST_CONFLICT) {
            self.upkeep.not_before = until;
            return Ok(());
        }
        self.drop_draft(tx)?;
        self.upkeep.not_before = now.plus(PAUSE_MS);
        // Another list is newer than the one that was known here.
        if let Some(own) = self.own_address() {
            self.lists.demand(own.user);
        }
        let is_first = self
            .keys
            .as_ref()
            .is_some_and(|keys| keys.stage == Stage::Unlisted);
        if !is_first {
            self.answers.push_back(Answer::DevicesRefused { code });
        } else if code != NackCode::LIST_CONFLICT && core::mem::take(&mut self.upkeep.announces) {
            self.answers.push_back(Answer::RegistrationRefused { code });
        }
        Ok(())
    }

    /// UPLOAD was refused.
    pub(super) fn on_upload_refused(&mut self, now: Millis, until: Option<Millis>) {
        self.upkeep.uploading = None;
        self.upkeep.not_before = until.unwrap_or_else(|| now.plus(PAUSE_MS));
    }

    fn drop_draft(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        self.upkeep.has_draft = false;
        tx.drop_draft()
    }

    /// A number for a question about keys or devices. They are counted apart from the others.
    pub(super) const fn next_key_request(&mut self) -> u64 {
        self.key_requests += 1;
        self.key_requests
    }
}
