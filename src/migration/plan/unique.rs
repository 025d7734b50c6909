//! ADD UNIQUE and ADD PRIMARY KEY: the index is built beside the writers, and then becomes the constraint.

use rustc_hash::FxHashMap;

use super::asked::{Asked, alter, drop_index};
use super::check::{refuse_taken, text_of};
use super::column_text::list;
use super::create_index::{build, definition, is_built};
use super::names;
use super::recipe::{NoPlan, Recipe};
use super::words::{divided, find, span, words};
use super::{exclusion, not_null, proof};
use crate::catalog::LockMode;
use crate::catalog::ddl::{AddConstraint, ConstraintType, PartitionShape, TableShape, TouchedKind};
use crate::change::plan::{Phase, Step};
use crate::syntax::tokens::{Kind, Token};
use crate::text::{quote_identifier, quote_qualified};

/// A unique constraint that is to be built, its words sorted.
pub struct Wanted {
    /// PRIMARY KEY.
    pub is_primary: bool,
    /// Its name.
    pub name: String,
    /// What a name that the server chooses holds: its columns, those of INCLUDE, too.
    pub columns: Vec<String>,
    /// The rest of CREATE UNIQUE INDEX behind the table: `(a) INCLUDE (b) NULLS NOT DISTINCT`.
    pub index_tail: String,
    /// DEFERRABLE and the like.
    pub attributes: String,
}

/// ADD CONSTRAINT … UNIQUE or PRIMARY KEY.
pub fn add(asked: &Asked<'_>, facts: &AddConstraint) -> Result<Recipe, NoPlan> {
    let table = asked.table()?;
    let text = text_of(asked)?;
    let is_primary = facts.constraint_type == ConstraintType::PrimaryKey;
    if let Some(name) = &text.name {
        refuse_taken(table, name)?;
    }
    if is_primary && let Some(key) = table.primary_key() {
        return Err(NoPlan::new(
            format!("{} has a primary key already: {}", table.qualified(), quote_identifier(&key.name)),
            "",
        ));
    }
    if let Some(using) = &facts.using_index {
        let mut recipe = Recipe::default();
        for column in using.nullable_columns.iter().filter(|_| is_primary) {
            recipe = recipe.then(not_null::column(asked, table, column, None));
        }
        // The index takes the constraint's name, or the constraint the index's.
        let name = text.name.clone().unwrap_or_else(|| last_name(&using.index));
        let index = last_name(&using.index);
        let mut step = Step::new(Phase::Switch, alter(&table.qualified(), &asked.action.text))
            .lock(LockMode::AccessExclusive)
            .undo(proof::drop_constraint(&table.qualified(), &name))
            .verify(proof::has_constraint(&table.qualified(), &name))
            .note("no row is read; the way back drops the index with the constraint and builds it anew");
        if let Some(shape) = table.indexes.iter().find(|shape| shape.name == index) {
            step = step.undo(super::create_index::concurrently(&definition(shape), None));
        }
        return Ok(recipe.with_lasting(step));
    }
    let Some((columns, rest)) = columns_and_rest(&text.body) else {
        return Err(NoPlan::new(
            format!("the columns of the constraint on {} are not known", table.qualified()),
            "",
        ));
    };
    let label = if is_primary { "pkey" } else { "key" };
    let named = with_included(&columns, &rest);
    let name = text.name.clone().unwrap_or_else(|| chosen(asked, table, &named, label));
    if exclusion::is_without_overlaps(&text.body) {
        return Ok(exclusion::in_place(asked, table, &name, &text.body, "a key WITHOUT OVERLAPS"));
    }
    let wanted = wanted(is_primary, name, columns, &rest);
    let nullable: Vec<String> = if is_primary { facts.nullable_columns.clone() } else { Vec::new() };
    Ok(steps(asked, table, &wanted, &nullable))
}

/// The bare name behind the last dot.
fn last_name(qualified: &str) -> String {
    words(qualified).last().map(Token::name).unwrap_or_default()
}

/// The name that the server would give. That of a primary key does not hold its columns.
pub fn chosen(asked: &Asked<'_>, table: &TableShape, columns: &[String], label: &str) -> String {
    let joined = names::joined(columns);
    let columns = if label == "pkey" { None } else { Some(&*joined) };
    asked.chosen(&table.schema, &table.taken, &table.name, columns, label)
}

