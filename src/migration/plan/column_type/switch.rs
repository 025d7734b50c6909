//! The moment in which both columns change names, the way back from it, and the end of the first column.

use super::copies::{Copy, Names, halves, properties, renamed, renamed_reference};
use super::trigger;
use super::{Change, among_views, left_to_people};
use crate::catalog::LockMode;
use crate::catalog::ddl::{ColumnSequence, ConstraintShape, IndexShape};
use crate::change::plan::{Phase, Step};
use crate::migration::plan::again;
use crate::migration::plan::asked::{Asked, alter, rename_column, rename_constraint, rename_index};
use crate::migration::plan::create_index::{concurrently, definition};
use crate::migration::plan::proof;
use crate::migration::plan::words::{dollar_quoted, with_column, words};
use crate::text::{quote_identifier, quote_literal};

/// The switch.
pub fn step(asked: &Asked<'_>, change: &Change<'_>, names: &Names<'_>) -> Step {
    let table = change.table.qualified();
    let mut between = locks(change, names);
    between.extend(there(asked, change, names));
    // Views first: whoever reads through one locks it before its table.
    let sql = among_views(change.views, between, true);
    let mut statements = sql.into_iter();
    let first = statements.next().unwrap_or_default();
    let mut step = statements.fold(Step::new(Phase::Switch, first), Step::and);
    step.undo = undo(asked, change, names);
    let mut note = format!(
        "from here on {} is the new column, and the first one is kept as {}",
        quote_identifier(&change.column.name),
        quote_identifier(&change.old)
    );
    if change.is_reversible {
        note.push_str("; the way back is open as long as every new value fits into the old type");
    } else {
        note.push_str(
            "; values written from here on are not converted back, so the way back is open only until the first of them",
        );
    }
    if let Some(sequence) = owned(change)
        && sequence.type_name != change.to
    {
        note.push_str(&format!(
            "; the sequence {} still ends where {} does: ALTER SEQUENCE {} AS {} afterwards, if it should not",
            sequence.name, sequence.type_name, sequence.name, change.to
        ));
    }
    if !change.views.is_empty() {
        note.push_str("; its views are dropped and made anew in the same moment");
    }
    if !names.incoming.is_empty() {
        note.push_str("; the tables whose foreign keys point here are locked, too, for a moment");
    }
    step.lock(LockMode::AccessExclusive).verify(proof::has_column(&table, &change.old)).note(note)
}

/// Referenced table first, as those lock who write a row and then rows that point to it.
fn locks(change: &Change<'_>, names: &Names<'_>) -> Vec<String> {
    if names.incoming.is_empty() {
        return Vec::new();
    }
    let mut tables = vec![change.table.qualified()];
    for copy in &names.incoming {
        if !tables.contains(&copy.of.table) {
            tables.push(copy.of.table.clone());
        }
    }
    vec![format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", tables.join(", "))]
}

fn owned<'a>(change: &Change<'a>) -> Option<&'a ColumnSequence> {
    change.column.sequence.as_ref().filter(|sequence| sequence.identity.is_none())
}

fn identity<'a>(change: &Change<'a>) -> Option<&'a ColumnSequence> {
    change.column.sequence.as_ref().filter(|sequence| sequence.identity.is_some())
}

/// The sequence of an identity cannot change its column: it is made anew where it stood.
fn move_identity(table: &str, sequence: &ColumnSequence, from: &str, to: &str) -> String {
    let how = sequence.identity.as_deref().unwrap_or("BY DEFAULT");
    let options = if sequence.options.is_empty() { String::new() } else { format!(" {}", sequence.options) };
    let text = format!(
        "\nDECLARE\n  dbm_value bigint;\n  dbm_called boolean;\nBEGIN\n  SELECT last_value, is_called INTO dbm_value, dbm_called FROM {seq};\n  \
         ALTER TABLE {table} ALTER COLUMN {from} DROP IDENTITY;\n  ALTER TABLE {table} ALTER COLUMN {to} ADD GENERATED {how} AS IDENTITY (SEQUENCE NAME \
         {seq}{options});\n  PERFORM pg_catalog.setval({literal}::pg_catalog.regclass, dbm_value, dbm_called);\nEND\n",
        seq = sequence.name,
        from = quote_identifier(from),
        to = quote_identifier(to),
        literal = quote_literal(&sequence.name),
    );
    format!("DO {}", dollar_quoted(&text))
}

