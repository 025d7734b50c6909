//! Statements that create, drop and bring back an index without blocking writers, partition trees included.
//!
//! PostgreSQL builds and drops an index of a partitioned table only under a lock on the whole tree. So a new one
//! is declared on the parent alone, built partition by partition and attached; the last ATTACH makes it valid.

use rustc_hash::FxHashMap;

use super::names::Names;
use crate::catalog::{
    CONSTRAINT_CLASS, ColumnNumber, Constraint, ConstraintKind, Index, IndexKey, Oid, RELATION_CLASS,
    Relation, RelationKind, Snapshot,
};
use crate::finding::Definitions;
use crate::text::{quote_identifier, quote_literal};

/// A change of indexes and what takes it back, each as statements ended by `;`, one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Makes the change.
    pub apply: String,
    /// Takes it back.
    pub undo: String,
}

impl Change {
    /// Several changes one after the other, taken back in the opposite order; `None` for none.
    pub fn join(changes: Vec<&Self>) -> Option<Self> {
        let apply: Vec<&str> = changes.iter().map(|change| &*change.apply).collect();
        let undo: Vec<&str> = changes.iter().rev().map(|change| &*change.undo).collect();
        (!changes.is_empty()).then(|| Self { apply: apply.join("\n"), undo: undo.join("\n") })
    }
}

/// The constraint that an index serves as primary key, unique or exclusion constraint.
pub fn constraint_behind<'a>(snapshot: &'a Snapshot, index: &Index) -> Option<&'a Constraint> {
    snapshot.constraints_of(index.table).iter().find(|constraint| {
        constraint.index == index.oid
            && matches!(
                constraint.kind,
                ConstraintKind::PrimaryKey | ConstraintKind::Unique | ConstraintKind::Exclusion
            )
    })
}

/// An index and everything attached to it, parents before children.
pub fn members<'a>(snapshot: &'a Snapshot, top: &'a Index) -> Vec<&'a Index> {
    let mut found = vec![top];
    if !top.is_partitioned {
        return found;
    }
    // The tree of tables is in the order that the tree of indexes needs.
    for table in snapshot.tree(top.table) {
        for index in snapshot.indexes_of(table) {
            let parent = snapshot.parents.get(&index.oid).copied().unwrap_or(0);
            if index.is_partition && found.iter().any(|member| member.is_partitioned && member.oid == parent)
            {
                found.push(index);
            }
        }
    }
    found
}

/// Drops an index, with everything attached to it; with its constraint, where it serves one.
pub fn drop(snapshot: &Snapshot, index: &Index) -> String {
    if let Some(constraint) = constraint_behind(snapshot, index) {
        return drop_constraint(snapshot, constraint);
    }
    if index.is_partitioned {
        format!("DROP INDEX {};", snapshot.index_name(index))
    } else {
        format!("DROP INDEX CONCURRENTLY {};", snapshot.index_name(index))
    }
}

fn drop_constraint(snapshot: &Snapshot, constraint: &Constraint) -> String {
    let table = snapshot.relation_name(constraint.table);
    format!("ALTER TABLE {table} DROP CONSTRAINT {};", quote_identifier(&constraint.name))
}

/// Rebuilds the files of an index beside their use: REINDEX CONCURRENTLY.
pub fn rebuild(snapshot: &Snapshot, index: &Index) -> String {
    format!("REINDEX INDEX CONCURRENTLY {};", snapshot.index_name(index))
}

/// `CREATE INDEX CONCURRENTLY` from the server's own `CREATE INDEX`.
fn concurrently(definition: &str) -> Option<String> {
    ["CREATE UNIQUE INDEX ", "CREATE INDEX "]
        .into_iter()
        .find_map(|verb| definition.strip_prefix(verb).map(|rest| format!("{verb}CONCURRENTLY {rest};")))
}

fn attach(snapshot: &Snapshot, parent: &str, child: &Index) -> String {
    format!("ALTER INDEX {parent} ATTACH PARTITION {};", snapshot.index_name(child))
}

