//! Soft delete: a row that is deleted stays and says since when. A view shows the others; keys ignore it, so that its values
//! can be used again. Pure, but for the door and what it asks.

#[cfg(feature = "postgres")]
pub mod api;
#[cfg(feature = "postgres")]
mod live;

use sqlparser::ast::{BinaryOperator, Expr};

use crate::catalog::LockMode;
use crate::catalog::surroundings::{Column, EQUALS, Index, Table};
use crate::change::plan::{Phase, Plan, Risk, Step};
use crate::change::proof;
use crate::change::words::{alter, concurrently, condition, list, with_condition};
use crate::syntax::expression::parsed;
use crate::text::identifier::{between, unused_name};
use crate::text::{dollar_quoted, quote_identifier, quote_literal, quote_qualified};

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The column.
    pub column: String,
    /// The name of the view of what is not deleted.
    pub view: String,
    /// Whether unique keys may become those of rows that are not deleted.
    pub accepts_unique: bool,
    /// Whether the table is somebody else's than whoever asks, to whom the view and its function are given.
    pub is_of_another: bool,
    /// The call as it was made.
    pub asked: String,
}

/// Why there is no way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Whether it only has to be accepted.
    pub is_to_be_accepted: bool,
    /// What is wrong.
    pub message: String,
    /// More of it.
    pub detail: String,
    /// What to do instead.
    pub hint: String,
}

/// Unique constraints and indexes that are to ignore deleted rows. A primary key names a row, deleted or not.
fn unique<'a>(table: &'a Table, column: &str) -> impl Iterator<Item = &'a Index> {
    table
        .indexes
        .iter()
        .filter(|index| index.is_unique && index.constraint_kind != Some('p'))
        .filter(move |index| !is_of_live_rows(index, column))
}

/// Whether an index is one of rows that are not deleted already: its condition says so, perhaps AND something else.
fn is_of_live_rows(index: &Index, column: &str) -> bool {
    let condition = condition(&index.tail);
    condition.is_some_and(|condition| says_is_null(condition, column))
}

/// Whether a condition, as the server writes it, holds for no row in which the column is not NULL.
fn says_is_null(condition: &str, column: &str) -> bool {
    fn holds(expression: &Expr, column: &str) -> bool {
        match expression {
            Expr::Nested(inner) => holds(inner, column),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                holds(left, column) || holds(right, column)
            }
            Expr::IsNull(inner) => matches!(&**inner, Expr::Identifier(name) if name.value == column),
            _ => false,
        }
    }
    parsed(condition).is_some_and(|expression| holds(&expression, column))
}

fn primary_key(table: &Table) -> Option<&Vec<String>> {
    table
        .indexes
        .iter()
        .find(|index| index.constraint_kind == Some('p'))
        .and_then(|index| index.columns.as_ref())
}

