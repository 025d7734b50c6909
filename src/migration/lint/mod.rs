//! Migration files, read without running them.

pub mod catalogue;
mod mysql;
mod rule;
mod script;
mod sqlite;

pub use rule::LintRule;

use crate::finding::Severity;

/// What somebody should know of one statement of a migration file.
#[derive(Clone, Debug, PartialEq)]
pub struct LintFinding {
    /// Which statement of the file, 1-based.
    pub statement_no: usize,
    /// The line on which it begins, 1-based.
    pub line: usize,
    /// `ddl.…`, `mysql.…` or `sqlite.…`; never changes its meaning.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// One sentence in lower case that names the object.
    pub message: String,
    /// The statement without its semicolon.
    pub statement: String,
    /// The lock, in the dialect's own words; empty where nothing is locked or nobody knows.
    pub lock_mode: String,
    /// What to run instead; empty where there is nothing better.
    pub fix: String,
}

/// A dialect that is read without its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// MySQL with InnoDB, as of 8.4; MariaDB is read by the same rules.
    MySql,
    /// SQLite.
    Sqlite,
}

impl Dialect {
    /// The dialect of that name; PostgreSQL's is read by the server itself.
    pub fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "mysql" | "mariadb" => Some(Self::MySql),
            "sqlite" | "sqlite3" => Some(Self::Sqlite),
            _ => None,
        }
    }

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::MySql => "mysql",
            Self::Sqlite => "sqlite",
        }
    }
}

/// Everything that should be known of a file, in the order of its statements, worst first within one.
pub fn lint(sql: &str, dialect: Dialect) -> Vec<LintFinding> {
    let pieces = script::statements(sql, dialect);
    let mut found = match dialect {
        Dialect::MySql => mysql::lint(&pieces),
        Dialect::Sqlite => sqlite::lint(&pieces),
    };
    found.sort_by(|left, right| {
        left.statement_no.cmp(&right.statement_no).then(right.severity.cmp(&left.severity))
    });
    found
}

/// The rules of a dialect.
pub fn rules(dialect: Dialect) -> &'static [&'static LintRule] {
    match dialect {
        Dialect::MySql => mysql::RULES,
        Dialect::Sqlite => sqlite::RULES,
    }
}

#[cfg(test)]
mod tests;
