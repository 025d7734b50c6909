//! Names of constraints.

use super::style::{Gathered, Kind, THRESHOLDS, gather, learn, tell};
use crate::catalog::Constraint;
use crate::change::names::constraint_style::CONVENTION;
use crate::change::names::{Names, judged_constraints};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::quote_identifier;

/// A constraint's name does not say what kind of constraint it is.
pub const CONSTRAINT_NAME: Rule = Rule {
    id: "schema.constraint_name",
    dimension: Dimension::Schema,
    severity: Severity::Info,
    title: "Constraint name breaks the convention",
    why: "The name is the first thing that a user's error message shows: without the kind and the table in it nobody \
          knows whether a value was missing elsewhere, there already, or out of range.",
    thresholds: THRESHOLDS,
    reference: "https://www.postgresql.org/docs/current/ddl-constraints.html",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let Gathered { examined, census, mut candidates } =
        gather(facts, judged_constraints, |constraint| &constraint.name);
    let habit = learn(verdicts, &CONVENTION, census);
    let kind = Kind { what: "constraint names", convention: CONVENTION };
    let lesson = tell(verdicts, &kind, examined, &habit);
    let mut names = Names::with_constraint_habit(snapshot, habit);
    candidates.retain(|&(_, style)| lesson.is_broken_by(style));
    // Who gets which number does not depend on OIDs.
    candidates
        .sort_by_cached_key(|(constraint, _)| (snapshot.relation_name(constraint.table), &*constraint.name));
    for (constraint, style) in candidates {
        let table = snapshot.relation_name(constraint.table);
        let object = format!("{} on {table}", quote_identifier(&constraint.name));
        let message = format!("constraint {object} is not named {}, {}", lesson.expected, lesson.reason());
        let finding = Finding::new(object, snapshot.schema_of(constraint.table), message);
        let finding = lesson.evidence(finding, style);
        verdicts.find(match names.renamed_constraint(constraint) {
            Some(name) => rename_constraint(finding, constraint, &table, &name),
            None => finding,
        });
    }
}

