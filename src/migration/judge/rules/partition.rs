//! ATTACH and DETACH PARTITION, CREATE TABLE … PARTITION OF.

use super::pieces::{alter_table, name_of};
use super::words::{alteration, under_mode, whole};
use crate::catalog::LockMode;
use crate::catalog::ddl::{Alteration, Kind, Touched};
use crate::finding::Severity;
use crate::migration::judge::rule::{Asked, DdlRule, Effect, Exempt, Found};
use crate::text::identifier::quote_identifier;

const MAINTENANCE: &str =
    "https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE";

/// ATTACH PARTITION without a constraint that shows that all rows fit.
pub const ATTACH_SCAN: DdlRule = DdlRule {
    id: "ddl.attach_partition_scan",
    severity: Severity::Error,
    title: "A table becomes a partition, and all of it is read",
    why: "Unless a validated CHECK says that all rows fit, they are read while the new partition is held in ACCESS EXCLUSIVE.",
    thresholds: &[],
    reference: MAINTENANCE,
    exempt: Exempt::Small,
    check: attach_scan,
};

/// The default partition is read.
pub const ATTACH_SCAN_DEFAULT: DdlRule = DdlRule {
    id: "ddl.attach_partition_scan_default",
    severity: Severity::Error,
    title: "A new partition makes the server read the default partition",
    why: "Rows that belong into the new partition could lie in the default one: all of it is read under ACCESS EXCLUSIVE, and a single such row makes the statement fail.",
    thresholds: &[],
    reference: MAINTENANCE,
    exempt: Exempt::Small,
    check: attach_scan_default,
};

/// DETACH PARTITION without CONCURRENTLY.
pub const DETACH: DdlRule = DdlRule {
    id: "ddl.detach_partition_non_concurrent",
    severity: Severity::Warning,
    title: "A partition is detached without CONCURRENTLY",
    why: "The parent is locked in ACCESS EXCLUSIVE: every query of any partition waits while the statement queues.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DETACH-PARTITION",
    exempt: Exempt::Private,
    check: detach,
};

/// DETACH CONCURRENTLY beside a default partition.
pub const DETACH_WITH_DEFAULT: DdlRule = DdlRule {
    id: "ddl.detach_concurrently_with_default",
    severity: Severity::Error,
    title: "DETACH CONCURRENTLY of a table that has a default partition",
    why: "The server refuses it.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DETACH-PARTITION",
    exempt: Exempt::Nothing,
    check: detach_with_default,
};

/// CREATE TABLE … PARTITION OF.
pub const CREATE_LOCKS_PARENT: DdlRule = DdlRule {
    id: "ddl.create_partition_of_locks_parent",
    severity: Severity::Warning,
    title: "A partition is created by PARTITION OF",
    why: "The parent is locked in ACCESS EXCLUSIVE, so that every query of any partition waits while the statement queues; CREATE TABLE and ATTACH PARTITION lock it in SHARE UPDATE EXCLUSIVE only.",
    thresholds: &[],
    reference: MAINTENANCE,
    exempt: Exempt::Private,
    check: create_locks_parent,
};

fn attach_scan(asked: &Asked<'_>) -> Option<Found> {
    let Alteration::AttachPartition(attached) = alteration(asked)? else { return None };
    let parent = asked.target()?;
    let partition = attached.partition.as_ref()?;
    if attached.is_implied {
        return None;
    }
    let qualified = partition.qualified();
    let message = format!(
        "every row of {qualified} is read {} on it, to see that all fit into {}",
        under_mode(LockMode::AccessExclusive),
        parent.qualified()
    );
    let mut found = Found::new(Effect::Scan, message);
    found.lock = Some(LockMode::AccessExclusive);
    found.victim = Some(partition.clone());
    let Some(condition) = &attached.condition else {
        return Some(
            found.note("add what the bounds demand as a CHECK constraint NOT VALID, and validate it first"),
        );
    };
    let constraint = quote_identifier(&name_of(&["chk", &partition.name, "bounds"]));
    let add = format!("ADD CONSTRAINT {constraint} CHECK ({condition}) NOT VALID");
    Some(
        found
            .safe(alter_table(&qualified, &add))
            .safe(alter_table(&qualified, &format!("VALIDATE CONSTRAINT {constraint}")))
            .safe(whole(asked))
            .safe(alter_table(&qualified, &format!("DROP CONSTRAINT {constraint}")))
            .note("each step in a transaction of its own"),
    )
}

