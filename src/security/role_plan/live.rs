//! Role plans on the running server.

use pgrx::PgSqlErrorCode;
use pgrx::datum::DatumWithOid;

use super::{Asked, Kind, OwnerFacts, SchemaFacts, plan};
use crate::catalog::Snapshot;
use crate::pg::error::raise;
use crate::pg::local_settings::with_pinned_search_path;
use crate::pg::security::roles;
use crate::pg::value::Text;
use crate::pg::{query, run};
use crate::security::rules::words::rights;
use crate::text::quote_identifier;

/// What `dbm.role_plan()` was given.
pub struct Request {
    /// What the role is for.
    pub kind: String,
    /// Its name.
    pub role: String,
    /// The schemas, or all that are the users'.
    pub schemas: Option<Vec<String>>,
    /// Whether it logs in.
    pub logs_in: bool,
    /// For a migrator, the role that owns.
    pub owner: Option<String>,
    /// Whether what is made later is granted too.
    pub later: bool,
}

const SCHEMAS: &str = "SELECT n.nspname::pg_catalog.text, pg_catalog.pg_get_userbyid(n.nspowner)::pg_catalog.text
     FROM pg_catalog.pg_namespace n
     WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'dbm', 'dbm_trail')
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                       WHERE d.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.objid = n.oid AND d.deptype = 'e')
     ORDER BY n.nspname";

/// Who may make something in a schema beside its owner, and whether whoever asks may say what is granted of what those make.
const MAKERS: &str = "SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text END,
            a.grantee <> 0 AND pg_catalog.pg_has_role(a.grantee, 'USAGE')
     FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) a
     WHERE n.nspname = $1 AND a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner
     GROUP BY a.grantee";

/// What the makers of objects in a schema grant of them, with the maker: what stands after `IN SCHEMA`.
const DEFAULT_GRANTS: &str = "SELECT pg_catalog.pg_get_userbyid(d.defaclrole)::pg_catalog.text,
            pg_catalog.format('GRANT %s ON %s TO %s%s', pg_catalog.string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type),
                CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'ROUTINES' ELSE 'TYPES' END,
                CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END,
                CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
     FROM pg_catalog.pg_default_acl d JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace,
          pg_catalog.aclexplode(d.defaclacl) a
     WHERE n.nspname = $1 AND a.grantee <> d.defaclrole
     GROUP BY d.defaclrole, d.defaclobjtype, a.grantee, a.is_grantable ORDER BY 1, 2";

const RELATIONS: &str = "SELECT c.relkind::pg_catalog.text, pg_catalog.format('%I.%I', n.nspname, c.relname),
            pg_catalog.pg_get_userbyid(c.relowner)::pg_catalog.text
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND NOT c.relispartition
       AND c.relpersistence <> 't'
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                       WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
                         AND (d.deptype = 'e' OR (c.relkind = 'S' AND d.deptype = 'i')))
     ORDER BY 2";

/// Makes the plan and returns its number.
pub fn role_plan(request: Request) -> i64 {
    let Some(kind) = Kind::parse(&request.kind) else {
        let kinds: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            &format!("there is no kind of role \"{}\"", request.kind),
            &format!("There are: {}.", kinds.join(", ")),
            "For example: SELECT dbm.role_plan('application', 'shop_app', '{shop}').",
        )
    };
    let snapshot = roles();
    refuse_name(&snapshot, &request.role);
    let schemas = with_pinned_search_path(|| schemas(&snapshot, request.schemas.as_deref(), kind));
    let owner = (kind == Kind::Migrator).then(|| owner(&snapshot, &request, &schemas));
    let mut schemas = schemas;
    if let Some(owner) = owner.as_ref().filter(|owner| owner.exists) {
        for schema in &mut schemas {
            schema.owner_has = with_pinned_search_path(|| held_on_schema(&owner.name, &schema.name));
        }
    }
    let has_dbm = kind == Kind::Monitor;
    let asked = Asked {
        kind,
        role: request.role,
        schemas,
        database: query::rows("SELECT pg_catalog.current_database()::pg_catalog.text", &[], |row| {
            row.get::<Text>(1)
        })
        .into_iter()
        .flatten()
        .next()
        .map(Text::into_string)
        .unwrap_or_default(),
        logs_in: request.logs_in,
        later: request.later,
        owner,
        has_dbm,
        version: snapshot.server.version,
    };
    run::store(&plan(&asked))
}

