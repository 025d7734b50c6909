//! The triggers of a watched table, as SQL makes them and takes them away.

use crate::text::quote_identifier;

/// The function that all of them call.
pub const FUNCTION: &str = "dbm.write_audit_trail()";

/// What the names of all of them begin with: before those of other triggers, so that what those change comes after.
pub const PREFIX: &str = "00_dbm_audit_";

/// Whether a trigger is called for statements or for rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Once for a statement, with all its rows: the fast way.
    Statement,
    /// Once for a row: where rows come that no statement on the table brings.
    Row,
}

impl Level {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Statement => "statement",
            Self::Row => "row",
        }
    }

    /// As it is written, back.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Statement, Self::Row].into_iter().find(|level| level.name() == name)
    }
}

fn name(what: &str) -> String {
    quote_identifier(&format!("{PREFIX}{what}"))
}

/// The triggers that a table has, by the ends of their names.
pub fn kinds(level: Level) -> &'static [&'static str] {
    match level {
        Level::Statement => &["insert", "update", "delete", "truncate"],
        Level::Row => &["row", "truncate"],
    }
}

fn definition(kind: &str, table: &str) -> String {
    let (event, references, each) = match kind {
        "insert" => ("INSERT", " REFERENCING NEW TABLE AS new_rows", "STATEMENT"),
        "update" => ("UPDATE", " REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows", "STATEMENT"),
        "delete" => ("DELETE", " REFERENCING OLD TABLE AS old_rows", "STATEMENT"),
        "row" => ("INSERT OR UPDATE OR DELETE", "", "ROW"),
        _ => ("TRUNCATE", "", "STATEMENT"),
    };
    format!(
        "CREATE TRIGGER {} AFTER {event} ON {table}{references} FOR EACH {each} EXECUTE FUNCTION {FUNCTION}",
        name(kind)
    )
}

/// Makes them; they fire for whoever writes, replication included. `table`: quoted. `partitions`: the tables below, which a
/// TRUNCATE can name, and which take over all other triggers.
pub fn create(table: &str, level: Level, partitions: &[String]) -> Vec<String> {
    let mut statements: Vec<String> = kinds(level).iter().map(|kind| definition(kind, table)).collect();
    let always: Vec<String> =
        kinds(level).iter().map(|kind| format!("ENABLE ALWAYS TRIGGER {}", name(kind))).collect();
    statements.push(format!("ALTER TABLE {table} {}", always.join(", ")));
    for partition in partitions {
        statements.extend(create_on_partition(partition));
    }
    statements
}

/// Makes what a partition does not take over from its parent.
pub fn create_on_partition(partition: &str) -> [String; 2] {
    [
        definition("truncate", partition),
        format!("ALTER TABLE ONLY {partition} ENABLE ALWAYS TRIGGER {}", name("truncate")),
    ]
}

/// Takes triggers away, by their names.
pub fn drop(table: &str, names: &[String]) -> Vec<String> {
    names.iter().map(|name| format!("DROP TRIGGER IF EXISTS {} ON {table}", quote_identifier(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn for_statements() {
        let statements = create("public.orders", Level::Statement, &[]);
        assert_eq!(statements.len(), 5);
        assert_eq!(
            statements[1],
            "CREATE TRIGGER \"00_dbm_audit_update\" AFTER UPDATE ON public.orders REFERENCING OLD TABLE AS old_rows NEW \
             TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION dbm.write_audit_trail()"
        );
    }

    #[test]
    fn for_rows_of_partitions() {
        let statements = create("a", Level::Row, &["b".to_owned()]);
        assert_eq!(statements.len(), 5);
        assert!(
            statements[2].starts_with("ALTER TABLE a ENABLE ALWAYS TRIGGER \"00_dbm_audit_row\", ENABLE")
        );
        assert!(statements[3].contains("AFTER TRUNCATE ON b"));
    }
}
