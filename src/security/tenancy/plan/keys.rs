//! Keys that hold the tenant: unique indexes beside the old ones, foreign keys beside the old ones, and the switch.

use super::source::{Source, Target};
use super::{Wish, between};
use crate::catalog::LockMode;
use crate::change::plan::{Phase, Step};
use crate::change::proof;
use crate::change::words::{all_of, alter, concurrently, list, validate, with_first_column};
use crate::security::tenancy::facts::{ForeignKey, Index, Table};
use crate::text::{quote_identifier, quote_qualified};

/// The new index beside an old one, by its name.
fn beside(table: &Table, index: &Index) -> String {
    between(table, &index.name, "tenant")
}

/// Unique indexes of the table that do not hold the tenant.
fn telling(table: &Table) -> impl Iterator<Item = &Index> {
    table.indexes.iter().filter(|index| index.tells() && index.is_unique)
}

/// Indexes with the tenant in front, built beside the writers.
pub fn indexes(wish: &Wish, table: &Table) -> Vec<Step> {
    let column = wish.quoted();
    let mut steps: Vec<Step> = telling(table)
        .filter_map(|index| {
            let tail = with_first_column(&index.tail, &column)?;
            let name = beside(table, index);
            let step = concurrently(&table.schema, &table.qualified(), &name, true, &tail);
            // Once it has taken the place of the old one it has another name.
            let own = quote_qualified(&table.schema, &name);
            Some(step.verify(format!(
                "SELECT ({}) OR ({})",
                proof::has_valid_index(&own),
                is_switched(wish, table, index)
            )))
        })
        .collect();
    let leads = |index: &&Index| index.method == "btree" && !index.is_partial;
    if !table.is_indexed_by(&wish.column) && !telling(table).any(|index| leads(&index)) {
        let name = crate::text::identifier::unused_name(&[&table.name, &wish.column, "idx"], |name| {
            table.is_taken(name)
        });
        steps.push(concurrently(&table.schema, &table.qualified(), &name, false, &format!("({column})")));
    }
    steps
}

/// Whether the index of that name holds the tenant.
fn is_switched(wish: &Wish, table: &Table, index: &Index) -> String {
    let literal = crate::text::quote_literal;
    format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
         WHERE i.indexrelid = pg_catalog.to_regclass({}) AND i.indisvalid AND a.attname = {})",
        literal(&quote_qualified(&table.schema, &index.name)),
        literal(&wish.column)
    )
}

/// Foreign keys between the tables that do not hold the tenant.
fn crossing<'a>(wish: &'a Wish, table: &'a Table) -> impl Iterator<Item = &'a ForeignKey> {
    table
        .foreign_keys
        .iter()
        .filter(|key| wish.target(key.referenced).is_some() && !key.columns.contains(&wish.column))
}

/// ` ON UPDATE …` by its letter.
fn on_update(letter: char) -> &'static str {
    match letter {
        'r' => " ON UPDATE RESTRICT",
        'c' => " ON UPDATE CASCADE",
        _ => "",
    }
}

/// ` ON DELETE …` by its letter: the tenant stays whatever becomes of the row that was pointed to.
fn on_delete(key: &ForeignKey) -> String {
    match key.on_delete {
        'r' => " ON DELETE RESTRICT".to_owned(),
        'c' => " ON DELETE CASCADE".to_owned(),
        'n' => format!(" ON DELETE SET NULL ({})", list(&key.columns)),
        'd' => format!(" ON DELETE SET DEFAULT ({})", list(&key.columns)),
        _ => String::new(),
    }
}

fn deferrable(key: &ForeignKey) -> &'static str {
    match (key.is_deferrable, key.is_deferred) {
        (_, true) => " DEFERRABLE INITIALLY DEFERRED",
        (true, false) => " DEFERRABLE",
        _ => "",
    }
}

/// A foreign key with the tenant in front; `rest` is what follows its columns.
fn composite(wish: &Wish, key: &ForeignKey, rest: &str) -> String {
    let column = wish.quoted();
    format!(
        "FOREIGN KEY ({column}, {}) REFERENCES {} ({column}, {}){rest}",
        list(&key.columns),
        key.referenced_name,
        list(&key.referenced_columns)
    )
}

/// The foreign key as it will be: it does what the one without the tenant does.
fn lasting(wish: &Wish, key: &ForeignKey) -> String {
    let rest = format!("{}{}{}", on_update(key.on_update), on_delete(key), deferrable(key));
    composite(wish, key, &rest)
}

/// The foreign key for the time in which the application knows no tenants and moves rows from one to another: rows that point
/// there go along, and a transaction that moves several rows is asked once it has moved them all. What becomes of rows whose
/// row is deleted is up to the one without the tenant.
fn guard(wish: &Wish, key: &ForeignKey) -> String {
    composite(wish, key, " ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED")
}

