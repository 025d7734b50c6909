//! Row-level security that is off, does not bind, or is walked around.

use super::words::{ANY, OnRelation, grantees, listed, rights, together};
use crate::catalog::security::privilege;
use crate::catalog::{ColumnNumber, Relation, Snapshot};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::quote_identifier;

const REFERENCE: &str = "https://www.postgresql.org/docs/current/ddl-rowsecurity.html";

/// The users' tables and partitions, each counted.
fn tables<'a>(facts: &Facts<'a>, verdicts: &mut Verdicts<'_>) -> Vec<&'a Relation> {
    let tables: Vec<&Relation> =
        facts.snapshot.judged_tables_and_partitions().inspect(|_| (facts.interrupt)()).collect();
    verdicts.examine(tables.len() as u64);
    tables
}

fn finding(snapshot: &Snapshot, relation: &Relation, message: String) -> Finding {
    Finding::new(snapshot.relation_name(relation.oid), snapshot.schema_name(relation.schema), message)
}

/// `security.policies_without_row_security`: policies that nobody asks.
pub const POLICIES_WITHOUT_ROW_SECURITY: Rule = Rule {
    id: "security.policies_without_row_security",
    dimension: Dimension::Security,
    severity: Severity::Critical,
    title: "Policies on a table whose row-level security is off",
    why: "CREATE POLICY does not turn row-level security on. The policies look as if they held and every row is seen by all.",
    thresholds: &[],
    reference: REFERENCE,
    check: policies_off,
};

fn policies_off(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    for table in tables(facts, verdicts) {
        let policies = snapshot.policies_of(table.oid);
        if policies.is_empty() || table.row_security {
            continue;
        }
        let name = snapshot.relation_name(table.oid);
        let mut names: Vec<String> = policies.iter().map(|policy| quote_identifier(&policy.name)).collect();
        names.sort();
        let message =
            format!("row-level security of {name} is off: its policies ({}) do nothing", listed(&names));
        verdicts.find(finding(snapshot, table, message).evidence("policies", names).fix(
            format!("ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;"),
            format!("ALTER TABLE {name} DISABLE ROW LEVEL SECURITY;"),
        ));
    }
}

/// `security.row_security_without_policy`: nobody but the owner sees a row.
pub const ROW_SECURITY_WITHOUT_POLICY: Rule = Rule {
    id: "security.row_security_without_policy",
    dimension: Dimension::Security,
    severity: Severity::Info,
    title: "Row-level security without a policy",
    why: "Those who were granted the table see no row and write none, without an error that says why.",
    thresholds: &[],
    reference: REFERENCE,
    check: no_policy,
};

fn no_policy(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    for table in tables(facts, verdicts) {
        if !table.row_security || table.is_partition || !snapshot.policies_of(table.oid).is_empty() {
            continue;
        }
        let others = OnRelation::given(snapshot, table, ANY, |grantee| grantee != table.owner);
        // Where nobody was granted anything, it locks out nobody.
        if others.is_empty() {
            continue;
        }
        let whom = grantees(&rights(snapshot), &others.grants());
        let name = snapshot.relation_name(table.oid);
        let message =
            format!("{name} has row-level security and no policy: {} see nothing of it", listed(&whom));
        verdicts.find(
            finding(snapshot, table, message)
                .evidence("granted_to", whom)
                .evidence("no_simple_fix_because", "which rows they should see is not known here"),
        );
    }
}

/// `security.row_security_not_forced`: the owner sees everything.
pub const ROW_SECURITY_NOT_FORCED: Rule = Rule {
    id: "security.row_security_not_forced",
    dimension: Dimension::Security,
    severity: Severity::Error,
    title: "Row-level security that does not bind the owner",
    why: "Policies bind everybody but the owner unless they are forced. An application that logs in as the owner sees all \
          tenants, and its tests never show it.",
    thresholds: &[],
    reference: REFERENCE,
    check: not_forced,
};

