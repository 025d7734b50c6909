//! What writes a whole table: VACUUM FULL, CLUSTER, SET LOGGED, another access method or tablespace, REFRESH.

use super::words::{alteration, few, largest_locked, stored, under, under_mode};
use crate::catalog::LockMode;
use crate::catalog::ddl::{Alteration, Kind, Touched, TouchedKind};
use crate::finding::{Severity, Threshold};
use crate::migration::judge::rule::{Asked, DdlRule, Effect, Exempt, Found};
use crate::text::identifier::quote_identifier;

const REFRESH_PAGE: &str = "https://www.postgresql.org/docs/current/sql-refreshmaterializedview.html";

/// SET LOGGED, SET UNLOGGED.
pub const PERSISTENCE: DdlRule = DdlRule {
    id: "ddl.set_logged_unlogged",
    severity: Severity::Error,
    title: "A table becomes logged or unlogged",
    why: "Table and indexes are written anew under ACCESS EXCLUSIVE, for LOGGED into the WAL as well; an unlogged one is emptied by a crash.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-LOGGED-UNLOGGED",
    exempt: Exempt::Small,
    check: persistence,
};

/// SET ACCESS METHOD.
pub const ACCESS_METHOD: DdlRule = DdlRule {
    id: "ddl.set_access_method",
    severity: Severity::Error,
    title: "A table gets another access method",
    why: "Table and indexes are written anew under ACCESS EXCLUSIVE.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-ACCESS-METHOD",
    exempt: Exempt::Small,
    check: access_method,
};

/// SET TABLESPACE.
pub const TABLESPACE: DdlRule = DdlRule {
    id: "ddl.set_tablespace",
    severity: Severity::Error,
    title: "A table or an index moves to another tablespace",
    why: "Its files are copied block by block under ACCESS EXCLUSIVE, and into the WAL.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-TABLESPACE",
    exempt: Exempt::Small,
    check: tablespace,
};

/// VACUUM FULL.
pub const VACUUM_FULL: DdlRule = DdlRule {
    id: "ddl.vacuum_full",
    severity: Severity::Error,
    title: "VACUUM FULL writes a table anew",
    why: "Nobody reads or writes the table until it and all its indexes are written; twice their space is needed meanwhile.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-SPACE-RECOVERY",
    exempt: Exempt::Small,
    check: vacuum_full,
};

/// CLUSTER.
pub const CLUSTER: DdlRule = DdlRule {
    id: "ddl.cluster",
    severity: Severity::Error,
    title: "CLUSTER writes a table anew",
    why: "Nobody reads or writes the table until it and all its indexes are written; the order is lost again by every update.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-cluster.html",
    exempt: Exempt::Small,
    check: cluster,
};

/// REFRESH MATERIALIZED VIEW without CONCURRENTLY.
pub const REFRESH: DdlRule = DdlRule {
    id: "ddl.refresh_matview_non_concurrent",
    severity: Severity::Error,
    title: "A materialized view is refreshed without CONCURRENTLY",
    why: "Its readers wait for the whole of its query.",
    thresholds: &[],
    reference: REFRESH_PAGE,
    exempt: Exempt::Small,
    check: refresh,
};

/// REFRESH … WITH NO DATA.
pub const REFRESH_WITHOUT_DATA: DdlRule = DdlRule {
    id: "ddl.refresh_without_data",
    severity: Severity::Error,
    title: "A materialized view is emptied by WITH NO DATA",
    why: "It is quick, and from then on each query of the view fails until it is refreshed again.",
    thresholds: &[],
    reference: REFRESH_PAGE,
    exempt: Exempt::Private,
    check: refresh_without_data,
};

