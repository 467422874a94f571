//! What lies on the disk: nothing that was written or that a key is made of can be read from a copy
//! of the database, and it opens with its own key only.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test binary has no public interface"
)]

#[path = "support/lab.rs"]
mod lab;
#[path = "support/model/mod.rs"]
mod model;

use std::fs;
use std::path::Path;

use lab::Lab;
use martlet_client::local::{Db, Home, Secret};
use martlet_client::{OpenError, Passphrase, StoreError, StoreKey, StoreKeySource};

/// Every file of the directory, one behind the other.
fn contents(dir: &Path) -> Vec<u8> {
    let files = fs::read_dir(dir).unwrap();
    let files = files.map(|file| fs::read(file.unwrap().path()).unwrap());
    files.collect::<Vec<_>>().concat()
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

#[test]
fn no_text_and_no_key_can_be_read_from_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let key = StoreKey::random();
    let db = Db::open(&dir.path().join("martlet.db"), Secret::Key(&key)).unwrap();
    let mut lab = Lab::of(&["bob"]);
    let alice = lab.add_on("alice", db);
    let (sent, received, waiting) = ("a short secret", "an answer to it", "not sent yet");
    let long = format!("{} the end", "a long secret ".repeat(1_000));
    lab.say(alice, "bob", sent);
    lab.say(alice, "bob", &long);
    lab.say(0, "alice", received);
    lab.link(alice, true);
    lab.leave(alice);
    lab.send(alice, "bob", waiting);
    let texts = [sent, &long, received, waiting];
    assert_eq!(lab.peers[alice].texts("bob"), texts);

    let bytes = contents(dir.path());
    assert!(holds(&bytes, b"bob"), "handles are not sealed");
    for text in [sent, "a long secret", "the end", received, waiting] {
        assert!(!holds(&bytes, text.as_bytes()), "{text}");
    }
    // The seeds that the lab has given to Alice.
    assert!(!holds(&bytes, &[2; 32]), "the device's key");
    assert!(!holds(&bytes, &[0x82; 32]), "the account's key");
    assert!(!holds(&bytes, key.as_bytes()), "the key of the database");
}

#[test]
fn a_home_opens_with_what_it_was_made_with_and_with_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let passphrase = |text| StoreKeySource::Passphrase(Passphrase::new(text));
    let open = |source: &StoreKeySource| -> Result<Db, OpenError> {
        let home = Home::open(dir.path())?;
        home.database(source)
    };
    drop(open(&passphrase("correct horse")).unwrap());
    assert!(open(&passphrase("correct horse")).is_ok());
    for wrong in [
        passphrase("battery staple"),
        StoreKeySource::Key(StoreKey::random()),
    ] {
        let error = open(&wrong).unwrap_err();
        assert!(matches!(error, OpenError::WrongKey), "{error}");
    }
    let error = open(&StoreKeySource::KeyFile).unwrap_err();
    assert!(matches!(error, OpenError::KeyFileMissing { .. }), "{error}");
    let error = open(&passphrase("")).unwrap_err();
    assert!(matches!(error, OpenError::WrongKey), "{error}");
}

#[test]
fn an_empty_passphrase_protects_nothing_and_makes_no_home() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).unwrap();
    let source = StoreKeySource::Passphrase(Passphrase::new(""));
    let error = home.database(&source).unwrap_err();
    let is_unusable =
        |error: &OpenError| matches!(error, OpenError::Store(StoreError::PassphraseUnusable(_)));
    assert!(is_unusable(&error), "{error}");
    assert!(
        home.database(&StoreKeySource::KeyFile).is_ok(),
        "it is still new"
    );
}
