//! The accounts of a run: registered now, or kept in a file by an earlier run.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use aws_lc_rs::rand;

use crate::account::{Account, Greeting, Session};

/// `count` accounts: those in the file as far as they go, the others registered now, each on a
/// connection of its own that is closed again. New ones are added to the file.
pub fn open(server: SocketAddr, count: usize, file: Option<&Path>) -> Result<Vec<Account>> {
    let mut accounts = match file {
        Some(path) => read(path)?,
        None => Vec::new(),
    };
    let known = accounts.len();
    let prefix = random_prefix()?;
    for index in known..count {
        let greeting = Greeting::connect(server, None)?;
        accounts.push(Account::register(greeting, format!("{prefix}-{index}"))?);
    }
    if let Some(path) = file.filter(|_| accounts.len() > known) {
        let text = serde_json::to_string(&accounts).context("write the accounts down")?;
        fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    }
    accounts.truncate(count);
    Ok(accounts)
}

/// Connects all of them. Gives their sessions, and how often each has to say something for the
/// server to keep it.
///
/// # Errors
/// When the server refuses one.
pub fn connect(server: SocketAddr, accounts: &[Account]) -> Result<(Vec<Session>, Duration)> {
    let mut idle_ms = u64::MAX;
    let mut sessions = Vec::new();
    for account in accounts {
        let session = account.authenticate(Greeting::connect(server, None)?)?;
        idle_ms = idle_ms.min(session.ready.idle_ms);
        sessions.push(session);
    }
    Ok((sessions, Duration::from_millis(idle_ms / 2)))
}

fn read(path: &Path) -> Result<Vec<Account>> {
    match fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text)
            .with_context(|| format!("understand {}: not an accounts file", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}

/// A prefix for handles that no other run uses: the accounts of one data directory outlive runs.
fn random_prefix() -> Result<String> {
    let mut bytes = [0; 6];
    rand::fill(&mut bytes).map_err(|_| anyhow!("no random bytes"))?;
    Ok(bytes
        .iter()
        .fold("load".to_owned(), |text, byte| format!("{text}{byte:02x}")))
}
