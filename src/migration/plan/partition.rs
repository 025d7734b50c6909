//! ATTACH, DETACH and CREATE TABLE … PARTITION OF: a proved CHECK spares the scan under the strong lock, and a table that
//! is made alone and attached spares the parent the strong lock.

use super::asked::{Asked, alter};
use super::check::not_valid;
use super::create_index::{built, tail};
use super::not_null::validate;
use super::recipe::{NoPlan, Recipe};
use super::words::{find, qualified_length, span, words};
use super::{direct, proof};
use crate::catalog::LockMode;
use crate::catalog::ddl::{AttachPartition, CreateTable, TableShape, Touched};
use crate::change::plan::{Phase, Risk, Step};
use crate::text::{quote_identifier, quote_qualified};

/// `FOR VALUES …` or `DEFAULT`, as it is written behind the partition's name.
fn bound_of(text: &str) -> Option<String> {
    let tokens = words(text);
    let place = find(&tokens, &["FOR", "VALUES"]).or_else(|| {
        let last = tokens.len().checked_sub(1)?;
        tokens[last].is("DEFAULT").then_some(last)
    })?;
    Some(span(text, &tokens[place..]).to_owned())
}

/// A CHECK for the time between, added and proved; the step that drops it is returned apart.
fn proved_check(
    asked: &Asked<'_>,
    shape: Option<&TableShape>,
    touched: &Touched,
    purpose: &str,
    condition: &str,
) -> (Vec<Step>, Step) {
    let table = touched.qualified();
    let bare =
        TableShape { schema: touched.schema.clone(), name: touched.name.clone(), ..TableShape::default() };
    let name = asked.between(shape.unwrap_or(&bare), &touched.name, purpose);
    let body = format!("CHECK ({condition})");
    let added = not_valid(&table, &name, &body);
    let dropped = Step::new(Phase::Contract, proof::drop_constraint(&table, &name))
        .lock(LockMode::AccessExclusive)
        .undo(alter(&table, &format!("ADD CONSTRAINT {} {body} NOT VALID", quote_identifier(&name))))
        .verify(proof::lacks_constraint(&table, &name))
        .note("the bound itself says the same from here on");
    (vec![added, validate(&table, &name)], dropped)
}

/// ATTACH PARTITION.
pub fn attach(asked: &Asked<'_>, facts: &AttachPartition) -> Result<Recipe, NoPlan> {
    let parent = asked.table()?;
    let Some(partition) = &facts.partition else {
        return Err(NoPlan::new(
            format!("the table to be attached to {} is not there", parent.qualified()),
            "",
        ));
    };
    let Some(bound) = bound_of(&asked.action.text) else {
        return Err(NoPlan::new(format!("the bound of {} is not known", partition.qualified()), ""));
    };
    let name = partition.qualified();
    let shape = asked.around.table(partition.oid);
    let mut recipe = Recipe::default();
    let mut drops = Vec::new();
    let wants = [
        (Some(partition), facts.is_implied, &facts.condition, "bound"),
        (facts.default_partition.as_ref(), facts.default_is_excluded, &facts.default_condition, "default"),
    ];
    for (touched, is_implied, condition, purpose) in wants {
        let Some(touched) = touched.filter(|touched| !is_implied && !touched.is_empty) else { continue };
        let Some(condition) = condition else {
            return Err(NoPlan::new(
                format!(
                    "what every row of {} has to meet is not known, so it would be read under lock",
                    touched.qualified()
                ),
                "add and VALIDATE a CHECK that says what the bound says, and ask again",
            ));
        };
        let (steps, dropped) =
            proved_check(asked, asked.around.table(touched.oid), touched, purpose, condition);
        for step in steps {
            recipe = recipe.with(step);
        }
        drops.push(dropped);
    }
    if let Some(shape) = shape {
        recipe = recipe.then(indexes(asked, parent, shape));
    }
    let attach = format!("ATTACH PARTITION {name} {bound}");
    recipe = recipe.with_lasting(
        Step::new(Phase::Switch, alter(&parent.qualified(), &attach))
            .lock(LockMode::ShareUpdateExclusive)
            .undo(alter(&parent.qualified(), &format!("DETACH PARTITION {name}")))
            .verify(proof::is_attached(&parent.qualified(), &name))
            .note(format!("no row is read; {name} itself is locked in ACCESS EXCLUSIVE mode for a moment")),
    );
    Ok(drops.into_iter().fold(recipe, Recipe::with))
}

