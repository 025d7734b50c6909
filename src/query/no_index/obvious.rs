//! The index that one would think of.

use crate::catalog::plan::{Clause, Comparison, NodeKind, bare};
use crate::query::plan_shares::Scan;

/// Indexes to be thought there together.
pub struct Wanted {
    /// Each as CREATE INDEX.
    pub definitions: Vec<String>,
    /// Their keys.
    keys: Vec<String>,
}

impl Wanted {
    /// What they are on, for a sentence.
    pub fn label(&self) -> String {
        self.keys.join(" and none on ")
    }
}

fn definition(table: &str, keys: &str) -> String {
    format!("CREATE INDEX ON {table} {keys}")
}

/// What an index has for a condition: the column or expression, with an operator class where a pattern needs one.
fn key(scan: &Scan, clause: &Clause) -> Option<String> {
    let key = clause.key.as_ref()?;
    if key.wrapper.is_some() {
        return key.is_immutable.then(|| format!("({})", bare(&key.text)));
    }
    if clause.comparison != Comparison::Pattern {
        return Some(key.text.clone());
    }
    let type_name = scan.table.column(key.column.column).map_or("", |column| column.type_name.as_str());
    let class = match type_name {
        name if name.starts_with("character varying") => "varchar_pattern_ops",
        name if name.starts_with("character") => "bpchar_pattern_ops",
        _ => "text_pattern_ops",
    };
    Some(format!("{} {class}", key.text))
}

/// One index for conditions that all hold: what is equated first, then one range. For an OR, one for each side.
pub fn indexes(scan: &Scan, clauses: &[&Clause]) -> Wanted {
    let mut wanted = Wanted { definitions: Vec::new(), keys: Vec::new() };
    let plain: Vec<&Clause> = clauses.iter().copied().filter(|clause| clause.parts.is_empty()).collect();
    let sides: Vec<&Clause> = clauses.iter().flat_map(|clause| &clause.parts).collect();
    let mut sets: Vec<Vec<String>> = Vec::new();
    if plain.is_empty() {
        sets.extend(sides.iter().filter_map(|side| Some(vec![key(scan, side)?])));
    } else {
        // What the index of the scan finds already, goes first.
        let searched = &scan.node.index_conditions;
        let all: Vec<&Clause> = match scan.node.kind {
            NodeKind::SeqScan => plain,
            _ => searched.iter().chain(plain).collect(),
        };
        sets.push(ordered(scan, &all));
    }
    for mut keys in sets {
        let mut seen: Vec<String> = Vec::new();
        keys.retain(|key| {
            let is_new = !seen.contains(key);
            seen.push(key.clone());
            is_new
        });
        let list = format!("({})", keys.join(", "));
        if !keys.is_empty() && !wanted.keys.contains(&list) {
            wanted.definitions.push(definition(scan.name, &list));
            wanted.keys.push(list);
        }
    }
    wanted
}

fn ordered(scan: &Scan, clauses: &[&Clause]) -> Vec<String> {
    let is_point = |clause: &&&Clause| {
        matches!(
            clause.comparison,
            Comparison::Equality | Comparison::AnyOf | Comparison::IsNull | Comparison::Boolean
        )
    };
    let mut keys: Vec<String> =
        clauses.iter().filter(is_point).filter_map(|clause| key(scan, clause)).collect();
    keys.extend(clauses.iter().filter(|clause| !is_point(clause)).find_map(|clause| key(scan, clause)));
    keys
}

/// An index on the expression that a condition compares.
pub fn expression(table: &str, clause: &Clause) -> Option<String> {
    let key = clause.key.as_ref().filter(|key| key.wrapper.is_some() && key.is_immutable)?;
    // Of a comparison by NOT there is nothing to find.
    matches!(clause.comparison, Comparison::Equality | Comparison::Range | Comparison::AnyOf)
        .then(|| definition(table, &format!("(({}))", bare(&key.text))))
}
