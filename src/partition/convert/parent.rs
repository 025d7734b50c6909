//! The partitioned table, built beside: it takes over everything that the table has, before anybody uses it.

use super::facts::{Column, Index, Table};
use super::names::{Handed, holds};
use super::words::{add_constraint, alter, comment, grants, with_column, with_tablespace};
use super::{Conversion, Partition};
use crate::catalog::LockMode;
use crate::change::plan::{Phase, Step};
use crate::change::proof;
use crate::text::{quote_identifier, quote_literal, quote_qualified};

/// The step that builds the table itself.
pub fn table(conversion: &Conversion<'_>) -> Step {
    let built = conversion.built();
    let mut sql = statements(conversion);
    let mut step = Step::new(Phase::Expand, sql.remove(0));
    step.sql.extend(sql);
    step.lock(LockMode::AccessShare)
        .undo(format!("DROP TABLE IF EXISTS {built}"))
        .verify(proof::has_relation(&built))
        .note(format!("{built} is empty and nobody uses it until the switch; it takes its name there"))
}

/// The statements that build it; the first makes it.
pub(super) fn statements(conversion: &Conversion<'_>) -> Vec<String> {
    let (table, names) = (conversion.table, &conversion.names);
    let built = table.beside(&names.built);
    let tablespace = clause(" TABLESPACE ", table.tablespace.as_ref());
    let mut sql = vec![format!(
        "CREATE TABLE {built} (LIKE {} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING STORAGE INCLUDING \
         COMPRESSION INCLUDING COMMENTS) PARTITION BY RANGE ({}){tablespace}",
        table.qualified(),
        quote_identifier(&conversion.wish.key),
    )];
    sql.extend(owner(table, "TABLE", &built));
    if !conversion.key().is_not_null {
        let key = conversion.key().quoted();
        sql.push(match conversion.key_not_null() {
            Some(name) => add_constraint(&built, &name, &format!("NOT NULL {key}")),
            None => alter(&built, &format!("ALTER COLUMN {key} SET NOT NULL")),
        });
    }
    for column in &table.columns {
        sql.extend(settings(&built, column));
    }
    for (place, handed) in &names.indexes {
        sql.extend(index(conversion, &built, &table.indexes[*place], handed));
    }
    for (statistics, handed) in table.statistics.iter().zip(&names.statistics) {
        let name = quote_qualified(&handed.schema, &handed.built);
        sql.push(format!("CREATE STATISTICS {name} {} FROM {built}", statistics.body));
        if statistics.owner != table.owner || !table.is_owner_me {
            sql.push(format!("ALTER STATISTICS {name} OWNER TO {}", statistics.owner));
        }
        if let Some(target) = statistics.target {
            sql.push(format!("ALTER STATISTICS {name} SET STATISTICS {target}"));
        }
        sql.extend(comment(&format!("STATISTICS {name}"), statistics.comment.as_ref()));
    }
    sql.extend(comment(&format!("TABLE {built}"), table.comment.as_ref()));
    sql.extend(rights(table, &built));
    if table.has_row_security {
        sql.push(alter(&built, "ENABLE ROW LEVEL SECURITY"));
    }
    if table.forces_row_security {
        sql.push(alter(&built, "FORCE ROW LEVEL SECURITY"));
    }
    sql.extend(replica_identity(conversion, &built));
    sql
}

/// ` WITH x` where there is one.
fn clause(before: &str, what: Option<&String>) -> String {
    what.map_or_else(String::new, |what| format!("{before}{what}"))
}

/// `ALTER … OWNER TO`, where the caller is another.
fn owner(table: &Table, kind: &str, name: &str) -> Option<String> {
    (!table.is_owner_me).then(|| format!("ALTER {kind} {name} OWNER TO {}", table.owner))
}

/// What LIKE does not take over of a column.
fn settings(table: &str, column: &Column) -> Vec<String> {
    let name = column.quoted();
    let mut sql = Vec::new();
    if let Some(target) = column.statistics {
        sql.push(alter(table, &format!("ALTER COLUMN {name} SET STATISTICS {target}")));
    }
    if !column.options.is_empty() {
        sql.push(alter(table, &format!("ALTER COLUMN {name} SET ({})", column.options)));
    }
    sql
}

/// One index, alone or under its constraint.
fn index(conversion: &Conversion<'_>, built: &str, index: &Index, handed: &Handed) -> Vec<String> {
    let key = quote_identifier(&conversion.wish.key);
    let gains = index.is_unique && !holds(index, &conversion.wish.key);
    let extended = |text: &str| {
        let with_key = gains.then(|| with_column(text, &key)).flatten();
        with_key.unwrap_or_else(|| text.to_owned())
    };
    let name = quote_identifier(&handed.built);
    let qualified = quote_qualified(&handed.schema, &handed.built);
    let mut sql = Vec::new();
    if let Some(constraint) = index.constraint.as_ref().and_then(|name| conversion.constraint(name)) {
        // DEFERRABLE stands last.
        let deferrable = index.deferrable();
        let definition = constraint.definition.strip_suffix(deferrable).unwrap_or(&constraint.definition);
        let tablespace = clause(" USING INDEX TABLESPACE ", index.tablespace.as_ref());
        let definition = format!("{}{tablespace}{deferrable}", extended(definition));
        sql.push(add_constraint(built, &handed.built, &definition));
        sql.extend(comment(&format!("CONSTRAINT {name} ON {built}"), index.constraint_comment.as_ref()));
    } else {
        let unique = if index.is_unique { "UNIQUE " } else { "" };
        let tail = with_tablespace(&extended(&index.tail), index.tablespace.as_ref());
        sql.push(format!("CREATE {unique}INDEX {name} ON {built} {tail}"));
    }
    sql.extend(comment(&format!("INDEX {qualified}"), index.comment.as_ref()));
    sql
}

