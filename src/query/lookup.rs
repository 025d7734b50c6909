//! One row by its key, again and again: the second query of what is called N+1.

use super::load::Load;
use crate::catalog::{ColumnNumber, Oid, Relation, Snapshot};
use crate::syntax::normalised::RelationName;
use crate::syntax::tokens::{Kind, Token, tokens};

/// When looking rows up one by one is too often.
#[derive(Clone, Copy, Debug)]
pub struct LookupLimits {
    /// How often it must have run.
    pub calls: f64,
    /// How often it must have run for each run of the query whose rows it follows.
    pub calls_per_parent: f64,
}

/// A query that looks rows up one by one, and the one whose rows it does that for.
#[derive(Clone, Debug, PartialEq)]
pub struct SingleRowLookups<'a> {
    /// The table.
    pub table: Oid,
    /// The query that returns about as many rows as this one runs, from tables that refer to it.
    pub parent: &'a str,
    /// How often it runs for one run of that.
    pub calls_per_parent: f64,
}

/// Whether this query is one of those; `others` are all that are known.
pub fn single_row_lookups<'a>(
    load: &Load<'_>,
    others: &'a [Load<'_>],
    snapshot: &Snapshot,
    limits: &LookupLimits,
) -> Option<SingleRowLookups<'a>> {
    if load.calls < limits.calls || load.rows_per_call() > 1.0 {
        return None;
    }
    let table = looked_up(load.text, snapshot)?;
    let is_parent = |other: &&Load<'_>| {
        // Each row of the parent leads to one lookup; some are missed or asked for twice.
        let ratio = load.calls / other.rows.max(1.0);
        (0.5..=1.5).contains(&ratio)
            && load.calls >= other.calls * limits.calls_per_parent
            && is_select(other.text)
            && other.tables(snapshot).iter().any(|parent| refers(snapshot, parent, table.oid))
    };
    let parent = others.iter().find(is_parent)?;
    Some(SingleRowLookups {
        table: table.oid,
        parent: parent.text,
        calls_per_parent: load.calls / parent.calls.max(1.0),
    })
}

fn is_select(text: &str) -> bool {
    tokens(text)
        .iter()
        .find(|token| token.kind != Kind::Comment)
        .is_some_and(|token| token.is_any(&["select", "with"]))
}

/// Whether a foreign key leads from the one to the other.
fn refers(snapshot: &Snapshot, table: &Relation, referenced: Oid) -> bool {
    table.oid != referenced
        && snapshot
            .foreign_keys_of(table.oid)
            .any(|constraint| constraint.foreign_key.as_ref().is_some_and(|key| key.table == referenced))
}

/// The table of which the text reads one row by a unique key: `SELECT … FROM table WHERE key = $1`.
pub fn looked_up<'s>(text: &str, snapshot: &'s Snapshot) -> Option<&'s Relation> {
    let (name, columns) = equalities(text)?;
    let table = super::load::resolved(snapshot, &name)?;
    let numbers: Vec<ColumnNumber> = snapshot
        .columns_of(table.oid)
        .iter()
        .filter(|column| columns.iter().any(|name| **name == *column.name))
        .map(|column| column.number)
        .collect();
    let is_key = snapshot.indexes_of(table.oid).iter().any(|index| {
        index.is_unique
            && index.is_usable()
            && index.predicate.is_none()
            && !index.key_columns().is_empty()
            && index.key_columns().iter().all(|key| key.column > 0 && numbers.contains(&key.column))
    });
    is_key.then_some(table)
}

/// The one table and the columns that are each compared with a parameter, where the text has no other condition.
fn equalities(text: &str) -> Option<(RelationName, Vec<String>)> {
    let all: Vec<Token<'_>> =
        tokens(text).into_iter().filter(|token| token.kind != Kind::Comment && token.text != ";").collect();
    if !all.first()?.is("select") {
        return None;
    }
    let from = all.iter().position(|token| token.is("from"))?;
    let mut rest = &all[from + 1..];
    let first = take_name(&mut rest)?;
    let name = if take(&mut rest, ".") {
        RelationName { schema: Some(first), name: take_name(&mut rest)? }
    } else {
        RelationName { schema: None, name: first }
    };
    if rest.first().is_some_and(|token| token.is("as")) {
        rest = &rest[1..];
    }
    if !rest.first()?.is("where") {
        take_name(&mut rest)?;
    }
    if !rest.first()?.is("where") {
        return None;
    }
    rest = &rest[1..];
    let mut columns = Vec::new();
    loop {
        let mut column = take_name(&mut rest)?;
        if take(&mut rest, ".") {
            column = take_name(&mut rest)?;
        }
        let is_compared = take(&mut rest, "=");
        let is_parameter = matches!(rest.first().map(|token| token.kind), Some(Kind::Parameter(_)));
        if !is_compared || !is_parameter {
            return None;
        }
        columns.push(column);
        rest = &rest[1..];
        match rest {
            [] => break,
            [and, ..] if and.is("and") => rest = &rest[1..],
            [limit, _] if limit.is("limit") => break,
            _ => return None,
        }
    }
    Some((name, columns))
}

