//! The tables of the log: their columns in order. Who writes them checks that they are still so, since what it writes is
//! not looked at by anybody else on the way.

/// The schema of the log.
pub const SCHEMA: &str = "dbm_trail";

/// A column of the log: its name, its type as SQL writes it, whether it may be null, and what it is for.
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub type_name: &'static str,
    /// Whether it must not be null.
    pub is_required: bool,
    /// What it says, for COMMENT ON.
    pub meaning: &'static str,
}

const fn required(name: &'static str, type_name: &'static str, meaning: &'static str) -> Column {
    Column { name, type_name, is_required: true, meaning }
}

const fn optional(name: &'static str, type_name: &'static str, meaning: &'static str) -> Column {
    Column { name, type_name, is_required: false, meaning }
}

/// A table of the log.
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns.
    pub columns: &'static [Column],
    /// The column by whose ranges it is partitioned.
    pub partitioned_by: Option<&'static str>,
    /// What it holds, for COMMENT ON.
    pub meaning: &'static str,
}

/// Which relations are or were watched, and how.
pub static RELATION: Table = Table {
    name: "relation",
    columns: &[
        required(
            "relation_id",
            "integer",
            "Its number in the log, which stays through renames, restores and new OIDs.",
        ),
        required("relid", "oid", "Its OID in the database that home names."),
        required("schema_name", "text", "Its schema, as it was called last."),
        required("table_name", "text", "Its name, as it was called last."),
        required("installed_at", "timestamp with time zone", "Since when it is watched."),
        optional("removed_at", "timestamp with time zone", "Since when it is no longer watched."),
        required("mode", "text", "What was asked for: auto, statement or row."),
        required("level", "text", "What was installed: statement or row."),
        required("store", "text", "What is kept of an update: diff (what changed) or full (the whole rows)."),
        required(
            "settings",
            "jsonb",
            "Names of columns: only (null: all), exclude, redact; and query: whether the text of the query is kept.",
        ),
        required(
            "home",
            "text",
            "The server and the database in which relid is right; elsewhere the name counts.",
        ),
    ],
    partitioned_by: None,
    meaning: "Tables that are or were watched by the audit trail of dbmastery, and how. Written by dbmastery alone.",
};

/// What a relation's rows looked like when changes were written.
pub static SHAPE: Table = Table {
    name: "shape",
    columns: &[
        required("shape_id", "integer", "Its number."),
        required(
            "relation_id",
            "integer",
            "Of which relation; for a partition, of the partitioned table that is watched.",
        ),
        required(
            "seen_at",
            "timestamp with time zone",
            "When it was seen first: once the table was watched, or altered, or with the first change of it.",
        ),
        required("schema_name", "text", "The schema of the table that held the rows, then."),
        required("table_name", "text", "The name of the table that held the rows, then."),
        required(
            "attributes",
            "jsonb",
            "Its columns: number, name, type, type_schema, typmod, collation, not_null, generated, identity, logged (yes, no or redacted); of a partition above: the number in the table that is watched.",
        ),
        optional("key", "text[]", "The columns of its key; null: the whole row is the key."),
        required(
            "fingerprint",
            "bigint",
            "By which a shape is found again; 0 for one that was noted when the table was watched or altered, and that no change has.",
        ),
        required(
            "relid",
            "oid",
            "The table that held the rows: its OID in the database that home names, whatever it is called there by now.",
        ),
        required(
            "home",
            "text",
            "The server and the database in which relid is right; elsewhere the name counts.",
        ),
    ],
    partitioned_by: None,
    meaning: "What the rows of a watched table looked like, one row for each way that they ever did.",
};

/// Who changed something, and from where.
pub static ACTIVITY: Table = Table {
    name: "activity",
    columns: &[
        required("activity_id", "bigint", "Its number: that of its first change."),
        required("happened_at", "timestamp with time zone", "The clock at its first change."),
        required("transaction_id", "bigint", "The transaction that wrote it."),
        required("session_user_name", "text", "Who logged in."),
        required("outer_user_name", "text", "Who it became by SET ROLE; else who logged in."),
        required("current_user_name", "text", "With whose rights the change was made."),
        required("process_id", "integer", "The server process."),
        optional(
            "client_address",
            "inet",
            "From where; null: over a socket of the machine, or not by a client.",
        ),
        optional("client_port", "integer", "From which port."),
        required("application_name", "text", "What the client calls itself."),
        required("context", "jsonb", "What dbm.set_context() said in the transaction."),
        optional("query", "text", "The text that the client sent, where that was asked for."),
    ],
    partitioned_by: Some("happened_at"),
    meaning: "Who made changes, and from where: once for a session, and again whenever something of it changes.",
};

