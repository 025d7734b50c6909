//! What brings back something that was dropped, from the server's own definition.

use super::asked::{Asked, alter};
use super::column_text::without_not_valid;
use super::create_index::definition;
use super::unique;
use crate::catalog::ddl::{ConstraintShape, TableShape};
use crate::text::quote_identifier;

/// A definition with NOT VALID, once.
pub fn not_valid(definition: &str) -> String {
    format!("{} NOT VALID", without_not_valid(definition))
}

/// What adds a constraint of a table again without keeping writers waiting, statement by statement; empty for what
/// cannot be added so.
pub fn constraint(asked: &Asked<'_>, table: &TableShape, constraint: &ConstraintShape) -> Vec<String> {
    let qualified = table.qualified();
    let name = quote_identifier(&constraint.name);
    match constraint.kind {
        'c' | 'f' => {
            let mut sql = vec![alter(
                &constraint.table,
                &format!("ADD CONSTRAINT {name} {}", not_valid(&constraint.definition)),
            )];
            if constraint.is_valid {
                sql.push(alter(&constraint.table, &format!("VALIDATE CONSTRAINT {name}")));
            }
            sql
        }
        'p' | 'u' => table.index_of(&constraint.name).map_or_else(Vec::new, |index| {
            unique::again(table, &constraint.name, &constraint.definition, &definition(index))
        }),
        'n' => table
            .columns
            .iter()
            .find(|column| constraint.columns.contains(&column.number))
            .map_or_else(Vec::new, |column| super::not_null::again(asked, table, &column.name)),
        _ => vec![alter(&qualified, &format!("ADD CONSTRAINT {name} {}", constraint.definition))],
    }
}
