//! Names of indexes.

use super::style::{Gathered, Kind, THRESHOLDS, gather, learn, tell};
use crate::catalog::{Index, Snapshot};
use crate::change::names::index_style::CONVENTION;
use crate::change::names::{Names, judged_indexes};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::{quote_identifier, quote_qualified};

/// An index's name does not say what it indexes the way the others do.
pub const INDEX_NAME: Rule = Rule {
    id: "schema.index_name",
    dimension: Dimension::Schema,
    severity: Severity::Info,
    title: "Index name breaks the convention",
    why: "Plans, logs and pg_stat_user_indexes show indexes by name alone: one that does not begin with its table like \
          the others has to be looked up, and two people create the same index under two names.",
    thresholds: THRESHOLDS,
    reference: "https://www.postgresql.org/docs/current/sql-alterindex.html",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let Gathered { examined, census, mut candidates } = gather(facts, judged_indexes, |index| &index.name);
    let habit = learn(verdicts, &CONVENTION, census);
    let kind = Kind { what: "index names", convention: CONVENTION };
    let lesson = tell(verdicts, &kind, examined, &habit);
    let mut names = Names::with_index_habit(snapshot, habit);
    candidates.retain(|&(_, style)| lesson.is_broken_by(style));
    // Who gets which number does not depend on OIDs.
    candidates.sort_by_key(|(index, _)| (snapshot.schema_of(index.table), &*index.name));
    for (index, style) in candidates {
        // Where the proper name is too long or belongs to another index, somebody had to choose.
        if names.proper_index_name(index).is_none() {
            continue;
        }
        let object = snapshot.index_name(index);
        let message = format!(
            "index {object} on {} is not named {}, {}",
            snapshot.relation_name(index.table),
            lesson.expected,
            lesson.reason()
        );
        let schema = snapshot.schema_of(index.table);
        let finding = lesson.evidence(Finding::new(&*object, schema, message), style);
        verdicts.find(match names.renamed_index(index) {
            Some(name) => rename_index(finding, snapshot, index, &name),
            None => finding,
        });
    }
}

