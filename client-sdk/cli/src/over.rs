//! Connections that do not come back by themselves: why, and what a person can do.

use martlet_client::{CloseCode, NackCode, OfflineCause};

/// Whether no attempt to connect can follow this.
pub(crate) const fn is_over(cause: &OfflineCause) -> bool {
    matches!(
        cause,
        OfflineCause::ClosedByServer {
            code: CloseCode::DEVICE_GONE | CloseCode::REPLACED
        } | OfflineCause::Refused {
            code: NackCode::AUTH_FAILED
        }
    )
}

/// Why no attempt to connect follows, and what a person can do.
pub(crate) fn over(cause: &OfflineCause) -> String {
    let what = match cause {
        OfflineCause::ClosedByServer {
            code: CloseCode::DEVICE_GONE,
        } => "`history` shows what it has; to take part again, `link` a new home",
        OfflineCause::ClosedByServer {
            code: CloseCode::REPLACED,
        } => "another process has connected with a copy of this home: use only one of them",
        OfflineCause::Refused {
            code: NackCode::AUTH_FAILED,
        } => {
            "it does not know this device: it was removed from its account, or the server has \
             lost it; `history` shows what it has, to take part again `link` a new home"
        }
        _ => "this home cannot connect any more",
    };
    format!("{cause}: {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_device_is_told_so_whether_it_was_there_or_not() {
        let there = OfflineCause::ClosedByServer {
            code: CloseCode::DEVICE_GONE,
        };
        let away = OfflineCause::Refused {
            code: NackCode::AUTH_FAILED,
        };
        for cause in [there, away] {
            assert!(is_over(&cause));
            let line = over(&cause);
            assert!(line.contains("removed from its account"), "{line}");
            assert!(line.contains("`link` a new home"), "{line}");
        }
        assert!(!is_over(&OfflineCause::Lost));
    }
}
