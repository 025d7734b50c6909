//! Columns that cannot be added online as they are asked for: stored generated columns and columns of a domain with
//! constraints. What comes close to them, and in what it differs.

use super::{backfill, empty};
use crate::catalog::ddl::TableShape;
use crate::change::plan::{Phase, Risk, Step};
use crate::migration::plan::asked::Asked;
use crate::migration::plan::column_text::{ColumnText, ConstraintText};
use crate::migration::plan::column_type::trigger;
use crate::migration::plan::recipe::{NoPlan, Recipe};
use crate::migration::plan::words::with_column;
use crate::migration::plan::{check, not_null};
use crate::text::quote_identifier;

/// GENERATED ALWAYS AS … STORED: an ordinary column that a trigger keeps.
pub fn generated(
    asked: &Asked<'_>,
    table: &TableShape,
    name: &str,
    text: &ColumnText,
) -> Result<Recipe, NoPlan> {
    let column = quote_identifier(name);
    let Some(expression) = &text.generated else {
        return Err(NoPlan::new(format!("the expression of {column} is not known"), ""));
    };
    let virtual_note = if asked.is_version(18) {
        "; GENERATED ALWAYS AS … VIRTUAL is added in a moment, if it need not be stored"
    } else {
        ""
    };
    let keeper = trigger::names(asked, table, name, "generated");
    let body = format!(
        "  NEW.{column} := (SELECT {expression} FROM (SELECT NEW.*) AS {});",
        quote_identifier(&table.name)
    );
    let fill = backfill(
        table,
        &format!("{column} = {expression}"),
        &format!("{column} IS DISTINCT FROM {expression}"),
    )?;
    let mut recipe = Recipe::default()
        .requires(format!(
            "no version of PostgreSQL adds a stored generated column without writing {} anew under ACCESS EXCLUSIVE: this plan \
             ends with an ordinary column {column} that a trigger keeps{virtual_note}",
            table.qualified()
        ))
        .risk(Risk::Medium)
        .with(Step::by_hand(
            Phase::Prepare,
            format!(
                "decide: an ordinary column {column} kept by a trigger, as this plan makes it, or the generated column itself \
                 while nobody needs {}",
                table.qualified()
            ),
        ))
        .with_lasting(empty(table, name, &text.type_name))
        .with_lasting(trigger::create(asked, table, &keeper, &body))
        .with(fill);
    if text.is_not_null {
        recipe =
            recipe.then(super::later(not_null::column(asked, table, name, text.not_null_name.as_deref())));
    }
    Ok(recipe)
}

/// A domain with constraints: the type below it, and the domain's CHECKs as those of the table.
pub fn of_domain(
    asked: &Asked<'_>,
    table: &TableShape,
    name: &str,
    text: &ColumnText,
    domain: &str,
) -> Result<Recipe, NoPlan> {
    let column = quote_identifier(name);
    let Some(shape) = asked.around.domains.iter().find(|shape| shape.name == domain) else {
        return Err(NoPlan::new(
            format!(
                "a column of the domain {domain}, which has constraints, makes the server write {} anew",
                table.qualified()
            ),
            "add a column of the type below the domain, with the domain's CHECKs as constraints of the table",
        ));
    };
    if text.default.is_some() || shape.default.is_some() {
        return Err(NoPlan::new(
            format!(
                "{column} is of the domain {domain} with constraints and has a default: the server writes {} anew",
                table.qualified()
            ),
            format!(
                "ask for the plan of a column of {} with that default, and for its CHECKs",
                shape.base_type
            ),
        ));
    }
    let checks: Vec<ConstraintText> = shape
        .checks
        .iter()
        .map(|(_, definition)| ConstraintText {
            name: Some(asked.chosen(&table.schema, &table.taken, &table.name, Some(name), "check")),
            body: with_column(definition, "value", name),
        })
        .collect();
    let is_not_null = text.is_not_null || shape.is_not_null;
    let mut recipe = Recipe::default()
        .requires(format!(
            "the server writes {} anew for a column of the domain {domain}, because that has constraints: this plan ends with a \
             column of {} and the domain's CHECKs as constraints of the table",
            table.qualified(),
            shape.base_type
        ))
        .risk(Risk::Medium);
    recipe = if is_not_null {
        recipe.then(super::by_people(
            asked,
            table,
            name,
            &ColumnText { type_name: shape.base_type.clone(), ..ColumnText::default() },
        ))
    } else {
        recipe.with_lasting(empty(table, name, &shape.base_type))
    };
    Ok(recipe.then(check::of_column(asked, table, name, &checks)))
}
