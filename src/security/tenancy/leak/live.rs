//! The leak test on the running server.

use pgrx::PgSqlErrorCode;

use crate::catalog::Oid;
use crate::pg::error::raise;
use crate::pg::planner::Refusal;
use crate::pg::progress::{self, Progress};
use crate::pg::roles;
use crate::pg::surroundings::{read, surroundings as table};
use crate::pg::tenancy::{self, As};
use crate::security::tenancy::facts::{Role, Table};
use crate::security::tenancy::leak::judge::judge;
use crate::security::tenancy::leak::pointing::live::pointing;
use crate::security::tenancy::leak::pointing::pointing_to_others;
use crate::security::tenancy::leak::probe::{self, Answer, Pair, Probe, equality, probes};
use crate::security::tenancy::leak::values::{row, value};
use crate::security::tenancy::leak::{Line, Status, untried, worst};
use crate::text::{quote_identifier, quote_literal};

/// Tests these tables, or all that have the tenant column; each line with its table. Leaks come first.
pub fn test(targets: Option<&[Oid]>, tenant_column: &str, names: Option<&[String]>) -> Vec<(String, Line)> {
    let is_of_all = targets.is_none();
    let targets = match targets {
        Some(targets) => targets.to_vec(),
        None => tenancy::tables_with(tenant_column),
    };
    refuse_nothing(&targets, tenant_column, is_of_all);
    let progress = Progress::begin(&progress::LEAK_TEST);
    let mut lines: Vec<(String, Line)> = targets
        .iter()
        .enumerate()
        .flat_map(|(place, &target)| {
            progress.report(progress::TESTING_TABLES, place, targets.len());
            let table = table(target, tenant_column);
            refuse_others(&table);
            let name = table.qualified();
            tested(&table, tenant_column, names, &progress).into_iter().map(move |line| (name.clone(), line))
        })
        .collect();
    lines.sort_by_key(|(_, line)| line.status);
    lines
}

/// No line would say that nothing leaks.
fn refuse_nothing(targets: &[Oid], tenant_column: &str, is_of_all: bool) {
    if !targets.is_empty() {
        return;
    }
    if is_of_all {
        raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
            &format!("no table has a column \"{tenant_column}\""),
            "There is nothing to test.",
            "",
        );
    }
    raise(
        PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        "no table is named",
        "There is nothing to test.",
        "",
    );
}

fn refuse_others(table: &Table) {
    if !matches!(table.kind, 'r' | 'p') {
        raise(
            PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
            &format!("{} is not a table", table.qualified()),
            "Views are tested with the tables that they read.",
            "",
        );
    }
}

fn tested(table: &Table, tenant_column: &str, names: Option<&[String]>, progress: &Progress) -> Vec<Line> {
    let roles = roles_of(table, names);
    let mut lines = judge(table, &roles, tenant_column);
    lines.extend(tried(table, tenant_column, &roles, progress));
    worst(lines)
}

/// What stands for everybody: a role that has what everybody has, and nothing of its own.
const EVERYBODY: &str = "pg_stat_scan_tables";

/// Who uses the table: the roles that were named, or all that were granted something on it, on what shows its rows, or that its
/// policies name; and one of each kind of those who are in several of them.
fn roles_of(table: &Table, names: Option<&[String]>) -> Vec<Role> {
    let names: Vec<(String, bool)> = match names {
        Some(names) => names.iter().map(|name| (name.clone(), false)).collect(),
        None => {
            let mut granted: Vec<Oid> = table.grants.iter().map(|grant| grant.role).collect();
            granted.extend(table.views.iter().flat_map(|view| view.grants.iter().copied()));
            granted.extend(table.partitions.iter().flat_map(|partition| partition.grantees.iter().copied()));
            let passing = table.functions.iter().filter(|function| function.passes && !function.is_trigger);
            granted.extend(passing.flat_map(|function| function.grants.iter().copied()));
            // Who has rights by being in a role or by being anybody may have a policy of his own.
            let named = table.policies.iter().flat_map(|policy| policy.roles.iter().copied());
            granted.extend(named.filter(|role| *role != 0 && *role != table.owner_oid));
            granted.sort_unstable();
            granted.dedup();
            let own = granted.iter().filter_map(|&role| match role {
                0 => Some("public".to_owned()),
                role => roles::name(role.into()),
            });
            let members = tenancy::members(table.oid, &granted);
            own.map(|name| (name, false)).chain(members.into_iter().map(|name| (name, true))).collect()
        }
    };
    names.iter().map(|(name, is_member)| Role { is_member: *is_member, ..role_of(table, name) }).collect()
}

fn role_of(table: &Table, name: &str) -> Role {
    let views: Vec<Oid> = table.views.iter().map(|view| view.oid).collect();
    let partitions: Vec<Oid> = table.partitions.iter().map(|partition| partition.oid).collect();
    let functions: Vec<Oid> = table.functions.iter().map(|function| function.oid).collect();
    let is_everybody = name.eq_ignore_ascii_case("public");
    let asked = if is_everybody { EVERYBODY } else { name };
    let Some(document) = tenancy::role_document(table.oid, asked, &views, &partitions, &functions) else {
        raise(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, &format!("role \"{name}\" does not exist"), "", "")
    };
    let mut role: Role = read(&document);
    if is_everybody {
        role.name = "PUBLIC".to_owned();
    }
    role
}