/// The columns of `UNIQUE NULLS NOT DISTINCT (a, b) …`, and everything else that belongs to the index or the constraint.
fn columns_and_rest(body: &str) -> Option<(Vec<String>, String)> {
    let (before, inner, behind) = list(body)?;
    let columns = divided(inner).iter().filter_map(|column| words(column).first().map(Token::name)).collect();
    let nulls = words(before);
    let nulls =
        nulls.iter().position(|token| token.is("NULLS")).map_or("", |place| span(before, &nulls[place..]));
    Some((columns, format!("{nulls} {behind}")))
}

/// The columns with those of INCLUDE.
fn with_included(columns: &[String], rest: &str) -> Vec<String> {
    let tokens = words(rest);
    let included = find(&tokens, &["INCLUDE"]).and_then(|place| list(&rest[tokens[place].start..]));
    let included = included.map_or_else(Vec::new, |(_, inner, _)| divided(inner));
    columns
        .iter()
        .cloned()
        .chain(included.iter().filter_map(|one| words(one).first().map(Token::name)))
        .collect()
}

/// Sorts the words behind the columns: what CREATE UNIQUE INDEX has to say, and what the constraint.
pub fn wanted(is_primary: bool, name: String, columns: Vec<String>, rest: &str) -> Wanted {
    let tokens = words(rest);
    let part = |from: Option<usize>, until: &[&str]| {
        from.map_or("", |from| {
            let end = tokens
                .iter()
                .enumerate()
                .skip(from + 1)
                .find(|(_, token)| token.kind == Kind::Word && token.is_any(until))
                .map_or(tokens.len(), |(place, _)| place);
            span(rest, &tokens[from..end])
        })
    };
    let nulls = part(find(&tokens, &["NULLS"]), &["INCLUDE", "WITH", "USING", "DEFERRABLE", "INITIALLY"]);
    let include = part(find(&tokens, &["INCLUDE"]), &["WITH", "USING", "NOT", "DEFERRABLE", "INITIALLY"]);
    let with = part(find(&tokens, &["WITH"]), &["USING", "NOT", "DEFERRABLE", "INITIALLY"]);
    let tablespace = part(
        find(&tokens, &["USING", "INDEX", "TABLESPACE"]).map(|place| place + 2),
        &["NOT", "DEFERRABLE", "INITIALLY"],
    );
    let attributes = find(&tokens, &["NOT", "DEFERRABLE"])
        .or_else(|| find(&tokens, &["DEFERRABLE"]))
        .or_else(|| find(&tokens, &["INITIALLY"]))
        .map_or("", |place| span(rest, &tokens[place..]));
    let listed = columns.iter().map(|column| quote_identifier(column)).collect::<Vec<_>>().join(", ");
    let tail: Vec<&str> =
        [include, nulls, with, tablespace].into_iter().filter(|part| !part.is_empty()).collect();
    Wanted {
        is_primary,
        name,
        columns: with_included(&columns, rest),
        index_tail: format!("({listed}) {}", tail.join(" ")).trim().to_owned(),
        attributes: attributes.to_owned(),
    }
}

/// The steps for a unique constraint whose name is known.
pub fn steps(asked: &Asked<'_>, table: &TableShape, wanted: &Wanted, nullable: &[String]) -> Recipe {
    let mut recipe = Recipe::default();
    for column in nullable {
        recipe = recipe.then(not_null::column(asked, table, column, None));
    }
    if table.kind == TouchedKind::PartitionedTable {
        return recipe.then(partitioned(asked, table, wanted));
    }
    recipe
        .with(
            build(&table.qualified(), &table.schema, &wanted.name, true, &wanted.index_tail).note(
                "reads the table twice while others read and write; stops if two rows are equal, and the next attempt \
                 removes what it left",
            ),
        )
        .with_lasting(adopt(&table.qualified(), &table.schema, wanted, &wanted.name))
}

fn words_of(wanted: &Wanted) -> &'static str {
    if wanted.is_primary { "PRIMARY KEY" } else { "UNIQUE" }
}

/// The index becomes the constraint of its name.
fn adopt(table: &str, schema: &str, wanted: &Wanted, name: &str) -> Step {
    let quoted = quote_identifier(name);
    let attributes =
        if wanted.attributes.is_empty() { String::new() } else { format!(" {}", wanted.attributes) };
    Step::new(
        Phase::Switch,
        alter(
            table,
            &format!("ADD CONSTRAINT {quoted} {} USING INDEX {quoted}{attributes}", words_of(wanted)),
        ),
    )
    .lock(LockMode::AccessExclusive)
    .undo(proof::drop_constraint(table, name))
    .verify(proof::has_constraint(table, name))
    .note(format!("no row is read; {} belongs to the constraint from here on", quote_qualified(schema, name)))
}

