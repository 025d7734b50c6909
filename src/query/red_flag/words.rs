//! Numbers and conditions in messages.

use crate::catalog::plan::{Clause, bare};
use crate::text::size::grouped;

/// A count, its thousands apart.
pub fn count(number: f64) -> String {
    grouped(number.round().min(9.0e18) as i64)
}

/// A count with its unit.
pub fn counted(number: f64, one: &str, several: &str) -> String {
    let shown = count(number);
    if shown == "1" { format!("1 {one}") } else { format!("{shown} {several}") }
}

/// Rows.
pub fn rows(number: f64) -> String {
    counted(number, "row", "rows")
}

/// A share as percent; never 0 for what is something.
pub fn percent(share: f64) -> String {
    match share * 100.0 {
        percent if percent >= 10.0 => format!("{percent:.0} %"),
        percent if percent >= 0.1 => format!("{percent:.1} %"),
        percent if percent > 0.0 => "less than 0.1 %".to_owned(),
        _ => "0 %".to_owned(),
    }
}

/// A condition without the parentheses around it, shortened where it is very long.
pub fn shortened(condition: &str) -> String {
    const LONGEST: usize = 120;
    let condition = bare(condition);
    if condition.chars().count() <= LONGEST {
        return condition.to_owned();
    }
    let beginning: String = condition.chars().take(LONGEST - 4).collect();
    format!("{beginning} ...")
}

/// The names of the columns that conditions compare as they are, each once.
pub fn plain_columns(clauses: &[Clause]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for column in clauses.iter().filter_map(Clause::plain_column) {
        if !names.contains(&column.name) {
            names.push(column.name.clone());
        }
    }
    names
}

/// Bytes, rounded up to what one would write in a setting.
pub fn as_setting(bytes: f64) -> String {
    let megabytes = (bytes / (1024.0 * 1024.0)).ceil().max(1.0);
    format!("{megabytes:.0}MB")
}

/// A share in evidence: four digits behind the point are plenty.
pub fn rounded(number: f64) -> f64 {
    (number * 10_000.0).round() / 10_000.0
}
