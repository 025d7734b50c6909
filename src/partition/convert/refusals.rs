//! What cannot be converted, and what is converted only if somebody says that it is meant.

use super::Method;
use super::attach::listed as columns;
use super::facts::{Around, Column, Incoming, Table};
use super::names::holds;
use crate::partition::refusal::Refusal;
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

/// A refusal with its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its kind.
    pub kind: Kind,
    /// Its words.
    pub refusal: Refusal,
}

/// What is named first and has to be accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accept {
    /// The primary key gains the partition key.
    pub primary_key: bool,
    /// Unique constraints and indexes do.
    pub unique: bool,
    /// Foreign keys of other tables do.
    pub foreign_keys: bool,
}

impl Accept {
    const WORDS: [&'static str; 3] = ["primary_key", "unique", "foreign_keys"];

    /// From the words of the call.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, Refused> {
        let mut accept = Self::default();
        for word in words {
            match word {
                "primary_key" => accept.primary_key = true,
                "unique" => accept.unique = true,
                "foreign_keys" => accept.foreign_keys = true,
                _ => {
                    return Err(Refused {
                        kind: Kind::Invalid,
                        refusal: Refusal::new(format!("\"{word}\" is nothing that can be accepted"), "")
                            .detail(format!("Valid: {}.", Self::WORDS.join(", "))),
                    });
                }
            }
        }
        Ok(accept)
    }
}

pub(super) fn refused(kind: Kind, message: String, hint: impl Into<String>) -> Refused {
    Refused { kind, refusal: Refusal::new(message, hint) }
}

/// Whether values of the type can be cut into ranges; its kind is asked of the values themselves.
fn can_be_cut(column: &Column) -> bool {
    let base = column.type_name.split('(').next().unwrap_or_default();
    let is_time = base == "date" || column.type_name.starts_with("timestamp");
    let is_text = matches!(base, "text" | "character varying" | "character");
    is_time
        || matches!(base, "smallint" | "integer" | "bigint" | "uuid")
        || is_text && column.collation.as_deref() == Some("C")
}

/// Why the table cannot be converted at all; `None` where it can.
pub fn refusal(table: &Table, around: &Around, key: &str, accept: Accept, method: Method) -> Option<Refused> {
    kind(table)
        .or_else(|| rights(table, around))
        .or_else(|| key_column(table, key))
        .or_else(|| parts(table))
        .or_else(|| dependents(table, around, key))
        .or_else(|| incoming(table, around, key))
        .or_else(|| accepted(table, around, key, accept, method))
}

fn kind(table: &Table) -> Option<Refused> {
    let name = table.qualified();
    let no = |message: String, hint: &str| Some(refused(Kind::Unsupported, message, hint));
    match table.kind {
        'r' => {}
        'p' => {
            return no(
                format!("table {name} is partitioned already"),
                "dbm.partition_manage() puts it under upkeep; dbm.partition_drain() empties its default partition.",
            );
        }
        'f' => return no(format!("{name} is a foreign table"), "Partition it where its rows are."),
        'v' | 'm' => return no(format!("{name} is a view"), "Partition the tables that it reads."),
        _ => return no(format!("{name} is no table"), ""),
    }
    if matches!(&*table.schema, "pg_catalog" | "information_schema" | "pg_toast" | "dbm") {
        return no(format!("table {name} belongs to the system"), "");
    }
    if let Some(extension) = &table.extension {
        return no(
            format!("table {name} belongs to the extension {}", quote_identifier(extension)),
            "ALTER EXTENSION … DROP TABLE first, if it is yours.",
        );
    }
    if table.is_temporary {
        return no(
            format!("table {} is temporary: nobody else can be using it", quote_identifier(&table.name)),
            "Make a partitioned table and INSERT … SELECT.",
        );
    }
    if table.is_partition {
        return no(
            format!("table {name} is a partition itself"),
            "Convert it while it is detached, and attach it again.",
        );
    }
    if let Some(parent) = table.parents.first() {
        return no(
            format!("table {name} inherits from {parent}"),
            "ALTER TABLE … NO INHERIT first: a partition can have no other parent.",
        );
    }
    if let Some(child) = table.children.first() {
        return no(
            format!("{child} inherits from table {name}"),
            "A partitioned table has partitions and no other children: move its rows, or end the inheritance, first.",
        );
    }
    if table.is_typed {
        return no(
            format!("table {name} was made of a type, which no partition can be"),
            "ALTER TABLE … NOT OF first.",
        );
    }
    None
}

