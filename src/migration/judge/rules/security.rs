//! Row-level security, ownership, and other properties of a table that are changed under a strong lock.

use super::words::{alteration, moment, stored, under};
use crate::catalog::ddl::{Alteration, Kind};
use crate::finding::Severity;
use crate::migration::judge::rule::{Asked, DdlRule, Effect, Exempt, Found};

const ALTER_TABLE: &str = "https://www.postgresql.org/docs/current/sql-altertable.html";
const ROW_SECURITY: &str = "https://www.postgresql.org/docs/current/ddl-rowsecurity.html";

/// ENABLE or FORCE ROW LEVEL SECURITY.
pub const ENABLE: DdlRule = DdlRule {
    id: "ddl.enable_rls",
    severity: Severity::Warning,
    title: "Row-level security is enabled",
    why: "Without a policy that lets them in, everybody but the owner sees no row and may write none from then on.",
    thresholds: &[],
    reference: ROW_SECURITY,
    exempt: Exempt::Private,
    check: enable,
};

/// DISABLE or NO FORCE ROW LEVEL SECURITY.
pub const DISABLE: DdlRule = DdlRule {
    id: "ddl.disable_rls",
    severity: Severity::Warning,
    title: "Row-level security is disabled",
    why: "Whoever may read the table sees every row from then on, also those of others.",
    thresholds: &[],
    reference: ROW_SECURITY,
    exempt: Exempt::Private,
    check: disable,
};

/// OWNER TO.
pub const OWNER: DdlRule = DdlRule {
    id: "ddl.change_owner",
    severity: Severity::Warning,
    title: "A table gets another owner",
    why: "Readers and writers wait while the statement queues for ACCESS EXCLUSIVE; the old owner's rights go, unless they are granted.",
    thresholds: &[],
    reference: ALTER_TABLE,
    exempt: Exempt::Private,
    check: owner,
};

/// INHERIT, NO INHERIT, OF, NOT OF.
pub const INHERITANCE: DdlRule = DdlRule {
    id: "ddl.change_inheritance",
    severity: Severity::Warning,
    title: "Inheritance or the type of a table changes",
    why: "Readers and writers wait while the statement queues for ACCESS EXCLUSIVE; queries of the parent return other rows from then on.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-inherit.html",
    exempt: Exempt::Private,
    check: inheritance,
};

/// REPLICA IDENTITY.
pub const REPLICA_IDENTITY: DdlRule = DdlRule {
    id: "ddl.change_replica_identity",
    severity: Severity::Warning,
    title: "The replica identity of a table changes",
    why: "Readers and writers wait while the statement queues for ACCESS EXCLUSIVE; subscribers find rows by other columns from then on.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/logical-replication-publication.html#LOGICAL-REPLICATION-PUBLICATION-REPLICA-IDENTITY",
    exempt: Exempt::Private,
    check: replica_identity,
};

/// SET STORAGE, SET COMPRESSION.
pub const STORAGE: DdlRule = DdlRule {
    id: "ddl.set_storage",
    severity: Severity::Info,
    title: "Storage or compression of a column changes",
    why: "Only rows that are written from now on are stored so; those that are there stay as they are.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/storage-toast.html",
    exempt: Exempt::Private,
    check: storage,
};

/// LOCK TABLE.
pub const LOCK_TABLE: DdlRule = DdlRule {
    id: "ddl.lock_table_explicit",
    severity: Severity::Warning,
    title: "LOCK TABLE in a mode for which others wait",
    why: "The lock is held until the transaction ends, however long the client takes for that.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES",
    exempt: Exempt::Private,
    check: lock_table,
};

fn enable(asked: &Asked<'_>) -> Option<Found> {
    let Alteration::RowSecurity { is_enabled: true, policies } = alteration(asked)? else { return None };
    let table = stored(asked)?.qualified();
    if *policies == 0 {
        let message =
            format!("{table} has no policy: with row-level security nobody but its owner sees a row");
        let mut found = Found::new(Effect::Breaks, message);
        found.severity = Some(Severity::Error);
        return Some(found.note("CREATE POLICY first; policies wait until row-level security is enabled"));
    }
    Some(moment(
        asked,
        format!(
            "row-level security of {table} is enabled {}; its {policies} policies hold from then on",
            under(asked)
        ),
    ))
}

