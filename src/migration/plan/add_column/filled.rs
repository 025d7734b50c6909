//! Columns that have another value in every row: volatile defaults, serial, identity.

use super::{backfill, later};
use crate::catalog::LockMode;
use crate::catalog::ddl::{AddColumn, TableShape};
use crate::change::plan::{Phase, Risk, Step};
use crate::migration::plan::asked::{Asked, alter};
use crate::migration::plan::column_text::ColumnText;
use crate::migration::plan::recipe::{NoPlan, Recipe};
use crate::migration::plan::{not_null, proof};
use crate::text::{quote_identifier, quote_literal, quote_qualified};

/// Up to and with NOT NULL.
pub fn steps(
    asked: &Asked<'_>,
    table: &TableShape,
    facts: &AddColumn,
    text: &ColumnText,
) -> Result<Recipe, NoPlan> {
    let name = &facts.column.name;
    let recipe = if let Some(serial) = &facts.column.serial {
        serial_column(asked, table, name, serial)?
    } else if let Some((how, options)) = &text.identity {
        return identity(asked, table, name, text, how, options);
    } else {
        let default = text.default.clone().unwrap_or_default();
        volatile(table, name, &text.type_name, &default)?
    };
    let wants_not_null = text.is_not_null || text.primary_key.is_some() || facts.column.serial.is_some();
    Ok(if wants_not_null {
        recipe.then(later(not_null::column(asked, table, name, text.not_null_name.as_deref())))
    } else {
        recipe
    })
}

fn volatile(table: &TableShape, name: &str, type_name: &str, default: &str) -> Result<Recipe, NoPlan> {
    let qualified = table.qualified();
    let column = quote_identifier(name);
    let add = format!("ADD COLUMN {column} {type_name}, ALTER COLUMN {column} SET DEFAULT {default}");
    let fill = backfill(table, &format!("{column} = {default}"), &format!("{column} IS NULL"))?;
    Ok(Recipe::default()
        .with_lasting(
            Step::new(Phase::Expand, alter(&qualified, &add))
                .lock(LockMode::AccessExclusive)
                .undo(alter(&qualified, &format!("DROP COLUMN IF EXISTS {column}")))
                .verify(proof::has_default(&qualified, name))
                .note("new rows have the default from here on; the others stay NULL and are not touched"),
        )
        .with(fill)
        .risk(Risk::Medium))
}

/// The type below `serial`.
fn serial_type(serial: &str) -> &'static str {
    match &*serial.to_ascii_lowercase() {
        "bigserial" | "serial8" => "bigint",
        "smallserial" | "serial2" => "smallint",
        _ => "integer",
    }
}

fn serial_column(asked: &Asked<'_>, table: &TableShape, name: &str, serial: &str) -> Result<Recipe, NoPlan> {
    let qualified = table.qualified();
    let column = quote_identifier(name);
    let type_name = serial_type(serial);
    let sequence_name = asked.chosen(&table.schema, &table.taken, &table.name, Some(name), "seq");
    let sequence = quote_qualified(&table.schema, &sequence_name);
    let default = format!("nextval({}::regclass)", quote_literal(&sequence));
    let mut step = Step::new(Phase::Expand, format!("CREATE SEQUENCE {sequence} AS {type_name}"));
    if !table.owner.is_empty() {
        step = step.and(format!("ALTER SEQUENCE {sequence} OWNER TO {}", table.owner));
    }
    let step = step
        .and(alter(
            &qualified,
            &format!("ADD COLUMN {column} {type_name}, ALTER COLUMN {column} SET DEFAULT {default}"),
        ))
        .and(format!("ALTER SEQUENCE {sequence} OWNED BY {qualified}.{column}"))
        .lock(LockMode::AccessExclusive)
        .undo(alter(&qualified, &format!("DROP COLUMN IF EXISTS {column}")))
        .verify(proof::has_default(&qualified, name))
        .note("new rows have a number from here on; the others stay NULL and are not touched");
    let fill = backfill(table, &format!("{column} = {default}"), &format!("{column} IS NULL"))?;
    Ok(Recipe::default().with_lasting(step).with(fill).risk(Risk::Medium))
}

