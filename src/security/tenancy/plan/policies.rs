//! Policies, privileges and views, and what people have to know.

use super::Wish;
use super::column::Filler;
use super::privileges;
use super::source::Target;
use crate::catalog::LockMode;
use crate::change::plan::{Phase, Step};
use crate::change::words::alter;
use crate::security::tenancy::facts::{Policy, Table, View};
use crate::security::tenancy::leak::policy::is_of_tenant;
use crate::text::{quote_identifier, quote_literal};

/// Who sees and writes rows only until row level security is on and forced, if no policy lets him in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shut {
    /// Nobody: what is in force lets in whom it did before.
    Nobody,
    /// The owner, for whom no policy was in force.
    Owner,
    /// Everybody, for whom none was.
    Everybody,
}

fn shut(table: &Table) -> Shut {
    let is_true = |text: &String| matches!(&**text, "true" | "(true)");
    // Any other one lets in fewer, or for less.
    let mut open = table.policies.iter().filter(|policy| {
        policy.is_permissive
            && policy.command == '*'
            && policy.using.as_ref().is_some_and(is_true)
            && policy.check.as_ref().is_none_or(is_true)
    });
    if !table.has_row_security {
        return if open.any(|policy| policy.is_for_all) { Shut::Nobody } else { Shut::Everybody };
    }
    let is_let_in = table.forces_row_security || table.owner_passes || open.any(|policy| policy.is_for_owner);
    if is_let_in { Shut::Nobody } else { Shut::Owner }
}

/// Restrictive policies that narrow from the switch on what somebody sees or writes whom they did not narrow before, and say
/// something else than that rows are the tenant's; in words.
pub fn narrowing(wish: &Wish, table: &Table) -> Vec<String> {
    let name = table.qualified();
    let column = table.column(&wish.column);
    let narrows = |policy: &&Policy| {
        !policy.is_permissive && !column.is_some_and(|column| is_of_tenant(policy, column))
    };
    let said = |policy: &Policy, what: &str| {
        format!("restrictive policy {} of {name} {what}", quote_identifier(&policy.name))
    };
    let policies = table.policies.iter().filter(narrows);
    if !table.has_row_security {
        return policies.map(|policy| said(policy, "comes into force")).collect();
    }
    if table.forces_row_security || table.owner_passes {
        return Vec::new();
    }
    let applies = format!("applies to its owner {} too", table.owner);
    policies.filter(|policy| policy.is_for_owner).map(|policy| said(policy, &applies)).collect()
}

fn unused(table: &Table, name: &str) -> String {
    crate::text::identifier::unused_name(&[name], |name| {
        table.policies.iter().any(|policy| policy.name == name)
    })
}

/// The policies of a table, forced upon its owner too; the privileges to which none applies go, and so does the trigger
/// that filled the column.
pub fn step(wish: &Wish, target: &Target) -> Step {
    let table = &target.table;
    let (name, column, current) = (table.qualified(), wish.quoted(), wish.current());
    let equals = &wish.equality;
    let confines = quote_identifier(&unused(table, "tenant_isolation"));
    let admits = quote_identifier(&unused(table, "tenant_access"));
    let mut undo = Vec::new();
    let mut step = Step::new(
        Phase::Switch,
        format!(
            "CREATE POLICY {confines} ON {name} AS RESTRICTIVE USING ({column} {equals} {current}) WITH CHECK ({column} {equals} {current})"
        ),
    );
    undo.push(format!("DROP POLICY IF EXISTS {confines} ON {name}"));
    let to = match shut(table) {
        Shut::Nobody => None,
        Shut::Owner => Some(format!(" TO {}", table.owner)),
        Shut::Everybody => Some(String::new()),
    };
    if let Some(to) = to {
        step = step.and(format!("CREATE POLICY {admits} ON {name}{to} USING (true) WITH CHECK (true)"));
        undo.push(format!("DROP POLICY IF EXISTS {admits} ON {name}"));
    }
    step = step.and(alter(&name, "ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"));
    let mut before = Vec::new();
    if !table.has_row_security {
        before.push("DISABLE ROW LEVEL SECURITY");
    }
    if !table.forces_row_security {
        before.push("NO FORCE ROW LEVEL SECURITY");
    }
    if !before.is_empty() {
        undo.push(alter(&name, &before.join(", ")));
    }
    for partition in table.partitions.iter().filter(|partition| !partition.has_row_security) {
        step = step.and(alter(&partition.name, "ENABLE ROW LEVEL SECURITY"));
        undo.push(alter(&partition.name, "DISABLE ROW LEVEL SECURITY"));
    }
    let relations = std::iter::once((&*name, &table.beyond))
        .chain(table.partitions.iter().map(|partition| (&*partition.name, &partition.beyond)));
    for (relation, held) in relations {
        let (away, back) = privileges::taken(relation, held);
        for sql in away {
            step = step.and(sql);
        }
        undo.extend(back);
    }
    if let Some(filler) = Filler::of(wish, target) {
        for sql in filler.removed(table) {
            step = step.and(sql);
        }
        undo.extend(filler.made(wish, table));
    }
    step.lock(LockMode::AccessExclusive)
        .undo(undo.join(";\n"))
        .verify(format!(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid \
             WHERE c.oid = pg_catalog.to_regclass({}) AND c.relrowsecurity AND c.relforcerowsecurity AND NOT p.polpermissive \
             AND pg_catalog.pg_get_expr(p.polqual, p.polrelid) LIKE '%dbm.current_tenant(%') AND {}",
            quote_literal(&name),
            privileges::none_is_left(&name)
        ))
        .note("from here on a transaction sees and writes the rows of its tenant alone, and none without a tenant")
}