fn add(table: &str, name: &str, definition: &str) -> String {
    alter(table, &format!("ADD CONSTRAINT {} {definition} NOT VALID", quote_identifier(name)))
}

/// A foreign key that is added without a look at the rows, and the look. `switched`: what is true once it has done its time.
fn added(table: &Table, name: &str, definition: &str, note: &str, switched: Option<&str>) -> (Step, Step) {
    let own = table.qualified();
    let or_switched = |query: String| match switched {
        Some(switched) => format!("SELECT ({query}) OR ({switched})"),
        None => query,
    };
    let add = Step::new(Phase::Expand, add(&own, name, definition))
        .lock(LockMode::ShareRowExclusive)
        .undo(proof::drop_constraint(&own, name))
        .verify(or_switched(proof::has_constraint(&own, name)))
        .note(note.to_owned());
    let look = Step::new(Phase::Validate, validate(&own, name))
        .lock(LockMode::ShareUpdateExclusive)
        .verify(or_switched(proof::has_valid_constraint(&own, name)))
        .note("reads every row while others read and write; stops at the first row that points into another tenant");
    (add, look)
}

fn guarded(wish: &Wish, table: &Table, key: &ForeignKey) -> (Step, Step) {
    added(
        table,
        &between(table, &key.name, "tenant"),
        &guard(wish, key),
        "no row is read; from here on no row can be made to point into another tenant, and one that is moved to another takes \
         those along that point to it",
        Some(&has_tenant_key(wish, table, key)),
    )
}

/// Whether the tenants of the table's rows come by this foreign key.
fn is_source(target: &Target, key: &ForeignKey) -> bool {
    matches!(&target.source, Source::Parent(source) if source.name == key.name)
}

/// The foreign key with the tenant beside the one by which the tenants come, before they do.
pub fn guard_of_source(wish: &Wish, target: &Target) -> Option<Step> {
    crossing(wish, &target.table)
        .find(|key| is_source(target, key))
        .map(|key| guarded(wish, &target.table, key).0)
}

/// Foreign keys with the tenant, beside the old ones, and one to the table of tenants.
pub fn foreign_keys(wish: &Wish, target: &Target) -> Vec<Step> {
    let table = &target.table;
    let mut steps = Vec::new();
    for key in crossing(wish, table) {
        let (add, look) = guarded(wish, table, key);
        if !is_source(target, key) {
            steps.push(add);
        }
        steps.push(look);
    }
    if let Some((tenants, key)) = &wish.tenants
        && *tenants != table.qualified()
        && !table
            .foreign_keys
            .iter()
            .any(|other| other.referenced_name == *tenants && other.columns == [wish.column.clone()])
    {
        let name = crate::text::identifier::unused_name(&[&table.name, &wish.column, "fkey"], |name| {
            table.is_taken(name)
        });
        let definition =
            format!("FOREIGN KEY ({}) REFERENCES {tenants} ({})", wish.quoted(), quote_identifier(key));
        let (add, look) = added(
            table,
            &name,
            &definition,
            "no row is read; from here on every tenant has to be there",
            None,
        );
        steps.extend([add, look]);
    }
    steps
}

/// Whether the foreign key of that name holds the tenant.
fn has_tenant_key(wish: &Wish, table: &Table, key: &ForeignKey) -> String {
    let literal = crate::text::quote_literal;
    format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1] \
         WHERE k.conrelid = pg_catalog.to_regclass({}) AND k.conname = {} AND k.contype = 'f' AND a.attname = {})",
        literal(&table.qualified()),
        literal(&key.name),
        literal(&wish.column)
    )
}

/// The foreign keys of all tables that point to this one, with whose they are.
fn pointing<'a>(wish: &'a Wish, table: &'a Table) -> Vec<(&'a Table, &'a ForeignKey)> {
    wish.targets
        .iter()
        .flat_map(|target| {
            crossing(wish, &target.table)
                .filter(|key| key.referenced == table.oid)
                .map(move |key| (&target.table, key))
        })
        .collect()
}

fn constraint(index: &Index, on: &str) -> String {
    let kind = if index.constraint_kind == Some('p') { "PRIMARY KEY" } else { "UNIQUE" };
    let deferrable = match (index.is_deferrable, index.is_deferred) {
        (_, true) => " DEFERRABLE INITIALLY DEFERRED",
        (true, false) => " DEFERRABLE",
        _ => "",
    };
    let name = index.constraint.as_ref().unwrap_or(&index.name);
    format!(
        "ADD CONSTRAINT {} {kind} USING INDEX {}{deferrable}",
        quote_identifier(name),
        quote_identifier(on)
    )
}

