//! DROP INDEX and REINDEX.

use super::asked::{Asked, drop_index};
use super::create_index::{concurrently, definition};
use super::recipe::{NoPlan, Recipe};
use super::{direct, proof};
use crate::catalog::LockMode;
use crate::catalog::ddl::{DropObject, IndexShape, ReindexScope, TouchedKind};
use crate::change::plan::{Phase, Step};
use crate::text::quote_qualified;

/// DROP INDEX, one index.
pub fn drop(asked: &Asked<'_>, facts: &DropObject) -> Result<Recipe, NoPlan> {
    if !facts.is_there {
        return Err(NoPlan::new(format!("the index {} is not there", facts.name), ""));
    }
    if let Some(constraint) = &facts.constraint {
        return Err(NoPlan::new(
            format!("the index {} belongs to the constraint {constraint}", facts.name),
            format!("ask for the plan of ALTER TABLE … DROP CONSTRAINT {constraint}"),
        ));
    }
    let found = asked.around.index(&facts.name);
    let is_partitioned = found.is_some_and(|(_, index)| index.is_partitioned)
        || asked.action.target.as_ref().is_some_and(|target| target.kind == TouchedKind::PartitionedIndex);
    if is_partitioned {
        return Ok(Recipe::step(
            Step::new(Phase::Contract, format!("DROP INDEX IF EXISTS {}", facts.name))
                .lock(LockMode::AccessExclusive)
                .verify(proof::lacks_relation(&facts.name))
                .note(
                    "an index of a partitioned table cannot be dropped CONCURRENTLY: the table and all partitions are locked, for a \
                     moment once all of them are free; there is no way back in this plan",
                ),
        ));
    }
    let mut step = Step::alone(Phase::Contract, format!("DROP INDEX CONCURRENTLY IF EXISTS {}", facts.name))
        .lock(LockMode::ShareUpdateExclusive)
        .verify(proof::lacks_relation(&facts.name))
        .note("waits for transactions that use it; the way back builds it anew");
    if let Some((_, index)) = found {
        step.undo = again(index);
    }
    Ok(Recipe::step(step))
}

/// Builds it anew.
fn again(index: &IndexShape) -> Vec<String> {
    let mut sql = vec![concurrently(&definition(index), None)];
    if let Some(comment) = &index.comment {
        sql.push(format!(
            "COMMENT ON INDEX {} IS {}",
            index.qualified(),
            crate::text::quote_literal(comment)
        ));
    }
    sql
}

/// REINDEX.
pub fn reindex(asked: &Asked<'_>, scope: ReindexScope) -> Result<Recipe, NoPlan> {
    match scope {
        ReindexScope::System => Err(NoPlan::new(
            "the indexes of the system catalogs cannot be built CONCURRENTLY",
            "run REINDEX SYSTEM while nobody needs the database",
        )),
        ReindexScope::Schema | ReindexScope::Database => {
            let step = direct::whole(asked)?;
            let sql = with_concurrently(&step.sql[0]);
            Ok(Recipe::default().with(rebuild(sql)))
        }
        ReindexScope::Index | ReindexScope::Table => {
            let Some(target) = &asked.action.target else {
                return Err(NoPlan::new(format!("{} is not there", asked.target_name()), ""));
            };
            let word = if scope == ReindexScope::Index { "INDEX" } else { "TABLE" };
            let mut step = rebuild(format!("REINDEX {word} CONCURRENTLY {}", target.qualified()));
            if scope == ReindexScope::Index {
                let left = quote_qualified(&target.schema, &format!("{}_ccnew", target.name));
                step = step.leftover(
                    proof::has_invalid_index(&left),
                    drop_index(&target.schema, &format!("{}_ccnew", target.name)),
                );
            }
            Ok(Recipe::default().with(step))
        }
    }
}

fn with_concurrently(sql: &str) -> String {
    if sql.to_ascii_uppercase().contains("CONCURRENTLY") {
        return sql.to_owned();
    }
    for word in ["SCHEMA ", "DATABASE ", "schema ", "database "] {
        if let Some(place) = sql.find(word) {
            let end = place + word.len();
            return format!("{}CONCURRENTLY {}", &sql[..end], &sql[end..]);
        }
    }
    sql.to_owned()
}

fn rebuild(sql: String) -> Step {
    Step::alone(Phase::Expand, sql)
        .lock(LockMode::ShareUpdateExclusive)
        .note(
            "builds a second index beside the first and exchanges them; nothing has to be taken back; needs room for both; an \
             interrupted run leaves invalid indexes whose names end with _ccnew or _ccold: drop them",
        )
}
