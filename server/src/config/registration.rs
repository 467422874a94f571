//! `[registration]`: who may create an account.

use std::path::PathBuf;

use serde::Deserialize;

/// Who may create an account. There is no `open` here: anyone may register only with `--dev`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Registration {
    /// Whether registration is possible at all.
    pub mode: Mode,
    /// The operator's public keys (JWKS). Each key has a `kid`.
    pub jwks_file: Option<PathBuf>,
    /// What a token's `aud` claim must name, so that tokens for other services are no good here.
    pub audience: Option<String>,
}

/// How registration is guarded.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Nobody can register.
    #[default]
    Closed,
    /// The operator's token vouches for a handle.
    Token,
}
