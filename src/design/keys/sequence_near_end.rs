//! Sequences that run out.

use crate::catalog::types::builtin;
use crate::catalog::{Column, DAY, LastValue, Moment, Relation, Sequence, Snapshot};
use crate::design::measured::inserted_and_updated;
use crate::design::sequences::{
    Course, End, course, fed_columns, judged_sequences, never_ends, whole_number_range,
};
use crate::design::types::type_change::TypeChanges;
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};
use crate::text::date::iso_date;
use crate::text::quote_identifier;
use crate::text::size::grouped;

/// `schema.sequence_near_end`: a sequence that will soon have no value left that it and its columns can hold.
pub const SEQUENCE_NEAR_END: Rule = Rule {
    id: "schema.sequence_near_end",
    dimension: Dimension::Schema,
    severity: Severity::Warning,
    title: "Sequence near its end",
    why: "When the last value is handed out every further INSERT fails, and to widen a large table's key takes days of \
          preparation.",
    thresholds: &[
        Threshold {
            name: "warning_share",
            default: 0.7,
            range: (0.0, 1.0),
            meaning: "used share of the range from which it is a warning (leaves months to widen the key)",
        },
        Threshold {
            name: "error_share",
            default: 0.85,
            range: (0.0, 1.0),
            meaning: "used share of the range from which it is an error",
        },
        Threshold {
            name: "critical_share",
            default: 0.95,
            range: (0.0, 1.0),
            meaning: "used share of the range from which it is critical",
        },
        Threshold {
            name: "watched_hours",
            default: 24.0,
            range: (0.0, 1e6),
            meaning: "hours for which rows must have been counted before a date is forecast (a day, so that nights count)",
        },
    ],
    reference: "https://www.postgresql.org/docs/current/sql-createsequence.html",
    check,
};

/// Further away than this no date is given: nothing stays the same so long.
const FARTHEST_DAYS: f64 = 100.0 * 365.25;

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let changes = TypeChanges::new(facts);
    for sequence in judged_sequences(snapshot) {
        (facts.interrupt)();
        if never_ends(snapshot, sequence) {
            verdicts.examine(1);
            continue;
        }
        if let Some(reason) = why_unread(snapshot, sequence) {
            let name = snapshot.qualified(sequence.schema, &sequence.name);
            verdicts.unknown(name, snapshot.schema_name(sequence.schema), reason);
            continue;
        }
        verdicts.examine(1);
        let Some(course) = course(snapshot, sequence) else { continue };
        let Some(severity) = severity(verdicts, course.used) else { continue };
        let watched = verdicts.threshold("watched_hours") * DAY as f64 / 24.0;
        let finding = describe(snapshot, sequence, course, watched as Moment).severity(severity);
        verdicts.find(match widening(&changes, snapshot, sequence, course.end) {
            Some((fix, undo)) => finding.fix(fix, undo),
            None => finding,
        });
    }
}

/// Why a sequence cannot be judged; `None` when its position is known.
fn why_unread(snapshot: &Snapshot, sequence: &Sequence) -> Option<String> {
    let name = snapshot.qualified(sequence.schema, &sequence.name);
    match sequence.last_value {
        LastValue::Untouched | LastValue::At(_) => None,
        LastValue::NoPrivilege => Some(format!(
            "role {role} may not read it: GRANT SELECT ON SEQUENCE {name} TO {role};",
            role = quote_identifier(&snapshot.server.role)
        )),
        LastValue::Locked => Some("another session has it locked: audit again later".to_owned()),
        LastValue::Unread => Some("its last value could not be read".to_owned()),
    }
}

fn severity(verdicts: &Verdicts<'_>, used: f64) -> Option<Severity> {
    [
        ("critical_share", Severity::Critical),
        ("error_share", Severity::Error),
        ("warning_share", Severity::Warning),
    ]
    .into_iter()
    .find(|(threshold, _)| used >= verdicts.threshold(threshold))
    .map(|(_, severity)| severity)
}