fn rights(table: &Table, around: &Around) -> Option<Refused> {
    let name = table.qualified();
    let no = |message: String, hint: String| Some(refused(Kind::Privilege, message, hint));
    if !table.is_own {
        return no(format!("must be owner of table {name}"), format!("Call it as {}.", table.owner));
    }
    if !table.may_create || !table.may_owner_create {
        let schema = quote_identifier(&table.schema);
        let who = if table.may_create { &*table.owner } else { "current_user" };
        return no(
            format!("permission denied for schema {schema}"),
            format!("The new tables stand beside the old one: GRANT CREATE ON SCHEMA {schema} TO {who}."),
        );
    }
    if let Some(other) = around.rebuilt.iter().find(|rebuilt| !rebuilt.is_own) {
        return no(
            format!("must be owner of the {} {}, which reads {name}", other.kind, other.name),
            "It is made again in the switch, in place: call it with the rights of both owners.".to_owned(),
        );
    }
    if let Some(other) = around.incoming.iter().find(|other| !other.is_own) {
        return no(
            format!(
                "must be owner of table {}, whose foreign key {} points to {name}",
                other.qualified(),
                quote_identifier(&other.name)
            ),
            "The foreign key is made again in the switch: call it with the rights of both owners.".to_owned(),
        );
    }
    if let Some(publication) = around.publications.iter().find(|publication| !publication.is_own) {
        return no(
            format!("must be owner of publication {}, which publishes {name}", publication.name),
            "It has to publish the partitioned table instead: call it with the rights of both owners."
                .to_owned(),
        );
    }
    if let Some(statistics) = table.statistics.iter().find(|statistics| !statistics.is_own) {
        return no(
            format!("must be owner of the statistics object {}", statistics.qualified()),
            String::new(),
        );
    }
    None
}

fn key_column(table: &Table, key: &str) -> Option<Refused> {
    let name = table.qualified();
    let fitting: Vec<String> = table
        .columns
        .iter()
        .filter(|column| can_be_cut(column) && column.generated.is_empty())
        .map(Column::quoted)
        .collect();
    let hint = if fitting.is_empty() {
        "It has no column of a type that can be cut into ranges: date, timestamp, integer, uuid of version 7."
            .to_owned()
    } else {
        format!("Columns that can be: {}.", fitting.join(", "))
    };
    let Some(column) = table.column(key) else {
        return Some(refused(
            Kind::Missing,
            format!("column \"{key}\" of table {name} does not exist"),
            hint,
        ));
    };
    if !column.generated.is_empty() {
        return Some(refused(
            Kind::Unsupported,
            format!("column {} of {name} is generated, and no partition key can be", column.quoted()),
            hint,
        ));
    }
    if !can_be_cut(column) {
        return Some(refused(
            Kind::Unsupported,
            format!(
                "column {} of {name} cannot be cut into ranges: it is of type {}",
                column.quoted(),
                column.type_name
            ),
            hint,
        ));
    }
    None
}

