//! A new partitioned table as a plan: the table, its indexes, its first partitions, and their upkeep.

#[cfg(feature = "postgres")]
pub mod api;
#[cfg(feature = "postgres")]
mod live;
mod table;

use super::epoch;
use super::every;
use super::grid::{Grid, MONDAY, default_origin};
use super::key::{KeyKind, Position, Range};
use super::line;
use super::manage;
use super::name::name;
use super::refusal::Refusal;
use super::set::{Every, NameStyle};
use super::zone::Zone;
use crate::catalog::LockMode;
use crate::catalog::ddl::{ColumnShape, TableShape};
use crate::change::plan::{Phase, Plan, Risk, Step};
use crate::text::{quote_identifier, quote_literal};

/// How many partitions are created in one transaction, with one lock each or more.
const PARTITIONS_A_STEP: usize = 500;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The table as its definition would make it without partitions.
    pub table: TableShape,
    /// The column by which it is to be cut.
    pub key: String,
    /// How wide a partition is to be.
    pub every: String,
    /// What an integer key counts that tells the time.
    pub epoch: Option<String>,
    /// How many partitions are to be there after that of now.
    pub premake: i32,
    /// Months, days and microseconds after which a partition goes.
    pub retention: Option<(i32, i32, i64)>,
    /// The zone in which it is cut, as the server writes its name; `None`: nobody said.
    pub time_zone: Option<String>,
    /// The change in the words of the caller.
    pub change: String,
}

/// The plan.
pub fn plan(asked: &Asked, now: i64, zone: &dyn Zone) -> Result<Plan, Refusal> {
    let column = key_column(&asked.table, &asked.key)?;
    let kind = kind(column, asked.epoch.as_deref())?;
    let every = every::parse(&asked.every, kind)?;
    let table = asked.table.qualified();
    let premake = manage::premake(asked.premake)?;
    if let Some(span) = asked.retention {
        manage::retention_span(span, kind, &table)?;
    }
    let quoted = quote_literal(&table);
    let (statements, remarks) = table::statements(&asked.table, column, kind, every)?;

    let mut steps = vec![Step {
        sql: statements,
        ..Step::new(Phase::Expand, "")
            .undo(format!("DROP TABLE IF EXISTS {table}"))
            .verify(format!("SELECT pg_catalog.to_regclass({quoted}) IS NOT NULL"))
            .note(remarks.join("; "))
    }];
    steps.extend(first_partitions(asked, premake, kind, every, now, zone));
    let step = Step::new(Phase::Switch, manage(asked, &quoted, every))
        .undo(format!("SELECT dbm.partition_unmanage({quoted}::pg_catalog.regclass)"))
        .verify(format!(
            "SELECT EXISTS (SELECT FROM dbm.partition_set WHERE parent OPERATOR(pg_catalog.=) \
             pg_catalog.to_regclass({quoted}))"
        ))
        .note("partitions are created ahead from now on by dbm.partition_maintain() and the worker");
    steps.push(step);

    Ok(Plan {
        title: format!("create {table}, a partition every {}", every::render(every)),
        change: asked.change.clone(),
        risk: Risk::Low,
        requires: vec![format!("the right to create in schema {}", quote_identifier(&asked.table.schema))],
        seconds: None,
        search_path: String::new(),
        steps,
        verify: vec![format!(
            "SELECT pg_catalog.count(*) OPERATOR(pg_catalog.>) 0 FROM pg_catalog.pg_inherits \
             WHERE inhparent OPERATOR(pg_catalog.=) pg_catalog.to_regclass({quoted})"
        )],
    })
}

fn key_column<'table>(table: &'table TableShape, key: &str) -> Result<&'table ColumnShape, Refusal> {
    let names: Vec<String> = table.columns.iter().map(|column| quote_identifier(&column.name)).collect();
    let column = table.column(key).ok_or_else(|| {
        Refusal::new(
            format!("table {} has no column \"{key}\" to be partitioned by", table.qualified()),
            format!("Its columns are {}.", names.join(", ")),
        )
    })?;
    if column.generated.is_some() {
        return Err(Refusal::new(
            format!("column \"{key}\" is generated, and a partition key cannot be"),
            "Name a column that the application or a default writes.",
        ));
    }
    Ok(column)
}

