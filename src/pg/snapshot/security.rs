//! What only rules of security ask for: privileges beside the objects' own, languages, policies, what leaves the server.

use std::ffi::CStr;

use pgrx::pg_sys;
use rustc_hash::{FxHashMap, FxHashSet};

use super::dependents;
use crate::catalog::security::{
    CalledFunction, DefaultAcl, Language, ObjectKind, Password, PolicyExpression, PolicyText, Protected,
    PublishedTable, Security, Subscription, SystemFunction, UserMapping, are_to_be_printed, privilege,
};
use crate::catalog::{ColumnNumber, Grant, Oid, Setting, Snapshot, Volatility};
use crate::pg::definitions::while_locked;
use crate::pg::local_settings::with_pinned_search_path;
use crate::pg::query::rows;
use crate::pg::roles;
use crate::pg::scan::{CatalogScan, in_scratch_memory, text_of_c_string};
use crate::pg::security::hba;
use crate::pg::value::Text;
use crate::syntax::node_tree;

const DEFAULT_ACL: u32 = 826;
const DATABASE: u32 = 1262;
const FOREIGN_SERVER: u32 = 1417;
const USER_MAPPING: u32 = 1418;
const LANGUAGE: u32 = 2612;
const POLICY: u32 = 3256;
const SUBSCRIPTION: u32 = 6100;
const PUBLICATION_RELATION: u32 = 6106;
const PARAMETER_ACL: u32 = 6243;

/// The settings that rules of security look at.
const SETTINGS: [&CStr; 19] = [
    c"allow_system_table_mods",
    c"data_checksums",
    c"debug_print_parse",
    c"event_triggers",
    c"fsync",
    c"full_page_writes",
    c"ignore_checksum_failure",
    c"listen_addresses",
    c"lo_compat_privileges",
    c"log_checkpoints",
    c"log_connections",
    c"log_disconnections",
    c"log_min_error_statement",
    c"log_statement",
    c"password_encryption",
    c"row_security",
    c"ssl",
    c"ssl_min_protocol_version",
    c"zero_damaged_pages",
];

/// Reads all of it into the snapshot, which holds relations, functions and roles already.
pub fn read(snapshot: &mut Snapshot) {
    with_pinned_search_path(|| read_all(snapshot));
}

fn read_all(snapshot: &mut Snapshot) {
    let mut security = Security { settings: settings(), ..Security::default() };
    let steps: [&dyn Fn(&Snapshot, &mut Security); 11] = [
        &|_, security| security.database = database(),
        &|_, security| security.passwords = passwords(),
        &|_, security| security.default_acls = default_acls(),
        &|_, security| security.languages = languages(),
        &read_functions,
        &|_, security| security.parameters = parameters(),
        &|_, security| security.user_mappings = user_mappings(),
        &|_, security| security.subscriptions = subscriptions(),
        &|_, security| read_publications(security),
        &dependents::read,
        &read_policies,
    ];
    for step in steps {
        in_scratch_memory(|| step(snapshot, &mut security));
    }
    security.hba = hba::lines();
    snapshot.security = security;
}

/// Whether the caller may read a catalog that not everybody may.
pub fn may_read(catalog: u32) -> bool {
    // SAFETY: a look-up in the catalogs.
    unsafe {
        pg_sys::pg_class_aclcheck(
            pg_sys::Oid::from(catalog),
            pg_sys::GetUserId(),
            pg_sys::ACL_SELECT as pg_sys::AclMode,
        ) == pg_sys::AclResult::ACLCHECK_OK
    }
}

