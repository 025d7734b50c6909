//! Tables that do not say when their rows were written, where most others do.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::catalog::{Column, ColumnNumber, Oid, Relation, Snapshot};
use crate::design::designed::designed_tables_with_columns;
use crate::design::keys::nullable_foreign_key::columns_of_foreign_keys;
use crate::design::measured::inserted_and_updated;
use crate::design::words::words;
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};
use crate::text::quote_identifier;

use super::wide_table::MANY_COLUMNS;

/// `schema.missing_audit_columns`: no moment of creation or of change in a table of a database that usually keeps them.
///
/// Joining tables, short lists of values, and, for the moment of change, tables that are only added to are left out.
pub const MISSING_AUDIT_COLUMNS: Rule = Rule {
    id: "schema.missing_audit_columns",
    dimension: Dimension::Schema,
    severity: Severity::Info,
    title: "Table without moments of creation and change",
    why: "When a row is wrong the first question is since when. What was not kept cannot be found out, and loads that \
          take what changed since yesterday miss the table.",
    thresholds: &[
        Threshold {
            name: "majority_share",
            default: 0.6,
            range: (0.0, 1.0),
            meaning: "share of the tables with such a column above which it counts as this database's convention \
                      (0.6: a clear majority, as for names; where nearly half do without, nobody decided)",
        },
        Threshold {
            name: "tables",
            default: 5.0,
            range: (1.0, 1e6),
            meaning: "tables from which a share says something",
        },
        Threshold {
            name: "list_rows",
            default: 100.0,
            range: (0.0, 1e12),
            meaning: "rows below which a table that refers to none is a list of values, which nobody dates",
        },
    ],
    reference: "https://www.postgresql.org/docs/current/ddl-default.html",
    check,
};

/// A table that refers to none and has no more columns than this is a list of values, however many rows it has.
const LIST_COLUMNS: usize = 4;

/// A moment that convention keeps in every row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    Creation,
    Change,
}

impl Moment {
    const BOTH: [Self; 2] = [Self::Creation, Self::Change];

    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Creation => &["created", "inserted", "creation", "create", "added"],
            Self::Change => &["updated", "modified", "update", "changed", "modification", "edited"],
        }
    }

    fn phrase(self) -> &'static str {
        match self {
            Self::Creation => "creation",
            Self::Change => "change",
        }
    }

    /// Whether a column of this name keeps it: `password_updated_at` speaks of the password, not of the row.
    fn is_kept_by(self, name: &str) -> bool {
        const FILLERS: [&str; 12] =
            ["at", "on", "date", "time", "timestamp", "ts", "utc", "row", "record", "last", "when", "dt"];
        let among = |word: &str, list: &[&str]| list.iter().any(|listed| listed.eq_ignore_ascii_case(word));
        let mut named = false;
        for word in words(name) {
            if among(word, self.words()) {
                named = true;
            } else if !among(word, &FILLERS) {
                return false;
            }
        }
        named
    }
}

/// What a table keeps, as far as this rule cares.
struct Kept<'a> {
    table: &'a Relation,
    /// The names of the columns that keep creation and change, in the order of [`Moment::BOTH`].
    names: [Option<&'a str>; 2],
    /// Whether it should keep each if it is the convention.
    should: [bool; 2],
}

impl<'a> Kept<'a> {
    fn of(snapshot: &'a Snapshot, table: &'a Relation, columns: &'a [Column]) -> Self {
        let named = |moment: Moment| {
            columns.iter().find(|column| moment.is_kept_by(&column.name)).map(|column| &*column.name)
        };
        // What happened `at` some moment that is filled in by itself needs no second one.
        let is_dated = columns.iter().any(|column| {
            column.has_default && snapshot.base_type(column.type_oid).is_some_and(|base| base.category == 'D')
        });
        let is_updated = inserted_and_updated(snapshot, table).is_some_and(|(_, updated)| updated > 0);
        Self { table, names: Moment::BOTH.map(named), should: [!is_dated, is_updated] }
    }

    fn misses(&self, position: usize) -> bool {
        self.names[position].is_none() && self.should[position]
    }
}