/// What the values of the key are.
fn kind(column: &ColumnShape, epoch: Option<&str>) -> Result<KeyKind, Refusal> {
    let name = &column.name;
    let kind = KeyKind::of_name(&column.type_name).ok_or_else(|| {
        Refusal::new(
            format!("column \"{name}\" of type {} cannot be cut into ranges by upkeep", column.type_name),
            "The key may be a date, a timestamp, an integer, a uuid of version 7 or a ULID.",
        )
    })?;
    let is_byte_order = column.collation.as_deref().is_some_and(|collation| collation.contains("\"C\""));
    if kind == KeyKind::Ulid && !is_byte_order {
        return Err(Refusal::new(
            format!(
                "column \"{name}\" is text that does not sort by its bytes, so that its ULIDs cannot be cut"
            ),
            format!("Declare it as: {} text COLLATE \"C\" NOT NULL.", quote_identifier(name)),
        ));
    }
    let Some(epoch) = epoch else { return Ok(kind) };
    epoch::kind(kind, epoch, &format!("column \"{name}\""), &column.type_name)
}

/// From that of now on, so many in one transaction that all their locks find room; nobody uses the table yet, so that
/// PARTITION OF locks nobody out.
fn first_partitions(
    asked: &Asked,
    premake: u32,
    kind: KeyKind,
    every: Every,
    now: i64,
    zone: &dyn Zone,
) -> Vec<Step> {
    let grid = Grid::new(kind, every, default_origin(kind, every, MONDAY, zone), zone);
    let start: Position = line::position_of_moment(kind, now, zone).unwrap_or(0);
    let ranges: Vec<Range> = grid.ranges(start, line::ends(kind).1).take(premake as usize + 1).collect();
    let parent = &asked.table;
    let mut taken = parent.taken.clone();
    let mut steps = Vec::new();
    for (place, ranges) in ranges.chunks(PARTITIONS_A_STEP).enumerate() {
        let mut step = Step::new(Phase::Expand, "");
        step.sql.clear();
        let mut last = String::new();
        for range in ranges {
            let name = name(&parent.name, range, &grid, NameStyle::House, &|name| {
                taken.contains(name) && name != parent.name
            });
            let partition = crate::text::quote_qualified(&parent.schema, &name);
            let bounds = line::bounds(kind, range, 1);
            step = step
                .and(format!(
                    "CREATE TABLE {partition} PARTITION OF {} FOR VALUES {bounds}",
                    parent.qualified()
                ))
                .undo(format!("DROP TABLE IF EXISTS {partition}"));
            taken.insert(name);
            last = partition;
        }
        let which = match (place, kind.is_time()) {
            (0, true) => "that of now and those after it",
            (0, false) => "the first and those after it",
            _ => "the next",
        };
        steps.push(
            step.lock(LockMode::AccessExclusive)
                .verify(format!("SELECT pg_catalog.to_regclass({}) IS NOT NULL", quote_literal(&last)))
                .note(format!("{which}; locks the new table, which nobody uses yet")),
        );
    }
    steps
}

/// An interval as the server reads it in every session.
fn interval_text((months, days, microseconds): (i32, i32, i64)) -> String {
    let parts = [(i64::from(months), "months"), (i64::from(days), "days"), (microseconds, "microseconds")];
    let written: Vec<String> = parts
        .into_iter()
        .filter(|(number, _)| *number != 0)
        .map(|(number, unit)| format!("{number} {unit}"))
        .collect();
    written.join(" ")
}

/// The call that has the table kept.
fn manage(asked: &Asked, quoted: &str, every: Every) -> String {
    let mut arguments = vec![
        format!("{quoted}::pg_catalog.regclass"),
        quote_literal(&every::render(every)),
        format!("premake => {}", asked.premake),
    ];
    let retention = asked.retention.map(interval_text);
    let texts = [("retention", &retention), ("time_zone", &asked.time_zone), ("epoch", &asked.epoch)];
    for (name, value) in texts {
        if let Some(value) = value {
            arguments.push(format!("{name} => {}", quote_literal(value)));
        }
    }
    format!("SELECT dbm.partition_manage({})", arguments.join(", "))
}

#[cfg(test)]
mod tests;
