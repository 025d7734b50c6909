//! What cannot be divided between tenants, and what is done only if somebody says that it is meant.

use super::source::Source;
use super::{Wish, policies};
use crate::change::words::without_modifier;
use crate::security::tenancy::facts::Table;
use crate::text::quote_identifier;

/// Which kind of error a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// There is no way.
    Unsupported,
    /// The caller lacks a right.
    Privilege,
    /// Something that was named is not there.
    Missing,
    /// A word or a value is none that can be used.
    Invalid,
    /// Something has to be done first.
    Prerequisite,
}

/// A refusal, in the words of an error of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its kind.
    pub kind: Kind,
    /// What is wrong.
    pub message: String,
    /// More of it; may be empty.
    pub detail: String,
    /// What to do instead; may be empty.
    pub hint: String,
}

impl Refused {
    /// One without detail.
    pub fn new(kind: Kind, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind, message: message.into(), detail: String::new(), hint: hint.into() }
    }

    /// With more of it.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}

/// What is named first and has to be accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accept {
    /// Primary keys gain the tenant.
    pub primary_key: bool,
    /// Unique constraints and indexes do.
    pub unique: bool,
    /// Foreign keys between the tables do.
    pub foreign_keys: bool,
    /// Views use the rights of whoever asks.
    pub views: bool,
    /// Materialized views are closed.
    pub materialized_views: bool,
    /// Functions that run with rights past the policies stay.
    pub functions: bool,
    /// Restrictive policies narrow whom they did not narrow before.
    pub policies: bool,
}

impl Accept {
    const WORDS: [&'static str; 7] =
        ["primary_key", "unique", "foreign_keys", "views", "materialized_views", "functions", "policies"];

    /// From the words of the call.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, Refused> {
        let mut accept = Self::default();
        for word in words {
            let place = match word {
                "primary_key" => &mut accept.primary_key,
                "unique" => &mut accept.unique,
                "foreign_keys" => &mut accept.foreign_keys,
                "views" => &mut accept.views,
                "materialized_views" => &mut accept.materialized_views,
                "functions" => &mut accept.functions,
                "policies" => &mut accept.policies,
                _ => {
                    return Err(Refused::new(
                        Kind::Invalid,
                        format!("\"{word}\" is nothing that can be accepted"),
                        "",
                    )
                    .detail(format!("Valid: {}.", Self::WORDS.join(", "))));
                }
            };
            *place = true;
        }
        Ok(accept)
    }
}

/// Why the tables cannot be divided as is wished; `None` where they can.
pub fn refusal(wish: &Wish) -> Option<Refused> {
    wish.targets
        .iter()
        .find_map(|target| {
            table_itself(&target.table).or_else(|| table_in_wish(wish, &target.table, &target.source))
        })
        .or_else(|| not_accepted(wish))
}

