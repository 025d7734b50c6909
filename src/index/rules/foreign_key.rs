//! Foreign keys whose referencing rows cannot be found fast.

use crate::catalog::Constraint;
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};
use crate::foreign_key_cover::Cover;
use crate::index::duty::Duties;
use crate::index::family::indexed_relations;
use crate::index::missing::{ForeignKeyLimits, Gap, WeighedGap, groups, weigh};
use crate::text::quote_identifier;

const LARGE_ROWS: Threshold = Threshold {
    name: "large_rows",
    default: 10_000.0,
    range: (0.0, 1e12),
    meaning: "rows of the referencing table from which on a missing index is an error if referenced rows are deleted (a scan then takes more than a millisecond)",
};

const SMALL_ROWS: Threshold = Threshold {
    name: "small_rows",
    default: 1_000.0,
    range: (0.0, 1e12),
    meaning: "rows of the referencing table, as of the last ANALYZE, below which a missing index is only worth knowing",
};

/// A foreign key without any index that helps to find its referencing rows.
///
/// Judged as the planner would: the foreign key's columns must be the first keys, in any order, of a valid index
/// that can look up by equality; INCLUDE columns do not count, nor does a predicate other than NOT NULL of these
/// columns. A foreign key of a table to itself is `schema.self_reference_without_index`.
pub const FOREIGN_KEY_WITHOUT_INDEX: Rule = Rule {
    id: "indexing.foreign_key_without_index",
    dimension: Dimension::Indexing,
    severity: Severity::Warning,
    title: "A foreign key has no index",
    why: "Each delete or key change of a referenced row reads the whole referencing table, while it holds its locks; joins along the foreign key do the same.",
    thresholds: &[LARGE_ROWS, SMALL_ROWS],
    reference: "https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK",
    check: |facts, verdicts| check(facts, verdicts, false),
};

/// A composite foreign key for which an index narrows the search by some of its columns only.
pub const FOREIGN_KEY_PARTLY_INDEXED: Rule = Rule {
    id: "indexing.foreign_key_partly_indexed",
    dimension: Dimension::Indexing,
    severity: Severity::Info,
    title: "A composite foreign key is indexed in part",
    why: "Each delete or key change of a referenced row reads all rows that agree in the indexed columns.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/indexes-multicolumn.html",
    check: |facts, verdicts| check(facts, verdicts, true),
};

/// A foreign key between two tables.
fn is_between_tables(constraint: &Constraint) -> bool {
    constraint.foreign_key.as_ref().is_some_and(|foreign_key| foreign_key.table != constraint.table)
}

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>, is_partly: bool) {
    let snapshot = facts.snapshot;
    let limits = if is_partly {
        ForeignKeyLimits { large_rows: LARGE_ROWS.default, small_rows: SMALL_ROWS.default }
    } else {
        ForeignKeyLimits::from_settings(&|name| Some(verdicts.threshold(name)))
    };
    let duties = Duties::learn(snapshot);
    let mut names = None;
    for root in indexed_relations(snapshot) {
        (facts.interrupt)();
        let tables = if root.partitioning.is_some() { snapshot.tree(root.oid) } else { vec![root.oid] };
        for table in tables.into_iter().filter_map(|table| snapshot.relation(table)) {
            let foreign_keys = groups(snapshot, table.oid, &is_between_tables);
            if foreign_keys.is_empty() {
                continue;
            }
            verdicts.examine(foreign_keys.len() as u64);
            let is_told = |gap: &Gap<'_>| matches!(gap.cover, Cover::Partly { .. }) == is_partly;
            for weighed in weigh(facts, &duties, &mut names, &limits, table, &is_between_tables, &is_told) {
                report(facts, &weighed, verdicts);
            }
        }
    }
}

/// One finding for each set of columns, those that one and the same index serves included: each foreign key keeps
/// its finding until it is covered, whatever becomes of the others.
fn report(facts: &Facts<'_>, weighed: &WeighedGap<'_>, verdicts: &mut Verdicts<'_>) {
    let WeighedGap { row, gap, .. } = weighed;
    for constraints in std::iter::once(&gap.constraints).chain(&gap.merged) {
        let Some(first) = constraints.first() else { continue };
        let object = format!("{} on {}", quote_identifier(&first.name), row.table_name);
        let mut finding = Finding::new(object, facts.snapshot.schema_of(row.table), row.reason.as_str())
            .severity(row.severity);
        finding.evidence = row.evidence.clone();
        finding.evidence.insert("columns".to_owned(), row.columns.clone().into());
        if let (Some(create), Some(undo)) = (&row.create_sql, &row.undo_sql) {
            finding = finding.fix(create, undo);
        }
        verdicts.find(finding);
    }
}
