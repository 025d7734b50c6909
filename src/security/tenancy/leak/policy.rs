//! What the expressions of policies say of tenants.

use sqlparser::ast::{
    BinaryOperator, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName, Query,
    SelectItem, SetExpr,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::{Line, Status};
use crate::security::tenancy::facts::{Column, Policy, Table};
use crate::syntax::expression::{LONGEST, parsed};
use crate::text::quote_identifier;

/// So many constants of a table's policies are tried as tenants.
const MOST_CONSTANTS: usize = 8;

/// The line of the table's policies as a whole.
pub fn policy(table: &Table, tenant: &str) -> Line {
    let line = |status, detail: String| Line::new("policy", status, detail);
    if !table.has_row_security {
        return line(Status::Leak, "row level security is not enabled".to_owned());
    }
    let of = |policy: &Policy| quote_identifier(&policy.name);
    if let Some(policy) = table.policies.iter().find(|policy| {
        [&policy.using, &policy.check].into_iter().flatten().any(|text| text.contains("current_setting("))
    }) {
        let why = format!("policy {} believes a setting, which anybody can set", of(policy));
        return line(Status::Leak, why);
    }
    if let Some(policy) = table.policies.iter().find(|policy| {
        names_tenant(policy.using.as_ref()) && policy.check.is_some() && !names_tenant(policy.check.as_ref())
    }) {
        let why = format!("policy {} reads rows of the tenant, and lets rows of any be written", of(policy));
        return line(Status::Leak, why);
    }
    let column = table.column(tenant);
    if table.policies.iter().any(|policy| column.is_some_and(|column| confines(policy, column))) {
        return line(Status::Ok, "a restrictive policy confines every statement".to_owned());
    }
    if table.policies.is_empty() {
        return line(Status::Weak, "there is no policy: nobody but the owner sees a row".to_owned());
    }
    if let Some(policy) =
        table.policies.iter().find(|policy| column.is_some_and(|column| says_more(policy, column)))
    {
        let why = format!(
            "policy {} says something else than that a row is the tenant's: what else it lets through is not tried with every tenant and row",
            of(policy)
        );
        return line(Status::Weak, why);
    }
    line(
        Status::Weak,
        "no restrictive policy for all roles and statements stands on dbm.current_tenant(): one more permissive policy would widen access"
            .to_owned(),
    )
}

/// What the expressions of policies name that may be a tenant to whom something else applies.
pub fn constants(table: &Table, may_be: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for text in table.policies.iter().flat_map(|policy| [&policy.using, &policy.check]).flatten() {
        if text.len() > LONGEST {
            continue;
        }
        let Ok(tokens) = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize() else { continue };
        for token in tokens {
            let (Token::Number(constant, _) | Token::SingleQuotedString(constant)) = token else { continue };
            if found.len() < MOST_CONSTANTS && !found.contains(&constant) && may_be(&constant) {
                found.push(constant);
            }
        }
    }
    found
}

/// Whether an expression asks for the tenant of the transaction.
fn names_tenant(expression: Option<&String>) -> bool {
    expression.is_some_and(|text| text.contains("dbm.current_tenant("))
}

/// Whether a policy says nothing but that rows are the tenant's.
pub fn is_of_tenant(policy: &Policy, tenant: &Column) -> bool {
    let says_nothing_else = |text: &String| {
        parsed(text).is_some_and(|expression| is_tenants(&expression, tenant, Conjunction::Whole))
    };
    [&policy.using, &policy.check].into_iter().flatten().all(says_nothing_else)
}

/// Whether a policy confines every statement of everybody to the tenant's rows.
fn confines(policy: &Policy, tenant: &Column) -> bool {
    !policy.is_permissive
        && policy.command == '*'
        && policy.is_for_all
        && policy.using.as_ref().is_some_and(|text| stands_on_tenant(text, tenant))
        && policy.check.as_ref().is_none_or(|text| stands_on_tenant(text, tenant))
}

fn says_more(policy: &Policy, tenant: &Column) -> bool {
    [&policy.using, &policy.check]
        .into_iter()
        .flatten()
        .any(|text| names_tenant(Some(text)) && !stands_on_tenant(text, tenant))
}

/// Whether an expression, as the server writes it, is true for rows of the tenant alone: it says that the column is the tenant,
/// perhaps AND something else.
fn stands_on_tenant(text: &str, column: &Column) -> bool {
    parsed(text).is_some_and(|expression| is_tenants(&expression, column, Conjunction::Part))
}

/// How much of `A AND B` has to say that rows are the tenant's.
#[derive(Clone, Copy)]
enum Conjunction {
    Part,
    Whole,
}

fn is_tenants(expression: &Expr, column: &Column, of: Conjunction) -> bool {
    match expression {
        Expr::Nested(inner) => is_tenants(inner, column, of),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            let (left, right) = (is_tenants(left, column, of), is_tenants(right, column, of));
            match of {
                Conjunction::Part => left || right,
                Conjunction::Whole => left && right,
            }
        }
        Expr::BinaryOp { left, op, right } if is_equality(op, column) => {
            is_column(left, column) && is_current_tenant(right, column)
                || is_column(right, column) && is_current_tenant(left, column)
        }
        _ => false,
    }
}