/// Why the table cannot have it as is wished; `None` where it can.
pub fn refusal(table: &Table, wish: &Wish) -> Option<Refused> {
    let name = table.qualified();
    let no = |message: String, hint: &str| {
        Some(Refused { is_to_be_accepted: false, message, detail: String::new(), hint: hint.to_owned() })
    };
    if table.kind != 'r' {
        return no(format!("{name} is not a plain table"), "");
    }
    if table.is_partition {
        return no(format!("{name} is a partition"), "");
    }
    if table.extension {
        return no(format!("{name} belongs to an extension"), "");
    }
    if table.persistence == 't' {
        return no(format!("{name} is a temporary table, which no plan reaches"), "");
    }
    if let Some(child) = table.partitions.first() {
        return no(format!("{} inherits from {name}, and no key is one of both", child.name), "");
    }
    if primary_key(table).is_none() {
        return no(
            format!("{name} has no primary key by which a row could be named"),
            "ALTER TABLE … ADD PRIMARY KEY first.",
        );
    }
    if let Some(there) = table.column(&wish.column)
        && (there.type_name != "timestamp with time zone" || there.is_not_null)
    {
        return no(
            format!(
                "{} of {name} is there and is no timestamp with time zone that may be NULL",
                quote_identifier(&there.name)
            ),
            "Choose another name, or change it first.",
        );
    }
    if let Some(there) = table.column(&wish.column)
        && (there.is_generated || there.has_default)
    {
        return no(
            format!(
                "{} of {name} is there and is not NULL by itself in a new row",
                quote_identifier(&there.name)
            ),
            "Choose another name, or ALTER COLUMN … DROP DEFAULT or DROP EXPRESSION first.",
        );
    }
    if let Some(index) =
        table.indexes.iter().find(|index| index.is_exclusion && !is_of_live_rows(index, &wish.column))
    {
        return Some(Refused {
            is_to_be_accepted: false,
            message: format!(
                "{} of {name} would go on keeping out what is in the way of deleted rows",
                index.described()
            ),
            detail: "No exclusion constraint can be built beside writers, so the plan does not make it anew."
                .to_owned(),
            hint: format!(
                "ALTER TABLE {name}{} DROP CONSTRAINT {constraint}, ADD CONSTRAINT {constraint} … WHERE ({column} IS NULL) first, \
                 at a time when all may wait.",
                match table.column(&wish.column) {
                    Some(_) => String::new(),
                    None =>
                        format!(" ADD COLUMN {} timestamp with time zone,", quote_identifier(&wish.column)),
                },
                constraint = quote_identifier(index.constraint.as_ref().unwrap_or(&index.name)),
                column = quote_identifier(&wish.column)
            ),
        });
    }
    if table.taken.contains(&wish.view) {
        return no(
            format!("{} is there already", quote_qualified(&table.schema, &wish.view)),
            "Choose another name for the view.",
        );
    }
    for index in unique(table, &wish.column) {
        let is_pointed_to = index.columns.as_ref().is_some_and(|columns| {
            table.incoming.iter().any(|incoming| same(&incoming.referenced_columns, columns))
        });
        if is_pointed_to {
            return no(
                format!(
                    "foreign keys point to {} of {name}, which has to hold deleted rows too",
                    index.described()
                ),
                "Let them point to the primary key first.",
            );
        }
        if !index.is_valid || index.is_replica_identity || index.is_deferrable {
            return no(
                format!("{} of {name} is not valid, deferrable or the replica identity", index.described()),
                "Make it a plain unique index first.",
            );
        }
        if !index.needed_by.is_empty() {
            return no(
                format!("view {} groups by {} of {name}", index.needed_by.join(", "), index.described()),
                "",
            );
        }
    }
    let gains: Vec<String> = unique(table, &wish.column).map(Index::described).collect();
    if !wish.accepts_unique && !gains.is_empty() {
        return Some(Refused {
            is_to_be_accepted: true,
            message: format!("unique keys of {name} become those of rows that are not deleted"),
            detail: format!(
                "{} become partial: ON CONFLICT needs WHERE {} IS NULL, and no foreign key can point to them.",
                gains.join(", "),
                quote_identifier(&wish.column)
            ),
            hint: "If that is meant: accept => '{unique}'.".to_owned(),
        });
    }
    None
}

fn same(one: &[String], other: &[String]) -> bool {
    one.len() == other.len() && one.iter().all(|column| other.contains(column))
}

/// The plan. What has to be refused was refused before.
pub fn plan(table: &Table, wish: &Wish) -> Plan {
    let name = table.qualified();
    let column = quote_identifier(&wish.column);
    let is_taken = |name: &str| table.is_taken(name);
    let mut steps = Vec::new();
    if table.column(&wish.column).is_none() {
        steps.push(
            Step::new(Phase::Expand, alter(&name, &format!("ADD COLUMN {column} timestamp with time zone")))
                .lock(LockMode::AccessExclusive)
                .undo(alter(&name, &format!("DROP COLUMN IF EXISTS {column}")))
                .verify(proof::has_column(&name, &wish.column))
                .note("no row is read or written; the way back forgets which rows were deleted"),
        );
    }
    let index = unused_name(&[&table.name, &wish.column, "idx"], is_taken);
    steps.push(concurrently(
        &table.schema,
        &name,
        &index,
        false,
        &format!("({column}) WHERE {column} IS NOT NULL"),
    ));
    for index in unique(table, &wish.column) {
        steps.extend(partial(table, index, &column));
    }
    steps.push(view(table, wish));
    Plan {
        title: format!("let deleted rows of {name} stay"),
        change: wish.asked.clone(),
        risk: Risk::Medium,
        requires: requires(table, wish),
        seconds: Some(((table.bytes as f64 / 1e9).max(0.5), (table.bytes as f64 / 2e7).max(5.0))),
        search_path: String::new(),
        steps,
        verify: vec![proof::is_view(&quote_qualified(&table.schema, &wish.view))],
    }
}

