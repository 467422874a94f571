//! QR codes in a terminal: a character is two modules high, so that they come out square.

use qrcode::{Color, EcLevel, QrCode};

/// Light modules around the code, without which no camera finds it.
const QUIET: usize = 4;

/// Black on white, whatever the terminal's own colours are, and back.
const COLOURS: (&str, &str) = ("\x1b[30;107m", "\x1b[0m");

/// The rows of the code, or `None` when the data is too long for one. Without `colours` dark
/// modules have the colour of text.
pub(crate) fn qr(data: &[u8], colours: bool) -> Option<Vec<String>> {
    // A screen is not torn or smudged: the least redundancy gives the largest modules.
    let code = QrCode::with_error_correction_level(data, EcLevel::L).ok()?;
    let width = code.width();
    let modules = code.to_colors();
    let is_dark = |row: usize, column: usize| {
        let (Some(row), Some(column)) = (row.checked_sub(QUIET), column.checked_sub(QUIET)) else {
            return false;
        };
        column < width && modules.get(row * width + column) == Some(&Color::Dark)
    };
    let side = width + 2 * QUIET;
    let (begin, end) = if colours { COLOURS } else { ("", "") };
    let rows = (0..side).step_by(2).map(|row| {
        let cells: String = (0..side)
            .map(
                |column| match (is_dark(row, column), is_dark(row + 1, column)) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => ' ',
                },
            )
            .collect();
        format!("{begin}{cells}{end}")
    });
    Some(rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_square_and_has_its_finders_and_a_quiet_zone() {
        let rows = qr(b"MARTLET-LINK-1-AAAA", false).unwrap();
        let side = rows[0].chars().count();
        assert_eq!(rows.len(), side.div_ceil(2));
        assert!(rows.iter().all(|row| row.chars().count() == side));
        assert!(rows[0].trim().is_empty() && rows[1].trim().is_empty());
        // The two finders of the upper edge, seven modules wide each.
        assert!(rows[2].starts_with("    █▀▀▀▀▀█ "), "{}", rows[2]);
        assert!(rows[2].ends_with(" █▀▀▀▀▀█    "), "{}", rows[2]);
    }

    #[test]
    fn colours_surround_each_row() {
        let rows = qr(&[0xff; 81], true).unwrap();
        assert!(
            rows.iter()
                .all(|row| row.starts_with(COLOURS.0) && row.ends_with(COLOURS.1))
        );
    }

    #[test]
    fn what_is_too_long_has_no_code() {
        assert_eq!(qr(&[0; 3_000], false), None);
    }
}
