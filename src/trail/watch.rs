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

/// A call of `dbm.install_audit_trigger()`. Of columns of which nothing is said holds what was said last: [`continued`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// The columns that alone are logged.
    pub columns: Option<Vec<String>>,
    /// Those that are not.
    pub exclude: Option<Vec<String>>,
    /// Those of which a hash is logged.
    pub redact: Option<Vec<String>>,
    /// `auto`, `statement` or `row`.
    pub mode: String,
    /// `diff` or `full`.
    pub store: String,
    /// Whether the text of queries is kept.
    pub query: bool,
}

impl Asked {
    /// All columns as they were last, and nothing else said.
    pub fn as_before() -> Self {
        Self { mode: "auto".to_owned(), store: "diff".to_owned(), ..Self::default() }
    }
}

/// What was said of columns when the table was watched before, by the names that they have now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Earlier {
    /// The columns that alone were logged.
    pub only: Option<Vec<String>>,
    /// Those that were not.
    pub exclude: Vec<String>,
    /// Those of which a hash was logged.
    pub redact: Vec<String>,
}

impl Earlier {
    /// What both keep back.
    pub fn and(mut self, other: Self) -> Self {
        self.only = match (self.only, other.only) {
            (Some(one), Some(two)) => Some(one.into_iter().filter(|name| two.contains(name)).collect()),
            (one, two) => one.or(two),
        };
        add(&mut self.exclude, other.exclude);
        add(&mut self.redact, other.redact);
        self.redact.retain(|name| !self.exclude.contains(name));
        self
    }

    /// Of the columns that a table has.
    pub fn of(self, columns: &[Column]) -> Self {
        let is_there = |name: &String| columns.iter().any(|column| column.name == *name);
        let there = |names: Vec<String>| names.into_iter().filter(is_there).collect();
        Self { only: self.only.map(there), exclude: there(self.exclude), redact: there(self.redact) }
    }

    /// The columns, of those of the table, that are kept back here, and are logged as they are, or more so, there.
    pub fn lost_in(&self, there: &Self, columns: &[Column]) -> Vec<String> {
        let is_logged = |name: &String| {
            there.only.as_ref().is_none_or(|only| only.contains(name)) && !there.exclude.contains(name)
        };
        let is_left_out = |name: &String| {
            self.exclude.contains(name) || self.only.as_ref().is_some_and(|only| !only.contains(name))
        };
        let names = columns.iter().map(|column| &column.name).filter(|name| is_logged(name));
        let is_lost =
            |name: &&String| is_left_out(name) || self.redact.contains(name) && !there.redact.contains(name);
        names.filter(is_lost).cloned().collect()
    }
}

fn add(names: &mut Vec<String>, others: Vec<String>) {
    for name in others {
        if !names.contains(&name) {
            names.push(name);
        }
    }
}

