//! Statements of SQLite, told apart by their first words.

use crate::migration::lint::Dialect;
use crate::migration::lint::script::{Definition, Kind, Piece, Token, Words, at_commas, is_known, text_of};

/// What an `ALTER TABLE` does.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// ADD COLUMN
    AddColumn(Definition),
    /// DROP COLUMN
    DropColumn(String),
    /// RENAME COLUMN
    RenameColumn(String, String),
    /// RENAME TO
    RenameTable(String),
    /// What only a copy of the table can do, in the words of the file.
    NeedsCopy(String),
    /// What SQLite does not have, and what it has instead.
    Refused(&'static str, &'static str),
    /// What a release of SQLite knows that is younger than most.
    YoungReleases(String),
}

/// A table that a statement creates.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Created {
    /// Its name.
    pub table: String,
    /// Its columns.
    pub columns: Vec<Definition>,
    /// Columns that a key, a constraint or an expression of the table holds.
    pub held: Vec<String>,
    /// Whether it is filled by the same statement.
    pub is_filled: bool,
}

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// `ALTER TABLE`
    Alter(String, Change),
    /// `CREATE TABLE`
    Create(Created),
    /// `CREATE INDEX`: whether it is unique, its name, its table, and the words in its parentheses and condition.
    CreateIndex(bool, String, String, Vec<String>),
    /// `CREATE TRIGGER`
    CreateTrigger,
    /// `DROP TABLE`
    DropTable(String),
    /// `DROP INDEX`
    DropIndex(String),
    /// `INSERT`, with whether it copies from elsewhere, and whether it replaces NULL on the way.
    Insert(String, bool, bool),
    /// `UPDATE`, with whether it has a condition or a limit.
    Update(String, bool),
    /// `DELETE`, likewise.
    Delete(String, bool),
    /// `BEGIN`
    Begin,
    /// `COMMIT`, `END`, `ROLLBACK`
    End,
    /// `PRAGMA`, in lower case, with its value.
    Pragma(String, Option<String>),
    /// `VACUUM`, with whether it writes into another file.
    Vacuum(bool),
    /// `REINDEX`
    Reindex,
    /// What SQLite does not have, and what it has instead.
    NotSupported(String, &'static str),
    /// Nothing that a rule wants to know.
    Harmless,
    /// What nobody understands.
    Unknown,
}

/// Reads one.
pub fn read(piece: &Piece<'_>) -> Statement {
    let words = Words::new(&piece.tokens, Dialect::Sqlite);
    if let Some(command) =
        piece.tokens.first().filter(|token| token.kind == Kind::Sign && token.raw.len() > 1)
    {
        // `.read` runs a file that nobody has seen; the other commands only set the shell up.
        let is_read = [".read", ".import", ".restore"].iter().any(|word| command.raw.starts_with(word));
        return if is_read { Statement::Unknown } else { Statement::Harmless };
    }
    let read =
        of_schema(words).or_else(|| of_rows(words)).or_else(|| of_session(words)).or_else(|| foreign(words));
    match read {
        Some(statement) => statement,
        None if is_known("", &piece.tokens, "", Dialect::Sqlite) => Statement::Harmless,
        None => Statement::Unknown,
    }
}

fn of_schema(mut words: Words<'_>) -> Option<Statement> {
    let all = words;
    if words.eat(&["ALTER", "TABLE"]) {
        let table = words.name()?;
        return change(words).map(|change| Statement::Alter(table, change));
    }
    if words.eat(&["DROP"]) {
        let kind = words.eat_any(&["TABLE", "INDEX", "VIEW", "TRIGGER"])?;
        words.eat(&["IF", "EXISTS"]);
        let name =
            words.name().filter(|_| words.is_done() || words.sees(&[","]) || words.sees(&["CASCADE"]))?;
        if !words.is_done() {
            return Some(Statement::NotSupported(
                "DROP of several tables, or with CASCADE".to_owned(),
                "one DROP each",
            ));
        }
        return Some(match kind {
            "TABLE" => Statement::DropTable(name),
            "INDEX" => Statement::DropIndex(name),
            _ => Statement::Harmless,
        });
    }
    words.eat(&["CREATE"]).then_some(())?;
    words.eat_any(&["TEMP", "TEMPORARY"]);
    if words.eat(&["TABLE"]) {
        return create_table(words, all).map(Statement::Create);
    }
    if words.eat(&["TRIGGER"]) {
        return (words.holds("BEGIN") && words.holds("END")).then_some(Statement::CreateTrigger);
    }
    if words.eat(&["VIRTUAL", "TABLE"]) {
        return words.holds("USING").then_some(Statement::Harmless);
    }
    let is_unique = words.eat(&["UNIQUE"]);
    words.eat(&["INDEX"]).then_some(())?;
    if words.sees(&["CONCURRENTLY"]) {
        return Some(Statement::NotSupported("CREATE INDEX CONCURRENTLY".to_owned(), "CREATE INDEX"));
    }
    words.eat(&["IF", "NOT", "EXISTS"]);
    let name = words.name()?;
    let table = words.eat(&["ON"]).then(|| words.name()).flatten()?;
    if words.eat(&["USING"]) {
        return Some(Statement::NotSupported("USING of an index".to_owned(), "CREATE INDEX without it"));
    }
    words.sees(&["("]).then_some(())?;
    Some(Statement::CreateIndex(is_unique, name, table, names_in(words.rest())))
}

