//! A new partition: made beside, with all that partitions of this set have, and attached when it is complete.

use super::super::set::{FENCE, Shape};
use crate::catalog::ReplicaIdentity;
use crate::text::{quote_identifier, quote_literal, quote_qualified, truncate_identifier};

/// A relation whose privileges and row security a new partition takes over.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Source {
    /// What is granted, `SELECT (note)`, and to whom, `role WITH GRANT OPTION`.
    pub grants: Vec<(String, String)>,
    /// The name of a policy, quoted, and what follows the table in its definition.
    pub policies: Vec<(String, String)>,
    /// Whether row security is enabled.
    pub has_row_security: bool,
    /// Whether it holds for the owner, too.
    pub forces_row_security: bool,
}

/// What partitions of a set have that they do not inherit from the parent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pattern {
    /// Where it is stored; `None` for the database's own place.
    pub tablespace: Option<String>,
    /// How it is stored.
    pub access_method: Option<String>,
    /// Whether its changes are not logged.
    pub is_unlogged: bool,
    /// Storage options as `name=value`; those of the TOAST table begin with `toast.`.
    pub options: Vec<String>,
    /// What marks old rows.
    pub replica_identity: ReplicaIdentity,
    /// What is said of the template.
    pub comment: Option<String>,
    /// Indexes that the parent does not have: `UNIQUE INDEX`, and what follows the table in its definition.
    pub indexes: Vec<(String, String)>,
    /// Constraints that the parent does not have, without their names: `PRIMARY KEY (id)`; a template's with theirs.
    pub constraints: Vec<String>,
    /// `ALTER COLUMN a SET STATISTICS 500`: what the parent has of its own for columns.
    pub columns: Vec<String>,
    /// Publications that have the partitions and not the parent as their members.
    pub publications: Vec<String>,
    /// Whose privileges it takes.
    pub source: Source,
    /// How it is itself partitioned.
    pub shape: Option<Shape>,
}

/// The statements that make a partition.
#[derive(Clone, Debug, PartialEq)]
pub struct Creation {
    /// The tables that they make: it, and its own partitions. Whatever default privileges gave others has to be taken away
    /// before rows come in.
    pub tables: Vec<String>,
    /// Those that make it, of which nobody else notices anything.
    pub beside: Vec<String>,
    /// Those that open it to whom it is to be open to.
    pub open: Vec<String>,
    /// The one that attaches it.
    pub attach: String,
    /// Those that need it to be attached.
    pub after: Vec<String>,
}

/// How a partition of this name is made in `schema` and attached to `parent`, which is qualified and quoted. `bounds`:
/// `FROM (…) TO (…)`. `model`: the name of the partition whose shape it has.
pub fn creation(
    parent: &str,
    schema: &str,
    name: &str,
    bounds: &str,
    pattern: &Pattern,
    model: &str,
) -> Creation {
    let table = quote_qualified(schema, name);
    let mut beside = vec![table_itself(parent, &table, pattern)];
    let mut tables = vec![table.clone()];
    if let Some(shape) = &pattern.shape {
        add_parts(&mut beside, &mut tables, schema, name, &table, shape, model);
    }
    let alter = |what: &str| format!("ALTER TABLE {table} {what}");
    beside.extend(pattern.columns.iter().map(|column| alter(column)));
    match pattern.replica_identity {
        ReplicaIdentity::Default | ReplicaIdentity::Index => {}
        ReplicaIdentity::Nothing => beside.push(alter("REPLICA IDENTITY NOTHING")),
        ReplicaIdentity::Full => beside.push(alter("REPLICA IDENTITY FULL")),
    }
    beside.extend(pattern.constraints.iter().map(|constraint| alter(&format!("ADD {constraint}"))));
    beside.extend(pattern.indexes.iter().map(|(kind, rest)| format!("CREATE {kind} ON {table} {rest}")));
    let policies = pattern.source.policies.iter();
    beside.extend(policies.map(|(name, rest)| format!("CREATE POLICY {name} ON {table} {rest}")));
    if pattern.source.has_row_security {
        beside.push(alter("ENABLE ROW LEVEL SECURITY"));
    }
    if pattern.source.forces_row_security {
        beside.push(alter("FORCE ROW LEVEL SECURITY"));
    }
    let grants = pattern.source.grants.iter();
    let open = grants.map(|(what, whom)| format!("GRANT {what} ON TABLE {table} TO {whom}")).collect();
    if let Some(comment) = &pattern.comment {
        beside.push(format!("COMMENT ON TABLE {table} IS {}", quote_literal(comment)));
    }
    let add = |publication: &String| {
        format!("ALTER PUBLICATION {} ADD TABLE ONLY {table}", quote_identifier(publication))
    };
    Creation {
        tables,
        beside,
        open,
        attach: format!("ALTER TABLE {parent} ATTACH PARTITION {table} FOR VALUES {bounds}"),
        after: pattern.publications.iter().map(add).collect(),
    }
}