fn not_forced(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let rights = rights(snapshot);
    for table in tables(facts, verdicts) {
        if !table.row_security
            || table.force_row_security
            || snapshot.policies_of(table.oid).is_empty()
            || rights.bypasses_row_security(table.owner)
            || !rights.is_usable(table.owner)
        {
            continue;
        }
        let name = snapshot.relation_name(table.oid);
        let message = format!(
            "policies of {name} do not bind its owner {}, as whom somebody acts",
            rights.name(table.owner)
        );
        let logs_in = rights.role(table.owner).is_some_and(|role| role.logs_in);
        verdicts.find(
            finding(snapshot, table, message)
                .severity(if logs_in { Severity::Error } else { Severity::Warning })
                .fix(
                    format!("ALTER TABLE {name} FORCE ROW LEVEL SECURITY;"),
                    format!("ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY;"),
                ),
        );
    }
}

/// `security.row_security_sidestepped`: privileges on a guarded table that no policy looks at.
pub const ROW_SECURITY_SIDESTEPPED: Rule = Rule {
    id: "security.row_security_sidestepped",
    dimension: Dimension::Security,
    severity: Severity::Error,
    title: "Privilege that walks around row-level security",
    why: "TRUNCATE empties the table of every tenant, TRIGGER runs code on others' rows, and REFERENCES tells whether a key \
          exists. No policy is asked.",
    thresholds: &[],
    reference: REFERENCE,
    check: sidestepped,
};

fn sidestepped(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    const AROUND: u64 = privilege::TRUNCATE | privilege::REFERENCES | privilege::TRIGGER;
    let snapshot = facts.snapshot;
    let rights = rights(snapshot);
    for table in tables(facts, verdicts) {
        if !table.row_security {
            continue;
        }
        let taken = OnRelation::given(snapshot, table, AROUND, |grantee| {
            grantee != table.owner && !rights.bypasses_row_security(grantee)
        });
        if taken.is_empty() {
            continue;
        }
        let name = snapshot.relation_name(table.oid);
        let set = together(&taken.grants());
        let whom = grantees(&rights, &taken.grants());
        let (fix, undo) = taken.revoked(&rights, &format!("TABLE {name}"), table.owner);
        let message = format!(
            "{} on {name}, which no policy looks at, is granted to {}",
            privilege::names(set),
            listed(&whom)
        );
        verdicts.find(
            finding(snapshot, table, message)
                .severity(if set & privilege::REFERENCES == set {
                    Severity::Warning
                } else {
                    Severity::Error
                })
                .evidence("granted_to", whom)
                .fix(fix, undo),
        );
    }
}

/// `security.partition_without_row_security`: the rows of a guarded table, read directly.
pub const PARTITION_WITHOUT_ROW_SECURITY: Rule = Rule {
    id: "security.partition_without_row_security",
    dimension: Dimension::Security,
    severity: Severity::Critical,
    title: "Partition that others read past its parent's policies",
    why: "The parent's policies hold for queries on the parent. Who was granted the partition reads it directly, unfiltered.",
    thresholds: &[],
    reference: REFERENCE,
    check: partition_open,
};

fn partition_open(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let rights = rights(snapshot);
    for table in tables(facts, verdicts) {
        if table.row_security {
            continue;
        }
        let mut above = snapshot.parents.get(&table.oid).copied();
        let mut guarded = None;
        for _ in 0..64 {
            let Some(parent) = above.and_then(|oid| snapshot.relation(oid)) else { break };
            if parent.row_security {
                guarded = Some(parent);
                break;
            }
            above = snapshot.parents.get(&parent.oid).copied();
        }
        let Some(parent) = guarded else { continue };
        let taken = OnRelation::given(snapshot, table, ANY, |grantee| {
            grantee != table.owner && !rights.bypasses_row_security(grantee)
        });
        if taken.is_empty() {
            continue;
        }
        let name = snapshot.relation_name(table.oid);
        let whom = grantees(&rights, &taken.grants());
        let (fix, undo) = taken.revoked(&rights, &format!("TABLE {name}"), table.owner);
        let message = format!(
            "{} may use {name} directly, past the policies of {}",
            listed(&whom),
            snapshot.relation_name(parent.oid)
        );
        verdicts.find(
            finding(snapshot, table, message)
                .evidence("granted_to", whom)
                .evidence("parent", snapshot.relation_name(parent.oid))
                .fix(fix, undo),
        );
    }
}

