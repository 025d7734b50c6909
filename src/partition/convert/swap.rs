//! The switch: one transaction in which the names change hands and the old table becomes a partition, and the one that
//! takes that back. Nothing in it reads rows, but the way back, where rows came into the partitions behind the cutoff.

use super::Conversion;
use super::facts::{Incoming, Index, Sequence, Table};
use super::names::Handed;
use super::references::{self, Reference};
use super::words::{
    add_constraint, alter, block, comment, drop_constraint, grants, rename, to_regclass, validate,
    with_tablespace,
};
use crate::catalog::LockMode;
use crate::change::plan::{Phase, Step};
use crate::change::proof;
use crate::text::{quote_identifier, quote_literal, quote_qualified};

/// What hangs on a table, as lines: the same query as when the plan was made.
pub const PRINT: &str = include_str!("print.sql");

/// The step. `references`: foreign keys of other tables that gain the key.
pub fn step(conversion: &Conversion<'_>, references: &[Reference<'_>]) -> Step {
    let plain = references::plain(conversion);
    let table = conversion.table.qualified();
    let mut sql = locks(conversion, references, &plain);
    sql.push(guard(conversion));
    sql.extend(there(conversion, references, &plain));
    let mut step = Step::new(Phase::Switch, sql.remove(0));
    step.sql.extend(sql);
    step.undo = undo(conversion, references, &plain);
    step.lock(LockMode::AccessExclusive)
        .verify(proof::is_attached(&table, &conversion.history()))
        .note(format!(
            "no row is read: {table} as it was becomes the partition {}, and the partitioned table takes its name; the way back \
             stays open as long as that partition is there",
            conversion.history()
        ))
}