fn attributes(definition: &str) -> String {
    words(definition)
        .iter()
        .find(|token| token.is("DEFERRABLE"))
        .map_or_else(String::new, |token| format!(" {}", &definition[token.start..]))
}

fn adopt(table: &str, constraint: &ConstraintShape, index: &str) -> String {
    let kind = if constraint.kind == 'p' { "PRIMARY KEY" } else { "UNIQUE" };
    alter(
        table,
        &format!(
            "ADD CONSTRAINT {} {kind} USING INDEX {}{}",
            quote_identifier(&constraint.name),
            quote_identifier(index),
            attributes(&constraint.definition)
        ),
    )
}

fn drop_constraint(table: &str, name: &str) -> String {
    alter(table, &format!("DROP CONSTRAINT {}", quote_identifier(name)))
}

fn there(asked: &Asked<'_>, change: &Change<'_>, names: &Names<'_>) -> Vec<String> {
    let table = change.table.qualified();
    let name = &change.column.name;
    let (quoted, new) = (quote_identifier(name), quote_identifier(&change.new));
    let mut sql = Vec::new();
    for copy in &names.incoming {
        sql.push(drop_constraint(&copy.of.table, &copy.of.name));
        sql.push(rename_constraint(&copy.of.table, &copy.new, &copy.of.name));
    }
    if let Some((_, constraint)) = &names.primary {
        sql.push(drop_constraint(&table, &constraint.name));
    }
    if let Some(not_null) = &names.not_null
        && !asked.is_version(18)
    {
        sql.push(alter(&table, &format!("ALTER COLUMN {new} SET NOT NULL")));
        sql.push(drop_constraint(&table, not_null));
    }
    if let Some(sequence) = identity(change) {
        sql.push(move_identity(&table, sequence, name, &change.new));
    }
    if change.column.is_not_null {
        sql.push(alter(&table, &format!("ALTER COLUMN {quoted} DROP NOT NULL")));
    }
    if let Some(default) = &change.column.default {
        sql.push(alter(
            &table,
            &format!("ALTER COLUMN {quoted} DROP DEFAULT, ALTER COLUMN {new} SET DEFAULT {default}"),
        ));
    }
    if let Some(sequence) = owned(change) {
        sql.push(format!("ALTER SEQUENCE {} OWNED BY {table}.{new}", sequence.name));
    }
    sql.push(rename_column(&table, name, &change.old));
    sql.push(rename_column(&table, &change.new, name));
    for copy in &names.indexes {
        sql.push(rename_index(&copy.of.schema, &copy.of.name, &copy.old));
        sql.push(rename_index(&copy.of.schema, &copy.new, &copy.of.name));
    }
    for copy in &names.constraints {
        sql.push(rename_constraint(&table, &copy.of.name, &copy.old));
        sql.push(rename_constraint(&table, &copy.new, &copy.of.name));
    }
    for (copy, constraint) in &names.uniques {
        sql.push(rename_constraint(&table, &constraint.name, &copy.old));
        sql.push(adopt(&table, constraint, &copy.new));
    }
    if let Some((copy, constraint)) = &names.primary {
        sql.push(adopt(&table, constraint, &copy.new));
    }
    if let (Some(not_null), Some(first), true) =
        (&names.not_null, &change.column.not_null_name, asked.is_version(18))
    {
        sql.push(rename_constraint(&table, not_null, first));
    }
    let (declaration, body) = trigger::backward(change);
    sql.push(trigger::function(asked, &change.keeper, &declaration, &body));
    sql
}