fn attach_scan_default(asked: &Asked<'_>) -> Option<Found> {
    let (default, is_excluded, condition, parent) = match &asked.action.kind {
        Kind::Alter(Alteration::AttachPartition(attached)) => (
            attached.default_partition.as_ref()?,
            attached.default_is_excluded,
            attached.default_condition.as_ref(),
            asked.target_name(),
        ),
        Kind::CreateTable(created) => (
            created.default_partition.as_ref()?,
            created.default_is_excluded,
            None,
            created.partition_of.as_ref().map_or_else(String::new, Touched::qualified),
        ),
        _ => return None,
    };
    if is_excluded {
        return None;
    }
    let qualified = default.qualified();
    let message = format!(
        "every row of {qualified}, the default partition of {parent}, is read {} on it, to see that none belongs into \
         the new partition",
        under_mode(LockMode::AccessExclusive)
    );
    let mut found = Found::new(Effect::Scan, message);
    found.lock = Some(LockMode::AccessExclusive);
    found.victim = Some(default.clone());
    let Some(condition) = condition else {
        return Some(found.note(format!(
            "add a CHECK constraint NOT VALID to {qualified} that no row has a key of the new partition, and validate it \
             first"
        )));
    };
    let constraint = quote_identifier(&name_of(&["chk", &default.name, "bounds"]));
    let add = format!("ADD CONSTRAINT {constraint} CHECK ({condition}) NOT VALID");
    found = found
        .safe(alter_table(&qualified, &add))
        .safe(alter_table(&qualified, &format!("VALIDATE CONSTRAINT {constraint}")))
        .safe(whole(asked))
        .safe(alter_table(&qualified, &format!("DROP CONSTRAINT {constraint}")));
    Some(found.note("each step in a transaction of its own"))
}

fn detach(asked: &Asked<'_>) -> Option<Found> {
    let Alteration::DetachPartition { partition, is_concurrent: false, is_finalize: false, has_default } =
        alteration(asked)?
    else {
        return None;
    };
    let parent = asked.target()?;
    let partition = partition.as_ref()?;
    let message = format!(
        "{} is detached {} on {} and all its partitions",
        partition.qualified(),
        under_mode(LockMode::AccessExclusive),
        parent.qualified()
    );
    let mut found = Found::new(Effect::Lock, message);
    found.lock = Some(LockMode::AccessExclusive);
    if *has_default {
        return Some(found.note("CONCURRENTLY is refused as long as the parent has a default partition"));
    }
    let command = format!("DETACH PARTITION {} CONCURRENTLY", partition.qualified());
    Some(found.safe(alter_table(&parent.qualified(), &command)).note("outside of a transaction block"))
}

fn detach_with_default(asked: &Asked<'_>) -> Option<Found> {
    let Alteration::DetachPartition { partition, is_concurrent: true, has_default: true, .. } =
        alteration(asked)?
    else {
        return None;
    };
    let parent = asked.target()?;
    let name = partition.as_ref().map_or_else(|| "the partition".to_owned(), Touched::qualified);
    let message = format!(
        "{} has a default partition: the server refuses to detach {name} concurrently",
        parent.qualified()
    );
    let found = Found::new(Effect::Fails, message);
    let Some(partition) = partition else { return Some(found) };
    Some(
        found
            .safe("SET lock_timeout = '2s'")
            .safe(alter_table(&parent.qualified(), &format!("DETACH PARTITION {}", partition.qualified()))),
    )
}

