//! Extensions whose library is newer than their objects.

use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::quote_identifier;

/// `migration.extension_outdated`: the server has another version of an installed extension.
pub const EXTENSION_OUTDATED: Rule = Rule {
    id: "migration.extension_outdated",
    dimension: Dimension::Migration,
    severity: Severity::Info,
    title: "Extension behind its library",
    why: "The package was updated and the objects in the database were not: new functions are missing, and after several \
          such steps an old object may call what the library no longer has. pg_upgrade takes the old objects along.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-alterextension.html",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    for extension in &snapshot.extensions {
        let name = quote_identifier(&extension.name);
        let Some(available) = &extension.available else {
            verdicts.unknown(
                name.clone(),
                snapshot.schema_name(extension.schema),
                format!("the control file of extension {name} was not found: its version on this server is not known"),
            );
            continue;
        };
        verdicts.examine(1);
        if *available == extension.version {
            continue;
        }
        let message = format!(
            "extension {name} is installed as version {}, and the server has version {available}",
            extension.version
        );
        let mut finding = Finding::new(name.clone(), snapshot.schema_name(extension.schema), message)
            .evidence("installed", &*extension.version)
            .evidence("available", &**available);
        // Whether there is a way back depends on the extension's scripts.
        finding.fix = Some(format!("ALTER EXTENSION {name} UPDATE;"));
        verdicts.find(finding);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Extension;
    use crate::catalog::sample::{Sample, run};

    #[test]
    fn another_version_is_found_and_a_missing_control_file_is_said() {
        let mut sample = Sample::new();
        for (oid, name, available) in
            [(1, "citext", Some("1.6")), (2, "uuid-ossp", Some("1.1")), (3, "gone", None)]
        {
            sample.snapshot.extensions.push(Extension {
                oid,
                name: name.into(),
                version: "1.1".into(),
                available: available.map(Into::into),
                schema: 2200,
                owner: 10,
            });
        }
        let (found, unknown, examined) = run(&EXTENSION_OUTDATED, &sample.finish());
        assert_eq!((found.len(), unknown.len(), examined), (1, 1, 2));
        assert_eq!(found[0].fix.as_deref(), Some("ALTER EXTENSION citext UPDATE;"));
    }
}