/// REFRESH CONCURRENTLY that cannot work.
pub const REFRESH_CONCURRENTLY: DdlRule = DdlRule {
    id: "ddl.refresh_concurrently_impossible",
    severity: Severity::Error,
    title: "REFRESH CONCURRENTLY of a view that does not allow it",
    why: "It needs a unique index over plain columns and all rows, and contents to compare with; without them the server refuses.",
    thresholds: &[],
    reference: REFRESH_PAGE,
    exempt: Exempt::Nothing,
    check: refresh_concurrently,
};

/// CREATE TABLE AS.
pub const TABLE_AS: DdlRule = DdlRule {
    id: "ddl.create_table_as",
    severity: Severity::Info,
    title: "A table is filled from a large query in one statement",
    why: "The snapshot stays open for the whole of it, so that VACUUM removes nothing meanwhile, and constraints and indexes are not copied.",
    thresholds: &[Threshold {
        name: "rows",
        default: 1_000_000.0,
        range: (0.0, 1e15),
        meaning: "rows that the planner expects of the query, from which on it is told",
    }],
    reference: "https://www.postgresql.org/docs/current/sql-createtableas.html",
    exempt: Exempt::Nothing,
    check: table_as,
};

fn rewritten(asked: &Asked<'_>, table: &Touched, because: &str) -> Found {
    let message = format!("every row of {} is written anew {}{because}", table.qualified(), under(asked));
    Found::new(Effect::Rewrite, message)
}

fn persistence(asked: &Asked<'_>) -> Option<Found> {
    let Alteration::SetPersistence { is_logged, is_already: false } = alteration(asked)? else { return None };
    let table = stored(asked)?;
    let note = if *is_logged {
        "create a logged table beside it, copy the rows in batches and swap the names"
    } else {
        "an unlogged table is empty after a crash and on every standby"
    };
    Some(rewritten(asked, table, if *is_logged { ", and into the WAL" } else { "" }).note(note))
}

fn access_method(asked: &Asked<'_>) -> Option<Found> {
    let Alteration::SetAccessMethod { method, is_already: false } = alteration(asked)? else { return None };
    let table = stored(asked)?;
    // The parent itself has no rows; what it says holds for partitions that are created later.
    if table.kind == TouchedKind::PartitionedTable {
        return None;
    }
    let because = format!(", for the access method {}", quote_identifier(method));
    Some(
        rewritten(asked, table, &because)
            .note("create a table of that method beside it, copy the rows in batches and swap the names"),
    )
}

fn tablespace(asked: &Asked<'_>) -> Option<Found> {
    let note = "an extension such as pg_repack moves a table while others work; an index can be built anew there \
                CONCURRENTLY";
    if let Kind::MoveAll { tablespace } = &asked.action.kind {
        let victim = largest_locked(asked)?;
        let names: Vec<String> = asked.action.locks.iter().map(|lock| lock.relation.qualified()).collect();
        let message = format!(
            "{} move to the tablespace {}, file by file {}, all locked together",
            few(&names),
            quote_identifier(tablespace),
            under_mode(LockMode::AccessExclusive)
        );
        let mut found = Found::new(Effect::Rewrite, message).note(note);
        found.victim = Some(victim.clone());
        return Some(found);
    }
    let Alteration::SetTablespace { tablespace, is_already: false } = alteration(asked)? else { return None };
    let target = asked.target()?;
    if matches!(target.kind, TouchedKind::PartitionedTable | TouchedKind::PartitionedIndex) {
        return None;
    }
    let to = quote_identifier(tablespace);
    let message = format!("{} is copied to the tablespace {to} {}", target.qualified(), under(asked));
    let mut found = Found::new(Effect::Rewrite, message).note(note);
    if target.kind == TouchedKind::Index {
        found = found.safe(format!("REINDEX (TABLESPACE {to}) INDEX CONCURRENTLY {}", target.qualified()));
    }
    Some(found)
}

