//! A plan: ordered steps that change something, each with lock, way back and proof. Pure; `CALL dbm.apply()` runs it.

use crate::catalog::LockMode;
use crate::syntax::tokens::words;

/// The part of a change to which a step belongs, in the order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Looks whether the change can succeed.
    Prepare,
    /// Adds the new form beside the old one.
    Expand,
    /// Keeps both forms alike while both are used.
    Sync,
    /// Fills the new form from what is there.
    Backfill,
    /// Proves the new form.
    Validate,
    /// Makes the new form the one in use.
    Switch,
    /// Removes the old form.
    Contract,
}

impl Phase {
    /// All, in order.
    pub const ALL: [Self; 7] = [
        Self::Prepare,
        Self::Expand,
        Self::Sync,
        Self::Backfill,
        Self::Validate,
        Self::Switch,
        Self::Contract,
    ];

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Expand => "expand",
            Self::Sync => "sync",
            Self::Backfill => "backfill",
            Self::Validate => "validate",
            Self::Switch => "switch",
            Self::Contract => "contract",
        }
    }

    /// The phase of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.name() == name)
    }
}

/// How a step is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Runs {
    /// All its statements in one transaction, under lock_timeout.
    InTransaction,
    /// One statement on its own at top level, outside a transaction block: CREATE INDEX CONCURRENTLY, CALL, VACUUM.
    Alone,
    /// By people: a deployment, a decision. The plan waits here until somebody confirms it.
    ByHand,
}

impl Runs {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::InTransaction => "transaction",
            Self::Alone => "alone",
            Self::ByHand => "by_hand",
        }
    }

    /// The way of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::InTransaction, Self::Alone, Self::ByHand].into_iter().find(|runs| runs.name() == name)
    }
}

/// One step.
///
/// Every name that we wrote is qualified and quoted. What was taken over from the caller's words, the expression of a
/// CHECK or a default, is looked up in [`Plan::search_path`], which is in force while a step, its undo and its verify
/// are run, unless the step has one of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// Its phase.
    pub phase: Phase,
    /// How it is run.
    pub runs: Runs,
    /// What to run, in order; exactly one for [`Runs::Alone`]. For [`Runs::ByHand`] what people have to do is in `note`
    /// and this may be empty.
    pub sql: Vec<String>,
    /// The strongest lock that it takes on a table which others use.
    pub lock: Option<LockMode>,
    /// What takes it back, in order, each in its own transaction or alone if it begins with CREATE INDEX CONCURRENTLY
    /// and the like or CALL ([`runs_alone`]). One text may hold several statements divided by `;` and a line end: they
    /// belong into one transaction. Empty where nothing is to be done, or nothing can be: then `note` says so.
    pub undo: Vec<String>,
    /// A query that returns one boolean: true once the step has done what it should. It must be cheap enough to be run
    /// before the step (true: the step is skipped, so that an interrupted plan goes on) and after it (not true: the
    /// plan stops).
    pub verify: Option<String>,
    /// What an interrupted attempt leaves behind: a query that is true if there is such a thing, and what removes it.
    pub leftover: Option<(String, String)>,
    /// Of a step at which people only look at something: a query that is true where there is something to look at. Where there
    /// is nothing the step is skipped, their word is all that is asked for, and nothing of it has to be taken back.
    pub asks_if: Option<String>,
    /// The search_path with which it is run, where that is not the plan's: of a step that changes rows of users' tables,
    /// whose triggers look names up in it.
    pub search_path: Option<String>,
    /// For people.
    pub note: String,
}

impl Step {
    /// A step in a transaction of its own, of which nothing else is known.
    pub fn new(phase: Phase, sql: impl Into<String>) -> Self {
        Self {
            phase,
            runs: Runs::InTransaction,
            sql: vec![sql.into()],
            lock: None,
            undo: Vec::new(),
            verify: None,
            leftover: None,
            asks_if: None,
            search_path: None,
            note: String::new(),
        }
    }

    /// A step that is run on its own at top level.
    pub fn alone(phase: Phase, sql: impl Into<String>) -> Self {
        Self { runs: Runs::Alone, ..Self::new(phase, sql) }
    }

    /// A step that people do.
    pub fn by_hand(phase: Phase, note: impl Into<String>) -> Self {
        Self { runs: Runs::ByHand, sql: Vec::new(), note: note.into(), ..Self::new(phase, "") }
    }

    /// With one more statement.
    pub fn and(mut self, sql: impl Into<String>) -> Self {
        self.sql.push(sql.into());
        self
    }

    /// With its lock.
    pub fn lock(mut self, mode: LockMode) -> Self {
        self.lock = Some(mode);
        self
    }

    /// With one more statement of the way back.
    pub fn undo(mut self, sql: impl Into<String>) -> Self {
        self.undo.push(sql.into());
        self
    }

    /// With its proof.
    pub fn verify(mut self, query: impl Into<String>) -> Self {
        self.verify = Some(query.into());
        self
    }

