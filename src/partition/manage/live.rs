//! `dbm.partition_manage()` and `dbm.partition_unmanage()`.

use std::ffi::CString;

use pgrx::PgSqlErrorCode;

use crate::catalog::Oid;
use crate::catalog::partition::{Set, StoredPolicy};
use crate::partition::grid::Grid;
use crate::partition::key::{KeyKind, Position};
use crate::partition::manage::{self, Asked};
use crate::partition::policy::{WATCHED, why_not_extended};
use crate::partition::set::Every;
use crate::partition::sets::live::{Refused, demand_owner, demand_primary, invalid, name_of, now, set_of};
use crate::partition::status::{Subject, status};
use crate::partition::{line, policy as policies};
use crate::pg::ddl::cache::class;
use crate::pg::local_settings::with_pinned_search_path;
use crate::pg::local_settings::with_settings;
use crate::pg::partition::policy;
use crate::pg::query;
use crate::pg::value::Text;
use crate::pg::zone::ServerZone;
use crate::text::{quote_identifier, quote_literal};

/// What only the server can read of what is asked.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// The name of a zone.
    pub time_zone: Option<String>,
    /// A boundary.
    pub origin: Option<String>,
}

/// Takes a set over, or changes how it is kept; says so in one line.
pub fn manage(parent: Oid, asked: &Asked, words: &Words) -> Result<String, Refused> {
    demand_primary()?;
    let set = set_of(parent)?;
    demand_owner(&set)?;
    if asked.every.trim().eq_ignore_ascii_case(WATCHED) {
        policy::store(&manage::watched(&set));
        return Ok(format!(
            "{} is watched: dbm.partition_status() and the audit tell of it",
            set.qualified()
        ));
    }
    let before = policy::of(parent);
    let (stored, zone) = policy_of(&set, asked, words, before.as_ref())?;
    policy::store(&stored);
    Ok(told(&set, &stored, &zone))
}

/// The policy that is asked for, and its zone.
pub fn policy_of(
    set: &Set,
    asked: &Asked,
    words: &Words,
    before: Option<&StoredPolicy>,
) -> Result<(StoredPolicy, ServerZone), Refused> {
    if let Some(refusal) = why_not_extended(set) {
        return Err(Refused { code: PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED, refusal });
    }
    let key = manage::key(set, asked.epoch.as_deref()).map_err(invalid)?;
    let every = manage::every(asked, set, key).map_err(invalid)?;
    let kept = before.filter(|before| before.key_kind == policies::key_kind_name(key));
    let zone = zone(set, key, every, words.time_zone.as_deref(), kept)?;
    check_template(asked.template)?;
    check_archive(set, asked.archive_schema.as_deref())?;
    let origin = match &words.origin {
        Some(text) => Some(origin_of(text, key, &zone)?),
        None => None,
    };
    let origin_before = kept.and_then(|kept| line::position_of_text(key, &kept.origin));
    let origin = manage::origin(set, key, every, origin, origin_before, &zone);
    let grid = Grid::new(key, every, origin, &zone);
    let stored = manage::policy(asked, set, &grid, &zone.name(), kept).map_err(invalid)?;
    // What is stored is followed later: what cannot be is refused now.
    policies::checked(&stored, set).map_err(invalid)?;
    Ok((stored, zone))
}

/// The zone that is named, else the one so far, else that in which the boundaries lie, else that of the session.
fn zone(
    set: &Set,
    key: KeyKind,
    every: Every,
    name: Option<&str>,
    before: Option<&StoredPolicy>,
) -> Result<ServerZone, Refused> {
    let find = |name: &str| {
        ServerZone::find(name).ok_or_else(|| {
            Refused::new(
                PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("time zone \"{name}\" not recognized"),
                "The names are in pg_timezone_names, for example Europe/Berlin.",
            )
        })
    };
    if let Some(name) = name.or(before.map(|before| before.time_zone.as_str())) {
        return find(name);
    }
    let utc = find("UTC")?;
    if !key.is_time() || matches!(every, Every::Microseconds(_)) && line::tells_moments(key) {
        return Ok(utc);
    }
    let session = ServerZone::of_session();
    let fits_utc_better =
        manage::agreement(set, key, every, &utc) > manage::agreement(set, key, every, &session);
    Ok(if fits_utc_better { utc } else { session })
}

