//! Accounts with several devices: linking, a conversation between all of them, removal.
#![allow(
    clippy::unwrap_used,
    reason = "a test binary has no callers to give errors to"
)]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use support::process::Running;
use support::server::Server;
use support::{Person, complaint, field, json, names, succeeded};

/// Long enough for a client to come to the server, and to wait there.
const HESITATION: Duration = Duration::from_millis(700);

#[test]
fn a_code_makes_a_fresh_home_a_device_of_the_account() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let phone = Person::register(dir.path(), &server, "alice");
    let bob = Person::register(dir.path(), &server, "bob");
    let laptop = phone.link(dir.path(), "laptop");

    for (home, this) in [(&phone, 1), (&laptop, 2)] {
        let devices = home.devices();
        assert_eq!(field(&devices, "name"), ["first device", "laptop"]);
        for (device, number) in devices.iter().zip(1..) {
            assert_eq!(names(device), ["account_key", "device", "name", "this"]);
            assert_eq!(device["device"], number);
            assert_eq!(device["this"], number == this);
            assert_eq!(device["account_key"], number == 1);
        }
    }
    // Others can write to it at once, and it can write to them.
    succeeded(&bob.run(&["send", "alice", "to both"]));
    succeeded(&laptop.run(&["listen", "--count", "1"]));
    succeeded(&laptop.run(&["send", "bob", "from the laptop"]));
    succeeded(&bob.run(&["listen", "--count", "1"]));
    phone.catch_up();
    for home in [&phone, &laptop, &bob] {
        let peer = if home.home() == bob.home() {
            "alice"
        } else {
            "bob"
        };
        let texts = home.history(peer);
        assert_eq!(field(&texts, "text"), ["to both", "from the laptop"]);
    }
}

#[test]
fn a_code_is_used_once_and_nothing_else_is_a_code() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let phone = Person::register(dir.path(), &server, "alice");
    let showing = phone.start(&["link", "--yes"]);
    let code = showing.line();
    let file = dir.path().join("code");
    std::fs::write(&file, &code).unwrap();
    let file = file.display().to_string();
    let laptop = Person::new(dir.path().join("laptop"));
    // Typed by hand it may have blanks and small letters.
    let typed = code.to_lowercase().replacen("1-", "1- ", 1);
    succeeded(&laptop.run(&["link", &typed, "--name", "laptop"]));
    succeeded(&showing.end());

    let thief = Person::new(dir.path().join("thief"));
    let line = complaint(&thief.run(&["link", "--code-file", &file, "--name", "thief"]));
    assert!(line.contains("waits no longer for this code"), "{line}");
    for (wrong, said) in [
        ("hello", "a link code begins with"),
        (&code[..code.len() - 1], "incomplete or mistyped"),
    ] {
        let line = complaint(&thief.run(&["link", wrong, "--name", "thief"]));
        assert!(line.contains(said), "{line}");
    }
    let line = complaint(&laptop.run(&["link", &code, "--name", "laptop"]));
    assert!(line.contains("belongs to alice"), "{line}");
    assert_eq!(phone.devices().len(), 2);
}

#[test]
fn a_code_ends_with_the_screen_that_shows_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let phone = Person::register(dir.path(), &server, "alice");
    let laptop = Person::new(dir.path().join("laptop"));

    let showing = phone.start(&["link", "--yes"]);
    let code = showing.line();
    assert_eq!(showing.terminate().status.code(), Some(128 + 15));
    let line = complaint(&laptop.run(&["link", &code, "--name", "laptop"]));
    assert!(line.contains("the other device has declined, or"), "{line}");

    // Whoever waits already is told at once, and not after ten minutes.
    let showing = phone.start(&["link", "--yes"]);
    let code = showing.line();
    showing.signal("STOP");
    let waiting = laptop.start(&["link", &code, "--name", "laptop"]);
    assert_eq!(waiting.line_within(HESITATION), None);
    showing.kill();
    let another = phone.start(&["link", "--yes"]);
    let code = another.line();
    let line = complaint(&waiting.end());
    assert!(line.contains("waits no longer for this code"), "{line}");
    succeeded(&laptop.run(&["link", &code, "--name", "laptop"]));
    succeeded(&another.end());
    assert_eq!(phone.devices().len(), 2);
}

