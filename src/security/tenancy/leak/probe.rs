//! The statements by which it is tried, and what their answers mean.

use super::inserting::{inserting, of_constants, of_keys};
use super::values::value;
use super::{Line, Status};
use crate::catalog::surroundings::EQUALS;
use crate::security::tenancy::facts::{Column, Role, Table};
use crate::text::{quote_identifier, quote_literal};

/// What a statement came to: its first column, or SQLSTATE and message of the ERROR.
pub type Answer = Result<Vec<Option<String>>, (String, String)>;

/// Two tenants of whom there are rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The one in whose place everything is tried.
    pub own: String,
    /// The other.
    pub other: String,
}

/// One try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Of which check.
    pub check: &'static str,
    /// The tenant of the transaction; empty for none.
    pub tenant: String,
    /// Whether row security is switched off.
    pub is_open: bool,
    /// What is run.
    pub sql: String,
    /// What is asked afterwards in the owner's place, whose answer counts.
    pub then: Option<String>,
    /// What the owner changes and takes back; it is run before, beside and after: the answers are compared.
    pub around: Option<String>,
    /// What its answer means.
    pub reading: Reading,
}

/// How an answer is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A row is a leak.
    NoRow(&'static str),
    /// `true` is a leak.
    NotTrue(&'static str),
    /// Has to end in a denial; a row whose first column is this is a leak.
    Denied(&'static str, Option<String>),
    /// A unique violation is a leak.
    NotDuplicate(&'static str),
    /// Written with [`ONE_ROW`]: a row that it gets at is a leak.
    Untouched(&'static str),
    /// Has to end in a violation of this foreign key; a row is a leak.
    Constrained(&'static str, String),
    /// What is answered before rows of others go, while they are gone, and when they are back, has to be the same.
    Same(&'static str),
}

/// A condition without a column: whoever writes without reading a column is asked by no policy for SELECT, and needs no right
/// to it. Policies are asked first, because this costs more than ten operators; it lets one row pass and ends at the next one
/// by a division by zero, so that nobody's table is rewritten for a test.
const ONE_ROW: &str = "((1 OPERATOR(pg_catalog./) (2 OPERATOR(pg_catalog.-) pg_catalog.set_config('dbm_probe.rows', \
    (1 OPERATOR(pg_catalog.+) pg_catalog.concat('0', pg_catalog.current_setting('dbm_probe.rows', true))::pg_catalog.int4)::pg_catalog.text, true)::pg_catalog.int4)) \
    OPERATOR(pg_catalog.+) (0 OPERATOR(pg_catalog.*) pg_catalog.length(pg_catalog.random()::pg_catalog.text))) OPERATOR(pg_catalog.>) 0";

/// Rows that the owner takes away for a moment to see whether somebody notices.
const ROWS_AWAY: u8 = 100;

/// Whether the server denied it: for want of a privilege, or by a policy.
fn is_denial(state: &str, message: &str) -> bool {
    state == "42501" && (message.contains("row-level security") || message.contains("permission denied"))
}

/// Whether a row was refused by a constraint of the table, which the server asks after its policies; a domain's are asked before,
/// and so is in which partition it belongs.
fn is_after_policies(state: &str, message: &str) -> bool {
    match state {
        "23502" => message.starts_with("null value in column"),
        "23514" => message.starts_with("new row for relation"),
        _ => state.starts_with("23"),
    }
}

/// What an answer means. `role` is the name of who tried.
pub fn read(probe: &Probe, role: &str, answer: &Answer) -> Line {
    let line = |status: Status, text: String| Line::new(probe.check, status, text);
    let leak = |what: &str| line(Status::Leak, format!("{role} {what}"));
    let ok = || line(Status::Ok, "tried, and nothing came through".to_owned());
    match (&probe.reading, answer) {
        (_, Err((state, message))) if is_denial(state, message) => ok(),
        (Reading::Constrained(_, name), Err((state, message)))
            if state == "23503" && message.contains(&format!("\"{name}\"")) =>
        {
            ok()
        }
        (Reading::NotDuplicate(what), Err((state, _))) if state == "23505" || state == "23P01" => leak(what),
        // Policies are asked before constraints are.
        (Reading::Denied(what, _), Err((state, message))) if is_after_policies(state, message) => {
            leak(&format!("{what} past the policies, and failed only then: {message}"))
        }
        (Reading::NotDuplicate(_), Err((state, _))) if state.starts_with("23") => ok(),
        (Reading::Untouched(what), Err((state, _))) if state == "22012" => leak(what),
        (Reading::Untouched(what), Err((state, message))) if is_after_policies(state, message) => {
            leak(&format!("{what} past the policies, and failed only then: {message}"))
        }
        (Reading::Untouched(what), Ok(rows)) if !rows.is_empty() => leak(what),
        (Reading::NotTrue(what), Err((state, message)))
            if probe.then.is_some() && is_after_policies(state, message) =>
        {
            leak(&format!("{what} past the policies, and failed only then: {message}"))
        }
        (_, Err((_, message))) => line(Status::Unknown, format!("{role} could not try: {message}")),
        (Reading::NoRow(what) | Reading::Constrained(what, _), Ok(rows)) if !rows.is_empty() => leak(what),
        (Reading::Same(what), Ok(rows)) => match &rows[..] {
            [first, _, last] if first != last => {
                line(Status::Unknown, format!("{role} could not try: it answers something else each time"))
            }
            [first, changed, _] if first != changed => leak(what),
            _ => ok(),
        },
        (Reading::NotTrue(what), Ok(rows)) if rows.first() == Some(&Some("true".to_owned())) => leak(what),
        (Reading::Denied(what, None), Ok(_)) => leak(what),
        (Reading::Denied(what, Some(bad)), Ok(rows)) if rows.iter().any(|row| row.as_ref() == Some(bad)) => {
            leak(what)
        }
        _ => ok(),
    }
}

/// Everything that is tried on a table in a role's place.
pub fn probes(table: &Table, tenant_column: &str, pair: &Pair, role: &Role) -> Vec<Probe> {
    let name = table.qualified();
    let column = quote_identifier(tenant_column);
    let type_name = table.column(tenant_column).map_or("text", |column| &column.type_name);
    let typed = |tenant: &str| format!("{}::{type_name}", quote_literal(tenant));
    let (own, other) = (typed(&pair.own), typed(&pair.other));
    let probe = |check, tenant: &str, sql: String, reading| Probe {
        check,
        tenant: tenant.to_owned(),
        is_open: false,
        sql,
        then: None,
        around: None,
        reading,
    };
    let me = &*pair.own;
    let equals = equality(table, tenant_column);
    let foreign = |from: &str| foreign(table, tenant_column, me, from);
    // One row is enough: nobody's table is to swell for a test.
    let one = |of: &str| one_row(table, tenant_column, of);
    let mut probes = vec![
        probe(
            "no_context",
            "",
            format!("SELECT (EXISTS (SELECT FROM {name}))::pg_catalog.text"),
            Reading::NotTrue("sees rows without a tenant"),
        ),
        probe("read", me, foreign(&name), Reading::NotTrue("reads rows of another tenant")),
        probe(
            "update",
            me,
            format!(
                "UPDATE {name} AS x SET {column} = x.{column} WHERE {} RETURNING 'row'::pg_catalog.text",
                one(&other)
            ),
            Reading::NoRow("updates rows of another tenant"),
        ),
        probe(
            "delete",
            me,
            format!("DELETE FROM {name} AS x WHERE {} RETURNING 'row'::pg_catalog.text", one(&other)),
            Reading::NoRow("deletes rows of another tenant"),
        ),
        probe(
            "move",
            me,
            format!(
                "UPDATE {name} AS x SET {column} = {other} WHERE {} RETURNING x.{column}::pg_catalog.text",
                one(&own)
            ),
            Reading::Denied("moves a row to another tenant", Some(pair.other.clone())),
        ),
        probe(
            "merge",
            me,
            format!(
                "MERGE INTO {name} AS x USING (SELECT y.ctid AS place FROM {name} AS y WHERE y.{column} {equals} {other} LIMIT 1) AS v \
                 ON x.{column} {equals} {other} AND x.ctid OPERATOR(pg_catalog.=) v.place WHEN MATCHED THEN DELETE"
            ),
            Reading::NoRow("reaches rows of another tenant by MERGE"),
        ),
        Probe {
            is_open: true,
            ..probe(
                "row_security_off",
                me,
                foreign(&name),
                Reading::NotTrue("reads rows of another tenant with row_security off"),
            )
        },
        probe(
            "copy",
            me,
            format!(
                "SELECT (NOT pg_catalog.row_security_active({}::pg_catalog.regclass) AND pg_catalog.has_any_column_privilege({}, 'SELECT, INSERT'))::pg_catalog.text",
                quote_literal(&name),
                quote_literal(&name)
            ),
            Reading::NotTrue("copies rows of every tenant: COPY asks no policy"),
        ),
        // What the server makes of COPY … TO where policies apply. COPY itself talks to the client, and cannot be run from here.
        probe(
            "copy",
            me,
            foreign(&format!("(SELECT * FROM ONLY {name})")),
            Reading::NotTrue("copies rows of another tenant"),
        ),
        probe(
            "context",
            me,
            format!("SELECT pg_catalog.set_config('dbm.tenant', {}, true)", quote_literal(&pair.other)),
            Reading::Denied("becomes another tenant by SET", None),
        ),
    ];
    // For a third tenant, who has no rows.
    let third = table.column(tenant_column).and_then(|column| value(column, 3));
    probes.extend(without_reading(table, tenant_column, third.as_deref(), role));
    if let Some(third) = third {
        probes.extend(inserting(table, tenant_column, me, &third, false));
    }
    probes.extend(of_constants(table, tenant_column, pair));
    probes.extend(of_keys(table, tenant_column, pair, &name, &column));
    probes.extend(truncating(table, me, role));
    // Rows that are somebody else's come and go: who is this tenant is not to see anything of it.
    let away = format!(
        "DELETE FROM {name} AS x WHERE x.{column} {equals} {other} AND x.ctid = ANY (ARRAY(SELECT y.ctid FROM {name} AS y \
         WHERE y.{column} {equals} {other} LIMIT {ROWS_AWAY} FOR UPDATE SKIP LOCKED))"
    );
    for view in table.views.iter().filter(|view| view.kind == 'v' && !view.has_tenant) {
        let columns = role.view_columns.iter().find(|of| of.view == view.oid).map(|of| &of.columns[..]);
        let Some(columns) = columns.filter(|columns| !columns.is_empty()) else { continue };
        let columns: Vec<String> =
            columns.iter().map(|name| format!("v.{}", quote_identifier(name))).collect();
        let digest = format!(
            "SELECT pg_catalog.concat(pg_catalog.count(*), ' ', pg_catalog.sum(pg_catalog.hashtextextended(\
             ROW({})::pg_catalog.text, 0)::pg_catalog.numeric)) FROM {} AS v",
            columns.join(", "),
            view.name
        );
        probes.push(Probe {
            around: Some(away.clone()),
            ..probe("view", me, digest, Reading::Same("sees through a view when rows of another tenant go"))
        });
    }
    for function in table.functions.iter().filter(|function| function.is_askable) {
        if role.functions.contains(&function.oid) {
            probes.push(probe(
                "function",
                me,
                foreign(&function.signature),
                Reading::NotTrue("reads rows of another tenant through a function"),
            ));
        }
    }
    for partition in &table.partitions {
        probes.push(probe(
            "partition",
            me,
            foreign(&partition.name),
            Reading::NotTrue("reads rows of another tenant out of a partition"),
        ));
    }
    for view in table.views.iter().filter(|view| view.has_tenant) {
        probes.push(probe(
            if view.kind == 'm' { "materialized_view" } else { "view" },
            me,
            foreign(&view.name),
            Reading::NotTrue("reads rows of another tenant through a view"),
        ));
    }
    probes
}

/// What says that two tenants are the same: whose search_path is in force does not matter to it.
pub fn equality<'a>(table: &'a Table, tenant_column: &str) -> &'a str {
    table.column(tenant_column).map_or(EQUALS, Column::equals_anywhere)
}

/// Whether rows are seen that are not of that tenant. `from`: what is read, as SQL writes it.
pub fn foreign(table: &Table, tenant_column: &str, tenant: &str, from: &str) -> String {
    let type_name = table.column(tenant_column).map_or("text", |column| &column.type_name);
    format!(
        "SELECT (EXISTS (SELECT FROM {from} AS x WHERE (x.{} {} {}::{type_name}) IS NOT TRUE))::pg_catalog.text",
        quote_identifier(tenant_column),
        equality(table, tenant_column),
        quote_literal(tenant)
    )
}

/// One row of a tenant, called `x`. `of`: the tenant, as SQL writes him.
pub fn one_row(table: &Table, tenant_column: &str, of: &str) -> String {
    let (name, column, equals) =
        (table.qualified(), quote_identifier(tenant_column), equality(table, tenant_column));
    format!(
        "x.{column} {equals} {of} AND x.ctid OPERATOR(pg_catalog.=) \
         (SELECT y.ctid FROM {name} AS y WHERE y.{column} {equals} {of} LIMIT 1)"
    )
}

/// TRUNCATE by those who, as the catalogs have it, may not: the server denies it before it asks for a lock. By those who may it is
/// not run, since all others would wait meanwhile; that they may is told anyway.
fn truncating(table: &Table, tenant: &str, role: &Role) -> Vec<Probe> {
    let mut names = Vec::new();
    if !role.privileges.iter().any(|own| own == "TRUNCATE") {
        names.push(table.qualified());
    }
    let partitions = table.partitions.iter().filter(|partition| {
        !role.on_partitions.iter().any(|on| on.partition == partition.oid && on.privilege == "TRUNCATE")
    });
    names.extend(partitions.map(|partition| partition.name.clone()));
    names
        .into_iter()
        .map(|name| Probe {
            check: "truncate",
            tenant: tenant.to_owned(),
            is_open: false,
            sql: format!("TRUNCATE {name}"),
            then: None,
            around: None,
            reading: Reading::Denied("truncates", None),
        })
        .collect()
}

/// What needs no right to read a column, in the place of a tenant without rows: whatever is got at is another's.
fn without_reading(table: &Table, tenant_column: &str, tenant: Option<&str>, role: &Role) -> Vec<Probe> {
    let name = table.qualified();
    let probe = |check, sql: String, reading| Probe {
        check,
        tenant: tenant.unwrap_or_default().to_owned(),
        is_open: false,
        sql,
        then: None,
        around: None,
        reading,
    };
    let delete = |check, name: &str, what| {
        probe(check, format!("DELETE FROM {name} WHERE {ONE_ROW}"), Reading::Untouched(what))
    };
    let mut probes = vec![delete("delete", &name, "deletes rows of another tenant without reading them")];
    // To be his, where the role may write whose a row is.
    let set = match (tenant, table.column(tenant_column), role.updates.first()) {
        (Some(tenant), Some(column), _) if role.updates.contains(&column.name) => {
            Some((&column.name, format!("{}::{}", quote_literal(tenant), column.type_name)))
        }
        (.., Some(first)) => Some((first, "DEFAULT".to_owned())),
        _ => None,
    };
    if let Some((column, value)) = set {
        probes.push(probe(
            "update",
            format!("UPDATE {name} SET {} = {value} WHERE {ONE_ROW}", quote_identifier(column)),
            Reading::Untouched("changes rows of another tenant without reading them"),
        ));
    }
    if tenant.is_some() {
        let any = |check, name: &str, what| {
            probe(
                check,
                format!("SELECT (EXISTS (SELECT FROM {name}))::pg_catalog.text"),
                Reading::NotTrue(what),
            )
        };
        probes.push(any("read", &name, "sees that another tenant has rows"));
        for partition in &table.partitions {
            let name = &partition.name;
            probes.push(any("partition", name, "sees rows of another tenant in a partition"));
            probes.push(delete("partition", name, "deletes rows of another tenant out of a partition"));
        }
    }
    probes
}
