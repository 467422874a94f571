//! `kill -9` of clients and of the server at random moments: nothing is lost, nothing comes twice.
//!
//! Alice types numbered lines without a pause, Bob listens. What they were shown by all their
//! processes together, and what their homes have at the end, is judged at the end.
#![allow(
    clippy::unwrap_used,
    reason = "a test binary has no callers to give errors to"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use serde_json::Value;
use support::process::Running;
use support::random::Random;
use support::server::Server;
use support::typist::Typist;
use support::{Person, complaint, field, json, json_lines, succeeded};
use tempfile::TempDir;

/// How often each test kills at least.
const RECIPIENT_KILLS: usize = 30;
const SENDER_KILLS: usize = 20;
const SERVER_KILLS: usize = 6;

/// A test whose kills hit nothing that was under way proves nothing: so many at least must, or it
/// goes on, up to the limit.
const HITS_MIN: usize = 5;
const KILLS_MAX: usize = 200;

#[test]
fn a_recipient_that_is_killed_misses_nothing_and_is_shown_nothing_twice() {
    let mut scene = Scene::new();
    let (chat, typist) = scene.start_chat();
    let (mut kills, mut hits) = (0, 0);
    while kills < RECIPIENT_KILLS || hits < HITS_MIN {
        let listening = scene.bob.start(&["listen", "--json"]);
        thread::sleep(scene.random.pause(150));
        let typed = typist.typed();
        // Some of what was typed was shown by this process, and some was not.
        let newest = scene.kill_listener(listening);
        hits += usize::from(newest.is_some_and(|newest| newest < typed));
        kills += 1;
        assert!(
            kills < KILLS_MAX,
            "only {hits} of {kills} kills hit anything"
        );
    }
    typist.stop();
    scene.hear(&succeeded(&chat.end()));
    scene.judge(kills);
}

#[test]
fn a_sender_that_is_killed_loses_nothing_and_sends_nothing_twice() {
    let mut scene = Scene::new();
    let listening = scene.bob.start(&["listen", "--json"]);
    let (mut kills, mut hits) = (0, 0);
    while kills < SENDER_KILLS || hits < HITS_MIN {
        let (chat, typist) = scene.start_chat();
        thread::sleep(scene.random.pause(100));
        hits += usize::from(scene.kill_chat(chat, typist));
        kills += 1;
        assert!(
            kills < KILLS_MAX,
            "only {hits} of {kills} kills hit anything"
        );
    }
    scene.printed.extend(listening.kill());
    scene.judge(1);
}

#[test]
fn a_server_that_is_killed_between_two_clients_that_are_killed_loses_nothing() {
    let mut scene = Scene::new();
    let (mut kills, mut hits) = (0, 0);
    while kills < SERVER_KILLS || hits < HITS_MIN {
        let (chat, typist) = scene.start_chat();
        let listening = scene.bob.start(&["listen", "--json"]);
        thread::sleep(scene.random.pause(150));
        scene.server.kill();
        let typed = typist.typed();
        thread::sleep(scene.random.pause(30));
        if kills % 2 == 0 {
            // Both come back by themselves and go on where they were.
            scene.server.restart();
            let later = listening.lines_until(|line| number(line) > Some(typed));
            scene.printed.extend(later);
        }
        scene.kill_listener(listening);
        hits += usize::from(scene.kill_chat(chat, typist));
        if kills % 2 == 1 {
            scene.server.restart();
        }
        kills += 1;
        assert!(
            kills < KILLS_MAX,
            "only {hits} of {kills} kills hit anything"
        );
    }
    scene.judge(kills);
}

/// Two people, and everything that their processes have printed.
struct Scene {
    random: Random,
    server: Server,
    alice: Person,
    bob: Person,
    /// Lines of Alice's chats.
    steps: Vec<String>,
    /// Lines of Bob's listeners.
    printed: Vec<String>,
    _dir: TempDir,
}

impl Scene {
    fn new() -> Self {
        let random = Random::seeded();
        let dir = tempfile::tempdir().unwrap();
        let server = Server::dev(dir.path());
        Self {
            random,
            alice: Person::register(dir.path(), &server, "alice"),
            bob: Person::register(dir.path(), &server, "bob"),
            server,
            steps: Vec::new(),
            printed: Vec::new(),
            _dir: dir,
        }
    }

    /// Alice's side of the conversation; no process of hers may be running.
    fn sent(&self) -> Vec<Value> {
        let history = self.alice.run(&["history", "bob", "--json"]);
        if history.status.success() {
            return json_lines(&succeeded(&history));
        }
        assert!(complaint(&history).contains("no conversation"));
        Vec::new()
    }