fn describe(snapshot: &Snapshot, sequence: &Sequence, course: Course, least_watched: Moment) -> Finding {
    let name = snapshot.qualified(sequence.schema, &sequence.name);
    let column = |table, number| snapshot.column(table, number).map(|column| snapshot.column_name(column));
    let ended_by = match course.end {
        End::Column(table, number) => column(table, number),
        End::Sequence => None,
    };
    let of_what = match (&ended_by, course.end) {
        (Some(column), End::Column(table, number)) => {
            format!("what {} column {column} can hold", type_name(snapshot, table, number))
        }
        _ => "its own range".to_owned(),
    };
    let rows = rows_per_microsecond(snapshot, sequence, least_watched);
    let runs_out = rows.and_then(|rows| runs_out_on(snapshot, course.remaining, rows));
    let left = grouped(i64::try_from(course.remaining).unwrap_or(i64::MAX));
    // Rounded down, so that only what is used up reads 100 %.
    let percent = (course.used * 100.0).floor();
    let mut message = format!("sequence {name} has used {percent} % of {of_what}: {left} values left");
    if let Some(date) = &runs_out {
        message.push_str(", the last on ");
        message.push_str(date);
        message.push_str(" at the present rate");
    }
    let fed: Vec<String> = fed_columns(snapshot, sequence)
        .into_iter()
        .filter_map(|(table, number)| column(table, number))
        .collect();
    let mut finding = Finding::new(name, snapshot.schema_name(sequence.schema), message)
        .evidence("last_value", course.last)
        .evidence("limit", course.limit)
        .evidence("remaining", course.remaining)
        .evidence("used_share", course.used)
        .evidence("limited_by", ended_by.unwrap_or_else(|| "the sequence".to_owned()))
        .evidence("columns", fed);
    if let End::Column(table, number) = course.end {
        finding = finding.evidence("column_type", type_name(snapshot, table, number));
    }
    if let Some(rows) = rows {
        finding = finding.evidence("rows_a_day", (rows * DAY as f64).round());
    }
    if let Some(date) = runs_out {
        finding = finding.evidence("runs_out_on", date);
    }
    finding
}

fn type_name(snapshot: &Snapshot, table: crate::catalog::Oid, number: crate::catalog::ColumnNumber) -> &str {
    let base = snapshot.column(table, number).and_then(|column| snapshot.base_type(column.type_oid));
    match base.map(|base| (base.oid, &*base.name)) {
        Some((builtin::INT2, _)) => "smallint",
        Some((builtin::INT4, _)) => "integer",
        Some((builtin::INT8, _)) => "bigint",
        Some((_, name)) => name,
        None => "unknown",
    }
}

/// How fast the tables that it feeds grow; `None` when nothing was counted, or not for long enough.
fn rows_per_microsecond(snapshot: &Snapshot, sequence: &Sequence, least_watched: Moment) -> Option<f64> {
    let watched = snapshot.server.watched().filter(|&watched| watched >= least_watched && watched > 0)?;
    let mut tables: Vec<_> = fed_columns(snapshot, sequence).into_iter().map(|(table, _)| table).collect();
    tables.dedup();
    let inserted: i64 = tables
        .into_iter()
        .filter_map(|table| inserted_and_updated(snapshot, snapshot.relation(table)?))
        .fold(0, |sum, (inserted, _)| sum.saturating_add(inserted));
    (inserted > 0).then(|| inserted as f64 / watched as f64)
}

fn runs_out_on(snapshot: &Snapshot, remaining: u64, rows_per_microsecond: f64) -> Option<String> {
    let left = remaining as f64 / rows_per_microsecond;
    if left > FARTHEST_DAYS * DAY as f64 {
        return None;
    }
    Some(iso_date(snapshot.server.now.checked_add(left as Moment)?))
}

/// The statements that give the sequence room, where that is harmless, and those that take it back.
fn widening(
    changes: &TypeChanges<'_>,
    snapshot: &Snapshot,
    sequence: &Sequence,
    end: End,
) -> Option<(String, String)> {
    let fed: Vec<(&Relation, &Column)> = fed_columns(snapshot, sequence)
        .into_iter()
        .map(|(table, number)| Some((snapshot.relation(table)?, snapshot.column(table, number)?)))
        .collect::<Option<_>>()?;
    // What draws from it without a column is not known, nor what that can hold.
    if fed.is_empty() {
        return None;
    }
    let (mut fix, mut undo) = (Vec::new(), Vec::new());
    if let End::Column(..) = end {
        for &(table, column) in &fed {
            let base = snapshot.base_type(column.type_oid)?;
            if matches!(base.oid, builtin::INT2 | builtin::INT4) {
                let (there, back) = changes.statements(table, &[(column, "bigint")]).ok()?;
                fix.push(there);
                undo.push(back);
            } else if base.oid != builtin::INT8 {
                return None;
            }
        }
    }
    if let Some((there, back)) = wider_sequence(snapshot, sequence, end, &fed)? {
        fix.push(there);
        undo.insert(0, back);
    }
    Some((fix.join("\n"), undo.join("\n")))
}

