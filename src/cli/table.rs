//! Columns for a terminal.

/// Lines of `rows` under `heads`, each column as wide as its widest cell, with two spaces between. The last
/// one is not filled up.
pub(super) fn table<const N: usize>(heads: [&str; N], rows: &[[String; N]]) -> Vec<String> {
    let heads = heads.map(str::to_owned);
    let all = || std::iter::once(&heads).chain(rows);
    let widths: [usize; N] = std::array::from_fn(|column| {
        all().map(|cells| cells[column].chars().count()).max().unwrap_or_default()
    });
    let line = |cells: &[String; N]| {
        let cells: Vec<_> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    all().map(line).collect()
}

/// `1 integration`, `2 integrations`.
pub(super) fn counted(number: usize, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |one: &str, two: &str| [one.to_owned(), two.to_owned()];

        let lines = table(["KEY", "NAME"], &[row("zoho-crm", "Zoho"), row("é", "")]);

        assert_eq!(lines, ["KEY       NAME", "zoho-crm  Zoho", "é"]);
    }
}
