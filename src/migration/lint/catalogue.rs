//! The page `docs/lint.md`, made from the rules themselves.

use std::fmt::Write;

use super::{Dialect, rules};

/// Every rule about migrations of other servers.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Lint of migrations for MySQL and SQLite\n\n\
         <!-- Generated from the rules in src/migration/lint/: change them there, then run `cargo xtask docs`. -->\n\n\
         What `dbm.lint_migration(sql, dialect)` says of a file for `mysql` (MySQL 8.4 with InnoDB; `mariadb` is read by \
         the same\nrules) and `sqlite`. Nothing is run. A table that the file itself makes is nobody's yet, so that what \
         is done to it is\nsilent; a statement that nobody understands is a row of its own.\n\n\
         For MySQL `lock_mode` tells how a statement as a whole is done (`INSTANT`, `INPLACE`, `INPLACE (rebuild)`, \
         `COPY`) and\nwhether writers go on (`LOCK=NONE`) or wait (`LOCK=SHARED`); it is empty where the file does not \
         say enough, and where\nthe statement fails at once.\n",
    );
    for (dialect, title) in [(Dialect::MySql, "MySQL"), (Dialect::Sqlite, "SQLite")] {
        // Writing to a String cannot fail.
        let _ =
            write!(page, "\n## {title}\n\n| rule | severity | what it finds | why |\n|---|---|---|---|\n");
        for rule in rules(dialect) {
            let (id, severity, reference) = (rule.id, rule.severity.name(), rule.reference);
            let _ = writeln!(page, "| [`{id}`]({reference}) | {severity} | {} | {} |", rule.title, rule.why);
        }
    }
    page
}
