//! What policies say, whether row-level security is on already or not: turning it on brings up nothing new.

use super::words::listed;
use crate::catalog::security::{CalledFunction, PolicyExpression};
use crate::catalog::{Policy, Relation, Snapshot, Volatility};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};
use crate::syntax::tokens::{Token, closing, tokens};
use crate::text::quote_identifier;

const REFERENCE: &str = "https://www.postgresql.org/docs/current/sql-createpolicy.html";

/// Each policy of the users' tables with its expressions. Tables are counted.
pub(super) fn policies<'a>(
    facts: &Facts<'a>,
    verdicts: &mut Verdicts<'_>,
) -> Vec<(&'a Relation, &'a Policy, &'a PolicyExpression)> {
    let snapshot = facts.snapshot;
    let mut found = Vec::new();
    for table in snapshot.judged_tables_and_partitions() {
        (facts.interrupt)();
        verdicts.examine(u64::from(!table.is_partition));
        for policy in snapshot.policies_of(table.oid) {
            if let Some(expression) = snapshot.security.policies.get(&policy.oid) {
                found.push((table, policy, expression));
            }
        }
    }
    found
}

pub(super) fn object(snapshot: &Snapshot, table: &Relation, policy: &Policy) -> String {
    format!("{} on {}", quote_identifier(&policy.name), snapshot.relation_name(table.oid))
}

/// `security.policy_always_true`: a policy that lets every row through.
pub const POLICY_ALWAYS_TRUE: Rule = Rule {
    id: "security.policy_always_true",
    dimension: Dimension::Security,
    severity: Severity::Error,
    title: "Policy that lets every row through",
    why: "Permissive policies are joined by OR: one that is true makes all the others of the table say nothing.",
    thresholds: &[],
    reference: REFERENCE,
    check: always_true,
};

fn always_true(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    for (table, policy, expression) in policies(facts, verdicts) {
        if !policy.is_permissive {
            continue;
        }
        let is_open = |(command, is_check): (char, bool)| {
            is_about(policy, command)
                && lets_all(policy, expression, is_check)
                && !is_restricted(snapshot, table, policy, command, is_check)
        };
        let reads = is_open(('r', false));
        let writes = [('a', true), ('w', false), ('w', true), ('d', false)].into_iter().any(is_open);
        if !reads && !writes {
            continue;
        }
        let object = object(snapshot, table, policy);
        let what = match (reads, writes) {
            (true, true) => "every row be read and written",
            (true, false) => "every row be read",
            _ => "every row be written",
        };
        let others = snapshot.policies_of(table.oid).len() - 1;
        let message = format!("policy {object} is true: it lets {what}, whatever other policies say");
        let finding = Finding::new(object, snapshot.schema_name(table.schema), message)
            .severity(if writes { Severity::Error } else { Severity::Warning })
            .evidence("other_policies", others);
        verdicts.find(match without_it(snapshot, table, policy, expression) {
            Some((fix, undo)) => finding
                .evidence("check", "the other policies of the table then say what is let through")
                .fix(fix, undo),
            None => finding
                .evidence("no_simple_fix_because", "which rows it should let through is not known here"),
        });
    }
}

pub(super) fn is_about(policy: &Policy, command: char) -> bool {
    policy.command == '*' || policy.command == command
}

/// Whether a policy is for all roles that another is for.
fn is_for_all_of(other: &Policy, policy: &Policy) -> bool {
    other.roles.contains(&0) || policy.roles.iter().all(|role| other.roles.contains(role))
}

/// Whether the policy lets every row through: every one that is there, or every one that is written.
fn lets_all(policy: &Policy, expression: &PolicyExpression, is_check: bool) -> bool {
    // WITH CHECK is USING where it is not given.
    if is_check && policy.has_with_check { expression.check_is_true } else { expression.using_is_true }
}

/// Whether a policy has the expression that counts: without it a permissive one lets nothing through, and a restrictive one keeps
/// nothing back.
fn has_expression(policy: &Policy, is_check: bool) -> bool {
    policy.has_using || is_check && policy.has_with_check
}

