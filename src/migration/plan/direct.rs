//! What is safe as it is: one step, with its way back where the shape tells one.

use super::asked::{Asked, alter};
use super::recipe::{Clause, NoPlan, Part, Recipe};
use super::words::{dollar_quoted, find, qualified_length, span, words};
use super::{again, not_null, proof};
use crate::catalog::LockMode;
use crate::catalog::ddl::{Alteration, DropConstraint, Kind, TriggerScope};
use crate::change::plan::{Phase, Risk, Step, runs_alone};
use crate::text::{quote_identifier, quote_literal};

/// The statement as it is written, as a step.
pub fn whole(asked: &Asked<'_>) -> Result<Step, NoPlan> {
    let text = asked.statement.text.trim().trim_end_matches(';').trim_end();
    if text.is_empty() {
        return Err(NoPlan::new(format!("the text of {} is not known", asked.statement.tag), ""));
    }
    let mut step =
        if runs_alone(text) { Step::alone(Phase::Expand, text) } else { Step::new(Phase::Expand, text) };
    step.lock = asked.action.lock_mode();
    Ok(step.note("safe as it is"))
}

/// With a way back that fails and says why, where there is none: taking back must not look done when it is not.
pub fn honest(mut step: Step) -> Step {
    if step.undo.is_empty() {
        let line =
            step.sql.first().map_or("", String::as_str).split_whitespace().collect::<Vec<_>>().join(" ");
        let line: String = line.chars().take(60).collect();
        step.undo.push(never(&format!("this plan knows no way back from {line}")));
    }
    step
}

/// A way back that fails and says why.
pub fn never(why: &str) -> String {
    let message = quote_literal(why);
    format!(
        "DO {}",
        dollar_quoted(&format!("BEGIN RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = {message}; END"))
    )
}

/// A statement that is safe as it is.
pub fn statement(asked: &Asked<'_>) -> Result<Recipe, NoPlan> {
    let mut step = whole(asked)?;
    if let Kind::CreateTable(_) = &asked.action.kind
        && let Some(name) = created(&asked.statement.text)
    {
        step.undo.push(format!("DROP TABLE IF EXISTS {name}"));
    }
    Ok(Recipe::step(honest(step)))
}

/// The name behind CREATE … TABLE, as it is written.
fn created(text: &str) -> Option<&str> {
    let tokens = words(text);
    let mut place = find(&tokens, &["TABLE"])? + 1;
    if tokens.get(place)?.is("IF") {
        place += 3;
    }
    let length = qualified_length(&tokens, place);
    Some(span(text, tokens.get(place..place + length)?))
}

/// The sub-command as it is written.
fn text(asked: &Asked<'_>) -> Result<String, NoPlan> {
    if asked.action.text.is_empty() {
        return Err(NoPlan::new(
            format!("the text of the change of {} is not known", asked.target_name()),
            "",
        ));
    }
    Ok(asked.action.text.clone())
}

/// A sub-command of ALTER TABLE.
pub fn alteration(asked: &Asked<'_>, alteration: &Alteration) -> Result<Recipe, NoPlan> {
    if let Alteration::DropNotNull { column } = alteration {
        return drop_not_null(asked, column);
    }
    if let Alteration::DropConstraint(facts) = alteration {
        return drop_constraint(asked, facts);
    }
    let Ok(table) = asked.table() else { return statement(asked) };
    let qualified = table.qualified();
    let mut clause = Clause { note: "safe as it is".to_owned(), ..asked.clause(table, text(asked)?) };
    match alteration {
        Alteration::ColumnDefault { column, expression } => {
            let quoted = quote_identifier(column);
            let former = table.column(column).and_then(|column| column.default.clone());
            clause.undo = Some(match former {
                Some(default) => format!("ALTER COLUMN {quoted} SET DEFAULT {default}"),
                None => format!("ALTER COLUMN {quoted} DROP DEFAULT"),
            });
            clause.verify = match expression {
                Some(_) => None,
                None => Some(proof::lacks_default(&qualified, column)),
            };
            clause.note =
                "new rows only; a client that names the column in its INSERTs keeps writing what it knows"
                    .to_owned();
        }
        Alteration::ValidateConstraint(facts) => {
            return Ok(Recipe::default().with_lasting(not_null::validate(&qualified, &facts.name)));
        }
        Alteration::Trigger { scope: TriggerScope::Named(name), is_enabled } => {
            let verb = if *is_enabled { "DISABLE" } else { "ENABLE" };
            clause.undo = Some(format!("{verb} TRIGGER {}", quote_identifier(name)));
        }
        Alteration::Owner if !table.owner.is_empty() => {
            clause.undo = Some(format!("OWNER TO {}", table.owner));
        }
        Alteration::RowSecurity { is_enabled: true, policies: 0 } => {
            clause.note = "there is no policy: everybody but the owner sees no row from here on".to_owned();
            let mut recipe = Recipe::clause(clause).risk(Risk::Medium);
            recipe.requires.push(format!(
                "{qualified} has no policy yet: CREATE POLICY first, or nobody but its owner sees a row"
            ));
            return Ok(recipe);
        }
        Alteration::RowSecurity { is_enabled: true, .. } if !table.has_row_security => {
            clause.undo = Some("DISABLE ROW LEVEL SECURITY".to_owned());
        }
        _ => {}
    }
    Ok(Recipe {
        parts: vec![Part::Clause(clause.clone())],
        verify: clause.verify.into_iter().collect(),
        ..Recipe::default()
    })
}

fn drop_not_null(asked: &Asked<'_>, column: &str) -> Result<Recipe, NoPlan> {
    let table = asked.table()?;
    let qualified = table.qualified();
    let mut step = Step::new(
        Phase::Expand,
        alter(&qualified, &format!("ALTER COLUMN {} DROP NOT NULL", quote_identifier(column))),
    )
    .lock(LockMode::AccessExclusive)
    .verify(proof::is_nullable(&qualified, column))
    .note("clients have to expect NULL from here on");
    if table.column(column).is_some_and(|column| column.is_not_null) {
        step.undo = not_null::again(asked, table, column);
    }
    Ok(Recipe::step(step))
}

fn drop_constraint(asked: &Asked<'_>, facts: &DropConstraint) -> Result<Recipe, NoPlan> {
    let table = asked.table()?;
    let qualified = table.qualified();
    let cascade = if facts.is_cascade { " CASCADE" } else { "" };
    let mut step = Step::new(
        Phase::Contract,
        alter(&qualified, &format!("DROP CONSTRAINT IF EXISTS {}{cascade}", quote_identifier(&facts.name))),
    )
    .lock(LockMode::AccessExclusive)
    .verify(proof::lacks_constraint(&qualified, &facts.name));
    let shape = table.constraint(&facts.name);
    if facts.constraint_type.is_none() && shape.is_none() {
        return Err(NoPlan::new(
            format!("{qualified} has no constraint {}", quote_identifier(&facts.name)),
            "",
        ));
    }
    if let Some(constraint) = shape {
        step.undo = again::constraint(asked, table, constraint);
    }
    step.note = match (&facts.referenced, facts.dependents.is_empty()) {
        (Some(referenced), _) => format!("locks {}, too, for a moment", referenced.qualified()),
        (None, false) => {
            let names: Vec<&str> = facts.dependents.iter().map(|dependent| &*dependent.name).collect();
            format!("these stand on it: {}", names.join(", "))
        }
        (None, true) => "nothing is read".to_owned(),
    };
    Ok(Recipe::step(step).risk(Risk::Medium))
}