/// An identity takes only columns that are NOT NULL and have no default: until then a sequence of ours stands in for it.
fn identity(
    asked: &Asked<'_>,
    table: &TableShape,
    name: &str,
    text: &ColumnText,
    how: &str,
    options: &str,
) -> Result<Recipe, NoPlan> {
    let qualified = table.qualified();
    let column = quote_identifier(name);
    let inner = options.trim().trim_start_matches('(').trim_end_matches(')').trim();
    if inner.to_ascii_uppercase().contains("SEQUENCE NAME") {
        return Err(NoPlan::new(
            format!("the identity of {column} names its sequence, which no plan knows how to keep"),
            "leave SEQUENCE NAME out and rename the sequence afterwards",
        ));
    }
    let sequence = quote_qualified(
        &table.schema,
        &asked.chosen(&table.schema, &table.taken, &table.name, Some(name), "seq"),
    );
    let between =
        quote_qualified(&table.schema, &asked.between(table, &format!("{}_{name}", table.name), "fill"));
    let next = format!("nextval({}::regclass)", quote_literal(&between));
    let spaced = if inner.is_empty() { String::new() } else { format!(" {inner}") };
    let expand = Step::new(Phase::Expand, format!("CREATE SEQUENCE {between} AS {}{spaced}", text.type_name))
        .and(format!("GRANT USAGE ON SEQUENCE {between} TO PUBLIC"))
        .and(alter(
            &qualified,
            &format!("ADD COLUMN {column} {}, ALTER COLUMN {column} SET DEFAULT {next}", text.type_name),
        ))
        .lock(LockMode::AccessExclusive)
        .undo(format!(
            "{};\nDROP SEQUENCE IF EXISTS {between}",
            alter(&qualified, &format!("DROP COLUMN IF EXISTS {column}"))
        ))
        .verify(proof::has_column(&qualified, name))
        .note("new rows have a number from here on; the others stay NULL and are not touched");
    let switch = Step::new(Phase::Switch, alter(&qualified, &format!("ALTER COLUMN {column} DROP DEFAULT")))
        .and(alter(
            &qualified,
            &format!("ALTER COLUMN {column} ADD GENERATED {how} AS IDENTITY (SEQUENCE NAME {sequence}{spaced})"),
        ))
        .and(format!(
            "SELECT pg_catalog.setval({}::pg_catalog.regclass, last_value, is_called) FROM {between}",
            quote_literal(&sequence)
        ))
        .and(format!("DROP SEQUENCE {between}"))
        .lock(LockMode::AccessExclusive)
        .undo(
            [
                format!("CREATE SEQUENCE {between} AS {}{spaced}", text.type_name),
                format!("GRANT USAGE ON SEQUENCE {between} TO PUBLIC"),
                format!(
                    "SELECT pg_catalog.setval({}::pg_catalog.regclass, last_value, is_called) FROM {sequence}",
                    quote_literal(&between)
                ),
                alter(&qualified, &format!("ALTER COLUMN {column} DROP IDENTITY")),
                alter(&qualified, &format!("ALTER COLUMN {column} SET DEFAULT {next}")),
            ]
            .join(";\n"),
        )
        .verify(proof::is_identity(&qualified, name))
        .note("the numbers go on where the sequence that stood in had come to");
    let fill = backfill(table, &format!("{column} = {next}"), &format!("{column} IS NULL"))?;
    Ok(Recipe::default()
        .with(expand)
        .with(fill)
        .then(later(not_null::column(asked, table, name, text.not_null_name.as_deref())))
        .with_lasting(switch)
        .risk(Risk::Medium))
}
