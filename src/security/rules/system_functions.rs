//! Functions that stand where the server's own are meant, and those of the server that somebody was granted.

use super::functions::{finding, judged, name_of};
use super::words::{given, grantees, listed, revoked, rights};
use crate::catalog::security::privilege;
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::security::rights::FIRST_OWN_ROLE;
use crate::text::quote_identifier;

/// `security.function_shadows_system`: a function of a role that is called as one of the server's own.
pub const FUNCTION_SHADOWS_SYSTEM: Rule = Rule {
    id: "security.function_shadows_system",
    dimension: Dimension::Security,
    severity: Severity::Warning,
    title: "Function named like one of the server's own",
    why: "The server's own function comes first only where the argument types fit it best. For others, a call that somebody \
          with more rights writes without a schema runs this one.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/typeconv-func.html",
    check: shadows_system,
};

fn shadows_system(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let rights = rights(snapshot);
    for function in judged(facts, false) {
        verdicts.examine(1);
        let arguments = function.argument_types.len();
        // Of a superuser it is a decision.
        if arguments == 0
            || rights.is_superuser(function.owner)
            || !snapshot.security.system_names.contains(&(function.name.clone(), arguments))
        {
            continue;
        }
        let name = name_of(facts, function);
        let taken = |candidate: &str| {
            snapshot
                .functions
                .iter()
                .any(|other| other.schema == function.schema && *other.name == *candidate)
        };
        let own = crate::text::identifier::unused_name(&[&function.name, "own"], taken);
        let renamed = name.replacen(
            &snapshot.qualified(function.schema, &function.name),
            &snapshot.qualified(function.schema, &own),
            1,
        );
        let message = format!(
            "{name} of role {} is called as the server's own {}()",
            rights.name(function.owner),
            quote_identifier(&function.name)
        );
        verdicts.find(
            finding(facts, function, &name, message)
                .evidence("check", "those who call it on purpose have to be changed with it")
                .fix(
                    format!("ALTER ROUTINE {name} RENAME TO {};", quote_identifier(&own)),
                    format!("ALTER ROUTINE {renamed} RENAME TO {};", quote_identifier(&function.name)),
                ),
        );
    }
}

/// Functions of the server that reach its files, its configuration or other sessions.
const REACHING: [&str; 12] = [
    "lo_export",
    "lo_import",
    "pg_backup_start",
    "pg_file_write",
    "pg_ls_dir",
    "pg_promote",
    "pg_read_binary_file",
    "pg_read_file",
    "pg_reload_conf",
    "pg_rotate_logfile",
    "pg_start_backup",
    "pg_stat_file",
];

/// `security.system_function_granted`: a role may call what reaches out of the database.
pub const SYSTEM_FUNCTION_GRANTED: Rule = Rule {
    id: "security.system_function_granted",
    dimension: Dimension::Security,
    severity: Severity::Critical,
    title: "Function of the server that reaches its files, granted",
    why: "With pg_read_file or lo_export a role reads or writes any file of the server: other databases, keys, configuration.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/functions-admin.html",
    check: system_function,
};

fn system_function(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let rights = rights(snapshot);
    verdicts.examine(REACHING.len() as u64);
    for function in &snapshot.security.system_functions {
        (facts.interrupt)();
        if !REACHING.contains(&&*function.name) {
            continue;
        }
        let taken = given(&function.acl, privilege::EXECUTE, |grantee| {
            !rights.is_superuser(grantee) && (grantee == 0 || grantee >= FIRST_OWN_ROLE)
        });
        if taken.is_empty() {
            continue;
        }
        let whom = grantees(&rights, &taken);
        let owner = crate::security::rights::BOOTSTRAP;
        let (fix, undo) = revoked(&rights, &format!("FUNCTION {}", function.signature), owner, &taken);
        let moves_data = matches!(
            &*function.name,
            "lo_export" | "lo_import" | "pg_file_write" | "pg_read_binary_file" | "pg_read_file"
        );
        let message =
            format!("{} may call {}, which reaches out of the database", listed(&whom), function.signature);
        verdicts.find(
            Finding::new(&*function.signature, "", message)
                .severity(if moves_data { Severity::Critical } else { Severity::Error })
                .evidence("may_be_called_by", whom)
                .fix(fix, undo),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::security::SystemFunction;
    use crate::catalog::{Function, Grant};

    fn sample() -> Sample {
        Sample::with_roles(&[(20_000, "app")])
    }

    #[test]
    fn the_servers_names_are_taken_by_nobody_else() {
        for (owner, arguments, found) in [(20_000, 1, 1), (10, 1, 0), (20_000, 2, 0)] {
            let mut sample = sample();
            sample.snapshot.functions.push(Function {
                oid: 30_000,
                name: "f".into(),
                schema: 2200,
                owner,
                argument_types: vec![23; arguments].into(),
                ..Function::default()
            });
            sample.snapshot.security.system_names.insert(("f".into(), 1));
            let findings = run(&FUNCTION_SHADOWS_SYSTEM, &sample.finish()).0;
            assert_eq!(findings.len(), found);
            for finding in findings {
                assert_eq!(
                    finding.fix.as_deref(),
                    Some("ALTER ROUTINE public.f30000(integer) RENAME TO f_own;")
                );
            }
        }
    }

    #[test]
    fn files_are_read_by_nobody_that_was_granted_it() {
        let mut sample = sample();
        for (name, grantee) in [("pg_read_file", 20_000), ("pg_ls_dir", 3_373), ("pg_ls_waldir", 20_000)] {
            sample.snapshot.security.system_functions.push(SystemFunction {
                signature: format!("pg_catalog.{name}(text)").into(),
                name: name.into(),
                acl: [Grant { grantee, grantor: 10, privileges: privilege::EXECUTE }].into(),
            });
        }
        let found = run(&SYSTEM_FUNCTION_GRANTED, &sample.finish()).0;
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].fix.as_deref(),
            Some("REVOKE EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) FROM app;")
        );
    }
}