fn settings() -> FxHashMap<Box<str>, Setting> {
    let mut found = FxHashMap::default();
    // The server raises an ERROR where a role asks for what it may not see.
    let sees_all = roles::is_member(pg_sys::Oid::from(pg_sys::ROLE_PG_READ_ALL_SETTINGS));
    for name in SETTINGS.into_iter().filter(|&name| sees_all || name != c"ssl_min_protocol_version") {
        // What the session has changed for itself says nothing of others.
        // SAFETY: settings that every server has, or null for one that this version lacks.
        let value = unsafe {
            let known = pg_sys::GetConfigOptionByName(name.as_ptr(), std::ptr::null_mut(), true);
            if known.is_null() {
                None
            } else {
                text_of_c_string(pg_sys::GetConfigOptionResetString(name.as_ptr()).cast_mut())
            }
        };
        if let (Some(value), Ok(name)) = (value, name.to_str()) {
            found.insert(name.into(), Setting { value });
        }
    }
    found
}

/// The database with its owner and privileges.
pub fn database() -> Protected {
    let mut scan = CatalogScan::open(DATABASE);
    let oid = scan.attribute(c"oid");
    let name = scan.attribute(c"datname");
    let owner = scan.attribute(c"datdba");
    let acl = scan.attribute(c"datacl");
    // SAFETY: a constant of this backend.
    let here = unsafe { pg_sys::MyDatabaseId.to_u32() };
    while let Some(row) = scan.next_row() {
        if row.oid(oid) == here {
            return Protected {
                oid: here,
                kind: ObjectKind::Database,
                name: crate::text::quote_identifier(&row.name(name)).into(),
                owner: row.oid(owner),
                acl: row.acl(acl),
                ..Protected::default()
            };
        }
    }
    Protected::default()
}

fn passwords() -> Option<FxHashMap<Oid, Password>> {
    let catalog = pg_sys::AuthIdRelationId.to_u32();
    if !may_read(catalog) {
        return None;
    }
    let mut found = FxHashMap::default();
    let mut scan = CatalogScan::open(catalog);
    let (oid, password) = (scan.attribute(c"oid"), scan.attribute(c"rolpassword"));
    while let Some(row) = scan.next_row() {
        if let Some(secret) = row.text(password) {
            found.insert(row.oid(oid), kind_of_password(&secret));
        }
    }
    Some(found)
}

fn kind_of_password(secret: &str) -> Password {
    if secret.len() == 35 && secret.starts_with("md5") {
        return Password::Md5;
    }
    let rounds = secret
        .strip_prefix("SCRAM-SHA-256$")
        .and_then(|rest| rest.split(':').next())
        .and_then(|rounds| rounds.parse().ok());
    rounds.map_or(Password::Other, Password::Scram)
}

fn default_acls() -> Vec<DefaultAcl> {
    let mut found = Vec::new();
    let mut scan = CatalogScan::open(DEFAULT_ACL);
    let role = scan.attribute(c"defaclrole");
    let schema = scan.attribute(c"defaclnamespace");
    let kind = scan.attribute(c"defaclobjtype");
    let acl = scan.attribute(c"defaclacl");
    while let Some(row) = scan.next_row() {
        found.push(DefaultAcl {
            role: row.oid(role),
            schema: row.oid(schema),
            kind: row.char(kind),
            acl: row.acl(acl).unwrap_or_default(),
        });
    }
    found
}

fn languages() -> FxHashMap<Oid, Language> {
    let mut found = FxHashMap::default();
    let mut scan = CatalogScan::open(LANGUAGE);
    let oid = scan.attribute(c"oid");
    let name = scan.attribute(c"lanname");
    let is_trusted = scan.attribute(c"lanpltrusted");
    while let Some(row) = scan.next_row() {
        found.insert(row.oid(oid), Language { name: row.name(name), is_trusted: row.bool(is_trusted) });
    }
    found
}