/// Whether a restrictive policy that says something stands beside this one for the same rows: a permissive one that is true is
/// then how it is done.
fn is_restricted(
    snapshot: &Snapshot,
    table: &Relation,
    policy: &Policy,
    command: char,
    is_check: bool,
) -> bool {
    snapshot.policies_of(table.oid).iter().any(|other| {
        let says_something = || {
            let expression = snapshot.security.policies.get(&other.oid);
            has_expression(other, is_check)
                && expression.is_none_or(|expression| !lets_all(other, expression, is_check))
        };
        !other.is_permissive && is_about(other, command) && is_for_all_of(other, policy) && says_something()
    })
}

/// What drops a policy that is true and makes it again, where others say to the same roles what they may do as well: without it
/// these hold, and with it they say nothing.
fn without_it(
    snapshot: &Snapshot,
    table: &Relation,
    policy: &Policy,
    expression: &PolicyExpression,
) -> Option<(String, String)> {
    let is_said = snapshot.policies_of(table.oid).iter().any(|other| {
        other.oid != policy.oid
            && other.is_permissive
            && is_about(other, policy.command)
            && is_for_all_of(other, policy)
    });
    let is_plain = (!policy.has_using || expression.using_is_true)
        && (!policy.has_with_check || expression.check_is_true);
    if !is_said || !is_plain {
        return None;
    }
    let (name, on) = (quote_identifier(&policy.name), snapshot.relation_name(table.oid));
    let command = match policy.command {
        'r' => "SELECT",
        'a' => "INSERT",
        'w' => "UPDATE",
        'd' => "DELETE",
        _ => "ALL",
    };
    let rights = super::words::rights(snapshot);
    let roles: Vec<String> = policy.roles.iter().map(|&role| rights.name(role)).collect();
    let using = if policy.has_using { " USING (true)" } else { "" };
    let check = if policy.has_with_check { " WITH CHECK (true)" } else { "" };
    Some((
        format!("DROP POLICY {name} ON {on};"),
        format!("CREATE POLICY {name} ON {on} FOR {command} TO {}{using}{check};", roles.join(", ")),
    ))
}

/// `security.policy_calls_volatile`: a policy whose answer changes from row to row.
pub const POLICY_CALLS_VOLATILE: Rule = Rule {
    id: "security.policy_calls_volatile",
    dimension: Dimension::Security,
    severity: Severity::Warning,
    title: "Policy that calls a volatile function",
    why: "It is called for each row, never looked up by an index, and may answer otherwise for the next row: slow, and no rule \
          that one can check.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/xfunc-volatility.html",
    check: calls_volatile,
};

fn calls_volatile(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    for (table, policy, expression) in policies(facts, verdicts) {
        let volatile: Vec<_> = expression
            .functions
            .iter()
            .filter(|function| function.volatility == Volatility::Volatile)
            .collect();
        if volatile.is_empty() {
            continue;
        }
        let mut names: Vec<String> = volatile.iter().map(|function| function.signature.to_string()).collect();
        names.sort();
        let object = object(snapshot, table, policy);
        let message =
            format!("policy {object} calls {}, which is volatile: once for each row", listed(&names));
        let mut finding = Finding::new(object, snapshot.schema_name(table.schema), message)
            .evidence("functions", names.clone());
        if volatile.iter().any(|function| function.is_system) {
            finding = finding.evidence("no_simple_fix_because", "the function is the server's own");
        } else {
            let all = |volatility: &str| {
                let lines: Vec<String> =
                    names.iter().map(|name| format!("ALTER FUNCTION {name} {volatility};")).collect();
                lines.join("\n")
            };
            finding = finding
                .evidence(
                    "check",
                    "right where the function reads only, and answers alike within one statement",
                )
                .fix(all("STABLE"), all("VOLATILE"));
        }
        verdicts.find(finding);
    }
}

/// `security.policy_column_without_index`: the tenant's rows are looked for in the whole table.
pub const POLICY_COLUMN_WITHOUT_INDEX: Rule = Rule {
    id: "security.policy_column_without_index",
    dimension: Dimension::Security,
    severity: Severity::Warning,
    title: "Column of a policy that no index begins with",
    why: "Each query on the table gains the policy's condition: without an index it reads every tenant's rows to show one's.",
    thresholds: &[Threshold {
        name: "rows",
        default: 10_000.0,
        range: (0.0, 1e12),
        meaning: "rows from which a table counts; below that, reading it whole is as fast",
    }],
    reference: REFERENCE,
    check: column_without_index,
};

