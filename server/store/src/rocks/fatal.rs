//! The end of the process when the store can't keep its promises.

use std::sync::Arc;

use super::StoreError;

/// Called once before the process ends, so that a test can see why; usually does nothing.
pub type OnFatal = Arc<dyn Fn(&StoreError) + Send + Sync>;

/// The exit code of an I/O error or a corrupt store (`EX_IOERR` of sysexits).
const EXIT_IO: i32 = 74;

/// Ends the process.
///
/// After a failed sync the kernel may have thrown the pages away and called them clean: to sync
/// again would succeed and prove nothing. Only a restart, which reads back what there is, does.
pub(super) fn end_process(on_fatal: &OnFatal, error: &StoreError) -> ! {
    tracing::error!(
        event = "store_failed",
        error = %chain_of(error),
        "the store failed, and what it wrote last has an unknown outcome: the process ends"
    );
    on_fatal(error);
    std::process::exit(EXIT_IO)
}

/// Ends the process when its thread panics: without a committer, a reader or a mark the others
/// would wait for ever.
pub(super) struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The panic itself has been printed already.
            std::process::abort();
        }
    }
}

/// The error and its causes in one line.
fn chain_of(error: &StoreError) -> String {
    let mut line = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        line.push_str(": ");
        line.push_str(&inner.to_string());
        cause = inner.source();
    }
    line
}
