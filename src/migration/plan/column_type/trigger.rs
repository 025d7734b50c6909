//! The trigger that keeps one column like another, and its function. Both lie in the table's schema and need nothing of
//! ours, so that a dump taken meanwhile can be restored anywhere.

use super::Change;
use crate::catalog::LockMode;
use crate::catalog::ddl::TableShape;
use crate::change::plan::{Phase, Step};
use crate::migration::plan::asked::Asked;
use crate::migration::plan::proof;
use crate::migration::plan::words::dollar_quoted;
use crate::text::{quote_identifier, quote_qualified};

/// A function and the trigger that calls it.
#[derive(Clone, Debug)]
pub struct Keeper {
    /// The function, quoted and qualified.
    pub function: String,
    /// The trigger's name.
    pub trigger: String,
}

/// Their names. Triggers fire in the order of their names: this one comes last and sees what the others made of a row.
pub fn names(asked: &Asked<'_>, table: &TableShape, column: &str, purpose: &str) -> Keeper {
    let function = asked.between(table, &format!("{}_{column}", table.name), purpose);
    let mut trigger = format!("zz_{function}");
    if trigger.len() > crate::text::identifier::MAXIMUM_BYTES {
        trigger = crate::text::truncate_identifier(&trigger).to_owned();
    }
    Keeper { function: quote_qualified(&table.schema, &function), trigger }
}

/// `CREATE OR REPLACE FUNCTION` with this body.
pub fn function(asked: &Asked<'_>, keeper: &Keeper, declaration: &str, body: &str) -> String {
    let path = &asked.around.search_path;
    let path = if path.is_empty() { "''" } else { path };
    let text = format!("\n#variable_conflict use_column\n{declaration}BEGIN\n{body}\n  RETURN NEW;\nEND\n");
    format!(
        "CREATE OR REPLACE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql SET search_path TO {path} AS {}",
        keeper.function,
        dollar_quoted(&text)
    )
}

/// `CREATE TRIGGER`.
pub fn trigger(table: &str, keeper: &Keeper) -> String {
    format!(
        "CREATE TRIGGER {} BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {}()",
        quote_identifier(&keeper.trigger),
        keeper.function
    )
}

/// Removes both.
pub fn drop(table: &str, keeper: &Keeper) -> String {
    format!(
        "DROP TRIGGER IF EXISTS {} ON {table};\nDROP FUNCTION IF EXISTS {}()",
        quote_identifier(&keeper.trigger),
        keeper.function
    )
}

/// Function and trigger as a step.
pub fn create(asked: &Asked<'_>, table: &TableShape, keeper: &Keeper, body: &str) -> Step {
    let qualified = table.qualified();
    Step::new(Phase::Sync, function(asked, keeper, "", body))
        .and(trigger(&qualified, keeper))
        .lock(LockMode::ShareRowExclusive)
        .undo(drop(&qualified, keeper))
        .verify(proof::has_trigger(&qualified, &keeper.trigger))
        .note(
            "writes the column with every INSERT and UPDATE; session_replication_role = replica goes past it",
        )
}

/// From the first column to the second.
pub fn forward(change: &Change<'_>) -> String {
    let new = quote_identifier(&change.new);
    let name = quote_identifier(&change.column.name);
    if change.value == name {
        // An assignment converts as ALTER COLUMN TYPE does: what is too long is refused, not cut.
        return format!("  NEW.{new} := NEW.{name};");
    }
    format!(
        "  NEW.{new} := (SELECT {} FROM (SELECT NEW.*) AS {});",
        change.value,
        quote_identifier(&change.table.name)
    )
}

/// From the new column, which has the name now, back to the first: declaration and body. What does not fit is NULL there,
/// by which the way back sees that it is closed.
pub fn backward(change: &Change<'_>) -> (String, String) {
    let name = quote_identifier(&change.column.name);
    let old = quote_identifier(&change.old);
    if !change.is_reversible {
        let differs = if super::has_equality(&change.to) {
            format!("NEW.{name} IS DISTINCT FROM OLD.{name}")
        } else {
            format!("NEW.{name}::text IS DISTINCT FROM OLD.{name}::text")
        };
        return (
            String::new(),
            format!("  IF TG_OP = 'INSERT' OR {differs} THEN\n    NEW.{old} := NULL;\n  END IF;"),
        );
    }
    (
        format!("DECLARE\n  dbm_back {}{};\n", change.to, change.collation),
        format!(
            "  BEGIN\n    NEW.{old} := NEW.{name};\n    dbm_back := NEW.{old};\n    IF dbm_back IS DISTINCT FROM NEW.{name} THEN\n      \
             NEW.{old} := NULL;\n    END IF;\n  EXCEPTION WHEN data_exception THEN\n    NEW.{old} := NULL;\n  END;"
        ),
    )
}
