//! The power-cut shim does what the crash tests rely on: synced bytes stay, all others go.

mod shim;

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use shim::Cut;

/// Runs the writer with the operations of `script` inside the watched directory and returns what it
/// printed for each.
fn run(cut: &Cut, script: &str, faults: &[(&str, &str)]) -> Vec<String> {
    static WRITER: OnceLock<std::path::PathBuf> = OnceLock::new();
    let writer = WRITER.get_or_init(|| shim::compile("writer", &["writer.c"], &["-pthread"]));
    let output = cut
        .command(writer)
        .current_dir(cut.data())
        .args(script.split_whitespace())
        .envs(faults.iter().copied())
        .output()
        .expect("run the writer");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.is_empty(), "the writer said: {errors}");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect()
}

/// The content of the directory as `name=content` words, sorted; a directory is `name/`.
fn listing(directory: &Path) -> String {
    let mut names: Vec<String> = fs::read_dir(directory)
        .expect("read the directory")
        .map(|entry| {
            let path = entry.expect("read the directory").path();
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            if path.is_dir() {
                return format!("{name}/");
            }
            let content = fs::read(&path).expect("read a file");
            format!(
                "{name}={}",
                String::from_utf8_lossy(&content).replace('\0', ".")
            )
        })
        .collect();
    names.sort();
    names.join(" ")
}

/// Runs `script`, then cuts the power: every operation succeeds, and `expected` is what is left.
fn check(script: &str, expected: &str) {
    let cut = Cut::new();
    let results = run(&cut, script, &[]);
    assert!(
        results.iter().all(|result| result == "ok"),
        "{script}: {results:?}"
    );
    cut.discard_unsynced();
    assert_eq!(listing(&cut.data()), expected, "after: {script}");
}

#[test]
fn synced_bytes_survive_and_later_ones_do_not() {
    check("open a write one sync write two kill", "a=one");
    check("open a write one datasync write two", "a=one");
    check(
        "open a write one datasync write two datasync kill",
        "a=onetwo",
    );
    check("append a list one two sync write three kill", "a=onetwo");
}

#[test]
fn a_file_that_was_never_synced_is_empty() {
    check("open a write one kill", "a=");
    check("open a write one rename a b kill", "b=");
}

#[test]
fn an_overwritten_range_keeps_its_old_bytes_until_the_sync() {
    check("open a write aaaaaaaa sync at 2 bb kill", "a=aaaaaaaa");
    check(
        "open a write aaaaaaaa sync at 2 bb at 6 c sync kill",
        "a=aabbaaca",
    );
}

#[test]
fn a_write_through_a_synchronous_handle_is_durable_alone() {
    check("dsync a write one kill", "a=one");
    check("open a write aaaa dsync a at 1 b kill", "a=.b");
}

#[test]
fn sizes_shrink_at_once_and_grow_with_the_sync() {
    check("open a write 12345678 sync cut 3 kill", "a=123");
    check("open a write 123 sync cut 6 kill", "a=123");
    check("open a write 123 sync cut 6 sync kill", "a=123...");
    check("open a write 123 sync truncate a kill", "a=");
    check("open a reserve 4096 write 12 datasync kill", "a=12");
}

#[test]
fn names_change_at_once() {
    check(
        "mkdir d open d/x write one sync unlink d/x rmdir d open a kill",
        "a=",
    );
    check(
        "open a write one sync link a b unlink a write two sync kill",
        "b=onetwo",
    );
    check(
        "open a write old sync open b write new sync rename b a kill",
        "a=new",
    );
    check("mkdir d mkdir d/e rename d f kill", "f/");
}

#[test]
fn a_new_file_is_not_taken_for_a_removed_one() {
    check("open a write one sync unlink a open b write two kill", "b=");
    check(
        "open a write one sync unlink a open b write two sync kill",
        "b=two",
    );
}

#[test]
fn a_stdio_stream_is_followed_too() {
    check("stream a hello kill", "a=hello");
}

#[test]
fn threads_do_not_disturb_each_other() {
    let cut = Cut::new();
    assert_eq!(run(&cut, "many 8 200 kill", &[]), ["ok"]);
    cut.discard_unsynced();
    let lines: String = (0..200).map(|index| format!("{index:08}\n")).collect();
    for thread in 1..=8 {
        let content = fs::read_to_string(cut.data().join(format!("thread-{thread}")));
        assert_eq!(
            content.expect("a file per thread"),
            lines,
            "without the unsynced tail"
        );
    }
}

#[test]
fn bytes_of_an_earlier_process_become_durable_with_the_next_sync() {
    let cut = Cut::new();
    run(&cut, "open a write one", &[]);
    run(&cut, "append a write two sync", &[]);
    cut.discard_unsynced();
    assert_eq!(listing(&cut.data()), "a=onetwo");
}

#[test]
fn with_syncs_that_lie_everything_is_lost() {
    let lying = [("MARTLET_POWERCUT_NOSYNC", "1")];
    let cut = Cut::new();
    let results = run(&cut, "open a write one sync dsync b write two kill", &lying);
    assert_eq!(results, ["ok"; 5]);
    cut.discard_unsynced();
    assert_eq!(listing(&cut.data()), "a= b=");
}

#[test]
fn syncs_can_lie_for_some_files_only() {
    let lying = [("MARTLET_POWERCUT_NOSYNC", ".log:MARK")];
    let cut = Cut::new();
    let script = "open 1.log write one sync open MARK write two sync open a write three sync kill";
    run(&cut, script, &lying);
    cut.discard_unsynced();
    assert_eq!(listing(&cut.data()), "1.log= MARK= a=three");
}

#[test]
fn the_chosen_sync_fails_once_and_its_bytes_are_lost() {
    let failing = [("MARTLET_POWERCUT_FAIL_SYNC_AFTER", "2")];
    let cut = Cut::new();
    let results = run(
        &cut,
        "open a write 1 sync write 2 sync write 3 sync kill",
        &failing,
    );
    assert_eq!(results, ["ok", "ok", "ok", "ok", "EIO", "ok", "ok"]);
    cut.discard_unsynced();
    assert_eq!(listing(&cut.data()), "a=1.3");
}

#[test]
fn a_full_disk_refuses_growth_until_space_is_given_back() {
    let cut = Cut::new();
    let switch = cut.beside("capacity");
    fs::write(&switch, "8").expect("write the switch");
    let full = [(
        "MARTLET_POWERCUT_CAPACITY_FILE",
        switch.to_str().expect("UTF-8"),
    )];
    let results = run(
        &cut,
        "open a write 12345678 write 9 at 0 x list a b sync",
        &full,
    );
    assert_eq!(results, ["ok", "ok", "ENOSPC", "ok", "ENOSPC", "ok"]);
    assert_eq!(
        run(&cut, "open b write 1 unlink a write 1234", &full)[1..],
        ["ENOSPC", "ok", "ok"]
    );
    assert_eq!(
        run(&cut, "append b write 56789", &full),
        ["ok", "EAGAIN"],
        "what fits is written"
    );
    fs::write(&switch, "20").expect("write the switch");
    assert_eq!(run(&cut, "append b write 9", &full), ["ok", "ok"]);
    assert_eq!(listing(&cut.data()), "b=123456789");
}

#[test]
fn a_fixed_capacity_needs_no_file() {
    let cut = Cut::new();
    let results = run(
        &cut,
        "open a write 1234 write 5",
        &[("MARTLET_POWERCUT_CAPACITY", "4")],
    );
    assert_eq!(results, ["ok", "ok", "ENOSPC"]);
}
