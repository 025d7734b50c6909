//! What the expressions of policies say of tenants.

use sqlparser::ast::{
    BinaryOperator, DataType, Expr, FunctionArguments, ObjectName, Query, SelectItem, SetExpr,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::{Line, Status};
use crate::security::tenancy::facts::{Policy, Table};
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
    if table.policies.iter().any(|policy| confines(policy, tenant)) {
        return line(Status::Ok, "a restrictive policy confines every statement".to_owned());
    }
    if table.policies.is_empty() {
        return line(Status::Weak, "there is no policy: nobody but the owner sees a row".to_owned());
    }
    if let Some(policy) = table.policies.iter().find(|policy| says_more(policy, tenant)) {
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
pub fn constants(table: &Table) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for text in table.policies.iter().flat_map(|policy| [&policy.using, &policy.check]).flatten() {
        let Ok(tokens) = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize() else { continue };
        for token in tokens {
            let (Token::Number(constant, _) | Token::SingleQuotedString(constant)) = token else { continue };
            if !found.contains(&constant) && found.len() < MOST_CONSTANTS {
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

/// Whether a policy confines every statement of everybody to the tenant's rows.
fn confines(policy: &Policy, tenant: &str) -> bool {
    !policy.is_permissive
        && policy.command == '*'
        && policy.is_for_all
        && policy.using.as_ref().is_some_and(|text| stands_on_tenant(text, tenant))
        && policy.check.as_ref().is_none_or(|text| stands_on_tenant(text, tenant))
}

fn says_more(policy: &Policy, tenant: &str) -> bool {
    [&policy.using, &policy.check]
        .into_iter()
        .flatten()
        .any(|text| names_tenant(Some(text)) && !stands_on_tenant(text, tenant))
}

/// Whether an expression, as the server writes it, is true for rows of the tenant alone: it says that the column is the tenant,
/// perhaps AND something else.
fn stands_on_tenant(text: &str, column: &str) -> bool {
    let dialect = PostgreSqlDialect {};
    let Ok(mut parser) = Parser::new(&dialect).try_with_sql(text) else { return false };
    match parser.parse_expr() {
        Ok(expression) => parser.peek_token().token == Token::EOF && is_tenants(&expression, column),
        Err(_) => false,
    }
}

fn is_tenants(expression: &Expr, column: &str) -> bool {
    match expression {
        Expr::Nested(inner) => is_tenants(inner, column),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            is_tenants(left, column) || is_tenants(right, column)
        }
        Expr::BinaryOp { left, op, right } if is_equality(op) => {
            is_column(left, column) && is_current_tenant(right)
                || is_column(right, column) && is_current_tenant(left)
        }
        _ => false,
    }
}

fn is_equality(operator: &BinaryOperator) -> bool {
    match operator {
        BinaryOperator::Eq => true,
        BinaryOperator::PGCustomBinaryOperator(name) => name.last().is_some_and(|name| name == "="),
        _ => false,
    }
}

/// The column, or its text: other casts may make two tenants one.
fn is_column(expression: &Expr, column: &str) -> bool {
    match expression {
        Expr::Nested(inner) => is_column(inner, column),
        Expr::Cast { expr, data_type: DataType::Text, .. } => is_column(expr, column),
        Expr::Identifier(name) => name.value == column,
        Expr::CompoundIdentifier(names) => names.last().is_some_and(|name| name.value == column),
        _ => false,
    }
}

/// The tenant of the transaction, whole, perhaps by a query of nothing else.
fn is_current_tenant(expression: &Expr) -> bool {
    match expression {
        Expr::Nested(inner) => is_current_tenant(inner),
        Expr::Cast { expr, data_type, .. } => is_whole(data_type) && is_current_tenant(expr),
        Expr::Subquery(query) => is_query_of_tenant(query),
        Expr::Function(function) => {
            is_named(&function.name, &["dbm", "current_tenant"])
                && function.over.is_none()
                && function.filter.is_none()
                && matches!(function.args, FunctionArguments::List(_))
        }
        _ => false,
    }
}

fn is_query_of_tenant(query: &Query) -> bool {
    let SetExpr::Select(select) = &*query.body else { return false };
    let is_plain = query.with.is_none() && select.from.is_empty() && select.selection.is_none();
    match &select.projection[..] {
        [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] => {
            is_plain && is_current_tenant(expr)
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

/// Whether a cast to the type leaves the text as it is: a length or one character cut it.
fn is_whole(data_type: &DataType) -> bool {
    let name = data_type.to_string().to_lowercase();
    let is_short = matches!(
        name.trim_matches('"'),
        "char" | "name" | "bit" | "pg_catalog.name" | "pg_catalog.\"char" | "pg_catalog.char"
    );
    !name.contains('(') && !is_short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_confines_to_a_tenant() {
        for text in [
            "(tenant_id = dbm.current_tenant(NULL::bigint))",
            "(tenant_id = (dbm.current_tenant())::bigint)",
            "(dbm.current_tenant(NULL::uuid) = tenant_id)",
            "((tenant_id)::text = ( SELECT dbm.current_tenant() AS current_tenant))",
            "((tenant_id OPERATOR(public.=) (dbm.current_tenant(NULL::text))::public.citext) AND (NOT deleted))",
        ] {
            assert!(stands_on_tenant(text, "tenant_id"), "{text}");
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
        ] {
            assert!(!stands_on_tenant(text, "tenant_id"), "{text}");
        }
    }

    #[test]
    fn what_policies_name() {
        let policy = |using: &str| Policy { using: Some(using.to_owned()), ..Policy::default() };
        let policies = vec![
            policy("((tenant_id = 42) OR (tenant_id = '-7'::integer))"),
            policy("(code = ANY (ARRAY['a''b'::text, 'x'::text])) AND (tenant_id = 42)"),
        ];
        let table = Table { policies, ..Table::default() };
        assert_eq!(constants(&table), ["42", "-7", "a'b", "x"]);
    }
}