/// What kind of table it is; `None` when that depends on rows that were never counted.
fn is_dated_by_convention(
    snapshot: &Snapshot,
    (table, columns): (&Relation, &[Column]),
    referring: &FxHashSet<(Oid, ColumnNumber)>,
    list_rows: f64,
) -> Option<bool> {
    let refers = |number| referring.contains(&(table.oid, number));
    let in_key = |number| snapshot.primary_key_of(table.oid).is_some_and(|key| key.columns.contains(&number));
    let references = columns.iter().filter(|column| refers(column.number)).count();
    let joins = references >= 2
        && columns.iter().all(|column| {
            refers(column.number)
                || in_key(column.number)
                || Moment::BOTH.iter().any(|moment| moment.is_kept_by(&column.name))
        });
    if joins {
        return Some(false);
    }
    if references > 0 {
        return Some(true);
    }
    if columns.len() <= LIST_COLUMNS {
        return Some(false);
    }
    snapshot.rows(table).map(|rows| rows >= list_rows)
}

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let referring = columns_of_foreign_keys(snapshot);
    let mut unmeasured = 0;
    let mut tables = Vec::new();
    for (table, columns) in designed_tables_with_columns(facts) {
        match is_dated_by_convention(snapshot, (table, columns), &referring, verdicts.threshold("list_rows"))
        {
            Some(true) => tables.push(Kept::of(snapshot, table, columns)),
            Some(false) => verdicts.examine(1),
            None => unmeasured += 1,
        }
    }
    verdicts.examine(tables.len() as u64);
    if unmeasured > 0 {
        verdicts.unknown_all(unmeasured, "never analyzed, so that they may be short lists: run ANALYZE");
    }
    let conventions = [0, 1].map(|position| convention(&tables, position, verdicts));
    for kept in &tables {
        let missing: Vec<(Moment, &str)> = Moment::BOTH
            .into_iter()
            .enumerate()
            .filter(|&(position, _)| kept.misses(position))
            .filter_map(|(position, moment)| Some((moment, conventions[position]?)))
            .collect();
        if !missing.is_empty() {
            verdicts.find(describe(snapshot, kept.table, &missing));
        }
    }
}

/// The name by which most tables keep a moment; `None` where most keep none.
fn convention<'a>(tables: &[Kept<'a>], position: usize, verdicts: &Verdicts<'_>) -> Option<&'a str> {
    let mut counts: FxHashMap<&str, u32> = FxHashMap::default();
    for name in tables.iter().filter_map(|kept| kept.names[position]) {
        *counts.entry(name).or_default() += 1;
    }
    let with: u32 = counts.values().sum();
    let is_usual = tables.len() as f64 >= verdicts.threshold("tables")
        && f64::from(with) > verdicts.threshold("majority_share") * tables.len() as f64;
    if !is_usual {
        return None;
    }
    counts.into_iter().max_by_key(|&(name, count)| (count, std::cmp::Reverse(name))).map(|(name, _)| name)
}