/// A unique index of the rows that are not deleted takes the place of one of all rows.
fn partial(table: &Table, index: &Index, column: &str) -> Vec<Step> {
    let name = table.qualified();
    let Some(tail) = with_condition(&index.tail, &format!("({column} IS NULL)")) else { return Vec::new() };
    let new = between(&index.name, "live", |name| table.is_taken(name));
    let (old, own) = (index.qualified(), quote_qualified(&table.schema, &new));
    // As the server writes what was added to its condition.
    let (whole, end) = (format!("({column} IS NULL)"), format!(" AND ({column} IS NULL))"));
    let is_partial = format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_index, pg_catalog.pg_get_expr(indpred, indrelid) AS condition \
         WHERE indexrelid = pg_catalog.to_regclass({}) AND indisvalid \
         AND (condition = {} OR pg_catalog.right(condition, {}) = {}))",
        quote_literal(&old),
        quote_literal(&whole),
        end.chars().count(),
        quote_literal(&end)
    );
    let build = concurrently(&table.schema, &name, &new, true, &tail)
        .verify(format!("SELECT ({}) OR ({is_partial})", proof::has_valid_index(&own)));
    let again = between(&index.name, "undo", |name| table.is_taken(name));
    let again_own = quote_qualified(&table.schema, &again);
    let (drop, back) = match &index.constraint {
        Some(constraint) => (
            alter(&name, &format!("DROP CONSTRAINT {}", quote_identifier(constraint))),
            alter(
                &name,
                &format!(
                    "ADD CONSTRAINT {} UNIQUE USING INDEX {}",
                    quote_identifier(constraint),
                    quote_identifier(&again)
                ),
            ),
        ),
        None => (
            format!("DROP INDEX {old}"),
            format!("ALTER INDEX {again_own} RENAME TO {}", quote_identifier(&index.name)),
        ),
    };
    let exchange = Step::new(Phase::Switch, drop)
        .and(format!("ALTER INDEX {own} RENAME TO {}", quote_identifier(&index.name)))
        .lock(LockMode::AccessExclusive)
        .undo(format!("DROP INDEX CONCURRENTLY IF EXISTS {again_own}"))
        .undo(format!(
            "CREATE UNIQUE INDEX CONCURRENTLY {} ON {name} {}",
            quote_identifier(&again),
            index.tail
        ))
        .undo(format!("ALTER INDEX {old} RENAME TO {};\n{back}", quote_identifier(&new)))
        .verify(is_partial)
        .note("no row is read; the way back fails where a value is there twice, once deleted");
    vec![build, exchange]
}

