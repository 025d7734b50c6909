//! ADD CHECK: added unproved, proved while others write.

use super::asked::{Asked, alter};
use super::column_text::{self, ConstraintText, without_not_valid};
use super::not_null::validate;
use super::recipe::{NoPlan, Recipe};
use super::words::columns_used;
use super::{proof, recipe};
use crate::catalog::LockMode;
use crate::catalog::ddl::{AddConstraint, TableShape};
use crate::change::plan::{Phase, Step};
use crate::text::quote_identifier;

/// The text of an ADD CONSTRAINT, or why there is none.
pub fn text_of(asked: &Asked<'_>) -> Result<ConstraintText, NoPlan> {
    column_text::constraint(&asked.action.text).ok_or_else(|| {
        NoPlan::new(format!("the text of the constraint on {} is not known", asked.target_name()), "")
    })
}

/// Refuses a name that is taken.
pub fn refuse_taken(table: &TableShape, name: &str) -> Result<(), NoPlan> {
    if table.constraint(name).is_some() {
        return Err(NoPlan::new(
            format!("{} has a constraint {} already", table.qualified(), quote_identifier(name)),
            "",
        ));
    }
    Ok(())
}

/// The name that the server would give to a CHECK: it holds a column's name if it uses just one.
fn name(asked: &Asked<'_>, table: &TableShape, text: &ConstraintText) -> String {
    if let Some(name) = &text.name {
        return name.clone();
    }
    let used = columns_used(&text.body, table.columns.iter().map(|column| &*column.name));
    let column = if used.len() == 1 { used.first().copied() } else { None };
    asked.chosen(&table.schema, &table.taken, &table.name, column, "check")
}

/// ADD CONSTRAINT … CHECK.
pub fn add(asked: &Asked<'_>, facts: &AddConstraint) -> Result<Recipe, NoPlan> {
    let table = asked.table()?;
    let text = text_of(asked)?;
    let name = name(asked, table, &text);
    refuse_taken(table, &name)?;
    let body = without_not_valid(&text.body);
    if facts.is_not_enforced {
        return Ok(Recipe::clause(recipe::Clause {
            undo: Some(format!("DROP CONSTRAINT IF EXISTS {}", quote_identifier(&name))),
            verify: Some(proof::has_constraint(&table.qualified(), &name)),
            ..asked.clause(table, format!("ADD CONSTRAINT {} {body}", quote_identifier(&name)))
        }));
    }
    Ok(steps(table, &name, &body, facts.is_not_valid))
}

/// The steps for one CHECK whose name is known.
pub fn steps(table: &TableShape, name: &str, body: &str, stays_not_valid: bool) -> Recipe {
    let qualified = table.qualified();
    let added = not_valid(&qualified, name, body);
    if stays_not_valid {
        return Recipe::default().with_lasting(added);
    }
    Recipe::default().with(added).with_lasting(validate(&qualified, name))
}

/// `ADD CONSTRAINT … NOT VALID` as a step.
pub fn not_valid(table: &str, name: &str, body: &str) -> Step {
    Step::new(
        Phase::Expand,
        alter(table, &format!("ADD CONSTRAINT {} {body} NOT VALID", quote_identifier(name))),
    )
    .lock(LockMode::AccessExclusive)
    .undo(proof::drop_constraint(table, name))
    .verify(proof::has_constraint(table, name))
    .note("from here on new rows have to meet it; rows that are there are not read")
}

/// The steps for the CHECKs written with a column that the plan has just added.
pub fn of_column(asked: &Asked<'_>, table: &TableShape, column: &str, texts: &[ConstraintText]) -> Recipe {
    texts.iter().fold(Recipe::default(), |recipe, text| {
        let mut used = columns_used(&text.body, table.columns.iter().map(|other| &*other.name));
        used.push(column);
        let single = if used.len() == 1 { Some(column) } else { None };
        let name = text
            .name
            .clone()
            .unwrap_or_else(|| asked.chosen(&table.schema, &table.taken, &table.name, single, "check"));
        recipe.then(steps(table, &name, &without_not_valid(&text.body), false))
    })
}
