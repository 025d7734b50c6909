//! What a text is about, as far as its words tell: whether it has a plan, and whose tables it reads.

use crate::syntax::tokens::{Kind, Token, tokens};

/// What a text is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Somebody's tables, or functions that may read them.
    Data,
    /// The system's catalogs and statistics only.
    Catalogs,
    /// This extension.
    Ourselves,
    /// No query: it has no plan.
    Utility,
}

/// What the text is about.
pub fn subject_of(text: &str) -> Subject {
    let all: Vec<Token<'_>> = tokens(text).into_iter().filter(|token| token.kind != Kind::Comment).collect();
    let first = all.iter().find(|token| !token.is_sign("("));
    let is_query = first.is_some_and(|token| {
        token.is_any(&["select", "with", "insert", "update", "delete", "merge", "values", "table"])
    });
    if !is_query {
        return Subject::Utility;
    }
    let is_ours = |pair: &[Token<'_>]| pair[0].name() == "dbm" && is_name(&pair[0]) && pair[1].is_sign(".");
    if all.windows(2).any(is_ours) {
        return Subject::Ourselves;
    }
    let relations = relations(&all);
    let is_system_relation = |relation: &RelationName| {
        is_system(relation.schema.as_ref().unwrap_or(&relation.name)) || is_system(&relation.name)
    };
    let is_system_call =
        |pair: &[Token<'_>]| pair[1].is_sign("(") && is_name(&pair[0]) && is_system(&pair[0].name());
    let is_about_system = if relations.is_empty() {
        all.windows(2).any(is_system_call)
    } else {
        relations.iter().all(is_system_relation)
    };
    if is_about_system { Subject::Catalogs } else { Subject::Data }
}

/// A relation as a text names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RelationName {
    /// Its schema, where it is qualified.
    pub schema: Option<String>,
    /// Its name.
    pub name: String,
}

/// The relations that a text names, each once, without those that it makes itself by WITH.
pub fn relations_of(text: &str) -> Vec<RelationName> {
    let all: Vec<Token<'_>> = tokens(text).into_iter().filter(|token| token.kind != Kind::Comment).collect();
    let mut found = relations(&all);
    found.sort_unstable();
    found.dedup();
    found
}

fn is_name(token: &Token<'_>) -> bool {
    matches!(token.kind, Kind::Word | Kind::Quoted)
}

fn is_system(name: &str) -> bool {
    name.starts_with("pg_") || name == "information_schema"
}

/// Each name that stands where a relation does, without the names that WITH gives.
fn relations(tokens: &[Token<'_>]) -> Vec<RelationName> {
    let mut found = Vec::new();
    let mut lists: Vec<bool> = vec![false];
    for (position, token) in tokens.iter().enumerate() {
        if token.is_sign("(") {
            // FROM (a JOIN b …): the list goes on inside.
            let goes_on = position > 0 && tokens[position - 1].is_any(&["from", "join", "lateral"]);
            lists.push(false);
            if goes_on && let Some(name) = relation_at(tokens, position + 1) {
                found.push(name);
            }
        } else if token.is_sign(")") {
            if lists.len() > 1 {
                lists.pop();
            }
        } else if token.is_any(&["from", "join", "into", "using", "update"]) {
            // extract(x FROM y), substring(x FROM y), IS DISTINCT FROM y
            let is_distinct = position > 0 && tokens[position - 1].is("distinct");
            if !is_distinct && let Some(name) = relation_at(tokens, position + 1) {
                found.push(name);
            }
            if let Some(open) = lists.last_mut() {
                *open = token.is_any(&["from", "using"]) && !is_distinct;
            }
        } else if token
            .is_any(&["where", "group", "order", "having", "limit", "set", "on", "select", "union"])
        {
            if let Some(open) = lists.last_mut() {
                *open = false;
            }
        } else if token.is_sign(",")
            && lists.last() == Some(&true)
            && let Some(name) = relation_at(tokens, position + 1)
        {
            found.push(name);
        }
    }
    let own = with_names(tokens);
    found.retain(|relation| relation.schema.is_some() || !own.contains(&relation.name));
    found
}

/// The name that stands there, unless it is a subquery or one of the words that may come first.
fn relation_at(tokens: &[Token<'_>], mut position: usize) -> Option<RelationName> {
    while tokens.get(position).is_some_and(|token| token.is_any(&["only", "lateral", "table", "rows"])) {
        position += 1;
    }
    let token = tokens.get(position).filter(|token| is_name(token))?;
    if token.is_any(&["select", "values", "with"]) {
        return None;
    }
    let is_qualified = tokens.get(position + 1).is_some_and(|token| token.is_sign("."));
    match tokens.get(position + 2).filter(|name| is_qualified && is_name(name)) {
        Some(name) => Some(RelationName { schema: Some(token.name()), name: name.name() }),
        None => Some(RelationName { schema: None, name: token.name() }),
    }
}

/// The names that WITH gives to its queries.
fn with_names(tokens: &[Token<'_>]) -> Vec<String> {
    let is_opening = |position: usize| {
        tokens.get(position).is_some_and(|token| token.is("as"))
            && tokens[position + 1..].iter().take(3).any(|token| token.is_sign("("))
    };
    (1..tokens.len())
        .filter(|&position| {
            let before = &tokens[position - 1];
            is_name(&tokens[position])
                && (before.is_any(&["with", "recursive"]) || before.is_sign(","))
                && (is_opening(position + 1)
                    || tokens.get(position + 1).is_some_and(|token| token.is_sign("(")))
        })
        .map(|position| tokens[position].name())
        .collect()
}
