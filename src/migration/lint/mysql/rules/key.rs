//! Primary keys, foreign keys, CHECK, AUTO_INCREMENT.

use crate::finding::Severity;
use crate::migration::lint::LintRule;
use crate::migration::lint::mysql::action::Action;
use crate::migration::lint::mysql::class::Class;
use crate::migration::lint::mysql::judged::{Asked, Judged, name, online_tool};
use crate::migration::lint::rule::Note;

const PRIMARY: &str = "https://dev.mysql.com/doc/refman/8.4/en/innodb-online-ddl-operations.html#online-ddl-primary-key-operations";
const FOREIGN: &str = "https://dev.mysql.com/doc/refman/8.4/en/innodb-online-ddl-operations.html#online-ddl-foreign-key-operations";

/// A column that counts for itself.
pub const AUTO_INCREMENT: LintRule = LintRule {
    id: "mysql.add_auto_increment",
    severity: Severity::Error,
    title: "A column becomes AUTO_INCREMENT",
    why: "Every row is written anew and gets its number while writers wait; under statement-based replication the numbers \
          may differ between servers.",
    reference: "https://dev.mysql.com/doc/refman/8.4/en/replication-features-auto-increment.html",
};

/// A primary key is added.
pub const ADD_PRIMARY_KEY: LintRule = LintRule {
    id: "mysql.add_primary_key",
    severity: Severity::Warning,
    title: "A primary key is added",
    why: "InnoDB keeps rows in the order of the primary key: every row and every index is written anew. Where a column of \
          it is NULL today, the table is copied while writers wait.",
    reference: PRIMARY,
};

/// A primary key is dropped.
pub const DROP_PRIMARY_KEY: LintRule = LintRule {
    id: "mysql.drop_primary_key",
    severity: Severity::Error,
    title: "A primary key is dropped without another in its place",
    why: "The table is copied while writers wait, and row-based replication then searches a whole table for each row.",
    reference: PRIMARY,
};

/// A foreign key that is checked.
pub const ADD_FOREIGN_KEY: LintRule = LintRule {
    id: "mysql.add_foreign_key",
    severity: Severity::Error,
    title: "A foreign key is added",
    why: "While foreign_key_checks is on, the table is copied, every row is checked, and writers wait; writes on the \
          referenced table wait too.",
    reference: FOREIGN,
};

/// A foreign key that is not checked.
pub const FOREIGN_KEY_NOT_CHECKED: LintRule = LintRule {
    id: "mysql.foreign_key_not_checked",
    severity: Severity::Warning,
    title: "A foreign key is added without checking the rows that are there",
    why: "With foreign_key_checks off it is added in place and at once, but rows that break it stay, and nothing ever \
          checks them.",
    reference: "https://dev.mysql.com/doc/refman/8.4/en/create-table-foreign-keys.html#foreign-key-checks",
};

/// REFERENCES on a column.
pub const INLINE_REFERENCES: LintRule = LintRule {
    id: "mysql.inline_references",
    severity: Severity::Warning,
    title: "REFERENCES on a column does nothing before MySQL 9.0",
    why: "The clause is read and thrown away: there is no foreign key, and no error says so.",
    reference: "https://dev.mysql.com/doc/refman/8.4/en/ansi-diff-foreign-keys.html",
};

/// A CHECK that is enforced.
pub const ADD_CHECK: LintRule = LintRule {
    id: "mysql.add_check",
    severity: Severity::Error,
    title: "A CHECK constraint is added or enforced",
    why: "Every row is checked by copying the table while writers wait.",
    reference: "https://dev.mysql.com/doc/refman/8.4/en/create-table-check-constraints.html",
};

/// Says that a column counts for itself.
pub fn auto_increment_note(asked: &Asked<'_>, column: &str) -> Note {
    let table = asked.table();
    let message = format!(
        "making {} AUTO_INCREMENT writes every row of {table} anew while writers wait",
        asked.column(column)
    );
    Note::cost(&AUTO_INCREMENT, message).fix(online_tool(&table))
}

/// Says that a primary key is added.
pub fn primary_note(asked: &Asked<'_>) -> Note {
    let table = asked.table();
    let message =
        format!("adding a primary key to {table} writes every row and index of it anew while writers go on");
    Note::cost(&ADD_PRIMARY_KEY, message).fix(format!(
        "ALGORITHM=INPLACE, LOCK=NONE makes it fail rather than stop writers; otherwise {}",
        online_tool(&table)
    ))
}

