//! ADD COLUMN and ADD CONSTRAINT taken apart at their clauses.

use super::words::{closing, find, outside, qualified_length, span, words};
use crate::syntax::tokens::Token;

/// A constraint as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConstraintText {
    /// Its name; `None` where the server chooses one.
    pub name: Option<String>,
    /// What follows the name.
    pub body: String,
}

/// ADD COLUMN as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnText {
    /// Type, with STORAGE, COMPRESSION and COLLATE.
    pub type_name: String,
    /// The name of the NOT NULL constraint, if one is written.
    pub not_null_name: Option<String>,
    /// NOT NULL.
    pub is_not_null: bool,
    /// DEFAULT: the expression.
    pub default: Option<String>,
    /// GENERATED … AS IDENTITY: `ALWAYS` or `BY DEFAULT`, and the options in parentheses.
    pub identity: Option<(String, String)>,
    /// GENERATED ALWAYS AS: the expression in parentheses.
    pub generated: Option<String>,
    /// CHECK.
    pub checks: Vec<ConstraintText>,
    /// UNIQUE; the body is what stands behind the columns.
    pub unique: Option<ConstraintText>,
    /// PRIMARY KEY; the body is what stands behind the columns.
    pub primary_key: Option<ConstraintText>,
    /// REFERENCES.
    pub references: Option<ConstraintText>,
}

/// Words with which a clause of a column begins.
const BEGINNINGS: [&str; 9] =
    ["CONSTRAINT", "NOT", "NULL", "CHECK", "DEFAULT", "GENERATED", "UNIQUE", "PRIMARY", "REFERENCES"];

/// `ADD [COLUMN] [IF NOT EXISTS] name …`
pub fn column(text: &str) -> Option<ColumnText> {
    let all = words(text);
    let mut place = usize::from(all.first()?.is("ADD"));
    if all.get(place)?.is("COLUMN") {
        place += 1;
    }
    if all.get(place)?.is("IF") && all.get(place + 1)?.is("NOT") {
        place += 3;
    }
    let tokens = all.get(place + 1..)?;
    let starts = beginnings(tokens);
    let mut column = ColumnText {
        type_name: span(text, &tokens[..starts.first().copied().unwrap_or(tokens.len())]).to_owned(),
        ..ColumnText::default()
    };
    let mut name = None;
    for (number, &start) in starts.iter().enumerate() {
        let end = starts.get(number + 1).copied().unwrap_or(tokens.len());
        let clause = &tokens[start..end];
        if clause[0].is("CONSTRAINT") {
            name = clause.get(1).map(Token::name);
            continue;
        }
        take(&mut column, text, clause, name.take());
    }
    Some(column)
}

