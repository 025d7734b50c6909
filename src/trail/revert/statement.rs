//! The statement that takes one change back, or makes it again.

use super::{Column, Done, Table, Undone, Values};
use crate::text::quote_identifier;
use crate::trail::read::document::{NULL, input};

/// A text as a literal in which no line ends.
pub fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains(['\\', '\n', '\r']) {
        let escaped = quoted.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
        format!("E'{escaped}'")
    } else {
        format!("'{quoted}'")
    }
}

/// A value of the log as SQL.
fn value(column: &Column, value: &str) -> String {
    let text = if column.is_jsonb && value != NULL { Some(value.to_owned()) } else { input(value) };
    match text {
        None => format!("NULL::{}", column.type_name),
        Some(text) => format!("{}::{}", literal(&text), column.type_name),
    }
}

impl Table {
    fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The columns that a row is known by and those values, of columns that are still there and in the log.
    fn known<'a>(&'a self, values: &'a Values) -> Vec<(&'a Column, &'a str)> {
        values
            .iter()
            .filter_map(|(name, value)| self.column(name).map(|column| (column, &**value)))
            .filter(|(column, _)| column.is_logged)
            .collect()
    }

    /// The table in a statement that finds rows; `t` is its row.
    fn from(&self) -> String {
        format!("{}{} t", if self.is_partitioned { "" } else { "ONLY " }, self.name)
    }

    /// What is true of the row of these values: by the key, for its index, and image for image, so that 1.0 is not 1.00
    /// and a type without `=` will do.
    pub fn condition(&self, values: &Values) -> String {
        let known = self.known(values);
        let mut parts: Vec<String> = known
            .iter()
            .filter(|(column, value)| {
                self.key.contains(&column.name) && column.is_comparable && *value != NULL
            })
            .map(|(column, text)| {
                format!("t.{} OPERATOR(pg_catalog.=) {}", quote_identifier(&column.name), value(column, text))
            })
            .collect();
        let columns: Vec<String> =
            known.iter().map(|(column, _)| format!("t.{}", quote_identifier(&column.name))).collect();
        let literals: Vec<String> = known.iter().map(|(column, text)| value(column, text)).collect();
        parts.push(format!(
            "ROW({})::pg_catalog.record OPERATOR(pg_catalog.*=) ROW({})::pg_catalog.record",
            columns.join(", "),
            literals.join(", ")
        ));
        parts.join(" AND ")
    }

    /// Which row: one, also where several are alike.
    fn one(&self, values: &Values) -> String {
        let condition = self.condition(values);
        if self.key.is_empty() {
            let from = self.from();
            return format!(
                "(t.tableoid, t.ctid) = (SELECT t.tableoid, t.ctid FROM {from} WHERE {condition} LIMIT 1)"
            );
        }
        condition
    }

    /// A query that is true if a row has these values.
    pub fn exists(&self, values: &Values) -> String {
        format!("EXISTS (SELECT FROM {} WHERE {})", self.from(), self.condition(values))
    }

    /// The part of the values that is the key.
    pub fn key_of(&self, values: &Values) -> Values {
        if self.key.is_empty() {
            return values.clone();
        }
        values.iter().filter(|(name, _)| self.key.contains(name)).cloned().collect()
    }

    fn delete(&self, values: &Values) -> String {
        format!("DELETE FROM {} WHERE {}", self.from(), self.one(values))
    }

    fn insert(&self, values: &Values) -> String {
        let known: Vec<(&Column, &str)> =
            self.known(values).into_iter().filter(|(column, _)| !column.is_generated).collect();
        let columns: Vec<String> = known.iter().map(|(column, _)| quote_identifier(&column.name)).collect();
        let literals: Vec<String> = known.iter().map(|(column, text)| value(column, text)).collect();
        if columns.is_empty() {
            return format!("INSERT INTO {} DEFAULT VALUES", self.name);
        }
        format!(
            "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})",
            self.name,
            columns.join(", "),
            literals.join(", ")
        )
    }

    fn update(&self, from: &Values, to: &Values) -> Option<String> {
        let changed: Vec<String> = self
            .known(to)
            .into_iter()
            .filter(|(column, text)| {
                !column.is_generated && from.iter().all(|(name, old)| *name != column.name || old != text)
            })
            .map(|(column, text)| format!("{} = {}", quote_identifier(&column.name), value(column, text)))
            .collect();
        if changed.is_empty() {
            return None;
        }
        Some(format!("UPDATE {} SET {} WHERE {}", self.from(), changed.join(", "), self.one(from)))
    }

    /// Queries that are true if somebody refers to a row in a way that would take rows of his along.
    fn referring(&self, values: &Values) -> Vec<(String, String)> {
        self.references
            .iter()
            .filter_map(|reference| {
                let conditions: Option<Vec<String>> = reference
                    .columns
                    .iter()
                    .map(|(theirs, ours)| {
                        let column = self.column(ours)?;
                        let (_, text) = values.iter().find(|(name, _)| name == ours)?;
                        (*text != NULL)
                            .then(|| format!("r.{} = {}", quote_identifier(theirs), value(column, text)))
                    })
                    .collect();
                let conditions = conditions?.join(" AND ");
                let query = format!("EXISTS (SELECT FROM {} r WHERE {conditions})", reference.table);
                Some((query, reference.table.clone()))
            })
            .collect()
    }
}

/// Statements as one, whose every `IF` raises.
fn block(body: &str) -> String {
    let mut tag = "dbm".to_owned();
    while body.contains(&format!("${tag}$")) {
        tag.push('_');
    }
    format!("DO ${tag}$\nBEGIN\n{body}END\n${tag}$")
}

fn raise(change: i64, table: &str, what: &str) -> String {
    let message = literal(&format!("change {change} of {table} cannot be taken back: {what}"));
    format!("    RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = {message};\n")
}

const OTHERWISE: &str = "the row is not what the change made of it";

/// What takes a change back.
pub fn back(table: &Table, undone: &Undone) -> String {
    let mut body = String::new();
    match undone.done {
        Done::Inserted => {
            for (query, theirs) in table.referring(&undone.after) {
                let what = format!("rows of {theirs} refer to it, and would go with it");
                body.push_str(&format!(
                    "  IF {query} THEN\n{}  END IF;\n",
                    raise(undone.change, &table.name, &what)
                ));
            }
            body.push_str(&format!(
                "  {};\n  IF NOT FOUND THEN\n{}  END IF;\n",
                table.delete(&undone.after),
                raise(undone.change, &table.name, OTHERWISE)
            ));
        }
        Done::Updated => body.push_str(&moved(table, undone.change, &undone.after, &undone.before)),
        Done::Deleted => body.push_str(&format!("  {};\n", table.insert(&undone.before))),
    }
    block(&body)
}

/// What makes a change again, once it was taken back.
pub fn again(table: &Table, undone: &Undone) -> String {
    let body = match undone.done {
        Done::Inserted => format!("  {};\n", table.insert(&undone.after)),
        Done::Updated => moved(table, undone.change, &undone.before, &undone.after),
        Done::Deleted => format!("  {};\n", table.delete(&undone.before)),
    };
    block(&body)
}

/// From one state to the other. A key's own cascade may have been there before.
fn moved(table: &Table, change: i64, from: &Values, to: &Values) -> String {
    let Some(update) = table.update(from, to) else { return "  NULL;\n".to_owned() };
    format!(
        "  {update};\n  IF NOT FOUND AND NOT {} THEN\n{}  END IF;\n",
        table.exists(to),
        raise(change, &table.name, OTHERWISE)
    )
}
