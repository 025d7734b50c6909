//! ADD COLUMN: added empty, given its default for new rows, filled in batches, and then made NOT NULL, unique and so on,
//! each by its own recipe. What costs nothing stays in ADD COLUMN.

mod filled;
mod kept;

use super::asked::{Asked, alter};
use super::column_text::{self, ColumnText, ConstraintText};
use super::recipe::{Clause, NoPlan, Part, Recipe};
use super::{check, foreign_key, names, not_null, proof, unique};
use crate::catalog::LockMode;
use crate::catalog::ddl::{AddColumn, ColumnDefault, Generated, TableShape};
use crate::change::plan::{Phase, Risk, Step};
use crate::text::{quote_identifier, quote_literal};

/// ADD COLUMN.
pub fn add(asked: &Asked<'_>, facts: &AddColumn) -> Result<Recipe, NoPlan> {
    let table = asked.table()?;
    let name = &facts.column.name;
    if facts.is_there || table.column(name).is_some() {
        if facts.if_not_exists {
            return Ok(Recipe::step(
                Step::new(Phase::Expand, alter(&table.qualified(), &asked.action.text))
                    .lock(LockMode::AccessExclusive)
                    .verify(proof::has_column(&table.qualified(), name))
                    .note("the column is there already: nothing is done, and nothing has to be taken back"),
            ));
        }
        return Err(NoPlan::new(
            format!("{} has a column {} already", table.qualified(), quote_identifier(name)),
            "",
        ));
    }
    let Some(mut text) = column_text::column(&asked.action.text) else {
        return Err(NoPlan::new(
            format!("the text of the column {} is not known", quote_identifier(name)),
            "",
        ));
    };
    if facts.generated == Some(Generated::Stored) {
        return kept::generated(asked, table, name, &text);
    }
    if let Some(domain) = &facts.constrained_domain {
        return kept::of_domain(asked, table, name, &text, domain);
    }
    if facts.generated == Some(Generated::Virtual) {
        let clause = format!(
            "ADD COLUMN {} {} GENERATED ALWAYS AS {} VIRTUAL",
            quote_identifier(name),
            text.type_name,
            text.generated.clone().unwrap_or_default()
        );
        return Ok(rest(
            asked,
            table,
            name,
            &text,
            facts,
            Recipe::clause(added(asked, table, name, clause)),
            false,
        ));
    }
    let is_filled = facts.column.serial.is_some()
        || text.identity.is_some()
        || matches!(facts.default, ColumnDefault::Volatile(_));
    if is_filled {
        let recipe = filled::steps(asked, table, facts, &text)?;
        text.is_not_null = false;
        return Ok(rest(asked, table, name, &text, facts, recipe, true));
    }
    let is_empty = text.default.as_ref().is_none_or(|default| default.eq_ignore_ascii_case("NULL"));
    let wants_not_null = text.is_not_null || text.primary_key.is_some();
    if is_empty && wants_not_null {
        let recipe = by_people(asked, table, name, &text);
        text.is_not_null = false;
        return Ok(rest(asked, table, name, &text, facts, recipe, true));
    }
    let mut clause = format!("ADD COLUMN {} {}", quote_identifier(name), text.type_name);
    if let Some(default) = &text.default {
        clause.push_str(" DEFAULT ");
        clause.push_str(default);
    }
    if text.is_not_null || (text.primary_key.is_some() && !is_empty) {
        if let Some(name) = &text.not_null_name {
            clause.push_str(&format!(" CONSTRAINT {}", quote_identifier(name)));
        }
        clause.push_str(" NOT NULL");
    }
    if is_empty && let Some(references) = text.references.take() {
        // Nobody has a value yet, so the server looks up none.
        if let Some(name) = &references.name {
            clause.push_str(&format!(" CONSTRAINT {}", quote_identifier(name)));
        }
        clause.push(' ');
        clause.push_str(&with_referenced(facts, &references.body));
    }
    let recipe = Recipe::clause(added(asked, table, name, clause));
    Ok(rest(asked, table, name, &text, facts, recipe, false))
}

fn with_referenced(facts: &AddColumn, body: &str) -> String {
    match facts.references.as_ref().and_then(|references| references.referenced.as_ref()) {
        Some(referenced) => column_text::with_referenced(body, &referenced.qualified()),
        None => body.to_owned(),
    }
}

fn added(asked: &Asked<'_>, table: &TableShape, name: &str, clause: String) -> Clause {
    Clause {
        undo: Some(format!("DROP COLUMN IF EXISTS {}", quote_identifier(name))),
        verify: Some(proof::has_column(&table.qualified(), name)),
        note: "noted in the catalog; no row is read or written".to_owned(),
        ..asked.clause(table, clause)
    }
}