#[test]
fn a_new_device_that_is_killed_goes_on_with_the_same_code() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let phone = Person::register(dir.path(), &server, "alice");
    let laptop = Person::new(dir.path().join("laptop"));
    let showing = phone.start(&["link", "--yes"]);
    let code = showing.line();
    // The phone agrees to nothing before the laptop has come a second time.
    showing.signal("STOP");
    let waiting = laptop.start(&["link", &code, "--name", "laptop"]);
    assert_eq!(waiting.line_within(HESITATION), None);
    waiting.kill();
    let waiting = laptop.start(&["link", &code, "--name", "laptop"]);
    assert_eq!(waiting.line_within(HESITATION), None);
    showing.signal("CONT");
    succeeded(&waiting.end());
    succeeded(&showing.end());
    assert_eq!(phone.devices().len(), 2);
    assert_eq!(laptop.devices().len(), 2);
}

#[test]
fn only_the_first_device_changes_the_devices_and_it_asks_before() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let phone = Person::register(dir.path(), &server, "alice");
    let line = complaint(&phone.run(&["link"]));
    assert!(line.contains("say --yes"), "{line}");
    let laptop = phone.link(dir.path(), "laptop");
    for command in [
        &["link", "--yes"][..],
        &["revoke", "1"],
        &["revoke", "2"],
        &["devices", "rename", "2", "mine"],
    ] {
        let line = complaint(&laptop.run(command));
        assert!(line.contains("only the account's first device"), "{line}");
    }
    for (device, said) in [
        ("1", "cannot be removed"),
        ("first device", "cannot be removed"),
        ("7", "no such device"),
        ("tablet", "no device is called tablet"),
    ] {
        let line = complaint(&phone.run(&["revoke", device]));
        assert!(line.contains(said), "{line}");
    }
    assert_eq!(phone.devices().len(), 2);
}

#[test]
fn devices_have_the_names_that_their_owner_gives_them() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let phone = Person::new(dir.path().join("phone"));
    let address = server.address();
    let account = ["register", "--server", &address, "--name", "alice"];
    succeeded(&phone.run(&[&account[..], &["--device-name", "telephone"]].concat()));
    let laptop = phone.link(dir.path(), "laptop");
    let said = succeeded(&phone.run(&["devices", "rename", "telephone", "my telephone"]));
    assert_eq!(said, "device 1 (telephone) is called my telephone now\n");
    succeeded(&phone.run(&["devices", "rename", "2", "desktop"]));
    for home in [&phone, &laptop] {
        assert_eq!(field(&home.devices(), "name"), ["my telephone", "desktop"]);
    }
    let shown = succeeded(&laptop.run(&["devices"]));
    assert_eq!(
        shown,
        "  1  my telephone  (it has the account's key)\n  2  desktop  (this device)\n"
    );
    let line = complaint(&phone.run(&["devices", "rename", "7", "tablet"]));
    assert!(line.contains("no such device"), "{line}");
}

