//! Compiles the power-cut shim and runs programs under it (see shim/shadow.c for what it does).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A watched directory and its shadow, both inside one temporary directory.
pub(crate) struct Cut {
    home: tempfile::TempDir,
}

impl Cut {
    /// An empty directory to watch, with its empty shadow.
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let cut = Self { home };
        fs::create_dir(cut.data()).expect("make the watched directory");
        fs::create_dir(cut.shadow()).expect("make the shadow");
        cut
    }

    /// The directory that the program writes to.
    pub(crate) fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// What of it is synced.
    pub(crate) fn shadow(&self) -> PathBuf {
        self.home.path().join("shadow")
    }

    /// A path beside the two, for logs and switches that are not watched.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// `program`, to be run under the shim. Faults are set by its `MARTLET_POWERCUT_…` variables.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env("LD_PRELOAD", library())
            .env("MARTLET_POWERCUT_DIR", self.data())
            .env("MARTLET_POWERCUT_SHADOW", self.shadow());
        command
    }

    /// The power comes back: the data directory is now what had been synced. The program that used
    /// it must have ended.
    pub(crate) fn discard_unsynced(&self) {
        fs::remove_dir_all(self.data()).expect("remove what the program saw");
        copy_tree(&self.shadow(), &self.data()).expect("restore what was synced");
    }
}

/// The shim as a shared library, compiled once per test run.
pub(crate) fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let flags = ["-shared", "-fPIC", "-pthread", "-ldl"];
        compile("libpowercut.so", &["powercut.c", "shadow.c"], &flags)
    })
}

/// Compiles sources of this directory. Tests of several processes may do it at the same time, so
/// the result appears under its name in one step.
pub(crate) fn compile(output: &str, sources: &[&str], flags: &[&str]) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shim");
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join(output);
    let partial = output.with_extension(format!("{}.part", std::process::id()));
    let done = Command::new("cc")
        .args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&partial)
        .args(sources.iter().map(|source| here.join(source)))
        .args(flags)
        .status()
        .expect("run the C compiler");
    assert!(done.success(), "cc could not compile {sources:?}");
    fs::rename(&partial, &output).expect("name the compiled file");
    output
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
