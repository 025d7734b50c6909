//! Columns that `pg_upgrade` refuses.

use crate::catalog::{Column, Oid, Relation, RelationKind, Snapshot};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::quote_identifier;

/// Types whose values are OIDs that a new cluster numbers anew. Not regclass, regrole and regtype: those it keeps.
const OID_ALIASES: [Oid; 8] = [24, 2202, 2203, 2204, 3734, 3769, 4089, 4191];
/// aclitem, whose form on disk PostgreSQL 16 has changed.
const ACLITEM: Oid = 1033;
/// Up to here a column's type is changed at once.
const SMALL_BYTES: u64 = 10_485_760;

/// `migration.column_blocks_upgrade`: a column of a type that a new cluster could not read.
pub const COLUMN_BLOCKS_UPGRADE: Rule = Rule {
    id: "migration.column_blocks_upgrade",
    dimension: Dimension::Migration,
    severity: Severity::Warning,
    title: "Column that pg_upgrade refuses",
    why: "pg_upgrade stops before it begins: values of types such as regproc are OIDs that the new cluster numbers anew, and \
          those of system-defined row types and, before 16, of aclitem change their form.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/pgupgrade.html#PGUPGRADE-NOTES",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let stored = snapshot.relations.iter().filter(|relation| {
        let has_rows = relation.kind.is_table() || relation.kind == RelationKind::MaterializedView;
        has_rows && !relation.is_partition && snapshot.is_judged(relation)
    });
    for relation in stored {
        (facts.interrupt)();
        verdicts.examine(1);
        for column in snapshot.columns_of(relation.oid) {
            if let Some(why) = obstacle(snapshot, column.type_oid) {
                verdicts.find(describe(facts, relation, column, why));
            }
        }
    }
}

/// What is below arrays and domains.
fn innermost(snapshot: &Snapshot, mut oid: Oid) -> Oid {
    for _ in 0..64 {
        let Some(found) = snapshot.types.get(&oid) else { break };
        oid = match (found.base, found.element, found.category) {
            (0, element, 'A') if element != 0 => element,
            (0, ..) => break,
            (base, ..) => base,
        };
    }
    oid
}

/// Why a type stands in the way.
fn obstacle(snapshot: &Snapshot, oid: Oid) -> Option<&'static str> {
    let oid = innermost(snapshot, oid);
    if OID_ALIASES.contains(&oid) {
        return Some("holds OIDs, which a new cluster numbers anew");
    }
    if oid == ACLITEM && snapshot.server.major_version() <= 15 {
        return Some("has the type aclitem, whose form PostgreSQL 16 has changed");
    }
    let is_of_the_system = snapshot.relations.iter().any(|relation| {
        relation.row_type == oid
            && snapshot.namespaces.get(&relation.schema).is_some_and(|namespace| namespace.is_system())
    });
    is_of_the_system.then_some("has the row type of a system catalog, which a new cluster numbers anew")
}

fn describe(facts: &Facts<'_>, relation: &Relation, column: &Column, why: &str) -> Finding {
    let snapshot = facts.snapshot;
    let table = snapshot.relation_name(relation.oid);
    let name = quote_identifier(&column.name);
    let object = format!("{table}.{name}");
    let message = format!("pg_upgrade refuses this database: column {object} {why}");
    let finding = Finding::new(object, snapshot.schema_name(relation.schema), message);
    let written = facts.definitions.type_name(column.type_oid, column.type_modifier);
    let is_simple = relation.kind == RelationKind::Table
        && OID_ALIASES.contains(&column.type_oid)
        && !column.has_default
        && snapshot.heap_bytes(relation) < SMALL_BYTES;
    match written.filter(|_| is_simple) {
        Some(written) => finding.fix(
            format!("ALTER TABLE {table} ALTER COLUMN {name} TYPE text USING {name}::text;"),
            format!("ALTER TABLE {table} ALTER COLUMN {name} TYPE {written} USING {name}::{written};"),
        ),
        None => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::types::builtin;
    use crate::catalog::{Type, TypeKind};

    const REGPROC: Oid = 24;
    const REGCLASS: Oid = 2205;

    fn with(type_oid: Oid, edit: impl FnOnce(&mut Sample)) -> Vec<Finding> {
        let mut sample = Sample::new();
        let table = sample.keyed_table("jobs");
        sample.column(table, "what", type_oid);
        edit(&mut sample);
        run(&COLUMN_BLOCKS_UPGRADE, &sample.finish()).0
    }

    #[test]
    fn oid_aliases_are_found_below_arrays_and_domains_too() {
        let found = with(REGPROC, |_| ());
        assert_eq!(found[0].object, "public.jobs.what");
        assert_eq!(
            found[0].fix.as_deref(),
            Some("ALTER TABLE public.jobs ALTER COLUMN what TYPE text USING what::text;")
        );
        let array = Type { oid: 90_000, element: REGPROC, category: 'A', ..Type::default() };
        let domain =
            Type { oid: 90_001, base: 90_000, kind: TypeKind::Domain, category: 'A', ..Type::default() };
        let found = with(90_001, |sample| {
            sample.snapshot.types.extend([(90_000, array), (90_001, domain)]);
        });
        assert_eq!((found.len(), found[0].fix.as_deref()), (1, None));
    }

    #[test]
    fn aclitem_is_in_the_way_of_sixteen_only() {
        assert_eq!(with(ACLITEM, |_| ()).len(), 1);
        assert!(with(ACLITEM, |sample| sample.snapshot.server.version = 160_000).is_empty());
    }

    #[test]
    fn row_types_of_the_system_are_found_and_those_of_users_are_right() {
        for (schema, expected) in [("pg_catalog", 1), ("public", 0)] {
            let found = with(77_777, |sample| {
                let schema = if schema == "public" { 2200 } else { 11 };
                let catalog = sample.table_in(schema, "pg_something");
                sample.edit_table(catalog, |table| table.row_type = 77_777);
            });
            assert_eq!(found.len(), expected, "{schema}");
        }
    }

    #[test]
    fn what_pg_upgrade_takes_along_is_right() {
        for right in [REGCLASS, builtin::TEXT, builtin::INT8] {
            assert!(with(right, |_| ()).is_empty());
        }
    }
}