/// What is asked, where that says nothing of columns with what was said of them before: who watches a table again without
/// saying how does not want that logged which was kept back. And what was taken over, for people.
pub fn continued(asked: &Asked, earlier: &Earlier, columns: &[Column]) -> (Asked, String) {
    let named =
        |list: &Option<Vec<String>>, name: &String| list.as_ref().is_some_and(|list| list.contains(name));
    // An empty list of the columns that alone are logged stands for all of them.
    let all = asked.columns.as_ref().is_some_and(Vec::is_empty);
    let is_key = |name: &String| columns.iter().any(|column| column.is_key && column.name == *name);
    let mut exclude: Vec<String> = asked.exclude.clone().unwrap_or_else(|| {
        let kept = earlier.exclude.iter();
        kept.filter(|name| !named(&asked.columns, name) && !named(&asked.redact, name)).cloned().collect()
    });
    let mut redact: Vec<String> = asked.redact.clone().unwrap_or_else(|| {
        let kept = earlier.redact.iter().filter(|name| !exclude.contains(name));
        kept.filter(|name| asked.columns.is_none() || all || named(&asked.columns, name)).cloned().collect()
    });
    let mut only = asked.columns.clone().filter(|_| !all).or_else(|| {
        if all {
            return None;
        }
        let kept = earlier.only.as_ref()?.iter().filter(|name| !exclude.contains(name));
        let mut only: Vec<String> = kept.cloned().collect();
        add(&mut only, redact.clone());
        Some(only)
    });
    // What has become part of the key since cannot be left out: of that a hash will do.
    if asked.exclude.is_none() {
        add(&mut redact, exclude.iter().filter(|name| is_key(name)).cloned().collect());
        exclude.retain(|name| !is_key(name));
    }
    if let Some(only) = only.as_mut().filter(|_| asked.columns.is_none()) {
        let keys = columns.iter().filter(|column| column.is_key).map(|column| column.name.clone());
        let keys: Vec<String> = keys.filter(|name| !only.contains(name)).collect();
        add(only, keys.clone());
        add(&mut redact, keys);
    }
    let mut told = Vec::new();
    for (argument, is_asked, names) in [
        ("columns", asked.columns.is_some(), only.as_deref().unwrap_or_default()),
        ("exclude", asked.exclude.is_some(), &exclude[..]),
        ("redact", asked.redact.is_some(), &redact[..]),
    ] {
        if !is_asked && !names.is_empty() {
            told.push(format!("{argument} {}", names.join(", ")));
        }
    }
    let told = if told.is_empty() { String::new() } else { format!(", as before with {}", told.join("; ")) };
    (Asked { columns: only, exclude: Some(exclude), redact: Some(redact), ..asked.clone() }, told)
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
    let (exclude, redact) =
        (asked.exclude.as_deref().unwrap_or_default(), asked.redact.as_deref().unwrap_or_default());
    let columns_alone = asked.columns.as_ref();
    let mut settings = Map::new();
    let only = asked.columns.as_deref().map(|names| list("columns", names)).transpose()?;
    settings.insert("only".to_owned(), only.map_or(Value::Null, Value::Array));
    settings.insert("exclude".to_owned(), Value::Array(list("exclude", exclude)?));
    settings.insert("redact".to_owned(), Value::Array(list("redact", redact)?));
    settings.insert("query".to_owned(), Value::Bool(asked.query));
    for column in columns.iter().filter(|column| column.is_key) {
        let is_left_out =
            exclude.contains(&column.name) || columns_alone.is_some_and(|only| !only.contains(&column.name));
        if is_left_out {
            return Err(Refusal::Key(column.name.clone()));
        }
    }
    let among_the_only = |name: &String| columns_alone.is_none_or(|only| only.contains(name));
    if let Some(name) = redact.iter().find(|name| exclude.contains(name) || !among_the_only(name)) {
        return Err(Refusal::Twice(name.clone()));
    }
    if let Some(name) = exclude.iter().find(|name| columns_alone.is_some_and(|only| only.contains(name))) {
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
        let settings = asked(|asked| asked.exclude = Some(vec!["secret".to_owned()])).unwrap();
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
            asked(|asked| asked.redact = Some(vec!["nme".to_owned()])),
            Err(Refusal::NoColumn("redact", "nme".to_owned()))
        );
        assert_eq!(
            asked(|asked| asked.exclude = Some(vec!["id".to_owned()])),
            Err(Refusal::Key("id".to_owned()))
        );
        assert_eq!(
            asked(|asked| asked.columns = Some(vec!["name".to_owned()])),
            Err(Refusal::Key("id".to_owned()))
        );
        let twice = asked(|asked| {
            asked.exclude = Some(vec!["name".to_owned()]);
            asked.redact = Some(vec!["name".to_owned()]);
        });
        assert_eq!(twice, Err(Refusal::Twice("name".to_owned())));
    }

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn what_was_kept_back_stays_so_until_something_is_said_of_it() {
        let earlier = Earlier { only: None, exclude: list(&["secret"]), redact: list(&["name"]) };
        let (asked, told) = continued(&Asked::as_before(), &earlier, &columns());
        assert_eq!(
            (asked.exclude, asked.redact, asked.columns),
            (Some(list(&["secret"])), Some(list(&["name"])), None)
        );
        assert_eq!(told, ", as before with exclude secret; redact name");
        let none = Asked { exclude: Some(Vec::new()), redact: Some(Vec::new()), ..Asked::as_before() };
        let (asked, told) = continued(&none, &earlier, &columns());
        assert_eq!((asked.exclude, asked.redact, told), (Some(Vec::new()), Some(Vec::new()), String::new()));
        let redacted = Asked { redact: Some(list(&["secret"])), ..Asked::as_before() };
        let (asked, _) = continued(&redacted, &earlier, &columns());
        assert_eq!((asked.exclude, asked.redact), (Some(Vec::new()), Some(list(&["secret"]))));
    }

    #[test]
    fn those_that_alone_were_logged_stay_alone() {
        let earlier =
            Earlier { only: Some(list(&["name", "secret"])), exclude: Vec::new(), redact: list(&["secret"]) };
        let (asked, told) = continued(&Asked::as_before(), &earlier, &columns());
        assert_eq!(told, ", as before with columns name, secret, id; redact secret, id");
        assert!(settings(&asked, &columns()).is_ok());
        let less = Asked { exclude: Some(list(&["secret"])), ..Asked::as_before() };
        let (asked, _) = continued(&less, &earlier, &columns());
        assert!(settings(&asked, &columns()).is_ok());
        assert_eq!(asked.columns, Some(list(&["name", "id"])));
        let all = Asked { columns: Some(Vec::new()), ..Asked::as_before() };
        let (asked, told) = continued(&all, &earlier, &columns());
        assert_eq!((asked.columns, told.as_str()), (None, ", as before with redact secret"));
    }

    #[test]
    fn what_became_part_of_the_key_is_redacted() {
        let earlier = Earlier { only: None, exclude: list(&["id"]), redact: Vec::new() };
        let (asked, _) = continued(&Asked::as_before(), &earlier, &columns());
        assert_eq!((asked.exclude, asked.redact), (Some(Vec::new()), Some(list(&["id"]))));
    }

    #[test]
    fn two_together_keep_back_what_either_does() {
        let one = Earlier { only: Some(list(&["a", "b"])), exclude: list(&["c"]), redact: list(&["b"]) };
        let two = Earlier { only: Some(list(&["b", "c"])), exclude: list(&["b"]), redact: list(&["a"]) };
        let both = one.clone().and(two);
        assert_eq!(
            (both.only, both.exclude, both.redact),
            (Some(list(&["b"])), list(&["c", "b"]), list(&["a"]))
        );
        let column = |(place, name): (usize, &&str)| Column {
            number: place as i64 + 1,
            name: (*name).to_owned(),
            is_key: false,
        };
        let columns: Vec<Column> = ["a", "b", "c", "d"].iter().enumerate().map(column).collect();
        assert_eq!(one.lost_in(&Earlier::default(), &columns), list(&["b", "c", "d"]));
        assert_eq!(
            one.lost_in(&Earlier { redact: list(&["b"]), exclude: list(&["c"]), only: None }, &columns),
            list(&["d"])
        );
        assert_eq!(
            one.lost_in(&Earlier { redact: list(&["b"]), exclude: list(&["c", "d"]), only: None }, &columns),
            list(&[])
        );
        assert_eq!(Earlier::default().lost_in(&Earlier::default(), &columns), list(&[]));
    }

    #[test]
    fn levels() {
        assert_eq!(level("auto", Level::Row), Ok(Level::Row));
        assert_eq!(level("row", Level::Statement), Ok(Level::Row));
        assert_eq!(level("statement", Level::Row), Err(Refusal::Statement));
        assert!(level("each", Level::Row).is_err());
    }
}