/// How the default partition of this name is made in `schema` and attached to `parent`.
pub fn creation_of_default(
    parent: &str,
    schema: &str,
    name: &str,
    pattern: &Pattern,
    model: &str,
) -> Creation {
    let table = quote_qualified(schema, name);
    Creation {
        attach: format!("ALTER TABLE {parent} ATTACH PARTITION {table} DEFAULT"),
        ..creation(parent, schema, name, "", pattern, model)
    }
}

fn table_itself(parent: &str, table: &str, pattern: &Pattern) -> String {
    // Neither identity, which the parent hands out, nor indexes, which come with the attaching.
    let mut sql = format!(
        "CREATE {}TABLE {table} (LIKE {parent} INCLUDING COMMENTS INCLUDING COMPRESSION INCLUDING CONSTRAINTS \
         INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING STATISTICS INCLUDING STORAGE)",
        if pattern.is_unlogged { "UNLOGGED " } else { "" }
    );
    if let Some(shape) = &pattern.shape {
        sql.push_str(&format!(" PARTITION BY {}", shape.by));
    } else if let Some(method) = &pattern.access_method {
        sql.push_str(&format!(" USING {}", quote_identifier(method)));
    }
    if !pattern.options.is_empty() && pattern.shape.is_none() {
        sql.push_str(&format!(" WITH ({})", pattern.options.join(", ")));
    }
    if let Some(tablespace) = &pattern.tablespace {
        sql.push_str(&format!(" TABLESPACE {}", quote_identifier(tablespace)));
    }
    sql
}

/// The partitions of a partition that nobody uses yet, as those of its model.
fn add_parts(
    sql: &mut Vec<String>,
    tables: &mut Vec<String>,
    schema: &str,
    name: &str,
    table: &str,
    shape: &Shape,
    model: &str,
) {
    for (place, part) in shape.parts.iter().enumerate() {
        let rest = part.name.strip_prefix(model).map_or_else(|| format!("_{}", place + 1), str::to_owned);
        let name_of_part = joined(name, &rest);
        let qualified = quote_qualified(schema, &name_of_part);
        let by = part.shape.as_ref().map_or_else(String::new, |shape| format!(" PARTITION BY {}", shape.by));
        sql.push(format!("CREATE TABLE {qualified} PARTITION OF {table} {}{by}", part.bound));
        if let Some(shape) = &part.shape {
            add_parts(sql, tables, schema, &name_of_part, &qualified, shape, &part.name);
        }
        tables.push(qualified);
    }
}

/// A name with something behind it, which stays whole where both are too long.
fn joined(name: &str, rest: &str) -> String {
    let whole = format!("{name}{rest}");
    if truncate_identifier(&whole) == whole {
        return whole;
    }
    let mut end = name.len().min(63_usize.saturating_sub(rest.len()));
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{rest}", &name[..end])
}

/// The constraint that proves a default partition empty of a range, so that an attach needs not read it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fence {
    /// Its name.
    pub name: String,
    /// Keeps new rows out; an instant.
    pub add: String,
    /// Reads all rows while others write.
    pub validate: String,
    /// Takes it away.
    pub remove: String,
}

/// The fence on a default partition (qualified and quoted) for the partition of that name. `inside`: what holds for the
/// rows of its range.
pub fn fence(default: &str, name: &str, inside: &str) -> Fence {
    // The end of a name tells partitions apart.
    let mut start = name.len().saturating_sub(63 - FENCE.len());
    while !name.is_char_boundary(start) {
        start += 1;
    }
    let constraint = format!("{FENCE}{}", &name[start..]);
    let quoted = quote_identifier(&constraint);
    Fence {
        add: format!("ALTER TABLE {default} ADD CONSTRAINT {quoted} CHECK (NOT ({inside})) NOT VALID"),
        validate: format!("ALTER TABLE {default} VALIDATE CONSTRAINT {quoted}"),
        remove: format!("ALTER TABLE {default} DROP CONSTRAINT IF EXISTS {quoted}"),
        name: constraint,
    }
}
