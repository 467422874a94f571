//! Reads the tables of SPEC.md.

/// The rows of the table that has this head, without their quotes.
pub(crate) fn table(spec: &str, head: &[&str]) -> Vec<Vec<String>> {
    let mut lines = spec.lines().skip_while(|line| cells(line) != head);
    assert!(lines.next().is_some(), "SPEC.md has a table {head:?}");
    assert!(
        lines.next().is_some_and(|line| line.starts_with("|---")),
        "{head:?}"
    );
    let rows: Vec<_> = lines
        .take_while(|line| line.starts_with('|'))
        .map(cells)
        .collect();
    assert!(!rows.is_empty(), "the table {head:?} has rows");
    rows
}

fn cells(line: &str) -> Vec<String> {
    let inside = line
        .strip_prefix("| ")
        .and_then(|line| line.strip_suffix(" |"));
    let cells = inside.unwrap_or_default().split(" | ");
    cells
        .map(|cell| cell.trim_matches('`').to_owned())
        .collect()
}
