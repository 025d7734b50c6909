//! Functions of a third role in what is kept with relations and types: indexes, constraints, defaults, policies, views.

use super::third_party::ThirdParties;
use super::words::{listed, rights};
use crate::catalog::security::KeptExpression;
use crate::catalog::{Oid, Snapshot, TYPE_CLASS};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::security::rights::{BOOTSTRAP, Rights};

/// `security.expression_function_of_others`: using a table runs a third role's code.
pub const EXPRESSION_FUNCTION_OF_OTHERS: Rule = Rule {
    id: "security.expression_function_of_others",
    dimension: Dimension::Security,
    severity: Severity::Error,
    title: "Index, constraint, default or view that calls a third role's function",
    why: "Whoever writes a row, or reads through the view or the policy, runs the function with his own rights, and maintenance runs those of \
          indexes, statistics and materialized views with the rights of their owner. Who owns the function may replace its body at any \
          time: where a superuser owns the table, autovacuum runs it as a superuser.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-createfunction.html",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let rights = rights(snapshot);
    let third = ThirdParties::new(snapshot, &rights, facts.interrupt);
    verdicts.examine(snapshot.judged.len() as u64);
    // They come ordered by function.
    let all = &snapshot.security.expressions;
    for of_function in all.chunk_by(|left, right| left.function == right.function) {
        (facts.interrupt)();
        let Some(function) = snapshot.function(of_function[0].function) else { continue };
        let is_judged = |kept: &&KeptExpression| is_judged(snapshot, kept);
        let found: Vec<&KeptExpression> = of_function
            .iter()
            .filter(is_judged)
            .filter(|kept| third.is_third(function, kept.owner))
            .collect();
        if found.is_empty() {
            continue;
        }
        let Some(logins) = third.logins(function) else { continue };
        let name = facts
            .definitions
            .function_signature(function.oid)
            .unwrap_or_else(|| snapshot.qualified(function.schema, &function.name));
        let (places, is_maintained) = places(snapshot, &rights, &found);
        let other = rights.name(function.owner);
        let message = format!(
            "{name} of role {other}, who may replace it, is called by {}: as whoever {}",
            listed(&places),
            if is_maintained { "uses that, and by maintenance as a superuser" } else { "uses that" },
        );
        let severity = ThirdParties::severity(&logins);
        let severity =
            if is_maintained && severity == Severity::Error { Severity::Critical } else { severity };
        let finding = Finding::new(name.clone(), snapshot.schema_name(function.schema), message)
            .severity(severity)
            .evidence("called_by", places)
            .evidence("logins", logins);
        let to = rights.name(new_owner(of_function));
        verdicts.find(third.given_to(finding, function, &name, &to));
    }
}

fn is_judged(snapshot: &Snapshot, kept: &KeptExpression) -> bool {
    if kept.relation != 0 {
        return snapshot.relation(kept.relation).is_some_and(|relation| snapshot.is_judged(relation));
    }
    let schema = snapshot.types.get(&kept.type_oid).and_then(|found| snapshot.namespaces.get(&found.schema));
    schema.is_some_and(|schema| !schema.is_system())
        && !snapshot.is_extension_member(TYPE_CLASS, kept.type_oid)
}

/// Where the function is called, partitions last, and whether maintenance calls it as a superuser.
fn places(snapshot: &Snapshot, rights: &Rights<'_>, found: &[&KeptExpression]) -> (Vec<String>, bool) {
    let is_partition = |kept: &KeptExpression| {
        snapshot.relation(kept.relation).is_some_and(|relation| relation.is_partition)
    };
    let (below, above): (Vec<&KeptExpression>, Vec<&KeptExpression>) =
        found.iter().copied().partition(|kept| is_partition(kept));
    let mut places: Vec<String> = above.into_iter().map(|kept| kept.place(snapshot)).collect();
    places.extend(below.into_iter().map(|kept| kept.place(snapshot)));
    places.dedup();
    let is_maintained =
        found.iter().any(|kept| kept.is_run_by_maintenance(snapshot) && rights.is_superuser(kept.owner));
    (places, is_maintained)
}

