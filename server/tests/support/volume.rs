//! A small file system of its own, which can be filled without harm to anybody else.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A tmpfs in a mount namespace of its own. It is gone with the process that holds the namespace,
/// which ends when this is dropped or the test dies: nothing is left mounted.
#[derive(Debug)]
pub struct Volume {
    holder: Child,
    root: PathBuf,
    _mount_point: tempfile::TempDir,
}

impl Volume {
    /// Makes an empty volume of so many mebibytes; `None` when the environment says that this
    /// machine cannot, by `MARTLET_TEST_NO_MOUNT=1`.
    ///
    /// # Panics
    /// When this user may not mount anything, with what to do about it.
    pub fn mount(mebibytes: u32) -> Option<Self> {
        if std::env::var_os("MARTLET_TEST_NO_MOUNT").is_some() {
            println!("NOT TESTED: the behaviour on a full disk, because nothing may be mounted");
            return None;
        }
        let mount_point = tempfile::tempdir().expect("make a mount point");
        // Shows that it is mounted, then lives as long as its standard input.
        let script = "mount -t tmpfs -o size=\"$1\"m,mode=0700 tmpfs \"$2\" && echo up && exec cat";
        let mut holder = Command::new("unshare")
            .args([
                "--user",
                "--map-root-user",
                "--mount",
                "sh",
                "-c",
                script,
                "sh",
            ])
            .arg(mebibytes.to_string())
            .arg(mount_point.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("run unshare (package util-linux)");
        let mut up = String::new();
        let stdout = holder.stdout.as_mut().expect("stdout is piped");
        BufReader::new(stdout)
            .read_line(&mut up)
            .expect("listen to the shell");
        assert_eq!(
            up.trim(),
            "up",
            "a full disk needs a tmpfs in a user namespace, which this machine does not allow. \
             Allow it (sysctl kernel.unprivileged_userns_clone=1, and on Ubuntu also \
             kernel.apparmor_restrict_unprivileged_userns=0; in a container --privileged), or set \
             MARTLET_TEST_NO_MOUNT=1 to leave this out"
        );
        // The namespace's files, seen from outside it.
        let root = Path::new("/proc")
            .join(holder.id().to_string())
            .join("root");
        let inside = mount_point
            .path()
            .strip_prefix("/")
            .expect("an absolute path");
        Some(Self {
            root: root.join(inside),
            holder,
            _mount_point: mount_point,
        })
    }

    /// A path in the volume.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Fills the volume to its last byte, until [`make_room`](Self::make_room).
    pub fn fill(&self) {
        let mut ballast = File::create(self.path(BALLAST)).expect("create the ballast");
        let mut chunk = vec![0; 1 << 20];
        // Ever smaller pieces, until not one byte fits.
        while !chunk.is_empty() {
            match ballast.write(&chunk) {
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                    chunk.truncate(chunk.len() / 2);
                }
                Err(error) => panic!("fill the volume: {error}"),
            }
        }
    }

    /// Removes the ballast.
    pub fn make_room(&self) {
        std::fs::remove_file(self.path(BALLAST)).expect("remove the ballast");
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // The namespace and its file system go with their last process.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

const BALLAST: &str = "ballast";
