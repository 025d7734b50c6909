//! Published tables whose rows a subscriber could not find.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::catalog::{Index, Oid, Persistence, Relation, RelationKind, ReplicaIdentity, Snapshot};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::quote_identifier;

use super::no_primary_key::key_index;

/// `schema.replica_identity_missing`: UPDATE or DELETE is published of a table without a usable replica identity.
pub const REPLICA_IDENTITY_MISSING: Rule = Rule {
    id: "schema.replica_identity_missing",
    dimension: Dimension::Schema,
    severity: Severity::Error,
    title: "Published table without replica identity",
    why: "A subscriber finds the row to change by the replica identity. Without one the server refuses every UPDATE and \
          DELETE of the table, on the publisher, in the application.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/logical-replication-publication.html",
    check,
};

/// Which tables' UPDATE or DELETE is published.
struct Published {
    everything: bool,
    tables: FxHashSet<Oid>,
    schemas: FxHashSet<Oid>,
}

impl Published {
    fn of(snapshot: &Snapshot) -> Self {
        let mut published =
            Self { everything: false, tables: FxHashSet::default(), schemas: FxHashSet::default() };
        for publication in &snapshot.publications {
            if publication.publishes_update || publication.publishes_delete {
                published.everything |= publication.is_for_all_tables;
                published.tables.extend(&publication.tables);
                published.schemas.extend(&publication.schemas);
            }
        }
        published
    }

    /// A partition is published with any table above it.
    fn contains(&self, snapshot: &Snapshot, table: &Relation) -> bool {
        let mut current = table;
        for _ in 0..64 {
            if self.everything || self.tables.contains(&current.oid) || self.schemas.contains(&current.schema)
            {
                return true;
            }
            let parent = snapshot.parents.get(&current.oid).filter(|_| current.is_partition);
            match parent.and_then(|&parent| snapshot.relation(parent)) {
                Some(parent) => current = parent,
                None => return false,
            }
        }
        false
    }
}

/// Whether such an index of the table can identify rows. A deferrable key cannot: it may be broken when the change is
/// sent.
fn has_identity(snapshot: &Snapshot, table: &Relation, wanted: fn(&Index) -> bool) -> bool {
    snapshot.indexes_of(table.oid).iter().any(|index| wanted(index) && index.is_valid && index.is_immediate)
}

/// Whether the server can identify this table's rows to a subscriber, as it judges at an UPDATE.
fn is_identified(snapshot: &Snapshot, table: &Relation) -> bool {
    match table.replica_identity {
        ReplicaIdentity::Full => true,
        ReplicaIdentity::Nothing => false,
        ReplicaIdentity::Default => has_identity(snapshot, table, |index| index.is_primary),
        ReplicaIdentity::Index => has_identity(snapshot, table, |index| index.is_replica_identity),
    }
}

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let published = Published::of(snapshot);
    let mut missing: FxHashMap<Oid, Vec<&Relation>> = FxHashMap::default();
    let mut roots: FxHashSet<Oid> = FxHashSet::default();
    for table in snapshot.judged_tables_and_partitions() {
        (facts.interrupt)();
        // A partitioned table has no rows of its own, and what is not logged is not published.
        let has_rows = table.kind == RelationKind::Table && table.persistence == Persistence::Permanent;
        if !has_rows || !published.contains(snapshot, table) {
            continue;
        }
        let root = snapshot.root_of(table.oid);
        roots.insert(root);
        if !is_identified(snapshot, table) {
            missing.entry(root).or_default().push(table);
        }
    }
    verdicts.examine(roots.len() as u64);
    for (root, mut tables) in missing {
        tables.sort_unstable_by_key(|table| snapshot.relation_name(table.oid));
        verdicts.find(describe(snapshot, root, &tables));
    }
}

