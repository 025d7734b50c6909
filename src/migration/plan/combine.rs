//! The plan of a whole statement: the recipes of its actions, put together.

use super::asked::{Asked, Shared, alter};
use super::firsts::{firsts, once};
use super::recipe::{Clause, NoPlan, Part, Recipe};
use super::{
    add_column, check, column_type, conflicts, create_index, direct, domain, drop, drop_index, enumeration,
    exclusion, foreign_key, not_null, partition, policy, refused, rename, unique,
};
use crate::catalog::ddl::{
    Action, AddConstraint, Alteration, ConstraintType, DroppedKind, Kind, Statement, Surroundings, Touched,
    TouchedKind,
};
use crate::change::plan::{Phase, Plan, Risk, Runs, Step};

/// The safe way of a statement. `interrupt` is called often, so that whoever waits for it can give up.
pub fn plan(statement: &Statement, around: &Surroundings, interrupt: &dyn Fn()) -> Result<Plan, NoPlan> {
    let shared = Shared::new(interrupt);
    let asked = |action| Asked { statement, action, around, shared: &shared };
    let nothing = Action::new(Kind::Other);
    let is_private = !statement.actions.is_empty()
        && statement.actions.iter().all(|action| action.target.as_ref().is_some_and(Touched::is_private));
    let mut whole = Recipe::default();
    if statement.actions.is_empty() || is_private {
        whole = direct::statement(&asked(&nothing))?;
    } else {
        conflicts::refuse(statement, interrupt)?;
        let mut last_run = None;
        for action in &statement.actions {
            interrupt();
            let mut recipe = recipe(&asked(action))?;
            // One statement that drops three things is one step for what cannot be divided, and may be as long as they
            // are many.
            if last_run.is_some_and(|place| whole.parts.get(place) == recipe.parts.last()) {
                recipe.parts.pop();
            }
            let runs = |part: &Part| matches!(part, Part::Step(step) if !step.sql.is_empty());
            last_run =
                recipe.parts.iter().rposition(runs).map(|place| whole.parts.len() + place).or(last_run);
            whole = whole.then(recipe);
        }
    }
    let seconds = seconds(&whole, statement, around);
    Ok(put_together(whole, statement, around, seconds, interrupt))
}

fn put_together(
    recipe: Recipe,
    statement: &Statement,
    around: &Surroundings,
    seconds: Option<(f64, f64)>,
    interrupt: &dyn Fn(),
) -> Plan {
    let steps = steps(recipe.parts, interrupt);
    let has_people = steps.iter().any(|step| step.runs == Runs::ByHand);
    Plan {
        title: title(statement),
        change: statement.text.clone(),
        risk: if has_people { recipe.risk.max(Risk::Medium) } else { recipe.risk },
        requires: recipe.requires,
        seconds,
        search_path: around.search_path.clone(),
        steps,
        verify: once(recipe.verify),
    }
}

/// The parts as steps, in the order of their phases; of those that are alike, the first.
fn steps(mut parts: Vec<Part>, interrupt: &dyn Fn()) -> Vec<Step> {
    parts.sort_by_key(phase);
    let mut steps: Vec<Step> = Vec::new();
    // Sub-commands are meant as often as they are written.
    let mut is_written: Vec<bool> = Vec::new();
    let mut clauses: Vec<Clause> = Vec::new();
    for part in parts {
        interrupt();
        match part {
            Part::Clause(clause) => {
                if clauses
                    .first()
                    .is_some_and(|first| first.table != clause.table || first.phase != clause.phase)
                {
                    steps.extend(merged(std::mem::take(&mut clauses)));
                }
                clauses.push(clause);
            }
            Part::Step(step) => {
                steps.extend(merged(std::mem::take(&mut clauses)));
                is_written.resize(steps.len(), true);
                steps.push(step);
                is_written.push(false);
            }
        }
    }
    steps.extend(merged(clauses));
    is_written.resize(steps.len(), true);
    let firsts = firsts(&steps);
    let mut kept = is_written.into_iter().zip(firsts).map(|(is_written, is_first)| is_written || is_first);
    steps.retain(|_| kept.next().unwrap_or(true));
    steps
}

