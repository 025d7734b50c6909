//! The statements that create the table: its columns and constraints as the definition has them, with the key where the
//! server wants it.

use crate::catalog::ddl::{ColumnShape, ConstraintShape, IndexShape, TableShape};
use crate::partition::key::KeyKind;
use crate::partition::refusal::Refusal;
use crate::partition::set::Every;
use crate::text::{quote_identifier, quote_literal};

/// CREATE TABLE and what belongs to it, and what people should know of it.
pub fn statements(
    table: &TableShape,
    key: &ColumnShape,
    kind: KeyKind,
    every: Every,
) -> Result<(Vec<String>, Vec<String>), Refusal> {
    let mut remarks = Vec::new();
    let mut parts: Vec<String> =
        table.columns.iter().map(|shape| column(shape, shape.name == key.name, &mut remarks)).collect();
    for shape in &table.constraints {
        parts.extend(constraint(table, shape, key, &mut remarks)?);
    }
    let qualified = table.qualified();
    let key_name = quote_identifier(&key.name);
    let mut statements = vec![format!(
        "CREATE TABLE {qualified} (\n    {}\n) PARTITION BY RANGE ({key_name})",
        parts.join(",\n    ")
    )];
    for index in table.indexes.iter().filter(|index| index.constraint.is_none()) {
        refuse_without_key(index.is_unique, &index.columns, key, &format!("unique index {}", index.name))?;
        statements.push(index.definition.clone());
    }
    statements.extend(key_index(table, key, kind, every, &mut remarks));
    for column in &table.columns {
        if let Some(comment) = &column.comment {
            let column = quote_identifier(&column.name);
            statements.push(format!("COMMENT ON COLUMN {qualified}.{column} IS {}", quote_literal(comment)));
        }
    }
    if table.primary_key().is_none() {
        remarks.push("the table has no primary key".to_owned());
    }
    if kind == KeyKind::UuidV7 {
        remarks.push(format!(
            "{key_name} has to hold uuids of version 7 only: others lie anywhere and find no partition"
        ));
    }
    Ok((statements, remarks))
}

fn column(shape: &ColumnShape, is_key: bool, remarks: &mut Vec<String>) -> String {
    let mut text = format!("{} {}", quote_identifier(&shape.name), shape.type_name);
    if let Some(collation) = &shape.collation {
        text.push_str(&format!(" COLLATE {collation}"));
    }
    if shape.is_not_null || is_key {
        text.push_str(" NOT NULL");
    }
    if is_key && !shape.is_not_null {
        remarks.push(format!(
            "{} is made NOT NULL: a NULL would find no partition",
            quote_identifier(&shape.name)
        ));
    }
    if let Some(expression) = &shape.generated {
        let kept = if shape.is_generated_stored { "STORED" } else { "VIRTUAL" };
        text.push_str(&format!(" GENERATED ALWAYS AS ({expression}) {kept}"));
    } else if let Some(sequence) = &shape.sequence {
        let how = sequence.identity.as_deref().unwrap_or("BY DEFAULT");
        text.push_str(&format!(" GENERATED {how} AS IDENTITY ({})", sequence.options));
        if sequence.identity.is_none() {
            remarks.push(format!(
                "{} becomes an identity column in place of serial",
                quote_identifier(&shape.name)
            ));
        }
        if !shape.is_not_null && !is_key {
            text.push_str(" NOT NULL");
        }
    } else if let Some(default) = &shape.default {
        text.push_str(&format!(" DEFAULT {default}"));
    }
    text
}

/// A constraint in CREATE TABLE; `None` for NOT NULL, which stands at the column.
fn constraint(
    table: &TableShape,
    shape: &ConstraintShape,
    key: &ColumnShape,
    remarks: &mut Vec<String>,
) -> Result<Option<String>, Refusal> {
    let name = quote_identifier(&shape.name);
    match shape.kind {
        'c' | 'f' => Ok(Some(format!("CONSTRAINT {name} {}", shape.definition))),
        'p' => {
            let mut columns: Vec<String> = shape
                .columns
                .iter()
                .filter_map(|number| table.columns.iter().find(|column| column.number == *number))
                .map(|column| quote_identifier(&column.name))
                .collect();
            if !shape.columns.contains(&key.number) {
                let key = quote_identifier(&key.name);
                remarks.push(format!(
                    "{key} was added to the primary key, which has to contain it: {} alone can come twice",
                    columns.join(", ")
                ));
                columns.push(key);
            }
            Ok(Some(format!("CONSTRAINT {name} PRIMARY KEY ({})", columns.join(", "))))
        }
        'u' => {
            refuse_without_key(true, &shape.columns, key, &format!("unique constraint {name}"))?;
            Ok(Some(format!("CONSTRAINT {name} {}", shape.definition)))
        }
        'n' => Ok(None),
        _ => Err(Refusal::new(
            format!("constraint {name} cannot be kept over all partitions"),
            "Leave it out, or declare it on each partition.",
        )),
    }
}

fn refuse_without_key(
    is_unique: bool,
    columns: &[i16],
    key: &ColumnShape,
    what: &str,
) -> Result<(), Refusal> {
    if !is_unique || columns.contains(&key.number) {
        return Ok(());
    }
    let key = quote_identifier(&key.name);
    Err(Refusal::new(
        format!(
            "{what} does not contain the partition key {key}, so that it cannot hold over all partitions"
        ),
        format!("Add {key} to it, or leave it out and keep such rows unique in a table of their own."),
    ))
}

/// An index on the key, where none begins with it: BRIN where rows come in its order, B-tree where nobody knows.
fn key_index(
    table: &TableShape,
    key: &ColumnShape,
    kind: KeyKind,
    every: Every,
    remarks: &mut Vec<String>,
) -> Option<String> {
    let begins = |index: &IndexShape| index.key_columns.first() == Some(&key.number);
    // A partition of one day holds one value.
    if table.indexes.iter().any(begins) || kind == KeyKind::Date && every == Every::Days(1) {
        return None;
    }
    let comes_in_order = key.default.as_ref().is_some_and(|default| {
        ["now()", "CURRENT_TIMESTAMP", "LOCALTIMESTAMP", "clock_timestamp()", "CURRENT_DATE", "uuidv7()"]
            .iter()
            .any(|clock| default.contains(clock))
    });
    let (method, why) = if comes_in_order {
        ("brin", "BRIN on the key, whose default is the clock: rows come in its order")
    } else {
        (
            "btree",
            "B-tree on the key; BRIN is a hundredth of its size where rows come in the order of the key",
        )
    };
    remarks.push(why.to_owned());
    Some(format!("CREATE INDEX ON {} USING {method} ({})", table.qualified(), quote_identifier(&key.name)))
}
