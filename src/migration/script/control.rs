//! What a statement means for those behind it: transactions, settings, and rows that are written.

use crate::syntax::tokens::{self, Kind, Token};

/// The part of a statement that changes what holds for the next ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Control {
    /// BEGIN.
    Begin,
    /// COMMIT, END, PREPARE TRANSACTION.
    Commit,
    /// ROLLBACK, ABORT; not to a savepoint.
    Rollback,
    /// SET of a timeout, in milliseconds.
    Set {
        /// The setting in lower case.
        name: String,
        /// `None` where nobody can say: DEFAULT, or a variable of psql.
        milliseconds: Option<i64>,
        /// SET LOCAL.
        is_local: bool,
    },
    /// SET of what decides what a statement means: search_path or TimeZone.
    Means {
        /// The setting in lower case.
        name: String,
        /// Its value as the server takes it; `None` for the default.
        value: Option<String>,
    },
    /// Rows are written into a table.
    Writes {
        /// Its name as it is written, in lower case unless quoted.
        table: String,
        /// Whether their number is in the statement itself: INSERT … VALUES.
        is_few: bool,
    },
    /// Nothing.
    #[default]
    Other,
}

/// Reads it off the text.
pub fn of(text: &str) -> Control {
    let tokens: Vec<Token<'_>> =
        tokens::tokens(text).into_iter().filter(|token| token.kind != Kind::Comment).collect();
    let Some((first, rest)) = tokens.split_first() else { return Control::Other };
    let second = rest.first();
    let next_is = |word: &str| second.is_some_and(|token| token.is(word));
    match () {
        () if first.is("begin") || first.is("start") && next_is("transaction") => Control::Begin,
        () if first.is_any(&["commit", "end"]) && !next_is("prepared") => Control::Commit,
        () if first.is("prepare") && next_is("transaction") => Control::Commit,
        () if first.is_any(&["rollback", "abort"]) && !next_is("prepared") => {
            let is_to_savepoint = rest.iter().take(3).any(|token| token.is("to"));
            if is_to_savepoint { Control::Other } else { Control::Rollback }
        }
        () if first.is("set") => set(rest),
        () if first.is("insert") && next_is("into") => {
            Control::Writes { table: name(&rest[1..]), is_few: rest.iter().any(|token| token.is("values")) }
        }
        () if first.is("copy") && rest.iter().any(|token| token.is("from")) => {
            Control::Writes { table: name(rest), is_few: false }
        }
        () if first.is("update") => Control::Writes { table: name(rest), is_few: false },
        () if first.is("delete") && next_is("from") => {
            Control::Writes { table: name(&rest[1..]), is_few: false }
        }
        () => Control::Other,
    }
}

