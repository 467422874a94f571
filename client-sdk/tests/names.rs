//! What people call the devices of their account: who gives the names, and who reads them.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test binary has no public interface"
)]

#[path = "support/lab.rs"]
mod lab;
#[path = "support/model/mod.rs"]
mod model;

use lab::Lab;
use martlet_client::engine::{Answer, Linking, Registration};
use martlet_client::keys::KeySeed;
use martlet_client::local::Db;
use martlet_client::{Device, DeviceId, DevicesError, LinkError, RegisterError, StoreKey};

fn names(lab: &mut Lab, who: usize) -> Vec<String> {
    let (now, user) = (lab.now, lab.peers[who].address().user);
    lab.engine(who).ask_devices(now, user).unwrap();
    lab.dial(who);
    lab.settle();
    let devices = lab.engine(who).devices().unwrap().into_iter();
    devices.filter_map(|device| device.name).collect()
}

fn rename(lab: &mut Lab, device: DeviceId, name: &str) {
    let now = lab.now;
    lab.engine(0).rename(now, device, name).unwrap();
    lab.dial(0);
    lab.settle();
    let renamed = |it: &Answer| match it {
        Answer::DeviceRenamed { device } => Some(*device),
        _ => None,
    };
    assert_eq!(lab.peers[0].answer(renamed), Some(device));
}

#[test]
fn every_device_can_be_renamed_and_the_others_of_the_account_read_it() {
    let mut lab = Lab::acquainted();
    let tablet = lab.link(0, false);
    lab.say(0, "bob", "from alice");
    lab.peers[1].take();
    let device = lab.device(tablet);
    rename(&mut lab, DeviceId(1), "my telephone");
    rename(&mut lab, device, "my tablet");
    for who in [0, tablet] {
        assert_eq!(names(&mut lab, who), ["my telephone", "my tablet"]);
    }
    // It is the account's fourth list, and to others the devices are the same.
    let user = lab.model.user("alice");
    assert_eq!(lab.model.account(user).version(), 4);
    lab.say(1, "alice", "to both");
    lab.say(0, "bob", "from alice");
    assert_eq!(lab.peers[1].notices(), []);
    assert_eq!(lab.peers[tablet].texts("bob").len(), 3);
}

#[test]
fn a_name_that_was_given_while_the_process_died_is_published_by_the_next_one() {
    let mut lab = Lab::of(&["alice"]);
    let now = lab.now;
    lab.engine(0).rename(now, DeviceId(1), "telephone").unwrap();
    lab.crash(0);
    lab.settle();
    assert_eq!(names(&mut lab, 0), ["telephone"]);
}

#[test]
fn only_the_device_with_the_accounts_key_gives_names_and_only_such_as_fit() {
    let mut lab = Lab::of(&["alice"]);
    let tablet = lab.link(0, false);
    let now = lab.now;
    let error = lab.engine(tablet).rename(now, DeviceId(1), "x");
    assert!(matches!(error, Err(DevicesError::NoAccountKey)));
    let error = lab.engine(0).rename(now, DeviceId(9), "x");
    assert!(matches!(error, Err(DevicesError::UnknownDevice)));
    for bad in ["", "two\nlines", &"x".repeat(41)] {
        let error = lab.engine(0).rename(now, DeviceId(1), bad).unwrap_err();
        assert!(matches!(error, DevicesError::NameInvalid), "{error}");
    }
    assert!(lab.engine(0).rename(now, DeviceId(1), "x").is_ok());
    let error = lab.engine(0).rename(now, DeviceId(1), "y").unwrap_err();
    assert!(matches!(error, DevicesError::Busy), "{error}");
}

#[test]
fn a_device_is_named_before_it_is_listed() {
    let mut lab = Lab::new();
    let who = lab.push("alice", Db::memory(&StoreKey::random()).unwrap());
    let now = lab.now;
    let mut registration = Registration {
        server: "model:1",
        handle: "alice",
        token: None,
        trust: None,
        key_seed: KeySeed([1; 32]),
        account_seed: KeySeed([2; 32]),
        device_name: "",
    };
    let error = lab.engine(who).register(now, &registration).unwrap_err();
    assert!(matches!(error, RegisterError::DeviceNameInvalid), "{error}");
    registration.device_name = "telephone";
    lab.engine(who).register(now, &registration).unwrap();
    // The process dies on the way, and the next one knows what the person has said.
    lab.crash(who);
    registration.key_seed = KeySeed([3; 32]);
    lab.engine(who).register(now, &registration).unwrap();
    lab.dial(who);
    lab.travel(who, 1_000_000);
    lab.travel(who, 1_000_000);
    lab.crash(who);
    lab.settle();
    assert_eq!(names(&mut lab, who), ["telephone"]);

    let (joiner, code) = lab.begin_link(who, false);
    let linking = Linking {
        code: &code,
        name: "a name of more than forty bytes is too long",
        trust: None,
        key_seed: KeySeed([4; 32]),
    };
    let error = lab.engine(joiner).link(now, &linking).unwrap_err();
    assert!(matches!(error, LinkError::DeviceNameInvalid), "{error}");
}

#[test]
fn every_device_knows_which_one_has_the_accounts_key() {
    let mut lab = Lab::of(&["alice"]);
    let tablet = lab.link(0, false);
    for who in [0, tablet] {
        let _ = names(&mut lab, who);
        let devices = lab.engine(who).devices().unwrap();
        let holders = devices.iter().filter(|device| device.has_account_key);
        let holders: Vec<&Device> = holders.collect();
        assert_eq!(holders.len(), 1);
        assert_eq!(holders[0].device, lab.device(0));
        assert_eq!(holders[0].is_this, who == 0);
    }
}
