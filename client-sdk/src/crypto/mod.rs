//! End-to-end encryption as values: keys, lists, sessions, payloads; no database, no network.
//!
//! ```text
//!  contents ─► payload (ids, heads of both lists, chain) ─► session ─► part, one for each device
//!          └─► body, when they are long: sealed once, its key in each payload
//!
//!  contents ─► group payload (ids, head of the records, chain) ─► sender key ─► envelope, for all
//! ```
//!
//! [`identity`] has the keys that sign, [`list`] the signed device lists that chain up to them.
//! [`device`] has the keys with which sessions begin, [`ratchet`] the sessions. [`payload`] is what
//! a session carries, [`chain`] how one follows another, [`body`] seals contents that are too long
//! for it. [`group_ratchet`] has the sender keys of groups and [`group_payload`] what they carry,
//! [`group_log`] the signed records of who is in one. [`safety`] is what two people compare,
//! [`link`] what a new device scans. [`store_key`] seals all of it for the disk.
//!
//! Sessions are Olm's (3DH and the Double Ratchet) and sender keys Megolm's, by vodozemac; the
//! other primitives are Ed25519, SHA-2 and HKDF of aws-lc, XChaCha20-Poly1305 and Argon2id of the
//! RustCrypto project.
//! Nonces and keys are random; nothing that decides what is sent or accepted is.
//!
//! Secrets are wiped when they are dropped, with one limit: while a stored session or account is
//! read, serde and vodozemac hold it in memory of their own, which they give back unwiped.

// vodozemac accepts every MAC in such a build.
#[cfg(fuzzing)]
compile_error!("a build for fuzzing checks no MAC: it must not contain the encryption");

pub mod body;
mod buffer;
pub mod chain;
pub mod device;
#[cfg(test)]
mod fixtures;
pub mod group_log;
pub mod group_payload;
pub mod group_ratchet;
pub mod identity;
pub mod link;
pub mod list;
pub mod payload;
mod primitives;
pub mod ratchet;
pub mod safety;
pub mod store_key;
mod succession;