/// The server's own, or that of the column's type.
fn is_equality(operator: &BinaryOperator, column: &Column) -> bool {
    match operator {
        BinaryOperator::Eq => true,
        BinaryOperator::PGCustomBinaryOperator(name) => {
            let written = format!("OPERATOR({})", name.join("."));
            written == "OPERATOR(pg_catalog.=)" || column.equality.as_ref() == Some(&written)
        }
        _ => false,
    }
}

/// The column, or what the server makes of it before it compares: its text, or a value of the type under its domain. Other casts
/// may make two tenants one.
fn is_column(expression: &Expr, column: &Column) -> bool {
    match expression {
        Expr::Nested(inner) => is_column(inner, column),
        Expr::Cast { expr, data_type, .. } => {
            (matches!(data_type, DataType::Text) || is_base(data_type, column)) && is_column(expr, column)
        }
        Expr::Identifier(name) => name.value == column.name,
        Expr::CompoundIdentifier(names) => names.last().is_some_and(|name| name.value == column.name),
        _ => false,
    }
}

/// Whether that is the type of the column's values, whatever domain they are of, without a length.
fn is_base(data_type: &DataType, column: &Column) -> bool {
    let written = match &*column.base {
        "int2" => "smallint",
        "int4" => "integer",
        "int8" => "bigint",
        "varchar" => "character varying",
        "bpchar" => "bpchar",
        "cidr" => "inet",
        other => other,
    };
    let name = data_type.to_string().to_lowercase();
    name.rsplit('.').next() == Some(written)
}

/// The tenant of the transaction, whole, perhaps by a query of nothing else.
fn is_current_tenant(expression: &Expr, column: &Column) -> bool {
    match expression {
        Expr::Nested(inner) => is_current_tenant(inner, column),
        Expr::Cast { expr, data_type, .. } => is_whole(data_type, column) && is_current_tenant(expr, column),
        Expr::Subquery(query) => is_query_of_tenant(query, column),
        Expr::Function(function) => {
            is_named(&function.name, &["dbm", "current_tenant"])
                && function.over.is_none()
                && function.filter.is_none()
                && matches!(&function.args, FunctionArguments::List(list) if list.args.iter().all(|argument| is_type(argument, column)))
        }
        _ => false,
    }
}

/// What tells the function of which type the tenant is to be.
fn is_type(argument: &FunctionArg, column: &Column) -> bool {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Cast { data_type, .. })) => {
            is_whole(data_type, column)
        }
        _ => false,
    }
}

fn is_query_of_tenant(query: &Query, column: &Column) -> bool {
    let SetExpr::Select(select) = &*query.body else { return false };
    let is_plain = query.with.is_none() && select.from.is_empty() && select.selection.is_none();
    match &select.projection[..] {
        [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] => {
            is_plain && is_current_tenant(expr, column)
        }
        _ => false,
    }
}

fn is_named(name: &ObjectName, parts: &[&str]) -> bool {
    name.0.len() == parts.len()
        && name
            .0
            .iter()
            .zip(parts)
            .all(|(own, part)| own.as_ident().is_some_and(|identifier| identifier.value == **part))
}