/// Bodies that were parsed already, the names that the server has taken, and its functions that somebody was granted.
fn read_functions(snapshot: &Snapshot, security: &mut Security) {
    let names: FxHashSet<&str> = snapshot.functions.iter().map(|function| &*function.name).collect();
    let mut scan = CatalogScan::open(pg_sys::ProcedureRelationId.to_u32());
    let oid = scan.attribute(c"oid");
    let name = scan.attribute(c"proname");
    let schema = scan.attribute(c"pronamespace");
    let arguments = scan.attribute(c"proargtypes");
    let body = scan.attribute(c"prosqlbody");
    let acl = scan.attribute(c"proacl");
    let mut granted = Vec::new();
    while let Some(row) = scan.next_row() {
        if row.oid(schema) != pg_sys::PG_CATALOG_NAMESPACE {
            if row.has(body) {
                security.parsed_functions.insert(row.oid(oid));
            }
            continue;
        }
        let own = row.name(name);
        if names.contains(&*own) {
            security.system_names.insert((own.clone(), row.oid_array(arguments).len()));
        }
        if let Some(acl) = row.acl(acl) {
            granted.push((row.oid(oid), own, acl));
        }
    }
    drop(scan);
    security.system_functions = granted
        .into_iter()
        .map(|(oid, name, acl)| SystemFunction {
            signature: system_signature(oid).unwrap_or_default(),
            name,
            acl,
        })
        .collect();
}

/// `schema.name(types)`, quoted; without a schema for the server's own, and `None` for a function that is gone. To be asked
/// with a pinned search_path: otherwise what happens to be in it is not qualified.
pub fn signature(function: Oid) -> Option<Box<str>> {
    // SAFETY: a look-up by OID; null where there is no such function.
    unsafe {
        text_of_c_string(pg_sys::format_procedure_extended(
            pg_sys::Oid::from(function),
            pg_sys::FORMAT_PROC_INVALID_AS_NULL as pg_sys::bits16,
        ))
    }
}

/// The same of one of the server's own, with its schema.
fn system_signature(function: Oid) -> Option<Box<str>> {
    signature(function).map(|signature| format!("pg_catalog.{signature}").into())
}

/// What is granted on settings, but for SET of those that everybody may set anyhow.
fn parameters() -> Vec<(Box<str>, Box<[Grant]>)> {
    let mut found = Vec::new();
    let mut scan = CatalogScan::open(PARAMETER_ACL);
    let (name, acl) = (scan.attribute(c"parname"), scan.attribute(c"paracl"));
    while let Some(row) = scan.next_row() {
        found.push((row.text(name).unwrap_or_default(), row.acl(acl).unwrap_or_default()));
    }
    drop(scan);
    if found.is_empty() {
        return found;
    }
    let open = rows(
        "SELECT pg_catalog.lower(s.name) FROM pg_catalog.pg_settings s WHERE s.context OPERATOR(pg_catalog.=) 'user'",
        &[],
        |row| row.get::<Text>(1),
    );
    let open: Vec<String> = open.into_iter().flatten().map(Text::into_string).collect();
    let nothing = privilege::SET | privilege::SET << 32;
    for (name, acl) in &mut found {
        if open.iter().any(|open| **open == **name) {
            acl.iter_mut().for_each(|grant| grant.privileges &= !nothing);
        }
    }
    found
}

fn user_mappings() -> Option<Vec<UserMapping>> {
    if !may_read(USER_MAPPING) {
        return None;
    }
    let mut servers: FxHashMap<Oid, Box<str>> = FxHashMap::default();
    let mut scan = CatalogScan::open(FOREIGN_SERVER);
    let (oid, name) = (scan.attribute(c"oid"), scan.attribute(c"srvname"));
    while let Some(row) = scan.next_row() {
        servers.insert(row.oid(oid), row.name(name));
    }
    drop(scan);
    let mut found = Vec::new();
    let mut scan = CatalogScan::open(USER_MAPPING);
    let role = scan.attribute(c"umuser");
    let server = scan.attribute(c"umserver");
    let options = scan.attribute(c"umoptions");
    while let Some(row) = scan.next_row() {
        let options = row.text_array(options);
        let is = |option: &str, wanted: &dyn Fn(&str, &str) -> bool| {
            option.split_once('=').is_some_and(|(name, value)| wanted(&name.to_ascii_lowercase(), value))
        };
        found.push(UserMapping {
            server: servers.get(&row.oid(server)).cloned().unwrap_or_default(),
            role: row.oid(role),
            has_password: options
                .iter()
                .any(|option| is(option, &|name, _| name.contains("passw") && name != "password_required")),
            password_not_required: options.iter().any(|option| {
                is(option, &|name, value| {
                    name == "password_required"
                        && matches!(
                            &*value.to_ascii_lowercase(),
                            "false" | "f" | "fa" | "fal" | "fals" | "off" | "of" | "no" | "n" | "0"
                        )
                })
            }),
        });
    }
    Some(found)
}