fn phase(part: &Part) -> Phase {
    match part {
        Part::Clause(clause) => clause.phase,
        Part::Step(step) => step.phase,
    }
}

/// Sub-commands that stand together become one statement: one lock, one moment.
fn merged(clauses: Vec<Clause>) -> Option<Step> {
    let first = clauses.first()?;
    let texts: Vec<&str> = clauses.iter().map(|clause| &*clause.text).collect();
    let mut step = Step::new(first.phase, alter(&first.table, &texts.join(", ")));
    step.lock = clauses.iter().map(|clause| clause.lock).max();
    let undo: Option<Vec<String>> = clauses.iter().rev().map(|clause| clause.undo.clone()).collect();
    let notes = once(clauses.iter().map(|clause| &*clause.note).filter(|note| !note.is_empty()).collect());
    match undo {
        Some(undo) => step.undo.push(alter(&first.table, &undo.join(", "))),
        None => step
            .undo
            .push(super::back::never(&format!("this plan knows no way back from {}", texts.join(", ")))),
    }
    // All are done by one statement, so one of them proves all.
    step.verify = clauses.iter().rev().find_map(|clause| clause.verify.clone());
    Some(step.note(notes.join("; ")))
}

fn recipe(asked: &Asked<'_>) -> Result<Recipe, NoPlan> {
    match &asked.action.kind {
        Kind::Alter(alteration) => altered(asked, alteration),
        Kind::CreateIndex(facts) => create_index::create(asked, facts),
        Kind::CreateTable(facts) => partition::create(asked, facts),
        Kind::Drop(facts) if matches!(facts.kind, DroppedKind::RuleOrPolicy | DroppedKind::Trigger) => {
            policy::drop(asked, facts)
        }
        Kind::Drop(facts) => drop::object(asked, facts),
        Kind::CreateRuleOrPolicy => policy::change(asked),
        Kind::Rename(facts) if facts.kind == "enum value" => rename::enum_value(asked, facts),
        Kind::Rename(facts) => rename::rename(asked, facts),
        Kind::Reindex { scope, .. } => drop_index::reindex(asked, *scope),
        Kind::AddEnumValue { name, value, is_there, .. } => {
            enumeration::add_value(asked, name, value, *is_there)
        }
        Kind::Domain { name, change } => domain::change(asked, name, change),
        Kind::MoveAll { tablespace } => Err(refused::tablespace(asked, tablespace)),
        Kind::Truncate { .. } => Err(refused::truncate(asked)),
        Kind::VacuumFull => Err(refused::rewritten(asked, "VACUUM FULL")),
        Kind::Cluster => Err(refused::rewritten(asked, "CLUSTER")),
        Kind::Write(facts) => Err(refused::write(asked, facts.is_update)),
        Kind::LockTable { .. } => Err(NoPlan::new("LOCK TABLE changes nothing", "")),
        Kind::Unchecked { reason } => Err(NoPlan::new(
            format!("nobody can say what the statement does: {reason}"),
            "write it as plain DDL",
        )),
        Kind::Refresh { is_concurrent, is_populated, has_unique_index, .. } => {
            refresh(asked, *is_concurrent, *is_populated, *has_unique_index)
        }
        _ => direct::statement(asked),
    }
}

