//! `dbm.partition_adopt()`: what pg_partman keeps is kept by us from now on. Nothing of pg_partman is changed.

use pgrx::PgSqlErrorCode;
use pgrx::datum::Interval;

use super::PartConfig;
use crate::catalog::Oid;
use crate::partition::manage::Asked;
use crate::partition::manage::live::{Words, policy_of};
use crate::partition::sets::live::{Refused, demand_owner, demand_primary, name_of, set_of};
use crate::pg::encoding::message_to_server;
use crate::pg::isolation::isolated;
use crate::pg::local_settings::with_pinned_search_path;
use crate::pg::partition::policy;
use crate::pg::query;
use crate::pg::value::Text;
use crate::text::{quote_identifier, quote_literal};

/// What became of a set.
pub struct Adopted {
    /// Its table.
    pub parent: String,
    /// The width of its partitions.
    pub every: String,
    /// What was done, and what is left to do.
    pub result: String,
}

/// Adopts one set, or all.
pub fn adopt(source: &str, parent: Option<Oid>) -> Result<Vec<Adopted>, Refused> {
    if source != "partman" && source != "pg_partman" {
        return Err(Refused::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("source cannot be \"{source}\""),
            "Sets of pg_partman are known: SELECT * FROM dbm.partition_adopt('partman');",
        ));
    }
    demand_primary()?;
    let schema = schema().ok_or_else(|| {
        Refused::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "pg_partman is not in this database",
            "A partitioned table is taken over without it, too: SELECT dbm.partition_manage('table', 'month');",
        )
    })?;
    let mut still_kept = 0;
    let mut adopted = Vec::new();
    for row in configurations(&schema) {
        let config = PartConfig(&row);
        let Some((schema_name, name)) = config.parent() else { continue };
        let table = relation(schema_name, name);
        if parent.is_some() && table != parent {
            continue;
        }
        let every = config.every().to_owned();
        let (told, result) = match table {
            None => (format!("{schema_name}.{name}"), Err("there is no such table".to_owned())),
            Some(table) => (name_of(table), one(table, &config)),
        };
        let is_kept = config.is_kept_by_partman();
        let result = match result {
            Ok(differences) => {
                still_kept += u32::from(is_kept);
                let end = format!(
                    "UPDATE {}.part_config SET automatic_maintenance = 'off' WHERE parent_table = {};",
                    quote_identifier(&schema),
                    quote_literal(&format!("{schema_name}.{name}"))
                );
                let partman = if is_kept {
                    format!("pg_partman still keeps it too, until you say {end}")
                } else {
                    "pg_partman's upkeep of it is off".to_owned()
                };
                let further = differences.iter().map(|told| format!("{told}; ")).collect::<String>();
                format!("kept from now on; {further}{partman}")
            }
            Err(why) => format!("not taken over: {why}"),
        };
        adopted.push(Adopted { parent: told, every, result });
    }
    if let (Some(parent), true) = (parent, adopted.is_empty()) {
        return Err(Refused::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            format!("pg_partman does not keep table {}", name_of(parent)),
            format!("SELECT parent_table FROM {}.part_config;", quote_identifier(&schema)),
        ));
    }
    if still_kept > 0 {
        let sets = if still_kept == 1 { "this set" } else { "these sets" };
        let message = format!(
            "pg_partman still keeps {sets}, too: the column result says how to switch its upkeep off"
        );
        pgrx::warning!("{}", message_to_server(&message));
    }
    Ok(adopted)
}

/// Makes a policy of what pg_partman keeps of a table; what is otherwise with us, or why there is none.
fn one(table: Oid, config: &PartConfig<'_>) -> Result<Vec<String>, String> {
    let why = |refused: Refused| refused.refusal.message;
    let set = set_of(table).map_err(why)?;
    demand_owner(&set).map_err(why)?;
    if policy::of(table).is_some() {
        return Err("it is kept already: see dbm.partition_status()".to_owned());
    }
    let template = config.template().and_then(|(schema, name)| relation(schema, name));
    let mut asked: Asked = config.asked(template)?;
    if let Some(text) = config.retention() {
        if let Ok(number) = text.parse::<i64>() {
            asked.retention_number = Some(number);
        } else {
            asked.retention =
                Some(span(text).ok_or_else(|| format!("its retention is no span of time: {text}"))?);
        }
    }
    let (stored, _) = policy_of(&set, &asked, &Words::default(), None).map_err(why)?;
    policy::store(&stored);
    Ok(config.differences().into_iter().map(str::to_owned).collect())
}

/// The schema of pg_partman: of the extension, or where its tables lie without one.
fn schema() -> Option<String> {
    let found = with_pinned_search_path(|| {
        query::rows(
            "SELECT n.nspname::text
             FROM pg_namespace n
             WHERE EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = 'part_config')
             ORDER BY EXISTS (SELECT FROM pg_extension e WHERE e.extname = 'pg_partman' AND e.extnamespace = n.oid) DESC,
                 n.nspname = 'partman' DESC, n.nspname
             LIMIT 1",
            &[],
            |row| row.get::<Text>(1),
        )
    });
    found.into_iter().flatten().next().map(Text::into_string)
}

fn configurations(schema: &str) -> Vec<serde_json::Value> {
    let sql = format!(
        "SELECT to_jsonb(c)::text FROM {}.part_config c ORDER BY c.parent_table",
        quote_identifier(schema)
    );
    let rows = with_pinned_search_path(|| query::rows(&sql, &[], |row| row.get::<Text>(1)));
    rows.into_iter().flatten().filter_map(|row| serde_json::from_str(row.as_str()).ok()).collect()
}

/// The relation of that name, exactly as it is.
fn relation(schema: &str, name: &str) -> Option<Oid> {
    let found = with_pinned_search_path(|| {
        query::rows(
            "SELECT c.oid::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = $1::text AND c.relname = $2::text",
            &[Text::from(schema).into(), Text::from(name).into()],
            |row| row.get::<i64>(1),
        )
    });
    found.into_iter().flatten().next().and_then(|oid| Oid::try_from(oid).ok())
}

/// Months, days and microseconds of an interval, by the server's own reading.
fn span(text: &str) -> Option<(i32, i32, i64)> {
    let mut found = None;
    let mut read = || {
        let rows = with_pinned_search_path(|| {
            query::rows("SELECT $1::interval", &[Text::from(text).into()], |row| row.get::<Interval>(1))
        });
        found = rows.into_iter().flatten().next().map(|span| (span.months(), span.days(), span.micros()));
    };
    isolated(&mut read).ok()?;
    found
}
