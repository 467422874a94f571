//! The house rules as a test: arrows between crates, layers inside them, purity, size, words.

mod rules;
mod source;
mod tables;

use source::{Source, files, root};
use tables::{CRATES, MODULES, NAMES, OUTSIDE, PURE};

fn package(directory: &str) -> &'static str {
    let found = NAMES.iter().find(|(path, _)| *path == directory);
    found
        .map(|(_, name)| *name)
        .expect("each crate has a name in NAMES")
}

fn assert_clean(errors: &[String]) {
    assert!(errors.is_empty(), "\n{}\n", errors.join("\n"));
}

fn rust_files() -> impl Iterator<Item = Source> {
    files()
        .into_iter()
        .filter(|file| file.path.ends_with(".rs"))
}

/// The crate whose `src` holds `path`, and the parts of the path below it. The roots `lib.rs` and
/// `main.rs`, the binaries and the files of tests belong to no layer.
fn module_of(path: &str) -> Option<(&'static str, Vec<&str>)> {
    let (directory, _) = CRATES
        .iter()
        .find(|(directory, _)| path.starts_with(&format!("{directory}/src/")))?;
    let inside = path
        .strip_prefix(directory)?
        .strip_prefix("/src/")?
        .strip_suffix(".rs")?;
    let mut parts: Vec<&str> = inside.split('/').collect();
    if parts.last() == Some(&"mod") {
        parts.pop();
    }
    let free = matches!(parts.first(), Some(&("lib" | "main" | "bin")));
    (!free && !parts.contains(&"tests")).then_some((*directory, parts))
}

#[test]
fn crates_depend_only_downwards() {
    let mut errors = Vec::new();
    for (directory, below) in CRATES {
        let path = format!("{directory}/Cargo.toml");
        let manifest = std::fs::read_to_string(root().join(&path)).expect("each crate exists");
        let ours: Vec<&str> = below.iter().map(|directory| package(directory)).collect();
        let outside = OUTSIDE
            .iter()
            .find(|(name, _)| name == directory)
            .map(|(_, list)| *list);
        errors.extend(rules::arrows(&path, &manifest, &ours, outside));
    }
    assert_clean(&errors);
}

#[test]
fn modules_name_only_modules_below_them() {
    let files = files();
    let mut errors = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".rs")) {
        let Some((directory, module)) = module_of(&file.path) else {
            continue;
        };
        let Some((_, order)) = MODULES.iter().find(|(name, _)| *name == directory) else {
            continue;
        };
        let lib = format!("{directory}/src/lib.rs");
        let lib = files.iter().find(|file| file.path == lib);
        let exports = lib.map(|lib| rules::exports(&lib.text)).unwrap_or_default();
        errors.extend(rules::layers(
            &file.path, &module, &file.text, order, &exports,
        ));
    }
    assert_clean(&errors);
}

#[test]
fn every_module_of_the_table_exists() {
    let present: Vec<(&str, String)> = rust_files()
        .filter_map(|file| {
            let (directory, module) = module_of(&file.path)?;
            Some((directory, (*module.first()?).to_owned()))
        })
        .collect();
    for (directory, order) in MODULES {
        for name in *order {
            let found = present
                .iter()
                .any(|(of, module)| of == directory && module == name);
            assert!(
                found,
                "tidy's table names {directory}: `{name}`, which does not exist"
            );
        }
    }
}

#[test]
fn pure_crates_do_no_io_and_read_no_clock() {
    let mut errors = Vec::new();
    for file in rust_files() {
        let pure = PURE.iter().any(|(tree, except)| {
            file.path.starts_with(tree) && !except.iter().any(|path| file.path.starts_with(path))
        });
        if pure {
            errors.extend(rules::purity(&file.path, &file.text));
        }
    }
    assert_clean(&errors);
}

#[test]
fn files_say_what_they_are_for_and_fit_a_screen() {
    let mut errors = Vec::new();
    for file in rust_files() {
        errors.extend(rules::first_line(&file.path, &file.text));
        errors.extend(rules::size(&file.path, &file.text));
    }
    for file in files().iter().filter(|file| file.path.ends_with(".c")) {
        errors.extend(rules::size(&file.path, &file.text));
    }
    assert_clean(&errors);
}

#[test]
fn nothing_is_left_unfinished_or_names_a_foreign_place() {
    let errors: Vec<String> = files()
        .iter()
        .flat_map(|file| rules::words(&file.path, &file.text))
        .collect();
    assert_clean(&errors);
}

/// Each rule is seen to fail: a rule that cannot fail would say nothing.
mod each_rule_can_fail {
    use super::rules;
    use super::source::{code_only, production};