fn tried(table: &Table, tenant_column: &str, roles: &[Role], progress: &Progress) -> Vec<Line> {
    if table.column(tenant_column).is_none() {
        return untried(table, "it has no tenant column");
    }
    if roles.is_empty() {
        return untried(table, "nobody but the owner has rights on it: name roles to try as");
    }
    if !tenancy::may_act_as(table.owner_oid) {
        return untried(table, &format!("only {} and superusers may prepare rows to try with", table.owner));
    }
    tenancy::beside(|| match pair(table, tenant_column) {
        Err(why) => untried(table, &why),
        Ok(pair) => {
            let pointing = pointing(table, tenant_column, &pair);
            let path_of_server = tenancy::search_path_of_server();
            let mut lines = Vec::new();
            // Who passes policies by being in other roles is told of, and passes.
            for role in roles.iter().filter(|role| !(role.is_member && role.passes)) {
                if !tenancy::may_act_as(role.oid) {
                    let why = format!("only superusers and members of {} may try as that role", role.name);
                    lines.extend(untried(table, &why));
                    continue;
                }
                if !tenancy::may_be_given_code_of(role.oid, table.owner_oid) {
                    let why = format!(
                        "{} may do anything to the server, and what {} put into triggers, views and functions would be run as it",
                        role.name, table.owner
                    );
                    lines.extend(untried(table, &why));
                    continue;
                }
                let path = role.search_path.as_deref().unwrap_or(&path_of_server);
                let tried = |probe: &Probe| {
                    // What was tried before was rolled back.
                    progress.again();
                    let who = As::Role { role: role.oid, is_open: probe.is_open, search_path: path };
                    probe::read(probe, &role.name, &answer(probe, who, table.owner_oid))
                };
                lines.extend(probes(table, tenant_column, &pair, role).iter().map(tried));
                for to in &pointing {
                    lines.push(match to {
                        Err(why) => Line::new("foreign_key", Status::Unknown, why),
                        Ok(to) => {
                            let [made_up, there] = pointing_to_others(table, tenant_column, &pair, to);
                            let line = tried(&made_up);
                            // A CHECK may be against what is made up.
                            if line.status == Status::Leak {
                                line
                            } else {
                                let other = tried(&there);
                                let is_better =
                                    other.status == Status::Leak || line.status == Status::Unknown;
                                if is_better { other } else { line }
                            }
                        }
                    });
                }
            }
            lines
        }
    })
}

fn answered(result: Result<Vec<Option<String>>, Refusal>) -> Answer {
    result.map_err(|refusal| (refusal.sqlstate, refusal.message))
}

fn answer(probe: &Probe, who: As<'_>, owner: Oid) -> Answer {
    let owner = As::Owner(owner);
    answered(match (&probe.then, &probe.around) {
        (Some(then), _) => tenancy::probed_then(who, &probe.tenant, &probe.sql, owner, then),
        (_, Some(change)) => tenancy::probed_around(who, &probe.tenant, &probe.sql, owner, change),
        _ => tenancy::probed(who, &probe.tenant, &probe.sql),
    })
}

/// Two tenants with rows: those that are there, else some made up; and two rows whose keys are known.
fn pair(table: &Table, tenant_column: &str) -> Result<Pair, String> {
    let owner = As::Owner(table.owner_oid);
    let name = table.qualified();
    let column = quote_identifier(tenant_column);
    let Some(facts) = table.column(tenant_column) else { return Err("it has no tenant column".to_owned()) };
    let found = |condition: &str| {
        tenancy::probed(
            owner,
            "",
            &format!("SELECT x.{column}::text FROM {name} AS x WHERE {condition} LIMIT 1"),
        )
        .map(|rows| rows.into_iter().flatten().next())
        .map_err(|refusal| format!("its rows could not be read as its owner: {}", refusal.message))
    };
    let own = found(&format!("x.{column} IS NOT NULL"))?;
    let other = match &own {
        Some(own) => found(&format!(
            "NOT (x.{column} {} {}::{})",
            equality(table, tenant_column),
            quote_literal(own),
            facts.type_name
        ))?,
        None => None,
    };
    let are_there = own.is_some() && other.is_some();
    let made = |number: u8| {
        value(facts, number).ok_or_else(|| format!("nobody knows a value of type {}", facts.type_name))
    };
    let pair = Pair { own: own.map_or_else(|| made(1), Ok)?, other: other.map_or_else(|| made(2), Ok)? };
    let mut why = String::new();
    for (tenant, key) in [(&pair.own, 1), (&pair.other, 2)] {
        let made = row(table, tenant_column, tenant, key).and_then(|(columns, values)| {
            let insert = format!("INSERT INTO {name} ({columns}) OVERRIDING SYSTEM VALUE VALUES ({values})");
            tenancy::prepared(owner, tenant, &insert).map_err(|refusal| refusal.message)
        });
        if let Err(reason) = made {
            why = reason;
        }
    }
    if why.is_empty() || are_there {
        Ok(pair)
    } else {
        Err(format!("there are no rows of two tenants, and none could be made up: {why}"))
    }
}
