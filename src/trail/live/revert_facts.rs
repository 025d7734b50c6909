//! What a plan has to know of the tables in which it takes changes back: asked once for all of them, which may be thousands of
//! partitions.

use std::collections::{HashMap, HashSet};

use super::book::{Subject, list, text};
use crate::catalog::Oid;
use crate::pg::encoding::from_server;
use crate::pg::trail::reading::rows;
use crate::text::hex::from_hex;
use crate::trail::read::lineage::{ColumnId, LIVE};
use crate::trail::revert::{Reference, Referring, Trigger};

/// The triggers that may make something else of a row before it is written, those of partitions included, and the columns
/// that `dbm.row_version()` keeps.
#[derive(Clone, Debug, Default)]
pub struct Triggers {
    /// The triggers.
    pub triggers: Vec<Trigger>,
    /// The columns.
    pub kept: HashSet<String>,
}

/// What is known of tables, by these.
pub struct Facts {
    triggers: HashMap<Oid, Triggers>,
    references: HashMap<Oid, Vec<Reference>>,
    go_along: HashSet<Oid>,
    unique: HashMap<Oid, Vec<Vec<i32>>>,
}

fn oid(row: &[Option<String>], place: usize) -> Oid {
    text(row, place).and_then(|oid| oid.parse().ok()).unwrap_or(0)
}

impl Facts {
    /// Of these tables.
    pub fn of(tables: &[Oid]) -> Self {
        Self {
            triggers: triggers(tables),
            references: references(tables),
            go_along: go_along(tables),
            unique: unique(tables),
        }
    }

    /// The triggers of a table.
    pub fn triggers(&self, table: Oid) -> Triggers {
        self.triggers.get(&table).cloned().unwrap_or_default()
    }

    /// Who would lose rows, or values, with a row of the table, or of one above it.
    pub fn references(&self, table: Oid) -> Vec<Reference> {
        self.references.get(&table).cloned().unwrap_or_default()
    }

    /// Whether rows of the table go with those to which they refer.
    pub fn goes_along(&self, table: Oid) -> bool {
        self.go_along.contains(&table)
    }

    /// Whether no two rows of the table have the same values in these columns.
    pub fn is_unique(&self, subject: &Subject, key: &[ColumnId]) -> bool {
        is_unique(self.unique.get(&subject.table.oid), subject, key)
    }
}

/// Whether no two rows of a table have the same values in these columns. What told rows apart when they were changed need
/// not do so now: a column of the key may be gone, or the constraint.
pub fn tells_apart(subject: &Subject, key: &[ColumnId]) -> bool {
    is_unique(unique(&[subject.table.oid]).get(&subject.table.oid), subject, key)
}

fn is_unique(unique: Option<&Vec<Vec<i32>>>, subject: &Subject, key: &[ColumnId]) -> bool {
    let live = subject.lineage.names(LIVE);
    let number = |&id: &ColumnId| Some(subject.table.column(&live?.attribute(id)?.name)?.number);
    let numbers: HashSet<i32> = key.iter().filter_map(number).collect();
    unique
        .is_some_and(|unique| unique.iter().any(|index| index.iter().all(|number| numbers.contains(number))))
}

/// The columns, by their numbers, in which no two rows of a table are alike: of each index that says so.
fn unique(tables: &[Oid]) -> HashMap<Oid, Vec<Vec<i32>>> {
    let found = rows(
        None,
        "SELECT i.indrelid, pg_catalog.array_to_json(k.numbers) FROM pg_catalog.pg_index i
         CROSS JOIN LATERAL (SELECT (i.indkey::pg_catalog.int2[])[0:i.indnkeyatts - 1] AS numbers) k
         WHERE i.indrelid = ANY (pg_catalog.string_to_array($1, ',')::pg_catalog.oid[]) AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
           AND (i.indimmediate OR i.indisprimary)
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a
                           WHERE a.attrelid = i.indrelid AND a.attnum = ANY (k.numbers) AND NOT a.attnotnull)",
        &[list(tables)],
    );
    let mut unique: HashMap<Oid, Vec<Vec<i32>>> = HashMap::new();
    for row in &found {
        let numbers = text(row, 1).and_then(|numbers| serde_json::from_str(numbers).ok());
        unique.entry(oid(row, 0)).or_default().extend(numbers);
    }
    unique
}

