//! The indexes and constraints of the second column, built beside those of the first under names for the time between.

use super::Change;
use crate::catalog::LockMode;
use crate::catalog::ddl::{ConstraintShape, IndexShape};
use crate::change::plan::{Phase, Step};
use crate::migration::plan::again;
use crate::migration::plan::asked::{Asked, alter};
use crate::migration::plan::create_index::{built, concurrently, definition};
use crate::migration::plan::foreign_key;
use crate::migration::plan::not_null::validate;
use crate::migration::plan::proof;
use crate::migration::plan::recipe::NoPlan;
use crate::migration::plan::words::{find, uses, with_column, words};
use crate::text::{quote_identifier, quote_literal};

/// A copy of something: what it is a copy of, and its own name until the switch, and the first one's from then on.
pub struct Copy<'a, T> {
    /// What it is a copy of.
    pub of: &'a T,
    /// Its name until the switch.
    pub new: String,
    /// The first one's name from the switch on.
    pub old: String,
}

/// All copies.
#[derive(Default)]
pub struct Names<'a> {
    /// Plain indexes.
    pub indexes: Vec<Copy<'a, IndexShape>>,
    /// Indexes behind unique constraints, with the constraint.
    pub uniques: Vec<(Copy<'a, IndexShape>, &'a ConstraintShape)>,
    /// The index behind the primary key, with the constraint.
    pub primary: Option<(Copy<'a, IndexShape>, &'a ConstraintShape)>,
    /// CHECKs and foreign keys of the table.
    pub constraints: Vec<Copy<'a, ConstraintShape>>,
    /// Foreign keys that point to the column.
    pub incoming: Vec<Copy<'a, ConstraintShape>>,
    /// The constraint by which the new column is known to be NOT NULL.
    pub not_null: Option<String>,
}

/// The steps, and the names that the switch needs.
pub struct Copies<'a> {
    /// In order.
    pub steps: Vec<Step>,
    /// For the switch.
    pub names: Names<'a>,
}

/// Everything that the first column has.
pub fn of<'a>(asked: &Asked<'_>, change: &Change<'a>) -> Result<Copies<'a>, NoPlan> {
    let mut copies = Copies { steps: Vec::new(), names: Names::default() };
    not_null(asked, change, &mut copies);
    indexes(asked, change, &mut copies);
    constraints(asked, change, &mut copies)?;
    incoming(asked, change, &mut copies)?;
    let mut sql = properties(change, &change.new).into_iter();
    if let Some(first) = sql.next() {
        let step = Step::new(Phase::Validate, first).lock(LockMode::ShareUpdateExclusive);
        copies.steps.push(sql.fold(step, Step::and).note("what else was said of the first column"));
    }
    Ok(copies)
}

/// Comment, statistics target, options and privileges of the column, for the one of that name.
pub fn properties(change: &Change<'_>, name: &str) -> Vec<String> {
    let table = change.table.qualified();
    let column = change.column;
    let name = quote_identifier(name);
    let mut sql = Vec::new();
    if let Some(comment) = &column.comment {
        sql.push(format!("COMMENT ON COLUMN {table}.{name} IS {}", quote_literal(comment)));
    }
    if let Some(target) = column.statistics {
        sql.push(alter(&table, &format!("ALTER COLUMN {name} SET STATISTICS {target}")));
    }
    if !column.options.is_empty() {
        sql.push(alter(&table, &format!("ALTER COLUMN {name} SET ({})", column.options)));
    }
    for (what, whom, is_grantable) in &column.privileges {
        let option = if *is_grantable { " WITH GRANT OPTION" } else { "" };
        let what: Vec<String> = what.split(", ").map(|one| format!("{one} ({name})")).collect();
        sql.push(format!("GRANT {} ON TABLE {table} TO {whom}{option}", what.join(", ")));
    }
    sql
}

fn not_null<'a>(asked: &Asked<'_>, change: &Change<'a>, copies: &mut Copies<'a>) {
    if !change.column.is_not_null {
        return;
    }
    let table = change.table.qualified();
    let name =
        asked.between(change.table, &format!("{}_{}", change.table.name, change.column.name), "not_null");
    let quoted = quote_identifier(&name);
    let new = quote_identifier(&change.new);
    let clause = if asked.is_version(18) {
        format!("ADD CONSTRAINT {quoted} NOT NULL {new} NOT VALID")
    } else {
        format!("ADD CONSTRAINT {quoted} CHECK ({new} IS NOT NULL) NOT VALID")
    };
    copies.steps.push(
        Step::new(Phase::Validate, alter(&table, &clause))
            .lock(LockMode::AccessExclusive)
            .undo(proof::drop_constraint(&table, &name))
            .verify(proof::has_constraint(&table, &name))
            .note("rows that are there are not read"),
    );
    copies.steps.push(validate(&table, &name));
    copies.names.not_null = Some(name);
}

fn indexes<'a>(asked: &Asked<'_>, change: &Change<'a>, copies: &mut Copies<'a>) {
    let table = change.table;
    for index in table.indexes.iter().filter(|index| index.columns.contains(&change.column.number)) {
        let copy = Copy {
            of: index,
            new: asked.between(table, &index.name, "new"),
            old: asked.between(table, &index.name, "old"),
        };
        let definition = concurrently(&renamed(&definition(index), change, &change.new), Some(&copy.new));
        copies.steps.push(Step { phase: Phase::Validate, ..built(&index.schema, &copy.new, &definition) });
        if let Some(comment) = &index.comment {
            copies.steps.push(Step::new(
                Phase::Validate,
                format!(
                    "COMMENT ON INDEX {} IS {}",
                    crate::text::quote_qualified(&index.schema, &copy.new),
                    quote_literal(comment)
                ),
            ));
        }
        let constraint = index.constraint.as_ref().and_then(|name| table.constraint(name));
        match constraint {
            Some(constraint) if constraint.kind == 'p' => copies.names.primary = Some((copy, constraint)),
            Some(constraint) => copies.names.uniques.push((copy, constraint)),
            None => copies.names.indexes.push(copy),
        }
    }
}

