//! Generated keys that are too narrow to grow.

use rustc_hash::FxHashMap;

use crate::catalog::types::builtin;
use crate::catalog::{Column, ColumnNumber, LastValue, Oid, Relation, Sequence, Snapshot};
use crate::design::designed::is_designed;
use crate::design::prevalence::{PREVAILING_SHARE, PREVAILING_TABLES, Practice};
use crate::design::sequences::{fed_columns, judged_sequences};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};
use crate::text::size::grouped;

/// `schema.integer_primary_key`: a primary key of 2 or 4 bytes, fed by a sequence, in a table that grows.
///
/// There is no fix: the tables that it speaks of are too large to rewrite in one statement.
pub const INTEGER_PRIMARY_KEY: Rule = Rule {
    id: "schema.integer_primary_key",
    dimension: Dimension::Schema,
    severity: Severity::Info,
    title: "Growing table with an integer key",
    why: "integer ends at 2,147,483,647, rolled-back and deleted rows included. The key and every foreign key to it \
          then have to be rewritten, which is cheap while the table is small and an outage when it is not.",
    thresholds: &[
        Threshold {
            name: "rows",
            default: 100_000.0,
            range: (0.0, 1e12),
            meaning: "rows from which a table is not taken for a short list (below, a rewrite takes seconds at any time)",
        },
        Threshold {
            name: "used_share",
            default: 0.05,
            range: (0.0, 1.0),
            meaning: "share of the type's range that the sequence has used from which the table counts as growing, \
                      however few rows it has now",
        },
        PREVAILING_SHARE,
        PREVAILING_TABLES,
    ],
    reference: "https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-INT",
    check,
};

/// The column by which rows are known: the primary key's only one, or, without primary key, those with a unique index
/// of their own. So to declare such an index the primary key brings nothing new to light.
fn is_key(snapshot: &Snapshot, table: &Relation, column: ColumnNumber) -> bool {
    match snapshot.primary_key_of(table.oid) {
        Some(key) => *key.columns == [column],
        None => snapshot.indexes_of(table.oid).iter().any(|index| {
            index.is_unique
                && index.predicate.is_none()
                && index.key_columns().len() == 1
                && index.key_columns().iter().all(|key| key.column == column)
        }),
    }
}

/// How many values a sequence has handed out, as far as its last one tells.
fn handed_out(sequence: &Sequence) -> Option<f64> {
    match sequence.last_value {
        LastValue::At(last) => Some(last.unsigned_abs() as f64),
        LastValue::Untouched => Some(0.0),
        _ => None,
    }
}

/// Whether a key with room for `largest` grows; `None` when nothing tells.
fn grows(verdicts: &Verdicts<'_>, rows: Option<f64>, sequence: &Sequence, largest: i64) -> Option<bool> {
    let many = verdicts.threshold("rows");
    let handed_out = handed_out(sequence);
    let is_far = handed_out.map(|last| last / largest as f64 >= verdicts.threshold("used_share"));
    match (rows.map(|rows| rows >= many), is_far) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        // A table can have no more generated keys than its sequence handed out.
        (None, Some(false)) => handed_out.is_some_and(|last| last < many).then_some(false),
        (Some(false), None) | (None, None) => None,
    }
}

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    // Of several sequences that feed a column the one that has come furthest counts.
    let mut fed: FxHashMap<(Oid, ColumnNumber), &Sequence> = FxHashMap::default();
    for sequence in judged_sequences(snapshot) {
        for column in fed_columns(snapshot, sequence) {
            let other = fed.entry(column).or_insert(sequence);
            if handed_out(sequence) > handed_out(other) {
                *other = sequence;
            }
        }
    }
    let mut columns: Vec<_> = fed.keys().copied().collect();
    columns.sort_unstable();
    let mut practice = Practice::default();
    for (oid, number) in columns {
        (facts.interrupt)();
        let table = snapshot.relation(oid).filter(|table| is_designed(snapshot, table));
        let (Some(table), Some(column), Some(sequence)) =
            (table, snapshot.column(oid, number), fed.get(&(oid, number)))
        else {
            continue;
        };
        let largest = match snapshot.base_type(column.type_oid).map(|base| base.oid) {
            Some(builtin::INT2) => i64::from(i16::MAX),
            Some(builtin::INT4) => i64::from(i32::MAX),
            _ => i64::MAX,
        };
        if !is_key(snapshot, table, number) {
            continue;
        }
        // A wide key is right however little is known of its table.
        let grows = if largest == i64::MAX {
            Some(false)
        } else {
            grows(verdicts, snapshot.rows(table), sequence, largest)
        };
        match grows {
            Some(grows) => {
                practice.kin += 1;
                practice.kin_tables += 1;
                if grows {
                    practice.tables.push((table, vec![column]));
                }
            }
            None => verdicts.unknown(
                snapshot.relation_name(oid),
                snapshot.schema_name(table.schema),
                "neither its rows nor its sequence's position are known: run ANALYZE, or grant SELECT on the sequence",
            ),
        }
    }
    practice.report_tables(
        facts,
        verdicts,
        |extent| format!("keys of large tables are integer throughout ({extent}): use bigint for new tables, widen these early"),
        |table, columns| describe(snapshot, table, columns, &fed),
    );
}