fn create_table(mut words: Words<'_>, all: Words<'_>) -> Option<Created> {
    words.eat(&["IF", "NOT", "EXISTS"]);
    let mut created = Created { table: words.name()?, ..Created::default() };
    if words.eat(&["AS"]) {
        created.is_filled = !words.is_done();
        return created.is_filled.then_some(created);
    }
    let group = words.group()?;
    let mut is_understood = true;
    for part in at_commas(group) {
        let is_constraint = ["CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK"]
            .iter()
            .any(|word| part.first().is_some_and(|first| first.is(word)));
        if is_constraint {
            created.held.extend(names_in(part));
        } else if let Some(definition) = Definition::read(part, Dialect::Sqlite) {
            if definition.is_primary || definition.is_unique {
                created.held.push(definition.name.clone());
            }
            if definition.generated.is_some() {
                created.held.extend(names_in(&part[1..]));
            }
            created.columns.push(definition);
        } else {
            is_understood = false;
        }
    }
    (is_understood || is_known("", all.rest(), "", Dialect::Sqlite)).then_some(created)
}

/// Every word that may be a name.
fn names_in(tokens: &[Token<'_>]) -> Vec<String> {
    tokens.iter().filter(|token| matches!(token.kind, Kind::Word | Kind::Quoted)).map(Token::value).collect()
}

fn change(mut words: Words<'_>) -> Option<Change> {
    let rest = words.rest();
    let shown = || text_of(rest);
    let copies = || Some(Change::NeedsCopy(shown()));
    if at_commas(rest).len() > 1 {
        return Some(Change::Refused("ALTER TABLE with several changes", "one ALTER TABLE each"));
    }
    if words.eat(&["RENAME"]) {
        if words.eat(&["TO"]) {
            return words.word().filter(|_| words.is_done()).map(Change::RenameTable);
        }
        words.eat(&["COLUMN"]);
        let old = words.word()?;
        let new = words.eat(&["TO"]).then(|| words.word()).flatten()?;
        return words.is_done().then_some(Change::RenameColumn(old, new));
    }
    if words.eat(&["ADD"]) {
        if words.sees(&["CONSTRAINT"]) || words.sees(&["CHECK"]) {
            let is_check = words.holds("CHECK");
            return if is_check { Some(Change::YoungReleases(shown())) } else { copies() };
        }
        if ["PRIMARY", "UNIQUE", "FOREIGN", "INDEX", "KEY"].iter().any(|&word| words.sees(&[word])) {
            return copies();
        }
        words.eat(&["COLUMN"]);
        if words.sees(&["IF", "NOT", "EXISTS"]) {
            let instead = "look the column up with PRAGMA table_info first";
            return Some(Change::Refused("ADD COLUMN IF NOT EXISTS", instead));
        }
        return Definition::read(words.rest(), Dialect::Sqlite).map(Change::AddColumn);
    }
    if words.eat(&["DROP"]) {
        if words.sees(&["CONSTRAINT"]) {
            return Some(Change::YoungReleases(shown()));
        }
        if words.sees(&["PRIMARY", "KEY"]) || words.sees(&["FOREIGN", "KEY"]) || words.sees(&["INDEX"]) {
            return copies();
        }
        words.eat(&["COLUMN"]);
        return words.word().filter(|_| words.is_done()).map(Change::DropColumn);
    }
    if words.eat(&["ALTER"]) {
        words.eat(&["COLUMN"]);
        words.word()?;
        let is_young = words.sees(&["SET", "NOT", "NULL"]) || words.sees(&["DROP", "NOT", "NULL"]);
        return if is_young { Some(Change::YoungReleases(shown())) } else { copies() };
    }
    words.eat_any(&["MODIFY", "CHANGE", "SET", "OWNER", "ENGINE", "CONVERT"]).and_then(|_| copies())
}

fn of_rows(mut words: Words<'_>) -> Option<Statement> {
    if words.eat(&["WITH"]) {
        let rest = words.rest();
        let verbs = ["INSERT", "REPLACE", "UPDATE", "DELETE"];
        let mut depth = 0usize;
        let place = rest.iter().position(|token| {
            depth = if token.is_sign('(') {
                depth + 1
            } else {
                depth - usize::from(token.is_sign(')') && depth > 0)
            };
            depth == 0 && verbs.iter().any(|verb| token.is(verb))
        })?;
        return of_rows(Words::new(&rest[place..], Dialect::Sqlite));
    }
    if words.eat_any(&["INSERT", "REPLACE"]).is_some() {
        if words.eat(&["OR"]) {
            words.take();
        }
        words.eat(&["INTO"]).then_some(())?;
        let table = words.name()?;
        let copies = words.holds("SELECT");
        let fills = words.rest().iter().any(|token| token.is("COALESCE") || token.is("IFNULL"));
        return Some(Statement::Insert(table, copies, fills));
    }
    let is_bounded = words.holds("WHERE") || words.holds("LIMIT");
    if words.eat(&["UPDATE"]) {
        if words.eat(&["OR"]) {
            words.take();
        }
        return words.name().filter(|_| words.holds("SET")).map(|table| Statement::Update(table, is_bounded));
    }
    words
        .eat(&["DELETE", "FROM"])
        .then(|| words.name())
        .flatten()
        .map(|table| Statement::Delete(table, is_bounded))
}

fn of_session(mut words: Words<'_>) -> Option<Statement> {
    if words.eat(&["BEGIN"]) {
        return (words.rest().len() <= 2).then_some(Statement::Begin);
    }
    if words.eat_any(&["COMMIT", "END", "ROLLBACK"]).is_some() {
        return Some(if words.holds("TO") { Statement::Harmless } else { Statement::End });
    }
    if words.eat(&["PRAGMA"]) {
        let name = words.name()?;
        let name = name.rsplit('.').next().unwrap_or_default().to_lowercase();
        let value = if words.eat(&["="]) { Some(text_of(words.rest())) } else { words.group().map(text_of) };
        return Some(Statement::Pragma(name, value.map(|value| value.trim_matches('\'').to_lowercase())));
    }
    if words.eat(&["VACUUM"]) {
        return Some(Statement::Vacuum(words.holds("INTO")));
    }
    if words.eat(&["REINDEX"]) {
        return Some(Statement::Reindex);
    }
    let is_harmless = words
        .eat_any(&["SAVEPOINT", "RELEASE", "ATTACH", "DETACH", "ANALYZE", "EXPLAIN", "SELECT", "VALUES"])
        .is_some();
    (is_harmless && (!words.is_done() || words.rest().is_empty())).then_some(Statement::Harmless)
}

/// What other servers have and SQLite has not.
fn foreign(mut words: Words<'_>) -> Option<Statement> {
    let refuse = |what: &str, instead| Some(Statement::NotSupported(what.to_owned(), instead));
    if words.sees(&["TRUNCATE"]) {
        return refuse("TRUNCATE", "DELETE FROM without WHERE");
    }
    if words.sees(&["RENAME", "TABLE"]) {
        return refuse("RENAME TABLE", "ALTER TABLE … RENAME TO");
    }
    if words.sees(&["LOCK"]) {
        return refuse("LOCK TABLE", "BEGIN IMMEDIATE");
    }
    if words.sees(&["GRANT"]) || words.sees(&["REVOKE"]) {
        return refuse("GRANT and REVOKE", "the rights of the file");
    }
    if words.sees(&["COMMENT", "ON"]) {
        return refuse("COMMENT ON", "a comment in the statement that creates it");
    }
    if words.sees(&["SET"]) {
        return refuse("SET", "PRAGMA");
    }
    if words.sees(&["START", "TRANSACTION"]) {
        return refuse("START TRANSACTION", "BEGIN");
    }
    if words.eat_any(&["CREATE", "ALTER", "DROP"]).is_some() {
        if words.eat(&["OR", "REPLACE"]) {
            return refuse("CREATE OR REPLACE", "DROP … IF EXISTS, then CREATE");
        }
        let kind = words.eat_any(&[
            "PROCEDURE",
            "FUNCTION",
            "SEQUENCE",
            "SCHEMA",
            "DATABASE",
            "USER",
            "ROLE",
            "TYPE",
        ])?;
        return refuse(kind, "");
    }
    None
}
