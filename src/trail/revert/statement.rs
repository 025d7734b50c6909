//! The statement that takes one change back, or makes it again.
//!
//! Statements run with the search_path of whoever asked for the plan, for the sake of his triggers: every name, operator
//! and type of ours is qualified.

use std::collections::HashSet;

use super::{Column, Done, Referring, Table, Undone, Values, triggered};
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
pub fn value(column: &Column, value: &str) -> String {
    let text = if column.is_jsonb && value != NULL { Some(value.to_owned()) } else { input(value) };
    match text {
        None => format!("NULL::{}", column.type_name),
        Some(text) => format!("{}::{}", literal(&text), column.type_name),
    }
}

/// A value of the log as SQL, for comparison with what the column holds: as its length, precision and scale of now write it,
/// which may be others than when it was logged. Where they would cost it something it stays what it is, and so is the same as
/// nothing that the column can hold.
pub fn held(column: &Column, text: &str) -> String {
    let whole = value(column, text);
    let Some(held_as) = column.held_as.as_ref().filter(|_| text != NULL) else { return whole };
    let held = format!("{whole}::{held_as}");
    format!("CASE WHEN {held} OPERATOR(pg_catalog.=) {whole} THEN {held} ELSE {whole} END")
}

impl Table {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The columns that a row is known by and those values, of columns that are still there and in the log.
    pub fn known<'a>(&'a self, values: &'a Values) -> Vec<(&'a Column, &'a str)> {
        values
            .iter()
            .filter_map(|(name, value)| self.column(name).map(|column| (column, &**value)))
            .filter(|(column, _)| column.is_logged)
            .collect()
    }

    /// The table in a statement that finds rows; `t` is its row.
    pub fn from(&self) -> String {
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
        let literals: Vec<String> = known.iter().map(|(column, text)| held(column, text)).collect();
        parts.push(format!(
            "ROW({})::pg_catalog.record OPERATOR(pg_catalog.*=) ROW({})::pg_catalog.record",
            columns.join(", "),
            literals.join(", ")
        ));
        parts.join(" AND ")
    }

    /// Which row: one, also where several are alike.
    pub fn one(&self, values: &Values) -> String {
        let condition = self.condition(values);
        if self.key.is_empty() {
            let from = self.from();
            return format!(
                "(t.tableoid, t.ctid) OPERATOR(pg_catalog.=) (SELECT t.tableoid, t.ctid FROM {from} WHERE {condition} LIMIT 1)"
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

    /// The statement that removes the row of these values.
    pub fn delete(&self, values: &Values) -> String {
        format!("DELETE FROM {} WHERE {}", self.from(), self.one(values))
    }

    /// The statement that puts a row of these values in; `t` is its row.
    pub fn insert(&self, values: &Values) -> String {
        let known: Vec<(&Column, &str)> =
            self.known(values).into_iter().filter(|(column, _)| !column.is_generated).collect();
        let columns: Vec<String> = known.iter().map(|(column, _)| quote_identifier(&column.name)).collect();
        let literals: Vec<String> = known.iter().map(|(column, text)| value(column, text)).collect();
        if columns.is_empty() {
            return format!("INSERT INTO {} AS t DEFAULT VALUES", self.name);
        }
        format!(
            "INSERT INTO {} AS t ({}) OVERRIDING SYSTEM VALUE VALUES ({})",
            self.name,
            columns.join(", "),
            literals.join(", ")
        )
    }

    /// What an UPDATE sets to bring a row from one state to the other.
    pub fn set<'a>(&'a self, from: &Values, to: &'a Values) -> Vec<(&'a Column, &'a str)> {
        let is_new =
            |column: &Column, text: &str| from.iter().all(|(name, old)| *name != column.name || old != text);
        self.known(to)
            .into_iter()
            .filter(|(column, text)| !column.is_generated && !column.is_version && is_new(column, text))
            .collect()
    }

    /// The beginning of that UPDATE, without its condition; `None` where there is nothing to set.
    pub fn update(&self, from: &Values, to: &Values) -> Option<String> {
        let set: Vec<String> = self
            .set(from, to)
            .into_iter()
            .map(|(column, text)| format!("{} = {}", quote_identifier(&column.name), value(column, text)))
            .collect();
        (!set.is_empty()).then(|| format!("UPDATE {} SET {}", self.from(), set.join(", ")))
    }

    /// Queries that are true if somebody refers to a row in a way that would take rows of his along.
    fn referring(&self, values: &Values) -> Vec<(String, String)> {
        self.references
            .iter()
            .filter_map(|reference| {
                let conditions: Option<Vec<String>> = reference
                    .columns
                    .iter()
                    .map(|Referring { theirs, ours, equals }| {
                        let column = self.column(ours)?;
                        let (_, text) = values.iter().find(|(name, _)| name == ours)?;
                        (*text != NULL).then(|| {
                            format!("{} {equals} r.{}", value(column, text), quote_identifier(theirs))
                        })
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
pub fn block(declarations: &str, body: &str) -> String {
    let mut tag = "dbm".to_owned();
    while body.contains(&format!("${tag}$")) {
        tag.push('_');
    }
    format!("DO ${tag}$\n{declarations}BEGIN\n{body}END\n${tag}$")
}

/// Whether the digits of a value before the point may be more than such a column has place for.
fn may_overflow(held_as: &str, text: &str) -> bool {
    let Some((precision, rest)) = held_as.strip_prefix("numeric(").and_then(|rest| rest.split_once(','))
    else {
        return false;
    };
    let Some(scale) = rest.strip_suffix(')') else { return true };
    let (Ok(precision), Ok(scale)) = (precision.parse::<i64>(), scale.trim().parse::<i64>()) else {
        return true;
    };
    let text = input(text).unwrap_or_default();
    if text == "NaN" {
        return false;
    }
    let digits = text.trim_start_matches('-');
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = whole.trim_start_matches('0');
    let is_number = whole.chars().chain(fraction.chars()).all(|digit| digit.is_ascii_digit());
    let is_cut = fraction.len() as i64 > scale;
    // What is cut off may be rounded up to a digit more.
    !is_number || whole.len() as i64 + i64::from(is_cut) > precision - scale
}

/// Statements as one that takes a change back, or makes it again: where values are told of which a column has no place for
/// the digits, the server's ERROR would not say which.
pub fn guarded(table: &Table, change: i64, values: &[&Values], declarations: &str, body: &str) -> String {
    let mut known: HashSet<(&str, &str)> = HashSet::new();
    let mut tried = String::new();
    for (column, text) in values.iter().flat_map(|values| table.known(values)) {
        let Some(held_as) = column.held_as.as_ref().filter(|held_as| may_overflow(held_as, text)) else {
            continue;
        };
        if text == NULL || !known.insert((&column.name, text)) {
            continue;
        }
        let what = format!("column {} has no place for its value", quote_identifier(&column.name));
        tried.push_str(&format!(
            "  BEGIN\n    PERFORM {}::{held_as};\n  EXCEPTION WHEN numeric_value_out_of_range THEN\n  {}  END;\n",
            value(column, text),
            raise(change, &table.name, &what)
        ));
    }
    if tried.is_empty() {
        return block(declarations, body);
    }
    // What else may be out of range is somebody else's, and stays as it was said.
    block(declarations, &format!("{body}EXCEPTION WHEN numeric_value_out_of_range THEN\n{tried}  RAISE;\n"))
}

/// A line that refuses a change with `because`, an expression of type text.
pub fn raise_because(change: i64, table: &str, because: &str) -> String {
    let message = literal(&format!("change {change} of {table} cannot be taken back: "));
    format!(
        "    RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = pg_catalog.concat({message}, {because});\n"
    )
}

/// A line that refuses a change.
pub fn raise(change: i64, table: &str, what: &str) -> String {
    let message = literal(&format!("change {change} of {table} cannot be taken back: {what}"));
    format!("    RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = {message};\n")
}

/// Why most changes are refused.
pub const OTHERWISE: &str = "the row is not what the change made of it";

/// What is known of a row when a statement comes to it.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Whether a statement has put it in, or has looked at all of it: it is locked, and nobody else's.
    pub is_ours: bool,
    /// The columns at which a statement has looked, so that whatever they are by now is of us or of triggers.
    pub looked_at: HashSet<String>,
    /// Whether it is to go in the end, and all of it with it.
    pub goes: bool,
    /// What it is found as, as far as all the changes tell.
    pub found: Values,
    /// Whether foreign keys, or triggers when the change was taken back, may have made columns of it what they are to become.
    pub may_be_set: bool,
    /// Whether a foreign key may have given it its new key already.
    pub may_be_led: bool,
}

/// What takes a change back.
pub fn back(table: &Table, undone: &Undone, row: &mut Known) -> String {
    let change = undone.change;
    match undone.done {
        Done::Inserted => {
            let mut body = String::new();
            for (query, theirs) in table.referring(&undone.after) {
                let what = format!("rows of {theirs} refer to it, and would go with it");
                body.push_str(&format!(
                    "  IF {query} THEN\n{}  END IF;\n",
                    raise(change, &table.name, &what)
                ));
            }
            let known = if is_theirs(table, row) {
                table.key_of(&undone.after)
            } else if row.goes && table.may_change_updates() && !table.key.is_empty() {
                // Later changes of it set nothing that we set back, such as its version alone.
                row.found.clone()
            } else {
                undone.after.clone()
            };
            body.push_str(&format!("  {};\n{}", table.delete(&known), or_else(table, change, OTHERWISE)));
            guarded(table, change, &[&undone.after, &known], "", &body)
        }
        Done::Updated => moved(table, undone, &undone.after, &undone.before, row),
        Done::Deleted => put(table, undone, &undone.before, row),
    }
}

/// What makes a change again, once it was taken back.
pub fn again(table: &Table, undone: &Undone, row: &mut Known) -> String {
    match undone.done {
        Done::Inserted => put(table, undone, &undone.after, row),
        Done::Updated => moved(table, undone, &undone.before, &undone.after, row),
        Done::Deleted => removed(table, undone, row),
    }
}

/// Whether what triggers of the table made of the row came after all of it was looked at, and so is theirs alone.
fn is_theirs(table: &Table, row: &Known) -> bool {
    row.is_ours && !table.key.is_empty() && !table.triggers.is_empty()
}

/// Refuses what the statement before has written where length, precision or scale of now cost it something: the server cuts
/// no text, but rounds numbers and times without a word.
pub fn or_rounded(table: &Table, change: i64, written: &[(&Column, &str)]) -> String {
    written
        .iter()
        .filter(|(column, text)| !column.is_generated && *text != NULL)
        .filter_map(|(column, text)| {
            let whole = value(column, text);
            let held = format!("{whole}::{}", column.held_as.as_ref()?);
            let what = format!("column {} has no place for all of its value", quote_identifier(&column.name));
            let otherwise = raise(change, &table.name, &what);
            Some(format!("  IF NOT {held} OPERATOR(pg_catalog.=) {whole} THEN\n{otherwise}  END IF;\n"))
        })
        .collect()
}

/// Refuses where the statement before found nothing.
fn or_else(table: &Table, change: i64, what: &str) -> String {
    format!("  IF NOT FOUND THEN\n{}  END IF;\n", raise(change, &table.name, what))
}

/// A row put in.
fn put(table: &Table, undone: &Undone, values: &Values, row: &mut Known) -> String {
    row.is_ours = true;
    if table.may_change_inserts() {
        return triggered::put(table, undone.change, values);
    }
    let nothing = "the table did not take the row";
    let rounded = or_rounded(table, undone.change, &table.known(values));
    let body = format!("  {};\n{}{rounded}", table.insert(values), or_else(table, undone.change, nothing));
    guarded(table, undone.change, &[values], "", &body)
}

/// A row removed once more. It may have gone with one to which it referred.
fn removed(table: &Table, undone: &Undone, row: &Known) -> String {
    let (change, values) = (undone.change, &undone.before);
    let key = table.key_of(values);
    let is_theirs = is_theirs(table, row);
    if table.may_change_inserts() && !table.key.is_empty() && !is_theirs {
        return triggered::removed(table, change, values);
    }
    let otherwise = match (table.key.is_empty(), table.goes_along) {
        (true, true) => String::new(),
        (true, false) => or_else(table, change, OTHERWISE),
        (false, _) => still_there(table, change, &key),
    };
    let known = if is_theirs { &key } else { values };
    guarded(table, change, &[known], "", &format!("  {};\n{otherwise}", table.delete(known)))
}

/// Refuses where the statement before removed nothing, and the row is there.
pub fn still_there(table: &Table, change: i64, key: &Values) -> String {
    let otherwise = raise(change, &table.name, OTHERWISE);
    format!("  IF NOT FOUND AND {} THEN\n{otherwise}  END IF;\n", table.exists(key))
}

/// From one state to the other. A key's own cascade may have been there before.
fn moved(table: &Table, undone: &Undone, from: &Values, to: &Values, row: &mut Known) -> String {
    // Where nothing is to be set nothing is looked at.
    let Some(update) = table.update(from, to) else { return block("", "  NULL;\n") };
    if table.may_change_updates() {
        let text = triggered::moved(table, undone.change, from, to, row);
        row.is_ours |= row.goes;
        row.looked_at.extend(from.iter().map(|(name, _)| name.clone()));
        return text;
    }
    let otherwise = raise(undone.change, &table.name, OTHERWISE);
    // Under another key it may be another row that is there.
    let is_same = !table.key.is_empty() && table.key_of(from) == table.key_of(to);
    let unless =
        if is_same || row.may_be_led { format!(" AND NOT {}", table.exists(to)) } else { String::new() };
    let body = format!(
        "  {update} WHERE {};\n  IF NOT FOUND{unless} THEN\n{otherwise}  END IF;\n{}",
        table.one(from),
        or_rounded(table, undone.change, &table.set(from, to))
    );
    guarded(table, undone.change, &[from, to], "", &body)
}