/// Brings back an index that [`drop`] drops, with its constraint, everything attached to it, and what was said of it.
///
/// `members` as [`members`] returns them. `None` when the server would not tell a definition.
pub fn recreate(snapshot: &Snapshot, definitions: &dyn Definitions, members: &[&Index]) -> Option<String> {
    let mut statements = Vec::with_capacity(members.len() * 2);
    let names: FxHashMap<Oid, String> = members
        .iter()
        .filter(|member| member.is_partitioned)
        .map(|member| (member.oid, snapshot.index_name(member)))
        .collect();
    for member in members {
        let constraint = constraint_behind(snapshot, member);
        match (member.is_partitioned, constraint) {
            (true, None) => statements.push(format!("{};", definitions.index(member.oid)?)),
            (true, Some(constraint)) => statements.push(format!(
                "ALTER TABLE ONLY {} ADD CONSTRAINT {} {};",
                snapshot.relation_name(member.table),
                quote_identifier(&constraint.name),
                definitions.constraint(constraint.oid)?
            )),
            (false, None) => statements.push(concurrently(&definitions.index(member.oid)?)?),
            (false, Some(constraint)) => {
                statements.push(concurrently(&definitions.index(member.oid)?)?);
                statements.push(adopt(snapshot, definitions, member, constraint)?);
            }
        }
        let parent = snapshot.parents.get(&member.oid).and_then(|parent| names.get(parent));
        if let Some(parent) = parent {
            statements.push(attach(snapshot, parent, member));
        }
        statements.extend(trappings(snapshot, definitions, member));
        statements.extend(constraint.and_then(|constraint| comment_on(snapshot, definitions, constraint)));
    }
    Some(statements.join("\n"))
}

/// What goes with a dropped index and is no part of its definition: what an expression's statistics are to be, its
/// comment, and that the table is clustered or identified by it.
fn trappings(snapshot: &Snapshot, definitions: &dyn Definitions, index: &Index) -> Vec<String> {
    let (table, name) = (snapshot.relation_name(index.table), snapshot.index_name(index));
    let mut statements = Vec::new();
    for (position, _) in (1..).zip(&index.keys).filter(|(_, key)| key.column == 0) {
        if let Some(target) = definitions.statistics_target(index.oid, position) {
            statements.push(format!("ALTER INDEX {name} ALTER COLUMN {position} SET STATISTICS {target};"));
        }
    }
    if let Some(comment) = definitions.comment(RELATION_CLASS, index.oid) {
        statements.push(format!("COMMENT ON INDEX {name} IS {};", quote_literal(&comment)));
    }
    let bare = quote_identifier(&index.name);
    if index.is_clustered {
        statements.push(format!("ALTER TABLE {table} CLUSTER ON {bare};"));
    }
    if index.is_replica_identity {
        statements.push(format!("ALTER TABLE {table} REPLICA IDENTITY USING INDEX {bare};"));
    }
    statements
}

/// The statement that gives a constraint the comment that it has now; `None` when it has none.
pub fn comment_on(
    snapshot: &Snapshot,
    definitions: &dyn Definitions,
    constraint: &Constraint,
) -> Option<String> {
    let comment = definitions.comment(CONSTRAINT_CLASS, constraint.oid)?;
    Some(format!(
        "COMMENT ON CONSTRAINT {} ON {} IS {};",
        quote_identifier(&constraint.name),
        snapshot.relation_name(constraint.table),
        quote_literal(&comment)
    ))
}

/// Makes a unique index the index of a constraint again.
fn adopt(
    snapshot: &Snapshot,
    definitions: &dyn Definitions,
    index: &Index,
    constraint: &Constraint,
) -> Option<String> {
    let kind = match constraint.kind {
        ConstraintKind::PrimaryKey => "PRIMARY KEY",
        ConstraintKind::Unique => "UNIQUE",
        // The server cannot make an exclusion constraint from a finished index.
        _ => return None,
    };
    let deferral = if constraint.is_deferrable {
        let definition = definitions.constraint(constraint.oid)?;
        if definition.ends_with("INITIALLY DEFERRED") {
            " DEFERRABLE INITIALLY DEFERRED"
        } else {
            " DEFERRABLE"
        }
    } else {
        ""
    };
    Some(format!(
        "ALTER TABLE {} ADD CONSTRAINT {} {kind} USING INDEX {}{deferral};",
        snapshot.relation_name(index.table),
        quote_identifier(&constraint.name),
        quote_identifier(&index.name)
    ))
}

