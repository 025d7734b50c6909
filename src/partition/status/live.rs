//! `dbm.partition_status()`: reads the catalogs, the policies and the clock; writes nothing.

use rustc_hash::FxHashMap;

use crate::catalog::Oid;
use crate::catalog::partition::{Partition, Set, StoredPolicy};
use crate::partition::sets::live::{Refused, name_of, now, set_of};
use crate::partition::status::{Status, Subject, sort, status};
use crate::partition::zone::Zone;
use crate::pg::definitions::while_locked;
use crate::pg::local_settings::with_pinned_search_path;
use crate::pg::partition::{policy, set};
use crate::pg::query;
use crate::pg::zone::ServerZone;
use crate::text::quote_qualified;

/// A default partition of more blocks is not read for its rows to be counted.
const MOST_BLOCKS: u64 = 1_000;

/// How one set stands, or all that are kept, the most urgent first.
pub fn statuses(parent: Option<Oid>) -> Result<Vec<Status>, Refused> {
    let (stored, sets) = match parent {
        Some(parent) => (policy::of(parent).into_iter().collect(), vec![set_of(parent)?]),
        None => {
            let stored = policy::all();
            let parents: Vec<Oid> = stored.iter().map(|stored| stored.parent).collect();
            (stored, set::sets(&parents))
        }
    };
    let policies: FxHashMap<Oid, &StoredPolicy> =
        stored.iter().map(|stored| (stored.parent, stored)).collect();
    let mut zones: FxHashMap<&str, Option<ServerZone>> = FxHashMap::default();
    let now = now();
    let mut found: Vec<Status> = sets
        .iter()
        .map(|set| {
            let stored = policies.get(&set.parent).copied();
            let name = stored.map_or("UTC", |stored| stored.time_zone.as_str());
            let zone = zones.entry(name).or_insert_with(|| ServerZone::find(name));
            let zone = zone.as_ref().map(|zone| zone as &dyn Zone);
            status(&Subject { set, stored, now, zone, default_rows: rows_of_default(set) })
        })
        .collect();
    let there: rustc_hash::FxHashSet<Oid> = sets.iter().map(|set| set.parent).collect();
    found.extend(stored.iter().filter(|stored| !there.contains(&stored.parent)).map(gone));
    sort(&mut found);
    Ok(found)
}

/// A policy without a table.
fn gone(stored: &StoredPolicy) -> Status {
    let parent = stored.parent;
    Status {
        parent: name_of(parent),
        last_run: stored.last_run,
        last_result: stored.last_result.clone(),
        failures: stored.failures,
        problem: Some(format!("its table is gone: SELECT dbm.partition_unmanage({parent});")),
        urgency: 9,
        ..Status::default()
    }
}

fn rows_of_default(set: &Set) -> Option<i64> {
    set.default_partition().and_then(rows_of)
}

/// How many rows a default partition holds: none where its file is empty, else as many as were counted last; counted now
/// where nobody did and that is cheap and allowed.
fn rows_of(default: &Partition) -> Option<i64> {
    if default.is_partitioned || default.is_foreign {
        return (default.rows >= 0.0).then_some(default.rows as i64);
    }
    if default.blocks == 0 {
        return Some(0);
    }
    if default.rows > 0.0 {
        return Some(default.rows as i64);
    }
    if default.blocks > MOST_BLOCKS {
        return None;
    }
    while_locked(default.relation, || {
        with_pinned_search_path(|| {
            let may = query::rows(
                "SELECT has_table_privilege(c.oid, 'SELECT') AND NOT c.relrowsecurity
                 FROM pg_class c WHERE c.oid = $1::bigint::oid AND c.relkind = 'r'",
                &[i64::from(default.relation).into()],
                |row| row.get::<bool>(1),
            );
            if may.into_iter().flatten().next() != Some(true) {
                return None;
            }
            let sql =
                format!("SELECT count(*) FROM ONLY {}", quote_qualified(&default.schema, &default.name));
            query::rows(&sql, &[], |row| row.get::<i64>(1)).into_iter().flatten().next()
        })
    })
}
