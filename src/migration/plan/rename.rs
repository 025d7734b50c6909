//! RENAME and SET SCHEMA: names change in a moment, but clients know the old one. An updatable view lends a table its old
//! name, or a column both its names, until everybody knows the new one; nothing is copied.

use super::asked::{Asked, alter, rename_column};
use super::recipe::{NoPlan, Recipe};
use super::words::words;
use super::{direct, proof};
use crate::catalog::LockMode;
use crate::catalog::ddl::{Renamed, TableShape, TouchedKind};
use crate::change::plan::{Phase, Risk, Step};
use crate::text::{quote_identifier, quote_literal, quote_qualified};

/// What the view cannot do for clients.
const LIMITS: &str = "while the view stands in, clients can read and write through it, but not TRUNCATE it, COPY into it, use \
                      ctid or name its constraints in ON CONFLICT";

/// RENAME or SET SCHEMA.
pub fn rename(asked: &Asked<'_>, facts: &Renamed) -> Result<Recipe, NoPlan> {
    match facts.kind {
        "table" => table(asked, facts),
        "column" => column(asked, facts),
        "schema" => Err(NoPlan::new(
            format!(
                "no view can lend the schema {} its old name: everything that names it fails at once",
                facts.from
            ),
            "set search_path of the clients' roles to both names first, let them drop the schema from their statements, \
             then rename it",
        )),
        _ => other(asked, facts),
    }
}

fn is_plain_table(shape: &TableShape) -> bool {
    matches!(shape.kind, TouchedKind::Table | TouchedKind::PartitionedTable)
}

/// The view `name` on `base`, with the rights that the table has.
fn view(shape: &TableShape, name: &str, base: &str, columns: &str) -> Vec<String> {
    let mut sql =
        vec![format!("CREATE VIEW {name} WITH (security_invoker = true) AS SELECT {columns} FROM {base}")];
    if !shape.owner.is_empty() {
        sql.push(format!("ALTER VIEW {name} OWNER TO {}", shape.owner));
    }
    let option = |is_grantable: bool| if is_grantable { " WITH GRANT OPTION" } else { "" };
    for (what, whom, is_grantable) in &shape.privileges {
        sql.push(format!("GRANT {what} ON {name} TO {whom}{}", option(*is_grantable)));
    }
    for column in &shape.columns {
        for (what, whom, is_grantable) in &column.privileges {
            let what = on_column(what, &column.name);
            sql.push(format!("GRANT {what} ON {name} TO {whom}{}", option(*is_grantable)));
        }
    }
    sql
}

/// `SELECT (a), UPDATE (a)`
fn on_column(what: &str, column: &str) -> String {
    let column = quote_identifier(column);
    what.split(", ").map(|one| format!("{one} ({column})")).collect::<Vec<_>>().join(", ")
}

fn steps_of(phase: Phase, sql: Vec<String>) -> Step {
    let mut statements = sql.into_iter();
    let first = statements.next().unwrap_or_default();
    statements.fold(Step::new(phase, first), Step::and).lock(LockMode::AccessExclusive)
}

fn deploy(what: &str) -> Step {
    Step::by_hand(Phase::Switch, format!("{what}; confirm when nobody uses the old name any more"))
}

fn table(asked: &Asked<'_>, facts: &Renamed) -> Result<Recipe, NoPlan> {
    let shape = asked.table()?;
    if !is_plain_table(shape) {
        return other(asked, facts);
    }
    let old = shape.qualified();
    let (clause, back, new) = if facts.is_moved {
        let new = format!("{}.{}", facts.to, quote_identifier(&shape.name));
        (format!("SET SCHEMA {}", facts.to), format!("SET SCHEMA {}", quote_identifier(&shape.schema)), new)
    } else {
        let new = format!("{}.{}", quote_identifier(&shape.schema), facts.to);
        (format!("RENAME TO {}", facts.to), format!("RENAME TO {}", quote_identifier(&shape.name)), new)
    };
    let columns: Vec<String> = shape.columns.iter().map(|column| quote_identifier(&column.name)).collect();
    let lent = view(shape, &old, &new, &columns.join(", "));
    let mut expand = vec![alter(&old, &clause)];
    expand.extend(lent.clone());
    Ok(Recipe::default()
        .risk(Risk::Medium)
        .requires(LIMITS)
        .with(
            steps_of(Phase::Expand, expand)
                .undo(format!("DROP VIEW {old};\n{}", alter(&new, &back)))
                .verify(proof::is_view(&old))
                .note(format!("both in one moment: {old} becomes a view of {new}")),
        )
        .with(deploy(&format!("let the application use {new} instead of {old}{}", breaking(facts))))
        .with(
            Step::new(Phase::Contract, format!("DROP VIEW {old}"))
                .lock(LockMode::AccessExclusive)
                .undo(lent.join(";\n"))
                .verify(proof::lacks_relation(&old)),
        )
        .holds(proof::is_table(&new))
        .holds(proof::lacks_relation(&old)))
}