fn table_itself(table: &Table) -> Option<Refused> {
    let name = table.qualified();
    let no = |kind, message: String, hint: &str| Some(Refused::new(kind, message, hint));
    if !matches!(table.kind, 'r' | 'p') {
        return no(Kind::Unsupported, format!("{name} is not a table"), "");
    }
    if table.persistence == 't' {
        return no(Kind::Unsupported, format!("{name} is a temporary table"), "");
    }
    if table.extension {
        return no(Kind::Unsupported, format!("{name} belongs to an extension"), "");
    }
    if table.is_partition {
        return no(Kind::Unsupported, format!("{name} is a partition"), "Name the partitioned table.");
    }
    if let Some(child) = table.partitions.iter().find(|partition| !partition.is_partition) {
        return no(
            Kind::Unsupported,
            format!("{} inherits from {name}, and would not have its policies", child.name),
            "",
        );
    }
    if !table.is_own {
        return no(Kind::Privilege, format!("must be owner of table {name}"), "");
    }
    if let Some(partition) = table.partitions.iter().find(|partition| !partition.is_own) {
        return no(
            Kind::Privilege,
            format!(
                "must be owner of {}, a partition of {name}, which belongs to {}",
                partition.name, partition.owner
            ),
            "ALTER TABLE … OWNER TO the owner of the partitioned table first.",
        );
    }
    if let Some(index) = table.indexes.iter().find(|index| index.is_exclusion && !index.holds_tenant) {
        return no(
            Kind::Unsupported,
            format!(
                "{} of {name} tells what other tenants have, and no exclusion constraint can be built beside writers",
                index.described()
            ),
            "Make it anew with the tenant column first.",
        );
    }
    if let Some(index) = table.indexes.iter().find(|index| index.is_unique && !index.is_valid) {
        return no(
            Kind::Prerequisite,
            format!("index {} of {name} is not valid", quote_identifier(&index.name)),
            "Drop it or build it again first.",
        );
    }
    if let Some(index) = table.indexes.iter().find(|index| index.tells() && index.is_replica_identity) {
        return no(
            Kind::Prerequisite,
            format!(
                "index {} is the replica identity of {name} and gains the tenant",
                quote_identifier(&index.name)
            ),
            "ALTER TABLE … REPLICA IDENTITY DEFAULT or FULL first.",
        );
    }
    if let Some((index, view)) = table
        .indexes
        .iter()
        .filter(|index| index.tells())
        .find_map(|index| Some((index, index.needed_by.first()?)))
    {
        return no(
            Kind::Unsupported,
            format!("view {view} groups by {} of {name}, which gains the tenant", index.described()),
            "Name all its columns in GROUP BY first.",
        );
    }
    None
}

fn table_in_wish(wish: &Wish, table: &Table, source: &Source) -> Option<Refused> {
    let name = table.qualified();
    let column = wish.quoted();
    let crosses = |key: &&crate::security::tenancy::facts::ForeignKey| {
        wish.target(key.referenced).is_some() && !key.columns.contains(&wish.column)
    };
    if let Some(there) = table.column(&wish.column)
        && without_modifier(&there.type_name) != without_modifier(&wish.type_name)
    {
        return Some(Refused::new(
            Kind::Prerequisite,
            format!(
                "{column} of {name} is of type {}, and elsewhere of type {}",
                there.type_name, wish.type_name
            ),
            "A foreign key needs one type: ALTER COLUMN … TYPE first.",
        ));
    }
    if let Source::Parent(key) = source
        && wish.target(key.referenced).is_some_and(|parent| parent.table.owner_oid != table.owner_oid)
    {
        return Some(Refused::new(
            Kind::Prerequisite,
            format!("{name} gets its tenants from {}, which has another owner", key.referenced_name),
            "What fills the column acts as the owner of both: ALTER TABLE … OWNER TO first, or give the tenant of its rows as an expression.",
        ));
    }
    // A foreign key is checked over the rows that its owner sees: those that are hidden would pass, or not be found.
    let is_in_keys = table.foreign_keys.iter().any(|key| crosses(&key))
        || wish
            .targets
            .iter()
            .flat_map(|target| &target.table.foreign_keys)
            .any(|key| key.referenced == table.oid && crosses(&key));
    if table.has_row_security
        && table.forces_row_security
        && !table.owner_passes
        && (*source != Source::There || is_in_keys)
    {
        return Some(Refused::new(
            Kind::Prerequisite,
            format!(
                "policies of {name} are forced upon its owner, and hide rows that have to be filled or checked"
            ),
            "ALTER TABLE … NO FORCE ROW LEVEL SECURITY first.",
        ));
    }
    if let Some(incoming) = table
        .indexes
        .iter()
        .any(crate::security::tenancy::facts::Index::tells)
        .then(|| table.incoming.iter().find(|incoming| wish.target(incoming.table).is_none()))
        .flatten()
    {
        return Some(Refused::new(
            Kind::Prerequisite,
            format!(
                "{} points to {name} by {}, and is not among the tables",
                incoming.table_name,
                quote_identifier(&incoming.name)
            ),
            "Name it too: its rows belong to tenants as those to which they point.",
        ));
    }
    for key in table.foreign_keys.iter().filter(crosses) {
        let own = quote_identifier(&key.name);
        if key.on_update == 'n' || key.on_update == 'd' {
            return Some(Refused::new(
                Kind::Unsupported,
                format!(
                    "foreign key {own} of {name} is ON UPDATE SET NULL or SET DEFAULT, which would take the tenant of a row"
                ),
                "",
            ));
        }
        let is_nullable =
            key.columns.iter().any(|name| table.column(name).is_some_and(|column| !column.is_not_null));
        if key.r#match == 'f' && is_nullable {
            return Some(Refused::new(
                Kind::Unsupported,
                format!("foreign key {own} of {name} is MATCH FULL, which takes no NULL beside a tenant"),
                "",
            ));
        }
    }
    let needs_index = table.indexes.iter().any(crate::security::tenancy::facts::Index::tells)
        || !table.is_indexed_by(&wish.column)
        || table.foreign_keys.iter().any(|key| crosses(&key));
    if table.kind == 'p' && needs_index {
        return Some(Refused::new(
            Kind::Unsupported,
            format!(
                "{name} is partitioned: its keys and indexes cannot be built beside writers by this plan"
            ),
            format!(
                "Give it {column}, indexes and keys that begin with it by dbm.migration_plan() first; then this plan does the rest."
            ),
        ));
    }
    None
}