/// The keys with the tenant take the place of those without, in one transaction for each table that is pointed to.
pub fn switch(wish: &Wish, table: &Table) -> Vec<Step> {
    let pointing = pointing(wish, table);
    let constraints: Vec<&Index> = telling(table).filter(|index| index.constraint.is_some()).collect();
    let mut steps = Vec::new();
    if !pointing.is_empty() || !constraints.is_empty() {
        steps.push(exchange(wish, table, &pointing, &constraints));
    }
    for (child, key) in &pointing {
        let own = child.qualified();
        let verify = vec![has_tenant_key(wish, child, key), proof::has_valid_constraint(&own, &key.name)];
        steps.push(
            Step::new(Phase::Switch, validate(&own, &key.name))
                .lock(LockMode::ShareUpdateExclusive)
                .verify(all_of(&verify))
                .note("reads every row while others read and write; all of them met the one whose place it took"),
        );
    }
    for index in telling(table).filter(|index| index.constraint.is_none()) {
        let (old, new) = (index.qualified(), quote_qualified(&table.schema, &beside(table, index)));
        let again = format!(
            "CREATE UNIQUE INDEX CONCURRENTLY {} ON {} {}",
            quote_identifier(&index.name),
            table.qualified(),
            index.tail
        );
        steps.push(
            Step::alone(Phase::Switch, format!("DROP INDEX CONCURRENTLY IF EXISTS {old}"))
                .lock(LockMode::ShareUpdateExclusive)
                .undo(format!("DROP INDEX CONCURRENTLY IF EXISTS {old}"))
                .undo(again)
                .verify(format!(
                    "SELECT ({}) OR ({})",
                    proof::lacks_relation(&old),
                    is_switched(wish, table, index)
                ))
                .note("the index with the tenant is there"),
        );
        steps.push(
            Step::new(
                Phase::Switch,
                format!("ALTER INDEX {new} RENAME TO {}", quote_identifier(&index.name)),
            )
            .lock(LockMode::ShareUpdateExclusive)
            .undo(format!(
                "ALTER INDEX IF EXISTS {old} RENAME TO {}",
                quote_identifier(&beside(table, index))
            ))
            .verify(is_switched(wish, table, index)),
        );
    }
    steps
}

fn exchange(wish: &Wish, table: &Table, pointing: &[(&Table, &ForeignKey)], constraints: &[&Index]) -> Step {
    let name = table.qualified();
    let mut sql = Vec::new();
    for (child, key) in pointing {
        let own = child.qualified();
        sql.push(alter(&own, &format!("DROP CONSTRAINT {}", quote_identifier(&key.name))));
        sql.push(add(&own, &key.name, &lasting(wish, key)));
        let name = between(child, &key.name, "tenant");
        sql.push(alter(&own, &format!("DROP CONSTRAINT {}", quote_identifier(&name))));
    }
    for index in constraints {
        let old = index.constraint.as_ref().unwrap_or(&index.name);
        sql.push(alter(&name, &format!("DROP CONSTRAINT {}", quote_identifier(old))));
        sql.push(alter(&name, &constraint(index, &beside(table, index))));
    }
    let mut verify: Vec<String> =
        pointing.iter().map(|(child, key)| has_tenant_key(wish, child, key)).collect();
    verify.extend(constraints.iter().map(|index| is_switched(wish, table, index)));
    let mut statements = sql.into_iter();
    let mut step = Step::new(Phase::Switch, statements.next().unwrap_or_default());
    for sql in statements {
        step = step.and(sql);
    }
    for sql in back(table, pointing, constraints) {
        step = step.undo(sql);
    }
    step.lock(LockMode::AccessExclusive)
        .verify(all_of(&verify))
        .note("no row is read: indexes with the tenant are there and take the names of the old ones, as foreign keys with it do")
}

/// The way back: the old indexes are built first, then all change places in one transaction.
fn back(table: &Table, pointing: &[(&Table, &ForeignKey)], constraints: &[&Index]) -> Vec<String> {
    let name = table.qualified();
    let mut undo = Vec::new();
    let mut exchange = Vec::new();
    for (child, key) in pointing {
        exchange.push(proof::drop_constraint(&child.qualified(), &key.name));
    }
    for index in constraints {
        let old = between(table, &index.name, "undo");
        let own = quote_qualified(&table.schema, &old);
        undo.push(format!("DROP INDEX CONCURRENTLY IF EXISTS {own}"));
        undo.push(format!(
            "CREATE UNIQUE INDEX CONCURRENTLY {} ON {name} {}",
            quote_identifier(&old),
            index.tail
        ));
        let constraint_name = index.constraint.as_ref().unwrap_or(&index.name);
        exchange.push(proof::drop_constraint(&name, constraint_name));
        exchange.push(alter(&name, &constraint(index, &old)));
    }
    for (child, key) in pointing {
        let definition = key.definition.trim_end_matches(" NOT VALID");
        exchange.push(add(&child.qualified(), &key.name, definition));
    }
    undo.push(exchange.join(";\n"));
    undo.extend(
        pointing
            .iter()
            .filter(|(_, key)| key.is_valid)
            .map(|(child, key)| validate(&child.qualified(), &key.name)),
    );
    undo
}
