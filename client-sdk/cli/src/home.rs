//! Which home a command uses, and opening it.

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, anyhow, bail};
use martlet_client::{Client, Config, Identity, OpenError, Passphrase, StoreKeySource};
use zeroize::Zeroizing;

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

/// Opens a home, and makes it when it does not exist.
pub(crate) async fn open(dir: &Path, config: Config) -> anyhow::Result<Client> {
    let is_passphrase = matches!(config.store_key, StoreKeySource::Passphrase(_));
    let opened = Client::open(dir, config).await;
    opened.map_err(|error| match advice(&error, is_passphrase) {
        Some(advice) => anyhow!("{error}; {advice}"),
        None => error.into(),
    })
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
    let config = Config {
        allow_plaintext: true,
        ..config
    };
    let client = open(dir, config).await?;
    match client.identity().await? {
        Some(identity) => Ok((client, identity)),
        None => bail!(unregistered(dir)),
    }
}

/// What this program tells the server about itself, what opens the home, and else the defaults.
pub(crate) fn config(passphrase_file: Option<&Path>) -> anyhow::Result<Config> {
    let agent = concat!("martlet/", env!("CARGO_PKG_VERSION")).to_owned();
    let store_key = match passphrase_file {
        Some(path) => StoreKeySource::Passphrase(read_passphrase(path)?),
        None => StoreKeySource::KeyFile,
    };
    Ok(Config {
        agent,
        store_key,
        ..Config::default()
    })
}

/// The first line of the file, without its end.
fn read_passphrase(path: &Path) -> anyhow::Result<Passphrase> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("read the passphrase from {}", path.display()))?;
    let text = Zeroizing::new(text);
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Passphrase::new(line)),
        _ => bail!("{} does not begin with a passphrase", path.display()),
    }
}

/// Which option may help where the error alone does not say it.
fn advice(error: &OpenError, is_passphrase: bool) -> Option<&'static str> {
    match error {
        OpenError::KeyFileMissing { .. } => Some("for a passphrase say --passphrase-file FILE"),
        OpenError::WrongKey if is_passphrase => {
            Some("if it was made without a passphrase, leave --passphrase-file away")
        }
        _ => None,
    }
}

fn unregistered(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "{dir} is not registered: \
         run `martlet --home {dir} register --server ADDR --name NAME` first, \
         or `link CODE` to make it a device of an account"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_is_the_first_line_of_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("passphrase");
        for text in [
            "correct horse\n",
            "correct horse",
            "correct horse\r\nbattery\n",
        ] {
            fs::write(&path, text).unwrap();
            assert_eq!(
                read_passphrase(&path).unwrap(),
                Passphrase::new("correct horse")
            );
        }
        for text in ["", "\n", "\ncorrect horse\n"] {
            fs::write(&path, text).unwrap();
            assert!(read_passphrase(&path).is_err(), "{text:?}");
        }
        let missing = read_passphrase(&dir.path().join("none")).unwrap_err();
        assert!(format!("{missing:#}").starts_with("read the passphrase from"));
    }
}