/// The definition with the column's name exchanged behind the table.
pub fn renamed(definition: &str, change: &Change<'_>, to: &str) -> String {
    let from = &change.column.name;
    match crate::migration::plan::create_index::tail(definition) {
        Some(tail) if definition.ends_with(&tail) => {
            let head = &definition[..definition.len() - tail.len()];
            format!("{head}{}", with_column(&tail, from, to))
        }
        _ => with_column(definition, from, to),
    }
}

/// Whether types are such that a foreign key between old and new works.
fn are_integers(change: &Change<'_>) -> bool {
    let is_integer = |name: &str| matches!(name, "smallint" | "integer" | "bigint");
    is_integer(&change.column.type_name) && is_integer(&change.to)
}

fn refuse_types(change: &Change<'_>, constraint: &ConstraintShape) -> Result<(), NoPlan> {
    if are_integers(change) {
        return Ok(());
    }
    Err(NoPlan::new(
        format!(
            "the foreign key {} of {} ties {} to a column of {}, which does not compare to {}",
            quote_identifier(&constraint.name),
            constraint.table,
            quote_identifier(&change.column.name),
            change.column.type_name,
            change.to
        ),
        "drop the foreign key first, change both columns, and add it again",
    ))
}

/// The definition of a foreign key, before and from REFERENCES on.
pub fn halves(definition: &str) -> (&str, &str) {
    let tokens = words(definition);
    find(&tokens, &["REFERENCES"]).map_or((definition, ""), |place| definition.split_at(tokens[place].start))
}

fn constraints<'a>(asked: &Asked<'_>, change: &Change<'a>, copies: &mut Copies<'a>) -> Result<(), NoPlan> {
    let table = change.table;
    let qualified = table.qualified();
    let number = change.column.number;
    for constraint in table.constraints.iter().filter(|constraint| constraint.columns.contains(&number)) {
        let definition = again::not_valid(&constraint.definition);
        let definition = match constraint.kind {
            'c' => with_column(&definition, &change.column.name, &change.new),
            'f' => {
                refuse_types(change, constraint)?;
                let (own, referenced) = halves(&definition);
                format!("{}{referenced}", with_column(own, &change.column.name, &change.new))
            }
            _ => continue,
        };
        let copy = Copy {
            of: constraint,
            new: asked.between(table, &constraint.name, "new"),
            old: asked.between(table, &constraint.name, "old"),
        };
        copies.steps.extend(proved_copy(&qualified, &copy.new, &definition, constraint));
        copies.names.constraints.push(copy);
    }
    Ok(())
}

fn proved_copy(table: &str, name: &str, definition: &str, constraint: &ConstraintShape) -> Vec<Step> {
    let body = definition.trim_end_matches(" NOT VALID");
    let (added, proved) = match &constraint.referenced {
        Some(referenced) => (
            foreign_key::not_valid(table, name, body, referenced),
            foreign_key::proved(table, name, referenced),
        ),
        None => (crate::migration::plan::check::not_valid(table, name, body), validate(table, name)),
    };
    let mut steps = vec![Step { phase: Phase::Validate, ..added }];
    if let Some(comment) = &constraint.comment {
        steps.push(Step::new(
            Phase::Validate,
            format!(
                "COMMENT ON CONSTRAINT {} ON {table} IS {}",
                quote_identifier(name),
                quote_literal(comment)
            ),
        ));
    }
    if constraint.is_valid {
        steps.push(proved);
    }
    steps
}

fn incoming<'a>(asked: &Asked<'_>, change: &Change<'a>, copies: &mut Copies<'a>) -> Result<(), NoPlan> {
    let table = change.table;
    let number = change.column.number;
    for constraint in
        table.referencing.iter().filter(|constraint| constraint.referenced_columns.contains(&number))
    {
        refuse_types(change, constraint)?;
        let definition = again::not_valid(&constraint.definition);
        let (own, referenced) = halves(&definition);
        if constraint.table == table.qualified() && uses(own, &change.column.name) {
            return Err(NoPlan::new(
                format!(
                    "the foreign key {} of {} points from the column to itself",
                    quote_identifier(&constraint.name),
                    constraint.table
                ),
                "drop the foreign key first and add it again afterwards",
            ));
        }
        let definition = format!("{own}{}", renamed_reference(referenced, &change.column.name, &change.new));
        let copy = Copy {
            of: constraint,
            new: asked.between(table, &constraint.name, "new"),
            old: asked.between(table, &constraint.name, "old"),
        };
        copies.steps.extend(proved_copy(&constraint.table, &copy.new, &definition, constraint));
        copies.names.incoming.push(copy);
    }
    Ok(())
}

/// `REFERENCES s.t(a, b) …` with a column exchanged in the list.
pub fn renamed_reference(referenced: &str, from: &str, to: &str) -> String {
    let tokens = words(referenced);
    let Some(open) = tokens.iter().position(|token| token.is_sign("(")) else { return referenced.to_owned() };
    let start = tokens[open].start;
    format!("{}{}", &referenced[..start], with_column(&referenced[start..], from, to))
}