/// A boundary in the words of the server: a number, or a date or time on the wall of the zone.
fn origin_of(text: &str, key: KeyKind, zone: &ServerZone) -> Result<Position, Refused> {
    let wrong = || {
        Refused::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("origin cannot be \"{text}\""),
            "It is a boundary from which all others are counted: a date or time, or for a key that counts a number.",
        )
    };
    if let Ok(number) = text.trim().parse::<i64>() {
        let (first, last) = line::ends(key);
        let counts = matches!(key, KeyKind::Integer { .. } | KeyKind::Epoch { .. });
        return if counts && (first..=last).contains(&number) { Ok(number) } else { Err(wrong()) };
    }
    let sql = match key {
        KeyKind::Integer { .. } => return Err(wrong()),
        KeyKind::Date => {
            "SELECT CASE WHEN isfinite($1::date) THEN ($1::date - '2000-01-01'::date)::bigint END"
        }
        KeyKind::Timestamp => {
            "SELECT CASE WHEN isfinite($1::timestamp) \
                 THEN (extract(epoch FROM $1::timestamp - '2000-01-01'::timestamp) * 1000000)::bigint END"
        }
        _ => {
            "SELECT CASE WHEN isfinite($1::timestamptz) \
                 THEN (extract(epoch FROM $1::timestamptz - '2000-01-01 00:00+00'::timestamptz) * 1000000)::bigint END"
        }
    };
    let name = CString::new(zone.name()).map_err(|_| wrong())?;
    let found = with_settings(&[(c"TimeZone", &name)], || {
        with_pinned_search_path(|| query::rows(sql, &[Text::from(text).into()], |row| row.get::<i64>(1)))
    });
    let position = found.into_iter().flatten().next().ok_or_else(wrong)?;
    match key {
        KeyKind::Date | KeyKind::Timestamp => Ok(position),
        _ => line::position_of_moment(key, position, zone).ok_or_else(wrong),
    }
}

fn check_template(template: Option<Oid>) -> Result<(), Refused> {
    let Some(template) = template else { return Ok(()) };
    let kind = class(template.into(), |form| char::from(form.relkind.cast_unsigned()));
    if matches!(kind, Some('r' | 'p')) {
        return Ok(());
    }
    Err(Refused::new(
        PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
        format!("template {} is not a table", name_of(template)),
        "Name a table that has what new partitions do not inherit: indexes, storage options, tablespace, replica identity.",
    ))
}

fn check_archive(set: &Set, schema: Option<&str>) -> Result<(), Refused> {
    let Some(schema) = schema else { return Ok(()) };
    let may = with_pinned_search_path(|| {
        query::rows(
            "SELECT has_schema_privilege($1::bigint::oid, n.oid, 'CREATE') FROM pg_namespace n WHERE n.nspname = $2::text",
            &[i64::from(set.owner).into(), Text::from(schema).into()],
            |row| row.get::<bool>(1),
        )
    });
    match may.into_iter().flatten().next() {
        Some(true) => Ok(()),
        Some(false) => {
            let owner = crate::pg::roles::name(set.owner.into()).unwrap_or_default();
            Err(Refused::new(
                PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!(
                    "role \"{owner}\", who owns table {}, may not create in schema \"{schema}\"",
                    set.qualified()
                ),
                format!(
                    "GRANT CREATE ON SCHEMA {} TO {};",
                    quote_identifier(schema),
                    quote_identifier(&owner)
                ),
            ))
        }
        None => Err(Refused::new(
            PgSqlErrorCode::ERRCODE_INVALID_SCHEMA_NAME,
            format!("schema \"{schema}\" does not exist"),
            format!("CREATE SCHEMA {};", quote_identifier(schema)),
        )),
    }
}

/// One line for people.
pub fn told(set: &Set, stored: &StoredPolicy, zone: &ServerZone) -> String {
    let now = now();
    let found = status(&Subject { set, stored: Some(stored), now, zone: Some(zone), default_rows: Some(0) });
    let due = match found.next_due {
        Some(due) if due <= now => {
            format!("due now: SELECT * FROM dbm.partition_maintain({});", quote_literal(&set.qualified()))
        }
        Some(due) => format!("next due {}", line::text(KeyKind::TimestampWithTimeZone, due)),
        None => "nothing is due".to_owned(),
    };
    manage::told(stored, set, found.last_bound.as_deref(), &due)
}

/// Gives a set up; its partitions stay. Whether it was kept.
pub fn unmanage(parent: Oid) -> Result<bool, Refused> {
    demand_primary()?;
    // Of a table that is gone only the policy is left.
    if class(parent.into(), |_| ()).is_some() {
        demand_owner(&set_of(parent)?)?;
    }
    Ok(policy::remove(parent))
}
