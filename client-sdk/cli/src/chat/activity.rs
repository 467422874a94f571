//! What others do right now: who is there, and who writes.

use std::collections::BTreeMap;

use martlet_client::{Millis, Presence, Typing};

use crate::output::{Zone, presence};

/// It is known only while there is a connection.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    presence: Option<(Presence, Option<Millis>)>,
    typing: BTreeMap<String, Typing>,
}

impl Activity {
    /// Whether the other side is there, or when it was.
    pub(crate) const fn there(&mut self, state: Presence, last_seen: Option<Millis>) {
        self.presence = Some((state, last_seen));
    }

    /// Somebody begins to write, or stops.
    pub(crate) fn does(&mut self, who: String, kind: Typing) {
        if kind == Typing::Stopped {
            self.typing.remove(&who);
        } else {
            self.typing.insert(who, kind);
        }
    }

    /// In words for the header of a chat.
    pub(crate) fn words(&self, is_group: bool, zone: &Zone) -> Option<String> {
        let doing = |(by, kind): (&String, &Typing)| {
            let kind = match kind {
                Typing::Recording => "recording…",
                _ => "typing…",
            };
            if is_group {
                format!("{by} {kind}")
            } else {
                kind.to_owned()
            }
        };
        let doings: Vec<_> = self.typing.iter().map(doing).collect();
        if !doings.is_empty() {
            return Some(doings.join(", "));
        }
        let (state, last_seen) = self.presence?;
        // One who does not show it is spoken of as ever.
        (state != Presence::Hidden).then(|| presence(state, last_seen, zone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_writes_goes_before_who_is_there() {
        let zone = Zone::utc();
        let mut activity = Activity::default();
        assert_eq!(activity.words(false, &zone), None);
        activity.there(Presence::Online, None);
        assert_eq!(activity.words(false, &zone).unwrap(), "online");
        for (kind, words) in [
            (Typing::Typing, "typing…"),
            (Typing::Recording, "recording…"),
            (Typing::Stopped, "online"),
        ] {
            activity.does("bob".to_owned(), kind);
            assert_eq!(activity.words(false, &zone).unwrap(), words);
        }
        activity.there(Presence::Hidden, None);
        assert_eq!(activity.words(false, &zone), None);
        for by in ["bob", "carol"] {
            activity.does(by.to_owned(), Typing::Typing);
        }
        let words = activity.words(true, &zone).unwrap();
        assert_eq!(words, "bob typing…, carol typing…");
    }
}