/// What a role has of USAGE and CREATE on a schema, by whatever way.
fn held_on_schema(role: &str, schema: &str) -> Vec<&'static str> {
    ["USAGE", "CREATE"]
        .into_iter()
        .filter(|&privilege| {
            query::rows(
                "SELECT pg_catalog.has_schema_privilege($1::pg_catalog.name, $2, $3)",
                &[Text::from(role).into(), Text::from(schema).into(), Text::from(privilege).into()],
                |row| row.get::<bool>(1),
            )
            .into_iter()
            .flatten()
            .any(|has| has)
        })
        .collect()
}

fn refuse_name(snapshot: &Snapshot, role: &str) {
    let quoted = quote_identifier(role);
    if snapshot.roles.iter().any(|other| *other.name == *role) {
        raise(
            PgSqlErrorCode::ERRCODE_DUPLICATE_OBJECT,
            &format!("role {quoted} exists already"),
            "What it may do already would stay beside the least that it needs.",
            &format!(
                "Choose another name and have the logins change over. SELECT * FROM dbm.access_review('{role}') shows what it may do."
            ),
        );
    }
    let is_reserved = role.starts_with("pg_") || matches!(role, "public" | "none" | "");
    if is_reserved || role.len() > crate::text::identifier::MAXIMUM_BYTES {
        raise(
            PgSqlErrorCode::ERRCODE_RESERVED_NAME,
            &format!("role name \"{role}\" cannot be used"),
            "Names are 1 to 63 bytes long; those that begin with pg_, public and none are the server's own.",
            "",
        );
    }
}

fn schemas(snapshot: &Snapshot, wanted: Option<&[String]>, kind: Kind) -> Vec<SchemaFacts> {
    if kind == Kind::Monitor {
        return Vec::new();
    }
    let all = query::rows(SCHEMAS, &[], |row| Ok((text(row.get(1)?), text(row.get(2)?))));
    if let Some(missing) =
        wanted.unwrap_or_default().iter().find(|name| !all.iter().any(|(own, _)| own == *name))
    {
        let names: Vec<String> = all.iter().map(|(name, _)| quote_identifier(name)).collect();
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_SCHEMA_NAME,
            &format!("schema \"{missing}\" does not exist, or is not the users' own"),
            &format!("There are: {}.", names.join(", ")),
            "",
        );
    }
    let wanted_ones = all.into_iter().filter(|(name, _)| wanted.is_none_or(|wanted| wanted.contains(name)));
    let found: Vec<SchemaFacts> = wanted_ones.map(|(name, owner)| contents(snapshot, name, owner)).collect();
    if found.is_empty() {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "no schema was given",
            "The role could do nothing.",
            "null means every schema that is the users' own.",
        );
    }
    found
}

/// The role by whose rights somebody makes something as that one: in `pg_database_owner` is the owner of the database.
fn maker(snapshot: &Snapshot, name: String) -> String {
    if name != "pg_database_owner" {
        return name;
    }
    let owner = snapshot.roles.iter().find(|role| role.oid == snapshot.security.database.owner);
    owner.map_or(name, |role| role.name.to_string())
}