/// `ADD COLUMN` alone, as a step.
fn empty(table: &TableShape, name: &str, type_name: &str) -> Step {
    let qualified = table.qualified();
    Step::new(Phase::Expand, alter(&qualified, &format!("ADD COLUMN {} {type_name}", quote_identifier(name))))
        .lock(LockMode::AccessExclusive)
        .undo(alter(&qualified, &format!("DROP COLUMN IF EXISTS {}", quote_identifier(name))))
        .verify(proof::has_column(&qualified, name))
        .note("noted in the catalog; no row is read or written")
}

/// NOT NULL without a default: only people know what stands in the rows that are there.
fn by_people(asked: &Asked<'_>, table: &TableShape, name: &str, text: &ColumnText) -> Recipe {
    let qualified = table.qualified();
    let column = quote_identifier(name);
    let is_null = format!("{column} IS NULL");
    let recipe = Recipe::default()
        .with_lasting(empty(table, name, &text.type_name))
        .with(
            Step::by_hand(
                Phase::Backfill,
                format!(
                    "let the application write {column} with every new row; then fill the rows that are there, e.g. CALL \
                     dbm.backfill({}, '{column} = …', {}), and confirm",
                    quote_literal(&qualified),
                    quote_literal(&is_null)
                ),
            )
            .verify(proof::no_row(&qualified, &is_null)),
        )
        .risk(Risk::Medium);
    recipe.then(later(not_null::column(asked, table, name, text.not_null_name.as_deref())))
}

/// The recipe's steps of expansion moved behind the filling: while rows are still empty, an UPDATE of one would fail.
fn later(mut recipe: Recipe) -> Recipe {
    for part in &mut recipe.parts {
        let phase = match part {
            Part::Clause(clause) => &mut clause.phase,
            Part::Step(step) => &mut step.phase,
        };
        if *phase == Phase::Expand {
            *phase = Phase::Validate;
        }
    }
    recipe
}

/// Everything that was split off.
fn rest(
    asked: &Asked<'_>,
    table: &TableShape,
    name: &str,
    text: &ColumnText,
    facts: &AddColumn,
    start: Recipe,
    is_later: bool,
) -> Recipe {
    let columns = vec![name.to_owned()];
    let mut recipe = check::of_column(asked, table, name, &text.checks);
    for (constraint, is_primary) in [(&text.unique, false), (&text.primary_key, true)] {
        let Some(ConstraintText { name: written, body }) = constraint else { continue };
        let label = if is_primary { "pkey" } else { "key" };
        let constraint_name =
            written.clone().unwrap_or_else(|| unique::chosen(asked, table, &columns, label));
        let wanted = unique::wanted(is_primary, constraint_name, columns.clone(), body);
        recipe = recipe.then(unique::steps(asked, table, &wanted, &[]));
    }
    if let (Some(written), Some(references)) = (&text.references, &facts.references) {
        let constraint_name = written.name.clone().unwrap_or_else(|| {
            asked.chosen(&table.schema, &table.taken, &table.name, Some(&names::joined(&columns)), "fkey")
        });
        let body = format!("FOREIGN KEY ({}) {}", quote_identifier(name), written.body);
        let steps = foreign_key::steps(asked, table, &constraint_name, &body, &columns, references, false);
        if let Ok(steps) = steps {
            recipe = recipe.then(steps);
        }
    }
    start.then(if is_later { later(recipe) } else { recipe })
}

/// `CALL dbm.backfill(…)` as a step.
pub fn backfill(table: &TableShape, assignment: &str, predicate: &str) -> Result<Step, NoPlan> {
    let qualified = table.qualified();
    if !table.has_key() {
        return Err(NoPlan::new(
            format!(
                "{qualified} has neither a primary key nor a unique index over columns that are NOT NULL, so its rows cannot \
                     be filled in batches"
            ),
            "give it a primary key first",
        ));
    }
    Ok(Step::alone(
        Phase::Backfill,
        format!(
            "CALL dbm.backfill({}::pg_catalog.regclass, {}, {})",
            quote_literal(&qualified),
            quote_literal(assignment),
            quote_literal(predicate)
        ),
    )
    .lock(LockMode::RowExclusive)
    .verify(proof::no_row(&qualified, predicate))
    .note("goes on where it was interrupted; SELECT * FROM dbm.backfill_status() shows how far it is"))
}