fn disable(asked: &Asked<'_>) -> Option<Found> {
    let Alteration::RowSecurity { is_enabled: false, .. } = alteration(asked)? else { return None };
    let table = stored(asked)?.qualified();
    let message = format!("{table} shows every row to whoever may read it, whatever its policies say");
    Some(Found::new(Effect::Breaks, message).note("a policy that lets some in by USING (true) opens less"))
}

fn owner(asked: &Asked<'_>) -> Option<Found> {
    let Alteration::Owner = alteration(asked)? else { return None };
    let table = asked.target()?;
    Some(moment(asked, format!("{} gets another owner {}", table.qualified(), under(asked))))
}

fn inheritance(asked: &Asked<'_>) -> Option<Found> {
    let Alteration::Inheritance = alteration(asked)? else { return None };
    let table = asked.target()?;
    Some(moment(asked, format!("the parent or the type of {} changes {}", table.qualified(), under(asked))))
}

fn replica_identity(asked: &Asked<'_>) -> Option<Found> {
    let Alteration::ReplicaIdentity = alteration(asked)? else { return None };
    let table = asked.target()?;
    Some(moment(asked, format!("the replica identity of {} changes {}", table.qualified(), under(asked))))
}

fn storage(asked: &Asked<'_>) -> Option<Found> {
    let Alteration::Harmless { name } = alteration(asked)? else { return None };
    let upper = name.to_ascii_uppercase();
    if !upper.contains("SET STORAGE") && !upper.contains("COMPRESSION") {
        return None;
    }
    let table = stored(asked)?;
    Some(Found::new(
        Effect::Style,
        format!("{upper} of {} holds for rows written from now on", table.qualified()),
    ))
}

fn lock_table(asked: &Asked<'_>) -> Option<Found> {
    let Kind::LockTable { mode } = asked.action.kind else { return None };
    let table = asked.target()?;
    if !mode.blocks_writes() {
        return None;
    }
    let message = format!(
        "{} is locked {} until the transaction ends",
        table.qualified(),
        super::words::under_mode(mode)
    );
    Some(Found::new(Effect::Lock, message).note("SELECT … FOR UPDATE or pg_advisory_xact_lock() locks less"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::LockMode;
    use crate::migration::judge::sample::{Case, new_table, table};

    #[test]
    fn without_a_policy_nobody_sees_a_row() {
        let set = |is_enabled, policies| Case::alter(Alteration::RowSecurity { is_enabled, policies });
        assert_eq!(set(true, 0).severity(ENABLE.id), Some(Severity::Error));
        assert_eq!(set(true, 2).severity(ENABLE.id), Some(Severity::Warning));
        set(true, 2).is_silent(DISABLE.id);
        set(false, 2).fires(DISABLE.id);
        set(false, 2).is_silent(ENABLE.id);
    }

    #[test]
    fn properties_change_under_a_strong_lock() {
        for (alteration, id) in [
            (Alteration::Owner, OWNER.id),
            (Alteration::Inheritance, INHERITANCE.id),
            (Alteration::ReplicaIdentity, REPLICA_IDENTITY.id),
        ] {
            let case = Case::alter(alteration);
            assert!(case.fires(id).message.ends_with("under ACCESS EXCLUSIVE: readers and writers wait"));
            case.on(new_table("acct"), LockMode::AccessExclusive).is_silent(id);
        }
    }

    #[test]
    fn storage_holds_for_new_rows() {
        Case::alter(Alteration::Harmless { name: "SET STORAGE" }).fires(STORAGE.id);
        Case::alter(Alteration::Harmless { name: "SET COMPRESSION" }).fires(STORAGE.id);
        Case::alter(Alteration::Harmless { name: "SET STATISTICS" }).is_silent(STORAGE.id);
    }

    #[test]
    fn a_lock_that_nobody_waits_for_is_fine() {
        let lock = |mode| Case::new(Kind::LockTable { mode }).on(table("acct"), mode);
        lock(LockMode::AccessExclusive).fires(LOCK_TABLE.id);
        lock(LockMode::RowShare).is_silent(LOCK_TABLE.id);
    }
}