fn take_name(rest: &mut &[Token<'_>]) -> Option<String> {
    let (first, others) = rest.split_first()?;
    if !matches!(first.kind, Kind::Word | Kind::Quoted) {
        return None;
    }
    *rest = others;
    Some(first.name())
}

fn take(rest: &mut &[Token<'_>], sign: &str) -> bool {
    match rest.split_first() {
        Some((first, others)) if first.is_sign(sign) => {
            *rest = others;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::Sample;
    use crate::catalog::types::builtin;

    fn shop() -> Snapshot {
        let mut sample = Sample::new();
        let customers = sample.keyed_table("customers");
        sample.column(customers, "name", builtin::TEXT);
        let orders = sample.keyed_table("orders");
        sample.column(orders, "customer_id", builtin::INT8);
        sample.foreign_key(orders, &["customer_id"], customers, &["id"]);
        sample.finish()
    }

    #[test]
    fn lookups_by_key_are_told_from_other_conditions() {
        let snapshot = shop();
        let is_lookup = |text: &str| looked_up(text, &snapshot).is_some();
        for text in [
            "SELECT * FROM customers WHERE id = $1",
            "select c.\"name\" from public.customers as c where c.id = $1;",
            "SELECT name FROM customers c WHERE name = $1 AND c.id = $2 LIMIT $3",
        ] {
            assert!(is_lookup(text), "{text}");
        }
        for text in [
            "SELECT * FROM customers WHERE name = $1",
            "SELECT * FROM customers WHERE id > $1",
            "SELECT * FROM customers WHERE id = $1 OR name = $2",
            "SELECT * FROM customers WHERE id = ANY ($1)",
            "SELECT * FROM customers, orders WHERE id = $1",
            "SELECT * FROM customers JOIN orders ON a = b WHERE id = $1",
            "SELECT * FROM customers",
            "DELETE FROM customers WHERE id = $1",
            "SELECT * FROM nowhere WHERE id = $1",
            "SELECT * FROM customers WHERE id = $1 ORDER BY name LIMIT $2",
            "SELECT * FROM",
            "",
        ] {
            assert!(!is_lookup(text), "{text}");
        }
    }

    #[test]
    fn a_lookup_follows_a_query_whose_tables_refer_to_it() {
        let snapshot = shop();
        let limits = LookupLimits { calls: 1_000.0, calls_per_parent: 10.0 };
        let load = |text: &'static str, calls: f64, rows: f64| Load { text, calls, rows, ..Load::default() };
        let child = load("SELECT * FROM customers WHERE id = $1", 100_000.0, 100_000.0);
        let found = |parent: Load<'static>| {
            let others = [child.clone(), parent];
            single_row_lookups(&child, &others, &snapshot, &limits).map(|found| found.calls_per_parent)
        };
        assert_eq!(found(load("SELECT * FROM orders WHERE paid = $1", 1_000.0, 100_000.0)), Some(100.0));
        // A page that shows a customer each time it is opened, and a report that happens to return as many rows.
        assert_eq!(found(load("SELECT * FROM products", 1_000.0, 100_000.0)), None);
        assert_eq!(found(load("SELECT * FROM orders", 10.0, 20_000.0)), None);
        assert_eq!(found(load("SELECT * FROM orders WHERE id = $1", 100_000.0, 100_000.0)), None);
        assert_eq!(found(load("INSERT INTO orders SELECT * FROM orders", 1_000.0, 100_000.0)), None);
        let rare = load("SELECT * FROM customers WHERE id = $1", 100.0, 100.0);
        assert_eq!(single_row_lookups(&rare, &[], &snapshot, &limits), None);
    }
}
