//! ADD COLUMN that writes every row, or fails.

use super::pieces::{add_bare_column, alter_table, backfill, default_expression, in_parentheses, name_of};
use super::pieces::{not_null_steps, with_instead};
use super::words::{new_column, under};
use crate::catalog::ddl::{AddColumn, ColumnDefault, Generated, Touched};
use crate::finding::Severity;
use crate::migration::judge::rule::{Asked, DdlRule, Effect, Exempt, Found};
use crate::text::identifier::{quote_identifier, quote_literal, quote_qualified};

const MANUAL: &str = "https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES";

/// A volatile default.
pub const VOLATILE_DEFAULT: DdlRule = DdlRule {
    id: "ddl.add_column_volatile_default",
    severity: Severity::Error,
    title: "A new column has a default that is computed for every row",
    why: "The table and its indexes are written anew under ACCESS EXCLUSIVE; nobody reads or writes until that is done.",
    thresholds: &[],
    reference: MANUAL,
    exempt: Exempt::Small,
    check: volatile_default,
};

/// `serial`.
pub const SERIAL: DdlRule = DdlRule {
    id: "ddl.add_column_serial",
    severity: Severity::Error,
    title: "A serial column is added to a table with rows",
    why: "Every row gets its number at once: the table is written anew under ACCESS EXCLUSIVE.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-SERIAL",
    exempt: Exempt::Small,
    check: serial,
};

/// GENERATED AS IDENTITY.
pub const IDENTITY: DdlRule = DdlRule {
    id: "ddl.add_column_identity",
    severity: Severity::Error,
    title: "An identity column is added to a table with rows",
    why: "Every row gets its number at once: the table is written anew under ACCESS EXCLUSIVE.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-identity-columns.html",
    exempt: Exempt::Small,
    check: identity,
};

/// GENERATED … STORED.
pub const GENERATED_STORED: DdlRule = DdlRule {
    id: "ddl.add_column_generated_stored",
    severity: Severity::Error,
    title: "A stored generated column is added to a table with rows",
    why: "The expression is computed and stored for every row: the table is written anew under ACCESS EXCLUSIVE.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-generated-columns.html",
    exempt: Exempt::Small,
    check: generated_stored,
};

/// A domain with constraints.
pub const CONSTRAINED_DOMAIN: DdlRule = DdlRule {
    id: "ddl.add_column_constrained_domain",
    severity: Severity::Error,
    title: "A new column is of a domain with constraints",
    why: "Even without a default the server writes the whole table anew to test NULL against the domain, under ACCESS EXCLUSIVE.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-createdomain.html",
    exempt: Exempt::Small,
    check: constrained_domain,
};

/// NOT NULL without a default.
pub const NOT_NULL_NO_DEFAULT: DdlRule = DdlRule {
    id: "ddl.add_column_not_null_no_default",
    severity: Severity::Error,
    title: "A column is added NOT NULL without a default to a table with rows",
    why: "The server reads the table under ACCESS EXCLUSIVE and then refuses, as the rows that are there have no value.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-alter.html#DDL-ALTER-ADDING-A-COLUMN",
    exempt: Exempt::Private,
    check: not_null_no_default,
};

/// `json`.
pub const JSON: DdlRule = DdlRule {
    id: "ddl.add_column_json",
    severity: Severity::Warning,
    title: "A column of type json is added to a table that queries use",
    why: "json has no equality: SELECT DISTINCT, GROUP BY and UNION over all columns of the table fail from then on.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/datatype-json.html",
    exempt: Exempt::Private,
    check: json,
};

fn is_rewritten_for_number(column: &AddColumn) -> bool {
    column.column.serial.is_some() || column.column.is_identity
}

fn rewritten(asked: &Asked<'_>, table: &Touched, because: &str) -> Found {
    let message = format!("every row of {} is written anew {}, {because}", table.qualified(), under(asked));
    Found::new(Effect::Rewrite, message)
}