/// Indexes that the parent has and the partition lacks: ATTACH would build them under its lock.
fn indexes(asked: &Asked<'_>, parent: &TableShape, partition: &TableShape) -> Recipe {
    let mut recipe = Recipe::default();
    for index in &parent.indexes {
        let Some(tail) = tail(&index.definition) else { continue };
        let has_it = partition.indexes.iter().any(|own| {
            own.is_valid
                && own.is_unique == index.is_unique
                && own.constraint.is_some() == index.constraint.is_some()
                && self::tail(&own.definition).as_ref() == Some(&tail)
        });
        if has_it {
            continue;
        }
        let keys: Vec<&str> = index
            .key_columns
            .iter()
            .filter_map(|number| parent.columns.iter().find(|column| column.number == *number))
            .map(|column| &*column.name)
            .collect();
        let joined = super::names::joined(&keys);
        let constraint = index.constraint.as_ref().and_then(|name| parent.constraint(name));
        let (label, columns) = match constraint.map(|constraint| constraint.kind) {
            Some('p') => ("pkey", None),
            Some(_) => ("key", Some(&*joined)),
            None => ("idx", Some(&*joined)),
        };
        let name = asked.chosen(&partition.schema, &partition.taken, &partition.name, columns, label);
        let unique = if index.is_unique { "UNIQUE " } else { "" };
        let table = partition.qualified();
        recipe = recipe.with(built(
            &partition.schema,
            &name,
            &format!("CREATE {unique}INDEX CONCURRENTLY {} ON {table} {tail}", quote_identifier(&name)),
        ));
        if let Some(constraint) = constraint {
            let kind = if constraint.kind == 'p' { "PRIMARY KEY" } else { "UNIQUE" };
            let quoted = quote_identifier(&name);
            recipe = recipe.with(
                Step::new(
                    Phase::Validate,
                    alter(&table, &format!("ADD CONSTRAINT {quoted} {kind} USING INDEX {quoted}")),
                )
                .lock(LockMode::AccessExclusive)
                .undo(proof::drop_constraint(&table, &name))
                .verify(proof::has_constraint(&table, &name)),
            );
        }
    }
    recipe
}

/// DETACH PARTITION.
pub fn detach(
    asked: &Asked<'_>,
    partition: Option<&Touched>,
    is_finalize: bool,
    has_default: bool,
) -> Result<Recipe, NoPlan> {
    let parent = asked.table()?;
    let top = parent.qualified();
    let Some(partition) = partition else {
        return Err(NoPlan::new(format!("the partition to be detached from {top} is not there"), ""));
    };
    let name = partition.qualified();
    let finalize = alter(&top, &format!("DETACH PARTITION {name} FINALIZE"));
    if is_finalize {
        return Ok(Recipe::step(
            Step::alone(Phase::Switch, finalize)
                .lock(LockMode::ShareUpdateExclusive)
                .verify(proof::is_detached(&top, &name)),
        ));
    }
    let shape = parent.partitions.iter().find(|part| part.qualified() == name);
    let back = shape.map(|shape| alter(&top, &format!("ATTACH PARTITION {name} {}", shape.bound)));
    if has_default {
        let mut step = Step::new(Phase::Switch, alter(&top, &format!("DETACH PARTITION {name}")))
            .lock(LockMode::AccessExclusive)
            .verify(proof::is_detached(&top, &name))
            .note(format!(
                "{top} has a default partition, with which CONCURRENTLY is refused: everybody waits for a moment once the lock is \
                 granted; the way back reads both tables under lock"
            ));
        step.undo.extend(back);
        return Ok(Recipe::step(step));
    }
    // Without a CHECK that says what the bound says, CONCURRENTLY leaves one behind.
    let condition = shape.and_then(|shape| shape.condition.clone());
    let mut recipe = Recipe::default();
    let mut dropped = None;
    if let Some(condition) = condition {
        let (steps, last) =
            proved_check(asked, asked.around.table(partition.oid), partition, "bound", &condition);
        let proofs = steps.last().map_or_else(Vec::new, |step| step.sql.clone());
        for step in steps {
            recipe = recipe.with(step);
        }
        // ATTACH, which comes next on the way back, wants it proved.
        let undo = last.undo.iter().cloned().chain(proofs).collect();
        dropped = Some(Step { undo, ..last.note("what the bound said is no longer asked of the table") });
    }
    let mut step = Step::alone(Phase::Switch, alter(&top, &format!("DETACH PARTITION {name} CONCURRENTLY")))
        .lock(LockMode::ShareUpdateExclusive)
        .verify(proof::is_detached(&top, &name))
        .leftover(proof::is_half_detached(&top, &name), finalize)
        .note("waits for transactions that use the table; what an interrupted run left half done is finished first");
    step.undo.extend(back);
    recipe = recipe.with_lasting(step);
    if let Some(step) = dropped {
        recipe = recipe.with(step);
    }
    Ok(recipe)
}

