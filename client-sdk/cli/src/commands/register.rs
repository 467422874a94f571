//! `register`: an account for this home.

use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use martlet_client::address::ServerAddress;
use martlet_client::{Client, Config, NackCode, OfflineCause, RegisterError};

use crate::args::Register;
use crate::output;

/// How this home is to connect, from now on.
pub(super) fn config(args: &Register, config: Config) -> Config {
    Config {
        allow_plaintext: args.insecure_plaintext,
        ca_file: args.ca.clone(),
        device_name: args.device_name.clone(),
        ..config
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
    let bare = args.server.rsplit("://").next().unwrap_or(&args.server);
    let is_tls = ServerAddress::parse(&args.server).is_some_and(|address| address.tls);
    match error {
        RegisterError::Unreachable { reason } if reason.contains("certificate") => {
            certificate_advice(reason, args.ca.is_some()).map(str::to_owned)
        }
        // What a record layer says that gets something else than records.
        RegisterError::Unreachable { reason } if reason.contains("corrupt message") => Some(
            format!("if the server speaks plain TCP, say --server tcp://{bare}"),
        ),
        RegisterError::Ungreeted {
            cause: OfflineCause::Lost | OfflineCause::ServerMisbehaved { .. },
        }
        | RegisterError::TimedOut
            if !is_tls =>
        {
            Some(format!(
                "if the server wants TLS, say --server tls://{bare}"
            ))
        }
        RegisterError::Refused(NackCode::TOKEN_INVALID) if args.token.is_none() => {
            Some("then say --token FILE with it".to_owned())
        }
        _ => None,
    }
}

/// What helps when the server's certificate is not believed.
pub(super) fn certificate_advice(reason: &str, has_ca: bool) -> Option<&'static str> {
    if !reason.contains("certificate") {
        return None;
    }
    Some(if has_ca {
        "the file of --ca has neither this certificate nor who issued it"
    } else {
        "if the server has made its certificate itself, say --ca FILE with it"
    })
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

    fn args(server: &str) -> Register {
        Register {
            server: server.to_owned(),
            name: "alice".to_owned(),
            device_name: "telephone".to_owned(),
            token: None,
            ca: None,
            insecure_plaintext: false,
        }
    }

    #[test]
    fn a_certificate_that_nobody_vouches_for_leads_to_the_option_that_does() {
        let mut args = args("tls://localhost:1");
        let reason = "invalid peer certificate: UnknownIssuer".to_owned();
        let error = RegisterError::Unreachable { reason };
        assert!(advice(&error, &args).unwrap().contains("say --ca FILE"));
        args.ca = Some("/ca.pem".into());
        assert!(advice(&error, &args).unwrap().contains("--ca has neither"));
    }

    #[test]
    fn the_wrong_scheme_leads_to_the_right_one() {
        let lost = RegisterError::Ungreeted {
            cause: OfflineCause::Lost,
        };
        for server in ["localhost:1", "tcp://localhost:1"] {
            for error in [&lost, &RegisterError::TimedOut] {
                let advised = advice(error, &args(server)).unwrap();
                assert!(advised.ends_with("tls://localhost:1"), "{advised}");
            }
        }
        let args = args("tls://localhost:1");
        assert_eq!(advice(&lost, &args), None);
        let reason = "received corrupt message of type InvalidContentType".to_owned();
        let advised = advice(&RegisterError::Unreachable { reason }, &args).unwrap();
        assert!(advised.ends_with("tcp://localhost:1"), "{advised}");
    }

    #[test]
    fn a_missing_token_leads_to_the_option_that_gives_one() {
        let mut args = args("localhost:1");
        let error = RegisterError::Refused(NackCode::TOKEN_INVALID);
        assert!(advice(&error, &args).unwrap().contains("--token FILE"));
        args.token = Some("/token".into());
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