fn volatile_default(asked: &Asked<'_>) -> Option<Found> {
    let (table, added) = new_column(asked)?;
    if is_rewritten_for_number(added) || added.generated.is_some() {
        return None;
    }
    let functions = match &added.default {
        ColumnDefault::Volatile(functions) => functions,
        ColumnDefault::Unknown => {
            let message = format!(
                "whether {} is written anew for the default of {} could not be found out: if it is, then {}",
                table.qualified(),
                quote_identifier(&added.column.name),
                under(asked)
            );
            let mut found = Found::new(Effect::Rewrite, message);
            found.severity = Some(Severity::Warning);
            return Some(found);
        }
        ColumnDefault::None | ColumnDefault::Stored => return None,
    };
    let (name, type_name) = (&added.column.name, &added.column.type_name);
    let calls = match functions.as_slice() {
        [] => "a volatile expression".to_owned(),
        functions => functions.join(", "),
    };
    let because = format!("as the default of {} calls {calls} for each", quote_identifier(name));
    let mut found = rewritten(asked, table, &because);
    let own_default = default_expression(&asked.action.text);
    if own_default.is_none() && !asked.action.text.is_empty() {
        // The type brings the default; an explicit one, even NULL, goes before it.
        let add = format!("ADD COLUMN {} {type_name} DEFAULT NULL", quote_identifier(name));
        let drop = format!("ALTER COLUMN {} DROP DEFAULT", quote_identifier(name));
        return Some(
            found
                .safe(alter_table(&table.qualified(), &add))
                .safe(alter_table(&table.qualified(), &drop))
                .note("the default of the type holds for new rows then; fill those that are there by CALL dbm.backfill"),
        );
    }
    found = found.safe(add_bare_column(&table.qualified(), name, type_name));
    if let Some(expression) = own_default {
        let set = format!("ALTER COLUMN {} SET DEFAULT {expression}", quote_identifier(name));
        found = found.safe(alter_table(&table.qualified(), &set)).safe(backfill(
            &table.qualified(),
            name,
            &expression,
        ));
    } else {
        found = found.note(
            "then set the default by ALTER COLUMN SET DEFAULT, and fill the rows that are there by CALL dbm.backfill",
        );
    }
    if added.column.is_not_null {
        found.safe.extend(not_null_steps(table, name, asked.session.server_version, None));
    }
    Some(found)
}

/// The column, its sequence and default, and the rows in batches; what follows differs.
fn numbered(
    asked: &Asked<'_>,
    table: &Touched,
    added: &AddColumn,
    sequence: &str,
    type_name: &str,
) -> Vec<String> {
    let name = &added.column.name;
    let qualified = table.qualified();
    let sequence = quote_qualified(&table.schema, sequence);
    let next = format!("nextval({})", quote_literal(&sequence));
    let set = format!("ALTER COLUMN {} SET DEFAULT {next}", quote_identifier(name));
    let mut steps = vec![
        add_bare_column(&qualified, name, type_name),
        format!("CREATE SEQUENCE {sequence}"),
        alter_table(&qualified, &set),
        backfill(&qualified, name, &next),
    ];
    steps.extend(not_null_steps(table, name, asked.session.server_version, None));
    steps
}

/// What makes the filled column the primary key.
fn key_steps(table: &Touched, added: &AddColumn) -> Vec<String> {
    if !added.column.is_primary_key {
        return Vec::new();
    }
    let index = quote_identifier(&name_of(&[&table.name, "pkey"]));
    let (qualified, column) = (table.qualified(), quote_identifier(&added.column.name));
    vec![
        format!("CREATE UNIQUE INDEX CONCURRENTLY {index} ON {qualified} ({column})"),
        alter_table(&qualified, &format!("ADD CONSTRAINT {index} PRIMARY KEY USING INDEX {index}")),
    ]
}

fn serial(asked: &Asked<'_>) -> Option<Found> {
    let (table, added) = new_column(asked)?;
    let serial = added.column.serial.as_ref()?;
    let name = &added.column.name;
    let type_name = match serial.to_ascii_lowercase().as_str() {
        "smallserial" | "serial2" => "smallint",
        "bigserial" | "serial8" => "bigint",
        _ => "integer",
    };
    let because = format!("as {} gets a number in each", quote_identifier(name));
    let mut found = rewritten(asked, table, &because);
    let sequence = name_of(&[&table.name, name, "seq"]);
    found.safe = numbered(asked, table, added, &sequence, type_name);
    let owner = format!("{}.{}", table.qualified(), quote_identifier(name));
    found.safe.push(format!("ALTER SEQUENCE {} OWNED BY {owner}", quote_qualified(&table.schema, &sequence)));
    found.safe.extend(key_steps(table, added));
    Some(found)
}

