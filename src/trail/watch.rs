//! What is asked of the audit trail of one table, and whether that can be.

use serde_json::{Map, Value, json};

use super::triggers::Level;

/// A column of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its number.
    pub number: i64,
    /// Its name.
    pub name: String,
    /// Whether it is of the key.
    pub is_key: bool,
}

/// A call of `dbm.install_audit_trigger()`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// The columns that alone are logged.
    pub columns: Option<Vec<String>>,
    /// Those that are not.
    pub exclude: Vec<String>,
    /// Those of which a hash is logged.
    pub redact: Vec<String>,
    /// `auto`, `statement` or `row`.
    pub mode: String,
    /// `diff` or `full`.
    pub store: String,
    /// Whether the text of queries is kept.
    pub query: bool,
}

/// Why it cannot be.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// An argument is none of those that there are: its name, what was given, what can be.
    Unknown(&'static str, String, &'static str),
    /// The table has no such column: the argument, the name.
    NoColumn(&'static str, String),
    /// A column of the key must be logged.
    Key(String),
    /// Two arguments say different things of a column.
    Twice(String),
    /// Statements do not see all rows of this table.
    Statement,
}

/// The settings as the log keeps them.
pub fn settings(asked: &Asked, columns: &[Column]) -> Result<Value, Refusal> {
    if !matches!(&*asked.store, "diff" | "full") {
        return Err(Refusal::Unknown("store", asked.store.clone(), "diff, full"));
    }
    let find = |argument: &'static str, name: &String| {
        columns
            .iter()
            .find(|column| column.name == *name)
            .ok_or_else(|| Refusal::NoColumn(argument, name.clone()))
    };
    let list = |argument: &'static str, names: &[String]| -> Result<Vec<Value>, Refusal> {
        let columns = names.iter().map(|name| find(argument, name));
        columns
            .map(|column| column.map(|column| json!({"number": column.number, "name": column.name})))
            .collect()
    };
    let mut settings = Map::new();
    let only = asked.columns.as_deref().map(|names| list("columns", names)).transpose()?;
    settings.insert("only".to_owned(), only.map_or(Value::Null, Value::Array));
    settings.insert("exclude".to_owned(), Value::Array(list("exclude", &asked.exclude)?));
    settings.insert("redact".to_owned(), Value::Array(list("redact", &asked.redact)?));
    settings.insert("query".to_owned(), Value::Bool(asked.query));
    for column in columns.iter().filter(|column| column.is_key) {
        let is_left_out = asked.exclude.contains(&column.name)
            || asked.columns.as_ref().is_some_and(|only| !only.contains(&column.name));
        if is_left_out {
            return Err(Refusal::Key(column.name.clone()));
        }
    }
    let among_the_only = |name: &String| asked.columns.as_ref().is_none_or(|only| only.contains(name));
    if let Some(name) = asked.redact.iter().find(|name| asked.exclude.contains(name) || !among_the_only(name))
    {
        return Err(Refusal::Twice(name.clone()));
    }
    if let Some(name) =
        asked.exclude.iter().find(|name| asked.columns.as_ref().is_some_and(|only| only.contains(name)))
    {
        return Err(Refusal::Twice(name.clone()));
    }
    Ok(Value::Object(settings))
}

/// At which level the triggers are made; `needed`: that at which no row is missed.
pub fn level(mode: &str, needed: Level) -> Result<Level, Refusal> {
    match (mode, needed) {
        ("auto", needed) => Ok(needed),
        ("row", _) => Ok(Level::Row),
        ("statement", Level::Statement) => Ok(Level::Statement),
        ("statement", Level::Row) => Err(Refusal::Statement),
        _ => Err(Refusal::Unknown("mode", mode.to_owned(), "auto, statement, row")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<Column> {
        let column = |number, name: &str, is_key| Column { number, name: name.to_owned(), is_key };
        vec![column(1, "id", true), column(3, "name", false), column(4, "secret", false)]
    }

    fn asked(change: impl FnOnce(&mut Asked)) -> Result<Value, Refusal> {
        let mut asked = Asked { mode: "auto".to_owned(), store: "diff".to_owned(), ..Asked::default() };
        change(&mut asked);
        settings(&asked, &columns())
    }

    #[test]
    fn columns_are_known_by_number_and_name() {
        let settings = asked(|asked| asked.exclude = vec!["secret".to_owned()]).unwrap();
        assert_eq!(
            settings.to_string(),
            r#"{"only":null,"exclude":[{"number":4,"name":"secret"}],"redact":[],"query":false}"#
        );
    }

    #[test]
    fn what_cannot_be() {
        assert_eq!(
            asked(|asked| asked.store = "some".to_owned()),
            Err(Refusal::Unknown("store", "some".to_owned(), "diff, full"))
        );
        assert_eq!(
            asked(|asked| asked.redact = vec!["nme".to_owned()]),
            Err(Refusal::NoColumn("redact", "nme".to_owned()))
        );
        assert_eq!(asked(|asked| asked.exclude = vec!["id".to_owned()]), Err(Refusal::Key("id".to_owned())));
        assert_eq!(
            asked(|asked| asked.columns = Some(vec!["name".to_owned()])),
            Err(Refusal::Key("id".to_owned()))
        );
        let twice = asked(|asked| {
            asked.exclude = vec!["name".to_owned()];
            asked.redact = vec!["name".to_owned()];
        });
        assert_eq!(twice, Err(Refusal::Twice("name".to_owned())));
    }

    #[test]
    fn levels() {
        assert_eq!(level("auto", Level::Row), Ok(Level::Row));
        assert_eq!(level("row", Level::Statement), Ok(Level::Row));
        assert_eq!(level("statement", Level::Row), Err(Refusal::Statement));
        assert!(level("each", Level::Row).is_err());
    }
}
