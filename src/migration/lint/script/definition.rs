//! A column as `CREATE TABLE` and `ALTER TABLE` define it.

use super::grammar::is_known;
use super::token::{Kind, Token};
use super::words::{Words, at_commas};
use crate::migration::lint::Dialect;

/// What an INSERT puts into a column that it does not name.
#[derive(Clone, Debug, PartialEq)]
pub enum DefaultValue {
    /// `DEFAULT NULL`
    Null,
    /// A literal.
    Literal,
    /// The time at which the row is written.
    Now,
    /// Anything else.
    Expression,
}

/// Whether the value of a generated column is written into the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generated {
    /// It is.
    Stored,
    /// It is worked out when it is read.
    Virtual,
}

/// A column's definition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// Its type in lower case and in one of several ways to write it, without what stands in parentheses.
    pub kind: String,
    /// What stands in parentheses behind the type: lengths, or the members of an ENUM.
    pub arguments: Vec<String>,
    /// UNSIGNED
    pub is_unsigned: bool,
    /// CHARACTER SET, in lower case.
    pub charset: Option<String>,
    /// COLLATE, in lower case.
    pub collation: Option<String>,
    /// NOT NULL
    pub is_not_null: bool,
    /// DEFAULT
    pub default: Option<DefaultValue>,
    /// AUTO_INCREMENT
    pub is_auto_increment: bool,
    /// GENERATED ALWAYS AS
    pub generated: Option<Generated>,
    /// The table that an inline REFERENCES names.
    pub references: Option<String>,
    /// Whether it carries a CHECK, and one that is enforced.
    pub has_enforced_check: bool,
    /// PRIMARY KEY
    pub is_primary: bool,
    /// UNIQUE
    pub is_unique: bool,
    /// FIRST or AFTER
    pub is_placed: bool,
}

impl Definition {
    /// Reads one; `None` where neither we nor the parser understand it.
    pub fn read(tokens: &[Token<'_>], dialect: Dialect) -> Option<Self> {
        let mut reader = Reader {
            words: Words::new(tokens, dialect),
            dialect,
            definition: Self::default(),
            is_understood: true,
            end: tokens.len(),
            all: tokens.len(),
        };
        reader.definition.name = reader.words.word()?;
        reader.read_type()?;
        while !reader.words.is_done() {
            reader.read_option();
        }
        let (definition, end) = (reader.definition, reader.end);
        let is_sql = reader.is_understood || is_known("CREATE TABLE t (", &tokens[..end], ")", dialect);
        is_sql.then_some(definition)
    }

    /// Its type as a person writes it.
    pub fn type_name(&self) -> String {
        let mut name = self.kind.clone();
        if !self.arguments.is_empty() {
            name = format!("{name}({})", self.arguments.join(","));
        }
        if self.is_unsigned {
            name.push_str(" unsigned");
        }
        name
    }
}

struct Reader<'a> {
    words: Words<'a>,
    dialect: Dialect,
    definition: Definition,
    is_understood: bool,
    /// Where the part ends that `CREATE TABLE` takes too.
    end: usize,
    all: usize,
}

/// Words that end the name of a type.
const OPTIONS: &[&str] = &[
    "NOT",
    "NULL",
    "DEFAULT",
    "AUTO_INCREMENT",
    "AUTOINCREMENT",
    "UNIQUE",
    "PRIMARY",
    "KEY",
    "COMMENT",
    "COLLATE",
    "COLUMN_FORMAT",
    "STORAGE",
    "GENERATED",
    "AS",
    "CHECK",
    "CONSTRAINT",
    "REFERENCES",
    "ON",
    "VISIBLE",
    "INVISIBLE",
    "UNSIGNED",
    "SIGNED",
    "ZEROFILL",
    "CHARACTER",
    "CHARSET",
    "SRID",
    "FIRST",
    "AFTER",
    "ASCII",
    "UNICODE",
];