/// Tables to which the table points, then the table, then those that point to it: as those lock who write a row and then
/// rows that point to it.
fn locks(conversion: &Conversion<'_>, references: &[Reference<'_>], plain: &[&Incoming]) -> Vec<String> {
    let table = conversion.table;
    let mut sql = Vec::new();
    let mut referenced: Vec<&String> = Vec::new();
    for constraint in table.foreign_keys().filter(|constraint| constraint.may_lock) {
        if let Some(name) = &constraint.referenced
            && !referenced.contains(&name)
        {
            referenced.push(name);
            sql.push(format!("LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE"));
        }
    }
    sql.push(format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", table.qualified()));
    let mut others: Vec<String> = Vec::new();
    for other in references.iter().map(|reference| reference.of).chain(plain.iter().copied()) {
        let other = other.qualified();
        if !others.contains(&other) {
            sql.push(format!("LOCK TABLE {other} IN ACCESS EXCLUSIVE MODE"));
            others.push(other);
        }
    }
    sql
}

/// Stops if the table is not what it was when the plan was made: what came since would be lost, and what went would be
/// built anew or proved anew under lock.
fn guard(conversion: &Conversion<'_>) -> String {
    let (table, names) = (conversion.table, &conversion.names);
    let qualified = table.qualified();
    let mut indexes: Vec<String> = names
        .indexes
        .iter()
        .filter(|(_, handed)| handed.aside.is_some())
        .map(|(_, handed)| quote_qualified(&handed.schema, &handed.name))
        .collect();
    indexes.extend(names.primary.iter().map(|name| table.beside(name)));
    indexes.extend(
        names.extended.iter().map(|(place, name)| quote_qualified(&table.indexes[*place].schema, name)),
    );
    let found = |condition: &str, wanted: usize| {
        format!("(SELECT count(*) FROM {condition}) IS DISTINCT FROM {wanted}")
    };
    let all = |names: Vec<String>| names.join(", ");
    let mut checks = vec![is_other(&PRINT.replace("{table}", &to_regclass(&qualified)), &table.print)];
    checks.push(found(
        &format!(
            "pg_catalog.pg_constraint WHERE conrelid = {} AND conname = {} AND convalidated",
            to_regclass(&qualified),
            quote_literal(&names.cutoff)
        ),
        1,
    ));
    if !indexes.is_empty() {
        let list = all(indexes.iter().map(|name| to_regclass(name)).collect());
        checks.push(found(
            &format!(
                "pg_catalog.pg_index WHERE indrelid = {} AND indexrelid IN ({list}) AND indisvalid",
                to_regclass(&qualified)
            ),
            indexes.len(),
        ));
    }
    let keys: Vec<String> = table.foreign_keys().map(|constraint| quote_literal(&constraint.name)).collect();
    if !keys.is_empty() {
        checks.push(found(
            &format!(
                "pg_catalog.pg_constraint WHERE conrelid = {} AND contype = 'f' AND convalidated AND conname IN ({})",
                to_regclass(&qualified),
                keys.join(", ")
            ),
            keys.len(),
        ));
    }
    checks.push(incoming(conversion));
    stop_if(&checks, &qualified)
}

/// That other foreign keys point to the table than did.
pub(super) fn incoming(conversion: &Conversion<'_>) -> String {
    // Those that gain the key stand there twice, by the time of the switch.
    let all = conversion.around.incoming.len();
    let incoming = 2 * all - references::plain(conversion).len();
    format!(
        "(SELECT count(*) FROM pg_catalog.pg_constraint WHERE confrelid = {} AND contype = 'f' AND conparentid = 0) IS DISTINCT FROM {incoming}",
        to_regclass(&conversion.table.qualified())
    )
}

/// That what a query of lines says is not what it said.
pub(super) fn is_other(lines: &str, print: &str) -> String {
    format!("({}) IS DISTINCT FROM {}", print_of(lines), quote_literal(print))
}

/// A query of lines as one value.
pub fn print_of(lines: &str) -> String {
    format!(
        "SELECT pg_catalog.md5(pg_catalog.string_agg(f.line, E'\\n' ORDER BY f.line COLLATE pg_catalog.\"C\")) FROM ({lines}) f(line)"
    )
}

/// Stops the switch if one of the conditions holds.
pub(super) fn stop_if(checks: &[String], table: &str) -> String {
    block(
        "",
        &format!(
            "  IF {} THEN\n    RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',\n      MESSAGE = {},\n      HINT = {};\n  END IF;\n",
            checks.join("\n  OR "),
            quote_literal(&format!("table {table} is not what it was when its conversion was planned")),
            quote_literal(
                "Something was added, changed or dropped meanwhile. Take the plan back with CALL dbm.undo() and make it again."
            )
        ),
    )
}

/// Stops the way back of a table that was put under the audit trail since: the log knows it by its number, and another
/// takes its name.
pub(super) fn stop_if_watched(table: &str) -> String {
    block(
        "",
        &format!(
            "  IF EXISTS (SELECT FROM pg_catalog.pg_trigger g\n      JOIN pg_catalog.pg_proc p ON p.oid = g.tgfoid AND p.proname = 'write_audit_trail'\n      \
             JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'dbm'\n      WHERE g.tgrelid = {}) THEN\n    \
             RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',\n      MESSAGE = {},\n      HINT = {};\n  END IF;\n",
            to_regclass(table),
            quote_literal(&format!(
                "{table} is under the audit trail, whose history would break off on the way back"
            )),
            quote_literal(&format!(
                "SELECT dbm.remove_audit_trigger({0}), take the plan back, and SELECT dbm.install_audit_trigger({0}) again: \
                 the history up to then stays in the log.",
                quote_literal(table)
            ))
        ),
    )
}

/// The identity of one table given to another, where its sequence goes on.
fn identity(from: &str, to: &str, sequence: &Sequence) -> String {
    let name = sequence.qualified();
    let column = quote_identifier(&sequence.column);
    let how = sequence.identity.as_deref().unwrap_or("BY DEFAULT");
    let mut body = format!(
        "  SELECT last_value, is_called INTO dbm_value, dbm_called FROM {name};\n  \
         ALTER TABLE {from} ALTER COLUMN {column} DROP IDENTITY;\n  \
         ALTER TABLE {to} ALTER COLUMN {column} ADD GENERATED {how} AS IDENTITY (SEQUENCE NAME {name} {});\n  \
         PERFORM pg_catalog.setval({}::pg_catalog.regclass, dbm_value, dbm_called);\n",
        sequence.options,
        quote_literal(&name)
    );
    let on_it = grants(&format!("SEQUENCE {name}"), &sequence.privileges)
        .chain(comment(&format!("SEQUENCE {name}"), sequence.comment.as_ref()))
        .collect::<Vec<_>>();
    for statement in on_it {
        body.push_str(&format!("  {statement};\n"));
    }
    block("  dbm_value bigint;\n  dbm_called boolean;\n", &body)
}

pub(super) fn sequences(conversion: &Conversion<'_>, from: &str, to: &str) -> Vec<String> {
    let mut sql = Vec::new();
    for sequence in conversion.table.sequences.iter().filter(|sequence| sequence.identity.is_some()) {
        sql.push(identity(from, to, sequence));
    }
    sql
}

/// Sequences that the columns only own follow the name.
pub(super) fn owned(conversion: &Conversion<'_>) -> Vec<String> {
    let table = conversion.table.qualified();
    let owned = conversion.table.sequences.iter().filter(|sequence| sequence.identity.is_none());
    owned
        .map(|sequence| {
            format!(
                "ALTER SEQUENCE {} OWNED BY {table}.{}",
                sequence.qualified(),
                quote_identifier(&sequence.column)
            )
        })
        .collect()
}

pub(super) fn drop_triggers(conversion: &Conversion<'_>) -> impl Iterator<Item = String> {
    let table = conversion.table.qualified();
    conversion
        .table
        .triggers
        .iter()
        .map(move |trigger| format!("DROP TRIGGER {} ON {table}", quote_identifier(&trigger.name)))
}

/// The triggers on whatever has the name now.
pub(super) fn create_triggers(conversion: &Conversion<'_>) -> Vec<String> {
    let table = conversion.table.qualified();
    let mut sql = Vec::new();
    for trigger in &conversion.table.triggers {
        let name = quote_identifier(&trigger.name);
        sql.push(trigger.definition.clone());
        let enabled = match trigger.enabled {
            'D' => Some("DISABLE"),
            'R' => Some("ENABLE REPLICA"),
            'A' => Some("ENABLE ALWAYS"),
            _ => None,
        };
        sql.extend(enabled.map(|word| alter(&table, &format!("{word} TRIGGER {name}"))));
        sql.extend(comment(&format!("TRIGGER {name} ON {table}"), trigger.comment.as_ref()));
    }
    sql
}

/// The policies on whatever has the name now.
pub(super) fn create_policies(conversion: &Conversion<'_>) -> Vec<String> {
    let table = conversion.table.qualified();
    let mut sql = Vec::new();
    for policy in &conversion.table.policies {
        let name = quote_identifier(&policy.name);
        sql.push(format!("CREATE POLICY {name} ON {table}{}", policy.body));
        sql.extend(comment(&format!("POLICY {name} ON {table}"), policy.comment.as_ref()));
    }
    sql
}

/// What is told apart by its name alone: publications, what reads the table by its number.
pub(super) fn rebuilt(conversion: &Conversion<'_>, other: &str) -> Vec<String> {
    let table = conversion.table.qualified();
    let mut sql = Vec::new();
    for publication in &conversion.around.publications {
        let columns = publication.columns.as_ref().map_or_else(String::new, |names| format!(" ({names})"));
        let condition =
            publication.condition.as_ref().map_or_else(String::new, |text| format!(" WHERE ({text})"));
        sql.push(format!("ALTER PUBLICATION {} DROP TABLE {other}", publication.name));
        sql.push(format!("ALTER PUBLICATION {} ADD TABLE {table}{columns}{condition}", publication.name));
    }
    sql.extend(conversion.around.rebuilt.iter().map(|rebuilt| rebuilt.sql.clone()));
    sql
}

pub(super) fn rename_parts(
    conversion: &Conversion<'_>,
    name: impl Fn(&Handed) -> Option<(String, String)>,
) -> Vec<String> {
    let of = |kind: &'static str, handed: &Handed| {
        name(handed).map(|(from, to)| rename(kind, &handed.schema, &from, &to))
    };
    let indexes = conversion.names.indexes.iter().filter_map(|(_, handed)| of("INDEX", handed));
    let statistics = conversion.names.statistics.iter().filter_map(|handed| of("STATISTICS", handed));
    indexes.chain(statistics).collect()
}

