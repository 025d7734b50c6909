//! The text form of the server's expression trees (`pg_node_tree`), compared as the planner compares trees.
//!
//! The stored text holds what `equal()` ignores: where a token stood in the CREATE statement, and how a cast was
//! written. Two indexes on `lower(a)` can therefore differ in text and be the same index. [`normalize`] drops those
//! fields, so that equal text means equal trees.

use crate::catalog::{ColumnNumber, Oid};

/// Fields that `equal()` does not look at (`equalfuncs.c`: locations, coercion forms, the syntactic column).
const IGNORED_FIELDS: [&str; 10] = [
    ":location",
    ":funcformat",
    ":relabelformat",
    ":resulttype_location",
    ":coerceformat",
    ":convertformat",
    ":coercionformat",
    ":row_format",
    ":varnosyn",
    ":varattnosyn",
];

/// Splits the text as the server's own reader does: braces and parentheses stand alone, a backslash protects.
fn tokens(tree: &str) -> impl Iterator<Item = &str> {
    let mut rest = tree;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let first = rest.chars().next()?;
        if matches!(first, '(' | ')' | '{' | '}') {
            let (token, tail) = rest.split_at(1);
            rest = tail;
            return Some(token);
        }
        let mut escaped = false;
        let end = rest
            .char_indices()
            .find(|&(_, character)| {
                if escaped {
                    escaped = false;
                    return false;
                }
                if character == '\\' {
                    escaped = true;
                    return false;
                }
                character.is_ascii_whitespace() || matches!(character, '(' | ')' | '{' | '}')
            })
            .map_or(rest.len(), |(position, _)| position);
        let (token, tail) = rest.split_at(end);
        rest = tail;
        Some(token)
    })
}

/// The tree without what `equal()` ignores; equal results mean equal trees.
pub fn normalize(tree: &str) -> String {
    let mut normal = String::with_capacity(tree.len());
    let mut stream = tokens(tree);
    while let Some(token) = stream.next() {
        if IGNORED_FIELDS.contains(&token) {
            stream.next();
            continue;
        }
        if !normal.is_empty() {
            normal.push(' ');
        }
        normal.push_str(token);
    }
    normal
}

/// The members of a list of nodes, each in normal form; a single node is a list of one.
pub fn normalized_members(list: &str) -> Vec<Box<str>> {
    let normal = normalize(list);
    let Some(inner) = normal.strip_prefix('(') else {
        return vec![normal.into()];
    };
    let mut members = Vec::new();
    let mut depth = 0_usize;
    let mut member = String::new();
    for token in tokens(inner) {
        if depth == 0 && token == ")" {
            break;
        }
        if matches!(token, "{" | "(") {
            depth += 1;
        }
        if !member.is_empty() {
            member.push(' ');
        }
        member.push_str(token);
        if matches!(token, "}" | ")") {
            depth -= 1;
            if depth == 0 {
                members.push(std::mem::take(&mut member).into());
            }
        }
    }
    members
}

