//! What the catalogs alone tell.

use super::policy::policy;
use super::{Line, Status};
use crate::security::tenancy::facts::{Role, Table};
use crate::text::quote_identifier;

/// All that can be told of a table without touching its rows. `roles`: who uses it.
pub fn judge(table: &Table, roles: &[Role], tenant: &str) -> Vec<Line> {
    let mut lines = vec![policy(table, tenant), force(table)];
    lines.extend(roles.iter().flat_map(|role| of_role(table, role)));
    lines.push(partition(table, roles));
    lines.push(unique(table));
    if !table.indexes.iter().any(super::super::facts::Index::tells) {
        lines.push(Line::new("on_conflict", Status::Ok, "every key holds the tenant"));
    }
    lines.push(foreign_key(table, tenant));
    lines.extend(views(table, roles));
    lines.push(functions(table, roles));
    lines.push(publication(table));
    lines.push(not_null(table, tenant));
    lines
}

fn force(table: &Table) -> Line {
    if table.owner_passes {
        return Line::new(
            "force",
            Status::Weak,
            format!(
                "its owner {} is a superuser or has BYPASSRLS: no policy applies to him, nor to what runs with his rights",
                table.owner
            ),
        );
    }
    if table.has_row_security && table.forces_row_security {
        return Line::new("force", Status::Ok, "policies apply to the owner too");
    }
    Line::new("force", Status::Leak, format!("its owner {} sees the rows of every tenant", table.owner))
}

/// What a role can get around policies by, by what it is or can become.
fn role(role: &Role) -> Line {
    const CHECK: &str = "role";
    let name = &role.name;
    let leak = |what: String| Line::new(CHECK, Status::Leak, format!("{name} {what}"));
    if role.passes && role.is_member {
        // As it should be with whoever works for all tenants.
        let why = format!("{name} has BYPASSRLS, and rights on the table by being in another role");
        return Line::new(CHECK, Status::Weak, why);
    }
    if role.passes {
        return leak("is a superuser or has BYPASSRLS".to_owned());
    }
    if role.owns {
        return leak("has the rights of the owner, and can switch row security off".to_owned());
    }
    if let Some(other) = &role.becomes_owner {
        return leak(format!(
            "can SET ROLE {other}, which has the rights of the owner and can switch row security off"
        ));
    }
    if let Some(other) = &role.becomes_passing {
        if role.is_member {
            let why =
                format!("{name} is in several roles, and can SET ROLE {other}, to which no policy applies");
            return Line::new(CHECK, Status::Weak, why);
        }
        return leak(format!("can SET ROLE {other}, to which no policy applies"));
    }
    if let Some(other) = &role.grants_itself {
        return leak(format!(
            "can grant itself {other}, and become it then, to which no policy applies or which owns the table"
        ));
    }
    Line::new(CHECK, Status::Ok, "no role that uses it goes past policies")
}

fn of_role(table: &Table, of: &Role) -> Vec<Line> {
    let name = &of.name;
    let mut lines = vec![role(of)];
    if of.may_set {
        lines.push(Line::new("context", Status::Leak, format!("{name} may SET dbm.tenant")));
    }
    // On the table, and on partitions, each of which answers to its own privileges.
    let places = |privilege: &str| {
        let mut places = Vec::new();
        if of.privileges.iter().any(|own| own == privilege) {
            places.push(table.qualified());
        }
        let partitions = table.partitions.iter().filter(|partition| {
            of.on_partitions.iter().any(|on| on.partition == partition.oid && on.privilege == privilege)
        });
        places.extend(partitions.map(|partition| partition.name.clone()));
        places
    };
    let truncates = places("TRUNCATE");
    lines.push(if truncates.is_empty() {
        Line::new("truncate", Status::Ok, "nobody but the owner may TRUNCATE")
    } else {
        Line::new(
            "truncate",
            Status::Leak,
            format!("{name} may TRUNCATE {}, to which no policy applies", truncates.join(", ")),
        )
    });
    let further: Vec<String> = ["REFERENCES", "TRIGGER"]
        .into_iter()
        .map(|privilege| (privilege, places(privilege)))
        .filter(|(_, places)| !places.is_empty())
        .map(|(privilege, places)| format!("{privilege} on {}", places.join(", ")))
        .collect();
    lines.push(if further.is_empty() {
        Line::new("privileges", Status::Ok, "nobody but the owner has REFERENCES or TRIGGER")
    } else {
        Line::new(
            "privileges",
            Status::Leak,
            format!(
                "{name} has {}: a foreign key tells which values are there, a trigger reads every row that is written",
                further.join(" and ")
            ),
        )
    });
    lines
}

