//! Tenancy planned on the running server.

use pgrx::PgSqlErrorCode;

use crate::catalog::Oid;
use crate::change::words::without_modifier;
use crate::pg::error::raise;
use crate::pg::surroundings::surroundings as table;
use crate::pg::{roles, run, search_path, tenancy};
use crate::security::tenancy::facts::Table;
use crate::security::tenancy::plan::{Accept, Given, Kind, Refused, Source, Wish, plan, refusal, targets};
use crate::text::{quote_identifier, quote_literal};

/// A call of `dbm.tenancy_plan()`.
pub struct Request {
    /// The tables.
    pub targets: Vec<Oid>,
    /// The column.
    pub column: String,
    /// Its type, where it is not there yet.
    pub type_name: Option<String>,
    /// How the tenants of rows are found: a table's name to an expression, or to `{"via": "foreign key"}`.
    pub source: Option<serde_json::Value>,
    /// The table of tenants.
    pub tenants: Option<Oid>,
    /// What is accepted.
    pub accept: Vec<String>,
}

fn refuse(refused: &Refused) -> ! {
    let code = match refused.kind {
        Kind::Unsupported => PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        Kind::Privilege => PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        Kind::Missing => PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
        Kind::Invalid => PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        Kind::Prerequisite => PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
    };
    raise(code, &refused.message, &refused.detail, &refused.hint)
}

fn invalid(message: &str, hint: &str) -> ! {
    refuse(&Refused::new(Kind::Invalid, message, hint))
}

/// Plans it and returns the number of the plan.
pub fn tenancy(request: &Request) -> i64 {
    if request.targets.is_empty() {
        invalid("no table is named", "For example: dbm.tenancy_plan(ARRAY['shop.orders']::regclass[])");
    }
    let accept = Accept::parse(request.accept.iter().map(String::as_str)).unwrap_or_else(|why| refuse(&why));
    let mut tables: Vec<Table> = Vec::new();
    for &target in &request.targets {
        if tables.iter().all(|table| table.oid != target) {
            tables.push(table(target, &request.column));
        }
    }
    let given = given(request);
    if let Some((oid, _)) = given.iter().find(|(oid, _)| tables.iter().all(|table| table.oid != *oid)) {
        invalid(
            &format!(
                "source names {}, which is not among the tables",
                table(*oid, &request.column).qualified()
            ),
            "",
        );
    }
    let tenants = request.tenants.map(|oid| tenants(oid, &request.column));
    let type_name = type_name(request, &tables, tenants.as_ref().map(|(_, _, type_name)| &**type_name));
    if let Some((name, key, of_key)) = &tenants
        && without_modifier(of_key) != without_modifier(&type_name)
    {
        refuse(&Refused::new(
            Kind::Prerequisite,
            format!(
                "{} of {name} is of type {of_key}, and the tenant of type {type_name}",
                quote_identifier(key)
            ),
            "A foreign key needs one type.",
        ));
    }
    let find = |oid: Oid| given.iter().find(|(table, _)| *table == oid).map(|(_, given)| given.clone());
    let asked = asked(request, &tables, tenants.as_ref().map(|(name, _, _)| &**name));
    let targets = targets(tables, &request.column, find).unwrap_or_else(|why| refuse(&why));
    let wish = Wish {
        targets,
        column: request.column.clone(),
        equality: tenancy::equality_of(&type_name),
        type_name,
        tenants: tenants.map(|(name, key, _)| (name, key)),
        accept,
        asked,
        search_path: search_path::of_caller(),
    };
    if let Some(why) = refusal(&wish) {
        refuse(&why);
    }
    for target in &wish.targets {
        if let Source::Expression(expression) = &target.source {
            check(&wish, &target.table, expression);
        }
    }
    let caller = [roles::current()];
    if wish.targets.iter().any(|target| target.source != Source::There) {
        run::refuse_without("procedure", "backfill", &caller);
    }
    run::refuse_without("function", "tenant_leak_test", &caller);
    run::store(&plan(&wish))
}

