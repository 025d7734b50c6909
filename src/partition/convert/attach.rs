//! Method `attach`: the steps in their order.

use super::names::holds;
use super::words::{add_constraint, alter, to_regclass, validate, with_column, with_tablespace};
use super::{Conversion, Method, parent, references, swap};
use crate::catalog::LockMode;
use crate::change::plan::{Phase, Plan, Risk, Step};
use crate::change::proof;
use crate::text::{quote_identifier, quote_literal, quote_qualified};

/// The plan. What has to be refused was refused before.
pub fn plan(conversion: &Conversion<'_>) -> Plan {
    let table = conversion.table;
    let qualified = table.qualified();
    let references = references::references(conversion);
    let mut steps: Vec<Step> =
        references.iter().flat_map(|reference| reference.prepared(conversion)).collect();
    steps.extend(indexes(conversion));
    steps.push(parent::table(conversion));
    steps.push(parent::partitions(conversion));
    steps.extend(parent::foreign_keys(conversion));
    steps.extend(references.iter().flat_map(|reference| reference.pointed(conversion)));
    steps.extend(proved(conversion));
    steps.push(swap::step(conversion, &references));
    steps.extend(references.iter().map(references::Reference::proved));
    steps.extend(references::plain(conversion).into_iter().filter(|other| other.is_valid).map(|other| {
        Step::new(Phase::Switch, validate(&other.qualified(), &other.name))
            .lock(LockMode::ShareUpdateExclusive)
            .verify(proof::has_valid_constraint(&other.qualified(), &other.name))
            .note("reads every row while others read and write")
    }));
    steps.extend(after(conversion));
    Plan {
        title: format!(
            "partition {qualified} by {}: the table as it is becomes the first partition",
            conversion.key().quoted()
        ),
        change: conversion.wish.asked.clone(),
        risk: if references.is_empty() { Risk::Low } else { Risk::Medium },
        requires: requires(conversion, &references),
        seconds: seconds(conversion),
        search_path: String::new(),
        steps,
        verify: checks(conversion),
    }
}

/// Unique indexes with the key, built beside the writers.
pub(super) fn indexes(conversion: &Conversion<'_>) -> Vec<Step> {
    let table = conversion.table;
    let (qualified, key) = (table.qualified(), quote_identifier(&conversion.wish.key));
    let mut steps = Vec::new();
    let wanted = table
        .primary_key()
        .zip(conversion.names.primary.as_ref())
        .into_iter()
        .chain(conversion.names.extended.iter().map(|(place, name)| (&table.indexes[*place], name)));
    for (index, name) in wanted {
        let Some(tail) = with_column(&index.tail, &key) else { continue };
        let own = quote_qualified(&index.schema, name);
        let drop = format!("DROP INDEX CONCURRENTLY IF EXISTS {own}");
        steps.push(
            Step::alone(
                Phase::Expand,
                format!(
                    "CREATE UNIQUE INDEX CONCURRENTLY {} ON {qualified} {}",
                    quote_identifier(name),
                    with_tablespace(&tail, index.tablespace.as_ref())
                ),
            )
            .lock(LockMode::ShareUpdateExclusive)
            .undo(drop.clone())
            .verify(proof::has_valid_index(&own))
            .leftover(proof::has_invalid_index(&own), drop)
            .note("waits for transactions that are older than it; reads the table twice while others read and write"),
        );
        if index.constraint_kind == Some('u') && conversion.method == Method::Attach {
            steps.push(
                Step::new(
                    Phase::Expand,
                    add_constraint(
                        &qualified,
                        name,
                        &format!("UNIQUE USING INDEX {}{}", quote_identifier(name), index.deferrable()),
                    ),
                )
                .lock(LockMode::AccessExclusive)
                .undo(proof::drop_constraint(&qualified, name))
                .verify(proof::has_constraint(&qualified, name))
                .note(format!(
                    "beside {}, which stays and is unique in this partition alone",
                    quote_identifier(&index.name)
                )),
            );
        }
    }
    steps
}

