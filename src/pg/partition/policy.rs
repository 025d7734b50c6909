//! The table `dbm.partition_set`. Read and written with the rights of the extension's owner: whoever could write a row
//! could have upkeep drop a table in its owner's name.

use pgrx::datum::{DatumWithOid, Interval, TimestampWithTimeZone};
use pgrx::pg_sys;
use pgrx::spi::{SpiError, SpiHeapTupleData};

use crate::catalog::partition::StoredPolicy;
use crate::catalog::{Moment, Oid};
use crate::pg::backfill::owner::as_owner;
use crate::pg::value::Text;
use crate::pg::{moment, query};

const COLUMNS: &str = "p.parent::oid, p.key_kind, p.every, p.time_zone, p.origin, p.premake, p.retention, \
     p.retention_number, p.retention_action, p.archive_schema, p.drop_delay, p.on_missing, p.max_create, p.max_retire, \
     p.template::oid, p.copy_privileges, p.name_style, p.is_enabled, p.last_now, p.last_run, p.last_result, p.failures, \
     p.not_before, p.xmin::text";

/// The policies of all sets, by the OID of their table; also of tables that are gone.
pub fn all() -> Vec<StoredPolicy> {
    as_owner(|| {
        query::rows(&format!("SELECT {COLUMNS} FROM dbm.partition_set p ORDER BY p.parent::oid"), &[], of_row)
    })
}

/// The policy of one set.
pub fn of(parent: Oid) -> Option<StoredPolicy> {
    let sql = format!("SELECT {COLUMNS} FROM dbm.partition_set p WHERE p.parent = $1");
    as_owner(|| query::rows(&sql, &[regclass(parent)], of_row)).pop()
}

fn of_row(row: &SpiHeapTupleData<'_>) -> Result<StoredPolicy, SpiError> {
    let text = |place| Ok::<_, SpiError>(row.get::<Text>(place)?.map(Text::into_string));
    let required = |place| Ok::<_, SpiError>(text(place)?.unwrap_or_default());
    let span = |place| {
        let span = row.get::<Interval>(place)?;
        Ok::<_, SpiError>(span.map(|span| (span.months(), span.days(), span.micros())))
    };
    let instant = |place| Ok::<_, SpiError>(row.get::<TimestampWithTimeZone>(place)?.map(moment_of));
    let writer = required(24)?.parse::<u32>().unwrap_or(0);
    Ok(StoredPolicy {
        parent: row.get::<pg_sys::Oid>(1)?.map_or(0, pg_sys::Oid::to_u32),
        key_kind: required(2)?,
        every: required(3)?,
        time_zone: required(4)?,
        origin: required(5)?,
        premake: row.get(6)?.unwrap_or(0),
        retention: span(7)?,
        retention_number: row.get(8)?,
        retention_action: required(9)?,
        archive_schema: text(10)?,
        drop_delay: span(11)?.unwrap_or_default(),
        on_missing: required(12)?,
        max_create: row.get(13)?.unwrap_or(0),
        max_retire: row.get(14)?.unwrap_or(0.0),
        template: row.get::<pg_sys::Oid>(15)?.map(pg_sys::Oid::to_u32),
        copy_privileges: row.get(16)?.unwrap_or(false),
        name_style: required(17)?,
        is_enabled: row.get(18)?.unwrap_or(false),
        last_now: instant(19)?,
        last_run: instant(20)?,
        last_result: text(21)?,
        failures: row.get(22)?.unwrap_or(0),
        not_before: instant(23)?,
        // SAFETY: compares a number with those of the open transaction.
        is_uncommitted: unsafe { pg_sys::TransactionIdIsCurrentTransactionId(writer.into()) },
    })
}