/// The way back: first what the first column lacks by now, then a proof that no value would be lost, then the names.
fn undo(asked: &Asked<'_>, change: &Change<'_>, names: &Names<'_>) -> Vec<String> {
    let table = change.table.qualified();
    let mut undo = Vec::new();
    if let Some((copy, _)) = &names.primary {
        undo.push(index_of_old(change, copy));
    }
    for copy in &names.incoming {
        undo.extend(reference_to_old(change, copy));
    }
    let guard =
        asked.between(change.table, &format!("{}_{}", change.table.name, change.column.name), "lossless");
    let quoted = quote_identifier(&guard);
    let old = quote_identifier(&change.old);
    let condition = if change.column.is_not_null {
        format!("{old} IS NOT NULL")
    } else {
        format!("{old} IS NOT NULL OR {} IS NULL", quote_identifier(&change.column.name))
    };
    undo.push(alter(&table, &format!("ADD CONSTRAINT {quoted} CHECK ({condition}) NOT VALID")));
    undo.push(alter(&table, &format!("VALIDATE CONSTRAINT {quoted}")));
    let mut back = locks(change, names);
    back.extend(back_again(asked, change, names));
    back.push(drop_constraint(&table, &guard));
    back.push(trigger::function(asked, &change.keeper, "", &trigger::forward(change)));
    undo.push(among_views(change.views, back, false).join(";\n"));
    undo
}

/// A unique index of the first column, for the constraint that the switch took away.
fn index_of_old(change: &Change<'_>, copy: &Copy<'_, IndexShape>) -> String {
    let definition = concurrently(&renamed(&definition(copy.of), change, &change.old), Some(&copy.old));
    definition.replacen("CONCURRENTLY ", "CONCURRENTLY IF NOT EXISTS ", 1)
}

fn reference_to_old(change: &Change<'_>, copy: &Copy<'_, ConstraintShape>) -> Vec<String> {
    let definition = again::not_valid(&copy.of.definition);
    let (own, referenced) = halves(&definition);
    let referenced = renamed_reference(referenced, &change.column.name, &change.old);
    let name = quote_identifier(&copy.old);
    vec![
        alter(&copy.of.table, &format!("ADD CONSTRAINT {name} {own}{referenced}")),
        alter(&copy.of.table, &format!("VALIDATE CONSTRAINT {name}")),
    ]
}

fn back_again(asked: &Asked<'_>, change: &Change<'_>, names: &Names<'_>) -> Vec<String> {
    let table = change.table.qualified();
    let name = &change.column.name;
    let (quoted, old) = (quote_identifier(name), quote_identifier(&change.old));
    let new = quote_identifier(&change.new);
    let mut sql = Vec::new();
    for copy in &names.incoming {
        sql.push(drop_constraint(&copy.of.table, &copy.of.name));
        sql.push(rename_constraint(&copy.of.table, &copy.old, &copy.of.name));
    }
    if let Some((_, constraint)) = &names.primary {
        sql.push(drop_constraint(&table, &constraint.name));
    }
    for (copy, constraint) in &names.uniques {
        sql.push(drop_constraint(&table, &constraint.name));
        sql.push(rename_constraint(&table, &copy.old, &constraint.name));
    }
    for copy in &names.indexes {
        sql.push(rename_index(&copy.of.schema, &copy.of.name, &copy.new));
        sql.push(rename_index(&copy.of.schema, &copy.old, &copy.of.name));
    }
    for copy in &names.constraints {
        sql.push(rename_constraint(&table, &copy.of.name, &copy.new));
        sql.push(rename_constraint(&table, &copy.old, &copy.of.name));
    }
    if let Some(default) = &change.column.default {
        sql.push(alter(
            &table,
            &format!("ALTER COLUMN {quoted} DROP DEFAULT, ALTER COLUMN {old} SET DEFAULT {default}"),
        ));
    }
    if let Some(sequence) = owned(change) {
        sql.push(format!("ALTER SEQUENCE {} OWNED BY {table}.{old}", sequence.name));
    }
    sql.push(rename_column(&table, name, &change.new));
    sql.push(rename_column(&table, &change.old, name));
    if change.column.is_not_null {
        sql.push(match &change.column.not_null_name {
            // It is there under the new column until then, and names of constraints are those of the table.
            Some(first) if asked.is_version(18) => format!(
                "{};\n{}",
                rename_constraint(&table, first, names.not_null.as_deref().unwrap_or(first)),
                alter(&table, &format!("ADD CONSTRAINT {} NOT NULL {quoted}", quote_identifier(first)))
            ),
            _ => alter(&table, &format!("ALTER COLUMN {quoted} SET NOT NULL")),
        });
    }
    if let Some(sequence) = identity(change) {
        sql.push(move_identity(&table, sequence, &change.new, name));
    }
    if change.column.is_not_null {
        sql.push(alter(&table, &format!("ALTER COLUMN {new} DROP NOT NULL")));
    }
    if let Some((copy, constraint)) = &names.primary {
        sql.push(adopt(&table, constraint, &copy.old));
    }
    sql
}

