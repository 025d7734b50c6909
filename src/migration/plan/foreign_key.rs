//! ADD FOREIGN KEY: added unproved, proved while others write; on a partitioned table before 18, where NOT VALID is
//! refused, partition by partition.

use super::asked::{Asked, alter};
use super::check::{refuse_taken, text_of};
use super::column_text::{with_referenced, without_not_valid};
use super::names;
use super::not_null::validate;
use super::proof;
use super::recipe::{NoPlan, Recipe};
use crate::catalog::LockMode;
use crate::catalog::ddl::{AddConstraint, ForeignKeyFacts, TableShape, TouchedKind};
use crate::change::plan::{Phase, Step};
use crate::text::quote_identifier;

/// ADD CONSTRAINT … FOREIGN KEY.
pub fn add(asked: &Asked<'_>, facts: &AddConstraint) -> Result<Recipe, NoPlan> {
    let table = asked.table()?;
    let text = text_of(asked)?;
    let foreign_key = facts.foreign_key.clone().unwrap_or_default();
    let columns =
        if foreign_key.columns.is_empty() { facts.columns.clone() } else { foreign_key.columns.clone() };
    let name = match &text.name {
        Some(name) => name.clone(),
        None => {
            asked.chosen(&table.schema, &table.taken, &table.name, Some(&names::joined(&columns)), "fkey")
        }
    };
    refuse_taken(table, &name)?;
    let body = without_not_valid(&text.body);
    steps(asked, table, &name, &body, &columns, &foreign_key, facts.is_not_valid)
}

/// The steps for a foreign key whose name is known.
pub fn steps(
    asked: &Asked<'_>,
    table: &TableShape,
    name: &str,
    body: &str,
    columns: &[String],
    facts: &ForeignKeyFacts,
    stays_not_valid: bool,
) -> Result<Recipe, NoPlan> {
    let Some(referenced) = &facts.referenced else {
        return Err(NoPlan::new(
            format!(
                "the table to which {} of {} points is not there",
                quote_identifier(name),
                table.qualified()
            ),
            "",
        ));
    };
    let target = referenced.qualified();
    let body = with_referenced(body, &target);
    let is_partitioned = table.kind == TouchedKind::PartitionedTable;
    let recipe = if is_partitioned && !asked.is_version(18) {
        by_partition(table, name, &body, &target)
    } else {
        let qualified = table.qualified();
        let added = not_valid(&qualified, name, &body, &target);
        if stays_not_valid {
            Recipe::default().with_lasting(added)
        } else {
            Recipe::default().with(added).with_lasting(proved(&qualified, name, &target))
        }
    };
    Ok(advise(recipe, table, columns, facts, &target))
}

/// `ADD CONSTRAINT … FOREIGN KEY … NOT VALID` as a step.
pub fn not_valid(table: &str, name: &str, body: &str, referenced: &str) -> Step {
    Step::new(
        Phase::Expand,
        alter(table, &format!("ADD CONSTRAINT {} {body} NOT VALID", quote_identifier(name))),
    )
    .lock(LockMode::ShareRowExclusive)
    .undo(proof::drop_constraint(table, name))
    .verify(proof::has_constraint(table, name))
    .note(format!("locks {referenced}, too, for a moment; rows that are there are not read"))
}

/// `VALIDATE CONSTRAINT` as a step.
pub fn proved(table: &str, name: &str, referenced: &str) -> Step {
    validate(table, name).note(format!(
        "looks up every row in {referenced} while others read and write; stops at the first row that points nowhere"
    ))
}

/// Each partition has its own, proved; the one of the parent finds them and takes them over without reading a row.
fn by_partition(table: &TableShape, name: &str, body: &str, referenced: &str) -> Recipe {
    let mut recipe = Recipe::default();
    for partition in table.partitions.iter().filter(|partition| !partition.is_partitioned) {
        let partition = partition.qualified();
        recipe = recipe
            .with(not_valid(&partition, name, body, referenced))
            .with(proved(&partition, name, referenced));
    }
    let qualified = table.qualified();
    recipe.with_lasting(
        Step::new(
            Phase::Switch,
            alter(&qualified, &format!("ADD CONSTRAINT {} {body}", quote_identifier(name))),
        )
        .lock(LockMode::ShareRowExclusive)
        .undo(proof::drop_constraint(&qualified, name))
        .verify(proof::has_valid_constraint(&qualified, name))
        .note(format!(
            "takes over the foreign keys of the partitions and reads no row; locks {referenced} and all partitions for a \
             moment"
        )),
    )
}

/// What somebody should know who asks for this foreign key.
fn advise(
    mut recipe: Recipe,
    table: &TableShape,
    columns: &[String],
    facts: &ForeignKeyFacts,
    referenced: &str,
) -> Recipe {
    let list = columns.iter().map(|column| quote_identifier(column)).collect::<Vec<_>>().join(", ");
    if !facts.has_index && !columns.is_empty() {
        recipe = recipe.requires(format!(
            "no index of {} begins with ({list}): without one every DELETE on {referenced}, and every UPDATE of its key, \
             reads all of {}; CREATE INDEX CONCURRENTLY ON {} ({list}) helps, and is not part of this plan",
            table.qualified(),
            table.qualified(),
            table.qualified()
        ));
    }
    for (own, own_type, other, other_type) in &facts.type_mismatches {
        recipe = recipe.requires(format!(
            "{} is {own_type}, but {} of {referenced} is {other_type}: make the types alike, or some look-ups cannot use \
             an index",
            quote_identifier(own),
            quote_identifier(other)
        ));
    }
    recipe
}
