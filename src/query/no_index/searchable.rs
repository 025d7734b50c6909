//! Which conditions an index on a column can be searched by, and why not the others.

use crate::catalog::plan::{Clause, Comparison, Wrapper};

/// The conditions that can be searched by, and the others with the reason.
pub fn sort(clauses: &[Clause]) -> (Vec<&Clause>, Vec<(&Clause, String)>) {
    let mut found = Vec::new();
    let mut obstacles = Vec::new();
    for clause in clauses {
        match obstacle(clause) {
            None => found.push(clause),
            Some(why) => obstacles.push((clause, why)),
        }
    }
    (found, obstacles)
}

/// Why a condition cannot be searched by; `None` where it can.
fn obstacle(clause: &Clause) -> Option<String> {
    if clause.is_volatile {
        return Some("it calls a volatile function, which has to be asked for every row".to_owned());
    }
    match clause.comparison {
        Comparison::Or => return or_obstacle(clause),
        Comparison::NotEqual | Comparison::Not => {
            return Some("it says which rows are not wanted, and an index finds those that are".to_owned());
        }
        Comparison::Other if clause.key.is_none() => {
            return Some("it compares no column with a value by an operator that an index knows".to_owned());
        }
        _ => {}
    }
    let key = match &clause.key {
        Some(key) => key,
        None if clause.columns.len() > 1 => {
            return Some("it compares columns of the table with each other".to_owned());
        }
        None => return Some("it compares no column with a value".to_owned()),
    };
    // An index on the expression is an index on a key like any other.
    let has_index = clause.fits.iter().any(|fit| fit.position == 0 && fit.obstacle.is_none());
    let column = &key.column.name;
    match &key.wrapper {
        Some(_) if has_index => {}
        Some(Wrapper::Function(name)) => return Some(format!("{name}() stands over column {column}")),
        Some(Wrapper::ImplicitCast { from, to }) => {
            return Some(format!(
                "column {column} is of type {from} and is cast to {to}, the type of what it is compared with"
            ));
        }
        Some(Wrapper::Cast(to)) => return Some(format!("column {column} is cast to {to}")),
        Some(Wrapper::Operator(operator)) => {
            return Some(format!("operator {operator} stands over column {column}"));
        }
        Some(Wrapper::Other) => return Some(format!("an expression stands over column {column}")),
        None => {}
    }
    // A trigram or the like serves any pattern.
    if clause.comparison == Comparison::Pattern && !has_index {
        if clause.ignores_case() {
            return Some(
                "a pattern that ignores case needs a trigram index (extension pg_trgm, access method gin)"
                    .to_owned(),
            );
        }
        if clause.has_leading_wildcard() {
            return Some(
                "its pattern begins with a wildcard, which only a trigram index finds (extension pg_trgm, access \
                 method gin)"
                    .to_owned(),
            );
        }
        if clause.pattern.is_none() {
            return Some(
                "its pattern is known only when the query runs, and may begin with a wildcard".to_owned(),
            );
        }
    }
    if clause.comparison == Comparison::Other && !has_index {
        let operator = clause.operator.as_deref().unwrap_or_default();
        return Some(format!(
            "operator {operator} needs an index of another kind than btree, as gin or gist"
        ));
    }
    None
}

/// An OR is searched by one index for each side, or by none.
fn or_obstacle(clause: &Clause) -> Option<String> {
    let why = clause.parts.iter().find_map(|part| Some((part, obstacle(part)?)));
    if let Some((part, why)) = why {
        return Some(format!("of its sides joined by OR, {} cannot be searched by: {why}", part.text));
    }
    clause.parts.is_empty().then(|| "its sides joined by OR cannot be searched by".to_owned())
}