fn there(conversion: &Conversion<'_>, references: &[Reference<'_>], plain: &[&Incoming]) -> Vec<String> {
    let (table, names) = (conversion.table, &conversion.names);
    let (qualified, history, built) = (table.qualified(), conversion.history(), conversion.built());
    let mut sql: Vec<String> = references.iter().flat_map(Reference::dropped).collect();
    sql.extend(plain.iter().map(|other| drop_constraint(&other.qualified(), &other.name)));
    sql.extend(sequences(conversion, &qualified, &built));
    sql.extend(drop_triggers(conversion));
    if let (Some(index), Some(primary), Some(new)) =
        (table.primary_key(), &names.primary, &names.history_primary)
    {
        sql.push(drop_constraint(&qualified, &index.name_of_constraint()));
        sql.push(add_constraint(
            &qualified,
            new,
            &format!("PRIMARY KEY USING INDEX {}{}", quote_identifier(primary), index.deferrable()),
        ));
        if index.is_replica_identity {
            sql.push(alter(&qualified, &format!("REPLICA IDENTITY USING INDEX {}", quote_identifier(new))));
        }
    }
    sql.push(rename("TABLE", &table.schema, &table.name, &names.history));
    sql.extend(rename_parts(conversion, |handed| Some((handed.name.clone(), handed.aside.clone()?))));
    sql.push(rename("TABLE", &table.schema, &names.built, &table.name));
    sql.extend(rename_parts(conversion, |handed| Some((handed.built.clone(), handed.name.clone()))));
    sql.extend(create_policies(conversion));
    sql.extend(create_triggers(conversion));
    sql.push(alter(
        &qualified,
        &format!("ATTACH PARTITION {history} FOR VALUES FROM (MINVALUE) TO ({})", conversion.wish.cutoff),
    ));
    sql.extend(owned(conversion));
    sql.extend(references.iter().flat_map(|reference| reference.again(conversion)));
    sql.extend(plain.iter().flat_map(|other| again(other)));
    sql.extend(rebuilt(conversion, &history));
    sql
}

