//! The column: there, filled with each row that is written, filled in all others, NOT NULL.

use super::source::{Source, Target};
use super::{Wish, between};
use crate::catalog::LockMode;
use crate::catalog::surroundings::bare;
use crate::change::plan::{Phase, Step};
use crate::change::proof;
use crate::change::words::{alter, validate};
use crate::security::tenancy::facts::Table;
use crate::text::{dollar_quoted, quote_identifier, quote_literal, quote_qualified};

/// The column, and what fills it with each row that is written.
pub fn added(wish: &Wish, target: &Target) -> Vec<Step> {
    let table = &target.table;
    let mut steps = vec![column(wish, table)];
    steps.extend(Filler::of(wish, target).map(|filler| filler.step(wish, table)));
    steps
}

/// The rows that are there filled, and NOT NULL.
pub fn filled(wish: &Wish, target: &Target) -> Vec<Step> {
    let table = &target.table;
    let mut steps = Vec::new();
    if target.source != Source::There {
        steps.push(backfill(wish, table));
    }
    if table.column(&wish.column).is_none_or(|column| !column.is_not_null) {
        steps.extend(not_null(wish, table));
    }
    steps
}

fn column(wish: &Wish, table: &Table) -> Step {
    let (name, column) = (table.qualified(), wish.quoted());
    let default = format!("ALTER COLUMN {column} SET DEFAULT {}", wish.current());
    let step = match table.column(&wish.column) {
        None => Step::new(
            Phase::Expand,
            alter(&name, &format!("ADD COLUMN {column} {}, {default}", wish.type_name)),
        )
        .undo(alter(&name, &format!("DROP COLUMN IF EXISTS {column}"))),
        Some(there) => Step::new(Phase::Expand, alter(&name, &default)).undo(alter(
            &name,
            &match &there.default {
                Some(default) => format!("ALTER COLUMN {column} SET DEFAULT {default}"),
                None => format!("ALTER COLUMN {column} DROP DEFAULT"),
            },
        )),
    };
    step.lock(LockMode::AccessExclusive)
        .verify(has_our_default(&name, &wish.column))
        .note("new rows have the tenant of their transaction from here on; the others are not touched")
}

fn has_our_default(table: &str, column: &str) -> String {
    format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
         WHERE a.attrelid = pg_catalog.to_regclass({}) AND a.attname = {} AND pg_catalog.pg_get_expr(d.adbin, d.adrelid) LIKE '%dbm.current_tenant(%')",
        quote_literal(table),
        quote_literal(column)
    )
}

fn backfill(wish: &Wish, table: &Table) -> Step {
    let (name, column) = (table.qualified(), wish.quoted());
    Step::alone(
        Phase::Backfill,
        format!(
            "CALL dbm.backfill({}::pg_catalog.regclass, {}, {})",
            quote_literal(&name),
            quote_literal(&format!("{column} = {column}")),
            quote_literal(&format!("{column} IS NULL"))
        ),
    )
    .lock(LockMode::RowExclusive)
    .verify(proof::no_row(&name, &format!("{column} IS NULL")))
    .search_path(&*wish.search_path)
    .note("the trigger fills each row that is touched; goes on where it was interrupted")
}

fn not_null(wish: &Wish, table: &Table) -> Vec<Step> {
    let (name, column) = (table.qualified(), wish.quoted());
    let check = between(table, &format!("{}_{}", table.name, wish.column), "not_null");
    let quoted = quote_identifier(&check);
    let add = format!("ADD CONSTRAINT {quoted} CHECK ({column} IS NOT NULL) NOT VALID");
    vec![
        Step::new(Phase::Expand, alter(&name, &add))
            .lock(LockMode::AccessExclusive)
            .undo(proof::drop_constraint(&name, &check))
            .verify(format!(
                "SELECT ({}) OR ({})",
                proof::has_constraint(&name, &check),
                proof::is_not_null(&name, &wish.column)
            ))
            .note("from here on no row can be written without a tenant; rows that are there are not read"),
        Step::new(Phase::Validate, validate(&name, &check))
            .lock(LockMode::ShareUpdateExclusive)
            .verify(format!(
                "SELECT ({}) OR ({})",
                proof::has_valid_constraint(&name, &check),
                proof::is_not_null(&name, &wish.column)
            ))
            .note("reads every row while others read and write; stops at the first row without a tenant"),
        Step::new(Phase::Validate, alter(&name, &format!("ALTER COLUMN {column} SET NOT NULL")))
            .and(alter(&name, &format!("DROP CONSTRAINT {quoted}")))
            .lock(LockMode::AccessExclusive)
            .undo(alter(&name, &format!("ALTER COLUMN {column} DROP NOT NULL, {add}")))
            .verify(proof::is_not_null(&name, &wish.column))
            .note("no row is read: the CHECK proves it, and goes"),
    ]
}

