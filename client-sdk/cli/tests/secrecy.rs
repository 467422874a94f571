//! Known words are looked for wherever somebody else could read them: on the wire, in the server's
//! files, in its log, and in the homes' own files. What the server may know is found there, so the
//! search works.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test binary has no callers to give errors to"
)]

mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::process::Running;
use support::recorder::Recorder;
use support::search::{files, holds};
use support::server::Server;
use support::{PATIENCE, Person, field, succeeded};

/// Names that the server routes by: it has to know them.
const ALICE: &str = "alice.handle.yarrow";
const BOB: &str = "bob.handle.tansy";

/// Words of messages and names of devices: nobody else has to know them.
const SHORT: &str = "marker-short-quince";
const LONG: &str = "marker-long-medlar";
const AWAY: &str = "marker-away-damson";
const COPY: &str = "marker-copy-loquat";
const LAPTOP: &str = "marker-device-sorrel";
const SECRETS: [&str; 5] = [SHORT, LONG, AWAY, COPY, LAPTOP];

#[test]
fn no_word_of_a_message_is_readable_on_the_wire_at_the_server_or_in_a_home() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::dev_talkative(dir.path());
    let wire = Recorder::start(&server.address());
    let capture = Capture::start(dir.path(), wire.port());
    converse(dir.path(), &wire.address());

    let mut places = Vec::new();
    places.push(("the wire".to_owned(), wire.seen()));
    if let Some(capture) = capture {
        places.push(("the packets on the wire".to_owned(), capture.stop()));
    }
    places.push(("the server's log".to_owned(), server.log()));
    places.extend(files(&dir.path().join("data")));
    let homes = ["alice", "laptop", "bob"].map(|home| files(&dir.path().join(home)));
    places.extend(homes.into_iter().flatten());

    let mut found = Vec::new();
    for secret in SECRETS {
        let readable = places.iter().filter(|(_, bytes)| holds(bytes, secret));
        found.extend(readable.map(|(name, _)| format!("{secret} in {name}")));
    }
    assert_eq!(found, Vec::<String>::new());

    // The same search finds what may be known, in every place that must hold it.
    let held = |place: &str, word: &str| {
        let mut places = places.iter().filter(|(name, _)| name.contains(place));
        places.any(|(_, bytes)| holds(bytes, word))
    };
    for handle in [ALICE, BOB] {
        assert!(
            held("wire", handle),
            "{handle}: it registers and is looked up"
        );
        assert!(held("/data/", handle), "{handle}: the server keeps it");
        assert!(
            held("/alice/martlet.db", handle) && held("/bob/martlet.db", handle),
            "{handle}"
        );
    }
    let log = &places
        .iter()
        .find(|(name, _)| name.contains("log"))
        .unwrap()
        .1;
    assert!(
        holds(log, "TRACE") || holds(log, "DEBUG"),
        "the log tells all that it can"
    );
}

/// Everything that makes bytes: messages of each size, a copy for an own device, one that waits, a
/// history for a device that was linked, receipts.
fn converse(dir: &Path, address: &str) {
    let alice = register(dir, address, "alice", ALICE);
    let bob = register(dir, address, "bob", BOB);
    let short = format!("{SHORT} and some more");
    let listening = bob.start(&["listen", "--count", "2"]);
    succeeded(&alice.run(&["send", BOB, &short, "--wait", "read"]));
    // Too long to travel in a part: it is in the envelope, which the server keeps.
    let long = format!("{LONG} ").repeat(500);
    succeeded(&alice.run(&["send", BOB, &long, "--wait", "read"]));
    succeeded(&listening.end());

    let showing = alice.start(&["link", "--yes", "--history"]);
    let code = showing.line();
    let laptop = Person::new(dir.join("laptop"));
    succeeded(&laptop.run(&["link", &code, "--name", LAPTOP]));
    succeeded(&showing.end());
    assert_eq!(field(&alice.devices(), "name")[1], LAPTOP);
    laptop.catch_up();
    let kept = laptop.history(BOB);
    assert_eq!(field(&kept, "text"), [&short, &long]);

    // Both wait at the server for a while.
    succeeded(&bob.run(&["send", ALICE, AWAY]));
    succeeded(&laptop.run(&["send", BOB, COPY]));
    for (device, peer) in [(&alice, BOB), (&laptop, BOB), (&bob, ALICE)] {
        device.catch_up();
        assert_eq!(
            field(&device.history(peer), "text"),
            [&short, &long, AWAY, COPY]
        );
    }
}

fn register(dir: &Path, address: &str, home: &str, name: &str) -> Person {
    let person = Person::new(dir.join(home));
    succeeded(&person.run(&["register", "--server", address, "--name", name]));
    person
}

/// A capture of packets by `tshark`, beside the recorder: where it is installed and permitted.
struct Capture {
    process: Running,
    file: std::path::PathBuf,
}

impl Capture {
    fn start(dir: &Path, port: u16) -> Option<Self> {
        let asked = Command::new("tshark")
            .arg("-v")
            .stdout(Stdio::null())
            .status();
        if !asked.is_ok_and(|status| status.success()) {
            println!("no tshark here: the recorder alone looks at the wire");
            return None;
        }
        let file = dir.join("wire.pcap");
        let filter = format!("tcp port {port}");
        let mut command = Command::new("tshark");
        command.args(["-i", "lo", "-f", &filter, "-w"]).arg(&file);
        let process = Running::start(&mut command);
        // It has begun when the file has its head.
        let deadline = Instant::now() + PATIENCE;
        while std::fs::metadata(&file).map_or(0, |found| found.len()) == 0 {
            if Instant::now() > deadline {
                println!("tshark may not capture here: the recorder alone looks at the wire");
                return None;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(Self { process, file })
    }

    fn stop(self) -> Vec<u8> {
        // What was captured last may still be on its way to the file.
        std::thread::sleep(Duration::from_secs(1));
        self.process.terminate();
        std::fs::read(&self.file).unwrap()
    }
}
