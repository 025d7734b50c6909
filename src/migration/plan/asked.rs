//! What a recipe is given.

use std::cell::RefCell;

use super::names;
use super::recipe::{Clause, NoPlan};
use crate::catalog::LockMode;
use crate::catalog::ddl::{Action, Statement, Surroundings, TableShape};
use crate::change::plan::Phase;
use crate::text::{quote_identifier, quote_qualified};

/// One action, with everything around it.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The whole statement.
    pub statement: &'a Statement,
    /// The action to be planned.
    pub action: &'a Action,
    /// What stands around it.
    pub around: &'a Surroundings,
    /// Names that this plan has given away: schema and name.
    pub given: &'a RefCell<Vec<(String, String)>>,
}

impl<'a> Asked<'a> {
    /// The table to which it is done.
    pub fn table(&self) -> Result<&'a TableShape, NoPlan> {
        let Some(target) = &self.action.target else {
            let missing = self.action.missing.clone().unwrap_or_else(|| "the object".to_owned());
            return Err(NoPlan::new(
                format!("{missing} is not there"),
                "create it first, or run the statement as it is: nobody can be waiting for it",
            ));
        };
        self.around
            .table(target.oid)
            .ok_or_else(|| NoPlan::new(format!("the shape of {} is not known", target.qualified()), ""))
    }

    /// The name of the target, quoted; the statement's own word where it is not there.
    pub fn target_name(&self) -> String {
        match (&self.action.target, &self.action.missing) {
            (Some(target), _) => target.qualified(),
            (None, Some(missing)) => missing.clone(),
            (None, None) => String::new(),
        }
    }

    /// Whether the server is of that version at least.
    pub fn is_version(&self, major: i32) -> bool {
        self.around.server_version >= major * 10_000
    }

    /// The mode in which the target is locked.
    pub fn lock(&self) -> LockMode {
        self.action.lock_mode().unwrap_or(LockMode::AccessExclusive)
    }

    fn is_given(&self, schema: &str, name: &str) -> bool {
        self.given.borrow().iter().any(|(other, given)| other == schema && given == name)
    }

    fn give(&self, schema: &str, name: &str) {
        self.given.borrow_mut().push((schema.to_owned(), name.to_owned()));
    }

    /// The name that the server would choose in that schema.
    pub fn chosen(
        &self,
        schema: &str,
        taken: &[String],
        table: &str,
        columns: Option<&str>,
        label: &str,
    ) -> String {
        let name = names::chosen(table, columns, label, |name| {
            taken.iter().any(|other| other == name) || self.is_given(schema, name)
        });
        self.give(schema, &name);
        name
    }

    /// A name for the time between, in the table's schema.
    pub fn between(&self, table: &TableShape, name: &str, purpose: &str) -> String {
        let name = names::between(name, purpose, |name| {
            table.taken.iter().any(|other| other == name)
                || table.column(name).is_some()
                || table.constraint(name).is_some()
                || self.is_given(&table.schema, name)
        });
        self.give(&table.schema, &name);
        name
    }

    /// The sub-command as a part that may join its neighbours.
    pub fn clause(&self, table: &TableShape, text: impl Into<String>) -> Clause {
        Clause {
            table: table.qualified(),
            text: text.into(),
            undo: None,
            phase: Phase::Expand,
            lock: self.lock(),
            verify: None,
            note: String::new(),
        }
    }
}

/// `ALTER TABLE`, the name and one sub-command.
pub fn alter(table: &str, clause: &str) -> String {
    format!("ALTER TABLE {table} {clause}")
}

/// `ALTER TABLE … RENAME COLUMN`.
pub fn rename_column(table: &str, from: &str, to: &str) -> String {
    format!("ALTER TABLE {table} RENAME COLUMN {} TO {}", quote_identifier(from), quote_identifier(to))
}

/// `ALTER TABLE … RENAME CONSTRAINT`.
pub fn rename_constraint(table: &str, from: &str, to: &str) -> String {
    format!("ALTER TABLE {table} RENAME CONSTRAINT {} TO {}", quote_identifier(from), quote_identifier(to))
}

/// `ALTER INDEX … RENAME`.
pub fn rename_index(schema: &str, from: &str, to: &str) -> String {
    format!("ALTER INDEX {} RENAME TO {}", quote_qualified(schema, from), quote_identifier(to))
}

/// `DROP INDEX CONCURRENTLY IF EXISTS`.
pub fn drop_index(schema: &str, name: &str) -> String {
    format!("DROP INDEX CONCURRENTLY IF EXISTS {}", quote_qualified(schema, name))
}
