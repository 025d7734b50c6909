//! Collations that the system sorts otherwise than it did.

use crate::catalog::{CollationVersion, DEFAULT_COLLATION, Index, Snapshot};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::quote_identifier;

/// More are built anew by REINDEX of the whole database.
const MOST_INDEXES: usize = 20;

/// `migration.collation_version_mismatch`: the library behind a collation has changed since its indexes were built.
pub const COLLATION_VERSION_MISMATCH: Rule = Rule {
    id: "migration.collation_version_mismatch",
    dimension: Dimension::Migration,
    severity: Severity::Error,
    title: "Collation with another version than its indexes",
    why: "An update of the C library or of ICU sorts some strings otherwise. Indexes that were built before are out of order: \
          queries miss rows, and unique indexes let the same value in twice. It comes with a new image or operating system, \
          and with a standby or a pg_upgrade on another one.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-altercollation.html#SQL-ALTERCOLLATION-NOTES",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    verdicts.examine(1);
    for version in &snapshot.collation_versions {
        (facts.interrupt)();
        let mut indexes: Vec<String> = snapshot
            .indexes
            .iter()
            .filter(|index| !index.is_partitioned && is_sorted_by(index, version))
            .map(|index| snapshot.index_name(index))
            .collect();
        indexes.sort();
        if indexes.is_empty() && version.collation != DEFAULT_COLLATION {
            continue;
        }
        verdicts.find(describe(snapshot, version, &indexes));
    }
}

fn is_sorted_by(index: &Index, version: &CollationVersion) -> bool {
    index.keys.iter().any(|key| key.collation == version.collation)
}

fn describe(snapshot: &Snapshot, version: &CollationVersion, indexes: &[String]) -> Finding {
    let database = quote_identifier(&snapshot.server.database);
    let (object, refresh) = if version.collation == DEFAULT_COLLATION {
        (database.clone(), format!("ALTER DATABASE {database} REFRESH COLLATION VERSION;"))
    } else {
        (version.name.to_string(), format!("ALTER COLLATION {} REFRESH VERSION;", version.name))
    };
    let what = if version.collation == DEFAULT_COLLATION {
        format!("the default collation of database {database}")
    } else {
        format!("collation {}", version.name)
    };
    let now = if version.actual.is_empty() { "none that it tells".into() } else { version.actual.clone() };
    let message = format!(
        "{what} had version {} when its indexes were built, and the system has {now}: {} indexes may be out of order",
        version.recorded,
        indexes.len()
    );
    let mut finding = Finding::new(object, "", message)
        .evidence("recorded", &*version.recorded)
        .evidence("actual", &*version.actual)
        .evidence("indexes", indexes.len());
    // Where the system tells none, there is none to be noted, and the server refuses to open the collation.
    if version.actual.is_empty() {
        return finding;
    }
    // The version is noted only once all is in order again: it is what keeps the warning alive.
    let mut fix: Vec<String> = if indexes.len() > MOST_INDEXES {
        vec![format!("REINDEX DATABASE CONCURRENTLY {database};")]
    } else {
        indexes.iter().map(|index| format!("REINDEX INDEX CONCURRENTLY {index};")).collect()
    };
    fix.push(refresh);
    finding.fix = Some(fix.join("\n"));
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::types::builtin;

    const GERMAN: u32 = 70_000;

    fn sample(collation: u32, name: &str) -> Sample {
        let mut sample = Sample::new();
        let table = sample.keyed_table("words");
        sample.column(table, "word", builtin::TEXT);
        sample.edit_column(table, "word", |column| column.collation = GERMAN);
        sample.index(table, "words_word", &["word"]);
        sample.snapshot.collation_versions = vec![CollationVersion {
            collation,
            name: name.into(),
            recorded: "2.31".into(),
            actual: "2.36".into(),
        }];
        sample
    }

    #[test]
    fn indexes_by_an_old_version_are_built_anew_before_it_is_noted() {
        let (found, _, _) = run(&COLLATION_VERSION_MISMATCH, &sample(GERMAN, "public.german").finish());
        assert_eq!((found.len(), found[0].object.as_str()), (1, "public.german"));
        assert_eq!(
            found[0].fix.as_deref(),
            Some(
                "REINDEX INDEX CONCURRENTLY public.words_word;\nALTER COLLATION public.german REFRESH VERSION;"
            )
        );
    }

    #[test]
    fn the_databases_own_is_told_even_without_an_index_of_users() {
        let (found, _, _) = run(&COLLATION_VERSION_MISMATCH, &sample(DEFAULT_COLLATION, "").finish());
        assert_eq!(found[0].fix.as_deref(), Some("ALTER DATABASE shop REFRESH COLLATION VERSION;"));
    }

    #[test]
    fn a_system_without_versions_has_no_repair() {
        let mut sample = sample(GERMAN, "public.german");
        sample.snapshot.collation_versions[0].actual = "".into();
        let (found, _, _) = run(&COLLATION_VERSION_MISMATCH, &sample.finish());
        assert_eq!((found.len(), &found[0].fix), (1, &None));
        assert!(found[0].message.contains("the system has none that it tells"));
    }

    #[test]
    fn a_collation_that_no_index_uses_is_right() {
        assert!(run(&COLLATION_VERSION_MISMATCH, &sample(70_001, "public.french").finish()).0.is_empty());
    }
}