fn identity(asked: &Asked<'_>) -> Option<Found> {
    let (table, added) = new_column(asked)?;
    if !added.column.is_identity {
        return None;
    }
    let name = &added.column.name;
    let column = quote_identifier(name);
    let mut found = rewritten(asked, table, &format!("as {column} gets a number in each"));
    let sequence = name_of(&[&table.name, name, "backfill"]);
    found.safe = numbered(asked, table, added, &sequence, &added.column.type_name);
    let (qualified, helper) = (table.qualified(), quote_qualified(&table.schema, &sequence));
    let swap = format!(
        "ALTER COLUMN {column} DROP DEFAULT, ALTER COLUMN {column} ADD GENERATED BY DEFAULT AS IDENTITY"
    );
    let take_over = format!(
        "SELECT setval(pg_get_serial_sequence({}, {}), nextval({}))",
        quote_literal(&qualified),
        quote_literal(name),
        quote_literal(&helper)
    );
    found.safe.push(format!(
        "BEGIN; {}; {take_over}; DROP SEQUENCE {helper}; COMMIT",
        alter_table(&qualified, &swap)
    ));
    found.safe.extend(key_steps(table, added));
    Some(found)
}

fn generated_stored(asked: &Asked<'_>) -> Option<Found> {
    let (table, added) = new_column(asked)?;
    if added.generated != Some(Generated::Stored) {
        return None;
    }
    let (name, type_name) = (&added.column.name, &added.column.type_name);
    let because = format!("as {} is computed and stored in each", quote_identifier(name));
    let mut found = rewritten(asked, table, &because);
    if asked.session.server_version >= 180_000 {
        if let Some(text) = with_instead(&asked.action.text, "stored", "VIRTUAL") {
            found = found.safe(alter_table(&table.qualified(), &text));
        }
        return Some(
            found.note("a virtual column is computed when it is read and needs no row to be written"),
        );
    }
    found = found.safe(add_bare_column(&table.qualified(), name, type_name));
    if let Some(expression) = in_parentheses(&asked.action.text, "as") {
        found = found.safe(backfill(&table.qualified(), name, &expression));
    }
    Some(found.note("a BEFORE INSERT OR UPDATE trigger has to compute the column before the rows are filled"))
}

fn constrained_domain(asked: &Asked<'_>) -> Option<Found> {
    let (table, added) = new_column(asked)?;
    let domain = added.constrained_domain.as_ref()?;
    if asked.session.server_version >= 190_000 || added.generated == Some(Generated::Virtual) {
        return None;
    }
    let because = format!(
        "as {} is of the domain {domain}, whose constraints are tested in each",
        quote_identifier(&added.column.name)
    );
    Some(rewritten(asked, table, &because).note(format!(
        "add the column with the type below {domain}, and what the domain demands as a CHECK constraint NOT VALID of \
         the table, which VALIDATE CONSTRAINT reads while others work"
    )))
}

fn not_null_no_default(asked: &Asked<'_>) -> Option<Found> {
    let (table, added) = new_column(asked)?;
    let is_given = added.default != ColumnDefault::None || is_rewritten_for_number(added);
    if !added.column.is_not_null || is_given || added.generated.is_some() || table.is_empty {
        return None;
    }
    let (name, type_name) = (&added.column.name, &added.column.type_name);
    let column = quote_identifier(name);
    let message = format!(
        "{column} of {} is NOT NULL without a default: the statement reads the table and then fails, as the rows \
         that are there have no value for it",
        table.qualified()
    );
    let mut found =
        Found::new(Effect::Fails, message).safe(add_bare_column(&table.qualified(), name, type_name));
    found.safe.extend(not_null_steps(table, name, asked.session.server_version, None));
    Some(found.note(format!(
        "behind the first step the application has to write {column}, and the rows that are there are filled by CALL \
         dbm.backfill({}, '{column} = …', '{column} IS NULL'); where one constant suits all rows, NOT NULL DEFAULT \
         with it is instant",
        quote_literal(&table.qualified())
    )))
}