/// Whether the expression is one over the columns of the table, of the type of the tenant.
fn check(wish: &Wish, table: &Table, expression: &str) {
    let name = quote_identifier(&table.name);
    let sql = format!(
        "SELECT (({expression})::{})::text FROM {} AS {name} LIMIT 0",
        wish.type_name,
        table.qualified()
    );
    if let Err(refusal) = tenancy::tried_by_caller(&sql) {
        refuse(
            &Refused::new(
                Kind::Invalid,
                format!("the source of {} cannot be used: {}", table.qualified(), refusal.message),
                "It is an expression over the columns of the row; names of functions and types outside pg_catalog are qualified.",
            )
            .detail(expression.to_owned()),
        );
    }
}

fn given(request: &Request) -> Vec<(Oid, Given)> {
    let Some(source) = &request.source else { return Vec::new() };
    let serde_json::Value::Object(entries) = source else {
        invalid(
            "source is not an object",
            "For example: '{\"shop.orders\": \"account_id\", \"shop.lines\": {\"via\": \"lines_order_id_fkey\"}}'",
        );
    };
    entries
        .iter()
        .map(|(name, value)| {
            let Some(oid) = tenancy::relation_named(name) else {
                refuse(&Refused::new(
                    Kind::Missing,
                    format!("relation \"{name}\" of source does not exist"),
                    "",
                ))
            };
            let given = match value {
                serde_json::Value::String(expression) => Given::Expression(expression.clone()),
                serde_json::Value::Object(fields) => match fields.get("via").and_then(|name| name.as_str()) {
                    Some(name) => Given::Via(name.to_owned()),
                    None => invalid(&format!("the source of {name} has no \"via\""), ""),
                },
                _ => invalid(
                    &format!(
                        "the source of {name} is neither an expression nor {{\"via\": \"foreign key\"}}"
                    ),
                    "",
                ),
            };
            (oid, given)
        })
        .collect()
}

/// The table of tenants: its name, its key and the type of that.
fn tenants(oid: Oid, column: &str) -> (String, String, String) {
    let table = table(oid, column);
    let name = table.qualified();
    let key = table
        .indexes
        .iter()
        .find(|index| index.constraint_kind == Some('p'))
        .and_then(|index| index.columns.as_deref())
        .and_then(|columns| if let [only] = columns { table.column(only) } else { None });
    match key {
        Some(key) => (name, key.name.clone(), key.type_name.clone()),
        None => refuse(&Refused::new(
            Kind::Prerequisite,
            format!("{name} has no primary key of one column to which a tenant could point"),
            "",
        )),
    }
}

fn type_name(request: &Request, tables: &[Table], of_tenants: Option<&str>) -> String {
    if let Some(name) = &request.type_name {
        return tenancy::type_named(name).unwrap_or_else(|| {
            refuse(&Refused::new(Kind::Missing, format!("type \"{name}\" does not exist"), ""))
        });
    }
    let there = tables.iter().find_map(|table| table.column(&request.column));
    match there.map(|column| &*column.type_name).or(of_tenants) {
        Some(name) => name.to_owned(),
        None => invalid(
            &format!("of which type {} is to be is not known", quote_identifier(&request.column)),
            "For example: tenant_type => 'bigint', or tenants => 'shop.tenants'.",
        ),
    }
}

/// The call as it was made, whole: whoever repeats it gets the same plan.
fn asked(request: &Request, tables: &[Table], tenants: Option<&str>) -> String {
    let table = |oid: &Oid| tables.iter().find(|table| table.oid == *oid);
    let names: Vec<String> =
        request.targets.iter().filter_map(table).map(|table| quote_literal(&table.qualified())).collect();
    let accept: Vec<String> = request.accept.iter().map(|word| quote_literal(word)).collect();
    let mut arguments =
        vec![format!("ARRAY[{}]::regclass[]", names.join(", ")), quote_literal(&request.column)];
    let source = request.source.as_ref().map(ToString::to_string);
    let named =
        [("tenant_type", request.type_name.as_deref()), ("source", source.as_deref()), ("tenants", tenants)];
    for (name, value) in named {
        arguments.extend(value.map(|value| format!("{name} => {}", quote_literal(value))));
    }
    if !accept.is_empty() {
        arguments.push(format!("accept => ARRAY[{}]", accept.join(", ")));
    }
    format!("dbm.tenancy_plan({})", arguments.join(", "))
}
