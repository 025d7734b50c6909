//! Statements on tables with BEFORE triggers of their own, which may write something else than we say: the time of the
//! change, who made it, a version.
//!
//! What such a trigger writes is its own and stays so; which columns those are is not guessed but seen, in the row that
//! comes out: where it has another value than the statement said. Only there may the row that is found be another than
//! the log knows. Everything else must be what the change made of it, or be what it is to become already, so that nobody's
//! value is lost; the key must come out as it was said; and what was left to triggers is told in the end.

use super::rows::add;
use super::statement::{
    Known, OTHERWISE, block, guarded, held, literal, or_rounded, raise, raise_because, still_there,
};
use super::{Column, Table, Values};
use crate::text::quote_identifier;

/// Where the columns are noted that were left to triggers, until the transaction ends.
pub const LEFT: &str = "dbm_revert.left_to_triggers";

const DECLARATIONS: &str = "DECLARE\n  dbm_was record;\n  dbm_now record;\n  dbm_names text;\n";

/// A code that nothing else raises, by which what was only tried is taken back.
const TRIED: &str = "DBMRV";

/// Whether two expressions are the same, image for image.
fn same(one: &str, other: &str) -> String {
    format!("ROW({one})::pg_catalog.record OPERATOR(pg_catalog.*=) ROW({other})::pg_catalog.record")
}

fn of_row(row: &str, column: &Column) -> String {
    format!("{row}.{}", quote_identifier(&column.name))
}

/// `dbm_names`, the names for which the condition is true; then `then`, if there are any.
fn where_any(conditions: Vec<(String, String)>, then: &str) -> String {
    if conditions.is_empty() {
        return String::new();
    }
    let cases: Vec<String> = conditions
        .into_iter()
        .map(|(condition, name)| format!("CASE WHEN {condition} THEN {} END", literal(&name)))
        .collect();
    format!(
        "  dbm_names := pg_catalog.array_to_string(ARRAY[{}]::pg_catalog.text[], ', ');\n  \
         IF pg_catalog.length(dbm_names) OPERATOR(pg_catalog.>) 0 THEN\n{then}  END IF;\n",
        cases.join(",\n    ")
    )
}

/// The known columns that are neither the key nor computed.
fn plain<'a>(table: &'a Table, values: &'a Values) -> Vec<(&'a Column, &'a str)> {
    let known = table.known(values).into_iter();
    known.filter(|(column, _)| !column.is_generated && !table.key.contains(&column.name)).collect()
}

/// Looks at the row that came out: the key as it was said, and what triggers have made of the rest noted.
fn came_out(table: &Table, change: i64, values: &Values) -> String {
    let key: Vec<(&Column, &str)> = table
        .known(values)
        .into_iter()
        .filter(|(column, _)| !column.is_generated && table.key.contains(&column.name))
        .collect();
    let mut body = String::new();
    if !key.is_empty() {
        let found: Vec<String> = key.iter().map(|(column, _)| of_row("dbm_now", column)).collect();
        let said: Vec<String> = key.iter().map(|(column, text)| held(column, text)).collect();
        body.push_str(&format!(
            "  IF NOT {} THEN\n{}  END IF;\n",
            same(&found.join(", "), &said.join(", ")),
            raise(change, &table.name, "triggers of the table gave the row another key")
        ));
    }
    let others = plain(table, values).into_iter().map(|(column, text)| {
        let name = format!("{}.{}", table.name, quote_identifier(&column.name));
        (format!("NOT {}", same(&of_row("dbm_now", column), &held(column, text))), name)
    });
    // Each list of names once.
    let note = format!(
        "    IF pg_catalog.strpos(pg_catalog.current_setting('{LEFT}'), pg_catalog.concat('; ', dbm_names, ';')) OPERATOR(pg_catalog.=) 0 THEN\n      \
         PERFORM pg_catalog.set_config('{LEFT}', pg_catalog.concat(pg_catalog.current_setting('{LEFT}'), '; ', dbm_names, ';'), true);\n    \
         END IF;\n"
    );
    body.push_str(&where_any(others.collect(), &note));
    body
}

/// A row put in.
pub fn put(table: &Table, change: i64, values: &Values) -> String {
    let nothing = "triggers of the table did not let the row in";
    let body = format!(
        "  {} RETURNING t.* INTO dbm_now;\n  IF NOT FOUND THEN\n{}  END IF;\n{}{}",
        table.insert(values),
        raise(change, &table.name, nothing),
        or_rounded(table, change, &table.known(values)),
        came_out(table, change, values)
    );
    guarded(table, change, &[values], DECLARATIONS, &body)
}

fn refused(table: &Table, change: i64) -> String {
    raise_because(change, &table.name, &format!("{}, dbm_names", literal(&format!("{OTHERWISE}: "))))
}