/// What the table has and no partitioned table or partition can have.
fn parts(table: &Table) -> Option<Refused> {
    let name = table.qualified();
    let no = |message: String, hint: &str| Some(refused(Kind::Unsupported, message, hint));
    if let Some(index) = table.indexes.iter().find(|index| index.is_exclusion) {
        return no(
            format!(
                "{name} has the exclusion constraint {}, which cannot hold across partitions",
                quote_identifier(&index.name_of_constraint())
            ),
            "Drop it first if it can be done without.",
        );
    }
    for constraint in &table.constraints {
        let quoted = quote_identifier(&constraint.name);
        let validate = format!("ALTER TABLE {name} VALIDATE CONSTRAINT {quoted} first.");
        if !constraint.is_valid && constraint.is_enforced {
            return Some(refused(
                Kind::Prerequisite,
                format!(
                    "constraint {quoted} of {name} is not validated, so its partition could not be attached"
                ),
                validate,
            ));
        }
        if !constraint.is_enforced && constraint.kind == 'f' {
            return no(format!("foreign key {quoted} of {name} is not enforced"), "");
        }
        if constraint.is_no_inherit && matches!(constraint.kind, 'c' | 'n') {
            return no(
                format!("constraint {quoted} of {name} is NO INHERIT, which a partitioned table cannot have"),
                "Make it again without NO INHERIT first.",
            );
        }
        if constraint.is_self {
            return no(
                format!("foreign key {quoted} of {name} points to {name} itself"),
                "Drop it first: it cannot gain the partition key on both sides at once.",
            );
        }
    }
    // The log knows the table by its number and its columns by theirs: another table takes its name.
    if table.triggers.iter().any(|trigger| trigger.definition.contains("write_audit_trail()")) {
        let quoted = crate::text::quote_literal(&name);
        return no(
            format!("{name} is under the audit trail, whose history would break off in the switch"),
            &format!(
                "SELECT dbm.remove_audit_trigger({quoted}), convert it, and SELECT dbm.install_audit_trigger({quoted}) again: \
                 the history up to then stays in the log."
            ),
        );
    }
    if let Some(trigger) =
        table.triggers.iter().find(|trigger| trigger.is_row && trigger.has_transition_table)
    {
        return no(
            format!(
                "trigger {} of {name} is for each row and has transition tables, which partitions cannot have",
                quote_identifier(&trigger.name)
            ),
            "Make it FOR EACH STATEMENT, or without REFERENCING, first.",
        );
    }
    if table.has_rules {
        return no(
            format!("{name} has rules of its own, which would see nothing of what goes into its partitions"),
            "Make triggers of them first.",
        );
    }
    None
}

fn dependents(table: &Table, around: &Around, key: &str) -> Option<Refused> {
    let name = table.qualified();
    let no = |message: String, hint: String| Some(refused(Kind::Unsupported, message, hint));
    if let Some(gid) = around.prepared.first() {
        return Some(refused(
            Kind::Prerequisite,
            format!("the prepared transaction {} holds a lock on {name}", crate::text::quote_literal(gid)),
            format!("COMMIT PREPARED or ROLLBACK PREPARED {} first.", crate::text::quote_literal(gid)),
        ));
    }
    if around.subscriptions > 0 {
        return no(
            format!("a subscription writes to {name}, and would go on writing to the old table"),
            "Convert it on the publisher's side, or take the subscription off it first.".to_owned(),
        );
    }
    if around.labels > 0 {
        return no(format!("{name} has security labels, which are not carried over"), String::new());
    }
    if let Some(view) = around.materialized_views.first() {
        return no(
            format!("the materialized view {view} reads {name} and cannot be made again in place"),
            format!("DROP MATERIALIZED VIEW {view} first, and make it again once {name} is partitioned."),
        );
    }
    if let Some(user) = around.row_type_users.first() {
        return Some(Refused {
            kind: Kind::Unsupported,
            refusal: Refusal::new(
                format!("the row type of {name} is used by {user}, which would stay with the old table"),
                "Let it use a type of its own, or RETURNS TABLE (…), first.",
            )
            .detail(listed("Users of the row type", &around.row_type_users)),
        });
    }
    let gains = table.primary_key().is_some_and(|index| !holds(index, key));
    if gains && let Some(user) = around.primary_key_users.first() {
        return no(
            format!("{user} groups by the primary key of {name}, which gains the partition key"),
            "Let it group by all columns that it shows first.".to_owned(),
        );
    }
    for sequence in table.sequences.iter().filter(|sequence| sequence.identity.is_some()) {
        if let Some(user) = sequence.users.first() {
            return no(
                format!("{user} uses {}, the sequence of an identity of {name}", sequence.qualified()),
                "An identity is made anew in the switch: give the other a sequence of its own first."
                    .to_owned(),
            );
        }
    }
    let filtered = around.publications.iter().find(|publication| {
        !publication.is_via_root && (publication.columns.is_some() || publication.condition.is_some())
    });
    if let Some(publication) = filtered {
        return no(
            format!(
                "publication {} publishes a part of {name}, which of a partitioned table is possible only via its root",
                publication.name
            ),
            format!("ALTER PUBLICATION {} SET (publish_via_partition_root = true) first.", publication.name),
        );
    }
    None
}

