//! Columns that follow from another column.

use rustc_hash::FxHashMap;

use crate::catalog::{ColumnNumber, Relation, Snapshot};
use crate::design::designed::designed_tables;
use crate::design::measured::why_unmeasured;
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};

/// `schema.transitive_dependency`: by extended statistics, a column that is no key determines another.
///
/// Looks only where somebody asked for the measurement by CREATE STATISTICS … (dependencies).
pub const TRANSITIVE_DEPENDENCY: Rule = Rule {
    id: "schema.transitive_dependency",
    dimension: Dimension::Schema,
    severity: Severity::Info,
    title: "Column that follows from another",
    why: "The same fact stands in many rows: to change it they must all change, and those that are missed contradict the \
          rest. It belongs in a table of its own, keyed by the column that it follows from.",
    thresholds: &[
        Threshold {
            name: "degree",
            default: 0.99,
            range: (0.5, 1.0),
            meaning: "share of the sampled rows in which the value follows (all but errors of entry)",
        },
        Threshold {
            name: "rows_a_value",
            default: 2.0,
            range: (1.0, 1e9),
            meaning: "mean rows a value of the determining column from which a dependency is more than chance",
        },
    ],
    reference: "https://www.postgresql.org/docs/current/planner-stats.html#PLANNER-STATS-EXTENDED-FUNCTIONAL-DEPS",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    for table in designed_tables(facts) {
        let statistics = snapshot.extended_statistics_of(table.oid);
        if statistics.iter().all(|object| object.dependencies.is_empty()) {
            continue;
        }
        match Measured::of(snapshot, table) {
            Some(measured) => {
                verdicts.examine(1);
                judge(verdicts, &measured);
            }
            None => verdicts.unknown(
                snapshot.relation_name(table.oid),
                snapshot.schema_name(table.schema),
                why_unmeasured(snapshot),
            ),
        }
    }
}

/// A table's measured dependencies of one column on one other.
struct Measured<'a> {
    snapshot: &'a Snapshot,
    table: &'a Relation,
    rows: f64,
    degrees: FxHashMap<(ColumnNumber, ColumnNumber), f64>,
}

impl<'a> Measured<'a> {
    /// `None` when the columns' own statistics, without which a dependency means nothing, are missing.
    fn of(snapshot: &'a Snapshot, table: &'a Relation) -> Option<Self> {
        let mut degrees = FxHashMap::default();
        for object in snapshot.extended_statistics_of(table.oid) {
            for (from, to, degree) in &object.dependencies {
                if let [from] = **from {
                    degrees.insert((from, *to), *degree);
                }
            }
        }
        let rows = snapshot.rows(table)?;
        let measured = Self { snapshot, table, rows, degrees };
        measured
            .degrees
            .keys()
            .all(|&(from, to)| measured.distinct(from).and(measured.distinct(to)).is_some())
            .then_some(measured)
    }

    fn distinct(&self, number: ColumnNumber) -> Option<f64> {
        Some(self.snapshot.column(self.table.oid, number)?.statistics?.distinct_values(self.rows))
    }

    fn is_in_key(&self, number: ColumnNumber) -> bool {
        self.snapshot
            .primary_key_of(self.table.oid)
            .is_some_and(|constraint| constraint.columns.contains(&number))
    }

    fn is_unique(&self, number: ColumnNumber) -> bool {
        self.snapshot.indexes_of(self.table.oid).iter().any(|index| {
            index.is_unique
                && index.predicate.is_none()
                && index.key_columns().len() == 1
                && index.key_columns().iter().all(|key| key.column == number)
        })
    }

    /// Whether `to` follows from `from` by more than chance.
    fn holds(&self, from: ColumnNumber, to: ColumnNumber, degree: f64, rows_a_value: f64) -> bool {
        let strong = self.degrees.get(&(from, to)).is_some_and(|&found| found >= degree);
        let repeats = self
            .distinct(from)
            .is_some_and(|distinct| distinct > 0.0 && self.rows / distinct >= rows_a_value);
        // A constant follows from everything.
        let varies = self.distinct(to).is_some_and(|distinct| distinct >= 2.0);
        strong && repeats && varies && !self.is_in_key(from) && !self.is_in_key(to) && !self.is_unique(from)
    }
}

