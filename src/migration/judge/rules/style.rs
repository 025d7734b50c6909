//! Matters of style: types, names and forms that are regretted later.

use super::words::few;
use crate::catalog::ddl::{Alteration, CreateTable, DroppedKind, Kind, SameName};
use crate::finding::Severity;
use crate::migration::judge::rule::{Asked, DdlRule, Effect, Exempt, Found};
use crate::text::identifier::{quote_identifier, truncate_identifier};

/// Keys of 32 bits.
pub const BIGINT: DdlRule = DdlRule {
    id: "ddl.prefer_bigint",
    severity: Severity::Info,
    title: "A key of 32 bits or fewer",
    why: "It ends at 2,147,483,647; the change to bigint then writes the table and all that point to it anew, in a hurry.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-INT",
    exempt: Exempt::Nothing,
    check: bigint,
};

/// serial.
pub const IDENTITY: DdlRule = DdlRule {
    id: "ddl.prefer_identity",
    severity: Severity::Info,
    title: "serial instead of an identity column",
    why: "The sequence of a serial is a separate object with its own rights, and nothing keeps clients from writing any number.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-identity-columns.html",
    exempt: Exempt::Nothing,
    check: identity,
};

/// char(n).
pub const CHAR: DdlRule = DdlRule {
    id: "ddl.prefer_text_over_char",
    severity: Severity::Info,
    title: "A column of type char(n)",
    why: "It is filled up with blanks, which count in some comparisons and not in others, and it is no faster than text.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/datatype-character.html",
    exempt: Exempt::Nothing,
    check: char,
};

/// varchar(n).
pub const VARCHAR: DdlRule = DdlRule {
    id: "ddl.prefer_text_over_varchar",
    severity: Severity::Info,
    title: "A column of type varchar(n)",
    why: "A shorter limit later writes or reads the whole table; a CHECK constraint on text can be changed while others work.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/datatype-character.html",
    exempt: Exempt::Nothing,
    check: varchar,
};

/// timestamp without time zone.
pub const TIMESTAMPTZ: DdlRule = DdlRule {
    id: "ddl.prefer_timestamptz",
    severity: Severity::Info,
    title: "A column of type timestamp without time zone",
    why: "It does not say which moment is meant; clients in other time zones and changes to summer time read it differently.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/datatype-datetime.html",
    exempt: Exempt::Nothing,
    check: timestamptz,
};

/// json.
pub const JSONB: DdlRule = DdlRule {
    id: "ddl.prefer_jsonb",
    severity: Severity::Info,
    title: "A column of type json",
    why: "It is parsed at each use, has no equality and cannot be indexed as jsonb can.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/datatype-json.html",
    exempt: Exempt::Nothing,
    check: jsonb,
};

/// money.
pub const MONEY: DdlRule = DdlRule {
    id: "ddl.prefer_numeric_over_money",
    severity: Severity::Info,
    title: "A column of type money",
    why: "Its currency and its digits depend on a setting of the server, so that the same value reads differently elsewhere.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/datatype-money.html",
    exempt: Exempt::Nothing,
    check: money,
};

/// Names beyond 63 bytes.
pub const LONG_NAME: DdlRule = DdlRule {
    id: "ddl.identifier_too_long",
    severity: Severity::Warning,
    title: "A name is longer than 63 bytes",
    why: "The server cuts it with no more than a NOTICE: two such names may meet in one, and IF NOT EXISTS then skips the second.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS",
    exempt: Exempt::Nothing,
    check: long_name,
};

/// Names without a schema.
pub const QUALIFIED: DdlRule = DdlRule {
    id: "ddl.require_schema_qualified",
    severity: Severity::Info,
    title: "A name without its schema",
    why: "Which table is meant depends on the search_path of whoever runs the statement.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-schemas.html#DDL-SCHEMAS-PATH",
    exempt: Exempt::Private,
    check: qualified,
};

/// Statements that cannot be run again.
pub const ROBUST: DdlRule = DdlRule {
    id: "ddl.prefer_robust_statements",
    severity: Severity::Info,
    title: "A statement outside of a transaction that cannot be run again",
    why: "If the migration stops behind it, the next try fails at what is there already, or gone.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-altertable.html",
    exempt: Exempt::Private,
    check: robust,
};

/// Tables without a primary key.
pub const PRIMARY_KEY: DdlRule = DdlRule {
    id: "ddl.require_primary_key",
    severity: Severity::Info,
    title: "A table is created without a primary key",
    why: "Logical replication cannot UPDATE or DELETE in it, rows cannot be told apart, and nothing fills it in batches by key.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-PRIMARY-KEYS",
    exempt: Exempt::Nothing,
    check: primary_key,
};

