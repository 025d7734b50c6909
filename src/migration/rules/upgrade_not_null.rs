//! Children that may hold NULL where their parents may not.

use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::quote_identifier;

/// `migration.not_null_missing_in_child`: `pg_upgrade` to 18 refuses an inheritance child without its parent's NOT NULL.
pub const NOT_NULL_MISSING_IN_CHILD: Rule = Rule {
    id: "migration.not_null_missing_in_child",
    dimension: Dimension::Migration,
    severity: Severity::Warning,
    title: "Child column without its parent's NOT NULL",
    why: "PostgreSQL 18 makes NOT NULL a constraint that children inherit, and pg_upgrade to it stops at a child whose column \
          may be NULL while its parent's may not. Until then a query of the parent can return NULL from a column that is \
          declared NOT NULL.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/release-18.html#RELEASE-18-MIGRATION",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let is_checked_by_the_server = snapshot.server.major_version() >= 18;
    let children = snapshot.relations.iter().filter(|relation| {
        relation.kind.is_table() && !relation.is_partition && snapshot.is_judged(relation)
    });
    for child in children {
        (facts.interrupt)();
        let Some(&parent) = snapshot.parents.get(&child.oid) else { continue };
        verdicts.examine(1);
        if is_checked_by_the_server {
            continue;
        }
        for column in snapshot.columns_of(child.oid).iter().filter(|column| !column.not_null) {
            let is_stricter =
                snapshot.columns_of(parent).iter().any(|other| other.name == column.name && other.not_null);
            if !is_stricter {
                continue;
            }
            let (table, name) = (snapshot.relation_name(child.oid), quote_identifier(&column.name));
            let message = format!(
                "column {table}.{name} may be NULL, and is NOT NULL in its parent {}: pg_upgrade to PostgreSQL 18 refuses that",
                snapshot.relation_name(parent)
            );
            verdicts.find(
                Finding::new(format!("{table}.{name}"), snapshot.schema_name(child.schema), message).fix(
                    format!("ALTER TABLE {table} ALTER COLUMN {name} SET NOT NULL;"),
                    format!("ALTER TABLE {table} ALTER COLUMN {name} DROP NOT NULL;"),
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::types::builtin;

    fn judge(edit: impl FnOnce(&mut Sample, u32, u32)) -> Vec<Finding> {
        let mut sample = Sample::new();
        let (parent, child) = (sample.table("events"), sample.table("old_events"));
        for table in [parent, child] {
            sample.column(table, "at", builtin::TIMESTAMPTZ);
        }
        sample.edit_column(parent, "at", |column| column.not_null = true);
        edit(&mut sample, parent, child);
        run(&NOT_NULL_MISSING_IN_CHILD, &sample.finish()).0
    }

    #[test]
    fn a_child_that_may_hold_null_is_found_before_eighteen() {
        let found = judge(|sample, parent, child| sample.inherit(parent, child));
        assert_eq!((found.len(), found[0].object.as_str()), (1, "public.old_events.at"));
        assert!(
            judge(|sample, parent, child| {
                sample.inherit(parent, child);
                sample.snapshot.server.version = 180_000;
            })
            .is_empty()
        );
    }

    #[test]
    fn strangers_and_strict_children_are_right() {
        assert!(judge(|_, _, _| ()).is_empty());
        assert!(
            judge(|sample, parent, child| {
                sample.inherit(parent, child);
                sample.edit_column(child, "at", |column| column.not_null = true);
            })
            .is_empty()
        );
    }
}
