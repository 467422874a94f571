//! Safety numbers, and accounts that begin anew: who notices, and what is still sent.
#![allow(
    clippy::unwrap_used,
    reason = "a test binary has no callers to give errors to"
)]

mod support;

use std::path::Path;
use std::process::Output;

use support::operator::Operator;
use support::server::Server;
use support::{Person, complaint, field, json, succeeded};

#[test]
fn both_sides_see_one_number_and_it_does_not_change_with_devices() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    let bob = Person::register(dir.path(), &server, "bob");
    let carol = Person::register(dir.path(), &server, "carol");

    // Nobody has written to anybody yet.
    let (number, verified) = alice.safety_number("bob");
    assert!(number.len() == 60 && number.bytes().all(|digit| digit.is_ascii_digit()));
    assert!(!verified);
    assert_eq!(bob.safety_number("alice"), (number.clone(), false));
    assert_ne!(carol.safety_number("alice").0, number);

    let laptop = alice.link(dir.path(), "laptop");
    assert_eq!(laptop.safety_number("bob"), (number.clone(), false));
    assert_eq!(bob.safety_number("alice"), (number.clone(), false));

    let shown = succeeded(&alice.run(&["safety-number", "bob"]));
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 4, "{shown}");
    for line in &lines[..3] {
        assert!(
            line.len() == 23 && line.split(' ').all(|group| group.len() == 5),
            "{line}"
        );
    }
    assert_eq!(lines[..3].concat().replace(' ', ""), number);
    assert_eq!(lines[3], "not verified");
    let with_code = succeeded(&alice.run(&["safety-number", "bob", "--qr"]));
    assert!(with_code.starts_with(&lines[..3].join("\n")), "{with_code}");
    assert!(with_code.contains("█▀▀▀▀▀█"), "{with_code}");
}

#[test]
fn the_right_number_verifies_and_a_wrong_one_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    let bob = Person::register(dir.path(), &server, "bob");
    let carol = Person::register(dir.path(), &server, "carol");
    let (number, _) = bob.safety_number("alice");

    let (other, _) = carol.safety_number("alice");
    let line = complaint(&alice.run(&["verify", "bob", "--number", &other]));
    assert!(
        line.contains("NOT verified") && line.contains("another one"),
        "{line}"
    );
    let line = complaint(&alice.run(&["verify", "bob", "--number", &number[1..]]));
    assert!(line.contains("60 digits"), "{line}");
    let line = complaint(&alice.run(&["verify", "bob"]));
    assert!(
        line.contains("--number DIGITS"),
        "nobody is there to be asked: {line}"
    );
    assert!(!alice.safety_number("bob").1);

    // In groups, as they are read out.
    let groups: Vec<&str> = (0..12)
        .map(|group| &number[5 * group..5 * group + 5])
        .collect();
    let arguments = [&["verify", "bob", "--number"], &groups[..]].concat();
    assert_eq!(succeeded(&alice.run(&arguments)), "bob is verified\n");
    assert_eq!(alice.safety_number("bob"), (number, true));
    assert!(!bob.safety_number("alice").1, "each side for itself");
    succeeded(&alice.run(&["send", "bob", "I know that it is you"]));

    succeeded(&alice.run(&["verify", "bob", "--undo"]));
    assert!(!alice.safety_number("bob").1);
}

#[test]
fn a_number_needs_somebody_else_who_exists() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    for command in ["safety-number", "verify"] {
        let options = if command == "verify" {
            &["--accept"][..]
        } else {
            &[]
        };
        let line = complaint(&alice.run(&[&[command, "nobody"], options].concat()));
        assert!(line.contains("nobody has the name nobody"), "{line}");
        let line = complaint(&alice.run(&[&[command, "alice"], options].concat()));
        assert!(line.contains("your own name"), "{line}");
    }
}