fn breaking(facts: &Renamed) -> String {
    if facts.dependents.is_empty() {
        return String::new();
    }
    let names: Vec<String> =
        facts.dependents.iter().map(|dependent| format!("{} {}", dependent.kind, dependent.name)).collect();
    format!(", and change what has the name in its text: {}", names.join(", "))
}

fn column(asked: &Asked<'_>, facts: &Renamed) -> Result<Recipe, NoPlan> {
    let shape = asked.table()?;
    if !is_plain_table(shape) {
        return other(asked, facts);
    }
    let Some(column) = shape.column(&facts.from) else {
        return Err(NoPlan::new(format!("{} has no column {}", shape.qualified(), facts.from), ""));
    };
    let to = facts.to.clone();
    let name = shape.qualified();
    let between = asked.between(shape, &shape.name, "table");
    let base = quote_qualified(&shape.schema, &between);
    let mut columns: Vec<String> = shape
        .columns
        .iter()
        .map(|other| quote_identifier(if other.name == column.name { &to } else { &other.name }))
        .collect();
    columns.push(format!("{} AS {}", quote_identifier(&to), quote_identifier(&column.name)));
    let mut renamed = shape.clone();
    for other in renamed.columns.iter_mut().filter(|other| other.name == column.name) {
        other.name = to.clone();
    }
    let mut lent = view(&renamed, &name, &base, &columns.join(", "));
    for (what, whom, _) in &column.privileges {
        lent.push(format!("GRANT {} ON {name} TO {whom}", on_column(what, &column.name)));
    }
    let away = alter(&name, &format!("RENAME TO {}", quote_identifier(&between)));
    let home = alter(&base, &format!("RENAME TO {}", quote_identifier(&shape.name)));
    let mut expand = vec![away.clone(), rename_column(&base, &column.name, &to)];
    expand.extend(lent.clone());
    let has_new = proof::has_column(&name, &to);
    Ok(Recipe::default()
        .risk(Risk::Medium)
        .requires(LIMITS)
        .with(
            steps_of(Phase::Expand, expand)
                .undo(format!(
                    "DROP VIEW {name};\n{};\n{home}",
                    rename_column(&base, &to, &column.name)
                ))
                .verify(proof::is_view(&name))
                .note(format!(
                    "all in one moment: {name} becomes a view in which the column has both names; a statement may write one of \
                     them, not both; DDL on {name} has to wait until the view is gone"
                )),
        )
        .with(deploy(&format!(
            "let the application use {} instead of {}{}",
            quote_identifier(&to),
            quote_identifier(&column.name),
            breaking(facts)
        )))
        .with(
            Step::new(Phase::Contract, format!("DROP VIEW {name}"))
                .and(home)
                .lock(LockMode::AccessExclusive)
                .undo(std::iter::once(away).chain(lent).collect::<Vec<_>>().join(";\n"))
                .verify(proof::is_table(&name))
                .note("views and functions that were made on the view meanwhile make this fail: drop them first"),
        )
        .holds(proof::is_table(&name))
        .holds(has_new))
}

/// Indexes, constraints, sequences, triggers, enum values …: nobody has them in statements, or nothing can stand in.
fn other(asked: &Asked<'_>, facts: &Renamed) -> Result<Recipe, NoPlan> {
    let mut step = direct::whole(asked)?;
    step.undo.extend(asked.back().map(|back| back.undo));
    step = direct::honest(step);
    if matches!(facts.kind, "view" | "materialized view") {
        step.note = "clients that have the old name fail from here on".to_owned();
    }
    Ok(Recipe::step(step))
}

/// ALTER TYPE … RENAME VALUE.
pub fn enum_value(asked: &Asked<'_>, facts: &Renamed) -> Result<Recipe, NoPlan> {
    let target = words(&asked.statement.text);
    let Some(from) = target.iter().position(|token| token.is("TYPE")).map(|place| place + 1) else {
        return Ok(Recipe::step(direct::whole(asked)?));
    };
    let length = super::words::qualified_length(&target, from);
    let type_name =
        super::words::span(&asked.statement.text, &target[from..(from + length).min(target.len())]);
    let (old, new) = (facts.from.clone(), facts.to.trim_matches('"').trim_matches('\'').to_owned());
    Ok(Recipe::default()
        .risk(Risk::Medium)
        .with(Step::by_hand(
            Phase::Prepare,
            format!(
                "let the application understand both {} and {}",
                quote_literal(&old),
                quote_literal(&new)
            ),
        ))
        .with_lasting(
            direct::whole(asked)?
                .undo(format!(
                    "ALTER TYPE {type_name} RENAME VALUE {} TO {}",
                    quote_literal(&new),
                    quote_literal(&old)
                ))
                .verify(proof::has_value(type_name, &new))
                .note(
                    "every row that has the value has the new word at once; statements with the old one fail",
                ),
        ))
}