fn vacuum_full(asked: &Asked<'_>) -> Option<Found> {
    if asked.action.kind != Kind::VacuumFull {
        return None;
    }
    let note = "plain VACUUM makes the space usable again while others work; an extension such as pg_repack or \
                pg_squeeze gives it back";
    let Some(table) = asked.target() else {
        let message =
            "every table of the database is written anew, one after the other, under ACCESS EXCLUSIVE";
        return Some(Found::new(Effect::Rewrite, message).safe("VACUUM (ANALYZE)").note(note));
    };
    Some(rewritten(asked, table, "").safe(format!("VACUUM (ANALYZE) {}", table.qualified())).note(note))
}

fn cluster(asked: &Asked<'_>) -> Option<Found> {
    if asked.action.kind != Kind::Cluster {
        return None;
    }
    let note = "an extension such as pg_repack or pg_squeeze orders a table while others work";
    let Some(table) = asked.target() else {
        let message = "every table that was clustered before is written anew under ACCESS EXCLUSIVE";
        return Some(Found::new(Effect::Rewrite, message).note(note));
    };
    Some(rewritten(asked, table, ", in the order of an index").note(note))
}

fn refresh(asked: &Asked<'_>) -> Option<Found> {
    let Kind::Refresh { is_concurrent: false, is_without_data: false, is_populated: true, has_unique_index } =
        &asked.action.kind
    else {
        return None;
    };
    let view = asked.target()?;
    let qualified = view.qualified();
    let message =
        format!("{qualified} is filled anew under ACCESS EXCLUSIVE: its readers wait for the whole query");
    let found = Found::new(Effect::Rewrite, message);
    let concurrently = format!("REFRESH MATERIALIZED VIEW CONCURRENTLY {qualified}");
    Some(if *has_unique_index {
        found.safe(concurrently)
    } else {
        found.note(format!("with a unique index over columns of all rows there is {concurrently}"))
    })
}

fn refresh_without_data(asked: &Asked<'_>) -> Option<Found> {
    let Kind::Refresh { is_without_data: true, is_populated: true, .. } = &asked.action.kind else {
        return None;
    };
    let view = asked.target()?;
    let message =
        format!("{} is emptied: each query of it fails until it is refreshed again", view.qualified());
    Some(Found::new(Effect::Breaks, message))
}

fn refresh_concurrently(asked: &Asked<'_>) -> Option<Found> {
    let Kind::Refresh { is_concurrent: true, is_without_data, is_populated, has_unique_index } =
        &asked.action.kind
    else {
        return None;
    };
    let view = asked.target()?;
    let because = if *is_without_data {
        "CONCURRENTLY and WITH NO DATA exclude each other"
    } else if !is_populated {
        "it was never filled"
    } else if !has_unique_index {
        "it has no unique index over plain columns and all rows"
    } else {
        return None;
    };
    let message = format!("{} cannot be refreshed concurrently: {because}", view.qualified());
    let found = Found::new(Effect::Fails, message);
    Some(if !is_populated {
        found.safe(format!("REFRESH MATERIALIZED VIEW {}", view.qualified()))
    } else {
        found
    })
}