fn subscriptions() -> Option<Vec<Subscription>> {
    if !may_read(SUBSCRIPTION) {
        return None;
    }
    // SAFETY: a constant of this backend.
    let here = unsafe { pg_sys::MyDatabaseId.to_u32() };
    let mut found = Vec::new();
    let mut scan = CatalogScan::open(SUBSCRIPTION);
    let database = scan.attribute(c"subdbid");
    let name = scan.attribute(c"subname");
    let connection = scan.attribute(c"subconninfo");
    while let Some(row) = scan.next_row() {
        if row.oid(database) == here {
            let connection = row.text(connection).unwrap_or_default();
            found.push(Subscription { name: row.name(name), has_password: holds_password(&connection) });
        }
    }
    Some(found)
}

/// Whether a connection string has a password in it, as `password=…` or as `//user:password@host`.
fn holds_password(connection: &str) -> bool {
    let lower = connection.to_ascii_lowercase();
    let keyed = lower.match_indices("password").any(|(place, word)| {
        let begins = lower[..place].chars().next_back().is_none_or(|before| !before.is_ascii_alphanumeric());
        begins && lower[place + word.len()..].trim_start().starts_with('=')
    });
    let in_uri = lower
        .split_once("://")
        .and_then(|(_, rest)| rest.split(['/', '?']).next())
        .and_then(|authority| authority.rsplit_once('@'))
        .is_some_and(|(user, _)| user.contains(':'));
    keyed || in_uri
}

fn read_publications(security: &mut Security) {
    let mut scan = CatalogScan::open(PUBLICATION_RELATION);
    let publication = scan.attribute(c"prpubid");
    let table = scan.attribute(c"prrelid");
    let filter = scan.attribute(c"prqual");
    let columns = scan.attribute(c"prattrs");
    while let Some(row) = scan.next_row() {
        security.published.push(PublishedTable {
            publication: row.oid(publication),
            table: row.oid(table),
            has_row_filter: row.has(filter),
            columns: row.int2_array(columns),
        });
    }
}

fn read_policies(snapshot: &Snapshot, security: &mut Security) {
    if snapshot.policies.is_empty() {
        return;
    }
    let mut found = Vec::new();
    let mut scan = CatalogScan::open(POLICY);
    let oid = scan.attribute(c"oid");
    let table = scan.attribute(c"polrelid");
    let using = scan.attribute(c"polqual");
    let check = scan.attribute(c"polwithcheck");
    while let Some(row) = scan.next_row() {
        let trees = [row.text(using), row.text(check)];
        let [using, check] = trees.each_ref().map(|tree| tree.as_deref().unwrap_or_default());
        let mut functions = node_tree::functions(using);
        functions.extend(node_tree::functions(check));
        functions.sort_unstable();
        functions.dedup();
        let expression = PolicyExpression {
            using_is_true: node_tree::is_true(using),
            check_is_true: node_tree::is_true(check),
            columns: node_tree::columns_outside_subqueries(using),
            check_columns: checked_columns(check),
            ..PolicyExpression::default()
        };
        let mut bare = node_tree::bare_calls_outside_subqueries(using);
        bare.extend(node_tree::bare_calls_outside_subqueries(check));
        found.push((row.oid(oid), row.oid(table), expression, functions, bare, trees));
    }
    drop(scan);
    let expressions: FxHashMap<Oid, &PolicyExpression> =
        found.iter().map(|(oid, _, expression, ..)| (*oid, expression)).collect();
    let tables: FxHashSet<Oid> = found.iter().map(|(_, table, ..)| *table).collect();
    let printed: FxHashSet<Oid> = tables
        .into_iter()
        .filter(|&table| {
            let policies: Vec<_> = snapshot
                .policies_of(table)
                .iter()
                .filter_map(|policy| Some((policy, *expressions.get(&policy.oid)?)))
                .collect();
            are_to_be_printed(&policies)
        })
        .collect();
    drop(expressions);
    for (oid, table, mut expression, functions, bare, trees) in found {
        // Others are not asked for their text.
        if !bare.is_empty() || printed.contains(&table) {
            expression.text = policy_text(table, &trees);
        }
        expression.functions =
            functions.into_iter().filter_map(|function| called(function, bare.contains(&function))).collect();
        security.policies.insert(oid, expression);
    }
}

