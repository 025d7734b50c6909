//! Tables in use become those of many tenants, as a plan that `CALL dbm.apply()` runs: a column that is filled with each row
//! before the rows that are there are filled, keys and foreign keys that hold it, and policies in the end.
//!
//! Everything up to the deployment of an application that names its tenants is invisible to it; the switch comes after.

mod column;
mod keys;
#[cfg(feature = "postgres")]
pub mod live;
mod policies;
mod privileges;
mod refusals;
mod source;

#[cfg(test)]
mod tests;

use super::facts::Table;
use crate::change::plan::{Phase, Plan, Risk, Step};
use crate::change::words;
use crate::text::{dollar_quoted, quote_identifier, quote_literal};

pub use refusals::{Accept, Kind, Refused, refusal};
pub use source::{Given, Source, Target, targets};

/// What is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// The tables, each after those from which its tenants come.
    pub targets: Vec<Target>,
    /// The tenant column, as it is called.
    pub column: String,
    /// Its type.
    pub type_name: String,
    /// What says that two values of that type are equal; qualified where its bare name would not be found.
    pub equality: String,
    /// Where tenants are written down: the table, quoted, and its key.
    pub tenants: Option<(String, String)>,
    /// What is accepted.
    pub accept: Accept,
    /// The call as it was made.
    pub asked: String,
    /// Where triggers of the tables look names up: the search_path of whoever asks, as a value of the setting.
    pub search_path: String,
}

impl Wish {
    /// The tenant column, quoted.
    pub fn quoted(&self) -> String {
        quote_identifier(&self.column)
    }

    /// The tenant of the transaction, as a value of the column. Without a length: a cast would cut what is too long, and
    /// make one tenant of two.
    pub fn current(&self) -> String {
        let of_type = match words::without_modifier(&self.type_name) {
            name if name == "character varying" => "text".to_owned(),
            name if name == "character" => "pg_catalog.bpchar".to_owned(),
            name => name,
        };
        format!("dbm.current_tenant(NULL::{of_type})")
    }

    fn target(&self, oid: crate::catalog::Oid) -> Option<&Target> {
        self.targets.iter().find(|target| target.table.oid == oid)
    }
}

/// The plan. What has to be refused was refused before.
pub fn plan(wish: &Wish) -> Plan {
    let mut steps = Vec::new();
    for target in &wish.targets {
        steps.extend(column::added(wish, target));
        // Before rows are filled from those to which they point: whoever changes the tenant of such a row takes them along.
        steps.extend(keys::guard_of_source(wish, target));
        steps.extend(column::filled(wish, target));
        steps.extend(keys::indexes(wish, &target.table));
    }
    for target in &wish.targets {
        steps.extend(keys::foreign_keys(wish, target));
    }
    steps.push(Step::by_hand(
        Phase::Switch,
        "let the application call dbm.set_tenant() in every transaction, and whoever works for all tenants have a role with BYPASSRLS; \
         from the next step on a row without the tenant of the transaction is neither seen nor written, and ON CONFLICT needs \
         the tenant in its key; then dbm.confirm_step()",
    ));
    for target in &wish.targets {
        steps.extend(policies::views(wish, &target.table));
    }
    // The policies come before the keys, so that on the way back they go after the keys: those can fail, where two tenants
    // have the same value by then, and then the rows are still divided.
    for target in &wish.targets {
        steps.push(policies::step(wish, target));
    }
    for target in &wish.targets {
        steps.extend(keys::switch(wish, &target.table));
    }
    steps.extend(leak_test(wish));
    let names: Vec<String> = wish.targets.iter().map(|target| target.table.qualified()).collect();
    Plan {
        title: format!("divide {} between tenants by {}", names.join(", "), wish.quoted()),
        change: wish.asked.clone(),
        risk: Risk::Medium,
        requires: policies::requires(wish),
        seconds: seconds(wish),
        search_path: String::new(),
        steps,
        verify: names
            .iter()
            .map(|name| {
                format!(
                    "SELECT relrowsecurity AND relforcerowsecurity FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass({})",
                    quote_literal(name)
                )
            })
            .collect(),
    }
}

/// The last steps: one that fails where something leaks, and one at which somebody looks where something could not be tried,
/// as it is with whoever is no member of the roles that use the tables.
fn leak_test(wish: &Wish) -> [Step; 2] {
    let names: Vec<String> = wish
        .targets
        .iter()
        .map(|target| format!("{}::pg_catalog.regclass", quote_literal(&target.table.qualified())))
        .collect();
    let test = format!("dbm.tenant_leak_test(ARRAY[{}], {})", names.join(", "), quote_literal(&wish.column));
    let left = if wish.accept.functions { " AND t.check_name <> 'function'" } else { "" };
    let body = format!(
        "\nDECLARE\n  found text;\nBEGIN\n  SELECT pg_catalog.string_agg(pg_catalog.format('%s, %s: %s', t.target, t.check_name, t.detail), E'\\n') INTO found\n    \
         FROM {test} AS t WHERE t.status = 'leak'{left};\n  IF found IS NOT NULL THEN\n    \
         RAISE EXCEPTION 'something of other tenants comes through' USING DETAIL = found, ERRCODE = 'insufficient_privilege';\n  END IF;\nEND\n"
    );
    [
        Step::new(Phase::Switch, format!("DO {}", dollar_quoted(&body)))
            .note("tries every table with the rights of those who use it, as far as whoever made the plan may; nothing of it stays"),
        Step::by_hand(
            Phase::Switch,
            format!(
                "what the leak test could not try with the rights of whoever made the plan has to be tried by somebody who may, a superuser: \
                 SELECT * FROM {test} WHERE status <> 'ok'; of tables on which nobody but their owner has rights, as roles that are \
                 named to it (roles => …); once nothing leaks, dbm.confirm_step()"
            ),
        )
        .asks_if(format!("SELECT EXISTS (SELECT FROM {test} AS t WHERE t.status = 'unknown'{left})")),
    ]
}

/// Each row is written once and read some three times.
fn seconds(wish: &Wish) -> Option<(f64, f64)> {
    let bytes: f64 = wish.targets.iter().map(|target| target.table.bytes as f64).sum();
    Some(((bytes / 2e8).max(1.0), (bytes / 5e6).max(10.0)))
}

/// A name for the time between, that is free around the table.
fn between(table: &Table, name: &str, purpose: &str) -> String {
    crate::text::identifier::between(name, purpose, |name| table.is_taken(name))
}