/// The table's name that stands at the beginning of these tokens.
fn name(tokens: &[Token<'_>]) -> String {
    let tokens = match tokens.split_first() {
        Some((only, rest)) if only.is("only") => rest,
        _ => tokens,
    };
    let mut name = String::new();
    for token in tokens {
        let is_part = matches!(token.kind, Kind::Word | Kind::Quoted);
        match (name.is_empty() || name.ends_with('.'), is_part) {
            (true, true) => name.push_str(&token.name()),
            (false, false) if token.is_sign(".") => name.push('.'),
            _ => break,
        }
    }
    name
}

fn set(tokens: &[Token<'_>]) -> Control {
    let is_local = tokens.first().is_some_and(|token| token.is("local"));
    let skipped = usize::from(tokens.first().is_some_and(|token| token.is_any(&["local", "session"])));
    let Some((name, rest)) = tokens.get(skipped..).and_then(<[_]>::split_first) else {
        return Control::Other;
    };
    let name = name.name();
    let is_timeout = matches!(
        &*name,
        "lock_timeout" | "statement_timeout" | "idle_in_transaction_session_timeout" | "transaction_timeout"
    );
    if name == "time" && rest.first().is_some_and(|token| token.is("zone")) {
        return Control::Means { name: "timezone".to_owned(), value: value(&rest[1..]) };
    }
    if matches!(&*name, "search_path" | "timezone") {
        return Control::Means { name, value: value(rest.get(1..).unwrap_or_default()) };
    }
    let Some(value) = rest.get(1).filter(|_| is_timeout) else { return Control::Other };
    Control::Set { name, milliseconds: milliseconds(value.text), is_local }
}

/// A list of names or strings as one value of a setting; `None` for DEFAULT.
fn value(tokens: &[Token<'_>]) -> Option<String> {
    let is_default = tokens.first().is_none_or(|first| first.is_any(&["default", "local"]));
    let item = |token: &Token<'_>| match token.kind {
        Kind::Text => token.text.trim_matches('\'').replace("''", "'"),
        _ => token.text.to_owned(),
    };
    (!is_default).then(|| tokens.iter().map(item).collect())
}

/// A duration as a setting in milliseconds takes it.
fn milliseconds(value: &str) -> Option<i64> {
    let value = value.trim_matches('\'').trim();
    let unit_start = value.find(|character: char| !(character.is_ascii_digit() || character == '.'));
    let (number, unit) = value.split_at(unit_start.unwrap_or(value.len()));
    let factor = match unit.trim() {
        "" | "ms" => 1.0,
        "us" => 0.001,
        "s" => 1e3,
        "min" => 6e4,
        "h" => 3.6e6,
        "d" => 8.64e7,
        _ => return None,
    };
    Some((number.parse::<f64>().ok()? * factor).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeout(text: &str) -> Option<(i64, bool)> {
        match of(text) {
            Control::Set { milliseconds, is_local, .. } => milliseconds.map(|value| (value, is_local)),
            _ => None,
        }
    }

    #[test]
    fn transactions_begin_and_end() {
        for text in ["BEGIN", "begin work", "START TRANSACTION ISOLATION LEVEL SERIALIZABLE", "/* x */ BEGIN"]
        {
            assert_eq!(of(text), Control::Begin, "{text}");
        }
        for text in ["COMMIT", "END", "commit and chain", "PREPARE TRANSACTION 'x'"] {
            assert_eq!(of(text), Control::Commit, "{text}");
        }
        assert_eq!(of("ROLLBACK"), Control::Rollback);
        for text in
            ["ROLLBACK TO SAVEPOINT a", "ROLLBACK WORK TO a", "COMMIT PREPARED 'x'", "SAVEPOINT a", ""]
        {
            assert_eq!(of(text), Control::Other, "{text}");
        }
    }

    #[test]
    fn timeouts_are_read_in_every_unit() {
        assert_eq!(timeout("SET lock_timeout = '2s'"), Some((2000, false)));
        assert_eq!(timeout("SET Lock_Timeout TO 500"), Some((500, false)));
        assert_eq!(timeout("SET LOCAL lock_timeout = '5min'"), Some((300_000, true)));
        assert_eq!(timeout("SET SESSION lock_timeout = 0"), Some((0, false)));
        assert_eq!(timeout("SET lock_timeout = '1.5 s'"), Some((1500, false)));
        assert_eq!(timeout("SET lock_timeout = DEFAULT"), None);
        assert_eq!(of("SET work_mem = 5"), Control::Other);
    }

    #[test]
    fn what_names_and_times_mean_is_kept() {
        let means = |name: &str, value: Option<&str>| Control::Means {
            name: name.to_owned(),
            value: value.map(str::to_owned),
        };
        assert_eq!(of("SET search_path = a, \"B\""), means("search_path", Some("a,\"B\"")));
        assert_eq!(of("SET search_path TO ''"), means("search_path", Some("")));
        assert_eq!(of("SET timezone = 'Asia/Tokyo'"), means("timezone", Some("Asia/Tokyo")));
        assert_eq!(of("SET TIME ZONE 'UTC'"), means("timezone", Some("UTC")));
        assert_eq!(of("SET search_path TO DEFAULT"), means("search_path", None));
    }

    #[test]
    fn writers_name_their_table() {
        let writes = |table: &str, is_few| Control::Writes { table: table.to_owned(), is_few };
        assert_eq!(of("INSERT INTO App.\"T t\" VALUES (1)"), writes("app.T t", true));
        assert_eq!(of("INSERT INTO t (a) SELECT 1"), writes("t", false));
        assert_eq!(of("COPY t (a) FROM stdin"), writes("t", false));
        assert_eq!(of("COPY t TO stdout"), Control::Other);
        assert_eq!(of("UPDATE ONLY t SET a = 1"), writes("t", false));
        assert_eq!(of("DELETE FROM t"), writes("t", false));
    }
}