/// The same for the sequence's own bound: `Some(None)` where it already has room, `None` where its bound was somebody's
/// decision.
#[allow(clippy::type_complexity)]
fn wider_sequence(
    snapshot: &Snapshot,
    sequence: &Sequence,
    end: End,
    fed: &[(&Relation, &Column)],
) -> Option<Option<(String, String)>> {
    let rises = sequence.increment > 0;
    let (word, bound) = if rises { ("MAXVALUE", sequence.maximum) } else { ("MINVALUE", sequence.minimum) };
    let type_range = |oid| {
        let found = snapshot.types.get(&oid)?;
        whole_number_range(found, -1).map(|(least, greatest)| if rises { greatest } else { least })
    };
    if Some(bound) == type_range(builtin::INT8) {
        return Some(None);
    }
    let is_a_types_bound =
        Some(bound) == type_range(builtin::INT2) || Some(bound) == type_range(builtin::INT4);
    if !is_a_types_bound {
        return None;
    }
    // The server widens an identity column's sequence with the column.
    if sequence.is_identity && matches!(end, End::Column(..)) {
        return (Some(bound) == type_range(sequence.type_oid)).then_some(None);
    }
    let room = |&(_, column): &(&Relation, &Column)| {
        let (least, greatest) =
            whole_number_range(snapshot.base_type(column.type_oid)?, column.type_modifier)?;
        Some(if rises { greatest } else { least })
    };
    // As wide as the narrowest column, which after a widening of columns is a bigint.
    let is_integer =
        matches!(end, End::Sequence) && fed.iter().any(|column| room(column) == type_range(builtin::INT4));
    let new_type = if is_integer { "integer" } else { "bigint" };
    let old_type = match sequence.type_oid {
        builtin::INT2 => "smallint",
        builtin::INT4 => "integer",
        _ => "bigint",
    };
    let name = snapshot.qualified(sequence.schema, &sequence.name);
    Some(Some((
        format!("ALTER SEQUENCE {name} AS {new_type} NO {word};"),
        format!("ALTER SEQUENCE {name} AS {old_type} {word} {bound};"),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Oid;
    use crate::catalog::sample::{Sample, run};
    use crate::finding::Unknown;

    /// A table whose `id` of this type is fed by a sequence that was edited.
    fn judge(type_oid: Oid, edit: impl FnOnce(&mut Sequence)) -> (Vec<Finding>, Vec<Unknown>, u64) {
        let mut sample = Sample::new();
        let table = sample.table("orders");
        sample.column(table, "id", type_oid);
        let sequence = sample.serial(table, "id", "orders_id_seq");
        sample.edit_sequence(sequence, edit);
        run(&SEQUENCE_NEAR_END, &sample.finish())
    }

    fn at(share_of_int4: f64) -> LastValue {
        LastValue::At((share_of_int4 * f64::from(i32::MAX)) as i64)
    }

    #[test]
    fn severity_rises_with_the_used_share() {
        for (share, severity) in [
            (0.69, None),
            (0.71, Some(Severity::Warning)),
            (0.86, Some(Severity::Error)),
            (0.96, Some(Severity::Critical)),
        ] {
            let (found, unknown, examined) = judge(builtin::INT4, |sequence| sequence.last_value = at(share));
            assert_eq!(found.first().and_then(|finding| finding.severity), severity, "{share}");
            assert_eq!((unknown.len(), examined), (0, 1));
        }
    }

    #[test]
    fn an_unowned_bigint_sequence_that_feeds_an_integer_is_found() {
        let (found, _, _) = judge(builtin::INT4, |sequence| {
            sequence.owned_by = None;
            sequence.last_value = LastValue::At(2_104_533_975);
        });
        assert_eq!(found.len(), 1);
        assert!(
            found[0].message.contains("98 % of what integer column public.orders.id"),
            "{}",
            found[0].message
        );
        assert_eq!(found[0].evidence["column_type"], "integer");
        assert_eq!(found[0].evidence["remaining"], 42_949_672);
    }

    #[test]
    fn the_date_comes_from_the_rows_inserted_since_the_counters_began() {
        // 1,000 rows in 40 days, 1,000 values left: 40 days more.
        let (found, _, _) = judge(builtin::INT4, |sequence| {
            sequence.last_value = LastValue::At(i64::from(i32::MAX) - 1_000);
        });
        assert_eq!(found[0].evidence["runs_out_on"], "2023-12-24");
        assert_eq!(found[0].evidence["rows_a_day"], 25.0);
        assert!(found[0].message.contains("the last on 2023-12-24"), "{}", found[0].message);
        // No counters, or too young ones: no date, but the finding stays.
        let mut sample = Sample::new();
        let table = sample.table("orders");
        sample.column(table, "id", builtin::INT4);
        let sequence = sample.serial(table, "id", "orders_id_seq");
        sample.edit_sequence(sequence, |sequence| sequence.last_value = at(0.99));
        sample.snapshot.server.statistics_since = Some(sample.snapshot.server.now - DAY / 2);
        let (found, _, _) = run(&SEQUENCE_NEAR_END, &sample.finish());
        assert_eq!(found.len(), 1);
        assert!(!found[0].evidence.contains_key("runs_out_on"));
    }

    #[test]
    fn cycles_untouched_and_roomy_sequences_are_right() {
        type Edit = fn(&mut Sequence);
        let right: [(Oid, Edit); 4] = [
            (builtin::INT4, |sequence| {
                sequence.cycles = true;
                sequence.maximum = 1_000_000;
                sequence.last_value = LastValue::At(999_999);
            }),
            (builtin::INT4, |sequence| sequence.last_value = LastValue::Untouched),
            (builtin::INT8, |sequence| sequence.last_value = at(0.99)),
            (builtin::INT8, |sequence| {
                (sequence.increment, sequence.minimum, sequence.maximum, sequence.start) =
                    (-1, i64::MIN, -1, -1);
                sequence.last_value = LastValue::At(-5);
            }),
        ];
        for (type_oid, edit) in right {
            let (found, unknown, examined) = judge(type_oid, edit);
            assert!(found.is_empty() && unknown.is_empty(), "{found:?}");
            assert_eq!(examined, 1);
        }
    }

    #[test]
    fn a_cycle_beyond_what_the_column_holds_saves_nothing() {
        let (found, _, _) = judge(builtin::INT4, |sequence| {
            sequence.cycles = true;
            sequence.last_value = at(0.99);
        });
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn it_may_run_out_downwards() {
        let (found, _, _) = judge(builtin::INT2, |sequence| {
            (sequence.increment, sequence.minimum, sequence.maximum, sequence.start) = (-1, i64::MIN, -1, -1);
            sequence.last_value = LastValue::At(-32_000);
        });
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].evidence["remaining"], 768);
    }

    #[test]
    fn what_cannot_be_read_is_unknown_and_says_how_to_read_it() {
        for (last_value, words) in [
            (LastValue::NoPrivilege, "GRANT SELECT ON SEQUENCE public.orders_id_seq TO postgres;"),
            (LastValue::Locked, "locked"),
            (LastValue::Unread, "could not be read"),
        ] {
            let (found, unknown, examined) =
                judge(builtin::INT4, |sequence| sequence.last_value = last_value);
            assert_eq!((found.len(), examined), (0, 0));
            assert!(unknown[0].reason.contains(words), "{:?}", unknown[0]);
            assert_eq!(unknown[0].object, "public.orders_id_seq");
        }
    }

    #[test]
    fn a_small_table_is_widened_with_its_sequence() {
        let (found, _, _) = judge(builtin::INT4, |sequence| {
            sequence.type_oid = builtin::INT4;
            sequence.maximum = i64::from(i32::MAX);
            sequence.last_value = at(0.9);
        });
        assert_eq!(
            found[0].fix.as_deref(),
            Some(
                "ALTER TABLE public.orders ALTER COLUMN id TYPE bigint;\nANALYZE public.orders (id);\n\
                 ALTER SEQUENCE public.orders_id_seq AS bigint NO MAXVALUE;"
            )
        );
        let undo = found[0].undo.as_deref().unwrap();
        assert!(
            undo.starts_with("ALTER SEQUENCE public.orders_id_seq AS integer MAXVALUE 2147483647;\n"),
            "{undo}"
        );
    }

    #[test]
    fn a_bigint_column_behind_an_integer_sequence_needs_the_sequence_only() {
        let (found, _, _) = judge(builtin::INT8, |sequence| {
            sequence.type_oid = builtin::INT4;
            sequence.maximum = i64::from(i32::MAX);
            sequence.last_value = at(0.9);
        });
        assert_eq!(
            found[0].fix.as_deref(),
            Some("ALTER SEQUENCE public.orders_id_seq AS bigint NO MAXVALUE;")
        );
        assert_eq!(
            found[0].undo.as_deref(),
            Some("ALTER SEQUENCE public.orders_id_seq AS integer MAXVALUE 2147483647;")
        );
    }

    #[test]
    fn a_bound_that_somebody_chose_is_not_lifted() {
        let (found, _, _) = judge(builtin::INT8, |sequence| {
            sequence.maximum = 99_999;
            sequence.last_value = LastValue::At(99_000);
        });
        assert_eq!((found.len(), &found[0].fix), (1, &None));
    }

    #[test]
    fn a_large_table_gets_no_rewrite() {
        let mut sample = Sample::new();
        let table = sample.table("orders");
        sample.column(table, "id", builtin::INT4);
        sample.edit_table(table, |table| table.pages = 1_000_000);
        let sequence = sample.serial(table, "id", "orders_id_seq");
        sample.edit_sequence(sequence, |sequence| sequence.last_value = at(0.9));
        let (found, _, _) = run(&SEQUENCE_NEAR_END, &sample.finish());
        assert_eq!((found.len(), &found[0].fix), (1, &None));
    }
}