/// Stores what is wanted of a set in place of what was wanted before; what upkeep wrote of it stays, but a failure does
/// not keep it from being tried again.
pub fn store(policy: &StoredPolicy) {
    // SAFETY: whose rights are in force, before they change.
    let caller = crate::pg::roles::name(unsafe { pg_sys::GetUserId() }).unwrap_or_default();
    let text = |text: &str| Text::from(text).into();
    as_owner(|| {
        query::write(
            "INSERT INTO dbm.partition_set (parent, key_kind, every, time_zone, origin, premake, retention, \
                 retention_number, retention_action, archive_schema, drop_delay, on_missing, max_create, max_retire, \
                 template, copy_privileges, name_style, is_enabled, created_by)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
             ON CONFLICT (parent) DO UPDATE SET key_kind = excluded.key_kind, every = excluded.every, \
                 time_zone = excluded.time_zone, origin = excluded.origin, premake = excluded.premake, \
                 retention = excluded.retention, retention_number = excluded.retention_number, \
                 retention_action = excluded.retention_action, archive_schema = excluded.archive_schema, \
                 drop_delay = excluded.drop_delay, on_missing = excluded.on_missing, max_create = excluded.max_create, \
                 max_retire = excluded.max_retire, template = excluded.template, \
                 copy_privileges = excluded.copy_privileges, name_style = excluded.name_style, \
                 is_enabled = excluded.is_enabled, not_before = NULL",
            &[
                regclass(policy.parent),
                text(&policy.key_kind),
                text(&policy.every),
                text(&policy.time_zone),
                text(&policy.origin),
                policy.premake.into(),
                policy.retention.and_then(interval).into(),
                policy.retention_number.into(),
                text(&policy.retention_action),
                policy.archive_schema.as_deref().map(Text::from).into(),
                interval(policy.drop_delay).into(),
                text(&policy.on_missing),
                policy.max_create.into(),
                policy.max_retire.into(),
                // SAFETY: an OID, or NULL, under the type of the parameter.
                unsafe { DatumWithOid::new(policy.template.map(pg_sys::Oid::from), pg_sys::REGCLASSOID) },
                policy.copy_privileges.into(),
                text(&policy.name_style),
                policy.is_enabled.into(),
                text(&caller),
            ],
        );
    });
}

/// Forgets a set; whether there was one.
pub fn remove(parent: Oid) -> bool {
    let sql = "DELETE FROM dbm.partition_set p WHERE p.parent = $1 RETURNING 1";
    as_owner(|| query::rows_writing(sql, &[regclass(parent)])) > 0
}

/// What a pass came to.
#[derive(Clone, Debug)]
pub struct Outcome<'a> {
    /// The time that the pass took as now.
    pub now: Moment,
    /// For people: `2 created`, `nothing due`, or what went wrong.
    pub result: &'a str,
    /// How often it failed in a row, this time included; 0 when it went well.
    pub failures: i32,
    /// Before when it shall not be tried again.
    pub not_before: Option<Moment>,
}

/// Writes down what a pass came to. `last_now` only ever grows.
pub fn record(parent: Oid, outcome: &Outcome<'_>) {
    as_owner(|| {
        query::write(
            "UPDATE dbm.partition_set p SET last_run = clock_timestamp(), last_result = $2, failures = $3, \
                 not_before = $4, last_now = greatest(p.last_now, $5)
             WHERE p.parent = $1",
            &[
                regclass(parent),
                Text::from(outcome.result).into(),
                outcome.failures.into(),
                outcome.not_before.map(moment::timestamp).into(),
                moment::timestamp(outcome.now).into(),
            ],
        );
    });
}

/// Writes down that nothing was due of these sets at a moment; a policy that somebody is changing is left for the next time.
pub fn record_nothing_due(parents: &[Oid], now: Moment) {
    let numbers: Vec<String> = parents.iter().map(Oid::to_string).collect();
    let numbers = format!("{{{}}}", numbers.join(","));
    as_owner(|| {
        query::write(
            "UPDATE dbm.partition_set p SET last_run = clock_timestamp(), last_result = 'nothing due', failures = 0, \
                 not_before = NULL, last_now = greatest(p.last_now, $2)
             WHERE p.parent IN (SELECT f.parent FROM dbm.partition_set f WHERE f.parent::oid = ANY ($1::oid[]) \
                 FOR NO KEY UPDATE SKIP LOCKED)",
            &[Text::from(&*numbers).into(), moment::timestamp(now).into()],
        );
    });
}

fn regclass<'a>(relation: Oid) -> DatumWithOid<'a> {
    // SAFETY: an OID under the type of the parameter.
    unsafe { DatumWithOid::new(pg_sys::Oid::from(relation), pg_sys::REGCLASSOID) }
}

fn interval((months, days, microseconds): (i32, i32, i64)) -> Option<Interval> {
    Interval::new(months, days, microseconds).ok()
}

fn moment_of(timestamp: TimestampWithTimeZone) -> Moment {
    moment::from_timestamp(timestamp.into())
}