/// A column that is declared or gets another type.
struct Declared<'a> {
    name: &'a str,
    /// In lower case, without `[]`.
    type_name: String,
    is_key: bool,
    serial: Option<&'a str>,
}

/// `int4`, `character(100)` and `character varying(20)[]` in lower case and without array.
fn plain_type(name: &str) -> String {
    let lower = name.trim().to_ascii_lowercase();
    let without_array = lower.split('[').next().unwrap_or_default().trim();
    without_array.to_owned()
}

fn declared<'a>(asked: &Asked<'a>) -> Vec<Declared<'a>> {
    match &asked.action.kind {
        Kind::CreateTable(created) if !created.is_temporary => created
            .columns
            .iter()
            .map(|column| Declared {
                name: &column.name,
                type_name: plain_type(&column.type_name),
                is_key: column.is_primary_key || column.is_identity,
                serial: column.serial.as_deref(),
            })
            .collect(),
        Kind::Alter(Alteration::AddColumn(added)) if !added.is_there => vec![Declared {
            name: &added.column.name,
            type_name: plain_type(&added.column.type_name),
            is_key: added.column.is_primary_key || added.column.is_identity,
            serial: added.column.serial.as_deref(),
        }],
        Kind::Alter(Alteration::ColumnType(change)) if change.is_there && change.from != change.to => {
            vec![Declared {
                name: &change.column,
                type_name: plain_type(&change.to),
                is_key: false,
                serial: None,
            }]
        }
        _ => Vec::new(),
    }
}

/// The table that the statement is about, as it is written where it is new.
fn table_name(asked: &Asked<'_>) -> String {
    match &asked.action.kind {
        Kind::CreateTable(created) => created.name.clone(),
        _ => asked.target_name(),
    }
}

/// One finding for all columns that are so.
fn columns(
    asked: &Asked<'_>,
    is_so: impl Fn(&Declared<'_>) -> bool,
    what: &str,
    note: &str,
) -> Option<Found> {
    let names: Vec<String> = declared(asked)
        .iter()
        .filter(|column| is_so(column))
        .map(|column| quote_identifier(column.name))
        .collect();
    if names.is_empty() {
        return None;
    }
    let verb = if names.len() == 1 { "is" } else { "are" };
    let message = format!("{} of {} {verb} {what}", few(&names), table_name(asked));
    Some(Found::new(Effect::Style, message).note(note))
}

fn bigint(asked: &Asked<'_>) -> Option<Found> {
    let is_small = |column: &Declared<'_>| {
        let is_serial = column
            .serial
            .is_some_and(|serial| !matches!(&*serial.to_ascii_lowercase(), "bigserial" | "serial8"));
        let is_integer = matches!(
            &*column.type_name,
            "integer" | "int" | "int4" | "smallint" | "int2" | "serial" | "smallserial"
        );
        let is_key = column.is_key || column.name == "id" || column.name.ends_with("_id");
        is_serial || (column.serial.is_none() && is_integer && is_key)
    };
    columns(asked, is_small, "a key of 32 bits or fewer, which ends at 2,147,483,647 or before", "bigint")
}

fn identity(asked: &Asked<'_>) -> Option<Found> {
    columns(
        asked,
        |column| column.serial.is_some(),
        "serial instead of an identity column",
        "bigint GENERATED ALWAYS AS IDENTITY",
    )
}

fn char(asked: &Asked<'_>) -> Option<Found> {
    let is_char = |column: &Declared<'_>| {
        let name = column.type_name.split('(').next().unwrap_or_default().trim().to_owned();
        matches!(&*name, "character" | "char" | "bpchar")
    };
    columns(asked, is_char, "filled up with blanks, as its type is char(n)", "text")
}

fn varchar(asked: &Asked<'_>) -> Option<Found> {
    let is_varchar = |column: &Declared<'_>| {
        column.type_name.starts_with("character varying(") || column.type_name.starts_with("varchar(")
    };
    columns(
        asked,
        is_varchar,
        "of a length that is hard to shorten later",
        "text with CHECK (length(…) <= …)",
    )
}

fn timestamptz(asked: &Asked<'_>) -> Option<Found> {
    let is_without_zone = |column: &Declared<'_>| {
        let name = &column.type_name;
        name == "timestamp"
            || (name.starts_with("timestamp") && (name.ends_with("without time zone") || name.ends_with(')')))
                && !name.starts_with("timestamptz")
    };
    columns(asked, is_without_zone, "a timestamp that does not say which moment is meant", "timestamptz")
}

