//! What the copy does: which tables it makes, what it does when all rows are in them, and how the names change hands, there and
//! back.

use super::super::facts::{Constraint, Incoming};
use super::super::references::{self, Reference};
use super::super::words::{add_constraint, alter, block, comment, drop_constraint, rename, to_regclass};
use super::super::{Conversion, Partition, parent, swap};
use crate::partition::copy::job::{Back, Definition, JournalColumn, Kind, Statement};
use crate::text::{quote_identifier, quote_literal, quote_qualified};

/// What the constraint is called by which a partition is attached without being read.
const BOUND: &str = "dbm_bound";
/// So many tables are made in one transaction.
const AT_ONCE: usize = 10;
/// What the table is, as lines.
const WHOLE: &str = include_str!("whole.sql");

/// What has to be in the switch as it was when the conversion was planned, as a query of lines.
pub fn lines(conversion: &Conversion<'_>) -> String {
    let names = &conversion.names;
    let added: Vec<String> = std::iter::once(&names.cutoff)
        .chain(&names.primary)
        .chain(names.extended.iter().map(|(_, name)| name))
        .map(|name| quote_literal(name))
        .collect();
    format!("{} UNION ALL {}", swap::PRINT, WHOLE)
        .replace("{table}", &to_regclass(&conversion.table.qualified()))
        .replace("{names}", &format!("ARRAY[{}]::pg_catalog.name[]", added.join(", ")))
}

/// The type of a column without its length, qualified and quoted.
pub fn key_type(table: u32, column: &str) -> String {
    format!(
        "SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.typname)
         FROM pg_catalog.pg_attribute a
         JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
         JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
         WHERE a.attrelid = {table} AND a.attname = {}",
        quote_literal(column)
    )
}

/// The copy. `references`: foreign keys of other tables that gain the key; `journal`: the key and the column by which to partition; `print`: what [`lines`] said.
pub fn definition(
    conversion: &Conversion<'_>,
    references: &[Reference<'_>],
    journal: Vec<JournalColumn>,
    print: &str,
) -> Definition {
    let table = conversion.table;
    let (qualified, built) = (table.qualified(), conversion.built());
    let plain = references::plain(conversion);
    Definition {
        kind: Kind::Convert,
        source: qualified,
        target: built,
        columns: table
            .columns
            .iter()
            .filter(|column| column.generated.is_empty())
            .map(|column| column.name.clone())
            .collect(),
        journal,
        prepare: prepare(conversion),
        // Nobody gets at rows past the table's own privileges and policies.
        closed: std::iter::once(conversion.built())
            .chain(partitions(conversion).map(|(name, _)| name))
            .collect(),
        complete: complete(conversion),
        before: before(conversion),
        locks: locks(conversion, references, &plain, "ONLY "),
        holds: None,
        swap: there(conversion, references, &plain, print),
        handover: None,
        back: Some(Back {
            table: table.qualified(),
            old: conversion.history(),
            locks: locks(conversion, references, &plain, ""),
            swap: back(conversion, references, &plain),
        }),
        clean: vec![format!("DROP TABLE IF EXISTS {}", conversion.history())],
        most_in_swap: 0,
        told: String::new(),
        is_backwards: false,
    }
}

fn partitions<'a>(conversion: &Conversion<'a>) -> impl Iterator<Item = (String, &'a Partition)> {
    let (table, wish) = (conversion.table, conversion.wish);
    wish.partitions.iter().map(|partition| (table.beside(&partition.name), partition))
}

fn attach(conversion: &Conversion<'_>, table: &str, partition: &Partition) -> String {
    alter(&conversion.built(), &format!("ATTACH PARTITION {table} FOR VALUES {}", partition.bounds))
}