impl Reader<'_> {
    fn read_type(&mut self) -> Option<()> {
        let mut names = Vec::new();
        while let Some(token) = self.words.peek() {
            let is_first_of_mysql = names.is_empty() && self.dialect == Dialect::MySql;
            let is_option = OPTIONS.iter().any(|option| token.is(option));
            let is_character = token.is("CHARACTER") && is_first_of_mysql;
            if !matches!(token.kind, Kind::Word | Kind::Quoted) || (is_option && !is_character) {
                break;
            }
            names.push(token.value().to_lowercase());
            self.words.take();
        }
        if names.is_empty() && self.dialect == Dialect::MySql {
            return None;
        }
        // `BINARY` behind another type names a collation.
        if names.len() > 1 && names.last().is_some_and(|last| last == "binary") {
            names.pop();
        }
        let kind = names.join(" ");
        self.definition.kind = canonical(&kind).to_owned();
        if let Some(group) = self.words.group() {
            self.definition.arguments = at_commas(group).iter().map(|part| argument(part)).collect();
        }
        if is_integer(&self.definition.kind) {
            // A display width changes nothing.
            self.definition.arguments.clear();
        }
        if kind == "serial" && self.dialect == Dialect::MySql {
            (self.definition.is_unsigned, self.definition.is_not_null) = (true, true);
            (self.definition.is_auto_increment, self.definition.is_unique) = (true, true);
        }
        Some(())
    }

    fn read_option(&mut self) {
        let words = &mut self.words;
        let definition = &mut self.definition;
        if words.eat(&["NOT", "NULL"]) {
            definition.is_not_null = true;
        } else if words.eat(&["NULL"]) {
            definition.is_not_null = false;
        } else if words.eat(&["DEFAULT"]) {
            definition.default = read_default(words, self.dialect);
        } else if words.eat_any(&["AUTO_INCREMENT", "AUTOINCREMENT"]).is_some() {
            definition.is_auto_increment = true;
        } else if words.eat(&["UNIQUE"]) {
            definition.is_unique = true;
            words.eat(&["KEY"]);
        } else if words.eat(&["PRIMARY", "KEY"]) || words.eat(&["KEY"]) {
            (definition.is_primary, definition.is_not_null) = (true, true);
            words.eat_any(&["ASC", "DESC"]);
        } else if words.eat(&["COLLATE"]) {
            definition.collation = words.word().map(|name| name.to_lowercase());
        } else if words.eat(&["CHARACTER", "SET"]) || words.eat(&["CHARSET"]) {
            definition.charset = words.word().map(|name| name.to_lowercase());
        } else if words.eat(&["UNSIGNED"]) {
            definition.is_unsigned = true;
        } else if words.eat(&["GENERATED", "ALWAYS", "AS"]) || words.eat(&["AS"]) {
            words.group();
            let is_stored = words.eat_any(&["STORED", "PERSISTENT"]).is_some();
            words.eat(&["VIRTUAL"]);
            definition.generated = Some(if is_stored { Generated::Stored } else { Generated::Virtual });
        } else if words.eat(&["CONSTRAINT"]) {
            words.word();
        } else if words.eat(&["CHECK"]) {
            words.group();
            definition.has_enforced_check |= !words.eat(&["NOT", "ENFORCED"]);
            words.eat(&["ENFORCED"]);
        } else if words.eat(&["REFERENCES"]) {
            definition.references = words.name();
            read_reference(words);
        } else if words.sees(&["FIRST"]) || words.sees(&["AFTER"]) {
            self.end = self.end.min(self.all - words.rest().len());
            if words.take().is_some_and(|token| token.is("AFTER")) {
                words.word();
            }
            definition.is_placed = true;
        } else if !read_harmless(words, self.dialect) {
            self.is_understood = false;
            words.take();
        }
    }
}

/// What is read and changes nothing that a rule asks for.
fn read_harmless(words: &mut Words<'_>, dialect: Dialect) -> bool {
    if words.eat_any(&["SIGNED", "ZEROFILL", "VISIBLE", "INVISIBLE", "ASCII", "UNICODE", "BINARY"]).is_some()
    {
        return true;
    }
    if words.eat_any(&["COMMENT", "COLUMN_FORMAT", "STORAGE", "SRID"]).is_some()
        || words.eat(&["ON", "CONFLICT"])
    {
        return words.take().is_some();
    }
    words.eat(&["ON", "UPDATE"]) && read_default(words, dialect).is_some()
}

/// What follows the table of a REFERENCES clause.
pub fn read_reference(words: &mut Words<'_>) {
    words.group();
    loop {
        if words.eat(&["MATCH"]) {
            words.take();
        } else if words.eat(&["ON", "DELETE"]) || words.eat(&["ON", "UPDATE"]) {
            // CASCADE, RESTRICT, SET NULL, NO ACTION …
            words.eat_any(&["SET", "NO"]);
            words.take();
        } else if !(words.eat(&["NOT", "DEFERRABLE"])
            || words.eat(&["DEFERRABLE"])
            || words.eat(&["INITIALLY", "DEFERRED"])
            || words.eat(&["INITIALLY", "IMMEDIATE"]))
        {
            break;
        }
    }
}

