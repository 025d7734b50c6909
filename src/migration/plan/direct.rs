//! What is safe as it is: one step, with its way back where the shape tells one.

use super::asked::{Asked, alter};
use super::recipe::{Clause, NoPlan, Part, Recipe};
use super::words::words;
use super::{again, back, not_null, policy, proof};
use crate::catalog::LockMode;
use crate::catalog::ddl::{Alteration, DropConstraint, TableShape, TriggerScope};
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

/// A statement that finds nothing to do, because of IF EXISTS.
pub fn nothing_there(asked: &Asked<'_>) -> Result<Step, NoPlan> {
    if !asked.says_if_exists() {
        return Err(NoPlan::new(format!("{} is not there", asked.target_name()), ""));
    }
    // Nobody can be waiting for it, and there is nothing to be taken back.
    Ok(whole(asked)?.note("it is not there: nothing is done, and nothing has to be taken back"))
}

/// With a way back that fails and says why, where there is none: taking back must not look done when it is not.
pub fn honest(mut step: Step) -> Step {
    if step.undo.is_empty() {
        let line = beginning(step.sql.first().map_or("", String::as_str), 60);
        step.undo.push(back::never(&format!("this plan knows no way back from {line}")));
    }
    step
}

/// The first characters of a text in one line.
fn beginning(text: &str, count: usize) -> String {
    // As many words hold as many characters at least: a long text is not read to its end.
    let line = text.split_whitespace().take(count).collect::<Vec<_>>().join(" ");
    line.chars().take(count).collect()
}

/// A statement that is safe as it is.
pub fn statement(asked: &Asked<'_>) -> Result<Recipe, NoPlan> {
    let mut step = whole(asked)?;
    if let Some(back) = asked.back() {
        step.undo.push(back.undo);
        step.verify = back.is_there;
    }
    Ok(Recipe::step(honest(step)))
}

/// ALTER TYPE of a composite type. Tables that have a column of it keep its rows as they are.
pub fn composite(asked: &Asked<'_>, alteration: &Alteration) -> Result<Recipe, NoPlan> {
    let mut step = whole(asked)?;
    let name = asked.target_name();
    if let [_] = asked.statement.actions.as_slice() {
        match alteration {
            Alteration::AddColumn(facts) => {
                let attribute = quote_identifier(&facts.column.name);
                step.undo.push(format!("ALTER TYPE {name} DROP ATTRIBUTE IF EXISTS {attribute}"));
            }
            Alteration::ColumnType(facts) => {
                let attribute = quote_identifier(&facts.column);
                step.undo.push(format!("ALTER TYPE {name} ALTER ATTRIBUTE {attribute} TYPE {}", facts.from));
            }
            _ => {}
        }
    }
    Ok(Recipe::step(honest(step)))
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
    let text = text(asked)?;
    let mut clause = Clause {
        note: "safe as it is".to_owned(),
        undo: back::of_clause(table, &text),
        ..asked.clause(table, text)
    };
    let mut requires = Vec::new();
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
        Alteration::ValidateConstraint(facts) => return Ok(validate(table, &facts.name)),
        Alteration::Trigger { scope: TriggerScope::Named(name), is_enabled } => {
            let trigger = table.triggers.iter().find(|trigger| trigger.name == *name);
            let former = match trigger.filter(|trigger| trigger.state.is_some()) {
                Some(trigger) => trigger.state_words().unwrap_or("ENABLE"),
                None if *is_enabled => "DISABLE",
                None => "ENABLE",
            };
            clause.undo = Some(format!("{former} TRIGGER {}", quote_identifier(name)));
        }
        // Privileges of the new owner become those of an owner, and nothing tells them apart again.
        Alteration::Owner if !table.owner.is_empty() && !is_privileged(table, &clause.text) => {
            clause.undo = Some(format!("OWNER TO {}", table.owner));
        }
        Alteration::RowSecurity { is_enabled, .. } => {
            if let Some(warning) = policy::row_security(table, &clause.text, *is_enabled) {
                clause.note.clone_from(&warning);
                requires.push(warning);
            }
        }
        _ => {}
    }
    Ok(Recipe {
        parts: vec![Part::Clause(clause.clone())],
        verify: clause.verify.into_iter().collect(),
        risk: if requires.is_empty() { Risk::Low } else { Risk::Medium },
        requires,
    })
}

/// Whether the role at the end of the text has privileges on the table.
fn is_privileged(table: &TableShape, text: &str) -> bool {
    let role = words(text).last().map(|token| quote_identifier(&token.name()));
    let columns = table.columns.iter().flat_map(|column| &column.privileges);
    table.privileges.iter().chain(columns).any(|(_, whom, _)| Some(whom) == role.as_ref())
}

/// VALIDATE CONSTRAINT, which was asked for by itself: the way back makes the constraint one that nobody has proved.
fn validate(table: &TableShape, name: &str) -> Recipe {
    let qualified = table.qualified();
    let mut step = not_null::validate(&qualified, name);
    if let Some(constraint) = table.constraint(name).filter(|constraint| !constraint.is_valid) {
        let quoted = quote_identifier(name);
        let mut back = alter(
            &qualified,
            &format!(
                "DROP CONSTRAINT {quoted}, ADD CONSTRAINT {quoted} {}",
                again::not_valid(&constraint.definition)
            ),
        );
        if let Some(comment) = &constraint.comment {
            back.push_str(&format!(
                ";\nCOMMENT ON CONSTRAINT {quoted} ON {qualified} IS {}",
                quote_literal(comment)
            ));
        }
        step = step.undo(back);
    }
    Recipe::default().with_lasting(step)
}

fn drop_not_null(asked: &Asked<'_>, column: &str) -> Result<Recipe, NoPlan> {
    let table = asked.table()?;
    let qualified = table.qualified();
    if let Some(shape) = table.column(column) {
        let quoted = quote_identifier(column);
        let reason = if table.primary_key().is_some_and(|key| key.columns.contains(&shape.number)) {
            Some("is in the primary key")
        } else if shape.sequence.as_ref().is_some_and(|sequence| sequence.identity.is_some()) {
            Some("is an identity column")
        } else {
            None
        };
        if let Some(reason) = reason {
            return Err(NoPlan::new(
                format!("{quoted} of {qualified} {reason}, so that it cannot become nullable"),
                "",
            ));
        }
    }
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
        if super::words::find(&words(&asked.action.text), &["IF", "EXISTS"]).is_some() {
            return Ok(Recipe::step(step.note("it is not there: nothing is done")));
        }
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