    /// The number of the line that Alice types next: behind the last one that a chat has taken.
    fn next_line(&self) -> u64 {
        let sent = self.sent();
        let last = field(&sent, "text").last().map(|text| text.parse::<u64>());
        last.map_or(1, |last| last.unwrap() + 1)
    }

    fn start_chat(&mut self) -> (Running, Typist) {
        let next = self.next_line();
        let mut chat = self.alice.start(&["chat", "bob"]);
        let typist = Typist::start(&mut chat, next, self.random.fork());
        (chat, typist)
    }

    /// Keeps what a chat has printed.
    fn hear(&mut self, output: &str) {
        self.steps.extend(output.lines().map(str::to_owned));
    }

    /// Kills a listener, and returns the number of the newest line that it has shown.
    fn kill_listener(&mut self, listening: Running) -> Option<u64> {
        let lines = listening.kill();
        let newest = lines.iter().filter_map(|line| number(line)).next_back();
        self.printed.extend(lines);
        newest
    }

    /// Kills a chat, and returns whether it had taken lines that the server has not answered yet.
    fn kill_chat(&mut self, chat: Running, typist: Typist) -> bool {
        self.steps.extend(chat.kill());
        typist.stop();
        field(&self.sent(), "state").contains(&"pending")
    }

    /// Lets everything arrive, and judges it. So many of Bob's listeners were killed.
    fn judge(mut self, listeners_killed: usize) {
        let last = self.next_line();
        let listening = self.bob.start(&["listen", "--json"]);
        let text = last.to_string();
        succeeded(&self.alice.run(&["send", "bob", &text, "--wait", "read"]));
        let printed = succeeded(&listening.terminate());
        self.printed.extend(printed.lines().map(str::to_owned));

        let sent = self.alice.history("bob");
        let received = self.bob.history("alice");
        let texts: Vec<String> = (1..=last).map(|number| number.to_string()).collect();
        assert_eq!(
            field(&sent, "text"),
            texts,
            "each line that a chat took, once"
        );
        assert_eq!(field(&received, "text"), texts);
        let ids = field(&sent, "id");
        assert_eq!(field(&received, "id"), ids);
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
        assert!(field(&sent, "state").iter().all(|state| *state == "read"));

        // A listener that dies between taking a message and printing it leaves it to the history:
        // one message for each kill at most.
        let shown: Vec<u64> = self
            .printed
            .iter()
            .filter_map(|line| number(line))
            .collect();
        assert!(
            shown.is_sorted_by(|a, b| a < b),
            "twice, or out of order: {shown:?}"
        );
        let missed = texts.len() - shown.len();
        assert!(missed <= listeners_killed, "{missed} were not shown");
        self.judge_steps(&sent);
    }

    /// The states that Alice was shown of each message only rose, over all her processes.
    fn judge_steps(&self, sent: &[Value]) {
        let ids: BTreeMap<&str, &str> = field(sent, "text")
            .into_iter()
            .zip(field(sent, "id"))
            .collect();
        let mut seen: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for line in &self.steps {
            if let Some((id, rank)) = step(line, &ids) {
                seen.entry(id.to_owned()).or_default().push(rank);
            }
        }
        for receipt in self.alice.catch_up() {
            let Some(state) = receipt["state"].as_str() else {
                continue;
            };
            let id = receipt["id"].as_str().unwrap().to_owned();
            seen.entry(id).or_default().push(rank(state));
        }
        for (id, ranks) in &seen {
            assert!(
                ranks.is_sorted_by(|a, b| a < b),
                "{id} did not rise: {ranks:?}"
            );
        }
        let whole = seen.values().filter(|ranks| ranks.len() == STATES.len());
        assert!(whole.count() > 0, "no message was seen to rise: {seen:?}");
    }
}

/// The states of a message that nothing bad happens to, in order.
const STATES: [&str; 3] = ["sent", "delivered", "read"];

fn rank(state: &str) -> usize {
    let rank = STATES.iter().position(|known| *known == state);
    rank.unwrap_or_else(|| panic!("a message became {state}"))
}

/// A line of a chat that tells a state, as the message's id and the state's rank: `[read] 17` of
/// what was typed there, `12:00:00 read by bob  ID` of what was typed earlier.
fn step<'a>(line: &'a str, ids: &BTreeMap<&str, &'a str>) -> Option<(&'a str, usize)> {
    if line == "caught up" {
        return None;
    }
    if let Some((state, text)) = line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "))
    {
        return Some((ids[text], rank(state)));
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let [_, state, _, "bob", id] = words[..] else {
        panic!("a chat printed {line}")
    };
    Some((id, rank(state)))
}

/// The number that a line of JSON has as its text, if it has one.
fn number(line: &str) -> Option<u64> {
    json(line)["text"].as_str()?.parse().ok()
}
