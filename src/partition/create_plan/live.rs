//! Asks the server what a definition means, and stores the plan.

use pgrx::PgSqlErrorCode;
use pgrx::datum::Interval;

use super::{Asked, plan};
use crate::partition::zone::{Utc, Zone};
use crate::pg::ddl;
use crate::pg::error::raise;
use crate::pg::run;
use crate::pg::zone::ServerZone;

/// What the SQL function was given.
pub struct Request {
    /// The name of the table to be, as SQL writes it.
    pub target: String,
    /// What would stand between the parentheses of CREATE TABLE.
    pub definition: Option<String>,
    /// The column by which it is cut.
    pub key: String,
    /// The width.
    pub every: String,
    /// The unit of an integer that tells the time.
    pub epoch: Option<String>,
    /// How many partitions ahead.
    pub premake: i32,
    /// What goes after a while.
    pub retention: Option<Interval>,
    /// The zone.
    pub time_zone: Option<String>,
}

/// Stores the plan and returns its number.
pub fn create(request: Request) -> i64 {
    let Some(definition) = request.definition else {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            &format!("the columns of {} are not known", request.target),
            "",
            "Give them as definition => 'id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, created_at timestamptz NOT \
             NULL DEFAULT now()', or as 'LIKE other_table INCLUDING ALL'. A table that exists is partitioned by \
             dbm.partition_convert_plan().",
        )
    };
    let zone = request.time_zone.as_deref().map(ServerZone::named);
    let asked = Asked {
        change: format!(
            "CREATE TABLE {} (\n{definition}\n) PARTITION BY RANGE ({})",
            request.target, request.key
        ),
        table: ddl::trial::table(&request.target, &definition),
        key: request.key,
        every: request.every,
        epoch: request.epoch,
        premake: request.premake,
        retention: request.retention.as_ref().map(|span| (span.months(), span.days(), span.micros())),
        time_zone: zone.as_ref().map(ServerZone::name),
    };
    let zone: &dyn Zone = match &zone {
        Some(zone) => zone,
        None => &Utc,
    };
    match plan(&asked, crate::pg::zone::now(), zone) {
        Ok(plan) => run::store(&plan),
        Err(refusal) => raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            &refusal.message,
            &refusal.detail,
            &refusal.hint,
        ),
    }
}