fn table_as(asked: &Asked<'_>) -> Option<Found> {
    let Kind::CreateTable(created) = &asked.action.kind else { return None };
    if !created.is_from_query || created.query_rows? < (asked.threshold)("rows") {
        return None;
    }
    let message =
        format!("{} is filled from one large query, which holds back VACUUM until it ends", created.name);
    Some(Found::new(Effect::Style, message).note("create the table first and fill it in batches"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::ddl::CreateTable;
    use crate::migration::judge::sample::{Case, empty_table, relation, table};

    #[test]
    fn persistence_and_method_write_every_row() {
        let set = |is_already| Case::alter(Alteration::SetPersistence { is_logged: true, is_already });
        assert!(set(false).fires(PERSISTENCE.id).message.ends_with("and into the WAL"));
        set(true).is_silent(PERSISTENCE.id);
        set(false).on(empty_table("acct"), LockMode::AccessExclusive).is_silent(PERSISTENCE.id);
        let method =
            |is_already| Case::alter(Alteration::SetAccessMethod { method: "heap2".into(), is_already });
        method(false).fires(ACCESS_METHOD.id);
        method(true).is_silent(ACCESS_METHOD.id);
        let parent = relation("meas", TouchedKind::PartitionedTable);
        method(false).on(parent, LockMode::AccessExclusive).is_silent(ACCESS_METHOD.id);
    }

    #[test]
    fn another_tablespace_copies_files() {
        let set =
            |is_already| Case::alter(Alteration::SetTablespace { tablespace: "fast".into(), is_already });
        set(false).fires(TABLESPACE.id);
        set(true).is_silent(TABLESPACE.id);
        let index = set(false).on(relation("acct_pkey", TouchedKind::Index), LockMode::AccessExclusive);
        assert_eq!(
            index.fires(TABLESPACE.id).safe,
            ["REINDEX (TABLESPACE fast) INDEX CONCURRENTLY public.acct_pkey"]
        );
        let all = Case::new(Kind::MoveAll { tablespace: "fast".into() });
        all.is_silent(TABLESPACE.id);
        let found = all.locks(table("acct"), LockMode::AccessExclusive).fires(TABLESPACE.id);
        assert_eq!(found.victim, Some(table("acct")));
    }

    #[test]
    fn vacuum_full_and_cluster() {
        for (kind, id) in [(Kind::VacuumFull, VACUUM_FULL.id), (Kind::Cluster, CLUSTER.id)] {
            let case = Case::new(kind);
            case.fires(id);
            case.clone().on(table("acct"), LockMode::AccessExclusive).fires(id);
            case.on(empty_table("acct"), LockMode::AccessExclusive).is_silent(id);
        }
    }

    fn refreshed(
        is_concurrent: bool,
        is_without_data: bool,
        is_populated: bool,
        has_unique_index: bool,
    ) -> Case {
        Case::new(Kind::Refresh { is_concurrent, is_without_data, is_populated, has_unique_index })
            .on(relation("acct_mv", TouchedKind::MaterializedView), LockMode::AccessExclusive)
    }

    #[test]
    fn readers_wait_for_a_refresh() {
        assert_eq!(
            refreshed(false, false, true, true).fires(REFRESH.id).safe,
            ["REFRESH MATERIALIZED VIEW CONCURRENTLY public.acct_mv"]
        );
        assert!(refreshed(false, false, true, false).fires(REFRESH.id).note.contains("unique index"));
        refreshed(true, false, true, true).is_silent(REFRESH.id);
        refreshed(false, false, false, true).is_silent(REFRESH.id);
    }

    #[test]
    fn without_data_nobody_can_read() {
        let emptied = refreshed(false, true, true, true);
        emptied.fires(REFRESH_WITHOUT_DATA.id);
        emptied.is_silent(REFRESH.id);
        refreshed(false, true, false, true).is_silent(REFRESH_WITHOUT_DATA.id);
    }

    #[test]
    fn concurrently_needs_an_index_and_contents() {
        refreshed(true, false, true, false).fires(REFRESH_CONCURRENTLY.id);
        assert_eq!(
            refreshed(true, false, false, true).fires(REFRESH_CONCURRENTLY.id).safe,
            ["REFRESH MATERIALIZED VIEW public.acct_mv"]
        );
        refreshed(true, true, true, true).fires(REFRESH_CONCURRENTLY.id);
        refreshed(true, false, true, true).is_silent(REFRESH_CONCURRENTLY.id);
    }

    #[test]
    fn a_large_query_is_told() {
        let create = |query_rows| {
            Case::new(Kind::CreateTable(CreateTable {
                is_from_query: true,
                query_rows,
                ..CreateTable::default()
            }))
        };
        create(Some(2e6)).fires(TABLE_AS.id);
        create(Some(10.0)).is_silent(TABLE_AS.id);
        create(None).is_silent(TABLE_AS.id);
    }
}