fn jsonb(asked: &Asked<'_>) -> Option<Found> {
    columns(
        asked,
        |column| column.type_name == "json",
        "json, which has no equality and few indexes",
        "jsonb",
    )
}

fn money(asked: &Asked<'_>) -> Option<Found> {
    columns(
        asked,
        |column| column.type_name == "money",
        "money, whose digits depend on a setting",
        "numeric(12, 2)",
    )
}

fn long_name(asked: &Asked<'_>) -> Option<Found> {
    let name = asked.action.too_long_names.first()?;
    let message =
        format!("\"{name}\" has {} bytes and is cut to \"{}\"", name.len(), truncate_identifier(name));
    Some(Found::new(Effect::Fails, message).note("a name of at most 63 bytes"))
}

fn created<'a>(asked: &Asked<'a>) -> Option<&'a CreateTable> {
    match &asked.action.kind {
        Kind::CreateTable(created) if !created.is_temporary => Some(created),
        _ => None,
    }
}

fn qualified(asked: &Asked<'_>) -> Option<Found> {
    let name = match (&asked.action.kind, asked.target()) {
        (Kind::CreateTable(_), _) => {
            let created = created(asked)?;
            if created.is_qualified {
                return None;
            }
            created.name.clone()
        }
        (Kind::Write(_), _) | (_, None) => return None,
        (_, Some(target)) if !asked.action.is_qualified => quote_identifier(&target.name),
        _ => return None,
    };
    let message = format!("{name} stands without its schema: which one is meant depends on search_path");
    let found = Found::new(Effect::Style, message);
    Some(match asked.target() {
        Some(target) => found.note(target.qualified()),
        None => found,
    })
}

fn robust(asked: &Asked<'_>) -> Option<Found> {
    if asked.session.is_in_transaction_block || asked.statement.is_nested {
        return None;
    }
    let says_if_exists = || {
        *asked.says_if_exists.get_or_init(|| super::pieces::says(&asked.statement.text, &["if", "exists"]))
    };
    let missing = match &asked.action.kind {
        Kind::CreateTable(created)
            if !created.if_not_exists && !created.is_temporary && created.same_name == SameName::None =>
        {
            "CREATE TABLE without IF NOT EXISTS"
        }
        Kind::CreateIndex(index) if !index.if_not_exists => "CREATE INDEX without IF NOT EXISTS",
        Kind::Alter(Alteration::AddColumn(added)) if !added.if_not_exists => {
            "ADD COLUMN without IF NOT EXISTS"
        }
        Kind::Alter(Alteration::DropColumn(_)) if !says_if_exists() => "DROP COLUMN without IF EXISTS",
        Kind::Alter(Alteration::DropConstraint(_)) if !says_if_exists() => {
            "DROP CONSTRAINT without IF EXISTS"
        }
        Kind::AddEnumValue { is_there: false, .. }
            if !super::pieces::says(&asked.statement.text, &["if", "not"]) =>
        {
            "ADD VALUE without IF NOT EXISTS"
        }
        Kind::Drop(dropped)
            if !says_if_exists() && !matches!(dropped.kind, DroppedKind::Owned | DroppedKind::Database) =>
        {
            "DROP without IF EXISTS"
        }
        _ => return None,
    };
    // Nobody knows the words of a statement without a text.
    if asked.statement.text.is_empty() && missing.ends_with(" IF EXISTS") {
        return None;
    }
    let message = format!("{missing} fails if the migration stops behind it and is run again");
    Some(Found::new(Effect::Style, message).note(match &asked.action.kind {
        Kind::CreateIndex(index) if index.is_concurrent => {
            "IF NOT EXISTS takes an invalid index for the one asked for: drop what a failed build left first"
        }
        _ => "",
    }))
}

fn primary_key(asked: &Asked<'_>) -> Option<Found> {
    let created = created(asked)?;
    if created.has_primary_key || created.partition_of.is_some() || created.same_name == SameName::Whole {
        return None;
    }
    let message = format!("{} is created without a primary key", created.name);
    Some(Found::new(Effect::Style, message).note(if created.is_from_query {
        "ALTER TABLE … ADD PRIMARY KEY in the same transaction, before others use it"
    } else {
        ""
    }))
}

#[cfg(test)]
#[path = "style_tests.rs"]
mod tests;