#[test]
fn every_message_is_on_each_of_five_devices_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    let bob = Person::register(dir.path(), &server, "bob");
    let laptop = alice.link(dir.path(), "laptop");
    let tablet = bob.link(dir.path(), "tablet");
    let desktop = bob.link(dir.path(), "desktop");

    let hers = [&alice, &laptop];
    let his = [&bob, &tablet, &desktop];
    let mut chats: Vec<Running> = Vec::new();
    chats.extend(hers.iter().map(|device| device.start(&["chat", "bob"])));
    chats.extend(his.iter().map(|device| device.start(&["chat", "alice"])));
    // Each device writes, and then waits until it was read and all others have it: the order is
    // the same for all.
    let mut texts = Vec::new();
    let mut printed = vec![Vec::new(); chats.len()];
    for round in 1..=3 {
        for author in 0..chats.len() {
            let text = format!("{round} from {author}");
            chats[author].type_line(&text);
            let read = format!("[read] {text}");
            printed[author].extend(chats[author].lines_until(|line| line == read));
            for reader in (0..chats.len()).filter(|reader| *reader != author) {
                let end = format!(": {text}");
                let lines = chats[reader].lines_until(|line| line.ends_with(&end));
                printed[reader].extend(lines);
            }
            texts.push(text);
        }
    }
    for (chat, printed) in chats.into_iter().zip(&mut printed) {
        printed.extend(succeeded(&chat.end()).lines().map(str::to_owned));
    }
    for (device, printed) in printed.iter().enumerate() {
        // Bob's tablet was there when his desktop came.
        let warnings = printed.iter().filter(|line| line.starts_with("! "));
        let known = "! your account has other devices now";
        assert!(
            warnings.clone().count() <= 1 && warnings.clone().all(|line| line.starts_with(known)),
            "{printed:?}"
        );
        for text in &texts {
            let is_own = text.ends_with(&format!("from {device}"));
            let states = ["sent", "delivered", "read"].map(|state| format!("[{state}] {text}"));
            let shown: Vec<&String> = printed.iter().filter(|line| line.ends_with(text)).collect();
            if is_own {
                assert_eq!(shown, states.iter().collect::<Vec<_>>(), "device {device}");
            } else {
                assert_eq!(shown.len(), 1, "device {device}: {shown:?}");
            }
        }
    }
    assert_same_histories(&hers, &his, &texts);
}

#[test]
fn a_device_that_joins_a_conversation_gets_all_that_follows_and_the_rest_if_it_shall() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    let bob = Person::register(dir.path(), &server, "bob");
    let mut chat = alice.start(&["chat", "bob"]);
    let (mut sent, mut shown) = (Vec::new(), Vec::new());
    shown.extend(type_lines(&mut chat, &mut sent, 3));
    let listening = bob.start(&["listen", "--json"]);
    listening.lines_until(|line| json(line)["text"] == "3");
    succeeded(&listening.terminate());

    // Alice's chat goes on: it finds out by itself that Bob has other devices now.
    let tablet = bob.link(dir.path(), "tablet");
    shown.extend(type_lines(&mut chat, &mut sent, 3));
    let desktop = bob.link_with(dir.path(), "desktop", &["--yes", "--history"]);
    shown.extend(type_lines(&mut chat, &mut sent, 3));
    shown.extend(succeeded(&chat.end()).lines().map(str::to_owned));
    let warnings: Vec<&String> = shown.iter().filter(|line| line.starts_with("! ")).collect();
    let known = "! bob has added or removed devices";
    assert!(
        warnings.len() == 2 && warnings.iter().all(|line| line.starts_with(known)),
        "{shown:?}"
    );

    let heard = bob.hear_until("9");
    assert_eq!(kinds(&heard), BTreeSet::new(), "he did it himself");
    // What came before the link comes as a memory, if at all, and not as news.
    for (device, since) in [(&tablet, 3), (&desktop, 6)] {
        let heard = device.hear_until("9");
        let known = BTreeSet::from(["devices_changed"]);
        assert!(kinds(&heard).is_subset(&known), "{heard:?}");
        let messages = heard.into_iter().filter(|v| v["event"] == "message");
        let messages: Vec<Value> = messages.collect();
        assert_eq!(field(&messages, "text"), &sent[since..]);
    }
    assert_eq!(field(&bob.history("alice"), "text"), sent);
    assert_eq!(field(&tablet.history("alice"), "text"), &sent[3..]);
    assert_eq!(field(&desktop.history("alice"), "text"), sent);
}

