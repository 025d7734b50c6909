//! SET NOT NULL: a CHECK that is added unproved and proved while others write spares the scan under the strong lock.
//! From 18 on the NOT NULL constraint itself can be added so.

use super::asked::{Asked, alter};
use super::proof;
use super::recipe::{NoPlan, Recipe};
use crate::catalog::LockMode;
use crate::catalog::ddl::{AddConstraint, SetNotNull, TableShape};
use crate::change::plan::{Phase, Step};
use crate::text::quote_identifier;

/// ALTER COLUMN … SET NOT NULL.
pub fn set(asked: &Asked<'_>, facts: &SetNotNull) -> Result<Recipe, NoPlan> {
    let table = asked.table()?;
    if !facts.is_there {
        return Err(NoPlan::new(
            format!("{} has no column {}", table.qualified(), quote_identifier(&facts.column)),
            "",
        ));
    }
    if facts.is_already {
        return Ok(Recipe::step(
            Step::new(Phase::Switch, alter(&table.qualified(), &clause(&facts.column)))
                .lock(LockMode::AccessExclusive)
                .verify(proof::is_not_null(&table.qualified(), &facts.column))
                .note("it is NOT NULL already: nothing is done, and nothing has to be taken back"),
        ));
    }
    let proved_by = facts.implied_by.as_ref().or(facts.would_be_implied_by.as_ref());
    Ok(match proved_by {
        Some(constraint) => by_constraint(table, &facts.column, constraint, facts.implied_by.is_none()),
        None => column(asked, table, &facts.column, None),
    })
}

fn clause(column: &str) -> String {
    format!("ALTER COLUMN {} SET NOT NULL", quote_identifier(column))
}

fn drop_clause(column: &str) -> String {
    format!("ALTER COLUMN {} DROP NOT NULL", quote_identifier(column))
}

/// A constraint that is there proves it.
fn by_constraint(table: &TableShape, column: &str, constraint: &str, has_to_be_validated: bool) -> Recipe {
    let name = table.qualified();
    let mut recipe = Recipe::default();
    if has_to_be_validated {
        recipe = recipe.with(validate(&name, constraint));
    }
    recipe.with_lasting(
        Step::new(Phase::Switch, alter(&name, &clause(column)))
            .lock(LockMode::AccessExclusive)
            .undo(alter(&name, &drop_clause(column)))
            .verify(proof::is_not_null(&name, column))
            .note(format!("no row is read: the constraint {} proves it", quote_identifier(constraint))),
    )
}

/// `VALIDATE CONSTRAINT` as a step.
pub fn validate(table: &str, constraint: &str) -> Step {
    Step::new(Phase::Validate, alter(table, &format!("VALIDATE CONSTRAINT {}", quote_identifier(constraint))))
        .lock(LockMode::ShareUpdateExclusive)
        .verify(proof::has_valid_constraint(table, constraint))
        .note("reads every row while others read and write; stops at the first row that does not fit")
}

/// The steps for one column of which nothing is proved yet.
/// `written` is the name of the constraint, where one is written; before 18 it is not kept.
pub fn column(asked: &Asked<'_>, table: &TableShape, column: &str, written: Option<&str>) -> Recipe {
    let name = table.qualified();
    if asked.is_version(18) {
        let constraint = written.map_or_else(
            || asked.chosen(&table.schema, &table.taken, &table.name, Some(column), "not_null"),
            str::to_owned,
        );
        return Recipe::default()
            .with(
                Step::new(
                    Phase::Expand,
                    alter(
                        &name,
                        &format!(
                            "ADD CONSTRAINT {} NOT NULL {} NOT VALID",
                            quote_identifier(&constraint),
                            quote_identifier(column)
                        ),
                    ),
                )
                .lock(LockMode::AccessExclusive)
                .undo(alter(&name, &drop_clause(column)))
                .verify(proof::has_constraint(&name, &constraint))
                .note("from here on nobody can write NULL; rows that are there are not read"),
            )
            .with_lasting(validate(&name, &constraint));
    }
    let check = asked.between(table, &format!("{}_{column}", table.name), "not_null");
    let quoted = quote_identifier(&check);
    let add = format!("ADD CONSTRAINT {quoted} CHECK ({} IS NOT NULL) NOT VALID", quote_identifier(column));
    Recipe::default()
        .with(
            Step::new(Phase::Expand, alter(&name, &add))
                .lock(LockMode::AccessExclusive)
                .undo(proof::drop_constraint(&name, &check))
                .verify(proof::has_constraint(&name, &check))
                .note("from here on nobody can write NULL; rows that are there are not read"),
        )
        .with(validate(&name, &check))
        .with_lasting(
            Step::new(Phase::Switch, alter(&name, &clause(column)))
                .and(alter(&name, &format!("DROP CONSTRAINT {quoted}")))
                .lock(LockMode::AccessExclusive)
                .undo(alter(&name, &format!("{}, {add}", drop_clause(column))))
                .verify(proof::is_not_null(&name, column))
                .note("no row is read: the CHECK proves it, and goes"),
        )
        .holds(proof::lacks_constraint(&name, &check))
}

/// What makes a column NOT NULL again after somebody dropped that: statements of a way back.
pub fn again(asked: &Asked<'_>, table: &TableShape, column: &str) -> Vec<String> {
    let name = table.qualified();
    let check = asked.between(table, &format!("{}_{column}", table.name), "undo");
    let quoted = quote_identifier(&check);
    vec![
        alter(
            &name,
            &format!("ADD CONSTRAINT {quoted} CHECK ({} IS NOT NULL) NOT VALID", quote_identifier(column)),
        ),
        alter(&name, &format!("VALIDATE CONSTRAINT {quoted}")),
        format!("{};\n{}", alter(&name, &clause(column)), alter(&name, &format!("DROP CONSTRAINT {quoted}"))),
    ]
}

/// ADD CONSTRAINT … NOT NULL, from 18 on.
pub fn add(asked: &Asked<'_>, facts: &AddConstraint) -> Result<Recipe, NoPlan> {
    let table = asked.table()?;
    let text = super::check::text_of(asked)?;
    let Some(name) = facts.columns.first() else {
        return Err(NoPlan::new(
            format!("the column of the constraint on {} is not known", table.qualified()),
            "",
        ));
    };
    let mut recipe = column(asked, table, name, text.name.as_deref());
    if facts.is_not_valid {
        recipe.parts.truncate(1);
        recipe.verify = vec![proof::has_column(&table.qualified(), name)];
    }
    Ok(recipe)
}