/// Views that use the rights of their owner. Policies are forced upon that of the table, but nobody knows who will own a view
/// tomorrow: all of them are asked to use the rights of whoever asks them.
pub fn with_rights_of_their_owner(table: &Table) -> impl Iterator<Item = &View> {
    table.views.iter().filter(|view| view.kind == 'v' && !view.is_invoker)
}

/// Views use the rights of whoever asks; materialized views are nobody's but their owner's.
pub fn views(wish: &Wish, table: &Table) -> Vec<Step> {
    let mut steps: Vec<Step> = with_rights_of_their_owner(table)
        .filter(|view| is_first(wish, table, view))
        .map(|view| {
            Step::new(Phase::Switch, format!("ALTER VIEW {} SET (security_invoker = true)", view.name))
                .lock(LockMode::AccessExclusive)
                .undo(format!("ALTER VIEW {} RESET (security_invoker)", view.name))
                .verify(format!(
                    "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c, pg_catalog.pg_options_to_table(c.reloptions) o \
                     WHERE c.oid = pg_catalog.to_regclass({}) AND o.option_name = 'security_invoker' AND o.option_value::pg_catalog.bool)",
                    quote_literal(&view.name)
                ))
                .note("who asks it needs rights on the tables that it reads")
        })
        .collect();
    for view in table.views.iter().filter(|view| view.kind == 'm' && !view.grants.is_empty()) {
        if is_first(wish, table, view) {
            steps.push(
                Step::new(Phase::Switch, format!("REVOKE ALL ON {} FROM PUBLIC", view.name))
                    .and(revoke_all(&view.name))
                    .verify(format!(
                        "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a \
                         WHERE c.oid = pg_catalog.to_regclass({}) AND a.grantee <> c.relowner)",
                        quote_literal(&view.name)
                    ))
                    .note("its rows are those of every tenant; who read it needs a view of the tables instead, and the way back does not grant it again"),
            );
        }
    }
    steps
}

/// Whether no table before this one has the view too.
fn is_first(wish: &Wish, table: &Table, view: &View) -> bool {
    wish.targets
        .iter()
        .take_while(|target| target.table.oid != table.oid)
        .all(|target| target.table.views.iter().all(|other| other.oid != view.oid))
}

fn revoke_all(name: &str) -> String {
    let body = format!(
        "\nDECLARE\n  whom text;\nBEGIN\n  FOR whom IN SELECT DISTINCT pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) FROM pg_catalog.pg_class c, \
         pg_catalog.aclexplode(c.relacl) a WHERE c.oid = pg_catalog.to_regclass({}) AND a.grantee NOT IN (c.relowner, 0) LOOP\n    \
         EXECUTE 'REVOKE ALL ON {} FROM ' || whom;\n  END LOOP;\nEND\n",
        quote_literal(name),
        name.replace('\'', "''")
    );
    format!("DO {}", crate::text::dollar_quoted(&body))
}

/// What people have to know before it begins.
pub fn requires(wish: &Wish) -> Vec<String> {
    let mut requires = vec![
        "the role as which the application connects may call dbm.set_tenant(): GRANT USAGE ON SCHEMA dbm, and EXECUTE ON FUNCTION dbm.set_tenant"
            .to_owned(),
        "COPY FROM is refused where policies apply: load by INSERT, or as a role with BYPASSRLS; pg_dump needs such a role too".to_owned(),
        "the leak test at the end is made with the rights of whoever makes the plan: where he may not act as a role that uses the tables, \
         the plan waits for somebody who may"
            .to_owned(),
    ];
    for target in &wish.targets {
        let table = &target.table;
        let name = table.qualified();
        if table.owner_passes {
            requires.push(format!(
                "no policy applies to {}, which owns {name}: ALTER TABLE … OWNER TO a role that is no superuser",
                table.owner
            ));
        }
        requires.extend(of_policies(table));
        requires.extend(narrowing(wish, table));
        requires.extend(privileges::of_others(&name, &table.beyond));
        for partition in &table.partitions {
            requires.extend(privileges::of_others(&partition.name, &partition.beyond));
        }
        for index in table.indexes.iter().filter(|index| index.tells()) {
            requires.push(format!(
                "{} of {name} gains {}: its columns alone are no longer kept unique, and ON CONFLICT with them finds no index",
                index.described(),
                wish.quoted()
            ));
        }
        for publication in &table.publications {
            requires.push(format!(
                "publication {publication} goes on sending the rows of every tenant of {name}"
            ));
        }
        for function in table.functions.iter().filter(|function| !function.is_trigger) {
            requires.push(format!(
                "{} names {name} and runs with the rights of {}: look whether policies apply to that role",
                function.signature, function.owner
            ));
        }
    }
    requires
}

/// What becomes of policies that nobody asked before.
fn of_policies(table: &Table) -> Vec<String> {
    let name = table.qualified();
    let admits = quote_identifier(&unused(table, "tenant_access"));
    match shut(table) {
        Shut::Nobody => Vec::new(),
        Shut::Owner => vec![format!(
            "policies of {name} are forced upon its owner {} too: {admits} is for that role alone",
            table.owner
        )],
        Shut::Everybody => table
            .policies
            .iter()
            .filter(|policy| policy.is_permissive)
            .map(|policy| {
                format!(
                    "policy {} of {name} narrows nothing: row level security was off, and {admits} lets through whatever is the \
                     tenant's; where it is to narrow, DROP POLICY {admits} ON {name} afterwards",
                    quote_identifier(&policy.name)
                )
            })
            .collect(),
    }
}