/// Who is a third party to none of them: the one owner of all that calls it, or a superuser.
fn new_owner(of_function: &[KeptExpression]) -> Oid {
    let first = of_function[0].owner;
    if of_function.iter().all(|kept| kept.owner == first) { first } else { BOOTSTRAP }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::security::{ExpressionKind, privilege};
    use crate::catalog::{Function, Membership};

    const OWNER: Oid = 20_000;
    const APP: Oid = 20_001;
    const FUNCTION: Oid = 30_000;

    /// A table of a role, and what is kept with it and calls a function of another.
    fn sample(table_owner: Oid, function_owner: Oid, kinds: &[ExpressionKind]) -> Sample {
        let mut sample = Sample::with_roles(&[(OWNER, "owner"), (APP, "app")]);
        let may_create = crate::catalog::Grant { grantee: APP, grantor: 10, privileges: privilege::CREATE };
        sample.snapshot.namespaces.entry(2200).and_modify(|public| public.acl = Some([may_create].into()));
        let table = sample.keyed_table("orders");
        sample.edit_table(table, |table| table.owner = table_owner);
        sample.snapshot.functions.push(Function {
            oid: FUNCTION,
            name: "f".into(),
            schema: 2200,
            owner: function_owner,
            ..Function::default()
        });
        for &kind in kinds {
            let kept = KeptExpression {
                kind,
                name: "it".into(),
                relation: table,
                owner: table_owner,
                function: FUNCTION,
                ..KeptExpression::default()
            };
            sample.snapshot.security.expressions.push(kept);
        }
        sample
    }

    fn found(sample: Sample) -> Vec<Finding> {
        run(&EXPRESSION_FUNCTION_OF_OTHERS, &sample.finish()).0
    }

    #[test]
    fn a_third_role_is_found_and_told_once_for_all_that_calls_its_function() {
        let findings = found(sample(OWNER, APP, &[ExpressionKind::Index, ExpressionKind::Check]));
        assert_eq!(findings.len(), 1);
        assert_eq!(
            findings[0].message,
            "public.f30000(integer) of role app, who may replace it, is called by index it of public.orders and constraint it of \
             public.orders: as whoever uses that"
        );
        assert_eq!(findings[0].severity, Some(Severity::Error));
        assert_eq!(findings[0].fix.as_deref(), Some("ALTER ROUTINE public.f30000(integer) OWNER TO owner;"));
        assert_eq!(findings[0].undo.as_deref(), Some("ALTER ROUTINE public.f30000(integer) OWNER TO app;"));
    }

    #[test]
    fn owners_superusers_and_members_are_no_third_party() {
        for owner in [10, OWNER] {
            assert!(found(sample(OWNER, owner, &[ExpressionKind::Index])).is_empty());
        }
        let mut member = sample(OWNER, APP, &[ExpressionKind::Index]);
        member.snapshot.memberships.push(Membership {
            role: OWNER,
            member: APP,
            inherits: true,
            sets: true,
            ..Membership::default()
        });
        assert!(found(member).is_empty());
    }

    #[test]
    fn what_maintenance_runs_as_a_superuser_is_critical() {
        for (kind, severity) in [
            (ExpressionKind::Index, Severity::Critical),
            (ExpressionKind::Statistics, Severity::Critical),
            (ExpressionKind::Check, Severity::Error),
            (ExpressionKind::View, Severity::Error),
        ] {
            let findings = found(sample(10, APP, &[kind]));
            assert_eq!(findings[0].severity, Some(severity), "{kind:?}");
        }
        let mut nobody = sample(10, APP, &[ExpressionKind::Index]);
        nobody.snapshot.roles[2].logs_in = false;
        assert_eq!(found(nobody)[0].severity, Some(Severity::Warning));
        // A body is replaced by who may create in the function's schema, or in one into which he moves it.
        let mut nowhere = sample(10, APP, &[ExpressionKind::Index]);
        nowhere.snapshot.namespaces.entry(2200).and_modify(|public| public.acl = None);
        assert_eq!(found(nowhere)[0].severity, Some(Severity::Warning));
        let mut elsewhere = sample(10, APP, &[ExpressionKind::Index]);
        elsewhere.snapshot.namespaces.entry(2200).and_modify(|public| public.acl = None);
        let own = elsewhere.schema("own");
        elsewhere.snapshot.namespaces.entry(own).and_modify(|own| own.owner = APP);
        assert_eq!(found(elsewhere)[0].severity, Some(Severity::Critical));
    }

    #[test]
    fn where_owners_differ_a_superuser_is_no_third_party_to_any() {
        let mut sample = sample(OWNER, APP, &[ExpressionKind::Index]);
        let own = KeptExpression { owner: APP, ..sample.snapshot.security.expressions[0].clone() };
        sample.snapshot.security.expressions.push(own);
        let findings = found(sample);
        assert_eq!(
            findings[0].fix.as_deref(),
            Some("ALTER ROUTINE public.f30000(integer) OWNER TO postgres;")
        );
    }

    #[test]
    fn one_that_lends_its_owners_rights_is_not_given_away() {
        let mut definer = sample(OWNER, APP, &[ExpressionKind::Default]);
        definer.snapshot.functions[0].is_security_definer = true;
        let findings = found(definer);
        assert!(findings[0].fix.is_none() && findings[0].evidence.contains_key("no_simple_fix_because"));
    }
}