fn contents(snapshot: &Snapshot, name: String, owner: String) -> SchemaFacts {
    let argument: DatumWithOid<'_> = Text::from(&*name).into();
    let relations = query::rows(RELATIONS, &[argument], |row| {
        Ok((text(row.get(1)?), text(row.get(2)?), text(row.get(3)?)))
    });
    let makers = query::rows(MAKERS, &[Text::from(&*name).into()], |row| {
        Ok((text(row.get(1)?), row.get::<bool>(2)?.unwrap_or(false)))
    });
    let mut facts = SchemaFacts { name, ..SchemaFacts::default() };
    facts.owners.push(maker(snapshot, owner.clone()));
    facts.owner = owner;
    for (other, is_mine) in makers {
        let others = if is_mine { &mut facts.owners } else { &mut facts.others };
        others.push(maker(snapshot, other));
    }
    for (kind, relation, owner) in relations {
        match &*kind {
            "S" => facts.sequences.push(relation),
            "v" | "m" => facts.views.push(relation),
            _ => facts.tables.push(relation),
        }
        facts.owning.push(owner);
    }
    facts.owning.sort();
    facts.owning.dedup();
    facts.owners.extend(facts.owning.iter().cloned());
    facts.owners.sort();
    facts.owners.dedup();
    facts.others.retain(|other| !facts.owners.contains(other));
    facts.others.sort();
    facts
}

/// The role that owns what a migrator makes: as asked for, the one that owns already and does not log in, or a new one.
fn owner(snapshot: &Snapshot, request: &Request, schemas: &[SchemaFacts]) -> OwnerFacts {
    let existing = |name: &str| snapshot.roles.iter().find(|role| *role.name == *name);
    let name = request.owner.clone().or_else(|| {
        let of_schemas =
            schemas.iter().map(|schema| &schema.owner).filter(|owner| **owner != "pg_database_owner");
        let mut owners: Vec<&String> =
            schemas.iter().flat_map(|schema| &schema.owning).chain(of_schemas).collect();
        owners.sort();
        owners.dedup();
        match owners.as_slice() {
            [one] if existing(one).is_some_and(|role| !role.logs_in && !role.is_superuser) => {
                Some((*one).clone())
            }
            _ => None,
        }
    });
    let name = name.unwrap_or_else(|| {
        crate::text::identifier::unused_name(&[&request.role, "owner"], |name| existing(name).is_some())
    });
    let found = existing(&name);
    if found.is_some_and(|role| role.is_superuser) {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            &format!(
                "role {} is a superuser: a migrator that acts as it could do anything",
                quote_identifier(&name)
            ),
            "",
            "Give another one as owner, or none for a new one.",
        );
    }
    let rights = rights(snapshot);
    let may_change = |other: &str| match (found, existing(other)) {
        (Some(own), Some(other)) => rights.has_rights_of(own.oid, other.oid),
        _ => false,
    };
    let mut facts = OwnerFacts { exists: found.is_some(), name, ..OwnerFacts::default() };
    for schema in schemas {
        let others = schema.owning.iter().filter(|other| !may_change(other));
        facts.not_its_own.extend(others.map(|other| (other.clone(), schema.name.clone())));
        let grants = with_pinned_search_path(|| default_grants(&schema.name));
        let own: Vec<&String> =
            grants.iter().filter(|(maker, _)| *maker == facts.name).map(|(_, grant)| grant).collect();
        let mut missing: Vec<&String> = grants
            .iter()
            .filter(|(maker, grant)| *maker != facts.name && !own.contains(&grant))
            .map(|(_, grant)| grant)
            .collect();
        missing.sort();
        missing.dedup();
        let (name, owner) = (quote_identifier(&schema.name), quote_identifier(&facts.name));
        facts.not_granted.extend(
            missing
                .into_iter()
                .map(|grant| format!("ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {name} {grant}")),
        );
    }
    facts
}

fn default_grants(schema: &str) -> Vec<(String, String)> {
    query::rows(DEFAULT_GRANTS, &[Text::from(schema).into()], |row| {
        Ok((text(row.get(1)?), text(row.get(2)?)))
    })
}

fn text(text: Option<Text>) -> String {
    text.map(Text::into_string).unwrap_or_default()
}