fn altered(asked: &Asked<'_>, alteration: &Alteration) -> Result<Recipe, NoPlan> {
    let is_composite =
        asked.action.target.as_ref().is_some_and(|target| target.kind == TouchedKind::CompositeType);
    match alteration {
        Alteration::TypedTables { rewrites: true, .. } => Err(refused::typed_tables()),
        _ if is_composite => direct::composite(asked, alteration),
        Alteration::AddColumn(facts) => add_column::add(asked, facts),
        Alteration::DropColumn(facts) => drop::column(asked, facts),
        Alteration::ColumnType(facts) => column_type::change(asked, facts),
        Alteration::SetNotNull(facts) => not_null::set(asked, facts),
        Alteration::AddConstraint(facts) => constraint(asked, facts),
        Alteration::AttachPartition(facts) => partition::attach(asked, facts),
        Alteration::DetachPartition { partition, is_finalize, has_default, .. } => {
            partition::detach(asked, partition.as_ref(), *is_finalize, *has_default)
        }
        Alteration::SetPersistence { is_logged, is_already: false } => {
            Err(refused::persistence(asked, *is_logged))
        }
        Alteration::SetAccessMethod { method, is_already: false } => {
            Err(refused::access_method(asked, method))
        }
        Alteration::SetTablespace { tablespace, is_already: false } => {
            Err(refused::tablespace(asked, tablespace))
        }
        Alteration::SetExpression { column, is_stored: true } => Err(refused::expression(asked, column)),
        Alteration::AlterConstraint { name, becomes_enforced: true } => Err(refused::enforced(asked, name)),
        Alteration::Unknown { number } => {
            Err(NoPlan::new(format!("this version knows no sub-command of the server's number {number}"), ""))
        }
        _ => direct::alteration(asked, alteration),
    }
}

fn constraint(asked: &Asked<'_>, facts: &AddConstraint) -> Result<Recipe, NoPlan> {
    match facts.constraint_type {
        ConstraintType::Check => check::add(asked, facts),
        ConstraintType::ForeignKey => foreign_key::add(asked, facts),
        ConstraintType::Unique | ConstraintType::PrimaryKey => unique::add(asked, facts),
        ConstraintType::Exclusion => exclusion::add(asked),
        ConstraintType::NotNull => not_null::add(asked, facts),
        ConstraintType::Trigger => direct::statement(asked),
    }
}

fn refresh(
    asked: &Asked<'_>,
    is_concurrent: bool,
    is_populated: bool,
    has_unique_index: bool,
) -> Result<Recipe, NoPlan> {
    if is_concurrent || !is_populated {
        return Ok(Recipe::step(direct::whole(asked)?));
    }
    let name = asked.target_name();
    if !has_unique_index {
        return Err(NoPlan::new(
            format!("{name} has no unique index over all rows, so readers wait for REFRESH"),
            format!("CREATE UNIQUE INDEX on columns of {name} that tell its rows apart, and ask again"),
        ));
    }
    Ok(Recipe::step(
        Step::new(Phase::Expand, format!("REFRESH MATERIALIZED VIEW CONCURRENTLY {name}"))
            .lock(crate::catalog::LockMode::Exclusive)
            .note("readers go on; nothing has to be taken back"),
    ))
}

/// The statement in one line, cut where it is long.
fn title(statement: &Statement) -> String {
    let line = statement.text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.trim_end_matches(';');
    match line.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// How long the steps take that read or write the whole table; the wait for locks is not in it.
fn seconds(recipe: &Recipe, statement: &Statement, around: &Surroundings) -> Option<(f64, f64)> {
    let target = statement.actions.iter().find_map(|action| action.target.as_ref())?;
    #[allow(clippy::cast_precision_loss)]
    let bytes = target.bytes as f64;
    let rates = around.rates;
    let (mut least, mut most) = (0.0, 0.0);
    for part in &recipe.parts {
        let Part::Step(step) = part else { continue };
        let Some(first) = step.sql.first() else { continue };
        let (slow, fast) = if first.starts_with("CALL dbm.backfill") {
            rates.rewrite
        } else if step.runs == Runs::Alone && (first.starts_with("CREATE") || first.starts_with("REINDEX")) {
            rates.index_build
        } else if first.contains("VALIDATE CONSTRAINT") {
            rates.scan
        } else if step.runs == Runs::InTransaction && exclusion::builds(first) {
            rates.index_build
        } else {
            continue;
        };
        least += bytes / fast;
        most += bytes / slow;
    }
    Some((least, most))
}