fn column_without_index(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let least = verdicts.threshold("rows");
    let mut told: Vec<(u32, i16)> = Vec::new();
    for (table, policy, expression) in policies(facts, verdicts) {
        let rows = snapshot.rows(table).unwrap_or(0.0);
        if table.is_partition || rows < least || expression.columns.is_empty() {
            continue;
        }
        // One that is looked up is enough.
        let is_led = is_led(snapshot, table, expression);
        let Some(&number) = expression.columns.first().filter(|_| !is_led) else { continue };
        let Some(column) = snapshot.column(table.oid, number) else { continue };
        if told.contains(&(table.oid, number)) {
            continue;
        }
        told.push((table.oid, number));
        let name = snapshot.column_name(column);
        let message = format!(
            "no index begins with {name}, by which policy {} chooses among {rows:.0} rows",
            quote_identifier(&policy.name)
        );
        let mut finding =
            Finding::new(name, snapshot.schema_name(table.schema), message).evidence("rows", rows);
        if table.partitioning.is_none() {
            let taken = |candidate: &str| {
                snapshot
                    .relations
                    .iter()
                    .any(|other| other.schema == table.schema && *other.name == *candidate)
                    || snapshot.indexes.iter().any(|index| *index.name == *candidate)
            };
            let index = crate::text::identifier::unused_name(&["idx", &table.name, &column.name], taken);
            finding = finding.fix(
                format!(
                    "CREATE INDEX CONCURRENTLY {} ON {} ({});",
                    quote_identifier(&index),
                    snapshot.relation_name(table.oid),
                    quote_identifier(&column.name)
                ),
                format!("DROP INDEX CONCURRENTLY {};", snapshot.qualified(table.schema, &index)),
            );
        } else {
            finding = finding.evidence(
                "no_simple_fix_because",
                "no index of a partitioned table is built beside writers in one statement: one on each partition, and ATTACH PARTITION",
            );
        }
        verdicts.find(finding);
    }
}

/// `security.policy_function_per_row`: the same question asked anew for each row.
pub const POLICY_FUNCTION_PER_ROW: Rule = Rule {
    id: "security.policy_function_per_row",
    dimension: Dimension::Security,
    severity: Severity::Warning,
    title: "Policy that asks the same function for each row",
    why: "A function in PL/pgSQL without arguments is called for every row that is read, though its answer is the same for all: a \
          scan takes several times as long. Inside (SELECT …) it is called once.",
    thresholds: &[Threshold {
        name: "rows",
        default: 10_000.0,
        range: (0.0, 1e12),
        meaning: "rows from which a table counts",
    }],
    reference: "https://www.postgresql.org/docs/current/sql-createpolicy.html",
    check: function_per_row,
};

fn function_per_row(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let least = verdicts.threshold("rows");
    for (table, policy, expression) in policies(facts, verdicts) {
        let mut calls: Vec<&CalledFunction> = expression
            .functions
            .iter()
            .filter(|function| function.is_bare && function.volatility == Volatility::Stable)
            .filter(|function| {
                let language = snapshot.security.languages.get(&function.language);
                // The planner writes what SQL functions say in their place; C is as fast as a call gets.
                language.is_some_and(|language| !matches!(&*language.name, "c" | "internal" | "sql"))
            })
            .collect();
        if calls.is_empty() || table.is_partition || snapshot.rows(table).unwrap_or(0.0) < least {
            continue;
        }
        // Where an index leads to the tenant's rows, only those are asked about, and the planner should see the value.
        if is_led(snapshot, table, expression) {
            continue;
        }
        calls.sort_by(|left, right| left.signature.cmp(&right.signature));
        let names: Vec<String> = calls.iter().map(|call| call.signature.to_string()).collect();
        let object = object(snapshot, table, policy);
        let message =
            format!("policy {object} calls {} for each row, with one answer for all", listed(&names));
        let finding = Finding::new(object, snapshot.schema_name(table.schema), message).evidence(
            "write_instead",
            calls
                .iter()
                .map(|call| made_once(&call.signature, call.array_type.as_deref()))
                .collect::<Vec<_>>(),
        );
        verdicts.find(match asked_once(snapshot, table, policy, expression, &calls) {
            Some((fix, undo)) => finding.fix(fix, undo),
            None => finding.evidence(
                "no_simple_fix_because",
                "ALTER POLICY … USING (…) takes the whole expression, which reads other tables or could not be read now",
            ),
        });
    }
}