    fn check(errors: &[String], expected: &[&str]) {
        assert_eq!(errors.len(), expected.len(), "{errors:?}");
        for (error, part) in errors.iter().zip(expected) {
            assert!(error.contains(part), "{error:?} does not say {part:?}");
        }
    }

    #[test]
    fn arrows() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\nbytes.workspace = true\n\
                        martlet-store = { path = \"..\" }\n[dev-dependencies]\ntokio = \"1\"\n";
        check(&rules::arrows("m", manifest, &["martlet-store"], None), &[]);
        check(
            &rules::arrows("m", manifest, &[], None),
            &["m:5: error: `martlet-store`"],
        );
        check(
            &rules::arrows("m", manifest, &["martlet-store"], Some(&[])),
            &["`bytes`"],
        );
    }

    #[test]
    fn layers() {
        let order = ["top", "mid", "low"];
        let exports = rules::exports("mod top;\npub use top::{A, b::B as C};\nuse low::D;\n");
        let layers = |module: &[&str], text| rules::layers("p", module, text, &order, &exports);
        let down = "use crate::low::A;\nuse crate::{\n    low::{B, C},\n    mid,\n};\n";
        check(&layers(&["mid"], down), &[]);
        check(&layers(&["low"], down), &["p:2: error: `low` names `mid`"]);
        let deep = "fn f() -> crate::top::A { crate::low::g() }";
        check(&layers(&["mid", "leaf"], deep), &["`mid` names `top`"]);
        check(&layers(&["new"], ""), &["`new` is not in the table"]);
        check(&layers(&["top"], "use crate::{A, C};"), &[]);
        check(
            &layers(&["mid"], "use crate::{A, C};"),
            &["names `top`", "names `top`"],
        );
        check(
            &layers(&["mid"], "use crate::D;"),
            &["`crate::D` is in no module"],
        );
        check(&layers(&["mid"], "use super::low;"), &["climbs out"]);
        check(&layers(&["mid", "leaf"], "use super::x;"), &[]);
        check(
            &layers(&["mid", "leaf"], "use super::super::x;"),
            &["climbs"],
        );
    }

    #[test]
    fn purity() {
        let clock = "fn f() { std::time::Instant::now(); }\n";
        check(&rules::purity("p", clock), &["p:1: error: `Instant::now`"]);
        check(
            &rules::purity("p", "use std::fs::File;\nuse std::net::*;"),
            &["fs", "net"],
        );
        let harmless = "// std::fs is named here\nlet tokio_like = \"tokio\";\n";
        check(&rules::purity("p", harmless), &[]);
        let in_tests = "fn f() {}\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n";
        check(&rules::purity("p", in_tests), &[]);
    }

    #[test]
    fn first_line() {
        check(&rules::first_line("p", "//! What it is for.\n"), &[]);
        check(&rules::first_line("p", "#![no_main]\n"), &[]);
        check(&rules::first_line("p", "use std::fs;\n"), &["p:1"]);
        check(&rules::first_line("p", ""), &["p:1"]);
    }

    #[test]
    fn size() {
        check(&rules::size("p", &"x".repeat(100)), &[]);
        check(&rules::size("p", &"x".repeat(101)), &["101 columns"]);
        check(
            &rules::size("p", &format!("// https://{}", "x".repeat(100))),
            &[],
        );
        check(&rules::size("p", &"x\n".repeat(501)), &["501 lines"]);
        let tests = format!("{}#[cfg(test)]\nmod tests {{\n", "x\n".repeat(500));
        check(
            &rules::size("p", &format!("{tests}{}", "y\n".repeat(300))),
            &[],
        );
    }

    #[test]
    fn words() {
        let marker = concat!("// FIX", "ME: later");
        check(&rules::words("p", marker), &["has no place"]);
        check(
            &rules::words("p", concat!("see /wo", "rk/main")),
            &["has no place"],
        );
        check(
            &rules::words("p", concat!("https://crates", ".io/x")),
            &["has no place"],
        );
        check(&rules::words("p", "// A finished sentence."), &[]);
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        let text = "a /* b /c */ d // e\n\"f\\\"g\" h r#\"i \" j\"# k 'l' '\\'' m<'n> r#type";
        let words: Vec<String> = code_only(text)
            .split_whitespace()
            .map(ToOwned::to_owned)
            .collect();
        assert_eq!(words, ["a", "d", "h", "k", "m<'n>", "r#type"]);
    }

    #[test]
    fn only_an_inline_test_module_ends_the_production_part() {
        let declared = "#[cfg(test)]\nmod tests;\nfn f() {}\n";
        assert_eq!(production(declared), declared);
        assert_eq!(production("a\n#[cfg(test)]\nmod tests {\nb\n}\n"), "a\n");
    }
}