#[test]
fn an_account_that_begins_anew_is_noticed_by_everybody_who_knew_it() {
    let dir = tempfile::tempdir().unwrap();
    let scene = Scene::new(dir.path());
    let (alice, bob) = (scene.register("alice"), scene.register("bob"));
    let carol = scene.register("carol");
    for knows in [&alice, &carol] {
        succeeded(&knows.run(&["send", "bob", "hello"]));
    }
    succeeded(&bob.run(&["listen", "--count", "2"]));
    let (before, _) = bob.safety_number("alice");
    succeeded(&alice.run(&["verify", "bob", "--number", &before]));

    // Bob's telephone is lost, and his operator believes him.
    let again = scene.reset("bob", "new telephone");
    let said = succeeded(&again.run(&["send", "alice", "it is me"]));
    assert!(said.ends_with(" sent\n"), "{said}");
    succeeded(&again.run(&["send", "carol", "it is me"]));
    let told = |person: &Person| {
        let lines = person.hear_until("it is me");
        let security = lines.iter().find(|line| line["event"] == "security");
        let security = security.unwrap_or_else(|| panic!("{lines:?}"));
        assert_eq!(security["peer"], "bob");
        security["kind"].as_str().unwrap().to_owned()
    };
    assert_eq!(told(&carol), "identity_changed");
    succeeded(&carol.run(&["send", "bob", "welcome back"]));
    assert_eq!(told(&alice), "verified_identity_changed");

    // Alice had compared: nothing is sent before she has looked again.
    let line = complaint(&alice.run(&["send", "bob", "is it you?"]));
    assert!(line.contains("martlet verify bob"), "{line}");
    let (after, verified) = alice.safety_number("bob");
    assert!(after != before && !verified);
    let line = complaint(&alice.run(&["verify", "bob", "--number", &before]));
    assert!(line.contains("NOT verified"), "{line}");
    let accepted = succeeded(&alice.run(&["verify", "bob", "--accept"]));
    assert!(accepted.contains("not verified"), "{accepted}");
    succeeded(&alice.run(&["send", "bob", "is it you?"]));
    assert!(!alice.safety_number("bob").1);
    let (number, _) = again.safety_number("alice");
    assert_eq!(number, after);
    succeeded(&alice.run(&["verify", "bob", "--number", &number]));
    succeeded(&again.run(&["listen", "--count", "2"]));
    let texts = again.history("alice");
    assert_eq!(field(&texts, "text"), ["it is me", "is it you?"]);

    // What is left of the lost telephone is out.
    let line = complaint(&bob.run(&["listen"]));
    assert!(line.contains("removed from its account"), "{line}");
}

#[test]
fn nobody_begins_anew_without_a_token_that_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let scene = Scene::new(dir.path());
    let _bob = scene.register("bob");
    let thief = scene.try_register("bob", "thief", &scene.operator.token("bob"));
    let line = complaint(&thief);
    assert!(line.contains("the name is taken"), "{line}");
}

/// A server with an operator who gives out tokens.
struct Scene<'a> {
    dir: &'a Path,
    operator: Operator,
    server: Server,
}

impl<'a> Scene<'a> {
    fn new(dir: &'a Path) -> Self {
        let operator = Operator::new();
        Self {
            dir,
            server: operator.server(dir),
            operator,
        }
    }

    fn register(&self, name: &str) -> Person {
        succeeded(&self.try_register(name, name, &self.operator.token(name)));
        Person::new(self.dir.join(name))
    }

    fn reset(&self, name: &str, home: &str) -> Person {
        let token = self.operator.reset_token(name);
        succeeded(&self.try_register(name, home, &token));
        Person::new(self.dir.join(home))
    }

    fn try_register(&self, name: &str, home: &str, token: &str) -> Output {
        let file = self.dir.join("token");
        std::fs::write(&file, token).unwrap();
        let (file, address) = (file.display().to_string(), self.server.address());
        let account = ["register", "--server", &address, "--name", name];
        let arguments = [&account[..], &["--token", &file]].concat();
        Person::new(self.dir.join(home)).run(&arguments)
    }
}

#[test]
fn a_security_line_is_also_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let alice = Person::register(dir.path(), &server, "alice");
    let bob = Person::register(dir.path(), &server, "bob");
    succeeded(&alice.run(&["send", "bob", "hello"]));
    let _tablet = bob.link(dir.path(), "tablet");
    succeeded(&bob.run(&["send", "alice", "from my tablet too"]));
    let listening = alice.start(&["listen"]);
    listening.lines_until(|line| line.starts_with("! bob has added or removed devices"));
    succeeded(&listening.terminate());
    // It was taken: nobody is told twice.
    let again = alice.catch_up();
    assert!(
        again.iter().all(|line| line["event"] != "security"),
        "{again:?}"
    );
    assert!(json(&again.last().unwrap().to_string())["event"] == "caught_up");
}
