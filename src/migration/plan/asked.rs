//! What a recipe is given.

use std::cell::{OnceCell, RefCell};

use rustc_hash::FxHashSet;

use super::back::{self, Back};
use super::given::Given;
use super::names;
use super::recipe::{Clause, NoPlan};
use super::words::{find, words};
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
    /// What all actions of the statement share.
    pub shared: &'a Shared<'a>,
}

/// What all actions of a statement share: names given away, and what is found out but once, since a statement may have
/// thousands of actions and a text as long as that.
pub struct Shared<'a> {
    /// Names that this plan has given away.
    pub given: Given,
    /// Called often, so that whoever waits for the plan can give up.
    pub interrupt: &'a dyn Fn(),
    /// Whether the statement says IF EXISTS.
    says_if_exists: OnceCell<bool>,
    /// The way back from the whole statement, and the schema for which it was read.
    back: RefCell<Option<(Option<String>, Option<Back>)>>,
}

impl<'a> Shared<'a> {
    /// Nothing is known yet.
    pub fn new(interrupt: &'a dyn Fn()) -> Self {
        Self { given: Given::default(), interrupt, says_if_exists: OnceCell::new(), back: RefCell::new(None) }
    }
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

    /// Whether the whole statement says IF EXISTS.
    pub fn says_if_exists(&self) -> bool {
        *self
            .shared
            .says_if_exists
            .get_or_init(|| find(&words(&self.statement.text), &["IF", "EXISTS"]).is_some())
    }

    /// The way back from the whole statement; `None` where its words do not tell one.
    pub fn back(&self) -> Option<Back> {
        let schema = self.action.target.as_ref().map(|target| &*target.schema);
        let mut kept = self.shared.back.borrow_mut();
        match &*kept {
            Some((of, back)) if of.as_deref() == schema => back.clone(),
            _ => {
                let back = back::of(&self.statement.text, schema);
                *kept = Some((schema.map(str::to_owned), back.clone()));
                back
            }
        }
    }

    /// The name that the server would choose in that schema.
    pub fn chosen(
        &self,
        schema: &str,
        taken: &FxHashSet<String>,
        table: &str,
        columns: Option<&str>,
        label: &str,
    ) -> String {
        let series = [schema, label, table, columns.unwrap_or_default()].map(str::to_owned);
        self.shared.given.first(
            series,
            |number| {
                (self.shared.interrupt)();
                Some(names::candidate(table, columns, label, number))
            },
            |name| taken.contains(name),
        )
    }

    /// A name for the time between, in the table's schema.
    pub fn between(&self, table: &TableShape, name: &str, purpose: &str) -> String {
        let [stem, ending] = names::parts_between(name, purpose);
        let series = [&table.schema, &ending, &stem, ""].map(str::to_owned);
        self.shared.given.first(
            series,
            |number| {
                (self.shared.interrupt)();
                names::numbered_name(&[&stem, &ending], number)
            },
            |name| {
                table.taken.contains(name) || table.column(name).is_some() || table.constraint(name).is_some()
            },
        )
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
