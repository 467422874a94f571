//! What this account lets others know: changed here durably first, told to the server until it has
//! it, and asked for when another device may have changed it.

use martlet_protocol::frame::{Frame, Settings as SettingsFrame, SettingsAre};
use martlet_protocol::{Millis, NackCode};

use super::state::Core;
use crate::error::StoreError;
use crate::event::{Settings, SettingsChange};
use crate::local::{Notice, PeopleNotice, Tx};

/// What was asked of the server, and what is to be.
#[derive(Debug, Default)]
pub(super) struct Settling {
    /// The settings are to be asked for.
    asks: bool,
    asked: Option<u64>,
    /// Something is to be changed.
    is_wanted: bool,
    setting: Option<(u64, Settings)>,
    not_before: Millis,
    /// This connection does not say what they are, and so none can be changed.
    is_refused: bool,
}

impl Settling {
    pub(super) fn load(&mut self, wanted: &SettingsChange) {
        self.is_wanted = !wanted.is_empty();
    }

    pub(super) const fn ask(&mut self) {
        self.asks = true;
    }

    pub(super) const fn is_told(&self) -> bool {
        !self.is_wanted
    }

    pub(super) const fn is_asking(&self) -> bool {
        self.asked.is_some() || self.setting.is_some()
    }

    pub(super) const fn disconnected(&mut self) {
        self.asked = None;
        self.setting = None;
        self.not_before = Millis(0);
        self.is_refused = false;
    }

    /// When what was refused may be repeated.
    pub(super) fn due(&self, now: Millis) -> Option<Millis> {
        let waits = (self.asks || self.is_wanted) && !self.is_asking() && !self.is_refused;
        (waits && self.not_before > now).then_some(self.not_before)
    }
}

impl Core {
    /// A person wants something else.
    pub(super) fn want_settings(
        &mut self,
        tx: &Tx<'_>,
        change: &SettingsChange,
    ) -> Result<(), StoreError> {
        let mut people = tx.people()?;
        people.wanted = people.wanted.and(change);
        tx.put_people(&people)?;
        self.people.settling.load(&people.wanted);
        Ok(())
    }

    pub(super) fn pump_settings(&mut self, tx: &Tx<'_>, now: Millis) -> Result<(), StoreError> {
        let settling = &mut self.people.settling;
        if settling.is_asking() || settling.is_refused || now < settling.not_before {
            return Ok(());
        }
        if !settling.asks && !settling.is_wanted {
            return Ok(());
        }
        let request = self.key_requests + 1;
        let people = tx.people()?;
        // The server sets all of them at once, so the others have to be known.
        let set = people.settings().filter(|_| !settling.asks);
        match set {
            Some(set) => settling.setting = Some((request, set)),
            None => settling.asked = Some(request),
        }
        self.key_requests = request;
        self.write(&Frame::Settings(SettingsFrame {
            request,
            set: set.map(Settings::to_wire),
        }));
        Ok(())
    }

    pub(super) fn on_settings_are(
        &mut self,
        tx: &Tx<'_>,
        answer: &SettingsAre,
    ) -> Result<(), StoreError> {
        let settling = &mut self.people.settling;
        let mut people = tx.people()?;
        let before = people.settings();
        match answer.request {
            0 => {}
            request if settling.asked == Some(request) => {
                settling.asked = None;
                settling.asks = false;
            }
            request => {
                let set = settling.setting.take_if(|(asked, _)| *asked == request);
                let Some((_, set)) = set else {
                    return Ok(());
                };
                // What was changed once more meanwhile is still to be told.
                people.wanted = people.wanted.without(set);
                settling.load(&people.wanted);
            }
        }
        people.known = Some(answer.settings.into());
        tx.put_people(&people)?;
        // What this home has asked for is no news.
        if before.is_some() && people.settings() != before {
            self.notices
                .store(tx, &Notice::People(PeopleNotice::Settings))?;
        }
        Ok(())
    }

    pub(super) fn on_settings_refused(
        &mut self,
        tx: &Tx<'_>,
        (request, code): (u64, NackCode),
        until: Option<Millis>,
    ) -> Result<(), StoreError> {
        let settling = &mut self.people.settling;
        let was_asked = settling.asked.take_if(|asked| *asked == request).is_some();
        let setting = settling.setting.take_if(|(asked, _)| *asked == request);
        if let Some(until) = until {
            settling.not_before = settling.not_before.max(until);
            return Ok(());
        }
        settling.is_refused |= was_asked;
        if setting.is_some() {
            let mut people = tx.people()?;
            people.wanted = SettingsChange::default();
            settling.load(&people.wanted);
            tx.put_people(&people)?;
            let what = PeopleNotice::NoSettings(code);
            self.notices.store(tx, &Notice::People(what))?;
        }
        Ok(())
    }
}