/// The finding with the statement that renames its constraint; the index behind it is renamed with it.
pub fn rename_constraint(finding: Finding, constraint: &Constraint, table: &str, name: &str) -> Finding {
    let (old, new) = (quote_identifier(&constraint.name), quote_identifier(name));
    finding.fix(
        format!("ALTER TABLE {table} RENAME CONSTRAINT {old} TO {new};"),
        format!("ALTER TABLE {table} RENAME CONSTRAINT {new} TO {old};"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::types::builtin;
    use crate::catalog::{ConstraintKind, Oid};

    fn shop() -> (Sample, Oid) {
        let mut sample = Sample::new();
        let table = sample.keyed_table("orders");
        sample.column(table, "total", builtin::INT8);
        (sample, table)
    }

    fn judged(checks: &[&str]) -> Vec<Finding> {
        let (mut sample, table) = shop();
        for name in checks {
            sample.check(table, name, &["total"]);
        }
        let (findings, unknowns, examined) = run(&CONSTRAINT_NAME, &sample.finish());
        assert!(unknowns.is_empty());
        assert_eq!(examined, 1);
        findings
    }

    #[test]
    fn an_outlier_is_renamed_and_the_new_name_is_none() {
        let mut names = ["chk_orders_a", "chk_orders_b", "chk_orders_c", "chk_orders_d", "positive_total"];
        let findings = judged(&names);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].object, "positive_total on public.orders");
        assert_eq!(
            findings[0].fix.as_deref(),
            Some("ALTER TABLE public.orders RENAME CONSTRAINT positive_total TO chk_orders_positive_total;")
        );
        assert_eq!(
            findings[0].undo.as_deref(),
            Some("ALTER TABLE public.orders RENAME CONSTRAINT chk_orders_positive_total TO positive_total;")
        );
        names[4] = "chk_orders_positive_total";
        assert!(judged(&names).is_empty());
    }

    #[test]
    fn names_that_tools_give_are_never_outliers() {
        let names = [
            "chk_orders_a",
            "chk_orders_b",
            "chk_orders_c",
            "orders_total_check",
            "orders_check1",
            "chk_rails_0e3f9b1d2a",
            "ck_orders_total",
        ];
        assert!(judged(&names).is_empty());
        assert!(judged(&["orders_total_check"]).is_empty(), "few");
    }

    #[test]
    fn defaults_throughout_are_told_once() {
        let names = [
            "orders_a_check",
            "orders_b_check",
            "orders_c_check",
            "orders_d_check",
            "chk_orders_e",
            "orders_must_add_up",
            "sensible",
        ];
        let (mut sample, table) = shop();
        for name in &names[..6] {
            sample.check(table, name, &["total"]);
        }
        let findings = run(&CONSTRAINT_NAME, &sample.finish()).0;
        assert_eq!(findings.len(), 1);
        assert!(findings[0].message.starts_with("4 of 6 constraint names are what a tool writes"));
        // Nobody chose: the one who did is not to blame.
        assert_eq!(
            judged(&["orders_a_check", "orders_b_check", "orders_c_check", "orders_d_check", "sensible"])
                .len(),
            1
        );
    }

    #[test]
    fn another_style_throughout_is_told_once() {
        let names =
            ["orders_a_ck", "orders_b_ck", "orders_c_chk", "orders_d_ck", "orders_e_ck", "chk_orders_f"];
        let findings = judged(&names);
        assert_eq!(findings.len(), 2);
        assert!(findings[0].message.starts_with("5 of 6 constraint names follow the style"));
        assert_eq!(
            findings[1].fix.as_deref(),
            Some("ALTER TABLE public.orders RENAME CONSTRAINT chk_orders_f TO orders_f_chk;")
        );
    }

    #[test]
    fn no_majority_is_told_once() {
        let names = ["chk_orders_a", "chk_orders_b", "orders_c_ck", "orders_d_ck", "x", "y", "z"];
        let findings = judged(&names);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].message.contains("no one convention"));
    }

    #[test]
    fn primary_keys_not_null_triggers_and_inherited_ones_are_left_alone() {
        let (mut sample, table) = shop();
        for kind in [ConstraintKind::NotNull, ConstraintKind::Trigger] {
            let constraint = sample.check(table, &format!("any_{kind:?}"), &["total"]);
            sample.edit_constraint(constraint, |constraint| constraint.kind = kind);
        }
        let inherited = sample.check(table, "from_parent", &["total"]);
        sample.edit_constraint(inherited, |constraint| constraint.is_inherited = true);
        let child = sample.keyed_table("orders_1");
        sample.column(child, "total", builtin::INT8);
        sample.check(child, "on_partition", &["total"]);
        sample.partition(table, child);
        assert!(run(&CONSTRAINT_NAME, &sample.finish()).0.is_empty());
    }

    #[test]
    fn a_check_that_a_child_shares_with_its_parent_is_the_parents() {
        let (mut sample, table) = shop();
        let child = sample.keyed_table("returns");
        sample.column(child, "total", builtin::INT8);
        sample.inherit(table, child);
        for owner in [table, child] {
            sample.check(owner, "positive", &["total"]);
        }
        sample.check(child, "negative", &["total"]);
        let findings = run(&CONSTRAINT_NAME, &sample.finish()).0;
        let objects: Vec<&str> = findings.iter().map(|finding| &*finding.object).collect();
        assert_eq!(objects, ["positive on public.orders", "negative on public.returns"]);
    }

    #[test]
    fn a_constraint_with_an_index_is_renamed_as_a_constraint() {
        let (mut sample, table) = shop();
        sample.keyed_constraint(table, "one_total", &["total"], ConstraintKind::Unique);
        // The name that comes first to mind is a table's.
        sample.table("uq_orders_total");
        let findings = run(&CONSTRAINT_NAME, &sample.finish()).0;
        assert_eq!(
            findings[0].fix.as_deref(),
            Some("ALTER TABLE public.orders RENAME CONSTRAINT one_total TO uq_orders_total_1;")
        );
    }
}