/// The value behind DEFAULT.
fn read_default(words: &mut Words<'_>, dialect: Dialect) -> Option<DefaultValue> {
    const NOW: [&str; 7] = [
        "CURRENT_TIMESTAMP",
        "CURRENT_DATE",
        "CURRENT_TIME",
        "NOW",
        "LOCALTIME",
        "LOCALTIMESTAMP",
        "UTC_TIMESTAMP",
    ];
    if let Some(group) = words.group() {
        // To MySQL even `(3)` is an expression, to SQLite it is a constant.
        let is_constant = dialect == Dialect::Sqlite
            && matches!(group, [.., last] if matches!(last.kind, Kind::Number | Kind::Text) && group.len() <= 2);
        return Some(if is_constant { DefaultValue::Literal } else { DefaultValue::Expression });
    }
    if words.eat_any(&NOW).is_some() {
        words.group();
        return Some(DefaultValue::Now);
    }
    if words.eat(&["NULL"]) {
        return Some(DefaultValue::Null);
    }
    while words.eat_any(&["+", "-"]).is_some() {}
    let token = words.take()?;
    if token.kind == Kind::Word && words.group().is_some() {
        return Some(DefaultValue::Expression);
    }
    // `b'0'`, `X'1f'`, `_utf8mb4'text'`
    if token.kind == Kind::Word && words.peek().is_some_and(|next| next.kind == Kind::Text) {
        words.take();
    }
    Some(DefaultValue::Literal)
}

fn argument(part: &[Token<'_>]) -> String {
    part.iter().map(Token::value).collect::<Vec<String>>().join(" ")
}

/// One of several ways to write the same type.
fn canonical(kind: &str) -> &str {
    match kind {
        "integer" | "int4" => "int",
        "bool" | "boolean" | "int1" => "tinyint",
        "int2" => "smallint",
        "int3" | "middleint" => "mediumint",
        "int8" | "serial" => "bigint",
        "dec" | "numeric" | "fixed" => "decimal",
        "character" => "char",
        "character varying" | "char varying" | "varcharacter" => "varchar",
        "double precision" | "real" | "float8" => "double",
        other => other,
    }
}

fn is_integer(kind: &str) -> bool {
    matches!(kind, "tinyint" | "smallint" | "mediumint" | "int" | "bigint")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::lint::script::statements;

    fn read_in(text: &str, dialect: Dialect) -> Option<Definition> {
        Definition::read(&statements(text, dialect)[0].tokens, dialect)
    }

    fn read(text: &str) -> Definition {
        read_in(text, Dialect::MySql).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn types_are_read_in_every_way_to_write_them() {
        for (text, kind) in [
            ("a int(11) unsigned zerofill", "int unsigned"),
            ("a INTEGER", "int"),
            ("a character varying(20) character set latin1", "varchar(20)"),
            ("a CHARACTER(3)", "char(3)"),
            ("a double precision", "double"),
            ("a numeric(10, 2)", "decimal(10,2)"),
            ("a enum('x','y''z')", "enum(x,y'z)"),
            ("a varchar(10) binary", "varchar(10)"),
            ("a serial", "bigint unsigned"),
        ] {
            assert_eq!(read(text).type_name(), kind, "{text}");
        }
        assert_eq!(read_in("a", Dialect::Sqlite).unwrap().kind, "");
        assert!(read_in("a", Dialect::MySql).is_none());
    }

    #[test]
    fn options_are_read() {
        let all = read(
            "id bigint not null auto_increment primary key comment 'x' check (id > 0) references u (id) on delete set null \
             on update cascade after b",
        );
        assert!(
            all.is_not_null
                && all.is_auto_increment
                && all.is_primary
                && all.has_enforced_check
                && all.is_placed
        );
        assert_eq!(all.references.as_deref(), Some("u"));
        assert!(!read("a int check (a > 0) not enforced").has_enforced_check);
        assert_eq!(read("a int as (b + 1) stored").generated, Some(Generated::Stored));
        assert_eq!(read("a int generated always as (b) not null").generated, Some(Generated::Virtual));
        assert_eq!(read("a char(1) charset LATIN1 collate latin1_bin").charset.as_deref(), Some("latin1"));
    }

    #[test]
    fn defaults_are_told_apart() {
        for (text, default) in [
            ("a int default -1", DefaultValue::Literal),
            ("a bit(1) default b'0' not null", DefaultValue::Literal),
            ("a int default null", DefaultValue::Null),
            ("a int default (3)", DefaultValue::Expression),
            ("a char(36) default uuid()", DefaultValue::Expression),
            ("a datetime(6) default current_timestamp(6) on update now(6)", DefaultValue::Now),
        ] {
            assert_eq!(read(text).default, Some(default), "{text}");
        }
    }

    #[test]
    fn what_is_no_definition_is_refused() {
        for text in ["a int NOT NUL", "a int frobnicate 7", "1 int"] {
            assert!(read_in(text, Dialect::MySql).is_none(), "{text}");
        }
    }
}