/// Where people look before the first column goes.
pub fn pause(change: &Change<'_>) -> Step {
    let table = change.table.qualified();
    let mut note = format!(
        "see whether everything works with the new {}; confirm when there will be no way back, then {} goes",
        quote_identifier(&change.column.name),
        quote_identifier(&change.old)
    );
    let others: Vec<String> =
        left_to_people(change).map(|(kind, dependent)| format!("{kind} {dependent}")).collect();
    if !others.is_empty() {
        note.push_str(&format!(
            ". Before that make anew, so that they read the new column of {table}: {}",
            others.join(", ")
        ));
    }
    Step::by_hand(Phase::Contract, note)
}

/// The end of the first column.
pub fn contract(asked: &Asked<'_>, change: &Change<'_>, names: &Names<'_>) -> Step {
    let table = change.table.qualified();
    let old = quote_identifier(&change.old);
    let mut step = Step::new(
        Phase::Contract,
        format!("DROP TRIGGER IF EXISTS {} ON {table}", quote_identifier(&change.keeper.trigger)),
    )
    .and(format!("DROP FUNCTION IF EXISTS {}()", change.keeper.function))
    .and(alter(&table, &format!("DROP COLUMN {old}")))
    .lock(LockMode::AccessExclusive)
    .verify(proof::lacks_column(&table, &change.old));
    if change.is_reversible {
        step.undo = refilled(asked, change, names);
        step.note("the way back fills the column anew, which fails if a value no longer fits")
    } else {
        step.note("there is no way back: the old values are gone")
    }
}

/// The first column once more, as it stood between switch and contract.
fn refilled(asked: &Asked<'_>, change: &Change<'_>, names: &Names<'_>) -> Vec<String> {
    let table = change.table.qualified();
    let old = quote_identifier(&change.old);
    let name = quote_identifier(&change.column.name);
    let collation = change
        .column
        .collation
        .as_ref()
        .map_or_else(String::new, |collation| format!(" COLLATE {collation}"));
    let (declaration, body) = trigger::backward(change);
    let mut undo = vec![
        alter(&table, &format!("ADD COLUMN {old} {}{collation}", change.column.type_name)),
        format!(
            "{};\n{}",
            trigger::function(asked, &change.keeper, &declaration, &body),
            trigger::trigger(&table, &change.keeper)
        ),
        // The trigger does it: every row only has to be touched.
        format!(
            "CALL dbm.backfill({}::pg_catalog.regclass, {}, {})",
            quote_literal(&table),
            quote_literal(&format!("{old} = {old}")),
            quote_literal(&format!("{old} IS NULL AND {name} IS NOT NULL"))
        ),
    ];
    let properties = properties(change, &change.old);
    if !properties.is_empty() {
        undo.push(properties.join(";\n"));
    }
    for copy in &names.indexes {
        undo.push(index_of_old(change, copy));
    }
    for (copy, constraint) in &names.uniques {
        undo.push(index_of_old(change, copy));
        let as_old = ConstraintShape { name: copy.old.clone(), ..(*constraint).clone() };
        undo.push(adopt(&table, &as_old, &copy.old));
    }
    for copy in &names.constraints {
        let definition = again::not_valid(&copy.of.definition);
        let (own, referenced) = halves(&definition);
        let definition = format!("{}{referenced}", with_column(own, &change.column.name, &change.old));
        undo.push(alter(&table, &format!("ADD CONSTRAINT {} {definition}", quote_identifier(&copy.old))));
        if copy.of.is_valid {
            undo.push(alter(&table, &format!("VALIDATE CONSTRAINT {}", quote_identifier(&copy.old))));
        }
    }
    undo
}