/// A table of its rows, without indexes, and the partitions.
fn prepare(conversion: &Conversion<'_>) -> Vec<Statement> {
    let (table, built) = (conversion.table, conversion.built());
    let key = conversion.key().quoted();
    let mut statements = vec![Statement::new(
        format!(
            "CREATE TABLE {built} (LIKE {} INCLUDING GENERATED) PARTITION BY RANGE ({key})",
            table.qualified()
        ),
        format!("DROP TABLE IF EXISTS {built}"),
    )];
    let parent::Own { unlogged, storage } = parent::Own::of(table);
    let all: Vec<(String, &Partition)> = partitions(conversion).collect();
    for some in all.chunks(AT_ONCE) {
        let mut sql = Vec::new();
        for (name, partition) in some {
            sql.push(format!(
                "CREATE {unlogged}TABLE {name} (LIKE {} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING STORAGE \
                 INCLUDING COMPRESSION){storage}",
                table.qualified()
            ));
            sql.push(without_cutoff(conversion, name));
            if !conversion.key().is_not_null {
                sql.push(alter(name, &format!("ALTER COLUMN {key} SET NOT NULL")));
            }
            sql.extend(parent::set(table, name));
            let inside = format!("CHECK ({key} IS NOT NULL AND {})", partition.inside);
            sql.push(add_constraint(name, BOUND, &inside));
            sql.push(attach(conversion, name, partition));
        }
        let names: Vec<&str> = some.iter().map(|(name, _)| &**name).collect();
        statements
            .push(Statement::new(sql.join(";\n"), format!("DROP TABLE IF EXISTS {}", names.join(", "))));
    }
    statements
}

/// LIKE takes over what proves that every row has its partition.
fn without_cutoff(conversion: &Conversion<'_>, table: &str) -> String {
    alter(table, &format!("DROP CONSTRAINT IF EXISTS {}", quote_identifier(&conversion.names.cutoff)))
}

/// Indexes are built over rows, not row by row: the table is made anew with all that it is to have, and builds them in what it
/// attaches.
fn complete(conversion: &Conversion<'_>) -> Vec<String> {
    let built = conversion.built();
    let mut sql: Vec<String> =
        partitions(conversion).map(|(name, _)| alter(&built, &format!("DETACH PARTITION {name}"))).collect();
    sql.push(format!("DROP TABLE {built}"));
    sql.extend(parent::statements(conversion));
    sql.push(without_cutoff(conversion, &built));
    let mut complete = vec![sql.join(";\n")];
    complete.extend(partitions(conversion).map(|(name, partition)| {
        let mut sql = vec![attach(conversion, &name, partition), drop_constraint(&name, BOUND)];
        sql.extend(replica_identity(conversion, &name));
        sql.join(";\n")
    }));
    complete
}

/// A replica identity of its own, which partitions do not inherit: the index whose parent is the table's.
fn replica_identity(conversion: &Conversion<'_>, partition: &str) -> Option<String> {
    let table = conversion.table;
    let (_, handed) =
        conversion.names.indexes.iter().find(|(place, _)| table.indexes[*place].is_replica_identity)?;
    let parent = to_regclass(&quote_qualified(&handed.schema, &handed.built));
    Some(block(
        "  dbm_index text;\n",
        &format!(
            "  SELECT x.relname INTO STRICT dbm_index FROM pg_catalog.pg_inherits h\n    \
             JOIN pg_catalog.pg_index i ON i.indexrelid = h.inhrelid JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid\n    \
             WHERE h.inhparent = {parent} AND i.indrelid = {};\n  \
             EXECUTE pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %I', {}, dbm_index);\n",
            to_regclass(partition),
            quote_literal(partition)
        ),
    ))
}

/// The foreign keys of the partitions, which nobody uses yet: from the switch on new rows are looked up. Not earlier, for whoever
/// deletes what a row points to would meet the copy of one that is gone.
fn before(conversion: &Conversion<'_>) -> Vec<String> {
    let keys: Vec<&Constraint> = conversion.table.foreign_keys().collect();
    if keys.is_empty() {
        return Vec::new();
    }
    partitions(conversion)
        .map(|(name, _)| {
            let added: Vec<String> = keys
                .iter()
                .map(|key| {
                    format!(
                        "ADD CONSTRAINT {} {} NOT VALID",
                        quote_identifier(&key.name),
                        key.definition.trim_end_matches(" NOT VALID")
                    )
                })
                .collect();
            alter(&name, &added.join(", "))
        })
        .collect()
}

