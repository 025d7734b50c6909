//! CREATE INDEX: beside the writers; on a partitioned table declared on the parent alone, built partition by partition,
//! attached.

use rustc_hash::FxHashMap;

use super::asked::{Asked, drop_index};
use super::recipe::{NoPlan, Recipe};
use super::unique::attach;
use super::words::{closing, divided, outside, qualified_length, span, words};
use super::{names, proof};
use crate::catalog::LockMode;
use crate::catalog::ddl::{CreateIndex, IndexShape, PartitionShape, SameName, TableShape, TouchedKind};
use crate::change::plan::{Phase, Step};
use crate::syntax::tokens::{Kind, Token};
use crate::text::{quote_identifier, quote_qualified};

/// An index is there and can be used.
pub fn is_built(schema: &str, name: &str) -> String {
    proof::has_valid_index(&quote_qualified(schema, name))
}

/// `CREATE INDEX CONCURRENTLY` as a step; `tail` is what follows the table.
pub fn build(table: &str, schema: &str, name: &str, is_unique: bool, tail: &str) -> Step {
    let unique = if is_unique { "UNIQUE " } else { "" };
    let sql = format!("CREATE {unique}INDEX CONCURRENTLY {} ON {table} {tail}", quote_identifier(name));
    built(schema, name, &sql)
}

/// A `CREATE INDEX CONCURRENTLY` as a step.
pub fn built(schema: &str, name: &str, sql: &str) -> Step {
    Step::alone(Phase::Expand, sql)
        .lock(LockMode::ShareUpdateExclusive)
        .undo(drop_index(schema, name))
        .verify(is_built(schema, name))
        .leftover(proof::has_invalid_index(&quote_qualified(schema, name)), drop_index(schema, name))
        .note("waits for transactions that are older than it; reads the table twice while others read and write")
}

/// The server's own `CREATE INDEX` with CONCURRENTLY, and another name where one is given.
pub fn concurrently(definition: &str, name: Option<&str>) -> String {
    let tokens = words(definition);
    let Some(place) = tokens.iter().position(|token| token.is("INDEX")) else { return definition.to_owned() };
    let Some(old) = tokens.get(place + 1) else { return definition.to_owned() };
    format!(
        "{} CONCURRENTLY {}{}",
        &definition[..tokens[place].end()],
        name.map_or_else(|| old.text.to_owned(), quote_identifier),
        &definition[old.end()..]
    )
}

/// The definition with its tablespace, which stands before WHERE.
pub fn definition(index: &IndexShape) -> String {
    let Some(tablespace) = &index.tablespace else { return index.definition.clone() };
    let tokens = words(&index.definition);
    let place = outside(&tokens, 0).into_iter().find(|&place| tokens[place].is("WHERE"));
    match place.map(|place| tokens[place].start) {
        Some(start) => {
            format!("{}TABLESPACE {tablespace} {}", &index.definition[..start], &index.definition[start..])
        }
        None => format!("{} TABLESPACE {tablespace}", index.definition),
    }
}

/// What follows the table in CREATE INDEX.
pub fn tail(text: &str) -> Option<String> {
    let tokens = words(text);
    let mut place = outside(&tokens, 0).into_iter().find(|&place| tokens[place].is("ON"))? + 1;
    if tokens.get(place)?.is("ONLY") {
        place += 1;
    }
    let behind = tokens.get(place + qualified_length(&tokens, place)..)?;
    Some(span(text, behind).to_owned())
}

/// The name that is written.
fn written_name(text: &str) -> Option<String> {
    let tokens = words(text);
    let mut place = tokens.iter().position(|token| token.is("INDEX"))? + 1;
    if tokens.get(place)?.is("CONCURRENTLY") {
        place += 1;
    }
    if tokens.get(place)?.is("IF") {
        place += 3;
    }
    let token = tokens.get(place)?;
    (!token.is("ON") || token.kind == Kind::Quoted).then(|| token.name())
}

/// The part of a chosen name that stands for the keys: columns by their name, calls by that of the function, everything
/// else as `expr`; INCLUDE columns, too.
pub fn key_names(tail: &str) -> Vec<String> {
    let tokens = words(tail);
    let mut found: Vec<String> = Vec::new();
    let mut place = 0;
    let mut wants_list = true;
    while place < tokens.len() {
        let token = tokens[place];
        if token.is("INCLUDE") {
            wants_list = true;
        } else if token.is("WHERE") || token.is("WITH") {
            break;
        } else if token.is_sign("(") {
            let close = closing(&tokens, place);
            if wants_list {
                let inner = &tail[token.end()..tokens[close].start];
                for key in divided(inner).into_iter().take(names::MOST_JOINED) {
                    let name = key_name(key);
                    found.push(unique_among(&found, &name));
                }
                wants_list = false;
            }
            place = close;
        }
        place += 1;
    }
    found
}

