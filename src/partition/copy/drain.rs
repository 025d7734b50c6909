//! The drain of a default partition as a copy: its rows go into tables of their own, gathered under a staging table that is
//! partitioned like the parent; the swap empties the default partition and hands the tables over.
//!
//! The parent is locked exclusively for the swap, though an ATTACH would not ask for it: a query that knows the partitions
//! as they were, and comes to the default partition after the swap, would miss the rows.

use super::job::{Definition, Handover, JournalColumn, Kind, Statement};
use crate::text::{quote_identifier, quote_literal, quote_qualified};

/// What the constraint is called by which a partition is attached without being read.
const BOUND: &str = "dbm_bound";

/// So many tables are made, or get their indexes, in one transaction.
const AT_ONCE: usize = 10;

/// A partition to be made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Piece {
    /// Qualified and quoted.
    pub table: String,
    /// `FOR VALUES FROM (…) TO (…)`.
    pub bounds: String,
    /// What holds for the rows of its range.
    pub inside: String,
    /// The statements that make it, of which nobody notices anything.
    pub beside: Vec<String>,
    /// The tables that they make.
    pub tables: Vec<String>,
    /// The statements that open it to whom it is to be open to.
    pub open: Vec<String>,
    /// Those that need it to be attached.
    pub after: Vec<String>,
}

/// A default partition to be drained. Names are qualified and quoted unless they are said to be bare.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drain {
    /// The partitioned table.
    pub parent: String,
    /// Its number, by which what is made for the time between is named.
    pub parent_number: u32,
    /// Its schema, bare.
    pub schema: String,
    /// What stands behind its PARTITION BY.
    pub by: String,
    /// The default partition.
    pub default: String,
    /// Bare.
    pub columns: Vec<String>,
    /// The key and the columns that tell the partition; empty where all is done in the swap.
    pub journal: Vec<JournalColumn>,
    /// In order.
    pub pieces: Vec<Piece>,
    /// How many rows may be moved in the swap, where there is no journal.
    pub most_in_swap: u64,
    /// Whether a foreign key of another table forbids to truncate it.
    pub is_referenced: bool,
    /// Who asked for it.
    pub asked_by: String,
}

/// The column list of an INSERT.
fn listed(columns: &[String]) -> String {
    columns.iter().map(|column| quote_identifier(column)).collect::<Vec<_>>().join(", ")
}

/// As a copy.
pub fn definition(drain: &Drain) -> Definition {
    let Drain { parent, default, by, .. } = drain;
    let own = |what: &str| quote_qualified(&drain.schema, &format!("dbm_{what}_{}", drain.parent_number));
    let (staging, rest, hold) = (own("staging"), own("rest"), own("hold"));
    let is_at_once = drain.journal.is_empty();
    // Nobody looks into what is made for the time between: not even an owner whom policies bind.
    let hidden =
        |table: &str| format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY");
    let gather = |indexes: &str| {
        format!(
            "CREATE TABLE {staging} (LIKE {parent} INCLUDING GENERATED{indexes}) PARTITION BY {by};\n{}",
            hidden(&staging)
        )
    };
    let attach =
        |piece: &Piece| format!("ALTER TABLE {staging} ATTACH PARTITION {} {}", piece.table, piece.bounds);
    let detach = |table: &str| format!("ALTER TABLE {staging} DETACH PARTITION {table}");
    let attach_rest = format!("ALTER TABLE {staging} ATTACH PARTITION {rest} DEFAULT");
    let with_indexes = " INCLUDING INDEXES";

    let mut prepare = vec![Statement::new(
        gather(if is_at_once { with_indexes } else { "" }),
        format!("DROP TABLE IF EXISTS {staging}"),
    )];
    for pieces in drain.pieces.chunks(AT_ONCE) {
        let mut sql = Vec::new();
        for piece in pieces {
            sql.extend(piece.beside.iter().cloned());
            sql.push(format!("ALTER TABLE {} ADD CONSTRAINT {BOUND} CHECK ({})", piece.table, piece.inside));
            sql.push(attach(piece));
        }
        let tables: Vec<&str> = pieces.iter().map(|piece| &*piece.table).collect();
        prepare.push(Statement::new(sql.join(";\n"), format!("DROP TABLE IF EXISTS {}", tables.join(", "))));
    }
    prepare.push(Statement::new(
        format!(
            "CREATE TABLE {rest} (LIKE {parent} INCLUDING GENERATED);\n{};\n{attach_rest}",
            hidden(&rest)
        ),
        format!("DROP TABLE IF EXISTS {rest}"),
    ));

    if !is_at_once {
        prepare.push(Statement::new(
            format!("CREATE TABLE {hold} (LIKE {parent} INCLUDING GENERATED);\n{}", hidden(&hold)),
            format!("DROP TABLE IF EXISTS {hold}"),
        ));
    }

    // Indexes are built over rows, not row by row: the staging table is made anew with them, and builds them in what it
    // attaches.
    let mut complete = Vec::new();
    if !is_at_once {
        let mut sql: Vec<String> = drain.pieces.iter().map(|piece| detach(&piece.table)).collect();
        sql.extend([detach(&rest), format!("DROP TABLE {staging}"), gather(with_indexes)]);
        complete.push(sql.join(";\n"));
        for pieces in drain.pieces.chunks(AT_ONCE) {
            complete.push(pieces.iter().map(attach).collect::<Vec<_>>().join(";\n"));
        }
        complete.push(attach_rest);
    }

    let mut swap = vec![if drain.is_referenced {
        format!("DELETE FROM ONLY {default}")
    } else {
        format!("TRUNCATE ONLY {default}")
    }];
    let apart: Vec<String> = drain.pieces.iter().map(|piece| detach(&piece.table)).collect();
    if is_at_once {
        swap.extend(apart.iter().cloned());
    }
    for piece in &drain.pieces {
        swap.push(format!("ALTER TABLE {parent} ATTACH PARTITION {} {}", piece.table, piece.bounds));
        swap.extend(piece.after.iter().cloned());
    }
    let columns = listed(&drain.columns);
    swap.push(format!(
        "INSERT INTO {default} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {rest}"
    ));

    // What is not needed for the swap comes after it, one table at a time.
    let mut clean = vec![format!("DROP TABLE IF EXISTS {staging}, {hold}")];
    clean.extend(
        drain
            .pieces
            .iter()
            .map(|piece| format!("ALTER TABLE IF EXISTS {} DROP CONSTRAINT IF EXISTS {BOUND}", piece.table)),
    );

    let mut closed = vec![staging.clone(), rest.clone(), hold.clone()];
    closed.extend(drain.pieces.iter().flat_map(|piece| piece.tables.iter().cloned()));
    let mut before: Vec<String> = drain.pieces.iter().flat_map(|piece| piece.open.iter().cloned()).collect();
    if !is_at_once {
        before.extend(apart);
    }
    let parts: Vec<String> = drain.pieces.iter().map(|piece| piece.table.clone()).collect();
    let told = format!(
        "rows of {default} were moved into {}, for {}: they are rows of {parent} as before",
        told_of(&parts),
        drain.asked_by
    );

    Definition {
        kind: Kind::Drain,
        source: default.clone(),
        target: staging.clone(),
        columns: drain.columns.clone(),
        journal: drain.journal.clone(),
        prepare,
        closed,
        complete,
        before,
        holds: Some((
            is_default(parent, default),
            format!("{default} is not the default partition of {parent} any more"),
        )),
        locks: vec![format!("ONLY {parent}"), format!("ONLY {default}")],
        swap,
        handover: (!is_at_once).then(|| Handover {
            hold,
            into: parent.clone(),
            parts: parts.into_iter().chain([default.clone()]).collect(),
        }),
        back: None,
        clean,
        most_in_swap: drain.most_in_swap,
        told,
        is_backwards: false,
    }
}

