//! Constraints that old rows may break.

use crate::catalog::{Constraint, ConstraintKind, Relation};
use crate::change::index_ddl::comment_on;
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::quote_identifier;

use super::foreign_keys::constraint_object;

/// `schema.unvalidated_constraint`: a constraint added NOT VALID and never validated.
pub const UNVALIDATED_CONSTRAINT: Rule = Rule {
    id: "schema.unvalidated_constraint",
    dimension: Dimension::Schema,
    severity: Severity::Warning,
    title: "Constraint never validated",
    why: "New rows are checked, old rows were not: the planner does not rely on it, a later UPDATE of an old row fails \
          for no visible reason, and a dump may not restore.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    for table in snapshot.judged_tables_and_partitions() {
        (facts.interrupt)();
        verdicts.examine(u64::from(!table.is_partition));
        for constraint in snapshot.constraints_of(table.oid) {
            // What is not enforced has no rows to answer for, and what comes from a parent is the parent's.
            let is_own = constraint.parent == 0 && !constraint.is_inherited;
            let can_wait = matches!(
                constraint.kind,
                ConstraintKind::Check | ConstraintKind::ForeignKey | ConstraintKind::NotNull
            );
            if is_own && can_wait && constraint.is_enforced && !constraint.is_validated {
                verdicts.find(describe(facts, table, constraint));
            }
        }
    }
}

fn describe(facts: &Facts<'_>, table: &Relation, constraint: &Constraint) -> Finding {
    let snapshot = facts.snapshot;
    let object = constraint_object(snapshot, constraint);
    let message = format!(
        "constraint {object} was never validated: rows older than it may break it, and then fail at their next UPDATE"
    );
    let finding = Finding::new(object, snapshot.schema_name(table.schema), message)
        .evidence("columns", snapshot.column_names(table.oid, &constraint.columns));
    let (table, name) = (snapshot.relation_name(table.oid), quote_identifier(&constraint.name));
    let Some(definition) = facts.definitions.constraint(constraint.oid) else { return finding };
    // The definition as it stands says NOT VALID itself.
    let mut undo = format!(
        "ALTER TABLE {table} DROP CONSTRAINT {name};\nALTER TABLE {table} ADD CONSTRAINT {name} {definition};"
    );
    if let Some(comment) = comment_on(snapshot, facts.definitions, constraint) {
        undo.push('\n');
        undo.push_str(&comment);
    }
    finding
        .evidence("definition", &*definition)
        .fix(format!("ALTER TABLE {table} VALIDATE CONSTRAINT {name};"), undo)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Oid;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::types::builtin;

    fn judge(edit: impl FnOnce(&mut Constraint)) -> Vec<Finding> {
        let mut sample = Sample::new();
        let table = sample.keyed_table("orders");
        sample.column(table, "total", builtin::NUMERIC);
        let check: Oid = sample.check(table, "chk_orders_total", &["total"]);
        sample.edit_constraint(check, edit);
        let (found, _, examined) = run(&UNVALIDATED_CONSTRAINT, &sample.finish());
        assert_eq!(examined, 1);
        found
    }

    #[test]
    fn not_valid_is_found_with_a_fix_and_the_exact_way_back() {
        let found = judge(|constraint| constraint.is_validated = false);
        assert_eq!(found[0].object, "chk_orders_total on public.orders");
        assert_eq!(
            found[0].fix.as_deref(),
            Some("ALTER TABLE public.orders VALIDATE CONSTRAINT chk_orders_total;")
        );
        assert!(found[0].undo.as_deref().unwrap().starts_with(
            "ALTER TABLE public.orders DROP CONSTRAINT chk_orders_total;\n\
             ALTER TABLE public.orders ADD CONSTRAINT chk_orders_total CHECK"
        ));
    }

    #[test]
    fn valid_inherited_and_unenforced_constraints_are_right() {
        let right: [fn(&mut Constraint); 4] = [
            |_| (),
            |constraint| (constraint.is_validated, constraint.is_inherited) = (false, true),
            |constraint| (constraint.is_validated, constraint.parent) = (false, 7),
            |constraint| (constraint.is_validated, constraint.is_enforced) = (false, false),
        ];
        for edit in right {
            assert!(judge(edit).is_empty());
        }
    }
}
