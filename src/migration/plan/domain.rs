//! Domains: a constraint can be added unproved, but proving it keeps the writers of every table waiting that uses the
//! domain. The plan stops before that.

use super::asked::Asked;
use super::column_text::without_not_valid;
use super::recipe::{NoPlan, Recipe};
use super::words::{find, span, words};
use super::{direct, names, proof};
use crate::catalog::LockMode;
use crate::catalog::ddl::DomainChange;
use crate::change::plan::{Phase, Risk, Step};
use crate::text::quote_identifier;

/// ALTER DOMAIN and CREATE DOMAIN.
pub fn change(asked: &Asked<'_>, domain: &str, change: &DomainChange) -> Result<Recipe, NoPlan> {
    match change {
        DomainChange::AddConstraint { is_not_valid } => add(asked, domain, *is_not_valid),
        DomainChange::SetNotNull => Err(NoPlan::new(
            format!(
                "NOT NULL of the domain {domain} cannot be added unproved: every table that uses it is read while its writers wait"
            ),
            format!(
                "ask for the plan of ALTER DOMAIN {domain} ADD CHECK (VALUE IS NOT NULL), which forbids the same"
            ),
        )),
        DomainChange::ValidateConstraint { is_already: false } => {
            let tables = tables(asked);
            Ok(Recipe::default()
                .risk(Risk::Medium)
                .with(quiet(&tables))
                .with(direct::whole(asked)?.lock(LockMode::Share).note("nothing has to be taken back")))
        }
        _ => direct::statement(asked),
    }
}

fn tables(asked: &Asked<'_>) -> Vec<String> {
    asked.action.locks.iter().map(|lock| lock.relation.qualified()).collect()
}

fn quiet(tables: &[String]) -> Step {
    let which = if tables.is_empty() { "every table that uses it".to_owned() } else { tables.join(", ") };
    Step::by_hand(
        Phase::Validate,
        format!(
            "choose a quiet time: there is no way to prove a domain's constraint without keeping the writers of {which} waiting"
        ),
    )
}

fn add(asked: &Asked<'_>, domain: &str, stays_not_valid: bool) -> Result<Recipe, NoPlan> {
    let text = &asked.statement.text;
    let tokens = words(text);
    let Some(place) = find(&tokens, &["ADD"]) else {
        return Err(NoPlan::new(
            format!("the text of the constraint on the domain {domain} is not known"),
            "",
        ));
    };
    let shape = asked.around.domains.iter().find(|shape| shape.name == domain);
    let rest = &tokens[place + 1..];
    let (name, body) = if rest.first().is_some_and(|token| token.is("CONSTRAINT")) {
        (
            rest.get(1).map(crate::syntax::tokens::Token::name).unwrap_or_default(),
            span(text, rest.get(2..).unwrap_or_default()),
        )
    } else {
        let bare = words(domain).last().map(crate::syntax::tokens::Token::name).unwrap_or_default();
        let name =
            names::chosen(&bare, None, "check", |name| shape.is_some_and(|shape| shape.taken.contains(name)));
        (name, span(text, rest))
    };
    let quoted = quote_identifier(&name);
    let added = Step::new(
        Phase::Expand,
        format!("ALTER DOMAIN {domain} ADD CONSTRAINT {quoted} {} NOT VALID", without_not_valid(body)),
    )
    .undo(format!("ALTER DOMAIN {domain} DROP CONSTRAINT IF EXISTS {quoted}"))
    .verify(proof::has_domain_constraint(domain, &name, false))
    .note("from here on new values have to meet it; what is there is not read");
    if stays_not_valid {
        return Ok(Recipe::default().with_lasting(added));
    }
    Ok(Recipe::default().risk(Risk::Medium).with(added).with(quiet(&tables(asked))).with_lasting(
        Step::new(Phase::Validate, format!("ALTER DOMAIN {domain} VALIDATE CONSTRAINT {quoted}"))
            .lock(LockMode::Share)
            .verify(proof::has_domain_constraint(domain, &name, true))
            .note("reads every table that uses the domain while its writers wait"),
    ))
}
