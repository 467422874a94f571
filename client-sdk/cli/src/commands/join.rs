//! `link` with a code: makes a fresh home a device of an account.

use std::io::{self, IsTerminal, Read};
use std::path::Path;

use anyhow::{Context, anyhow};
use martlet_client::{Client, Config, LinkError};
use zeroize::Zeroizing;

use super::register::certificate_advice;
use crate::args::Link;
use crate::{output, text};

/// How this home is to connect, from now on.
pub(super) fn config(args: &Link, config: Config) -> Config {
    Config {
        allow_plaintext: args.insecure_plaintext,
        ca_file: args.ca.clone(),
        ..config
    }
}

/// The code, from wherever the command line says.
pub(super) fn code(args: &Link) -> anyhow::Result<Zeroizing<String>> {
    let mut code = Zeroizing::new(args.code.clone().unwrap_or_default());
    match args.code_file.as_deref() {
        Some(path) if path == Path::new("-") => {
            let read = io::stdin().read_to_string(&mut code);
            read.context("read the code from standard input")?;
        }
        Some(path) => {
            let read = std::fs::read_to_string(path);
            let read = read.with_context(|| format!("read the code from {}", path.display()));
            code = Zeroizing::new(read?);
        }
        None => {}
    }
    Ok(code)
}

pub(super) async fn run(client: Client, args: Link, code: Zeroizing<String>) -> anyhow::Result<()> {
    if io::stderr().is_terminal() {
        text::tell("waiting for the other device to agree");
    }
    let name = args.name.as_deref().unwrap_or_default();
    let linked = client.link(&code, name).await;
    let identity = linked.map_err(|error| match advice(&error, &args) {
        Some(advice) => anyhow!("{error}; {advice}"),
        None => error.into(),
    })?;
    output::print(&format!(
        "linked to {} at {} as device {} ({})",
        identity.handle,
        identity.server,
        identity.device,
        text::one_line(name)
    ))?;
    Ok(())
}

/// Which option may help where the error alone does not say it.
fn advice(error: &LinkError, args: &Link) -> Option<&'static str> {
    match error {
        LinkError::Unreachable { reason } => certificate_advice(reason, args.ca.is_some()),
        LinkError::PlaintextForbidden => Some(
            "the account's first device does so: say --insecure-plaintext if something else \
             protects the way",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(code: Option<&str>, code_file: Option<&Path>) -> Link {
        Link {
            code: code.map(str::to_owned),
            code_file: code_file.map(Path::to_owned),
            name: Some("laptop".to_owned()),
            ca: None,
            insecure_plaintext: false,
            history: false,
            yes: false,
        }
    }

    #[test]
    fn a_code_comes_from_the_command_line_or_from_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("code");
        std::fs::write(&path, "MARTLET-LINK-1-AA\n").unwrap();
        let read = |args: Link| code(&args).map(|code| code.trim().to_owned());
        for args in [
            args(Some("MARTLET-LINK-1-AA"), None),
            args(None, Some(&path)),
        ] {
            assert_eq!(read(args).unwrap(), "MARTLET-LINK-1-AA");
        }
        let missing = read(args(None, Some(&dir.path().join("none")))).unwrap_err();
        assert!(format!("{missing:#}").starts_with("read the code from"));
    }

    #[test]
    fn what_stands_in_the_way_leads_to_the_option_that_helps() {
        let args = args(Some("MARTLET-LINK-1-AA"), None);
        let reason = "invalid peer certificate: UnknownIssuer".to_owned();
        let advised = advice(&LinkError::Unreachable { reason }, &args).unwrap();
        assert!(advised.contains("--ca FILE"), "{advised}");
        let advised = advice(&LinkError::PlaintextForbidden, &args).unwrap();
        assert!(advised.contains("--insecure-plaintext"), "{advised}");
        assert_eq!(advice(&LinkError::TimedOut, &args), None);
    }
}
