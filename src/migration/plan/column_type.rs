//! ALTER COLUMN … TYPE: as it is where no row is written or read; otherwise by a second column that a trigger keeps, that
//! is filled in batches, gets the same indexes and constraints, and changes names with the first in a moment. The trigger
//! turns round then, so that the way back stays open until the first column goes.

mod copies;
mod switch;
pub mod trigger;

use super::add_column::backfill;
use super::again;
use super::asked::{Asked, alter};
use super::proof;
use super::recipe::{Clause, NoPlan, Recipe};
use super::view;
use super::words::words;
use crate::catalog::LockMode;
use crate::catalog::ddl::{ColumnShape, TableShape, TouchedKind, TypeChange, ViewShape};
use crate::change::plan::{Phase, Risk, Step};
use crate::text::quote_identifier;

/// The change of one column, with the names for the time between.
pub struct Change<'a> {
    /// The table.
    pub table: &'a TableShape,
    /// The column as it is.
    pub column: &'a ColumnShape,
    /// Its type then.
    pub to: String,
    /// The collation then, with COLLATE before it; may be empty.
    pub collation: String,
    /// The value of the new column, from the columns of the row.
    pub value: String,
    /// Whether the value goes back by the server's own conversion, so that the first column can be kept after the switch.
    pub is_reversible: bool,
    /// The new column's name until the switch.
    pub new: String,
    /// The first column's name from the switch on.
    pub old: String,
    /// Function and trigger.
    pub keeper: trigger::Keeper,
    /// Views on the column, which the switch makes anew.
    pub views: &'a [ViewShape],
}

/// ALTER COLUMN … TYPE.
pub fn change(asked: &Asked<'_>, facts: &TypeChange) -> Result<Recipe, NoPlan> {
    let table = asked.table()?;
    let Some(column) = table.column(&facts.column) else {
        return Err(NoPlan::new(
            format!("{} has no column {}", table.qualified(), quote_identifier(&facts.column)),
            "",
        ));
    };
    if facts.rewrites == Some(false) && !facts.scans && facts.rebuilt_indexes.is_empty() {
        return in_place(asked, table, column, facts);
    }
    refuse(table, column)?;
    by_second_column(asked, table, column, facts)
}

/// The type as it is written in the sub-command, which may be more than the fact says: COLLATE.
fn collation(text: &str) -> String {
    let tokens = words(text);
    let start = tokens.iter().position(|token| token.is("COLLATE"));
    let end = tokens.iter().position(|token| token.is("USING")).unwrap_or(tokens.len());
    match start {
        Some(start) if start < end => format!(" {}", super::words::span(text, &tokens[start..end])),
        _ => String::new(),
    }
}

/// No row is written, no index built: what remains are constraints, which are tested afterwards instead.
fn in_place(
    asked: &Asked<'_>,
    table: &TableShape,
    column: &ColumnShape,
    facts: &TypeChange,
) -> Result<Recipe, NoPlan> {
    let qualified = table.qualified();
    let name = quote_identifier(&column.name);
    // The server rebuilds statistics objects by itself, and refuses to touch a column on which the others stand.
    refuse_dependents(table, column, &["view", "materialized view", "statistics object"])?;
    let views = &asked.around.views;
    if let Some(obstacle) = view::obstacle(views) {
        return Err(NoPlan::new(
            format!("the type of {name} of {qualified} cannot change as long as it is used: {obstacle}"),
            "drop it first and create it again afterwards",
        ));
    }
    refuse_owners(asked)?;
    let using = facts.using.as_ref().map_or_else(String::new, |using| format!(" USING {using}"));
    let clause = format!("ALTER COLUMN {name} TYPE {}{}{using}", facts.to, collation(&asked.action.text));
    let back = format!("ALTER COLUMN {name} TYPE {}", column.type_name);
    let note =
        "no row is read or written; the way back may have to read or write every row under ACCESS EXCLUSIVE";
    if facts.rechecked_constraints.is_empty() && views.is_empty() {
        return Ok(Recipe::clause(Clause {
            undo: Some(back),
            note: note.to_owned(),
            phase: Phase::Switch,
            ..asked.clause(table, clause)
        }));
    }
    let mut clauses = Vec::new();
    let mut behind = Vec::new();
    let mut recipe = Recipe::default();
    for constraint in facts.rechecked_constraints.iter().filter_map(|name| constraint_named(table, name)) {
        clauses.push(format!("DROP CONSTRAINT {}", quote_identifier(&constraint.name)));
        let not_valid = again::not_valid(&constraint.definition);
        behind.push(format!("ADD CONSTRAINT {} {not_valid}", quote_identifier(&constraint.name)));
    }
    clauses.push(clause);
    clauses.extend(behind);
    let mut note = note.to_owned();
    if !facts.rechecked_constraints.is_empty() {
        note.push_str("; the constraints are added back unproved, and proved next");
    }
    if !views.is_empty() {
        note.push_str(&format!(
            "; in the same moment these are dropped and made anew: {}",
            view::listed(views)
        ));
    }
    let there = among_views(views, vec![alter(&qualified, &clauses.join(", "))], true);
    let mut there = there.into_iter();
    let step = Step::new(Phase::Switch, there.next().unwrap_or_default());
    recipe = recipe.with(
        there
            .fold(step, Step::and)
            .lock(LockMode::AccessExclusive)
            .undo(among_views(views, vec![alter(&qualified, &back)], false).join(";\n"))
            .note(note),
    );
    for constraint in facts.rechecked_constraints.iter().filter_map(|name| constraint_named(table, name)) {
        if constraint.is_valid {
            // After the switch, whatever phases are called.
            let step = super::not_null::validate(&qualified, &constraint.name);
            recipe = recipe.with_lasting(Step { phase: Phase::Switch, ..step });
        }
    }
    Ok(recipe)
}