/// What proves that every row lies before the cutoff, and that the key is never NULL.
pub(super) fn proved(conversion: &Conversion<'_>) -> Vec<Step> {
    let table = conversion.table;
    let (qualified, name) = (table.qualified(), &conversion.names.cutoff);
    let mut steps = vec![
        Step::new(
            Phase::Expand,
            add_constraint(&qualified, name, &format!("CHECK {} NOT VALID", conversion.bound())),
        )
        .lock(LockMode::AccessExclusive)
        .undo(proof::drop_constraint(&qualified, name))
        .verify(proof::has_constraint(&qualified, name))
        .note(format!(
            "from here on until the switch no row with {} from {} on is taken: the switch has to come before that is written",
            conversion.key().quoted(),
            conversion.wish.cutoff
        )),
        Step::new(Phase::Validate, validate(&qualified, name))
            .lock(LockMode::ShareUpdateExclusive)
            .verify(proof::has_valid_constraint(&qualified, name))
            .note("reads every row while others read and write; stops at the first row that does not fit"),
    ];
    let key = conversion.key();
    if !key.is_not_null && conversion.method == Method::Attach {
        steps.push(
            Step::new(
                Phase::Validate,
                alter(&qualified, &format!("ALTER COLUMN {} SET NOT NULL", key.quoted())),
            )
            .lock(LockMode::AccessExclusive)
            .undo(alter(&qualified, &format!("ALTER COLUMN {} DROP NOT NULL", key.quoted())))
            .verify(proof::is_not_null(&qualified, &key.name))
            .note("no row is read: the CHECK proves it"),
        );
    }
    steps
}

/// What is left to do once the table is partitioned.
fn after(conversion: &Conversion<'_>) -> Vec<Step> {
    let history = conversion.history();
    let name = &conversion.names.cutoff;
    vec![
        managed(conversion, &conversion.wish.manage)
            .note("from here on upkeep makes new partitions ahead of time and lets old ones go"),
        analyzed(conversion),
        Step::new(Phase::Contract, proof::drop_constraint(&history, name))
            .lock(LockMode::AccessExclusive)
            .undo(add_constraint(&history, name, &format!("CHECK {} NOT VALID", conversion.bound())))
            .undo(validate(&history, name))
            .verify(proof::lacks_constraint(&history, name))
            .note("the bound says the same from here on"),
    ]
}

/// The step that puts it under upkeep.
pub(super) fn managed(conversion: &Conversion<'_>, sql: &str) -> Step {
    let qualified = conversion.table.qualified();
    Step::new(Phase::Switch, sql)
        .undo(format!("SELECT dbm.partition_unmanage({}::pg_catalog.regclass)", quote_literal(&qualified)))
}

/// The step that counts.
pub(super) fn analyzed(conversion: &Conversion<'_>) -> Step {
    Step::new(Phase::Switch, format!("ANALYZE {}", conversion.table.qualified()))
        .lock(LockMode::ShareUpdateExclusive)
        .note("autovacuum looks after the partitions, never after the table above them")
}

/// That the table is partitioned, and no index of it waits for one of a partition.
pub(super) fn is_whole(conversion: &Conversion<'_>) -> Vec<String> {
    let table = to_regclass(&conversion.table.qualified());
    vec![
        format!("SELECT EXISTS (SELECT FROM pg_catalog.pg_partitioned_table WHERE partrelid = {table})"),
        format!(
            "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_index WHERE indrelid = {table} AND NOT indisvalid)"
        ),
    ]
}

/// Sizes and sums of all rows, seen through the table and in its partitions, under one snapshot.
fn checks(conversion: &Conversion<'_>) -> Vec<String> {
    let table = conversion.table;
    let qualified = table.qualified();
    let sum = |of: &str| {
        format!(
            "SELECT pg_catalog.count(*), pg_catalog.sum(pg_catalog.hashtextextended(x::pg_catalog.text, 0)::pg_catalog.numeric) FROM {of} AS x"
        )
    };
    let columns: Vec<String> = table.columns.iter().map(super::facts::Column::quoted).collect();
    let columns = columns.join(", ");
    let parts: Vec<String> = std::iter::once(conversion.history())
        .chain(conversion.wish.partitions.iter().map(|partition| table.beside(&partition.name)))
        .map(|part| format!("SELECT {columns} FROM ONLY {part}"))
        .collect();
    let mut checks = is_whole(conversion);
    // Policies forced upon the owner hide rows in one way and not in the other.
    if table.forces_row_security {
        return checks;
    }
    checks.push(format!(
        "SELECT (SELECT ROW(a.*) FROM ({}) AS a) IS NOT DISTINCT FROM (SELECT ROW(b.*) FROM ({}) AS b)",
        sum(&format!("(SELECT {columns} FROM {qualified})")),
        sum(&format!("({})", parts.join(" UNION ALL ")))
    ));
    checks
}