/// Some names, and how many more there are.
fn told_of(parts: &[String]) -> String {
    const SOME: usize = 20;
    let some = parts.iter().take(SOME).cloned().collect::<Vec<_>>().join(", ");
    match parts.len().saturating_sub(SOME) {
        0 => some,
        more => format!("{some} and {more} more new partitions"),
    }
}

/// Whether a table is the default partition of another.
fn is_default(parent: &str, default: &str) -> String {
    let number = |name: &str| format!("pg_catalog.to_regclass({})", quote_literal(name));
    format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_partitioned_table p JOIN pg_catalog.pg_inherits i \
             ON i.inhparent = p.partrelid AND i.inhrelid = p.partdefid AND NOT i.inhdetachpending
         WHERE p.partrelid = {} AND p.partdefid = {})",
        number(parent),
        number(default)
    )
}

/// What a table says of itself that a copy has to know: its columns but those that are computed, as JSON.
pub fn columns(table: u32) -> String {
    format!(
        "SELECT pg_catalog.json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = {table} AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''"
    )
}

/// The columns by which a table is partitioned, and their types where those are the system's own.
pub fn partition_columns(parent: u32) -> String {
    format!(
        "SELECT a.attname, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.typname)
         FROM pg_catalog.pg_partitioned_table p
         CROSS JOIN LATERAL pg_catalog.unnest(p.partattrs::pg_catalog.int2[]) AS k (number)
         JOIN pg_catalog.pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = k.number
         JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
         JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace AND n.nspname = 'pg_catalog'
         WHERE p.partrelid = {parent}"
    )
}

/// The journal of a table with that key (as [`crate::change::batch::key::key`] reads it) whose copy is partitioned by
/// those columns: bare names and types.
pub fn journal(key: &crate::change::batch::key::Key, by: &[(String, String)]) -> Vec<JournalColumn> {
    let mut columns: Vec<JournalColumn> = key
        .columns
        .iter()
        .map(|column| JournalColumn {
            name: column.name.clone(),
            sql_type: column.sql_type.clone(),
            collation: column.collation.clone(),
            operator_schema: column.operator_schema.clone(),
            is_key: true,
        })
        .collect();
    for (name, sql_type) in by {
        if !columns.iter().any(|column| column.name == *name) {
            columns.push(JournalColumn {
                name: name.clone(),
                sql_type: sql_type.clone(),
                collation: None,
                operator_schema: "pg_catalog".to_owned(),
                is_key: false,
            });
        }
    }
    columns
}
