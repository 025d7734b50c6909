//! DROP COLUMN and DROP TABLE: first nobody uses it any more, then it goes. There is no way back from the last step.

use super::again;
use super::asked::{Asked, alter};
use super::recipe::{NoPlan, Recipe};
use super::{direct, not_null, proof};
use crate::catalog::LockMode;
use crate::catalog::ddl::{Dependent, DropColumn, DropObject, DroppedKind, RecentUse};
use crate::change::plan::{Phase, Risk, Step};
use crate::text::{quote_identifier, quote_qualified};

fn listed(dependents: &[Dependent]) -> String {
    let names: Vec<String> =
        dependents.iter().map(|dependent| format!("{} {}", dependent.kind, dependent.name)).collect();
    names.join(", ")
}

fn used(uses: &[RecentUse]) -> String {
    match uses.first() {
        Some(first) => format!(
            "; {} statements used it lately, e.g. {} times: {}",
            uses.len(),
            first.calls,
            first.query.split_whitespace().collect::<Vec<_>>().join(" ")
        ),
        None => String::new(),
    }
}

/// DROP COLUMN.
pub fn column(asked: &Asked<'_>, facts: &DropColumn) -> Result<Recipe, NoPlan> {
    let table = asked.table()?;
    let qualified = table.qualified();
    let name = quote_identifier(&facts.column);
    let Some(column) = table.column(&facts.column) else {
        if super::words::find(&super::words::words(&asked.action.text), &["IF", "EXISTS"]).is_some() {
            let step = Step::new(Phase::Expand, alter(&qualified, &asked.action.text))
                .verify(proof::lacks_column(&qualified, &facts.column))
                .note("it is not there: nothing is done, and nothing has to be taken back");
            return Ok(Recipe::step(step));
        }
        return Err(NoPlan::new(format!("{qualified} has no column {name}"), ""));
    };
    let mut recipe = Recipe::default().risk(Risk::High);
    let is_key = table.primary_key().is_some_and(|key| key.columns.contains(&column.number));
    if column.is_not_null
        && column.default.is_none()
        && column.sequence.is_none()
        && column.generated.is_none()
        && !is_key
    {
        let mut step =
            Step::new(Phase::Expand, alter(&qualified, &format!("ALTER COLUMN {name} DROP NOT NULL")))
                .lock(LockMode::AccessExclusive)
                .verify(proof::is_nullable(&qualified, &facts.column))
                .note("so that the application can leave the column out of its INSERTs");
        step.undo = not_null::again(asked, table, &facts.column);
        recipe = recipe.with(step);
    }
    recipe = recipe.with(Step::by_hand(
        Phase::Contract,
        format!(
            "let the application neither read nor write {name}{}; confirm when that is so",
            used(&facts.recent_uses)
        ),
    ));
    let others: Vec<Dependent> = facts
        .dependents
        .iter()
        .filter(|dependent| !matches!(dependent.kind, "index" | "constraint" | "sequence"))
        .cloned()
        .collect();
    if !others.is_empty() {
        let what = if facts.is_cascade {
            "CASCADE drops these, too, or they break"
        } else {
            "drop or change these first"
        };
        recipe = recipe.with(Step::by_hand(Phase::Contract, format!("{what}: {}", listed(&others))));
    }
    let cascade = if facts.is_cascade { " CASCADE" } else { "" };
    Ok(recipe.with_lasting(
        Step::new(Phase::Contract, alter(&qualified, &format!("DROP COLUMN IF EXISTS {name}{cascade}")))
            .lock(LockMode::AccessExclusive)
            .verify(proof::lacks_column(&qualified, &facts.column))
            .note("no row is read or written, and there is no way back: the values, and indexes and constraints that use the column, are gone"),
    ))
}

/// DROP of one object.
pub fn object(asked: &Asked<'_>, facts: &DropObject) -> Result<Recipe, NoPlan> {
    match facts.kind {
        DroppedKind::Table if facts.is_there => table(asked, facts),
        DroppedKind::Index => super::drop_index::drop(asked, facts),
        DroppedKind::Schema | DroppedKind::Database | DroppedKind::Owned => Err(NoPlan::new(
            format!("{} holds many things: there is no plan that drops them all", facts.name),
            "ask for the plan of each DROP TABLE",
        )),
        _ if !facts.is_there => Ok(Recipe::step(direct::nothing_there(asked)?)),
        _ => {
            let mut recipe = Recipe::default().risk(Risk::High);
            if !facts.dependents.is_empty() {
                recipe = recipe.with(Step::by_hand(
                    Phase::Prepare,
                    format!("these stand on {}: {}", facts.name, listed(&facts.dependents)),
                ));
            }
            let step = direct::whole(asked)?.note("there is no way back in this plan: keep the definition");
            Ok(recipe.with(Step { phase: Phase::Contract, ..step }))
        }
    }
}

