//! Tables that nothing is connected to and nobody uses.

use rustc_hash::FxHashSet;

use crate::catalog::{DAY, Oid, Relation, Snapshot, Standbys};
use crate::design::designed::designed_tables;
use crate::design::measured::leaves;
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};

/// `schema.orphan_table`: in a database whose tables are mostly connected by foreign keys, one that is not, and that
/// was not read since the counters began, or that is empty where most hold rows, and nothing was written to it.
pub const ORPHAN_TABLE: Rule = Rule {
    id: "schema.orphan_table",
    dimension: Dimension::Schema,
    severity: Severity::Info,
    title: "Unconnected and unused table",
    why: "What was left behind by an import, a trial or a feature that is gone is dumped, vacuumed, migrated and wondered \
          about for ever.",
    thresholds: &[
        Threshold {
            name: "connected_share",
            default: 0.5,
            range: (0.0, 1.0),
            meaning: "share of the tables with a foreign key in or out from which one without stands out",
        },
        Threshold {
            name: "filled_share",
            default: 0.5,
            range: (0.0, 1.0),
            meaning: "share of the tables with rows from which an empty one stands out (below it the schema was only \
                      just created, or waits for its data)",
        },
        Threshold {
            name: "watched_days",
            default: 7.0,
            range: (0.0, 3650.0),
            meaning: "days for which reads must have been counted before their absence says something (a week has one of \
                      each weekday's jobs)",
        },
    ],
    reference: "https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ALL-TABLES-VIEW",
    check,
};

/// The tables with a foreign key in or out, a partition tree by its topmost.
fn connected(snapshot: &Snapshot) -> FxHashSet<Oid> {
    snapshot
        .constraints
        .iter()
        .filter_map(|constraint| Some((constraint.table, constraint.foreign_key.as_ref()?.table)))
        .flat_map(|(from, to)| [snapshot.root_of(from), snapshot.root_of(to)])
        .collect()
}

fn is_empty(facts: &Facts<'_>, table: &Relation) -> bool {
    let mut leaves = leaves(facts.snapshot, table);
    leaves.all(|leaf| leaf.rows == 0.0 || facts.definitions.file_bytes(leaf.file) == Some(0))
}

/// Whether rows came or went since the counters began: a queue is empty most of the time.
fn is_written(snapshot: &Snapshot, table: &Relation) -> bool {
    leaves(snapshot, table).any(|leaf| leaf.statistics.as_ref().is_some_and(|counters| counters.writes() > 0))
}

/// Reads counted here since the counters began. What has no counters was not touched.
fn reads(snapshot: &Snapshot, table: &Relation) -> i64 {
    let of_leaf = |leaf: &Relation| {
        let sequential = leaf.statistics.as_ref().map_or(0, |counters| counters.sequential_scans);
        let by_index = snapshot
            .indexes_of(leaf.oid)
            .iter()
            .filter_map(|index| index.statistics.as_ref())
            .fold(0_i64, |sum, counters| sum.saturating_add(counters.scans));
        sequential.saturating_add(by_index)
    };
    leaves(snapshot, table).map(of_leaf).fold(0, i64::saturating_add)
}

/// Why the absence of reads says nothing, if so.
fn why_blind(snapshot: &Snapshot, least_days: f64) -> Option<String> {
    if snapshot.server.standbys != Standbys::None {
        return Some("reads on standbys are not counted here".to_owned());
    }
    match snapshot.server.watched() {
        None => Some("it is not known since when reads are counted".to_owned()),
        Some(watched) if (watched as f64) < least_days * DAY as f64 => Some(format!(
            "reads have been counted for {:.1} days only, {least_days} are needed",
            watched as f64 / DAY as f64
        )),
        Some(_) => None,
    }
}

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let connected = connected(snapshot);
    let tables: Vec<&Relation> = designed_tables(facts).collect();
    let with_key = tables.iter().filter(|table| connected.contains(&table.oid)).count();
    let is_usual =
        with_key > 0 && with_key as f64 >= verdicts.threshold("connected_share") * tables.len() as f64;
    if !is_usual {
        return;
    }
    let blind = why_blind(snapshot, verdicts.threshold("watched_days"));
    let filled = tables.iter().filter(|table| !is_empty(facts, table)).count();
    let is_filled = filled as f64 >= verdicts.threshold("filled_share") * tables.len() as f64;
    let (mut unwatched, mut waiting) = (0, 0);
    for table in &tables {
        let is_empty = is_empty(facts, table);
        if connected.contains(&table.oid) || (is_empty && is_written(snapshot, table)) {
            verdicts.examine(1);
        } else if is_empty && is_filled {
            verdicts.examine(1);
            verdicts.find(describe(snapshot, table, "is empty"));
        } else if reads(snapshot, table) > 0 {
            verdicts.examine(1);
        } else if is_empty {
            waiting += 1;
        } else if blind.is_some() {
            unwatched += 1;
        } else {
            verdicts.examine(1);
            verdicts.find(describe(snapshot, table, "was not read since the counters began"));
        }
    }
    if waiting > 0 {
        verdicts.unknown_all(
            waiting,
            "empty and unconnected, but so few tables hold rows that this says nothing",
        );
    }
    if let Some(reason) = blind.filter(|_| unwatched > 0) {
        verdicts.unknown_all(unwatched, reason);
    }
}