    /// With what an interrupted attempt leaves behind: how it is seen, and what removes it.
    pub fn leftover(mut self, query: impl Into<String>, removal: impl Into<String>) -> Self {
        self.leftover = Some((query.into(), removal.into()));
        self
    }

    /// Asking people only where this query is true.
    pub fn asks_if(mut self, query: impl Into<String>) -> Self {
        self.asks_if = Some(query.into());
        self
    }

    /// With a search_path of its own. What is ours in it has to be qualified, operators and types included.
    pub fn search_path(mut self, schemas: impl Into<String>) -> Self {
        self.search_path = Some(schemas.into());
        self
    }

    /// With a note.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

/// How dangerous a plan is as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// Nobody waits longer than a moment, and all can be taken back.
    Low,
    /// It takes long, or needs a deployment between its phases.
    Medium,
    /// Something cannot be taken back.
    High,
}

impl Risk {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// A plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// One line: what it does.
    pub title: String,
    /// The change as it was asked for.
    pub change: String,
    /// How dangerous it is.
    pub risk: Risk,
    /// What has to hold or be there before it begins, for people.
    pub requires: Vec<String>,
    /// How long it may take, in seconds: least and most. `None` where nobody knows.
    pub seconds: Option<(f64, f64)>,
    /// The schemas in which the caller's own expressions are looked up, quoted, divided by commas: the value that
    /// `search_path` has while a step runs. Empty for none but `pg_catalog`.
    pub search_path: String,
    /// Its steps, in order.
    pub steps: Vec<Step>,
    /// Queries, each of one boolean, that all hold once the whole plan was applied.
    pub verify: Vec<String>,
}

impl Plan {
    /// Whether one of its steps is code of PL/pgSQL, which a database may lack. A way back that is one fails there, as most
    /// of them are meant to: they only say that there is none.
    pub fn needs_plpgsql(&self) -> bool {
        self.steps.iter().flat_map(|step| &step.sql).any(|sql| is_plpgsql(sql))
    }
}

/// Whether a statement is a block of PL/pgSQL or makes a function in it.
fn is_plpgsql(sql: &str) -> bool {
    let words = words(sql);
    let is_block = words.first().is_some_and(|word| word.is("DO"));
    // An argument may be called language, too.
    let mut named = words.windows(2).filter(|pair| pair[0].is("LANGUAGE")).map(|pair| &pair[1]).peekable();
    let is_default = is_block && named.peek().is_none();
    is_default || named.any(|language| language.name().trim_matches('\'').eq_ignore_ascii_case("plpgsql"))
}

/// Whether a statement has to run at top level, outside a transaction block. Meant for what plans hold, not for any text.
pub fn runs_alone(sql: &str) -> bool {
    let words: Vec<&str> = sql.split_ascii_whitespace().take(12).collect();
    let is =
        |place: usize, word: &str| words.get(place).is_some_and(|found| found.eq_ignore_ascii_case(word));
    if is(0, "CALL") || is(0, "VACUUM") {
        return true;
    }
    let has_concurrently = words.iter().any(|word| word.eq_ignore_ascii_case("CONCURRENTLY"));
    if is(0, "ALTER") {
        return is(1, "TABLE")
            && words.iter().any(|word| word.eq_ignore_ascii_case("DETACH"))
            && words.last().is_some_and(|word| {
                word.eq_ignore_ascii_case("CONCURRENTLY") || word.eq_ignore_ascii_case("FINALIZE")
            });
    }
    has_concurrently && (is(0, "CREATE") || is(0, "DROP") || is(0, "REINDEX"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_plpgsql() {
        for sql in [
            "DO $$BEGIN NULL; END$$",
            "do language plpgsql 'BEGIN END'",
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ LANGUAGE sql $$",
            "CREATE FUNCTION f() RETURNS void AS 'BEGIN END' LANGUAGE 'PLpgSQL'",
            "CREATE FUNCTION f(language text) RETURNS void LANGUAGE plpgsql AS ''",
        ] {
            assert!(is_plpgsql(sql), "{sql}");
        }
        for sql in [
            "ALTER TABLE t ADD a text DEFAULT 'LANGUAGE plpgsql'",
            "DO LANGUAGE plperl ''",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE RULE r AS ON INSERT TO t DO ALSO NOTHING",
            "",
        ] {
            assert!(!is_plpgsql(sql), "{sql}");
        }
    }

    #[test]
    fn what_needs_the_top_level() {
        for sql in [
            "CREATE UNIQUE INDEX CONCURRENTLY i ON s.t (a)",
            "drop index concurrently if exists s.i",
            "REINDEX INDEX CONCURRENTLY s.i",
            "CALL dbm.backfill('s.t', 'a = 1')",
            "ALTER TABLE s.t DETACH PARTITION s.p CONCURRENTLY",
            "ALTER TABLE s.t DETACH PARTITION s.p FINALIZE",
        ] {
            assert!(runs_alone(sql), "{sql}");
        }
        for sql in
            ["CREATE INDEX i ON s.t (a)", "ALTER TABLE s.t ADD COLUMN concurrently int", "DROP TABLE s.t"]
        {
            assert!(!runs_alone(sql), "{sql}");
        }
    }
}
