//! Sets taken over, given up and shown, with the server's catalogs, zones and rights.

use pgrx::PgSqlErrorCode;
use pgrx::datum::TimestampWithTimeZone;

use crate::catalog::Oid;
use crate::catalog::partition::Set;
use crate::partition::refusal::Refusal;
use crate::pg;
use crate::pg::ddl::cache::{class, relation_name};
use crate::pg::error::raise;
use crate::pg::moment;
use crate::pg::partition::set;
use crate::pg::roles;
use crate::text::{quote_identifier, quote_literal, quote_qualified};

/// A refusal with the code of its error.
pub struct Refused {
    pub code: PgSqlErrorCode,
    pub refusal: Refusal,
}

impl Refused {
    pub fn new(code: PgSqlErrorCode, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, refusal: Refusal::new(message, hint) }
    }

    pub fn raise(&self) -> ! {
        raise(self.code, &self.refusal.message, &self.refusal.detail, &self.refusal.hint)
    }
}

/// Of an argument.
pub fn invalid(refusal: Refusal) -> Refused {
    Refused { code: PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, refusal }
}

/// The name of a relation, qualified and quoted; its number where it is gone.
pub fn name_of(relation: Oid) -> String {
    relation_name(relation.into())
        .map_or_else(|| relation.to_string(), |(schema, name)| quote_qualified(&schema, &name))
}

/// The name without a schema, which of what is temporary has a number of the session in it.
fn bare_name_of(relation: Oid) -> String {
    relation_name(relation.into()).map_or_else(|| relation.to_string(), |(_, name)| quote_identifier(&name))
}

/// The set of this table, or why it is none.
pub fn set_of(parent: Oid) -> Result<Set, Refused> {
    let Some((kind, persistence)) = class(parent.into(), |form| (form.relkind, form.relpersistence)) else {
        return Err(Refused::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
            format!("relation with OID {parent} does not exist"),
            "",
        ));
    };
    let name = name_of(parent);
    let kind = char::from(kind.cast_unsigned());
    if kind != 'p' {
        let hint = match kind {
            'r' => format!(
                "To partition it while it is in use: SELECT dbm.partition_convert_plan({}, 'key', 'month');",
                quote_literal(&name)
            ),
            _ => "Name a table made with PARTITION BY.".to_owned(),
        };
        return Err(Refused::new(
            PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
            format!("{name} is not a partitioned table"),
            hint,
        ));
    }
    if persistence.cast_unsigned() == b't' {
        return Err(Refused::new(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            format!("table {} is temporary: nobody but its session could keep it", bare_name_of(parent)),
            "",
        ));
    }
    set::set(parent).ok_or_else(|| {
        Refused::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
            format!("table {name} has just been dropped"),
            "",
        )
    })
}

/// Whether whoever calls may say how a set is kept.
pub fn demand_owner(set: &Set) -> Result<(), Refused> {
    if roles::is_member(set.owner.into()) {
        return Ok(());
    }
    let owner = roles::name(set.owner.into()).unwrap_or_default();
    let mut refused = Refused::new(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!("must be owner of table {}", set.qualified()),
        "",
    );
    refused.refusal.detail = format!("It belongs to role \"{owner}\".");
    Err(refused)
}

/// The server's clock: microseconds since 2000-01-01 00:00 UTC.
pub fn now() -> i64 {
    moment::to_timestamp(moment::now())
}

/// A moment since 2000 as SQL's.
pub fn timestamp(moment: i64) -> TimestampWithTimeZone {
    moment::timestamp(moment::from_timestamp(moment))
}

/// Nothing is kept otherwise on a standby.
pub fn demand_primary() -> Result<(), Refused> {
    if !pg::is_standby() {
        return Ok(());
    }
    Err(Refused::new(
        PgSqlErrorCode::ERRCODE_READ_ONLY_SQL_TRANSACTION,
        "how partitions are kept cannot be changed on a standby",
        "Say it on the primary; dbm.partition_status() works here, too.",
    ))
}