fn describe(snapshot: &Snapshot, table: &Relation, state: &str) -> Finding {
    let name = snapshot.relation_name(table.oid);
    let message =
        format!("table {name} has no foreign key in or out and {state}: find out who needs it, or drop it");
    Finding::new(name, snapshot.schema_name(table.schema), message)
        .evidence("rows", snapshot.rows(table))
        .evidence("days_watched", snapshot.server.watched().map(|watched| watched / DAY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::types::builtin;
    use crate::finding::Unknown;

    /// Two connected tables and `imports`, which nothing refers to, after an edit.
    fn judge(edit: impl FnOnce(&mut Sample, Oid)) -> (Vec<Finding>, Vec<Unknown>, u64) {
        let mut sample = Sample::new();
        let orders = sample.keyed_table("orders");
        let lines = sample.keyed_table("lines");
        sample.column(lines, "order_id", builtin::INT8);
        sample.foreign_key(lines, &["order_id"], orders, &["id"]);
        let imports = sample.keyed_table("imports");
        edit(&mut sample, imports);
        run(&ORPHAN_TABLE, &sample.finish())
    }

    #[test]
    fn unread_or_empty_is_found() {
        let (found, unknown, examined) = judge(|_, _| ());
        assert_eq!((found.len(), unknown.len(), examined), (1, 0, 3));
        assert_eq!(found[0].object, "public.imports");
        let (found, _, _) = judge(|sample, table| {
            sample.edit_table(table, |table| {
                table.rows = 0.0;
                let counters = table.statistics.as_mut().unwrap();
                counters.sequential_scans = 9;
                (counters.inserted, counters.updated, counters.deleted) = (0, 0, 0);
            });
        });
        assert!(found[0].message.contains("is empty"));
    }

    #[test]
    fn a_queue_that_is_empty_just_now_is_right() {
        let (found, unknown, examined) = judge(|sample, table| {
            sample.edit_table(table, |table| {
                table.rows = 0.0;
                let counters = table.statistics.as_mut().unwrap();
                (counters.inserted, counters.deleted) = (50, 50);
            });
        });
        assert_eq!((found.len(), unknown.len(), examined), (0, 0, 3));
    }

    #[test]
    fn where_no_table_holds_rows_an_empty_one_does_not_stand_out() {
        let (found, unknown, examined) = judge(|sample, _| {
            for relation in &mut sample.snapshot.relations {
                relation.rows = 0.0;
                relation.statistics = None;
            }
        });
        assert_eq!((found.len(), examined), (0, 2));
        assert_eq!(unknown.len(), 1);
        assert!(unknown[0].reason.contains("so few tables hold rows"));
    }

    #[test]
    fn read_connected_and_unconnected_databases_are_right() {
        type Edit = fn(&mut Sample, Oid);
        let right: [Edit; 3] = [
            |sample, table| {
                sample.edit_table(table, |table| table.statistics.as_mut().unwrap().sequential_scans = 1);
            },
            |sample, table| {
                let index = sample.index(table, "i", &["id"]);
                sample.edit_index(index, |index| index.statistics.as_mut().unwrap().scans = 1);
            },
            |sample, table| {
                let index = sample.column(table, "order_id", builtin::INT8);
                assert_eq!(index, 2);
                sample.foreign_key(table, &["order_id"], table, &["id"]);
            },
        ];
        for edit in right {
            let (found, unknown, examined) = judge(edit);
            assert!(found.is_empty() && unknown.is_empty(), "{found:?}");
            assert_eq!(examined, 3);
        }
        // Where no table is connected none stands out.
        let (found, _, examined) = judge(|sample, _| sample.snapshot.constraints.clear());
        assert_eq!((found.len(), examined), (0, 0));
    }

    #[test]
    fn young_counters_and_standbys_make_it_unknown() {
        let blind: [fn(&mut Sample, Oid); 3] = [
            |sample, _| sample.snapshot.server.statistics_since = Some(sample.snapshot.server.now - DAY),
            |sample, _| sample.snapshot.server.statistics_since = None,
            |sample, _| sample.snapshot.server.standbys = Standbys::Connected(1),
        ];
        for edit in blind {
            let (found, unknown, examined) = judge(edit);
            assert_eq!((found.len(), unknown.len(), examined), (0, 1, 2));
        }
    }
}