/// A foreign key that holds the key already, made again.
pub(super) fn again(other: &Incoming) -> Vec<String> {
    let name = quote_identifier(&other.name);
    let not_valid = format!("{} NOT VALID", other.definition.trim_end_matches(" NOT VALID"));
    let mut sql = vec![add_constraint(&other.qualified(), &other.name, &not_valid)];
    sql.extend(comment(&format!("CONSTRAINT {name} ON {}", other.qualified()), other.comment.as_ref()));
    sql
}

/// Drops an index that an interrupted build left behind.
fn without_invalid(index: &str) -> String {
    block(
        "",
        &format!(
            "  IF EXISTS (SELECT FROM pg_catalog.pg_index WHERE indexrelid = {} AND NOT (indisvalid AND indisready)) THEN\n    \
             DROP INDEX {index};\n  END IF;\n",
            to_regclass(index)
        ),
    )
}

fn undo(conversion: &Conversion<'_>, references: &[Reference<'_>], plain: &[&Incoming]) -> Vec<String> {
    let (table, names) = (conversion.table, &conversion.names);
    // Once more under the lock, below.
    let mut undo = vec![stop_if_watched(&table.qualified())];
    if let (Some(index), Some(again)) = (table.primary_key(), &names.primary_again) {
        let build = format!(
            "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS {} ON {} {}",
            quote_identifier(again),
            conversion.history(),
            with_tablespace(&index.tail, index.tablespace.as_ref())
        );
        // Twice: what an interrupted build leaves behind is removed and built again.
        for _ in 0..2 {
            undo.push(without_invalid(&table.beside(again)));
            undo.push(build.clone());
        }
    }
    undo.push(back(conversion, references, plain).join(";\n"));
    undo.extend(references.iter().filter_map(Reference::back_proved));
    undo.extend(
        plain.iter().filter(|other| other.is_valid).map(|other| validate(&other.qualified(), &other.name)),
    );
    undo
}