/// The view of what is not deleted: what is deleted from it stays in the table.
fn view(table: &Table, wish: &Wish) -> Step {
    let name = table.qualified();
    let column = quote_identifier(&wish.column);
    let own = quote_qualified(&table.schema, &wish.view);
    let function = unused_name(&[&wish.view, "delete"], |name| table.is_taken(name));
    let function = quote_qualified(&table.schema, &function);
    let columns: Vec<String> =
        table.columns.iter().map(|column| column.name.clone()).filter(|name| *name != wish.column).collect();
    let key: Vec<String> = primary_key(table)
        .map(|key| {
            key.iter()
                .map(|name| {
                    // That of the type, qualified: in whatever search_path it is deleted.
                    let equals = table.column(name).map_or(EQUALS, Column::equals_anywhere);
                    format!("dbm_row.{0} {equals} OLD.{0}", quote_identifier(name))
                })
                .collect()
        })
        .unwrap_or_default();
    let row = |of: &str| {
        let columns: Vec<String> =
            columns.iter().map(|column| format!("{of}.{}", quote_identifier(column))).collect();
        format!("ROW({})", columns.join(", "))
    };
    // Triggers of the table look names up in it as they do when a row is deleted there: the function has no search_path of its own.
    // A DELETE of a table waits for who changes the row and looks again whether it is still meant. What was meant is not known
    // here: a row that is not as it was seen is not taken for it. By its image, since not every type has an equality.
    let key = key.join(" AND ");
    let body = format!(
        "\nBEGIN\n  UPDATE {name} AS dbm_row SET {column} = pg_catalog.clock_timestamp()\n    \
         WHERE {key} AND dbm_row.{column} IS NULL\n      \
         AND pg_catalog.record_image_eq({}, {});\n  \
         IF FOUND THEN RETURN OLD; END IF;\n  \
         PERFORM FROM {name} AS dbm_row WHERE {key} AND dbm_row.{column} IS NULL FOR KEY SHARE;\n  \
         IF FOUND THEN\n    \
         RAISE EXCEPTION USING ERRCODE = 'serialization_failure', MESSAGE = {},\n      \
         DETAIL = 'Another transaction has changed it since it was read.', HINT = 'Delete it again.';\n  END IF;\n  RETURN NULL;\nEND\n",
        row("dbm_row"),
        row("OLD"),
        quote_literal(&format!("a row of {name} is not the one that was to be deleted"))
    );
    let step = Step::new(
        Phase::Switch,
        format!(
            "CREATE VIEW {own} WITH (security_invoker = true) AS SELECT {} FROM {name} WHERE {column} IS NULL",
            list(&columns)
        ),
    )
    .and(format!(
        "CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS {}",
        dollar_quoted(&body)
    ))
    .and(format!(
        "CREATE TRIGGER soft_delete INSTEAD OF DELETE ON {own} FOR EACH ROW EXECUTE FUNCTION {function}()"
    ))
    .and(format!(
        "COMMENT ON VIEW {own} IS {}",
        quote_literal(&format!("Rows of {} that are not deleted. DELETE marks a row as deleted.", table.name))
    ));
    let step = if wish.is_of_another {
        step.and(format!("ALTER VIEW {own} OWNER TO {}", table.owner))
            .and(format!("ALTER FUNCTION {function}() OWNER TO {}", table.owner))
    } else {
        step
    };
    step.undo(format!("DROP VIEW IF EXISTS {own};\nDROP FUNCTION IF EXISTS {function}()"))
        .verify(proof::is_view(&own))
        .note("who uses it needs rights on the table too; INSERT and UPDATE go through it as to the table")
}

fn requires(table: &Table, wish: &Wish) -> Vec<String> {
    let (name, column) = (table.qualified(), quote_identifier(&wish.column));
    let mut requires = vec![format!(
        "the application reads and deletes through {}, or says {column} IS NULL itself; DELETE FROM {name} goes on deleting for good",
        quote_qualified(&table.schema, &wish.view)
    )];
    let users: Vec<&str> = table.grants.iter().map(|grant| &*grant.name).collect();
    if !users.is_empty() {
        requires.push(format!(
            "who uses the view is granted it, and UPDATE ({column}) on {name} where he deletes: {} have rights on {name} and none on the view",
            users.join(", ")
        ));
    }
    for incoming in &table.incoming {
        requires.push(format!(
            "{} points to {name} by {}: its rows stay, and go on pointing to rows that are deleted",
            incoming.table_name,
            quote_identifier(&incoming.name)
        ));
    }
    for view in &table.views {
        requires.push(format!("{} goes on showing deleted rows", view.name));
    }
    requires
}

#[cfg(test)]
mod tests;