/// Judges ADD PRIMARY KEY.
pub fn add_primary(asked: &Asked<'_>) -> Judged {
    Judged::new("ADD PRIMARY KEY", Class::Rebuild).note(primary_note(asked))
}

/// Judges DROP PRIMARY KEY: with another one in the same statement it is done in place.
pub fn drop_primary(asked: &Asked<'_>) -> Judged {
    let is_replaced = asked.alter.actions.iter().any(|action| match action {
        Action::AddPrimaryKey => true,
        Action::AddColumn(definition) => definition.is_primary,
        _ => false,
    });
    if is_replaced {
        return Judged::new("DROP PRIMARY KEY", Class::Rebuild);
    }
    let table = asked.table();
    let message = format!(
        "dropping the primary key of {table} copies it while writers wait, and leaves it without one"
    );
    Judged::new("DROP PRIMARY KEY", Class::Copy)
        .note(Note::cost(&DROP_PRIMARY_KEY, message).fix("add the new primary key in the same ALTER TABLE"))
}

/// Judges ADD FOREIGN KEY.
pub fn add_foreign(asked: &Asked<'_>, other: &str) -> Judged {
    let (table, other) = (asked.table(), name(other));
    if asked.memory.ignores_foreign_keys {
        let message = format!(
            "the foreign key from {table} to {other} is added while foreign_key_checks is off: rows that break it stay"
        );
        let fix = format!(
            "look for rows of {table} that have no match in {other} before and after, and set foreign_key_checks to 1 \
             at the end"
        );
        return Judged::new("ADD FOREIGN KEY", Class::InPlace)
            .note(Note::new(&FOREIGN_KEY_NOT_CHECKED, message).fix(fix));
    }
    let message =
        format!("adding the foreign key from {table} to {other} copies {table} while writers of both wait");
    let fix = format!(
        "only if no row of {table} lacks its match in {other}: SET SESSION foreign_key_checks = 0; then the statement with \
         ALGORITHM=INPLACE, LOCK=NONE; then SET SESSION foreign_key_checks = 1;"
    );
    Judged::new("ADD FOREIGN KEY", Class::Copy).note(Note::cost(&ADD_FOREIGN_KEY, message).fix(fix))
}

/// Says that an inline REFERENCES does nothing.
pub fn inline_note(asked: &Asked<'_>, column: &str, other: &str) -> Note {
    inline_references(&asked.alter.table, column, other)
}

/// The same, of a table that is just made.
pub fn inline_references(table: &str, column: &str, other: &str) -> Note {
    let (table, column, other) = (name(table), name(column), name(other));
    let message = format!(
        "REFERENCES {other} on {table}.{column} is ignored before MySQL 9.0: there is no foreign key"
    );
    Note::new(&INLINE_REFERENCES, message)
        .fix(format!("write it as FOREIGN KEY ({column}) REFERENCES {other} (…) of the table"))
}

/// Says that a CHECK copies the table.
pub fn check_note(asked: &Asked<'_>, of: &str) -> Note {
    let table = asked.table();
    let message = format!("the enforced CHECK {} copies {table} while writers wait", name(of));
    Note::cost(&ADD_CHECK, message).fix(format!(
        "add it NOT ENFORCED and keep the rule in the application; to enforce it, {}",
        online_tool(&table)
    ))
}

/// Judges ADD CHECK.
pub fn add_check(asked: &Asked<'_>, is_enforced: bool) -> Judged {
    if !is_enforced {
        return Judged::new("ADD CHECK", Class::InPlace);
    }
    let table = asked.table();
    let message = format!("adding an enforced CHECK to {table} copies it while writers wait");
    Judged::new("ADD CHECK", Class::Copy).note(Note::cost(&ADD_CHECK, message).fix(online_tool(&table)))
}

/// Judges ALTER CHECK.
pub fn enforce_check(asked: &Asked<'_>, check: &str, is_enforced: bool) -> Judged {
    if !is_enforced {
        return Judged::new("ALTER CHECK", Class::InPlace);
    }
    let table = asked.table();
    let message = format!("enforcing CHECK {} copies {table} while writers wait", name(check));
    Judged::new("ALTER CHECK", Class::Copy).note(Note::cost(&ADD_CHECK, message).fix(online_tool(&table)))
}