/// A call inside a subquery, for any place in an expression. ANY and ALL take a bare subquery for the rows to compare with:
/// what returns an array is one again only by a cast.
fn made_once(call: &str, array_type: Option<&str>) -> String {
    let cast = array_type.map(|array| format!("::{array}")).unwrap_or_default();
    format!("(SELECT {call}){cast}")
}

/// The policy with these calls made once, and as it is.
fn asked_once(
    snapshot: &Snapshot,
    table: &Relation,
    policy: &Policy,
    expression: &PolicyExpression,
    calls: &[&CalledFunction],
) -> Option<(String, String)> {
    let text = expression.text.as_ref()?;
    let alter = |write: &dyn Fn(&str) -> String| {
        let clause = |word: &str, text: &Option<Box<str>>| {
            text.as_deref().map(|text| format!(" {word} ({})", write(text))).unwrap_or_default()
        };
        format!(
            "ALTER POLICY {} ON {}{}{};",
            quote_identifier(&policy.name),
            snapshot.relation_name(table.oid),
            clause("USING", &text.using),
            clause("WITH CHECK", &text.check)
        )
    };
    let (fix, undo) = (alter(&|text| with_calls_made_once(text, calls)), alter(&str::to_owned));
    (fix != undo).then_some((fix, undo))
}

/// The expression with each of these calls, whose signatures are `schema.name()`, inside a subquery; those that are inside of one
/// already stay.
fn with_calls_made_once(text: &str, calls: &[&CalledFunction]) -> String {
    let tokens = tokens(text);
    let calls: Vec<(Vec<Token<'_>>, Option<&str>)> =
        calls.iter().map(|call| (self::tokens(&call.signature), call.array_type.as_deref())).collect();
    let (mut written, mut copied, mut place) = (String::with_capacity(text.len()), 0, 0);
    while place < tokens.len() {
        let opens_subquery =
            tokens[place].is_sign("(") && tokens.get(place + 1).is_some_and(|token| token.is("SELECT"));
        if opens_subquery {
            place = closing(&tokens, place).map_or(tokens.len(), |close| close + 1);
            continue;
        }
        let begins = |(call, _): &&(Vec<Token<'_>>, Option<&str>)| {
            let rest = &tokens[place..];
            rest.len() >= call.len()
                && rest.iter().zip(call.iter()).all(|(left, right)| left.text == right.text)
        };
        let is_new_name = place == 0 || !tokens[place - 1].is_sign(".");
        let is_array_of_any = place > 1
            && tokens[place - 1].is_sign("(")
            && ["ANY", "ALL", "SOME"].iter().any(|word| tokens[place - 2].is(word));
        let found = calls.iter().find(begins).filter(|_| is_new_name);
        let Some((call, array_type)) = found.filter(|(_, array)| !is_array_of_any || array.is_some()) else {
            place += 1;
            continue;
        };
        let (start, end) = (tokens[place].start, tokens[place + call.len() - 1].end());
        written.push_str(&text[copied..start]);
        written.push_str(&made_once(&text[start..end], array_type.filter(|_| is_array_of_any)));
        copied = end;
        place += call.len();
    }
    written.push_str(&text[copied..]);
    written
}

/// Whether a valid index begins with a column that the policy chooses by.
fn is_led(snapshot: &Snapshot, table: &Relation, expression: &PolicyExpression) -> bool {
    snapshot.indexes_of(table.oid).iter().any(|index| {
        index.is_valid
            && index.predicate.is_none()
            && index.keys.first().is_some_and(|key| expression.columns.contains(&key.column))
    })
}

#[cfg(test)]
mod tests;