/// Creates a B-tree index on plain columns of a table, or on all of its partitions.
///
/// A partition's own index on just these columns is attached rather than built a second time. Every statement is
/// harmless when repeated. `None` when the table or a column is gone, or when a partition cannot be indexed (a
/// foreign table).
pub fn create(
    snapshot: &Snapshot,
    definitions: &dyn Definitions,
    names: &mut Names<'_>,
    table: Oid,
    columns: &[ColumnNumber],
) -> Option<Change> {
    let bare: Vec<String> = columns
        .iter()
        .map(|&number| snapshot.column(table, number).map(|column| column.name.to_string()))
        .collect::<Option<_>>()?;
    let bare: Vec<&str> = bare.iter().map(String::as_str).collect();
    let list: Vec<String> = bare.iter().map(|name| quote_identifier(name)).collect();
    let tail = format!("({})", list.join(", "));
    let is_same = |index: &Index| is_plain_index(snapshot, index, &bare);
    create_as(snapshot, definitions, names, table, &bare, &tail, &is_same)
}

/// Creates an index of any kind on a table, or on all of its partitions, as [`create`] does.
///
/// `words` are what its name is made of, `tail` is what follows the table's name in CREATE INDEX, and `is_same` tells
/// whether a partition's own index is one that can be attached.
pub fn create_as(
    snapshot: &Snapshot,
    definitions: &dyn Definitions,
    names: &mut Names<'_>,
    table: Oid,
    words: &[&str],
    tail: &str,
    is_same: &dyn Fn(&Index) -> bool,
) -> Option<Change> {
    let relation = snapshot.relation(table)?;
    let name = names.index(table, words);
    if relation.partitioning.is_none() {
        return Some(Change {
            apply: format!(
                "CREATE INDEX CONCURRENTLY IF NOT EXISTS {} ON {} {tail};",
                quote_identifier(&name),
                snapshot.relation_name(table)
            ),
            undo: format!(
                "DROP INDEX CONCURRENTLY IF EXISTS {};",
                snapshot.qualified(relation.schema, &name)
            ),
        });
    }
    let qualified = snapshot.qualified(relation.schema, &name);
    let declare = format!(
        "CREATE INDEX IF NOT EXISTS {} ON ONLY {} {tail};",
        quote_identifier(&name),
        snapshot.relation_name(table)
    );
    let mut build = Build {
        snapshot,
        definitions,
        names,
        verb: "CREATE",
        tail,
        columns: words,
        apply: vec![declare],
        undo: vec![format!("DROP INDEX IF EXISTS {qualified};")],
    };
    build.below(relation, qualified, None, is_same)?;
    Some(build.finish())
}

/// Gives an index of a partitioned table to the partitions that lack it, so that it becomes valid.
///
/// `is_same` tells whether a partition's own index is one that can be attached. `None` when the index serves a
/// constraint, when something cannot be read, or when a member that exists is itself broken.
pub fn complete(
    snapshot: &Snapshot,
    definitions: &dyn Definitions,
    names: &mut Names<'_>,
    top: &Index,
    is_same: &dyn Fn(&Index) -> bool,
) -> Option<Change> {
    let relation = snapshot.relation(top.table)?;
    let present = members(snapshot, top);
    let is_broken = |member: &&Index| !member.is_partitioned && !member.is_usable();
    if constraint_behind(snapshot, top).is_some() || present.iter().any(is_broken) {
        return None;
    }
    let verb = if top.is_unique { "CREATE UNIQUE" } else { "CREATE" };
    let definition = definitions.index(top.oid)?;
    let start = format!(
        "{verb} INDEX {} ON ONLY {} ",
        quote_identifier(&top.name),
        snapshot.relation_name(top.table)
    );
    let tail = definition.strip_prefix(&start)?;
    let numbers: Vec<ColumnNumber> =
        top.key_columns().iter().map(|key| key.column).filter(|&column| column != 0).collect();
    let columns = snapshot.column_names(top.table, &numbers);
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut build = Build {
        snapshot,
        definitions,
        names,
        verb,
        tail,
        columns: &columns,
        apply: Vec::new(),
        undo: vec![drop(snapshot, top), recreate(snapshot, definitions, &present)?],
    };
    build.below(relation, snapshot.index_name(top), Some(top.oid), is_same)?;
    (!build.apply.is_empty()).then(|| build.finish())
}

