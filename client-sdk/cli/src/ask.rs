//! Asking a person, where there is one.

use std::io::{self, IsTerminal, Write};
use std::thread;

use tokio::sync::oneshot;

/// Whether somebody sits there who can read a question and answer it.
pub(crate) fn is_person() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks a question; anything but yes is no. The question goes to standard error: it is no output.
pub(crate) async fn confirm(question: &str) -> io::Result<bool> {
    let mut out = io::stderr();
    write!(out, "{question} [y/N] ")?;
    out.flush()?;
    let (answered, answer) = oneshot::channel();
    // Reading blocks. The thread ends with the answer or with the process.
    let read = move || {
        let mut line = String::new();
        let read = io::stdin().read_line(&mut line);
        // Whoever asked may have been stopped by a signal.
        let _nobody = answered.send(read.map(|_| is_yes(&line)));
    };
    thread::Builder::new()
        .name("martlet-answer".to_owned())
        .spawn(read)?;
    answer.await.unwrap_or(Ok(false))
}

fn is_yes(line: &str) -> bool {
    matches!(line.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        for line in ["y\n", "Yes\n", " YES "] {
            assert!(is_yes(line), "{line:?}");
        }
        for line in ["", "\n", "n\n", "yep\n", "y n\n"] {
            assert!(!is_yes(line), "{line:?}");
        }
    }
}