/// The statements with the views out of their way: dropped before and made anew behind, in one transaction.
pub fn among_views(views: &[ViewShape], between: Vec<String>, is_first: bool) -> Vec<String> {
    let mut sql: Vec<String> = view::unchanged(views, is_first).into_iter().collect();
    sql.extend(view::drop(views));
    sql.extend(between);
    sql.extend(view::create(views));
    sql
}

/// Views of others, which whoever runs the plan could not drop.
fn refuse_owners(asked: &Asked<'_>) -> Result<(), NoPlan> {
    match asked.around.views.iter().find(|view| !view.owned_here) {
        Some(view) => Err(NoPlan::new(
            format!(
                "the type of a column changes only without its views, and view {} belongs to role {}, whose rights you do not have",
                view.name, view.owner
            ),
            format!("let somebody make the plan who has the rights of {}", view.owner),
        )),
        None => Ok(()),
    }
}

/// What stands on the column and has no place in a plan, but for these kinds.
fn refuse_dependents(table: &TableShape, column: &ColumnShape, allowed: &[&str]) -> Result<(), NoPlan> {
    let hard = table
        .dependents
        .iter()
        .find(|(number, dependent)| *number == column.number && !allowed.contains(&dependent.kind));
    match hard {
        Some((_, dependent)) => Err(NoPlan::new(
            format!(
                "{} {} stands on {} of {}, whose type cannot change as long as it does",
                dependent.kind,
                dependent.name,
                quote_identifier(&column.name),
                table.qualified()
            ),
            "drop it first and create it again afterwards",
        )),
        None => Ok(()),
    }
}

fn constraint_named<'a>(
    table: &'a TableShape,
    name: &str,
) -> Option<&'a crate::catalog::ddl::ConstraintShape> {
    table
        .constraints
        .iter()
        .find(|constraint| constraint.name == name || quote_identifier(&constraint.name) == name)
}

/// What a second column cannot stand in for.
fn refuse(table: &TableShape, column: &ColumnShape) -> Result<(), NoPlan> {
    let qualified = table.qualified();
    let name = quote_identifier(&column.name);
    let maintenance = "change it as it stands while nobody needs the table";
    if table.kind == TouchedKind::PartitionedTable || table.parent.is_some() || table.has_children {
        return Err(NoPlan::new(
            format!(
                "{qualified} is part of a tree of tables, whose indexes and triggers a second column of {name} would need one by one"
            ),
            "make a new table with the new type, copy and switch; or change it as it stands while nobody needs it",
        ));
    }
    if table.kind != TouchedKind::Table {
        return Err(NoPlan::new(format!("{qualified} is no ordinary table"), maintenance));
    }
    if column.generated.is_some() {
        return Err(NoPlan::new(format!("{name} of {qualified} is generated"), maintenance));
    }
    refuse_dependents(table, column, &["view", "materialized view", "function"])?;
    if let Some(index) = table.indexes.iter().find(|index| {
        index.columns.contains(&column.number) && (index.is_replica_identity || index.is_clustered)
    }) {
        return Err(NoPlan::new(
            format!("{} is the replica identity, or the table is clustered by it", index.qualified()),
            "ALTER TABLE … REPLICA IDENTITY DEFAULT or SET WITHOUT CLUSTER first, and set it again afterwards",
        ));
    }
    if let Some(exclusion) = table
        .constraints
        .iter()
        .find(|constraint| constraint.kind == 'x' && constraint.columns.contains(&column.number))
    {
        return Err(NoPlan::new(
            format!(
                "the exclusion constraint {} uses {name}, and there is no way to build one beside the writers",
                quote_identifier(&exclusion.name)
            ),
            maintenance,
        ));
    }
    Ok(())
}

/// Whether USING says no more than the server would do without it.
fn is_plain(using: &str, column: &str) -> bool {
    let tokens: Vec<_> =
        words(using).into_iter().filter(|token| !token.is_sign("(") && !token.is_sign(")")).collect();
    match tokens.as_slice() {
        [only] => only.name() == column,
        [first, sign, ..] if sign.is_sign("::") => {
            first.name() == column
                && !tokens[2..].iter().any(|token| {
                    token.is_any(&["AT", "COLLATE"]) || token.is_sign("::") || token.is_sign("||")
                })
                && tokens[2..].iter().all(|token| !"+-*/<>=".contains(token.text))
        }
        _ => false,
    }
}