/// Where the clauses begin.
fn beginnings(tokens: &[Token<'_>]) -> Vec<usize> {
    let is = |place: usize, word: &str| tokens.get(place).is_some_and(|token| token.is(word));
    let mut starts = Vec::new();
    let mut default_begins_at = None;
    for place in outside(tokens, 1) {
        // The first word of a default belongs to it, whatever it is: DEFAULT NULL.
        if !tokens[place].is_any(&BEGINNINGS) || default_begins_at == Some(place) {
            continue;
        }
        // NOT DEFERRABLE, NOT ENFORCED and NULLS NOT DISTINCT belong to the clause before; ON DELETE SET NULL and
        // SET DEFAULT to REFERENCES.
        let belongs_to_former = (is(place, "NOT") && !is(place + 1, "NULL"))
            || (is(place, "NULL") && place > 0 && is(place - 1, "NOT"))
            || (place > 0 && (is(place - 1, "SET") || is(place - 1, "BY")));
        if belongs_to_former {
            continue;
        }
        if is(place, "DEFAULT") {
            default_begins_at = Some(place + 1);
        }
        starts.push(place);
    }
    starts
}

fn take(column: &mut ColumnText, text: &str, clause: &[Token<'_>], name: Option<String>) {
    let first = clause[0];
    let rest = |from: usize| span(text, clause.get(from..).unwrap_or_default()).to_owned();
    if first.is("NOT") {
        column.is_not_null = true;
        column.not_null_name = name;
    } else if first.is("DEFAULT") {
        column.default = Some(rest(1));
    } else if first.is("CHECK") {
        column.checks.push(ConstraintText { name, body: rest(0) });
    } else if first.is("UNIQUE") {
        column.unique = Some(ConstraintText { name, body: rest(1) });
    } else if first.is("PRIMARY") {
        column.primary_key = Some(ConstraintText { name, body: rest(2) });
    } else if first.is("REFERENCES") {
        column.references = Some(ConstraintText { name, body: rest(0) });
    } else if first.is("GENERATED") {
        if let Some(place) = clause.iter().position(|token| token.is("IDENTITY")) {
            let how =
                if clause.get(1).is_some_and(|token| token.is("ALWAYS")) { "ALWAYS" } else { "BY DEFAULT" };
            column.identity = Some((how.to_owned(), rest(place + 1)));
        } else if let Some(open) = clause.iter().position(|token| token.is_sign("(")) {
            column.generated = Some(span(text, &clause[open..=closing(clause, open)]).to_owned());
        }
    }
}

/// `ADD [CONSTRAINT name] …`
pub fn constraint(text: &str) -> Option<ConstraintText> {
    let tokens = words(text);
    let mut place = usize::from(tokens.first()?.is("ADD"));
    let mut name = None;
    if tokens.get(place)?.is("CONSTRAINT") {
        name = Some(tokens.get(place + 1)?.name());
        place += 2;
    }
    Some(ConstraintText { name, body: span(text, tokens.get(place..)?).to_owned() })
}

/// The body without NOT VALID.
pub fn without_not_valid(body: &str) -> String {
    let tokens = words(body);
    match find(&tokens, &["NOT", "VALID"]) {
        Some(place) => {
            let before = span(body, &tokens[..place]);
            let behind = span(body, &tokens[place + 2..]);
            format!("{before} {behind}").trim().to_owned()
        }
        None => body.trim().to_owned(),
    }
}

/// The list in the first parentheses outside others, and what stands before and behind it.
pub fn list(body: &str) -> Option<(&str, &str, &str)> {
    let tokens = words(body);
    let open = tokens.iter().position(|token| token.is_sign("("))?;
    let close = closing(&tokens, open);
    let inner = body.get(tokens[open].end()..tokens[close].start)?.trim();
    Some((span(body, &tokens[..open]), inner, span(body, tokens.get(close + 1..)?)))
}

/// REFERENCES with the name of the table written in full.
pub fn with_referenced(body: &str, qualified: &str) -> String {
    let tokens = words(body);
    let Some(place) = find(&tokens, &["REFERENCES"]) else { return body.to_owned() };
    let behind = place + 1;
    let Some(first) = tokens.get(behind) else { return body.to_owned() };
    let last = tokens[(behind + qualified_length(&tokens, behind) - 1).min(tokens.len() - 1)];
    format!("{}{qualified}{}", &body[..first.start], &body[last.end()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_with_everything() {
        let column = column(
            "ADD COLUMN IF NOT EXISTS c character varying(20) COLLATE \"C\" CONSTRAINT nn NOT NULL DEFAULT NULL::text \
             CONSTRAINT \"Ck\" CHECK (c <> 'NOT NULL') UNIQUE NULLS NOT DISTINCT PRIMARY KEY \
             REFERENCES o.r (x) ON DELETE SET NULL ON UPDATE SET DEFAULT NOT DEFERRABLE",
        )
        .unwrap();
        assert_eq!(column.type_name, "character varying(20) COLLATE \"C\"");
        assert!(column.is_not_null);
        assert_eq!(column.not_null_name.as_deref(), Some("nn"));
        assert_eq!(column.default.as_deref(), Some("NULL::text"));
        assert_eq!(column.checks[0].name.as_deref(), Some("Ck"));
        assert_eq!(column.checks[0].body, "CHECK (c <> 'NOT NULL')");
        assert_eq!(column.unique.unwrap().body, "NULLS NOT DISTINCT");
        assert!(column.primary_key.is_some());
        assert_eq!(
            column.references.unwrap().body,
            "REFERENCES o.r (x) ON DELETE SET NULL ON UPDATE SET DEFAULT NOT DEFERRABLE"
        );
    }

    #[test]
    fn identity_and_generated() {
        let identity = column("ADD c bigint GENERATED BY DEFAULT AS IDENTITY (START 5) NOT NULL").unwrap();
        assert_eq!(identity.identity, Some(("BY DEFAULT".to_owned(), "(START 5)".to_owned())));
        assert!(identity.is_not_null);
        let generated = column("ADD c text GENERATED ALWAYS AS (lower(b)) STORED").unwrap();
        assert_eq!(generated.generated.as_deref(), Some("(lower(b))"));
        assert_eq!(generated.type_name, "text");
    }

    #[test]
    fn constraints() {
        let text = constraint("ADD CONSTRAINT k CHECK (a > 0) NO INHERIT NOT VALID").unwrap();
        assert_eq!(text.name.as_deref(), Some("k"));
        assert_eq!(without_not_valid(&text.body), "CHECK (a > 0) NO INHERIT");
        let text = constraint("ADD FOREIGN KEY (a) REFERENCES \"R\"(b) MATCH FULL").unwrap();
        assert_eq!(text.name, None);
        assert_eq!(
            with_referenced(&text.body, "o.\"R\""),
            "FOREIGN KEY (a) REFERENCES o.\"R\"(b) MATCH FULL"
        );
        assert_eq!(list("UNIQUE (a, b) INCLUDE (c)"), Some(("UNIQUE", "a, b", "INCLUDE (c)")));
    }
}