fn describe(snapshot: &Snapshot, root: Oid, tables: &[&Relation]) -> Finding {
    let name = snapshot.relation_name(root);
    let where_missing = match tables {
        [only] if only.oid == root => String::new(),
        _ => format!(" on {} of its partitions", tables.len()),
    };
    let message = format!(
        "table {name} is published but has no replica identity{where_missing}: the server refuses every UPDATE and DELETE"
    );
    let (mut fix, mut undo) = (Vec::new(), Vec::new());
    let mut is_whole_row = false;
    for table in tables {
        let table_name = snapshot.relation_name(table.oid);
        let identity = match key_index(snapshot, table) {
            _ if has_identity(snapshot, table, |index| index.is_primary) => "DEFAULT".to_owned(),
            Some(index) => format!("USING INDEX {}", quote_identifier(&index.name)),
            None => {
                is_whole_row = true;
                "FULL".to_owned()
            }
        };
        fix.push(format!("ALTER TABLE {table_name} REPLICA IDENTITY {identity};"));
        match table.replica_identity {
            ReplicaIdentity::Nothing => {
                undo.push(format!("ALTER TABLE {table_name} REPLICA IDENTITY NOTHING;"))
            }
            ReplicaIdentity::Default => {
                undo.push(format!("ALTER TABLE {table_name} REPLICA IDENTITY DEFAULT;"))
            }
            // The chosen index is gone; nothing leads back to that.
            ReplicaIdentity::Index | ReplicaIdentity::Full => {}
        }
    }
    let finding = Finding::new(&name, snapshot.schema_of(root), message)
        .evidence("tables", tables.iter().map(|table| snapshot.relation_name(table.oid)).collect::<Vec<_>>());
    let finding = if is_whole_row {
        finding.evidence(
            "replica_identity_full",
            "writes the whole old row to the WAL, and the subscriber may read its whole table for each row: \
             a primary key is better",
        )
    } else {
        finding
    };
    if undo.len() < fix.len() {
        return finding.evidence(
            "no_simple_fix_because",
            "the index chosen as replica identity was dropped: choose anew",
        );
    }
    finding.fix(fix.join("\n"), undo.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::types::builtin;

    /// A published table `logs` with a column `line`, after an edit.
    fn judge(edit: impl FnOnce(&mut Sample, Oid)) -> (Vec<Finding>, u64) {
        let mut sample = Sample::new();
        let table = sample.table("logs");
        sample.column(table, "line", builtin::TEXT);
        sample.publication("changes", &[table]);
        edit(&mut sample, table);
        let (found, _, examined) = run(&REPLICA_IDENTITY_MISSING, &sample.finish());
        (found, examined)
    }

    #[test]
    fn without_any_key_the_whole_row_must_do() {
        let (found, examined) = judge(|_, _| ());
        assert_eq!((found.len(), examined), (1, 1));
        assert_eq!(found[0].fix.as_deref(), Some("ALTER TABLE public.logs REPLICA IDENTITY FULL;"));
        assert_eq!(found[0].undo.as_deref(), Some("ALTER TABLE public.logs REPLICA IDENTITY DEFAULT;"));
        assert!(found[0].evidence.contains_key("replica_identity_full"));
    }

    #[test]
    fn a_fit_index_is_better() {
        let (found, _) = judge(|sample, table| {
            sample.edit_column(table, "line", |column| column.not_null = true);
            let index = sample.index(table, "uq_logs_line", &["line"]);
            sample.edit_index(index, |index| index.is_unique = true);
            sample.edit_table(table, |table| table.replica_identity = ReplicaIdentity::Nothing);
        });
        assert_eq!(
            found[0].fix.as_deref(),
            Some("ALTER TABLE public.logs REPLICA IDENTITY USING INDEX uq_logs_line;")
        );
        assert_eq!(found[0].undo.as_deref(), Some("ALTER TABLE public.logs REPLICA IDENTITY NOTHING;"));
    }

    #[test]
    fn a_primary_key_is_best() {
        let (found, _) = judge(|sample, table| {
            sample.primary_key(table, &["line"]);
            sample.edit_table(table, |table| table.replica_identity = ReplicaIdentity::Nothing);
        });
        assert_eq!(found[0].fix.as_deref(), Some("ALTER TABLE public.logs REPLICA IDENTITY DEFAULT;"));
    }

    #[test]
    fn all_tables_and_schemas_publish_too_and_a_deferrable_key_does_not_help() {
        for whole_schema in [true, false] {
            let (found, _) = judge(|sample, table| {
                let index = sample.primary_key(table, &["line"]);
                sample.edit_index(index, |index| index.is_immediate = false);
                let publication = sample.snapshot.publications.first_mut().unwrap();
                publication.tables.clear();
                publication.is_for_all_tables = !whole_schema;
                publication.schemas = if whole_schema { vec![2200] } else { Vec::new() };
            });
            assert_eq!(found.len(), 1);
        }
    }

    #[test]
    fn keys_full_rows_and_inserts_only_are_right() {
        type Edit = fn(&mut Sample, Oid);
        let right: [(Edit, u64); 5] = [
            (
                |sample, table| {
                    sample.primary_key(table, &["line"]);
                },
                1,
            ),
            (
                |sample, table| {
                    sample.edit_table(table, |table| table.replica_identity = ReplicaIdentity::Full)
                },
                1,
            ),
            (
                |sample, table| {
                    let index = sample.index(table, "uq_logs_line", &["line"]);
                    sample.edit_index(index, |index| {
                        (index.is_unique, index.is_replica_identity) = (true, true)
                    });
                    sample.edit_table(table, |table| table.replica_identity = ReplicaIdentity::Index);
                },
                1,
            ),
            (
                |sample, _| {
                    let publication = sample.snapshot.publications.first_mut().unwrap();
                    (publication.publishes_update, publication.publishes_delete) = (false, false);
                },
                0,
            ),
            (|sample, table| sample.edit_table(table, |table| table.persistence = Persistence::Unlogged), 0),
        ];
        for (number, (edit, expected)) in right.into_iter().enumerate() {
            let (found, examined) = judge(edit);
            assert!(found.is_empty(), "{number}: {found:?}");
            assert_eq!(examined, expected);
        }
    }

    #[test]
    fn partitions_of_a_published_table_are_one_finding() {
        let mut sample = Sample::new();
        let parent = sample.table("events");
        sample.column(parent, "id", builtin::INT8);
        for name in ["events_1", "events_2"] {
            let leaf = sample.table(name);
            sample.column(leaf, "id", builtin::INT8);
            sample.partition(parent, leaf);
        }
        sample.publication("changes", &[parent]);
        let (found, _, examined) = run(&REPLICA_IDENTITY_MISSING, &sample.finish());
        assert_eq!((found.len(), examined), (1, 1));
        assert_eq!(found[0].object, "public.events");
        assert!(found[0].message.contains("on 2 of its partitions"));
        assert_eq!(found[0].fix.as_deref().unwrap().lines().count(), 2);
    }
}