/// The columns that the policies of a table ask for, by name.
fn guarding_columns(snapshot: &Snapshot, table: &Relation) -> Vec<(ColumnNumber, String)> {
    let mut found: Vec<(ColumnNumber, String)> = snapshot
        .policies_of(table.oid)
        .iter()
        .filter_map(|policy| snapshot.security.policies.get(&policy.oid))
        .flat_map(|policy| policy.columns.iter())
        .filter_map(|&number| Some((number, snapshot.column(table.oid, number)?.name.to_string())))
        .collect();
    found.sort();
    found.dedup();
    found
}

/// `security.foreign_key_crosses_tenants`: a row of one tenant may point at a row of another.
pub const FOREIGN_KEY_CROSSES_TENANTS: Rule = Rule {
    id: "security.foreign_key_crosses_tenants",
    dimension: Dimension::Security,
    severity: Severity::Error,
    title: "Foreign key that leaves the tenant",
    why: "A foreign key is checked past row-level security: a tenant points at others' rows, learns which keys exist, and ON \
          DELETE CASCADE reaches across.",
    thresholds: &[],
    reference: REFERENCE,
    check: crosses_tenants,
};

fn crosses_tenants(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    for table in tables(facts, verdicts) {
        if !table.row_security || table.is_partition {
            continue;
        }
        let own = guarding_columns(snapshot, table);
        for key in snapshot.foreign_keys_of(table.oid) {
            let Some(foreign) = &key.foreign_key else { continue };
            let Some(other) = snapshot.relation(foreign.table).filter(|other| other.row_security) else {
                continue;
            };
            // The column by which both are told apart, which the key leaves out.
            let theirs = guarding_columns(snapshot, other);
            let left_out = own.iter().find(|(number, name)| {
                !key.columns.contains(number)
                    && theirs.iter().any(|(theirs, other)| other == name && !foreign.columns.contains(theirs))
            });
            let Some((_, tenant)) = left_out else { continue };
            let (name, target) = (snapshot.relation_name(table.oid), snapshot.relation_name(other.oid));
            let message = format!(
                "foreign key {} on {name} leaves {} out: a row may point at another tenant's row of {target}",
                quote_identifier(&key.name),
                quote_identifier(tenant)
            );
            verdicts.find(
                Finding::new(
                    format!("{} on {name}", quote_identifier(&key.name)),
                    snapshot.schema_name(table.schema),
                    message,
                )
                .evidence("tenant_column", tenant.as_str())
                .evidence(
                    "no_simple_fix_because",
                    "it takes a key of both columns on each side: dbm.tenancy_plan()",
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::security::PolicyExpression;
    use crate::catalog::types::builtin;
    use crate::catalog::{Grant, Oid, Policy};

    fn sample() -> Sample {
        Sample::with_roles(&[(20_000, "app")])
    }

    fn policy(sample: &mut Sample, table: Oid, columns: &[i16]) {
        let oid = sample.oid();
        sample.snapshot.policies.push(Policy {
            oid,
            name: "p".into(),
            table,
            command: '*',
            is_permissive: true,
            roles: [0].into(),
            has_using: true,
            ..Policy::default()
        });
        let expression = PolicyExpression { columns: columns.to_vec(), ..PolicyExpression::default() };
        sample.snapshot.security.policies.insert(oid, expression);
    }

    fn grant(sample: &mut Sample, table: Oid, privileges: u64) {
        sample.edit_table(table, |table| {
            table.acl = Some([Grant { grantee: 20_000, grantor: 10, privileges }].into());
        });
    }

    #[test]
    fn policies_that_are_off_are_found() {
        let mut sample = sample();
        let table = sample.keyed_table("orders");
        policy(&mut sample, table, &[1]);
        sample.keyed_table("plain");
        let (found, _, examined) = run(&POLICIES_WITHOUT_ROW_SECURITY, &sample.finish());
        assert_eq!((found.len(), examined), (1, 2));
        assert_eq!(found[0].fix.as_deref(), Some("ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY;"));
    }

    #[test]
    fn an_owner_that_logs_in_is_not_bound_and_a_superuser_never_is() {
        for (owner, found) in [(20_000, 1), (10, 0)] {
            let mut sample = sample();
            let table = sample.keyed_table("orders");
            policy(&mut sample, table, &[1]);
            sample.edit_table(table, |table| (table.row_security, table.owner) = (true, owner));
            assert_eq!(run(&ROW_SECURITY_NOT_FORCED, &sample.finish()).0.len(), found);
        }
    }

    #[test]
    fn truncate_on_a_guarded_table_is_found_and_on_another_is_right() {
        for (row_security, found) in [(true, 1), (false, 0)] {
            let mut sample = sample();
            let table = sample.keyed_table("orders");
            grant(&mut sample, table, privilege::TRUNCATE | privilege::SELECT);
            sample.edit_table(table, |table| table.row_security = row_security);
            let findings = run(&ROW_SECURITY_SIDESTEPPED, &sample.finish()).0;
            assert_eq!(findings.len(), found);
            for finding in findings {
                assert_eq!(finding.fix.as_deref(), Some("REVOKE TRUNCATE ON TABLE public.orders FROM app;"));
            }
        }
    }

    #[test]
    fn a_partition_that_others_read_is_found_whatever_lies_between() {
        let mut sample = sample();
        let (top, middle, leaf) =
            (sample.keyed_table("events"), sample.keyed_table("events_1"), sample.keyed_table("events_1a"));
        sample.partition(top, middle);
        sample.partition(middle, leaf);
        sample.edit_table(top, |table| table.row_security = true);
        grant(&mut sample, leaf, privilege::SELECT);
        let found = run(&PARTITION_WITHOUT_ROW_SECURITY, &sample.finish()).0;
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].message,
            "app may use public.events_1a directly, past the policies of public.events"
        );
    }

    #[test]
    fn grants_on_columns_count_and_come_back() {
        let mut sample = sample();
        let (top, leaf) = (sample.keyed_table("events"), sample.keyed_table("events_1"));
        sample.partition(top, leaf);
        sample.edit_table(top, |table| table.row_security = true);
        let set = |sample: &mut Sample, table: Oid, privileges: u64| {
            let column = sample.snapshot.columns.iter_mut().find(|column| column.relation == table).unwrap();
            column.acl = Some([Grant { grantee: 20_000, grantor: 10, privileges }].into());
        };
        set(&mut sample, leaf, privilege::SELECT);
        set(&mut sample, top, privilege::REFERENCES | privilege::REFERENCES << 32);
        let snapshot = sample.finish();
        let found = run(&PARTITION_WITHOUT_ROW_SECURITY, &snapshot).0;
        assert_eq!(found[0].fix.as_deref(), Some("REVOKE SELECT (id) ON TABLE public.events_1 FROM app;"));
        let found = run(&ROW_SECURITY_SIDESTEPPED, &snapshot).0;
        assert_eq!(
            found[0].undo.as_deref(),
            Some("GRANT REFERENCES (id) ON TABLE public.events TO app WITH GRANT OPTION;")
        );
        assert_eq!(run(&ROW_SECURITY_WITHOUT_POLICY, &snapshot).0.len(), 1);
    }

    #[test]
    fn keys_that_leave_the_tenant_out_are_found_and_those_with_it_are_right() {
        for with_tenant in [false, true] {
            let mut sample = sample();
            let (orders, lines) = (sample.keyed_table("orders"), sample.keyed_table("lines"));
            for table in [orders, lines] {
                sample.column(table, "tenant_id", builtin::INT8);
                sample.edit_table(table, |table| table.row_security = true);
                policy(&mut sample, table, &[2]);
            }
            sample.column(lines, "order_id", builtin::INT8);
            if with_tenant {
                sample.foreign_key(lines, &["tenant_id", "order_id"], orders, &["tenant_id", "id"]);
            } else {
                sample.foreign_key(lines, &["order_id"], orders, &["id"]);
            }
            let found = run(&FOREIGN_KEY_CROSSES_TENANTS, &sample.finish()).0;
            assert_eq!(found.len(), usize::from(!with_tenant));
        }
    }

    #[test]
    fn a_table_without_policy_is_told_where_somebody_was_granted_it() {
        let mut sample = sample();
        let (one, two) = (sample.keyed_table("one"), sample.keyed_table("two"));
        for table in [one, two] {
            sample.edit_table(table, |table| table.row_security = true);
        }
        grant(&mut sample, one, privilege::SELECT);
        let found = run(&ROW_SECURITY_WITHOUT_POLICY, &sample.finish()).0;
        assert_eq!(found.iter().map(|finding| &*finding.object).collect::<Vec<_>>(), ["public.one"]);
    }
}