/// The table, those that point to it, and those to which it points: foreign keys go on all sides.
fn locks(
    conversion: &Conversion<'_>,
    references: &[Reference<'_>],
    plain: &[&Incoming],
    only: &str,
) -> Vec<String> {
    let table = conversion.table;
    let mut locks = vec![format!("{only}{}", table.qualified())];
    let pointing = references.iter().map(|reference| reference.of).chain(plain.iter().copied());
    let referenced = table.foreign_keys().filter(|key| key.may_owner_lock);
    for other in pointing.map(Incoming::qualified).chain(referenced.filter_map(|key| key.referenced.clone()))
    {
        if !locks.contains(&other) {
            locks.push(other);
        }
    }
    locks
}

/// The foreign keys of others go before the table that has them changes its name.
fn pointing_dropped(references: &[Reference<'_>], plain: &[&Incoming]) -> Vec<String> {
    let of = references.iter().map(|reference| reference.of).chain(plain.iter().copied());
    of.map(|other| drop_constraint(&other.qualified(), &other.name)).collect()
}

fn there(
    conversion: &Conversion<'_>,
    references: &[Reference<'_>],
    plain: &[&Incoming],
    print: &str,
) -> Vec<String> {
    let (table, names) = (conversion.table, &conversion.names);
    let (qualified, history, built) = (table.qualified(), conversion.history(), conversion.built());
    let checks = [swap::is_other(&lines(conversion), print), swap::incoming(conversion)];
    let mut sql = vec![swap::stop_if(&checks, &qualified)];
    sql.extend(references.iter().flat_map(Reference::dropped));
    sql.extend(plain.iter().map(|other| drop_constraint(&other.qualified(), &other.name)));
    // Of the table that nobody writes to any more: rows that go from the other must not be looked for in it.
    sql.extend(table.foreign_keys().map(|key| drop_constraint(&qualified, &key.name)));
    sql.extend(swap::sequences(conversion, &qualified, &built));
    sql.extend(swap::drop_triggers(conversion));
    sql.push(rename("TABLE", &table.schema, &table.name, &names.history));
    sql.extend(swap::rename_parts(conversion, |handed| Some((handed.name.clone(), handed.aside.clone()?))));
    sql.push(rename("TABLE", &table.schema, &names.built, &table.name));
    sql.extend(swap::rename_parts(conversion, |handed| Some((handed.built.clone(), handed.name.clone()))));
    sql.extend(swap::create_policies(conversion));
    sql.extend(swap::create_triggers(conversion));
    sql.extend(swap::owned(conversion));
    sql.extend(references.iter().flat_map(|reference| reference.again(conversion)));
    sql.extend(plain.iter().flat_map(|other| swap::again(other)));
    sql.extend(swap::rebuilt(conversion, &history));
    sql
}

fn back(conversion: &Conversion<'_>, references: &[Reference<'_>], plain: &[&Incoming]) -> Vec<String> {
    let (table, names) = (conversion.table, &conversion.names);
    let (qualified, history, built) = (table.qualified(), conversion.history(), conversion.built());
    let mut sql = vec![swap::stop_if_watched(&qualified)];
    sql.extend(pointing_dropped(references, plain));
    for key in table.foreign_keys() {
        let gone = format!("DROP CONSTRAINT IF EXISTS {}", quote_identifier(&key.name));
        sql.push(alter(&qualified, &gone));
        // Where the table has not taken it over yet.
        sql.extend(partitions(conversion).map(|(name, _)| alter(&format!("IF EXISTS {name}"), &gone)));
    }
    sql.extend(swap::drop_triggers(conversion));
    sql.extend(swap::sequences(conversion, &qualified, &history));
    sql.push(rename("TABLE", &table.schema, &table.name, &names.built));
    sql.extend(swap::rename_parts(conversion, |handed| Some((handed.name.clone(), handed.built.clone()))));
    sql.push(rename("TABLE", &table.schema, &names.history, &table.name));
    sql.extend(swap::rename_parts(conversion, |handed| Some((handed.aside.clone()?, handed.name.clone()))));
    for key in table.foreign_keys() {
        let name = quote_identifier(&key.name);
        let definition = format!("{} NOT VALID", key.definition.trim_end_matches(" NOT VALID"));
        sql.push(add_constraint(&qualified, &key.name, &definition));
        sql.extend(comment(&format!("CONSTRAINT {name} ON {qualified}"), key.comment.as_ref()));
    }
    sql.extend(swap::owned(conversion));
    sql.extend(swap::create_triggers(conversion));
    for policy in &table.policies {
        sql.push(format!("DROP POLICY {} ON {built}", quote_identifier(&policy.name)));
    }
    sql.extend(references.iter().flat_map(Reference::back));
    sql.extend(plain.iter().flat_map(|other| swap::again(other)));
    sql.extend(swap::rebuilt(conversion, &built));
    sql
}
