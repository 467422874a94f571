//! Randomness from the operating system: nonces, ids and seeds.

/// `N` random bytes.
///
/// # Panics
/// When the operating system has no randomness to give: a nonce that can be guessed is worse than
/// a server that does not run.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A random number, never 0.
pub fn number() -> u64 {
    u64::from_le_bytes(bytes()).max(1)
}