/// The finding with the statement that renames its index.
pub fn rename_index(finding: Finding, snapshot: &Snapshot, index: &Index, name: &str) -> Finding {
    let schema = snapshot.schema_of(index.table);
    finding.fix(
        format!("ALTER INDEX {} RENAME TO {};", snapshot.index_name(index), quote_identifier(name)),
        format!("ALTER INDEX {} RENAME TO {};", quote_qualified(schema, name), quote_identifier(&index.name)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::ConstraintKind;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::types::builtin;

    fn shop(names: &[&str]) -> Snapshot {
        let mut sample = Sample::new();
        let table = sample.keyed_table("orders");
        sample.column(table, "state", builtin::TEXT);
        for name in names {
            sample.index(table, name, &["state"]);
        }
        sample.finish()
    }

    fn judged(names: &[&str]) -> Vec<Finding> {
        let (findings, unknowns, examined) = run(&INDEX_NAME, &shop(names));
        assert!(unknowns.is_empty());
        assert_eq!(examined, 1);
        findings
    }

    #[test]
    fn an_outlier_is_renamed_and_the_new_name_is_none() {
        let mut names = ["idx_orders_a", "idx_orders_b", "idx_orders_c", "idx_orders_d", "orders_state"];
        let findings = judged(&names);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].object, "public.orders_state");
        assert_eq!(
            findings[0].message,
            "index public.orders_state on public.orders is not named idx_{table}_{columns}, as 4 of 5 are"
        );
        assert_eq!(
            findings[0].fix.as_deref(),
            Some("ALTER INDEX public.orders_state RENAME TO idx_orders_state;")
        );
        assert_eq!(
            findings[0].undo.as_deref(),
            Some("ALTER INDEX public.idx_orders_state RENAME TO orders_state;")
        );
        names[4] = "idx_orders_state";
        assert!(judged(&names).is_empty());
    }

    #[test]
    fn two_indexes_with_one_proper_name_are_both_outliers() {
        let names =
            ["idx_orders_a", "idx_orders_b", "idx_orders_c", "idx_orders_d", "orders_one", "orders_two"];
        let findings = judged(&names);
        let fixes: Vec<bool> = findings.iter().map(|finding| finding.fix.is_some()).collect();
        assert_eq!(fixes, [true, false], "{findings:?}");
        // Without the first one the other is still what it was.
        assert_eq!(judged(&[&names[..4], &names[5..]].concat())[0].object, "public.orders_two");
    }

    #[test]
    fn another_style_throughout_is_told_once() {
        for (style, names) in [
            (
                "{table}_{columns}_idx",
                [
                    "orders_a_idx",
                    "orders_b_idx",
                    "orders_c_idx",
                    "orders_d_idx1",
                    "orders_idx",
                    "idx_orders_x",
                ],
            ),
            (
                "index_{table}_on_{columns}",
                [
                    "index_orders_on_a",
                    "index_orders_on_b",
                    "index_orders_by_cursor",
                    "idx_on_a_b_4a205974cb",
                    "index_order_c",
                    "idx_orders_x",
                ],
            ),
            (
                "ix_{table}_{columns}",
                ["ix_orders_a", "ix_orders_b", "ix_orders_c", "IX_Orders_D", "ix_orders_e", "idx_orders_x"],
            ),
        ] {
            let findings = judged(&names);
            assert_eq!(findings.len(), 2, "{style}: {findings:?}");
            assert_eq!(findings[0].object, "database");
            assert!(findings[0].message.starts_with(&format!("5 of 6 index names follow the style {style}")));
            assert_eq!(findings[0].evidence["prevailing_style"], style);
            assert_eq!(findings[1].object, "public.idx_orders_x");
            assert!(findings[1].fix.is_some());
        }
    }

    #[test]
    fn what_django_generates_is_left_alone() {
        let names = [
            "orders_state_6821ab7c",
            "orders_state_6821ab7c_like",
            "orders_a_1f23ab3d",
            "orders_b_1f23ab3e",
            "orders_c_1f23ab4d",
            "idx_orders_x",
        ];
        let findings = judged(&names);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].message.contains("a tool writes"));
    }

    #[test]
    fn no_majority_is_told_once_and_few_are_judged_by_the_convention() {
        let findings =
            judged(&["idx_orders_a", "idx_orders_b", "orders_a_idx", "orders_b_idx", "orders_b", "whatever"]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].message.contains("no one convention: 2 "));
        let findings = judged(&["whatever"]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].message.ends_with("which is the convention"));
    }

    #[test]
    fn constraints_partitions_and_expressions_are_judged_fairly() {
        let mut sample = Sample::new();
        let parent = sample.keyed_table("events");
        sample.column(parent, "state", builtin::TEXT);
        sample.keyed_constraint(parent, "whatever_key", &["state"], ConstraintKind::Unique);
        let child = sample.keyed_table("events_1");
        sample.column(child, "state", builtin::TEXT);
        sample.partition(parent, child);
        sample.index(child, "any_name_at_all", &["state"]);
        let unique = sample.index(parent, "uq_events_state", &["state"]);
        sample.edit_index(unique, |index| index.is_unique = true);
        let expression = sample.index(parent, "by_lower_state", &["state"]);
        sample.edit_index(expression, |index| {
            index.keys[0].column = 0;
            index.expressions = ["lower(state)".into()].into();
        });
        let (findings, _, examined) = run(&INDEX_NAME, &sample.finish());
        assert_eq!(findings.len(), 1);
        assert_eq!(
            findings[0].fix.as_deref(),
            Some("ALTER INDEX public.by_lower_state RENAME TO idx_events_by_lower_state;")
        );
        assert_eq!(examined, 1);
    }

    #[test]
    fn a_short_name_where_the_proper_one_would_be_cut_is_right() {
        let mut sample = Sample::new();
        let table = sample.keyed_table("observation_accuracy_samples_validators");
        for column in ["observation_accuracy_sample_id", "id_of_validator"] {
            sample.column(table, column, builtin::INT8);
        }
        sample.index(table, "index_oa_samples", &["observation_accuracy_sample_id"]);
        assert!(run(&INDEX_NAME, &sample.finish()).0.is_empty());
        let mut sample = Sample::new();
        let table = sample.keyed_table("observation_accuracy_samples_validators");
        sample.column(table, "id_of_validator", builtin::INT8);
        sample.index(table, "index_oa_validators", &["id_of_validator"]);
        assert_eq!(run(&INDEX_NAME, &sample.finish()).0.len(), 1);
    }

    #[test]
    fn a_second_index_on_the_same_columns_needs_a_name_of_its_own() {
        assert!(judged(&["idx_orders_state", "orders_by_state_trigrams"]).is_empty());
    }

    #[test]
    fn included_columns_stay_in_the_name() {
        let mut sample = Sample::new();
        let table = sample.keyed_table("orders");
        sample.column(table, "state", builtin::TEXT);
        let index = sample.index(table, "by_state_and_id", &["state", "id"]);
        sample.edit_index(index, |index| index.key_count = 1);
        let (findings, _, _) = run(&INDEX_NAME, &sample.finish());
        let fix = findings[0].fix.as_deref();
        assert_eq!(fix, Some("ALTER INDEX public.by_state_and_id RENAME TO idx_orders_by_state_and_id;"));
    }

    #[test]
    fn hostile_and_long_names_get_a_name_that_fits() {
        let long = "x".repeat(63);
        let findings = judged(&[&long]);
        assert!(findings[0].fix.as_deref().is_some_and(|fix| fix.ends_with("RENAME TO idx_orders_state;")));
        let findings = judged(&["a\"b;drop table x"]);
        assert_eq!(
            findings[0].fix.as_deref(),
            Some("ALTER INDEX public.\"a\"\"b;drop table x\" RENAME TO idx_orders_state;")
        );
    }
}