fn partition(table: &Table, roles: &[Role]) -> Line {
    let others: Vec<String> = table
        .partitions
        .iter()
        .filter(|partition| partition.is_of_another)
        .map(|partition| format!("{} belongs to {}", partition.name, partition.owner))
        .collect();
    if !others.is_empty() {
        return Line::new(
            "partition",
            Status::Leak,
            format!("{}, who is not the table's owner and sees what is in it", others.join(", ")),
        );
    }
    let open: Vec<String> = table
        .partitions
        .iter()
        .filter(|partition| !partition.has_row_security)
        .filter_map(|partition| {
            let role = roles.iter().find(|role| role.partitions.contains(&partition.oid))?;
            Some(format!("{} is open to {}", partition.name, role.name))
        })
        .collect();
    if !open.is_empty() {
        return Line::new(
            "partition",
            Status::Leak,
            format!(
                "{}: policies of the table do not apply to what is asked of a partition itself",
                open.join(", ")
            ),
        );
    }
    let bare = table.partitions.iter().filter(|partition| !partition.has_row_security).count();
    if bare > 0 {
        return Line::new(
            "partition",
            Status::Weak,
            format!("{bare} partitions have no row level security of their own: a grant opens them"),
        );
    }
    Line::new("partition", Status::Ok, "no partition can be read past the table")
}

fn unique(table: &Table) -> Line {
    let telling: Vec<String> = table
        .indexes
        .iter()
        .filter(|index| index.tells())
        .map(super::super::facts::Index::described)
        .collect();
    if telling.is_empty() {
        return Line::new("unique", Status::Ok, "every key holds the tenant");
    }
    Line::new(
        "unique",
        Status::Leak,
        format!(
            "{} without the tenant: a duplicate tells that another tenant has the value",
            telling.join(", ")
        ),
    )
}

fn foreign_key(table: &Table, tenant: &str) -> Line {
    let crossing: Vec<String> = table
        .foreign_keys
        .iter()
        .filter(|key| key.referenced_has_tenant)
        .filter(|key| {
            let pair = key.columns.iter().position(|column| column == tenant);
            let other = key.referenced_columns.iter().position(|column| column == tenant);
            pair.is_none() || pair != other
        })
        .map(|key| format!("{} to {}", quote_identifier(&key.name), key.referenced_name))
        .collect();
    if crossing.is_empty() {
        return Line::new("foreign_key", Status::Ok, "no row can point into another tenant");
    }
    Line::new(
        "foreign_key",
        Status::Leak,
        format!(
            "{} without the tenant: a row can point to one of another tenant, and tells whether it is there",
            crossing.join(", ")
        ),
    )
}

fn views(table: &Table, roles: &[Role]) -> Vec<Line> {
    let seen = |kind: char| {
        let leaking: Vec<String> = table
            .views
            .iter()
            .filter(|view| view.kind == kind && (view.passes || kind == 'm'))
            .filter_map(|view| {
                let role = roles.iter().find(|role| role.views.contains(&view.oid))?;
                Some(format!("{} shows {} the rows of every tenant", view.name, role.name))
            })
            .collect();
        let closed: Vec<&str> = table
            .views
            .iter()
            .filter(|view| view.kind == kind && (view.passes || kind == 'm'))
            .map(|view| &*view.name)
            .collect();
        (leaking, closed)
    };
    let line = |check: &'static str, kind: char, ok: &str| {
        let (leaking, closed) = seen(kind);
        if !leaking.is_empty() {
            Line::new(check, Status::Leak, leaking.join(", "))
        } else if !closed.is_empty() {
            Line::new(
                check,
                Status::Weak,
                format!("{} would show every tenant's rows to whoever is granted to read", closed.join(", ")),
            )
        } else {
            Line::new(check, Status::Ok, ok)
        }
    };
    vec![
        line("view", 'v', "no view reads it with rights to which policies do not apply"),
        line("materialized_view", 'm', "no materialized view holds its rows"),
    ]
}

fn functions(table: &Table, roles: &[Role]) -> Line {
    let passing: Vec<_> =
        table.functions.iter().filter(|function| function.passes && !function.is_trigger).collect();
    let leaking: Vec<String> = passing
        .iter()
        .filter_map(|function| {
            let role = roles.iter().find(|role| role.functions.contains(&function.oid))?;
            Some(format!(
                "{} names the table, runs with the rights of {} and can be called by {}",
                function.signature, function.owner, role.name
            ))
        })
        .collect();
    if !leaking.is_empty() {
        return Line::new("function", Status::Leak, leaking.join(", "));
    }
    if !passing.is_empty() {
        let names: Vec<&str> = passing.iter().map(|function| &*function.signature).collect();
        return Line::new(
            "function",
            Status::Weak,
            format!("{} would show every tenant's rows to whoever is granted to call", names.join(", ")),
        );
    }
    Line::new("function", Status::Ok, "no function that names it goes past policies")
}

fn publication(table: &Table) -> Line {
    if table.publications.is_empty() {
        return Line::new("publication", Status::Ok, "no publication sends its rows");
    }
    Line::new(
        "publication",
        Status::Weak,
        format!("{} sends the rows of every tenant to whoever subscribes", table.publications.join(", ")),
    )
}

fn not_null(table: &Table, tenant: &str) -> Line {
    match table.column(tenant) {
        None => Line::new("not_null", Status::Leak, format!("it has no column {}", quote_identifier(tenant))),
        Some(column) if column.is_not_null => Line::new("not_null", Status::Ok, "every row has a tenant"),
        Some(_) => Line::new(
            "not_null",
            Status::Weak,
            format!(
                "{} may be NULL: such rows are nobody's, and no foreign key with it is checked",
                quote_identifier(tenant)
            ),
        ),
    }
}