fn key_name(key: &str) -> String {
    let tokens = words(key);
    let is_call = tokens.iter().position(|token| token.is_sign("(")).is_some_and(|open| {
        open > 0
            && qualified_length(&tokens, 0) == open
            && tokens.get(closing(&tokens, open) + 1).is_none_or(|next| next.kind == Kind::Word)
    });
    let last = qualified_length(&tokens, 0) - 1;
    match tokens.first() {
        Some(first) if first.is_sign("(") => "expr".to_owned(),
        Some(_) if is_call => tokens.get(last).map(Token::name).unwrap_or_default(),
        Some(first) => first.name(),
        None => "expr".to_owned(),
    }
}

fn unique_among(found: &[String], name: &str) -> String {
    let mut candidate = name.to_owned();
    let mut number = 0_u32;
    while found.contains(&candidate) {
        number += 1;
        candidate = format!("{name}{number}");
    }
    candidate
}

/// CREATE INDEX.
pub fn create(asked: &Asked<'_>, facts: &CreateIndex) -> Result<Recipe, NoPlan> {
    let table = asked.table()?;
    let text = &asked.statement.text;
    let Some(tail) = tail(text) else {
        return Err(NoPlan::new(format!("the text of the index on {} is not known", table.qualified()), ""));
    };
    let written = written_name(text).or_else(|| (!facts.name.is_empty()).then(|| facts.name.clone()));
    let keys = key_names(&tail);
    let name = match written {
        Some(name) => name,
        None => asked.chosen(&table.schema, &table.taken, &table.name, Some(&names::joined(&keys)), "idx"),
    };
    if facts.same_name == SameName::Whole {
        return Err(NoPlan::new(
            format!("{} is there already", quote_qualified(&table.schema, &name)),
            "give the index another name",
        ));
    }
    let mut recipe = if table.kind == TouchedKind::PartitionedTable && !facts.is_only {
        partitioned(asked, table, &name, facts.is_unique, &tail, &keys)
    } else if table.kind == TouchedKind::PartitionedTable {
        Recipe::default().with_lasting(only(&table.qualified(), &table.schema, &name, facts.is_unique, &tail))
    } else {
        Recipe::default().with_lasting(build(
            &table.qualified(),
            &table.schema,
            &name,
            facts.is_unique,
            &tail,
        ))
    };
    if let Some(twin) = &facts.twin {
        recipe =
            recipe.requires(format!("{twin} already is an index of the same keys: is another one wanted?"));
    }
    Ok(recipe)
}

/// The index of the parent alone, invalid until all of its parts are attached.
fn only(parent: &str, schema: &str, name: &str, is_unique: bool, tail: &str) -> Step {
    let unique = if is_unique { "UNIQUE " } else { "" };
    let qualified = quote_qualified(schema, name);
    Step::new(
        Phase::Expand,
        format!("CREATE {unique}INDEX {} ON ONLY {parent} {tail}", quote_identifier(name)),
    )
    .lock(LockMode::Share)
    .undo(format!("DROP INDEX IF EXISTS {qualified}"))
    .verify(proof::has_relation(&qualified))
    .note("builds nothing: it is made of the indexes of the partitions; writers wait for a moment")
}

fn partitioned(
    asked: &Asked<'_>,
    table: &TableShape,
    name: &str,
    is_unique: bool,
    tail: &str,
    keys: &[String],
) -> Recipe {
    let joined = names::joined(keys);
    let mut recipe = Recipe::default().with(only(&table.qualified(), &table.schema, name, is_unique, tail));
    let mut named: Vec<(&str, String, String)> = Vec::new();
    let all: Vec<(String, String)> = table
        .partitions
        .iter()
        .map(|part| {
            (part.qualified(), asked.chosen(&part.schema, &part.taken, &part.name, Some(&joined), "idx"))
        })
        .collect();
    let by_name: FxHashMap<&str, (&PartitionShape, &str)> = table
        .partitions
        .iter()
        .zip(&all)
        .map(|(part, (qualified, index))| (&**qualified, (part, &**index)))
        .collect();
    for (part, (qualified, index)) in table.partitions.iter().zip(&all) {
        recipe = recipe.with(if part.is_partitioned {
            only(qualified, &part.schema, index, is_unique, tail)
        } else {
            build(qualified, &part.schema, index, is_unique, tail)
        });
        let parent = by_name.get(part.parent.as_str()).map_or_else(
            || quote_qualified(&table.schema, name),
            |(other, index)| quote_qualified(&other.schema, index),
        );
        named.push((&part.schema, index.clone(), parent));
    }
    for (schema, index, parent) in named.iter().rev() {
        let undo = format!("DROP INDEX IF EXISTS {parent}");
        recipe = recipe.with(attach(parent, &quote_qualified(schema, index), undo));
    }
    recipe.holds(is_built(&table.schema, name))
}
