//! `register`: an account for this home.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use martlet_client::{Client, Config};

use crate::args::Register;
use crate::{home, output};

/// How this home is to connect, from now on.
pub(super) fn config(args: &Register) -> Config {
    Config {
        allow_plaintext: args.insecure_plaintext,
        ca_file: args.ca.clone(),
        ..home::config()
    }
}

pub(super) async fn run(client: Client, args: Register) -> anyhow::Result<()> {
    let token = args.token.as_deref().map(read_token).transpose()?;
    let identity = client
        .register(&args.server, &args.name, token.as_deref())
        .await?;
    output::registered(&identity)?;
    Ok(())
}

fn read_token(path: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("read the token from {}", path.display()))?;
    let token = text.trim();
    if token.is_empty() {
        bail!(
            "{} holds no token: ask the server's operator for one",
            path.display()
        );
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_the_file_holds_between_its_blanks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        fs::write(&path, "  eyJ.x.y\n").unwrap();
        assert_eq!(read_token(&path).unwrap(), "eyJ.x.y");
        fs::write(&path, "\n").unwrap();
        assert!(
            read_token(&path)
                .unwrap_err()
                .to_string()
                .contains("holds no token")
        );
        let missing = read_token(&dir.path().join("none")).unwrap_err();
        assert!(format!("{missing:#}").starts_with("read the token from"));
    }
}
