//! What stands before the next change or upgrade and is in no catalog that rules read row by row: transactions that are
//! prepared, collations that sort otherwise than when their indexes were built, databases that nobody can enter.

use pgrx::datum::TimestampWithTimeZone;

use crate::catalog::{CollationVersion, DEFAULT_COLLATION, Oid, Prepared, Snapshot};
use crate::pg::local_settings::with_pinned_search_path;
use crate::pg::moment::from_timestamp;
use crate::pg::query::rows;
use crate::pg::value::Text;

/// Of this database, since only its tables are judged.
const PREPARED: &str = "SELECT p.gid, pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(p.ownerid)),
            p.prepared
     FROM pg_catalog.pg_prepared_xact() AS p (transaction, gid, prepared, ownerid, dbid)
     JOIN pg_catalog.pg_database d ON d.oid = p.dbid AND d.datname = pg_catalog.current_database()
     ORDER BY p.prepared, p.gid";

/// The database's own version stands for the collation of that name.
const OF_DATABASE: &str = "SELECT d.datcollversion, pg_catalog.pg_database_collation_actual_version(d.oid)
     FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()";

const CLOSED: &str = "SELECT d.datname::pg_catalog.text, d.datconnlimit = -2 FROM pg_catalog.pg_database d
     WHERE d.datconnlimit = -2 OR (NOT d.datallowconn AND d.datname <> 'template0') ORDER BY d.datname";

/// Reads all three, with nothing but `pg_catalog` to look operators up in: whoever may make one elsewhere must not be run by
/// an audit.
pub fn read(snapshot: &mut Snapshot) {
    with_pinned_search_path(|| read_all(snapshot));
}

fn read_all(snapshot: &mut Snapshot) {
    let text = |text: Option<Text>| text.map(Text::into_string).unwrap_or_default().into_boxed_str();
    snapshot.server.prepared = rows(PREPARED, &[], |row| {
        let at = row.get::<TimestampWithTimeZone>(3)?.map_or(0, |at| from_timestamp(at.into()));
        Ok(Prepared { name: text(row.get(1)?), owner: text(row.get(2)?), at })
    });
    snapshot.server.closed_databases =
        rows(CLOSED, &[], |row| Ok((text(row.get(1)?), row.get(2)?.unwrap_or_default())));
    let mut versions = rows(OF_DATABASE, &[], |row| {
        Ok(CollationVersion {
            collation: DEFAULT_COLLATION,
            name: "".into(),
            recorded: text(row.get(1)?),
            actual: text(row.get(2)?),
        })
    });
    let used = used(snapshot);
    if !used.is_empty() {
        let list: Vec<String> = used.iter().map(ToString::to_string).collect();
        // Not the version of every collation that there is: each has to be opened for it.
        let sql = format!(
            "SELECT c.oid, pg_catalog.format('%I.%I', n.nspname, c.collname), c.collversion,
                    pg_catalog.pg_collation_actual_version(c.oid)
             FROM (SELECT * FROM pg_catalog.pg_collation WHERE oid IN ({}) AND collversion IS NOT NULL OFFSET 0) c
             JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace ORDER BY 2",
            list.join(", ")
        );
        versions.extend(rows(&sql, &[], |row| {
            Ok(CollationVersion {
                collation: row.get::<pgrx::pg_sys::Oid>(1)?.map_or(0, |oid| oid.to_u32()),
                name: text(row.get(2)?),
                recorded: text(row.get(3)?),
                actual: text(row.get(4)?),
            })
        }));
    }
    versions.retain(|version| !version.recorded.is_empty() && version.recorded != version.actual);
    snapshot.collation_versions = versions;
}

/// The collations by which indexes are sorted, but for those of the server that never change.
fn used(snapshot: &Snapshot) -> Vec<Oid> {
    const C: Oid = 950;
    const POSIX: Oid = 951;
    let keys = snapshot.indexes.iter().flat_map(|index| index.keys.iter());
    let mut used: Vec<Oid> = keys
        .map(|key| key.collation)
        .filter(|collation| ![0, DEFAULT_COLLATION, C, POSIX].contains(collation))
        .collect();
    used.sort_unstable();
    used.dedup();
    used
}