/// What was changed.
pub static CHANGE: Table = Table {
    name: "change",
    columns: &[
        required(
            "change_id",
            "bigint",
            "The order in which changes were made to a row: taken while the row was locked.",
        ),
        required("changed_at", "timestamp with time zone", "The clock when it was written."),
        required(
            "activity_id",
            "bigint",
            "Who and from where: the row of activity with this number, which an earlier transaction of the session may have written.",
        ),
        required("transaction_id", "bigint", "The transaction."),
        required(
            "transaction_started_at",
            "timestamp with time zone",
            "When the transaction began: after a restore transactions count anew, and this tells two of the same number apart.",
        ),
        required("shape_id", "integer", "What the row looked like: the row of shape."),
        required(
            "statement_no",
            "integer",
            "The number of the command within its transaction; grows, with gaps.",
        ),
        required("operation", "\"char\"", "I, U, D; T for TRUNCATE."),
        required(
            "flags",
            "integer",
            "1: old and new are whole rows, not only what changed; 2: there is no key, so key is the whole row; 4: the key changed; 8: old and new could not be paired.",
        ),
        optional(
            "key",
            "jsonb",
            "The key of the row before the change, of an inserted row after it; null for T.",
        ),
        optional("key_hash", "bigint", "jsonb_hash_extended(key, 0), by which a row is found."),
        optional(
            "old",
            "jsonb",
            "The row before, of U and D. A column that is absent did not change or is not logged.",
        ),
        optional(
            "new",
            "jsonb",
            "The row after, of I and U. A column that is absent did not change or is not logged.",
        ),
    ],
    partitioned_by: Some("changed_at"),
    meaning: "Every change of a row of a watched table.",
};

/// What became of the watching itself.
pub static EVENT: Table = Table {
    name: "event",
    columns: &[
        required("event_id", "bigint", "Its number."),
        required("happened_at", "timestamp with time zone", "The clock."),
        required("transaction_id", "bigint", "The transaction."),
        required("session_user_name", "text", "Who logged in."),
        optional("relation_id", "integer", "Of which relation."),
        required(
            "kind",
            "text",
            "installed, removed, changed, renamed, adopted (known again after a restore), joined (another table, as its partition); dropped, disabled (triggers), missing (triggers, which nobody saw), enabled (again), restored (put back at once); attached, detached (partitions with rows), came, went (partitions without rows, or below such a one), named (a partition, otherwise than before), kept (what is kept back of a table that was a partition), moved (rows from one partition to others).",
        ),
        required("detail", "text", "What exactly."),
        optional(
            "since",
            "timestamp with time zone",
            "Of missing: the last moment at which the log knows the triggers to have been in force.",
        ),
        optional(
            "relid",
            "oid",
            "Of attached, detached, came, went and named: the partition, by its OID in the database where that was.",
        ),
        optional(
            "state",
            "jsonb",
            "What relation says of it from then on, of events that change that; moments in UTC. By it dbm.verify_audit_log() holds relation against the events.",
        ),
    ],
    partitioned_by: None,
    meaning: "When watching of a table began and ended, when somebody switched its triggers off, and where rows went with whole partitions.",
};

/// All of them, in the order in which they are made.
pub static TABLES: [&Table; 5] = [&RELATION, &SHAPE, &ACTIVITY, &CHANGE, &EVENT];

/// `old` and `new` are whole rows.
pub const FLAG_FULL: i32 = 1;
/// `key` is the whole row.
pub const FLAG_NO_KEY: i32 = 2;
/// The key changed.
pub const FLAG_KEY_CHANGED: i32 = 4;
/// Rows before and after that could not be paired.
pub const FLAG_UNPAIRED: i32 = 8;
