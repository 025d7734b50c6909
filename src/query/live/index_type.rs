//! The choice of an access method, with the sizes that the what-if planner tells.

use pgrx::PgSqlErrorCode;

use super::without_trace;
use crate::pg::error::raise;
use crate::pg::isolation::isolated;
use crate::pg::planner::{self, Pool};
use crate::pg::value::RegClass;
use crate::query::index_type::{Choice, Purpose, choose};
use crate::query::whatif::size;

/// Every form of index that comes into question, the best first, with the bytes that it would take.
pub fn index_type_for(target: &RegClass, columns: &[String], purpose: &str) -> Vec<(Choice, Option<u64>)> {
    let Some(purpose) = Purpose::from_name(purpose) else {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            &format!("there is no purpose \"{purpose}\""),
            "",
            &format!("The purposes are {}.", Purpose::names()),
        );
    };
    if columns.is_empty() {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "an index needs a column",
            "",
            "For example: SELECT * FROM dbm.index_type_for('orders', '{placed_at}', 'range').",
        );
    }
    without_trace(|| {
        let situation = planner::situation(target.oid(), columns);
        let mut pool = Pool::default();
        choose(&situation, purpose)
            .into_iter()
            .map(|choice| {
                let bytes = choice.definition.as_deref().and_then(|definition| bytes(&mut pool, definition));
                (choice, bytes)
            })
            .collect()
    })
}

/// Nothing for what cannot be sized, as SP-GiST.
fn bytes(pool: &mut Pool, definition: &str) -> Option<u64> {
    let mut bytes = None;
    let sized = isolated(&mut || {
        let number = pool.add(definition, size::size);
        bytes = Some(pool.bytes(number));
    });
    sized.ok().and(bytes)
}