/// Whether a cast to the type leaves the tenant whole: it is the column's own, or one that has no length and is no domain.
fn is_whole(data_type: &DataType, column: &Column) -> bool {
    if data_type.to_string() == column.type_name || is_base(data_type, column) {
        return true;
    }
    matches!(
        data_type,
        DataType::Text
            | DataType::Varchar(None)
            | DataType::CharacterVarying(None)
            | DataType::SmallInt(None)
            | DataType::Integer(None)
            | DataType::BigInt(None)
            | DataType::Uuid
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(type_name: &str, base: &str) -> Column {
        Column {
            name: "tenant_id".to_owned(),
            type_name: type_name.to_owned(),
            base: base.to_owned(),
            equality: Some("OPERATOR(public.=)".to_owned()),
            ..Column::default()
        }
    }

    #[test]
    fn what_confines_to_a_tenant() {
        for (type_name, base, text) in [
            ("bigint", "int8", "(tenant_id = dbm.current_tenant(NULL::bigint))"),
            ("bigint", "int8", "(tenant_id = (dbm.current_tenant())::bigint)"),
            ("uuid", "uuid", "(dbm.current_tenant(NULL::uuid) = tenant_id)"),
            ("bigint", "int8", "((tenant_id)::text = ( SELECT dbm.current_tenant() AS current_tenant))"),
            ("shop.tid", "int8", "((tenant_id)::bigint = (dbm.current_tenant(NULL::shop.tid))::bigint)"),
            ("character varying(9)", "varchar", "((tenant_id)::text = dbm.current_tenant(NULL::text))"),
            (
                "public.citext",
                "citext",
                "((tenant_id OPERATOR(public.=) (dbm.current_tenant(NULL::text))::public.citext) AND (NOT deleted))",
            ),
        ] {
            assert!(stands_on_tenant(text, &column(type_name, base)), "{text}");
        }
    }

    #[test]
    fn what_lets_others_through() {
        for text in [
            "((tenant_id = dbm.current_tenant(NULL::bigint)) OR (tenant_id = 42))",
            "((tenant_id = dbm.current_tenant(NULL::bigint)) OR shared)",
            "((dbm.current_tenant() = '1'::text) OR (tenant_id = dbm.current_tenant(NULL::bigint)))",
            "(NOT (tenant_id = dbm.current_tenant(NULL::bigint)))",
            "(tenant_id <> dbm.current_tenant(NULL::bigint))",
            "(owner_id = dbm.current_tenant(NULL::bigint))",
            "(tenant_id = (dbm.current_tenant())::character varying(1))",
            "(tenant_id = (dbm.current_tenant())::\"char\")",
            "((tenant_id)::character varying(1) = dbm.current_tenant())",
            "(tenant_id = COALESCE(dbm.current_tenant(NULL::bigint), tenant_id))",
            "(tenant_id = ( SELECT dbm.current_tenant(NULL::bigint) AS current_tenant FROM shop.t))",
            "(tenant_id = shop.current_tenant(NULL::bigint))",
            "CASE WHEN (tenant_id = dbm.current_tenant(NULL::bigint)) THEN true ELSE shared END",
            "(tenant_id = dbm.current_tenant(NULL::bigint",
            "(tenant_id = (dbm.current_tenant(NULL::\"char\"))::bigint)",
            "(tenant_id = (dbm.current_tenant())::shop.code)",
            "(tenant_id OPERATOR(shop.=) dbm.current_tenant(NULL::bigint))",
        ] {
            assert!(!stands_on_tenant(text, &column("bigint", "int8")), "{text}");
        }
        let long = format!("(tenant_id = dbm.current_tenant(NULL::bigint)){}", " AND true".repeat(100_000));
        assert!(!stands_on_tenant(&long, &column("bigint", "int8")), "nobody walks a tree that deep");
    }

    #[test]
    fn what_policies_name() {
        let policy = |using: &str| Policy { using: Some(using.to_owned()), ..Policy::default() };
        let policies = vec![
            policy("((tenant_id = 42) OR (tenant_id = '-7'::integer))"),
            policy("(code = ANY (ARRAY['a''b'::text, 'x'::text])) AND (tenant_id = 42)"),
        ];
        let table = Table { policies, ..Table::default() };
        assert_eq!(constants(&table, |_| true), ["42", "-7", "a'b", "x"]);
        let states: Vec<String> = (0..20).map(|number| format!("'s{number}'")).collect();
        let policies =
            vec![policy(&format!("(state = ANY (ARRAY[{}])) OR (tenant_id = 42)", states.join(", ")))];
        let table = Table { policies, ..Table::default() };
        assert_eq!(
            constants(&table, |text| text.parse::<i64>().is_ok()),
            ["42"],
            "the others are no tenants"
        );
    }

    #[test]
    fn what_says_more_than_the_tenant() {
        let own = "(tenant_id = dbm.current_tenant(NULL::bigint))";
        let says = |using: &str| {
            let policy = Policy { using: Some(using.to_owned()), ..Policy::default() };
            !is_of_tenant(&policy, &column("bigint", "int8"))
        };
        assert!(!says(own) && !says(&format!("({own} AND {own})")));
        for more in ["(NOT hidden)", "(amount > 0)"] {
            assert!(says(&format!("({own} AND {more})")) && says(&format!("({more} AND {own})")), "{more}");
            assert!(stands_on_tenant(&format!("({own} AND {more})"), &column("bigint", "int8")), "{more}");
        }
    }
}
