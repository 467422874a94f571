//! Which home a command uses, and opening it.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use martlet_client::{Client, Config, Identity};

/// The directory: as given, else `$MARTLET_HOME`, else `~/.martlet`.
pub(crate) fn locate(given: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let set = |name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    given
        .or_else(|| set("MARTLET_HOME"))
        .or_else(|| set("HOME").map(|home| home.join(".martlet")))
        .context("no home: neither HOME nor MARTLET_HOME is set, so say --home DIR")
}

/// Opens a home that has an account.
pub(crate) async fn open_registered(
    dir: &Path,
    config: Config,
) -> anyhow::Result<(Client, Identity)> {
    // Opening creates what is missing; a mistyped path must not leave a directory behind.
    if !dir.exists() {
        bail!(unregistered(dir));
    }
    // Whether plain TCP may leave this machine was decided at register, with the address. Nothing
    // leads away from TLS later: a server's hint to go elsewhere keeps it.
    let client = Client::open(
        dir,
        Config {
            allow_plaintext: true,
            ..config
        },
    )
    .await?;
    match client.identity().await? {
        Some(identity) => Ok((client, identity)),
        None => bail!(unregistered(dir)),
    }
}

/// What this program tells the server about itself, and else the defaults.
pub(crate) fn config() -> Config {
    let agent = concat!("martlet/", env!("CARGO_PKG_VERSION")).to_owned();
    Config {
        agent,
        ..Config::default()
    }
}

fn unregistered(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "{dir} is not registered: \
         run `martlet --home {dir} register --server ADDR --name NAME` first"
    )
}