fn listed(what: &str, names: &[String]) -> String {
    format!("{what}: {}.", names.join("; "))
}

/// Foreign keys of other tables that cannot gain the key.
fn incoming(table: &Table, around: &Around, key: &str) -> Option<Refused> {
    let name = table.qualified();
    for other in &around.incoming {
        let quoted = format!("foreign key {} of {}", quote_identifier(&other.name), other.qualified());
        let no = |reason: &str, hint: &str| {
            Some(refused(Kind::Unsupported, format!("{quoted} points to {name}, {reason}"), hint))
        };
        if !other.is_plain {
            return no(
                "and tables that are partitioned or partitions cannot prove a foreign key while others write",
                "Drop it first, and make it again once the table is partitioned.",
            );
        }
        if other.referenced_columns.iter().any(|column| column == key) {
            continue;
        }
        if other.is_deferrable {
            return no(
                "is deferrable and would have to gain the partition key of a row that may not be there yet",
                "Make it NOT DEFERRABLE first.",
            );
        }
        if !other.has_key {
            return no(
                "and its table has no key by which rows could be filled in batches",
                "Give it a primary key first.",
            );
        }
        if !other.is_same_owner {
            return no(
                "which has another owner, and no function of either could fill its new column",
                "Give both the same owner, or drop it first.",
            );
        }
        if table.forces_row_security || other.forces_row_security {
            return no(
                "and policies are forced upon the owner, in whose name its new column is filled",
                "ALTER TABLE … NO FORCE ROW LEVEL SECURITY first.",
            );
        }
        let is_own_type = |column: &&String| {
            table.column(column).is_none_or(|column| column.type_name.contains(['.', '"']))
        };
        if other.referenced_columns.iter().any(|column| is_own_type(&column)) {
            return no("by a column whose type is none of the server's own", "");
        }
    }
    None
}

fn pointing(other: &Incoming, key: &str) -> bool {
    !other.referenced_columns.iter().any(|column| column == key)
}

/// What is promised less, or differently, afterwards.
fn accepted(table: &Table, around: &Around, key: &str, accept: Accept, method: Method) -> Option<Refused> {
    let without = match method {
        Method::Attach => "without it values are unique in the first partition alone",
        Method::Copy => "without it values are no longer kept unique",
    };
    let name = table.qualified();
    let key_name = quote_identifier(key);
    let mut words = Vec::new();
    let mut lines = Vec::new();
    let primary = table.primary_key().filter(|index| !holds(index, key) && !accept.primary_key);
    if let Some(index) = primary {
        words.push("primary_key");
        let own = columns(&index.key_columns);
        lines.push(format!(
            "The primary key of {name} ({own}) becomes ({own}, {key_name}); ({own}) alone is no longer kept unique."
        ));
    }
    if !accept.unique {
        let unique = table.indexes.iter().filter(|index| {
            index.is_unique && index.is_valid && index.constraint_kind != Some('p') && !holds(index, key)
        });
        let before = lines.len();
        lines.extend(unique.map(|index| {
            format!("The unique index {} gains {key_name}; {without}.", quote_identifier(&index.name))
        }));
        if lines.len() > before {
            words.push("unique");
        }
    }
    if !accept.foreign_keys {
        let pointing: Vec<&Incoming> = around.incoming.iter().filter(|other| pointing(other, key)).collect();
        lines.extend(pointing.iter().map(|other| {
            format!(
                "The foreign key {} of {} ({}) gains a column for {key_name}, which a trigger fills.",
                quote_identifier(&other.name),
                other.qualified(),
                columns(&other.columns)
            )
        }));
        if !pointing.is_empty() {
            words.push("foreign_keys");
        }
    }
    if words.is_empty() {
        return None;
    }
    let list: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    Some(Refused {
        kind: Kind::Prerequisite,
        refusal: Refusal::new(
            format!("partitioning {name} by {key_name} changes what its keys promise"),
            format!("If that is meant: accept => ARRAY[{}].", list.join(", ")),
        )
        .detail(lines.join("\n")),
    })
}