/// Privileges: those and no others.
fn rights(table: &Table, built: &str) -> Vec<String> {
    let mut sql = Vec::new();
    for whom in &table.default_grantees {
        sql.push(format!("REVOKE ALL ON TABLE {built} FROM {whom}"));
    }
    if table.has_privileges {
        sql.push(format!("REVOKE ALL ON TABLE {built} FROM {}", table.owner));
        sql.extend(grants(&format!("TABLE {built}"), &table.privileges));
    } else if !table.default_grantees.is_empty() {
        sql.push(format!("GRANT ALL ON TABLE {built} TO {}", table.owner));
    }
    for column in &table.columns {
        sql.extend(grants(&format!("TABLE {built}"), &column.privileges));
    }
    sql
}

fn replica_identity(conversion: &Conversion<'_>, built: &str) -> Option<String> {
    let table = conversion.table;
    match table.replica_identity {
        'f' => Some(alter(built, "REPLICA IDENTITY FULL")),
        'n' => Some(alter(built, "REPLICA IDENTITY NOTHING")),
        'i' => {
            let (_, handed) = conversion
                .names
                .indexes
                .iter()
                .find(|(place, _)| table.indexes[*place].is_replica_identity)?;
            Some(alter(built, &format!("REPLICA IDENTITY USING INDEX {}", quote_identifier(&handed.built))))
        }
        _ => None,
    }
}

/// The steps that give it the table's foreign keys. One at a time, there and back: each locks the table to which it points,
/// and two that are locked together could meet somebody who locks them in another order.
pub fn foreign_keys<'a>(conversion: &'a Conversion<'_>) -> impl Iterator<Item = Step> + 'a {
    let built = conversion.built();
    conversion.table.foreign_keys().map(move |constraint| {
        let name = quote_identifier(&constraint.name);
        let mut step =
            Step::new(Phase::Expand, add_constraint(&built, &constraint.name, &constraint.definition));
        step.sql.extend(comment(&format!("CONSTRAINT {name} ON {built}"), constraint.comment.as_ref()));
        step.lock(LockMode::ShareRowExclusive)
            .undo(alter(&format!("IF EXISTS {built}"), &format!("DROP CONSTRAINT IF EXISTS {name}")))
            .verify(proof::has_constraint(&built, &constraint.name))
            .note(format!(
                "no row is read; {} is locked for a moment, in which it can be read",
                constraint.referenced.as_deref().unwrap_or_default()
            ))
    })
}

/// What a partition has of its own: how it is stored, and what is set for its columns.
pub(super) struct Own {
    /// `UNLOGGED ` or nothing.
    pub unlogged: &'static str,
    /// ` USING … WITH (…) TABLESPACE …`, what there is of it.
    pub storage: String,
}

impl Own {
    /// Of all partitions.
    pub fn of(table: &Table) -> Self {
        let method = clause(" USING ", table.access_method.as_ref());
        let options = table.options.join(", ");
        let options = clause(" WITH ", Some(format!("({options})")).as_ref().filter(|_| !options.is_empty()));
        let tablespace = clause(" TABLESPACE ", table.tablespace.as_ref());
        Self {
            unlogged: if table.is_unlogged { "UNLOGGED " } else { "" },
            storage: format!("{method}{options}{tablespace}"),
        }
    }
}

/// What is set on a partition once it is made.
pub(super) fn set(table: &Table, partition: &str) -> Vec<String> {
    let mut sql: Vec<String> = table.columns.iter().flat_map(|column| settings(partition, column)).collect();
    match table.replica_identity {
        'f' => sql.push(alter(partition, "REPLICA IDENTITY FULL")),
        'n' => sql.push(alter(partition, "REPLICA IDENTITY NOTHING")),
        _ => {}
    }
    sql
}

/// The step that makes the partitions for what is to come.
pub fn partitions(conversion: &Conversion<'_>) -> Step {
    let (table, names) = (conversion.table, &conversion.names);
    let built = table.beside(&names.built);
    let Own { unlogged, storage } = Own::of(table);
    let mut sql = Vec::new();
    for Partition { name, bounds, .. } in &conversion.wish.partitions {
        let partition = table.beside(name);
        sql.push(format!(
            "CREATE {unlogged}TABLE {partition} PARTITION OF {built} FOR VALUES {bounds}{storage}"
        ));
        sql.extend(owner(table, "TABLE", &partition));
        sql.extend(set(table, &partition));
    }
    let all: Vec<String> =
        conversion.wish.partitions.iter().map(|partition| table.beside(&partition.name)).collect();
    let mut step = Step::new(Phase::Expand, sql.remove(0));
    step.sql.extend(sql);
    step.undo(format!("DROP TABLE IF EXISTS {}", all.join(", ")))
        .verify(all.last().map_or_else(
            || "SELECT true".to_owned(),
            |last| format!("SELECT pg_catalog.to_regclass({}) IS NOT NULL", quote_literal(last)),
        ))
        .note("they take what comes from the cutoff on; the table itself takes all that lies before")
}