fn requires(conversion: &Conversion<'_>, references: &[references::Reference<'_>]) -> Vec<String> {
    let table = conversion.table;
    let mut requires = changes(conversion, references);
    for (place, _) in &conversion.names.extended {
        let index = &table.indexes[*place];
        requires.push(format!(
            "the unique index {} gains {}: without it values are unique in the first partition alone",
            quote_identifier(&index.name),
            conversion.key().quoted()
        ));
    }
    if conversion.wish.manage_all.is_some() {
        requires.push(format!(
            "{} holds all that was there before the cutoff and goes as a whole, once all of it is too old",
            conversion.history()
        ));
    }
    requires
}

/// What is otherwise afterwards, whichever way it is done.
pub(super) fn changes(conversion: &Conversion<'_>, references: &[references::Reference<'_>]) -> Vec<String> {
    let (table, around) = (conversion.table, conversion.around);
    let qualified = table.qualified();
    let key = conversion.key().quoted();
    let mut requires = vec![format!(
        "until the switch rows with {key} from {} on are refused: apply it well before they come",
        conversion.wish.cutoff
    )];
    if let Some(index) = table.primary_key().filter(|index| !holds(index, &conversion.wish.key)) {
        let columns = listed(&index.key_columns);
        requires.push(format!(
            "the primary key of {qualified} becomes ({columns}, {key}): ({columns}) alone is no longer kept unique, and ON CONFLICT ({columns}) no longer finds an index"
        ));
    }
    for reference in references {
        requires.push(format!(
            "{} gains the column {}, which a trigger fills, and its foreign key {} becomes ({}, {}); ON UPDATE CASCADE, so that a changed {key} is written to its rows",
            reference.of.qualified(),
            quote_identifier(&reference.column),
            quote_identifier(&reference.of.name),
            listed(&reference.of.columns),
            quote_identifier(&reference.column)
        ));
    }
    for publication in around.publications.iter().filter(|publication| !publication.is_via_root) {
        requires.push(format!(
            "publication {} publishes partitions under their own names: subscribers need tables of these names, or SET \
             (publish_via_partition_root = true)",
            publication.name
        ));
    }
    for name in &around.wide_publications {
        requires.push(format!(
            "publication {name} publishes partitions under their own names: subscribers need tables of these names, or SET \
             (publish_via_partition_root = true)"
        ));
    }
    if table.replica_identity == 'i' {
        requires.push(format!(
            "{qualified} has a replica identity of its own, which new partitions do not inherit: ALTER TABLE … REPLICA IDENTITY on each"
        ));
    }
    if table.triggers.iter().any(|trigger| trigger.is_row && trigger.is_before) {
        requires.push(format!(
            "{qualified} has BEFORE triggers for each row: one that changes {key} of a new row so that it belongs into another partition fails"
        ));
    }
    if table.columns.iter().any(|column| !column.identity.is_empty()) && !table.is_version(17) {
        requires.push(format!(
            "{qualified} has an identity column, which partitions do not share before 17: insert through {qualified}"
        ));
    }
    if table.sequences.iter().any(|sequence| sequence.identity.is_some()) {
        requires.push(
            "the sequence of the identity is made anew in the switch and goes on where it was; sessions that prepared currval() of it \
             have to connect again"
                .to_owned(),
        );
    }
    if let Some(seconds) = around.longest_transaction.filter(|seconds| *seconds > 60.0) {
        requires.push(format!(
            "a transaction that uses {qualified} has been open for {seconds:.0} s: steps that need the table alone wait for its end"
        ));
    }
    requires
}

/// Names, quoted, divided by commas.
pub(super) fn listed(names: &[String]) -> String {
    names.iter().map(|name| quote_identifier(name)).collect::<Vec<_>>().join(", ")
}

/// How long it takes: two or three times the reading of the table, and the writing of an index.
fn seconds(conversion: &Conversion<'_>) -> Option<(f64, f64)> {
    let bytes = conversion.table.bytes as f64;
    let gains = if conversion.names.primary.is_some() { 3.0 } else { 1.0 };
    Some(((gains * bytes / 1e9).max(1.0), (gains * bytes / 5e7).max(5.0)))
}