/// Every partition has its own, built and adopted; then they are attached to an empty one of the parent, which is valid
/// with the last of them.
fn partitioned(asked: &Asked<'_>, table: &TableShape, wanted: &Wanted) -> Recipe {
    let mut recipe = Recipe::default();
    let label = if wanted.is_primary { "pkey" } else { "key" };
    let joined = names::joined(&wanted.columns);
    let columns = if wanted.is_primary { None } else { Some(&*joined) };
    let named: Vec<(&PartitionShape, String)> = table
        .partitions
        .iter()
        .map(|part| (part, asked.chosen(&part.schema, &part.taken, &part.name, columns, label)))
        .collect();
    for (part, name) in named.iter().filter(|(part, _)| !part.is_partitioned) {
        recipe = recipe
            .with(build(&part.qualified(), &part.schema, name, true, &wanted.index_tail))
            .with(adopt(&part.qualified(), &part.schema, wanted, name));
    }
    let top = table.qualified();
    let parents = std::iter::once((top.clone(), wanted.name.clone())).chain(
        named
            .iter()
            .filter(|(part, _)| part.is_partitioned)
            .map(|(part, name)| (part.qualified(), name.clone())),
    );
    for (parent, name) in parents {
        recipe = recipe.with(only_parent(&parent, &name, wanted));
    }
    let by_name: FxHashMap<String, (&PartitionShape, &String)> =
        named.iter().map(|(part, name)| (part.qualified(), (*part, name))).collect();
    // Children before parents: an index is valid once all below it are attached.
    for (part, name) in named.iter().rev() {
        let parent = by_name.get(&part.parent);
        let (schema, index) =
            parent.map_or((&table.schema, &wanted.name), |(other, index)| (&other.schema, *index));
        let undo = parent.map_or((&top, &wanted.name), |(_, index)| (&part.parent, *index));
        recipe = recipe.with(attach(
            &quote_qualified(schema, index),
            &quote_qualified(&part.schema, name),
            proof::drop_constraint(undo.0, undo.1),
        ));
    }
    recipe.holds(is_built(&table.schema, &wanted.name))
}

fn only_parent(parent: &str, name: &str, wanted: &Wanted) -> Step {
    let list = wanted.index_tail.clone();
    Step::new(
        Phase::Switch,
        format!(
            "ALTER TABLE ONLY {parent} ADD CONSTRAINT {} {} {list} {}",
            quote_identifier(name),
            words_of(wanted),
            wanted.attributes
        )
        .trim_end()
        .to_owned(),
    )
    .lock(LockMode::AccessExclusive)
    .undo(proof::drop_constraint(parent, name))
    .verify(proof::has_constraint(parent, name))
    .note("builds nothing: the index of the parent is made of those of the partitions")
}

/// `ALTER INDEX … ATTACH PARTITION` as a step.
pub fn attach(parent: &str, child: &str, undo: String) -> Step {
    Step::new(Phase::Switch, format!("ALTER INDEX {parent} ATTACH PARTITION {child}"))
        .lock(LockMode::AccessShare)
        .undo(undo)
        .verify(proof::is_attached(parent, child))
        .note("there is no DETACH for indexes: the way back drops that of the parent with all that is attached to it")
}

/// What brings back a unique constraint after somebody dropped it: statements of a way back.
pub fn again(table: &TableShape, name: &str, definition: &str, index_definition: &str) -> Vec<String> {
    let qualified = table.qualified();
    let primary = definition.starts_with("PRIMARY KEY");
    let attributes = words(definition)
        .iter()
        .find(|token| token.is("DEFERRABLE"))
        .map_or(String::new(), |token| format!(" {}", &definition[token.start..]));
    let quoted = quote_identifier(name);
    let kind = if primary { "PRIMARY KEY" } else { "UNIQUE" };
    vec![
        drop_index(&table.schema, name),
        super::create_index::concurrently(index_definition, None),
        alter(&qualified, &format!("ADD CONSTRAINT {quoted} {kind} USING INDEX {quoted}{attributes}")),
    ]
}