fn describe(
    snapshot: &Snapshot,
    table: &Relation,
    columns: &[&Column],
    fed: &FxHashMap<(Oid, ColumnNumber), &Sequence>,
) -> Finding {
    let name = snapshot.relation_name(table.oid);
    let column = columns.first();
    let is_smallint = column
        .and_then(|column| snapshot.base_type(column.type_oid))
        .is_some_and(|base| base.oid == builtin::INT2);
    let (type_name, largest) =
        if is_smallint { ("smallint", i64::from(i16::MAX)) } else { ("integer", i64::from(i32::MAX)) };
    let last = column.and_then(|column| match fed.get(&(table.oid, column.number))?.last_value {
        LastValue::At(last) => Some(last),
        _ => None,
    });
    let rows = snapshot.rows(table);
    let known_rows = rows.map_or_else(|| "an unknown number of".to_owned(), |rows| grouped(rows as i64));
    let message = format!(
        "table {name} with {known_rows} rows has an {type_name} key, which ends at {}: widen it by expand and contract \
         while that is cheap",
        grouped(largest)
    );
    let used = last.map(|last| last.unsigned_abs() as f64 / largest as f64);
    Finding::new(name, snapshot.schema_name(table.schema), message.replace("an smallint", "a smallint"))
        .evidence("column", column.map(|column| column.name.to_string()))
        .evidence("type", type_name)
        .evidence("rows", rows)
        .evidence("rows_share_of_range", rows.map(|rows| rows / largest as f64))
        .evidence("last_value", last)
        .evidence("used_share", used)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::finding::Unknown;

    fn judge(type_oid: Oid, rows: f32, last_value: LastValue) -> (Vec<Finding>, Vec<Unknown>, u64) {
        let mut sample = Sample::new();
        let table = sample.table("orders");
        sample.column(table, "id", type_oid);
        sample.primary_key(table, &["id"]);
        sample.edit_table(table, |table| table.rows = rows);
        let sequence = sample.serial(table, "id", "orders_id_seq");
        sample.edit_sequence(sequence, |sequence| sequence.last_value = last_value);
        run(&INTEGER_PRIMARY_KEY, &sample.finish())
    }

    #[test]
    fn large_or_fast_tables_are_found() {
        let (found, _, examined) = judge(builtin::INT4, 500_000.0, LastValue::At(600_000));
        assert_eq!((found.len(), examined), (1, 1));
        assert!(found[0].message.contains("with 500,000 rows has an integer key"), "{}", found[0].message);
        assert_eq!(judge(builtin::INT4, 10.0, LastValue::At(200_000_000)).0.len(), 1);
        let (found, _, _) = judge(builtin::INT2, 10.0, LastValue::At(5_000));
        assert!(found[0].message.contains("a smallint key"), "{}", found[0].message);
    }

    #[test]
    fn short_lists_and_wide_keys_are_right() {
        for (type_oid, rows, last) in
            [(builtin::INT4, 200.0, 300), (builtin::INT8, 5e8, 600_000_000), (builtin::INT2, 12.0, 12)]
        {
            let (found, unknown, examined) = judge(type_oid, rows, LastValue::At(last));
            assert!(found.is_empty() && unknown.is_empty());
            assert_eq!(examined, 1);
        }
        // No sequence: a natural key.
        let mut sample = Sample::new();
        let table = sample.table("years");
        sample.column(table, "year", builtin::INT4);
        sample.primary_key(table, &["year"]);
        sample.edit_table(table, |table| table.rows = 1e6);
        assert_eq!(run(&INTEGER_PRIMARY_KEY, &sample.finish()).2, 0);
    }

    #[test]
    fn nothing_measured_is_unknown_unless_the_sequence_tells() {
        let (found, unknown, examined) = judge(builtin::INT4, -1.0, LastValue::NoPrivilege);
        assert_eq!((found.len(), unknown.len(), examined), (0, 1, 0));
        let (found, unknown, examined) = judge(builtin::INT4, -1.0, LastValue::At(500));
        assert_eq!((found.len(), unknown.len(), examined), (0, 0, 1));
        let (_, unknown, _) = judge(builtin::INT4, -1.0, LastValue::At(200_000));
        assert_eq!(unknown.len(), 1);
        for last_value in [LastValue::NoPrivilege, LastValue::At(2_000_000_000)] {
            let (found, unknown, examined) = judge(builtin::INT8, -1.0, last_value);
            assert_eq!((found.len(), unknown.len(), examined), (0, 0, 1));
        }
    }

    #[test]
    fn a_unique_key_counts_where_no_primary_key_is_declared() {
        let mut sample = Sample::new();
        let table = sample.table("orders");
        sample.column(table, "id", builtin::INT4);
        let index = sample.index(table, "idx_orders_id", &["id"]);
        sample.edit_index(index, |index| index.is_unique = true);
        sample.edit_table(table, |table| table.rows = 1e6);
        sample.serial(table, "id", "orders_id_seq");
        assert_eq!(run(&INTEGER_PRIMARY_KEY, &sample.finish()).0.len(), 1);
    }
}