/// From one state to the other. The row is found by its key, and each column looked at by the first statement that touches it:
/// after that it is what we and triggers have made of it. Of a row that is to go the first statement looks at all.
pub fn moved(table: &Table, change: i64, from: &Values, to: &Values, row: &Known) -> String {
    let Some(update) = table.update(from, to) else { return block("", "  NULL;\n") };
    let otherwise = raise(change, &table.name, OTHERWISE);
    if table.key.is_empty() {
        let unless =
            if row.may_be_led { format!("ELSIF NOT {} THEN", table.exists(to)) } else { "ELSE".to_owned() };
        let body = format!(
            "  {update} WHERE {} RETURNING t.* INTO dbm_now;\n  \
             IF FOUND THEN\n{}  {unless}\n{otherwise}  END IF;\n{}",
            table.one(from),
            came_out(table, change, to),
            or_rounded(table, change, &table.set(from, to))
        );
        return guarded(table, change, &[from, to], DECLARATIONS, &body);
    }
    let tried = |values: &Values| {
        let condition = table.condition(&table.key_of(values));
        format!(
            "  SELECT t.* INTO dbm_was FROM {} WHERE {condition} FOR UPDATE;\n  \
             {update} WHERE {condition} RETURNING t.* INTO dbm_now;\n",
            table.from()
        )
    };
    let mut body = tried(from);
    if row.may_be_led && table.key_of(from) != table.key_of(to) {
        body.push_str(&format!("  IF NOT FOUND THEN\n{}  END IF;\n", tried(to)));
    }
    body.push_str(&format!("  IF NOT FOUND THEN\n{otherwise}  END IF;\n"));
    if !row.is_ours {
        let set = table.set(from, to);
        let mut found = from.clone();
        if row.goes {
            add(&mut found, &row.found);
        }
        found.retain(|(name, _)| !row.looked_at.contains(name));
        let lost = plain(table, &found).into_iter().map(|(column, text)| {
            let (was, now) = (of_row("dbm_was", column), of_row("dbm_now", column));
            let said = set.iter().find(|(said, _)| said.name == column.name);
            let said = said.map_or_else(|| was.clone(), |(_, text)| held(column, text));
            // Somebody who has made it what it is to become has lost nothing, unless the row goes.
            let is_harmless = !row.goes || row.may_be_set;
            let wanted =
                to.iter().find(|(name, _)| is_harmless && *name == column.name).map(|(_, wanted)| wanted);
            let mut conditions = vec![format!("NOT {}", same(&was, &held(column, text)))];
            if let Some(wanted) = wanted.filter(|wanted| *wanted != text) {
                conditions.push(format!("NOT {}", same(&was, &held(column, wanted))));
            }
            conditions.push(same(&now, &said));
            (conditions.join(" AND "), quote_identifier(&column.name))
        });
        body.push_str(&where_any(lost.collect(), &refused(table, change)));
    }
    body.push_str(&or_rounded(table, change, &table.set(from, to)));
    body.push_str(&came_out(table, change, to));
    guarded(table, change, &[from, &row.found, to], DECLARATIONS, &body)
}

/// A row removed once more that was put in when the change was taken back. What the table's triggers make of such a row is
/// seen by putting it in again, which is taken back at once.
pub fn removed(table: &Table, change: i64, values: &Values) -> String {
    let lost = plain(table, values).into_iter().map(|(column, text)| {
        let said = held(column, text);
        let condition = format!(
            "NOT {} AND {}",
            same(&of_row("dbm_was", column), &said),
            same(&of_row("dbm_now", column), &said)
        );
        (condition, quote_identifier(&column.name))
    });
    let key = table.key_of(values);
    // It may have gone with a row to which it referred.
    let body = format!(
        "  {} RETURNING t.* INTO dbm_was;\n{}  IF NOT FOUND THEN\n    RETURN;\n  END IF;\n  BEGIN\n    \
         {} RETURNING t.* INTO dbm_now;\n    RAISE EXCEPTION USING ERRCODE = '{TRIED}';\n  \
         EXCEPTION WHEN SQLSTATE '{TRIED}' THEN\n    NULL;\n  END;\n{}",
        table.delete(&key),
        still_there(table, change, &key),
        table.insert(values),
        where_any(lost.collect(), &refused(table, change))
    );
    guarded(table, change, &[values], DECLARATIONS, &body)
}

/// Tells which columns were left to triggers.
pub fn told() -> String {
    let body = format!(
        "  IF pg_catalog.length(pg_catalog.current_setting('{LEFT}')) OPERATOR(pg_catalog.>) 0 THEN\n    \
         RAISE WARNING USING MESSAGE = pg_catalog.concat('triggers of the tables gave columns values of their own: ', \
         pg_catalog.rtrim(pg_catalog.substr(pg_catalog.current_setting('{LEFT}'), 3), ';'));\n  END IF;\n"
    );
    block("", &body)
}