fn triggers(tables: &[Oid]) -> HashMap<Oid, Triggers> {
    let found = rows(
        None,
        "WITH RECURSIVE tree AS (
             SELECT w.oid AS root, w.oid FROM pg_catalog.unnest(pg_catalog.string_to_array($1, ',')::pg_catalog.oid[]) w (oid)
             UNION ALL
             SELECT tree.root, i.inhrelid FROM tree
             JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid
             JOIN pg_catalog.pg_class p ON p.oid = i.inhparent AND p.relkind = 'p')
         SELECT tree.root, t.tgname, pg_catalog.bool_or(t.tgtype & 4 <> 0), pg_catalog.bool_or(t.tgtype & 16 <> 0),
                max(CASE WHEN t.tgfoid = pg_catalog.to_regprocedure('dbm.row_version()') AND t.tgtype & 16 <> 0
                         THEN pg_catalog.encode(t.tgargs, 'hex') END)
         FROM tree JOIN pg_catalog.pg_trigger t ON t.tgrelid = tree.oid
         -- BEFORE, for each row, of INSERT or UPDATE.
         WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0
         GROUP BY tree.root, t.tgname ORDER BY tree.root, t.tgname",
        &[list(tables)],
    );
    let mut triggers: HashMap<Oid, Triggers> = HashMap::new();
    for row in &found {
        let of_table = triggers.entry(oid(row, 0)).or_default();
        let arguments = text(row, 4).and_then(from_hex).unwrap_or_default();
        let names = arguments.split(|&byte| byte == 0).filter(|name| !name.is_empty());
        of_table.kept.extend(names.map(|name| from_server(name).into_owned()));
        of_table.triggers.push(Trigger {
            name: text(row, 1).unwrap_or_default().to_owned(),
            on_insert: text(row, 2) == Some("t"),
            on_update: text(row, 3) == Some("t"),
        });
    }
    triggers
}

fn go_along(tables: &[Oid]) -> HashSet<Oid> {
    let found = rows(
        None,
        "SELECT DISTINCT conrelid FROM pg_catalog.pg_constraint
         WHERE conrelid = ANY (pg_catalog.string_to_array($1, ',')::pg_catalog.oid[]) AND contype = 'f' AND confdeltype = 'c'",
        &[list(tables)],
    );
    found.iter().map(|row| oid(row, 0)).collect()
}

fn references(tables: &[Oid]) -> HashMap<Oid, Vec<Reference>> {
    let found = rows(
        None,
        "WITH above AS MATERIALIZED (
             SELECT w.oid AS root, w.oid FROM pg_catalog.unnest(pg_catalog.string_to_array($1, ',')::pg_catalog.oid[]) w (oid)
             UNION
             SELECT w.oid, a.relid::pg_catalog.oid FROM pg_catalog.unnest(pg_catalog.string_to_array($1, ',')::pg_catalog.oid[]) w (oid)
             CROSS JOIN LATERAL pg_catalog.pg_partition_ancestors(w.oid::pg_catalog.regclass) a)
         SELECT above.root, k.oid, pg_catalog.format('%I.%I', n.nspname, c.relname), theirs.attname, ours.attname,
                pg_catalog.format('OPERATOR(%I.%s)', s.nspname, o.oprname)
         FROM above
         JOIN pg_catalog.pg_constraint k ON k.confrelid = above.oid
         JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         CROSS JOIN LATERAL pg_catalog.generate_subscripts(k.conkey, 1) place
         JOIN pg_catalog.pg_attribute theirs ON theirs.attrelid = k.conrelid AND theirs.attnum = k.conkey[place]
         JOIN pg_catalog.pg_attribute ours ON ours.attrelid = k.confrelid AND ours.attnum = k.confkey[place]
         JOIN pg_catalog.pg_operator o ON o.oid = k.conpfeqop[place]
         JOIN pg_catalog.pg_namespace s ON s.oid = o.oprnamespace
         WHERE k.contype = 'f' AND k.confdeltype IN ('c', 'n', 'd') AND k.conparentid = 0
         ORDER BY above.root, k.oid, place",
        &[list(tables)],
    );
    let mut references: HashMap<Oid, Vec<Reference>> = HashMap::new();
    let mut last = None;
    for row in &found {
        let part = |place| text(row, place).unwrap_or_default().to_owned();
        let of_table = references.entry(oid(row, 0)).or_default();
        let key = Some((oid(row, 0), oid(row, 1)));
        if last != key {
            of_table.push(Reference { table: part(2), columns: Vec::new() });
            last = key;
        }
        if let Some(reference) = of_table.last_mut() {
            reference.columns.push(Referring { theirs: part(3), ours: part(4), equals: part(5) });
        }
    }
    references
}
