//! Policies, rules and triggers: they change in a moment, but what they change is who sees what.

use super::asked::Asked;
use super::back;
use super::direct;
use super::recipe::{NoPlan, Recipe};
use super::words::words;
use crate::catalog::ddl::{DropObject, PartShape, TableShape};
use crate::change::plan::{Phase, Risk, Step};
use crate::syntax::tokens::Token;
use crate::text::quote_identifier;

/// CREATE POLICY, ALTER POLICY and CREATE RULE.
pub fn change(asked: &Asked<'_>) -> Result<Recipe, NoPlan> {
    let mut recipe = direct::statement(asked)?;
    let tokens = words(&asked.statement.text);
    let is = |place: usize, word: &str| tokens.get(place).is_some_and(|token| token.is(word));
    if !is(1, "POLICY") {
        return Ok(recipe);
    }
    let Ok(table) = asked.table() else { return Ok(recipe) };
    let qualified = table.qualified();
    if is(0, "ALTER") && !tokens.iter().any(|token| token.is("RENAME")) {
        let name = tokens.get(2).map(Token::name).unwrap_or_default();
        let Some(policy) = table.policies.iter().find(|policy| policy.name == name) else {
            return Err(NoPlan::new(format!("{qualified} has no policy {}", quote_identifier(&name)), ""));
        };
        recipe = Recipe::step(direct::whole(asked)?.undo(format!(
            "DROP POLICY {} ON {qualified};\n{}",
            quote_identifier(&name),
            back::part(&qualified, "POLICY", policy)
        )));
    }
    Ok(recipe.risk(Risk::Medium).requires(who_sees(table)))
}

/// What policies mean on this table.
fn who_sees(table: &TableShape) -> String {
    let name = table.qualified();
    if !table.has_row_security {
        return format!(
            "row-level security of {name} is off: policies mean nothing until ENABLE ROW LEVEL SECURITY, and from then on whoever \
             no policy lets see a row sees none"
        );
    }
    format!(
        "row-level security of {name} is on: from this moment on other rows are seen and written, and whoever no policy lets see \
         a row sees none"
    )
}

/// ENABLE, DISABLE, FORCE and NO FORCE ROW LEVEL SECURITY: what has to be known before.
pub fn row_security(table: &TableShape, text: &str, is_enabled: bool) -> Option<String> {
    let name = table.qualified();
    let is_forced = words(text).iter().any(|token| token.is("FORCE"));
    if !is_enabled {
        return (!is_forced && table.has_row_security && !table.policies.is_empty()).then(|| {
            format!("whoever may read {name} sees every row from here on, whatever its policies say")
        });
    }
    if !table.policies.is_empty() {
        return None;
    }
    Some(if is_forced {
        format!(
            "{name} has no policy yet: CREATE POLICY first, or with row-level security its owner sees no row either"
        )
    } else {
        format!("{name} has no policy yet: CREATE POLICY first, or nobody but its owner sees a row")
    })
}

/// DROP TRIGGER, DROP RULE and DROP POLICY.
pub fn drop(asked: &Asked<'_>, facts: &DropObject) -> Result<Recipe, NoPlan> {
    let table = asked.table()?;
    let qualified = table.qualified();
    let tokens = words(&asked.statement.text);
    let kind = match tokens.get(1) {
        Some(token) if token.is("TRIGGER") => "TRIGGER",
        Some(token) if token.is("RULE") => "RULE",
        _ => "POLICY",
    };
    let parts = match kind {
        "TRIGGER" => &table.triggers,
        "RULE" => &table.rules,
        _ => &table.policies,
    };
    let part: Option<&PartShape> = parts.iter().find(|part| quote_identifier(&part.name) == facts.name);
    let Some(part) = part else {
        return Ok(Recipe::step(direct::nothing_there(asked)?));
    };
    let step = direct::whole(asked)?.undo(back::part(&qualified, kind, part));
    let mut recipe = Recipe::default().risk(Risk::Medium);
    if kind == "POLICY" {
        recipe = recipe.requires(if table.has_row_security && table.policies.len() == 1 {
            format!(
                "{} is the last policy of {qualified}: with row-level security nobody but its owner sees a row from here on",
                facts.name
            )
        } else {
            who_sees(table)
        });
    }
    Ok(recipe.with(Step { phase: Phase::Contract, ..step }))
}