/// What was not accepted, all of it at once.
fn not_accepted(wish: &Wish) -> Option<Refused> {
    let accept = wish.accept;
    let mut lines: Vec<(&str, String)> = Vec::new();
    for target in &wish.targets {
        let table = &target.table;
        let name = table.qualified();
        for index in table.indexes.iter().filter(|index| index.tells()) {
            let (is_accepted, word) = match index.constraint_kind {
                Some('p') => (accept.primary_key, "primary_key"),
                _ => (accept.unique, "unique"),
            };
            if !is_accepted {
                lines.push((word, format!("{} of {name} gains {}", index.described(), wish.quoted())));
            }
        }
        if !accept.foreign_keys {
            for key in table
                .foreign_keys
                .iter()
                .filter(|key| wish.target(key.referenced).is_some() && !key.columns.contains(&wish.column))
            {
                lines.push((
                    "foreign_keys",
                    format!("foreign key {} of {name} gains {}", quote_identifier(&key.name), wish.quoted()),
                ));
            }
        }
        if !accept.views {
            for view in policies::with_rights_of_their_owner(table) {
                lines.push(("views", format!("{} uses the rights of whoever asks it", view.name)));
            }
        }
        if !accept.materialized_views {
            for view in table.views.iter().filter(|view| view.kind == 'm' && !view.grants.is_empty()) {
                lines.push(("materialized_views", format!("{} is closed to all but its owner", view.name)));
            }
        }
        if !accept.policies {
            lines.extend(policies::narrowing(wish, table).into_iter().map(|line| ("policies", line)));
        }
        if !accept.functions {
            for function in
                table.functions.iter().filter(|function| function.owner_passes && !function.is_trigger)
            {
                lines.push((
                    "functions",
                    format!(
                        "{} goes on showing rows of every tenant, with the rights of {}",
                        function.signature, function.owner
                    ),
                ));
            }
        }
    }
    if lines.is_empty() {
        return None;
    }
    let mut words: Vec<&str> = lines.iter().map(|(word, _)| *word).collect();
    words.sort_unstable();
    words.dedup();
    let mut details: Vec<String> = lines.into_iter().map(|(_, line)| format!("{line}.")).collect();
    details.dedup();
    Some(
        Refused::new(
            Kind::Prerequisite,
            "dividing these tables between tenants changes what has to be accepted",
            format!("If that is meant: accept => '{{{}}}'.", words.join(",")),
        )
        .detail(details.join(" ")),
    )
}