fn json(asked: &Asked<'_>) -> Option<Found> {
    let (table, added) = new_column(asked)?;
    if added.column.type_name != "json" {
        return None;
    }
    let name = quote_identifier(&added.column.name);
    let message = format!(
        "{name} of {} is of type json, which has no equality: SELECT DISTINCT, GROUP BY and UNION over it fail",
        table.qualified()
    );
    let mut found = Found::new(Effect::Breaks, message);
    if let Some(text) = with_instead(&asked.action.text, "json", "jsonb") {
        found = found.safe(alter_table(&table.qualified(), &text));
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::LockMode;
    use crate::catalog::ddl::{Alteration, ColumnDefinition};
    use crate::migration::judge::sample::{Case, empty_table, new_table};

    fn column(name: &str, type_name: &str) -> AddColumn {
        let column =
            ColumnDefinition { name: name.into(), type_name: type_name.into(), ..Default::default() };
        AddColumn { column, ..AddColumn::default() }
    }

    fn add(change: impl FnOnce(&mut AddColumn), text: &str) -> Case {
        let mut added = column("tok", "uuid");
        change(&mut added);
        Case::alter(Alteration::AddColumn(added)).text(text, "")
    }

    fn volatile(added: &mut AddColumn) {
        added.default = ColumnDefault::Volatile(vec!["gen_random_uuid()".into()]);
    }

    #[test]
    fn a_volatile_default_and_the_way_around_it() {
        let text = "ADD COLUMN tok uuid DEFAULT gen_random_uuid()";
        let found = add(volatile, text).fires(VOLATILE_DEFAULT.id);
        assert_eq!(
            found.message,
            "every row of public.acct is written anew under ACCESS EXCLUSIVE: readers and writers wait, as the \
             default of tok calls gen_random_uuid() for each"
        );
        assert_eq!(
            found.safe,
            [
                "ALTER TABLE public.acct ADD COLUMN tok uuid",
                "ALTER TABLE public.acct ALTER COLUMN tok SET DEFAULT gen_random_uuid()",
                "CALL dbm.backfill('public.acct', 'tok = gen_random_uuid()', 'tok IS NULL')",
            ]
        );
    }

    #[test]
    fn the_default_of_a_domain_is_got_around_by_an_explicit_null() {
        let found = add(volatile, "ADD COLUMN tok uuid").fires(VOLATILE_DEFAULT.id);
        assert_eq!(
            found.safe,
            [
                "ALTER TABLE public.acct ADD COLUMN tok uuid DEFAULT NULL",
                "ALTER TABLE public.acct ALTER COLUMN tok DROP DEFAULT",
            ]
        );
    }

    #[test]
    fn a_default_that_is_stored_is_no_danger() {
        add(|added| added.default = ColumnDefault::Stored, "").is_silent(VOLATILE_DEFAULT.id);
        add(|_| (), "").is_silent(VOLATILE_DEFAULT.id);
    }

    #[test]
    fn a_default_that_nobody_knows_warns() {
        let case = add(|added| added.default = ColumnDefault::Unknown, "");
        assert_eq!(case.severity(VOLATILE_DEFAULT.id), Some(Severity::Warning));
    }

    #[test]
    fn nobody_waits_for_a_new_an_empty_or_a_small_table() {
        let small = Touched { bytes: 8192, ..crate::migration::judge::sample::table("acct") };
        for table in [new_table("acct"), empty_table("acct"), small] {
            add(volatile, "").on(table, LockMode::AccessExclusive).is_silent(VOLATILE_DEFAULT.id);
        }
    }

    #[test]
    fn a_column_that_is_there_is_not_added() {
        add(
            |added| {
                volatile(added);
                added.is_there = true;
                added.if_not_exists = true;
            },
            "",
        )
        .is_silent(VOLATILE_DEFAULT.id);
    }

    #[test]
    fn serial_and_identity_write_every_row() {
        let found = add(
            |added| {
                added.column.name = "id".into();
                added.column.serial = Some("bigserial".into());
                added.column.is_primary_key = true;
                added.column.is_not_null = true;
            },
            "ADD COLUMN id bigserial PRIMARY KEY",
        )
        .fires(SERIAL.id);
        assert_eq!(found.safe[0], "ALTER TABLE public.acct ADD COLUMN id bigint");
        assert_eq!(
            found.safe[3],
            "CALL dbm.backfill('public.acct', 'id = nextval(''public.acct_id_seq'')', 'id IS NULL')"
        );
        assert_eq!(
            found.safe.last().unwrap(),
            "ALTER TABLE public.acct ADD CONSTRAINT acct_pkey PRIMARY KEY USING INDEX acct_pkey"
        );
        let identity = add(|added| added.column.is_identity = true, "");
        assert!(identity.fires(IDENTITY.id).safe.iter().any(|step| step.starts_with("BEGIN; ALTER TABLE")));
        identity.is_silent(SERIAL.id);
        identity.is_silent(NOT_NULL_NO_DEFAULT.id);
        add(|_| (), "").is_silent(IDENTITY.id);
        let on_empty = add(|added| added.column.serial = Some("serial".into()), "");
        on_empty.on(empty_table("emptyt"), LockMode::AccessExclusive).is_silent(SERIAL.id);
    }

    #[test]
    fn a_stored_generated_column_is_virtual_from_18_on() {
        let text = "ADD COLUMN tok uuid GENERATED ALWAYS AS (md5(note)::uuid) STORED";
        let case = add(|added| added.generated = Some(Generated::Stored), text);
        assert_eq!(
            case.fires(GENERATED_STORED.id).safe[1],
            "CALL dbm.backfill('public.acct', 'tok = md5(note)::uuid', 'tok IS NULL')"
        );
        assert_eq!(
            case.version(180_003).fires(GENERATED_STORED.id).safe,
            ["ALTER TABLE public.acct ADD COLUMN tok uuid GENERATED ALWAYS AS (md5(note)::uuid) VIRTUAL"]
        );
        add(|added| added.generated = Some(Generated::Virtual), "").is_silent(GENERATED_STORED.id);
    }

    #[test]
    fn a_domain_with_constraints_is_written_up_to_18() {
        let case = add(|added| added.constrained_domain = Some("public.posq".into()), "");
        assert!(case.fires(CONSTRAINED_DOMAIN.id).message.contains("domain public.posq"));
        case.version(190_000).is_silent(CONSTRAINED_DOMAIN.id);
        add(|_| (), "").is_silent(CONSTRAINED_DOMAIN.id);
    }

    #[test]
    fn not_null_needs_a_value_where_there_are_rows() {
        let not_null = |added: &mut AddColumn| added.column.is_not_null = true;
        let found = add(not_null, "").fires(NOT_NULL_NO_DEFAULT.id);
        assert_eq!(found.effect, Effect::Fails);
        assert_eq!(found.safe.len(), 5);
        let small = Touched { bytes: 8192, ..crate::migration::judge::sample::table("acct") };
        add(not_null, "").on(small, LockMode::AccessExclusive).fires(NOT_NULL_NO_DEFAULT.id);
        add(not_null, "")
            .on(empty_table("acct"), LockMode::AccessExclusive)
            .is_silent(NOT_NULL_NO_DEFAULT.id);
        add(
            |added| {
                not_null(added);
                added.default = ColumnDefault::Stored;
            },
            "",
        )
        .is_silent(NOT_NULL_NO_DEFAULT.id);
    }

    #[test]
    fn json_has_no_equality() {
        let text = "ADD COLUMN tok json";
        let found = add(|added| added.column.type_name = "json".into(), text).fires(JSON.id);
        assert_eq!(found.safe, ["ALTER TABLE public.acct ADD COLUMN tok jsonb"]);
        add(|added| added.column.type_name = "jsonb".into(), "").is_silent(JSON.id);
    }
}