/// The columns into which rows are written, quoted.
fn written(table: &Table) -> String {
    let columns = table.columns.iter().filter(|column| column.generated.is_empty());
    columns.map(super::facts::Column::quoted).collect::<Vec<_>>().join(", ")
}

fn back(conversion: &Conversion<'_>, references: &[Reference<'_>], plain: &[&Incoming]) -> Vec<String> {
    let (table, names) = (conversion.table, &conversion.names);
    let (qualified, history, built) = (table.qualified(), conversion.history(), conversion.built());
    let mut sql = locks(conversion, references, plain);
    sql.push(stop_if_watched(&qualified));
    for other in references.iter().map(|reference| reference.of).chain(plain.iter().copied()) {
        sql.push(drop_constraint(&other.qualified(), &other.name));
    }
    sql.extend(drop_triggers(conversion));
    sql.push(alter(&qualified, &format!("DETACH PARTITION {history}")));
    sql.push(alter(&history, &format!("DROP CONSTRAINT IF EXISTS {}", quote_identifier(&names.cutoff))));
    let columns = written(table);
    // Forced upon the owner, policies would hide rows from what moves them.
    let force = |word: &str| {
        let tables = [&qualified, &history].map(|name| alter(name, &format!("{word} ROW LEVEL SECURITY")));
        tables.into_iter().filter(|_| table.forces_row_security).collect::<Vec<_>>()
    };
    sql.extend(force("NO FORCE"));
    // What is left to be checked at the end would keep the tables from being altered.
    sql.push("SET CONSTRAINTS ALL IMMEDIATE".to_owned());
    sql.push(format!(
        "INSERT INTO {history} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {qualified}"
    ));
    sql.extend(force("FORCE"));
    sql.extend(sequences(conversion, &qualified, &history));
    // The names go back in the order in which they came.
    sql.push(rename("TABLE", &table.schema, &table.name, &names.built));
    sql.extend(rename_parts(conversion, |handed| Some((handed.name.clone(), handed.built.clone()))));
    sql.push(rename("TABLE", &table.schema, &names.history, &table.name));
    sql.extend(rename_parts(conversion, |handed| Some((handed.aside.clone()?, handed.name.clone()))));
    if let (Some(index), Some(new), Some(again)) =
        (table.primary_key(), &names.history_primary, &names.primary_again)
    {
        sql.push(drop_constraint(&qualified, new));
        sql.extend(primary_again(&qualified, index, again));
    }
    sql.extend(owned(conversion));
    sql.extend(create_triggers(conversion));
    for policy in &table.policies {
        sql.push(format!("DROP POLICY {} ON {built}", quote_identifier(&policy.name)));
    }
    sql.extend(references.iter().flat_map(Reference::back));
    sql.extend(plain.iter().flat_map(|other| again(other)));
    sql.extend(rebuilt(conversion, &built));
    sql
}

/// The primary key as it was, on an index that was built for it.
fn primary_again(table: &str, index: &Index, again: &str) -> Vec<String> {
    let name = index.name_of_constraint();
    let quoted = quote_identifier(&name);
    let mut sql = vec![add_constraint(
        table,
        &name,
        &format!("PRIMARY KEY USING INDEX {}{}", quote_identifier(again), index.deferrable()),
    )];
    if index.is_replica_identity {
        sql.push(alter(table, &format!("REPLICA IDENTITY USING INDEX {quoted}")));
    }
    if index.is_clustered {
        sql.push(alter(table, &format!("CLUSTER ON {quoted}")));
    }
    sql.extend(comment(&format!("CONSTRAINT {quoted} ON {table}"), index.constraint_comment.as_ref()));
    sql.extend(comment(&format!("INDEX {}", index.qualified()), index.comment.as_ref()));
    sql
}