fn judge(verdicts: &mut Verdicts<'_>, measured: &Measured<'_>) {
    let (degree, rows_a_value) = (verdicts.threshold("degree"), verdicts.threshold("rows_a_value"));
    let holds = |from, to| measured.holds(from, to, degree, rows_a_value);
    let mut by_source: FxHashMap<ColumnNumber, Vec<ColumnNumber>> = FxHashMap::default();
    for &(from, to) in measured.degrees.keys() {
        // Two names of one thing determine each other; once is enough, from the first.
        if holds(from, to) && !(to < from && holds(to, from)) {
            by_source.entry(from).or_default().push(to);
        }
    }
    let snapshot = measured.snapshot;
    for (from, mut determined) in by_source {
        determined.sort_unstable();
        let Some(column) = snapshot.column(measured.table.oid, from) else { continue };
        let names = snapshot.column_names(measured.table.oid, &determined);
        let least = determined
            .iter()
            .filter_map(|&to| measured.degrees.get(&(from, to)).copied())
            .fold(1.0, f64::min);
        let name = snapshot.column_name(column);
        let message = format!(
            "column {name} determines {} in {:.1} % of the sampled rows: the fact is stored once a row, not once a value",
            names.join(", "),
            (least * 1000.0).floor() / 10.0
        );
        verdicts.find(
            Finding::new(name, snapshot.schema_name(measured.table.schema), message)
                .evidence("determines", names)
                .evidence("degree", least)
                .evidence("distinct_values", measured.distinct(from)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Oid;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::types::builtin;
    use crate::finding::Unknown;

    /// `addresses(zip → city)` of this degree in 1,000 rows with 50 zips and 20 cities, after an edit.
    fn judge(degree: f64, edit: impl FnOnce(&mut Sample, Oid)) -> (Vec<Finding>, Vec<Unknown>, u64) {
        let mut sample = Sample::new();
        let table = sample.keyed_table("addresses");
        for (name, distinct) in [("zip", 50.0), ("city", 20.0)] {
            sample.column(table, name, builtin::TEXT);
            sample.measured(table, name, 0.0, distinct);
        }
        sample.dependency(table, "zip", "city", degree);
        edit(&mut sample, table);
        run(&TRANSITIVE_DEPENDENCY, &sample.finish())
    }

    #[test]
    fn a_strong_dependency_is_found_once() {
        let (found, _, examined) = judge(0.995, |_, _| ());
        assert_eq!((found.len(), examined), (1, 1));
        assert!(
            found[0].message.contains("public.addresses.zip determines city in 99.5 %"),
            "{}",
            found[0].message
        );
        let (found, _, _) = judge(1.0, |sample, table| sample.dependency(table, "city", "zip", 1.0));
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn weak_unique_constant_and_key_dependencies_are_right() {
        assert!(judge(0.9, |_, _| ()).0.is_empty());
        type Edit = fn(&mut Sample, Oid);
        let right: [Edit; 4] = [
            |sample, table| {
                let index = sample.index(table, "uq", &["zip"]);
                sample.edit_index(index, |index| index.is_unique = true);
            },
            |sample, table| sample.measured(table, "zip", 0.0, -0.9),
            |sample, table| sample.measured(table, "city", 0.0, 1.0),
            |sample, table| {
                sample.snapshot.constraints.clear();
                sample.primary_key(table, &["zip", "id"]);
            },
        ];
        for edit in right {
            let (found, _, examined) = judge(1.0, edit);
            assert!(found.is_empty(), "{found:?}");
            assert_eq!(examined, 1);
        }
    }

    #[test]
    fn without_column_statistics_it_is_unknown_and_without_measurement_nothing() {
        let (found, unknown, examined) = judge(1.0, |sample, table| {
            sample.edit_column(table, "zip", |column| column.statistics = None);
        });
        assert_eq!((found.len(), unknown.len(), examined), (0, 1, 0));
        let (_, unknown, examined) = judge(1.0, |sample, _| sample.snapshot.extended_statistics.clear());
        assert_eq!((unknown.len(), examined), (0, 0));
    }
}