/// CREATE TABLE … PARTITION OF.
pub fn create(asked: &Asked<'_>, facts: &CreateTable) -> Result<Recipe, NoPlan> {
    let Some(parent) = &facts.partition_of else { return direct::statement(asked) };
    let text = &asked.statement.text;
    let tokens = words(text);
    let unreadable = || NoPlan::new(format!("the bound of {} is not known", facts.name), "");
    let start = find(&tokens, &["PARTITION", "OF"]).ok_or_else(unreadable)? + 2;
    let behind = start + qualified_length(&tokens, start);
    if let Some(default) =
        facts.default_partition.as_ref().filter(|default| !facts.default_is_excluded && !default.is_empty)
    {
        return Err(NoPlan::new(
            format!(
                "{} would be read under lock for rows that belong into {}",
                default.qualified(),
                facts.name
            ),
            format!(
                "CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING CONSTRAINTS), and ask for the plan of ALTER TABLE {} ATTACH \
                 PARTITION",
                facts.name,
                parent.qualified(),
                parent.qualified()
            ),
        ));
    }
    if tokens.get(behind).is_some_and(|token| token.is_sign("(")) {
        return Err(NoPlan::new(
            format!(
                "{} has columns or constraints of its own beside those of {}",
                facts.name,
                parent.qualified()
            ),
            "create it with LIKE, alter it, and ask for the plan of ATTACH PARTITION",
        ));
    }
    let (bound, options) = bound_and_options(text, behind).ok_or_else(unreadable)?;
    let name_start = find(&tokens, &["TABLE"]).ok_or_else(unreadable)? + 1;
    let name_start =
        if tokens.get(name_start).is_some_and(|token| token.is("IF")) { name_start + 3 } else { name_start };
    let length = qualified_length(&tokens, name_start);
    let bare =
        tokens.get(name_start + length - 1).map(crate::syntax::tokens::Token::name).unwrap_or_default();
    let schema = if length > 1 {
        tokens[name_start].name()
    } else {
        words(&asked.around.search_path)
            .first()
            .map_or_else(|| parent.schema.clone(), crate::syntax::tokens::Token::name)
    };
    let name = quote_qualified(&schema, &bare);
    let top = parent.qualified();
    let create = format!(
        "CREATE TABLE {name} (LIKE {top} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING STORAGE INCLUDING \
         COMPRESSION) {options}"
    );
    let mut recipe = Recipe::default();
    if !asked.is_version(17)
        && asked.around.table(parent.oid).is_some_and(|shape| {
            shape
                .columns
                .iter()
                .any(|column| column.sequence.as_ref().is_some_and(|sequence| sequence.identity.is_some()))
        })
    {
        recipe = recipe.requires(format!(
            "{top} has an identity column, which partitions do not share before 17: insert through {top}"
        ));
    }
    Ok(recipe
        .risk(Risk::Low)
        .with(
            Step::new(Phase::Expand, create.trim_end())
                .lock(LockMode::AccessShare)
                .undo(format!("DROP TABLE IF EXISTS {name}"))
                .verify(proof::has_relation(&name))
                .note(format!("stands alone and empty beside {top}, which is not locked")),
        )
        .with_lasting(
            Step::new(Phase::Switch, alter(&top, &format!("ATTACH PARTITION {name} {bound}")))
                .lock(LockMode::ShareUpdateExclusive)
                .undo(alter(&top, &format!("DETACH PARTITION {name}")))
                .verify(proof::is_attached(&top, &name))
                .note("readers and writers of the other partitions go on; indexes and foreign keys come with the empty table"),
        ))
}

/// The bound, and what CREATE TABLE has behind it: PARTITION BY, USING, WITH, TABLESPACE.
fn bound_and_options(text: &str, from: usize) -> Option<(String, String)> {
    let tokens = words(text);
    let rest = tokens.get(from..)?;
    let end = if rest.first()?.is("DEFAULT") {
        1
    } else {
        // FOR VALUES IN (…), FROM (…) TO (…), WITH (…)
        let mut end = 2;
        while rest.get(end).is_some_and(|token| token.is_any(&["IN", "FROM", "TO", "WITH"]))
            && rest.get(end + 1).is_some_and(|token| token.is_sign("("))
        {
            let is_hash = rest[end].is("WITH");
            let is_options = is_hash && end > 2;
            if is_options {
                break;
            }
            end = super::words::closing(rest, end + 1) + 1;
        }
        end
    };
    Some((span(text, rest.get(..end)?).to_owned(), span(text, rest.get(end..)?).to_owned()))
}