/// The columns that a tree over one table mentions, each once, in order of number.
pub fn columns(tree: &str) -> Vec<ColumnNumber> {
    let mut stream = tokens(tree);
    let mut found = Vec::new();
    while let Some(token) = stream.next() {
        if token == ":varattno"
            && let Some(number) = stream.next().and_then(|value| value.parse().ok())
        {
            found.push(number);
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// The functions that a tree calls, by name, through operators or as aggregates, each once, in order of number.
pub fn functions(tree: &str) -> Vec<Oid> {
    let mut stream = tokens(tree);
    let mut found = Vec::new();
    while let Some(token) = stream.next() {
        if matches!(token, ":funcid" | ":opfuncid" | ":aggfnoid" | ":winfnoid")
            && let Some(function) = stream.next().and_then(|value| value.parse().ok())
            && function != 0
        {
            found.push(function);
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Whether a subquery of a tree reads a table, a function or anything else that has a row.
pub fn reads_tables(tree: &str) -> bool {
    let mut stream = tokens(tree);
    // Called so until 15, and after it.
    std::iter::from_fn(|| stream.find(|token| *token == "{").and_then(|_| stream.next()))
        .any(|node| matches!(node, "RTE" | "RANGETBLENTRY"))
}

/// The functions that a tree calls by name without any argument outside of subqueries: once for each row, though the answer is
/// the same for all. Each once, in order of number.
pub fn bare_calls_outside_subqueries(tree: &str) -> Vec<Oid> {
    outside_subqueries(tree, ":funcid", (":args", "<>"))
}

/// The columns of the table itself that a tree asks for outside of any subquery, each once, in order of number.
pub fn columns_outside_subqueries(tree: &str) -> Vec<ColumnNumber> {
    let mut found = outside_subqueries(tree, ":varattno", (":varlevelsup", "0"));
    found.retain(|&number: &ColumnNumber| number > 0);
    found
}

/// The numbers behind the field `named` of all nodes outside of subqueries whose later field has that value, each once, in
/// order.
fn outside_subqueries<T: std::str::FromStr + Ord>(tree: &str, named: &str, later: (&str, &str)) -> Vec<T> {
    let mut found = Vec::new();
    // Whether each open brace begins a subquery.
    let mut braces: Vec<bool> = Vec::new();
    let mut opened = false;
    let mut number: Option<T> = None;
    let mut stream = tokens(tree);
    while let Some(token) = stream.next() {
        if std::mem::take(&mut opened) {
            braces.push(token == "QUERY");
        }
        match token {
            "{" => opened = true,
            "}" => drop(braces.pop()),
            _ if token == named => number = stream.next().and_then(|value| value.parse().ok()),
            _ if token == later.0 => {
                let is_wanted = stream.next() == Some(later.1) && !braces.contains(&true);
                found.extend(number.take().filter(|_| is_wanted));
            }
            _ => (),
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Whether a tree is nothing but `true`.
pub fn is_true(tree: &str) -> bool {
    let normal = normalize(tree);
    // 16 is boolean.
    normal.starts_with("{ CONST :consttype 16 ")
        && normal.contains(" :constisnull false ")
        && normal.contains(" :constvalue 1 [ 1 ")
}

/// The columns of a predicate that says nothing but `column IS NOT NULL`, joined by AND; `None` for any other.
pub fn not_null_columns(tree: &str) -> Option<Vec<ColumnNumber>> {
    let normal = normalize(tree);
    let stripped =
        normal.strip_prefix("{ BOOLEXPR :boolop and :args (").map_or(normal.as_str(), |arguments| {
            arguments.trim_end().trim_end_matches('}').trim_end().trim_end_matches(')')
        });
    let tests = normalized_members(&format!("({stripped})"));
    let mut found = Vec::with_capacity(tests.len());
    for test in &tests {
        let inner = test.strip_prefix("{ NULLTEST :arg { VAR ")?;
        // IS_NOT_NULL is 1 (primnodes.h).
        if !inner.contains(":nulltesttype 1 ") || inner.matches('{').count() != 0 {
            return None;
        }
        found.extend(columns(test));
    }
    (!found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Read off a live server: lower(a) from two CREATE INDEX statements of different length.
    const LOWER_A: &str = "({FUNCEXPR :funcid 870 :funcresulttype 25 :funcretset false :funcvariadic false :funcformat 0 :funccollid 100 :inputcollid 100 :args ({VAR :varno 1 :varattno 1 :vartype 25 :vartypmod -1 :varcollid 100 :varlevelsup 0 :varnosyn 1 :varattnosyn 1 :location 28}) :location 22})";
    const LOWER_A_LATER: &str = "({FUNCEXPR :funcid 870 :funcresulttype 25 :funcretset false :funcvariadic false :funcformat 0 :funccollid 100 :inputcollid 100 :args ({VAR :varno 1 :varattno 1 :vartype 25 :vartypmod -1 :varcollid 100 :varlevelsup 0 :varnosyn 1 :varattnosyn 1 :location 51}) :location 45})";
    const NOT_NULL: &str = "{NULLTEST :arg {VAR :varno 1 :varattno 2 :vartype 20 :vartypmod -1 :varcollid 0 :varlevelsup 0 :varnosyn 1 :varattnosyn 2 :location 40} :nulltesttype 1 :argisrow false :location 42}";

    #[test]
    fn location_does_not_distinguish() {
        assert_ne!(LOWER_A, LOWER_A_LATER);
        assert_eq!(normalize(LOWER_A), normalize(LOWER_A_LATER));
    }

    #[test]
    fn another_function_does() {
        assert_ne!(normalize(LOWER_A), normalize(&LOWER_A.replace("870", "871")));
    }

    #[test]
    fn an_escaped_name_that_looks_like_a_field_stays() {
        let tree = "{CONST :x a\\ :location\\ 3 :y 1}";
        assert_eq!(normalize(tree), "{ CONST :x a\\ :location\\ 3 :y 1 }");
    }

    #[test]
    fn lists_split_at_the_top_only() {
        let both =
            format!("({} {})", &LOWER_A[1..LOWER_A.len() - 1], &LOWER_A_LATER[1..LOWER_A_LATER.len() - 1]);
        let members = normalized_members(&both);
        assert_eq!(members.len(), 2);
        assert_eq!(members[0], members[1]);
        assert_eq!(normalized_members(NOT_NULL).len(), 1);
    }

    #[test]
    fn columns_are_found_once() {
        assert_eq!(columns(LOWER_A), [1]);
        assert_eq!(columns(&format!("{NOT_NULL}{LOWER_A}{NOT_NULL}")), [1, 2]);
    }

    #[test]
    fn functions_and_own_columns_are_told_from_those_of_subqueries() {
        assert_eq!(functions(LOWER_A), [870]);
        let subquery = format!(
            "{{SUBLINK :subLinkType 4 :subselect {{QUERY :commandType 1 :targetList ({NOT_NULL})}}}}"
        );
        let both = format!("({LOWER_A} {subquery})");
        assert_eq!(columns_outside_subqueries(&both), [1]);
        assert_eq!(columns(&both), [1, 2]);
    }

    #[test]
    fn bare_calls_are_told_from_those_with_arguments_and_in_subqueries() {
        let bare = "{FUNCEXPR :funcid 9 :funcresulttype 23 :args <> :location 1}";
        assert_eq!(bare_calls_outside_subqueries(&format!("({LOWER_A} {bare})")), [9]);
        let wrapped = format!("{{SUBLINK :subselect {{QUERY :targetList ({bare})}}}}");
        assert!(bare_calls_outside_subqueries(&wrapped).is_empty());
    }

    #[test]
    fn what_reads_tables_is_told() {
        assert!(!reads_tables(
            "{SUBLINK :subselect {QUERY :rtable <> :targetList ({FUNCEXPR :funcid 9 :args <>})}}"
        ));
        assert!(reads_tables("{SUBLINK :subselect {QUERY :rtable ({RTE :alias <>})}}"));
        assert!(reads_tables("{SUBLINK :subselect {QUERY :rtable ({RANGETBLENTRY :alias <>})}}"));
    }

    #[test]
    fn true_is_told_from_everything_else() {
        let constant = "{CONST :consttype 16 :consttypmod -1 :constcollid 0 :constlen 1 :constbyval true :constisnull false :location 61 :constvalue 1 [ 1 0 0 0 0 0 0 0 ]}";
        assert!(is_true(constant));
        assert!(!is_true(&constant.replace("[ 1 0", "[ 0 0")));
        assert!(!is_true(NOT_NULL));
    }

    #[test]
    fn only_pure_not_null_predicates_count() {
        assert_eq!(not_null_columns(NOT_NULL), Some(vec![2]));
        assert_eq!(not_null_columns(&NOT_NULL.replace(":nulltesttype 1", ":nulltesttype 0")), None);
        let both = format!(
            "{{BOOLEXPR :boolop and :args ({NOT_NULL} {}) :location 9}}",
            NOT_NULL.replace(":varattno 2", ":varattno 3")
        );
        assert_eq!(not_null_columns(&both), Some(vec![2, 3]));
        let either = both.replace(":boolop and", ":boolop or");
        assert_eq!(not_null_columns(&either), None);
        assert_eq!(not_null_columns(LOWER_A), None);
        let on_expression = NOT_NULL
            .replace("{VAR :varno 1", "{FUNCEXPR :funcid 1 :args ({VAR :varno 1")
            .replace(":location 40}", ":location 40})}");
        assert_eq!(not_null_columns(&on_expression), None);
    }
}