fn by_second_column(
    asked: &Asked<'_>,
    table: &TableShape,
    column: &ColumnShape,
    facts: &TypeChange,
) -> Result<Recipe, NoPlan> {
    let qualified = table.qualified();
    let name = quote_identifier(&column.name);
    let is_plain = facts.using.as_ref().is_none_or(|using| is_plain(using, &column.name));
    // Without USING the server converts as an assignment does, which a cast would be more lenient than.
    let value = match &facts.using {
        Some(using) => format!("({using})"),
        None => name.clone(),
    };
    let obstacle = view::obstacle(&asked.around.views);
    let change = Change {
        table,
        column,
        to: facts.to.clone(),
        collation: collation(&asked.action.text),
        value,
        is_reversible: is_plain && has_equality(&facts.to) && has_equality(&column.type_name),
        new: asked.between(table, &column.name, "new"),
        old: asked.between(table, &column.name, "old"),
        keeper: trigger::names(asked, table, &column.name, "sync"),
        views: if obstacle.is_none() { &asked.around.views } else { &[] },
    };
    let new = quote_identifier(&change.new);
    let predicate = predicate(&change, is_plain);
    let copies = copies::of(asked, &change)?;
    if !change.views.is_empty() {
        refuse_owners(asked)?;
    }
    let fill = backfill(table, &format!("{new} = {}", change.value), &predicate)?;
    let add = format!("ADD COLUMN {new} {}{}", change.to, change.collation);
    let mut recipe = Recipe::default()
        .requires(format!(
            "{name} becomes the last column of {qualified}: statements that name no columns, INSERT without a list and SELECT *, see \
             another order"
        ))
        .risk(Risk::Medium)
        .with(
            Step::new(Phase::Expand, alter(&qualified, &add))
                .lock(LockMode::AccessExclusive)
                .undo(alter(&qualified, &format!("DROP COLUMN IF EXISTS {new}")))
                .verify(proof::has_column(&qualified, &change.new))
                .note("noted in the catalog; no row is read or written"),
        )
        .with(
            trigger::create(asked, table, &change.keeper, &trigger::forward(&change)).note(
                "writes both columns with every INSERT and UPDATE; session_replication_role = replica goes past it",
            ),
        )
        .with(fill);
    for step in copies.steps {
        recipe = recipe.with(step);
    }
    recipe = recipe.with(switch::step(asked, &change, &copies.names));
    if !change.views.is_empty() {
        recipe = recipe.requires(format!(
            "these views are dropped and made anew in the moment of the switch, as they are now: {}",
            view::listed(change.views)
        ));
    }
    if let Some(obstacle) = obstacle {
        recipe = recipe.requires(format!(
            "views on {name} follow the first column and have to be made anew by hand before it goes: {obstacle}"
        ));
    }
    for (kind, dependent) in left_to_people(&change) {
        recipe = recipe.requires(format!(
            "{kind} {dependent} uses {name}: it follows the first column and has to be made anew before that goes"
        ));
    }
    let recipe = recipe.with(switch::pause(&change)).with(switch::contract(asked, &change, &copies.names));
    Ok(recipe.holds(proof::lacks_column(&qualified, &change.old)).holds(format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass({}) AND attname = {} AND \
         atttypid = pg_catalog.to_regtype({}))",
        crate::text::quote_literal(&qualified),
        crate::text::quote_literal(&column.name),
        crate::text::quote_literal(without_modifier(&facts.to).trim())
    )))
}

/// What follows the first column and is left to people.
pub fn left_to_people<'a>(change: &Change<'a>) -> impl Iterator<Item = (&'static str, &'a str)> {
    let number = change.column.number;
    let has_views = !change.views.is_empty();
    change
        .table
        .dependents
        .iter()
        .filter(move |(other, dependent)| *other == number && !(has_views && dependent.kind == "view"))
        .map(|(_, dependent)| (dependent.kind, &*dependent.name))
}

/// `to_regtype` before 17 takes no length.
fn without_modifier(type_name: &str) -> String {
    let tokens = words(type_name);
    match tokens.iter().position(|token| token.is_sign("(")) {
        Some(open) => {
            let close = super::words::closing(&tokens, open);
            format!("{}{}", &type_name[..tokens[open].start], &type_name[tokens[close].end()..])
        }
        None => type_name.to_owned(),
    }
}

/// Which rows are not filled.
fn predicate(change: &Change<'_>, is_plain: bool) -> String {
    let new = quote_identifier(&change.new);
    if is_plain {
        return format!("{new} IS NULL AND {} IS NOT NULL", quote_identifier(&change.column.name));
    }
    if has_equality(&change.to) {
        return format!("{new} IS DISTINCT FROM {}", change.value);
    }
    format!("{new}::text IS DISTINCT FROM ({}::{})::text", change.value, change.to)
}

/// Whether values of the type can be compared.
fn has_equality(type_name: &str) -> bool {
    let base = type_name.trim_end_matches("[]");
    !matches!(base, "json" | "xml" | "point" | "polygon")
}