/// Whether this is a usable B-tree index on just these columns, ascending, with nothing special about it.
fn is_plain_index(snapshot: &Snapshot, index: &Index, columns: &[&str]) -> bool {
    let is_plain = |key: &IndexKey, name: &&str| {
        let class = snapshot.operator_classes.get(&key.opclass);
        snapshot.column(index.table, key.column).is_some_and(|column| {
            *column.name == **name
                && column.collation == key.collation
                && class.is_some_and(|class| class.is_default)
                && !key.descending
                && !key.nulls_first
        })
    };
    index.is_usable()
        && !index.is_unique
        && index.predicate.is_none()
        && index.keys.len() == columns.len()
        && index.included_columns().is_empty()
        && snapshot.access_method_name(index.access_method) == "btree"
        && index.keys.iter().zip(columns).all(|(key, name)| is_plain(key, name))
}

/// The building of one index on the partitions below a table.
struct Build<'a, 'n, 's> {
    snapshot: &'a Snapshot,
    definitions: &'a dyn Definitions,
    names: &'n mut Names<'s>,
    verb: &'a str,
    tail: &'a str,
    columns: &'a [&'a str],
    apply: Vec<String>,
    undo: Vec<String>,
}

impl Build<'_, '_, '_> {
    /// Adds the statements for every partition below `table` that has no member of its index yet.
    ///
    /// `parent` is the index's qualified name, `existing` its OID where it exists.
    fn below(
        &mut self,
        table: &Relation,
        parent: String,
        existing: Option<Oid>,
        is_same: &dyn Fn(&Index) -> bool,
    ) -> Option<()> {
        let mut open: Vec<(Oid, String, Option<Oid>)> = vec![(table.oid, parent, existing)];
        let mut next = 0;
        while let Some((table, parent, existing)) = open.get(next).cloned() {
            next += 1;
            for &child in self.snapshot.children_of(table) {
                let partition = self.snapshot.relation(child)?;
                if partition.kind == RelationKind::ForeignTable {
                    return None;
                }
                if let Some(member) = existing.and_then(|index| self.member(child, index)) {
                    if member.is_partitioned {
                        open.push((child, self.snapshot.index_name(member), Some(member.oid)));
                    }
                    continue;
                }
                if self.attach_own(child, &parent, is_same)? {
                    continue;
                }
                let name = self.create_on(partition, &parent);
                if partition.partitioning.is_some() {
                    open.push((child, name, None));
                }
            }
        }
        Some(())
    }

    /// The index of a partition that is attached to the index `parent`.
    fn member(&self, partition: Oid, parent: Oid) -> Option<&Index> {
        self.snapshot
            .indexes_of(partition)
            .iter()
            .find(|index| index.is_partition && self.snapshot.parents.get(&index.oid) == Some(&parent))
    }

    /// Attaches an index that the partition has of its own; false when it has none that fits.
    fn attach_own(&mut self, partition: Oid, parent: &str, is_same: &dyn Fn(&Index) -> bool) -> Option<bool> {
        let is_free = |index: &&Index| {
            !index.is_partition && constraint_behind(self.snapshot, index).is_none() && is_same(index)
        };
        let Some(own) = self.snapshot.indexes_of(partition).iter().find(is_free) else {
            return Some(false);
        };
        self.apply.push(attach(self.snapshot, parent, own));
        // Dropping the parent's index takes what is attached with it.
        self.undo.push(recreate(self.snapshot, self.definitions, &members(self.snapshot, own))?);
        Some(true)
    }

    /// Creates the index on one partition and attaches it; returns its qualified name.
    fn create_on(&mut self, partition: &Relation, parent: &str) -> String {
        let name = self.names.index(partition.oid, self.columns);
        let qualified = self.snapshot.qualified(partition.schema, &name);
        let (verb, tail, table) = (self.verb, self.tail, self.snapshot.relation_name(partition.oid));
        let bare = quote_identifier(&name);
        self.apply.push(if partition.partitioning.is_some() {
            format!("{verb} INDEX IF NOT EXISTS {bare} ON ONLY {table} {tail};")
        } else {
            format!("{verb} INDEX CONCURRENTLY IF NOT EXISTS {bare} ON {table} {tail};")
        });
        self.apply.push(format!("ALTER INDEX {parent} ATTACH PARTITION {qualified};"));
        qualified
    }

    fn finish(self) -> Change {
        Change { apply: self.apply.join("\n"), undo: self.undo.join("\n") }
    }
}
