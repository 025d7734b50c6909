//! The queries that run here, as far as somebody counted them.

use super::{Moment, Oid};

/// Where a query comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Our own capture, which knows types and constants.
    Capture,
    /// The extension `pg_stat_statements`.
    PgStatStatements,
    /// The table `dbm.workload`, filled by hand.
    Table,
}

impl Source {
    /// All, the best first.
    pub const ALL: [Self; 3] = [Self::Capture, Self::PgStatStatements, Self::Table];

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::PgStatStatements => "pg_stat_statements",
            Self::Table => "table",
        }
    }

    /// The source of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.name() == name)
    }
}

/// One query of a workload.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadQuery {
    /// Its text, with parameters in the place of constants or as it was written.
    pub text: String,
    /// How often it ran, or is said to run.
    pub calls: f64,
    /// Milliseconds of all runs together.
    pub total_time_ms: Option<f64>,
    /// Who ran it: with whose rights it is to be planned.
    pub role: Oid,
    /// With which `search_path`.
    pub search_path: Option<String>,
    /// The types of its parameters where they are known, 0 for one that is not; empty where none is.
    pub parameter_types: Vec<Oid>,
    /// Where it comes from.
    pub source: Source,
}

/// What `pg_stat_statements` counted of one statement of this database.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statement {
    /// Who ran it.
    pub role: Oid,
    /// The server's hash of it.
    pub query_id: i64,
    /// Its text with parameters in the place of constants; `None` where the caller may not see it.
    pub text: Option<Box<str>>,
    /// How often it ran to its end.
    pub calls: f64,
    /// Milliseconds of all runs together.
    pub total_ms: f64,
    /// Rows that all runs returned or wrote.
    pub rows: f64,
    /// Blocks found in shared buffers.
    pub blocks_hit: f64,
    /// Blocks read from outside of them.
    pub blocks_read: f64,
    /// Blocks of temporary files written.
    pub blocks_spilled: f64,
}

impl Statement {
    /// Milliseconds of a run on average.
    pub fn mean_ms(&self) -> f64 {
        self.total_ms / self.calls.max(1.0)
    }

    /// Rows of a run on average.
    pub fn rows_per_call(&self) -> f64 {
        self.rows / self.calls.max(1.0)
    }
}

/// What is known of the statements that ran.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Statements {
    /// Nobody asked.
    #[default]
    NotRead,
    /// Nothing, and why, as a part of a sentence.
    Missing(Box<str>),
    /// What `pg_stat_statements` has counted.
    Counted {
        /// The statements of this database that are about somebody's data, most time first.
        statements: Box<[Statement]>,
        /// Since when; `None` where it does not say.
        since: Option<Moment>,
    },
}

impl Statements {
    /// The statements whose text can be seen, most time first.
    pub fn visible(&self) -> impl Iterator<Item = &Statement> {
        self.all().iter().filter(|statement| statement.text.is_some())
    }

    /// All that were counted.
    pub fn all(&self) -> &[Statement] {
        match self {
            Self::Counted { statements, .. } => statements,
            Self::NotRead | Self::Missing(_) => &[],
        }
    }

    /// How many were counted whose text cannot be seen.
    pub fn hidden(&self) -> u64 {
        self.all().iter().filter(|statement| statement.text.is_none()).count() as u64
    }

    /// Milliseconds of all of them together.
    pub fn total_ms(&self) -> f64 {
        self.all().iter().map(|statement| statement.total_ms).sum()
    }
}

/// Why a source has nothing to offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingSource {
    /// What is missing, as an ERROR's message.
    pub message: String,
    /// What makes it work.
    pub hint: String,
}

impl MissingSource {
    /// Both as one text.
    pub fn reason(&self) -> String {
        format!("{}: {}", self.message, self.hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        for source in Source::ALL {
            assert_eq!(Source::parse(source.name()), Some(source));
        }
        assert_eq!(Source::parse("auto"), None);
    }

    #[test]
    fn means_are_of_runs() {
        let statement = Statement { calls: 4.0, total_ms: 10.0, rows: 2.0, ..Statement::default() };
        assert_eq!((statement.mean_ms(), statement.rows_per_call()), (2.5, 0.5));
        assert_eq!(Statement::default().mean_ms(), 0.0);
    }

    #[test]
    fn what_cannot_be_seen_counts_as_load() {
        let hidden = Statement { total_ms: 3.0, ..Statement::default() };
        let shown = Statement { total_ms: 1.0, text: Some("SELECT 1".into()), ..Statement::default() };
        let all = Statements::Counted { statements: Box::new([hidden, shown]), since: None };
        assert_eq!((all.total_ms(), all.hidden(), all.visible().count()), (4.0, 1, 1));
        assert_eq!(Statements::Missing("x".into()).all().len(), 0);
    }
}