fn describe(snapshot: &Snapshot, table: &Relation, missing: &[(Moment, &str)]) -> Finding {
    let name = snapshot.relation_name(table.oid);
    let phrases: Vec<&str> = missing.iter().map(|(moment, _)| moment.phrase()).collect();
    let names: Vec<&str> = missing.iter().map(|&(_, column)| column).collect();
    let message = format!(
        "table {name} does not keep the moment of {} ({}), as most tables here do: nobody can tell since when a row is wrong",
        phrases.join(" and "),
        names.join(", ")
    );
    let finding =
        Finding::new(&name, snapshot.schema_name(table.schema), message).evidence("missing", names.clone());
    let columns = snapshot.columns_of(table.oid);
    let is_fit = names.iter().all(|name| name.ends_with("_at"))
        && (columns.len() + names.len()) as f64 <= MANY_COLUMNS
        && (table.partitioning.is_some() || snapshot.children_of(table.oid).is_empty())
        && names.iter().all(|name| columns.iter().all(|column| &*column.name != *name));
    if !is_fit {
        return finding;
    }
    let each = |write: &dyn Fn(&str) -> String| {
        names.iter().map(|name| write(&quote_identifier(name))).collect::<Vec<_>>().join(", ")
    };
    let add = each(&|column| format!("ADD COLUMN {column} timestamptz NOT NULL DEFAULT now()"));
    let drop = each(&|column| format!("DROP COLUMN {column}"));
    // now() is evaluated once, so that no row is written.
    let finding = finding.fix(format!("ALTER TABLE {name} {add};"), format!("ALTER TABLE {name} {drop};"));
    if missing.iter().any(|&(moment, _)| moment == Moment::Change) {
        return finding
            .evidence("then", "let the application or a trigger write the moment of change at every UPDATE");
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::types::builtin;
    use crate::finding::Unknown;

    /// A table with six columns of its own, dated or not.
    fn table(sample: &mut Sample, name: &str, dated: bool) -> Oid {
        let table = sample.keyed_table(name);
        for column in ["a", "b", "c", "d", "e"] {
            sample.column(table, column, builtin::TEXT);
        }
        if dated {
            sample.column(table, "created_at", builtin::TIMESTAMPTZ);
            sample.column(table, "updated_at", builtin::TIMESTAMPTZ);
        }
        table
    }

    /// Eight dated tables and `orders` without, after an edit.
    fn judge(edit: impl FnOnce(&mut Sample, Oid)) -> (Vec<Finding>, Vec<Unknown>, u64) {
        let mut sample = Sample::new();
        for number in 0..8 {
            table(&mut sample, &format!("t{number}"), true);
        }
        let orders = table(&mut sample, "orders", false);
        edit(&mut sample, orders);
        run(&MISSING_AUDIT_COLUMNS, &sample.finish())
    }

    #[test]
    fn the_odd_table_out_is_found_with_a_fix() {
        let (found, _, examined) = judge(|_, _| ());
        assert_eq!((found.len(), examined), (1, 9));
        assert_eq!(found[0].object, "public.orders");
        assert_eq!(
            found[0].fix.as_deref(),
            Some(
                "ALTER TABLE public.orders ADD COLUMN created_at timestamptz NOT NULL DEFAULT now(), \
                 ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();"
            )
        );
        assert_eq!(
            found[0].undo.as_deref(),
            Some("ALTER TABLE public.orders DROP COLUMN created_at, DROP COLUMN updated_at;")
        );
    }

    #[test]
    fn where_nearly_half_do_without_it_is_no_convention() {
        let judged = |dated: u32| {
            let mut sample = Sample::new();
            for number in 0..20 {
                table(&mut sample, &format!("t{number}"), number < dated);
            }
            run(&MISSING_AUDIT_COLUMNS, &sample.finish()).0.len()
        };
        assert_eq!((judged(11), judged(15)), (0, 5));
    }

    #[test]
    fn a_table_only_added_to_needs_no_moment_of_change() {
        let (found, _, _) = judge(|sample, orders| {
            sample.edit_table(orders, |table| table.statistics.as_mut().unwrap().updated = 0);
        });
        assert_eq!(found[0].evidence["missing"], serde_json::json!(["created_at"]));
        let (found, _, _) = judge(|sample, orders| {
            sample.edit_table(orders, |table| table.statistics.as_mut().unwrap().updated = 0);
            sample.column(orders, "occurred_at", builtin::TIMESTAMPTZ);
            sample.edit_column(orders, "occurred_at", |column| column.has_default = true);
        });
        assert!(found.is_empty());
    }

    #[test]
    fn lists_joins_partitions_and_other_names_are_right() {
        type Edit = fn(&mut Sample, Oid);
        let right: [Edit; 4] = [
            |sample, orders| sample.edit_table(orders, |table| table.rows = 20.0),
            |sample, orders| {
                sample.column(orders, "date_created", builtin::TIMESTAMPTZ);
                sample.column(orders, "last_update", builtin::TIMESTAMPTZ);
            },
            |sample, orders| {
                let parent = table(sample, "all_orders", true);
                sample.partition(parent, orders);
            },
            |sample, orders| {
                sample.snapshot.columns.retain(|column| column.relation != orders || column.number == 1);
                let (left, right) = (sample.keyed_table("lefts"), sample.keyed_table("rights"));
                for (name, other) in [("left_id", left), ("right_id", right)] {
                    sample.column(orders, name, builtin::INT8);
                    sample.foreign_key(orders, &[name], other, &["id"]);
                }
            },
        ];
        for (number, edit) in right.into_iter().enumerate() {
            let (found, unknown, _) = judge(edit);
            assert!(found.is_empty() && unknown.is_empty(), "{number}: {found:?}");
        }
    }

    #[test]
    fn without_a_majority_there_is_no_convention() {
        let mut sample = Sample::new();
        for number in 0..10 {
            table(&mut sample, &format!("t{number}"), number < 4);
        }
        let (found, _, examined) = run(&MISSING_AUDIT_COLUMNS, &sample.finish());
        assert_eq!((found.len(), examined), (0, 10));
    }

    #[test]
    fn another_style_is_followed_but_not_by_our_hand() {
        let mut sample = Sample::new();
        for number in 0..8 {
            let dated = table(&mut sample, &format!("t{number}"), false);
            sample.column(dated, "last_update", builtin::TIMESTAMPTZ);
        }
        table(&mut sample, "orders", false);
        let (found, _, _) = run(&MISSING_AUDIT_COLUMNS, &sample.finish());
        assert_eq!((found.len(), &found[0].fix), (1, &None));
        assert!(found[0].message.contains("last_update"));
    }

    #[test]
    fn what_depends_on_rows_that_were_never_counted_is_unknown() {
        let (found, unknown, examined) =
            judge(|sample, orders| sample.edit_table(orders, |table| table.rows = -1.0));
        assert_eq!((found.len(), unknown[0].objects, examined), (0, 1, 8));
    }

    #[test]
    fn only_the_rows_own_moments_count() {
        assert!(Moment::Change.is_kept_by("updatedAt") && Moment::Creation.is_kept_by("create_date"));
        assert!(!Moment::Change.is_kept_by("password_updated_at") && !Moment::Creation.is_kept_by("at"));
    }
}