/// The columns that WITH CHECK asks for; `None` where there is none, or it asks for the whole row or another table.
fn checked_columns(check: &str) -> Option<Vec<ColumnNumber>> {
    let columns = node_tree::columns(check);
    (!check.is_empty() && !node_tree::reads_tables(check) && columns.iter().all(|&column| column > 0))
        .then_some(columns)
}

/// The expressions of a policy as SQL; `None` where there is no tree, where the table is locked, or where they ask other tables,
/// for whose locks the server would wait.
fn policy_text(table: Oid, trees: &[Option<Box<str>>; 2]) -> Option<PolicyText> {
    if trees.iter().flatten().next().is_none()
        || trees.iter().flatten().any(|tree| node_tree::reads_tables(tree))
    {
        return None;
    }
    while_locked(table, || {
        let print = |tree: &Option<Box<str>>| {
            let tree = std::ffi::CString::new(&**tree.as_ref()?).ok()?;
            let table = pg_sys::Oid::from(table);
            // SAFETY: the server's own text of a tree over the columns of that table, which exists and is locked.
            unsafe {
                let context = pg_sys::deparse_context_for(pg_sys::get_rel_name(table), table);
                let node = pg_sys::stringToNode(tree.as_ptr()).cast();
                text_of_c_string(pg_sys::deparse_expression(node, context, false, false))
            }
        };
        in_scratch_memory(|| Some(PolicyText { using: print(&trees[0]), check: print(&trees[1]) }))
    })
}

fn called(function: Oid, is_bare: bool) -> Option<CalledFunction> {
    let signature = signature(function)?;
    let number = pg_sys::Oid::from(function);
    // SAFETY: the function exists, as its signature says; should it go in between, both raise.
    let (volatility, schema, language) = unsafe {
        (pg_sys::func_volatile(number) as u8, pg_sys::get_func_namespace(number), language_of(number))
    };
    Some(CalledFunction {
        oid: function,
        signature,
        is_system: schema == pg_sys::Oid::from(pg_sys::PG_CATALOG_NAMESPACE),
        volatility: match volatility {
            b'i' => Volatility::Immutable,
            b's' => Volatility::Stable,
            _ => Volatility::Volatile,
        },
        is_bare,
        language,
        array_type: array_type_of(number),
    })
}

/// The type that a function returns, if that is one of arrays. To be asked with a pinned search_path.
fn array_type_of(function: pg_sys::Oid) -> Option<Box<str>> {
    // SAFETY: look-ups by OID; should the function go in between, they raise.
    unsafe {
        let returned = pg_sys::get_func_rettype(function);
        if pg_sys::get_base_element_type(returned) == pg_sys::InvalidOid {
            return None;
        }
        text_of_c_string(pg_sys::format_type_be(returned))
    }
}

/// # Safety
/// To be called in a transaction.
unsafe fn language_of(function: pg_sys::Oid) -> Oid {
    // SAFETY: a syscache look-up, released after it was read.
    unsafe {
        let tuple =
            pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::PROCOID as _, pg_sys::Datum::from(function));
        if tuple.is_null() {
            return 0;
        }
        let language = (*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_proc>()).prolang.to_u32();
        pg_sys::ReleaseSysCache(tuple);
        language
    }
}