fn table(asked: &Asked<'_>, facts: &DropObject) -> Result<Recipe, NoPlan> {
    let shape = asked.table().or_else(|missing| asked.around.named(&facts.name).ok_or(missing))?;
    let name = shape.qualified();
    let between = asked.between(shape, &shape.name, "dropped");
    let away = quote_qualified(&shape.schema, &between);
    let mut recipe = Recipe::default().risk(Risk::High);
    recipe = recipe
        .with(Step::by_hand(
            Phase::Prepare,
            format!(
                "let the application not use {name} any more{}; confirm when that is so",
                used(&facts.recent_uses)
            ),
        ))
        .with(
            Step::new(Phase::Switch, alter(&name, &format!("RENAME TO {}", quote_identifier(&between))))
                .lock(LockMode::AccessExclusive)
                .undo(alter(&away, &format!("RENAME TO {}", quote_identifier(&shape.name))))
                .verify(proof::has_relation(&away))
                .note("whoever still uses it fails now, while the way back is still open"),
        );
    let pointing: Vec<_> = shape.referencing.iter().filter(|constraint| constraint.table != name).collect();
    if !pointing.is_empty() && !facts.is_cascade {
        let names: Vec<String> = pointing
            .iter()
            .map(|constraint| format!("{} of {}", quote_identifier(&constraint.name), constraint.table))
            .collect();
        return Err(NoPlan::new(
            format!("foreign keys point to {name}: {}", names.join(", ")),
            "drop them first, or ask for DROP TABLE … CASCADE",
        ));
    }
    let views: Vec<Dependent> =
        facts.dependents.iter().filter(|dependent| dependent.kind != "foreign key").cloned().collect();
    let look = if views.is_empty() {
        format!("wait as long as the least frequent user of {name} may take to fail; confirm then")
    } else {
        format!(
            "wait as long as the least frequent user of {name} may take to fail, and see to what stands on it: {}; confirm then",
            listed(&views)
        )
    };
    recipe = recipe.with(Step::by_hand(Phase::Contract, look));
    for constraint in pointing {
        let mut step = Step::new(
            Phase::Contract,
            alter(
                &constraint.table,
                &format!("DROP CONSTRAINT IF EXISTS {}", quote_identifier(&constraint.name)),
            ),
        )
        .lock(LockMode::AccessExclusive)
        .verify(proof::lacks_constraint(&constraint.table, &constraint.name))
        .note(format!("locks {} and {away} for a moment", constraint.table));
        step.undo = again::constraint(asked, shape, constraint)
            .into_iter()
            .map(|sql| sql.replace(&format!("REFERENCES {name}("), &format!("REFERENCES {away}(")))
            .collect();
        recipe = recipe.with(step);
    }
    for constraint in
        shape.constraints.iter().filter(|constraint| constraint.kind == 'f' && !constraint.is_inherited)
    {
        let mut step = Step::new(
            Phase::Contract,
            alter(&away, &format!("DROP CONSTRAINT IF EXISTS {}", quote_identifier(&constraint.name))),
        )
        .lock(LockMode::AccessExclusive)
        .verify(proof::lacks_constraint(&away, &constraint.name))
        .note(format!(
            "one foreign key at a time, so that {} is locked for a moment and alone",
            constraint.referenced.as_deref().unwrap_or("the other table")
        ));
        let as_away = crate::catalog::ddl::ConstraintShape { table: away.clone(), ..constraint.clone() };
        step.undo = again::constraint(asked, shape, &as_away);
        recipe = recipe.with(step);
    }
    let cascade = if facts.is_cascade { " CASCADE" } else { "" };
    Ok(recipe
        .with_lasting(
            Step::new(Phase::Contract, format!("DROP TABLE IF EXISTS {away}{cascade}"))
                .lock(LockMode::AccessExclusive)
                .verify(proof::lacks_relation(&away))
                .note("there is no way back: take a dump of it before"),
        )
        .holds(proof::lacks_relation(&name)))
}
