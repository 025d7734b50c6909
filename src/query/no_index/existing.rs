//! The indexes that are there, and why they do not serve.

use crate::catalog::plan::{Clause, Fit, IndexFacts, Obstacle, TableFacts};

/// Every condition, those on the sides of an OR one by one.
fn flat<'a>(clauses: &[&'a Clause]) -> Vec<&'a Clause> {
    clauses
        .iter()
        .flat_map(
            |&clause| if clause.parts.is_empty() { vec![clause] } else { clause.parts.iter().collect() },
        )
        .collect()
}

fn serves(index: &IndexFacts, fit: &Fit) -> bool {
    // Other access methods than B-trees search by any of their columns.
    let leads = fit.position == 0 || matches!(index.method.as_str(), "gin" | "gist" | "brin");
    leads && fit.obstacle.is_none() && index.is_valid && index.is_implied
}

/// A valid index that could be searched by one of the conditions; for an OR, only if there is one for each side.
pub fn usable<'a>(table: &'a TableFacts, clauses: &[&Clause]) -> Option<&'a IndexFacts> {
    let of = |clause: &Clause| {
        let fits = fits(table, clause);
        fits.into_iter().find(|(index, fit)| serves(index, fit)).map(|(index, _)| index)
    };
    clauses.iter().find_map(|clause| {
        if clause.parts.is_empty() {
            of(clause)
        } else {
            clause.parts.iter().map(of).collect::<Option<Vec<_>>>()?.first().copied()
        }
    })
}

/// The indexes that have the key of a condition. Join conditions are not compared by the server, so by column.
fn fits<'a>(table: &'a TableFacts, clause: &Clause) -> Vec<(&'a IndexFacts, Fit)> {
    if !clause.fits.is_empty() {
        return clause.fits.iter().filter_map(|fit| Some((table.index(fit.index)?, fit.clone()))).collect();
    }
    let Some(column) = clause.plain_column().filter(|_| clause.has_parameter) else { return Vec::new() };
    table
        .indexes
        .iter()
        .filter_map(|index| {
            let position = index.keys.iter().position(|key| key.column == column.column)?;
            Some((index, Fit { index: index.oid, position, obstacle: None }))
        })
        .collect()
}

/// The indexes that have a column of the conditions and cannot be used, with the reason as a sentence.
pub fn idle<'a>(table: &'a TableFacts, clauses: &[&Clause]) -> Vec<(&'a IndexFacts, String)> {
    let mut found: Vec<(&IndexFacts, String)> = Vec::new();
    for clause in flat(clauses) {
        for (index, fit) in fits(table, clause) {
            if found.iter().any(|(known, _)| known.oid == index.oid) {
                continue;
            }
            if let Some(why) = why_idle(index, &fit) {
                found.push((index, why));
            }
        }
    }
    found
}

fn why_idle(index: &IndexFacts, fit: &Fit) -> Option<String> {
    let name = &index.name;
    let column = index.keys.get(fit.position).map_or("", |key| key.text.as_str());
    if !index.is_valid {
        return Some(format!(
            "index {name} is not valid, so no query may use it: REINDEX INDEX CONCURRENTLY {name}"
        ));
    }
    if !index.is_implied {
        let predicate = index.predicate.as_deref().unwrap_or_default();
        return Some(format!(
            "index {name} has only the rows with {}, which the query's conditions do not imply",
            crate::catalog::plan::bare(predicate)
        ));
    }
    match &fit.obstacle {
        Some(Obstacle::OperatorClass(class)) => {
            return Some(format!(
                "index {name} has {column} by operator family {class}, which does not know the operator"
            ));
        }
        Some(Obstacle::Collation(collation)) => {
            return Some(format!(
                "index {name} sorts {column} by collation \"{collation}\", which does not serve this condition"
            ));
        }
        None => {}
    }
    if fit.position > 0 && !matches!(index.method.as_str(), "gin" | "gist" | "brin") {
        let first = index.keys.first().map_or("", |key| key.text.as_str());
        return Some(format!(
            "index {name} begins with {first}, on which the query has no condition, and has {column} behind it"
        ));
    }
    None
}