/// Whether values are others than they were: by their images, since IS DISTINCT FROM looks for an equality by its bare name.
fn differs(new: &[String], old: &[String]) -> String {
    format!("pg_catalog.record_image_ne(ROW({}), ROW({}))", new.join(", "), old.join(", "))
}

/// The trigger that fills the column as long as the application does not know it.
pub struct Filler {
    function: String,
    trigger: String,
    /// What the row's tenant is.
    value: String,
    /// Whether what it depends on has changed.
    changed: String,
    needs_rights: bool,
}

impl Filler {
    /// That of a table, where it has one.
    pub fn of(wish: &Wish, target: &Target) -> Option<Self> {
        let table = &target.table;
        let stem = format!("{}_{}", table.name, wish.column);
        let (value, changed, needs_rights) = match &target.source {
            Source::There => return None,
            Source::Expression(expression) => {
                let of = |row: &str| {
                    format!(
                        "(SELECT ({expression}) FROM (SELECT {row}.*) AS {})",
                        quote_identifier(&table.name)
                    )
                };
                (of("NEW"), differs(&[of("NEW")], &[of("OLD")]), false)
            }
            Source::Parent(key) => {
                let matches: Vec<String> = key
                    .columns
                    .iter()
                    .zip(&key.referenced_columns)
                    .enumerate()
                    .map(|(place, (own, other))| {
                        // The foreign key's own: in the search_path of the function there may be none.
                        let equals = key.equalities.get(place).map_or("=", |equality| bare(equality));
                        format!("dbm_row.{} {equals} NEW.{}", quote_identifier(other), quote_identifier(own))
                    })
                    .collect();
                let of = |row: &str| {
                    key.columns
                        .iter()
                        .map(|own| format!("{row}.{}", quote_identifier(own)))
                        .collect::<Vec<_>>()
                };
                (
                    format!(
                        "(SELECT dbm_row.{} FROM {} AS dbm_row WHERE {} FOR KEY SHARE)",
                        wish.quoted(),
                        key.referenced_name,
                        matches.join(" AND ")
                    ),
                    differs(&of("NEW"), &of("OLD")),
                    true,
                )
            }
        };
        let function = between(table, &stem, "tenant");
        Some(Self {
            trigger: format!("zz_{}", crate::text::identifier::cut(&function, 58)),
            function: quote_qualified(&table.schema, &function),
            value,
            changed,
            needs_rights,
        })
    }

    /// The statements that make it.
    pub fn made(&self, wish: &Wish, table: &Table) -> Vec<String> {
        let column = wish.quoted();
        let body = format!(
            "\nBEGIN\n  \
             -- Gives a row its tenant where the transaction has none, as long as the table is on its way.\n  \
             IF NEW.{column} IS NULL THEN\n    NEW.{column} := {value};\n  \
             ELSIF TG_OP = 'UPDATE' THEN\n    \
             IF NOT {moved} AND {changed} THEN\n      NEW.{column} := {value};\n    END IF;\n  \
             END IF;\n  RETURN NEW;\nEND\n",
            value = self.value,
            moved = differs(&[format!("NEW.{column}")], &[format!("OLD.{column}")]),
            changed = self.changed
        );
        let rights = if self.needs_rights { "SECURITY DEFINER " } else { "" };
        let mut sql = vec![
            format!(
                "CREATE OR REPLACE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql {rights}SET search_path = pg_catalog, pg_temp AS {}",
                self.function,
                dollar_quoted(&body)
            ),
            format!("REVOKE ALL ON FUNCTION {}() FROM PUBLIC", self.function),
        ];
        if self.needs_rights {
            // What the table that it reads is turned into runs with these rights: no more than its owner has anyway.
            sql.push(format!("ALTER FUNCTION {}() OWNER TO {}", self.function, table.owner));
        }
        sql.push(format!(
            "CREATE TRIGGER {} BEFORE INSERT OR UPDATE ON {} FOR EACH ROW EXECUTE FUNCTION {}()",
            quote_identifier(&self.trigger),
            table.qualified(),
            self.function
        ));
        sql
    }

    /// The statements that remove it.
    pub fn removed(&self, table: &Table) -> Vec<String> {
        vec![
            format!("DROP TRIGGER IF EXISTS {} ON {}", quote_identifier(&self.trigger), table.qualified()),
            format!("DROP FUNCTION IF EXISTS {}()", self.function),
        ]
    }

    fn step(&self, wish: &Wish, table: &Table) -> Step {
        let mut made = self.made(wish, table).into_iter();
        let mut step = Step::new(Phase::Sync, made.next().unwrap_or_default());
        for sql in made {
            step = step.and(sql);
        }
        step.lock(LockMode::ShareRowExclusive)
            .undo(self.removed(table).join(";\n"))
            .verify(proof::has_trigger(&table.qualified(), &self.trigger))
            .note("fills the column with each row that is written by a transaction without a tenant")
    }
}
