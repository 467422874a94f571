//! A crowd that comes, goes and types, and a disk that hears nothing of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use martlet_protocol::UserId;
use martlet_protocol::frame::{PresenceState, Relation};

use crate::people::{Place, look, relate, settings, type_to, watch};
use crate::support::client::Client;
use crate::support::wire::Got;

/// Everybody watches everybody: 10,000 watches.
const PEOPLE: usize = 100;
/// Each of them changes ten times a second: 1,000 changes a second.
const ROUNDS: usize = 100;
const ROUND: Duration = Duration::from_millis(100);
const THREADS: usize = 4;

/// When an account was last seen is written a minute later at the earliest.
const WRITTEN_AFTER: Duration = Duration::from_secs(60);

/// Every file of a data directory with its size and its last change. The store's text log is no
/// state.
fn files_of(directory: &Path) -> Vec<(PathBuf, u64, SystemTime)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).expect("the data directory") {
        let path = entry.expect("an entry").path();
        let meta = fs::metadata(&path).expect("what it is");
        if meta.is_dir() {
            files.extend(files_of(&path));
        } else if !path.ends_with("LOG") {
            let changed = meta.modified().expect("the time of its last change");
            files.push((path, meta.len(), changed));
        }
    }
    files.sort();
    files
}

/// What one of the crowd was told.
#[derive(Default)]
struct Told {
    presences: usize,
    /// Accounts that were online at some time.
    online: Vec<UserId>,
    typed: usize,
}

impl Told {
    /// Takes what has come.
    fn drain(&mut self, person: &mut Client) {
        let next = |person: &mut Client| person.next(Duration::from_millis(1));
        while let Some(got) = next(person).expect("the connection lives") {
            match got {
                Got::Presence(presence) => {
                    self.presences += 1;
                    if presence.state == PresenceState::ONLINE {
                        self.online.push(presence.user);
                    }
                }
                Got::Typed(_) => self.typed += 1,
                other => panic!("nobody asked for {other:?}"),
            }
        }
    }
}

/// People who come and go in step, and type when they come.
fn flicker(people: &mut [Client], users: &[UserId]) -> Vec<Told> {
    let mut told: Vec<_> = people.iter().map(|_| Told::default()).collect();
    let started = Instant::now();
    for round in 0..ROUNDS {
        for (index, (person, told)) in people.iter_mut().zip(&mut told).enumerate() {
            look(person, round % 2 == 0);
            // Once a second, for that is how often something may have come.
            if round % 10 == index % 10 {
                type_to(person, users[round % users.len()]);
                told.drain(person);
            }
        }
        let next = ROUND * u32::try_from(round + 1).expect("not many");
        thread::sleep(next.saturating_sub(started.elapsed()));
    }
    for (person, told) in people.iter_mut().zip(&mut told) {
        told.drain(person);
    }
    told
}

#[test]
fn ten_thousand_watches_and_a_thousand_changes_a_second_write_nothing() {
    let started = Instant::now();
    let place = Place::new();
    let mut people: Vec<_> = (0..PEOPLE)
        .map(|number| place.account(&format!("person{number}")))
        .collect();
    let users: Vec<_> = people.iter().map(|it| it.address().user).collect();
    for person in &mut people {
        watch(person, 1, &users);
        for _ in &users {
            person.expect("a PRESENCE for each", |got| {
                matches!(got, Got::Presence(_)).then_some(())
            });
        }
        // All that their coming has caused is on disk by the time this is answered.
        settings(person, None);
    }
    let before = files_of(place.site.data());
    let flickering = Instant::now();
    let told: Vec<Told> = thread::scope(|scope| {
        let threads: Vec<_> = people
            .chunks_mut(PEOPLE / THREADS)
            .map(|some| scope.spawn(|| flicker(some, &users)))
            .collect();
        let each = threads.into_iter().map(|it| it.join().expect("it ends"));
        each.flatten().collect()
    });
    let (took, in_all) = (flickering.elapsed(), started.elapsed());
    let after = files_of(place.site.data());

    let presences: usize = told.iter().map(|told| told.presences).sum();
    let changes = PEOPLE * ROUNDS;
    println!("{changes} changes in {took:?}: {presences} told");
    assert!(
        in_all < WRITTEN_AFTER,
        "too slow to show anything: {in_all:?}"
    );
    for told in &told {
        let online = users.iter().filter(|user| told.online.contains(user));
        assert_eq!(online.count(), PEOPLE, "everybody was seen by everybody");
    }
    let seconds = usize::try_from(in_all.as_secs()).expect("a minute at most");
    let most = PEOPLE * PEOPLE * (seconds + 2);
    assert!(presences <= most, "{presences} are more than one a second");
    assert!(told.iter().any(|told| told.typed > 0), "somebody typed");
    assert_eq!(after, before, "and nothing was written");
    // A row that is written shows.
    relate(&mut people[0], users[1], Relation::CONTACT);
    assert_ne!(files_of(place.site.data()), before);
}