#[test]
fn a_removed_device_gets_nothing_more_and_is_told_why() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    let bob = Person::register(dir.path(), &server, "bob");
    let [laptop, tablet] = ["laptop", "tablet"].map(|name| alice.link(dir.path(), name));
    succeeded(&bob.run(&["send", "alice", "before"]));
    succeeded(&tablet.run(&["listen", "--count", "1"]));
    let listening = laptop.start(&["listen", "--json"]);
    listening.lines_until(|line| json(line)["text"] == "before");

    // One is there when it happens, the other one is away.
    let said = succeeded(&alice.run(&["revoke", "laptop"]));
    assert_eq!(said, "revoked device 2 (laptop)\n");
    assert_removed(&complaint(&listening.end()));
    succeeded(&alice.run(&["revoke", "3"]));
    succeeded(&bob.run(&["send", "alice", "after"]));
    succeeded(&alice.run(&["listen", "--count", "2"]));

    for removed in [&laptop, &tablet] {
        let listening = removed.run(&["listen"]);
        assert_removed(&complaint(&listening));
        assert_removed(&complaint(&removed.run(&[
            "send",
            "bob",
            "I am still here",
        ])));
        assert_removed(&complaint(&removed.start(&["chat", "bob"]).end_by_itself()));
        // It keeps what it has, and nothing that will never be sent.
        assert_eq!(field(&removed.history("bob"), "text"), ["before"]);
    }
    assert_eq!(field(&alice.history("bob"), "text"), ["before", "after"]);
    assert_eq!(alice.devices().len(), 1);
    let told = bob.catch_up();
    assert!(
        kinds(&told).is_subset(&BTreeSet::from(["devices_changed"])),
        "{told:?}"
    );
    assert!(
        told.iter().all(|line| line["event"] != "message"),
        "{told:?}"
    );
}

#[test]
fn an_account_has_five_devices_and_room_again_when_one_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    for name in ["b", "c", "d", "e"] {
        alice.link(dir.path(), name);
    }
    let line = complaint(&alice.run(&["link", "--yes"]));
    assert!(line.contains("the account has 5 devices"), "{line}");
    succeeded(&alice.run(&["revoke", "c"]));
    alice.link(dir.path(), "f");
    let devices = alice.devices();
    assert_eq!(
        field(&devices, "name"),
        ["first device", "b", "d", "e", "f"]
    );
    let numbers: Vec<&Value> = devices.iter().map(|device| &device["device"]).collect();
    assert_eq!(numbers, [1, 2, 4, 5, 6], "a number is given once");
}

/// Types lines with the next numbers, waits until the server has them, and returns what was shown.
fn type_lines(chat: &mut Running, sent: &mut Vec<String>, count: usize) -> Vec<String> {
    for _ in 0..count {
        let text = (sent.len() + 1).to_string();
        assert!(chat.type_line(&text), "the chat has ended");
        sent.push(text);
    }
    let last = format!("[sent] {}", sent.last().unwrap());
    chat.lines_until(|line| line == last)
}

fn kinds(lines: &[Value]) -> BTreeSet<&str> {
    let security = lines.iter().filter(|line| line["event"] == "security");
    security
        .map(|line| line["kind"].as_str().unwrap())
        .collect()
}

fn assert_removed(line: &str) {
    let known = "removed from its account";
    assert!(
        line.contains(known) && line.contains("`link` a new home"),
        "{line}"
    );
}

/// Everybody has the same messages, in the same order, from the same people.
fn assert_same_histories(hers: &[&Person], his: &[&Person], texts: &[String]) {
    let histories = hers.iter().map(|device| device.history("bob"));
    let histories = histories.chain(his.iter().map(|device| device.history("alice")));
    let histories: Vec<Vec<Value>> = histories.collect();
    for history in &histories {
        assert_eq!(field(history, "text"), texts);
        for name in ["id", "from", "to", "at"] {
            let same = history.iter().map(|said| &said[name]);
            assert!(
                same.eq(histories[0].iter().map(|said| &said[name])),
                "{name}"
            );
        }
    }
    let ids: BTreeSet<&str> = field(&histories[0], "id").into_iter().collect();
    assert_eq!(ids.len(), texts.len());
}