fn create_locks_parent(asked: &Asked<'_>) -> Option<Found> {
    let Kind::CreateTable(created) = &asked.action.kind else { return None };
    let parent = created.partition_of.as_ref()?;
    // Nobody can use a table that has no partition yet.
    if parent.partitions == 0 {
        return None;
    }
    let (qualified, name) = (parent.qualified(), &created.name);
    let message = format!("{name} is created {} on {qualified}", under_mode(LockMode::AccessExclusive));
    let mut found = Found::new(Effect::Lock, message);
    found.lock = Some(LockMode::AccessExclusive);
    found.victim = Some(parent.clone());
    found = found.safe(format!(
        "CREATE TABLE {name} (LIKE {qualified} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING STORAGE)"
    ));
    if let Some(bounds) = super::pieces::partition_bounds(&asked.statement.text) {
        found = found.safe(alter_table(&qualified, &format!("ATTACH PARTITION {name} {bounds}")));
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::ddl::{AttachPartition, CreateTable, TouchedKind};
    use crate::migration::judge::sample::{Case, empty_table, new_table, relation, table};

    fn parent() -> Touched {
        relation("meas", TouchedKind::PartitionedTable)
    }

    fn attach(change: impl FnOnce(&mut AttachPartition)) -> Case {
        let mut facts = AttachPartition {
            partition: Some(table("meas_b")),
            condition: Some("id >= 1000 AND id < 2000".into()),
            default_condition: Some("NOT (id >= 1000 AND id < 2000)".into()),
            ..AttachPartition::default()
        };
        change(&mut facts);
        Case::alter(Alteration::AttachPartition(facts))
            .on(parent(), LockMode::ShareUpdateExclusive)
            .text("ATTACH PARTITION meas_b FOR VALUES FROM (1000) TO (2000)", "")
    }

    #[test]
    fn a_check_spares_the_scan() {
        let found = attach(|_| ()).fires(ATTACH_SCAN.id);
        assert_eq!(found.victim, Some(table("meas_b")));
        assert_eq!(
            found.safe,
            [
                "ALTER TABLE public.meas_b ADD CONSTRAINT chk_meas_b_bounds CHECK (id >= 1000 AND id < 2000) NOT VALID",
                "ALTER TABLE public.meas_b VALIDATE CONSTRAINT chk_meas_b_bounds",
                "ALTER TABLE public.meas ATTACH PARTITION meas_b FOR VALUES FROM (1000) TO (2000)",
                "ALTER TABLE public.meas_b DROP CONSTRAINT chk_meas_b_bounds",
            ]
        );
        attach(|facts| facts.is_implied = true).is_silent(ATTACH_SCAN.id);
        attach(|facts| facts.partition = Some(empty_table("meas_b"))).is_silent(ATTACH_SCAN.id);
        attach(|facts| facts.partition = Some(new_table("meas_b"))).is_silent(ATTACH_SCAN.id);
    }

    #[test]
    fn the_default_partition_is_read() {
        let default = |facts: &mut AttachPartition| facts.default_partition = Some(table("meas_d"));
        let found = attach(default).fires(ATTACH_SCAN_DEFAULT.id);
        assert_eq!(found.victim, Some(table("meas_d")));
        assert!(found.safe[0].contains("CHECK (NOT (id >= 1000 AND id < 2000)) NOT VALID"));
        attach(|_| ()).is_silent(ATTACH_SCAN_DEFAULT.id);
        attach(|facts| {
            default(facts);
            facts.default_is_excluded = true;
        })
        .is_silent(ATTACH_SCAN_DEFAULT.id);
        attach(|facts| facts.default_partition = Some(empty_table("meas_d")))
            .is_silent(ATTACH_SCAN_DEFAULT.id);
        create(|created| created.default_partition = Some(table("meas_d"))).fires(ATTACH_SCAN_DEFAULT.id);
    }

    fn detached(is_concurrent: bool, has_default: bool) -> Case {
        Case::alter(Alteration::DetachPartition {
            partition: Some(table("meas_a")),
            is_concurrent,
            is_finalize: false,
            has_default,
        })
        .on(parent(), LockMode::AccessExclusive)
    }

    #[test]
    fn detach_has_a_concurrent_form() {
        assert_eq!(
            detached(false, false).fires(DETACH.id).safe,
            ["ALTER TABLE public.meas DETACH PARTITION public.meas_a CONCURRENTLY"]
        );
        assert!(detached(false, true).fires(DETACH.id).safe.is_empty());
        detached(true, false).is_silent(DETACH.id);
        detached(true, false).is_silent(DETACH_WITH_DEFAULT.id);
        detached(true, true).fires(DETACH_WITH_DEFAULT.id);
    }

    fn create(change: impl FnOnce(&mut CreateTable)) -> Case {
        let mut facts =
            CreateTable { name: "meas_c".into(), partition_of: Some(parent()), ..CreateTable::default() };
        change(&mut facts);
        let text = "CREATE TABLE meas_c PARTITION OF meas FOR VALUES FROM (2000) TO (3000)";
        Case::new(Kind::CreateTable(facts)).text(text, text)
    }

    #[test]
    fn partition_of_locks_the_parent() {
        assert_eq!(
            create(|_| ()).fires(CREATE_LOCKS_PARENT.id).safe,
            [
                "CREATE TABLE meas_c (LIKE public.meas INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING STORAGE)",
                "ALTER TABLE public.meas ATTACH PARTITION meas_c FOR VALUES FROM (2000) TO (3000)",
            ]
        );
        create(|created| created.partition_of = None).is_silent(CREATE_LOCKS_PARENT.id);
        let new = Touched { is_created_here: true, ..parent() };
        create(|created| created.partition_of = Some(new)).is_silent(CREATE_LOCKS_PARENT.id);
        let unused = Touched { partitions: 0, ..parent() };
        create(|created| created.partition_of = Some(unused)).is_silent(CREATE_LOCKS_PARENT.id);
    }
}
