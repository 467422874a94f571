//! `register`: an account for this home.

use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use martlet_client::{Client, Config, RegisterError};

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
    let registered = client
        .register(&args.server, &args.name, token.as_deref())
        .await;
    let identity = registered.map_err(|error| match advice(&error, &args) {
        Some(advice) => anyhow!("{error}; {advice}"),
        None => error.into(),
    })?;
    output::registered(&identity)?;
    Ok(())
}

/// Which option may help where the error alone does not say it.
fn advice(error: &RegisterError, args: &Register) -> Option<String> {
    match error {
        RegisterError::Unreachable { reason }
            if reason.contains("certificate") && args.ca.is_none() =>
        {
            Some("if the server has made its certificate itself, say --ca FILE with it".to_owned())
        }
        RegisterError::TimedOut if !args.server.contains("://") => Some(format!(
            "if the server wants TLS, say --server tls://{}",
            args.server
        )),
        _ => None,
    }
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
    fn a_certificate_that_nobody_vouches_for_leads_to_the_option_that_does() {
        let mut args = Register {
            server: "localhost:1".to_owned(),
            name: "alice".to_owned(),
            token: None,
            ca: None,
            insecure_plaintext: false,
        };
        let reason = "invalid peer certificate: UnknownIssuer".to_owned();
        let error = RegisterError::Unreachable { reason };
        assert!(advice(&error, &args).unwrap().contains("--ca"));
        let advised = advice(&RegisterError::TimedOut, &args).unwrap();
        assert!(advised.ends_with("tls://localhost:1"));
        args.ca = Some("/ca.pem".into());
        assert_eq!(advice(&error, &args), None);
    }

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
