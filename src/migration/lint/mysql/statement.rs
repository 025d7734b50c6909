//! Statements of MySQL, told apart by their first words.

use super::action::{Action, Alter, Created, IndexKind, Statement};
use super::alter::{alter_table, read_clause};
use crate::migration::lint::Dialect;
use crate::migration::lint::script::{Definition, Kind, Piece, Token, Words, at_commas, is_known};

/// Reads one.
pub fn read(piece: &Piece<'_>) -> Statement {
    let words = Words::new(&piece.tokens, Dialect::MySql);
    let read =
        of_table(words).or_else(|| of_rows(words)).or_else(|| of_session(words)).or_else(|| other(words));
    match read {
        Some(statement) => statement,
        None if is_known("", &piece.tokens, "", Dialect::MySql) => Statement::Harmless,
        None => Statement::Unknown,
    }
}

fn of_table(mut words: Words<'_>) -> Option<Statement> {
    let all = words;
    if words.eat(&["ALTER"]) {
        words.eat_any(&["ONLINE"]);
        words.eat_any(&["IGNORE"]);
        return words.eat(&["TABLE"]).then(|| alter_table(words)).flatten().map(Statement::Alter);
    }
    if words.eat(&["CREATE"]) {
        words.eat(&["OR", "REPLACE"]);
        let is_temporary = words.eat(&["TEMPORARY"]);
        if words.eat(&["TABLE"]) {
            return create_table(words, all).map(Statement::Create);
        }
        return if is_temporary { None } else { create_index(words) };
    }
    if words.eat(&["RENAME"]) && words.eat_any(&["TABLE", "TABLES"]).is_some() {
        return rename_tables(words);
    }
    if words.eat_any(&["OPTIMIZE"]).is_some() {
        words.eat_any(&["NO_WRITE_TO_BINLOG", "LOCAL"]);
        words.eat_any(&["TABLE", "TABLES"])?;
        let table = words.name()?;
        let actions = vec![Action::Rebuild("OPTIMIZE TABLE")];
        return Some(Statement::Alter(Alter { table, actions, ..Alter::default() }));
    }
    if words.eat(&["TRUNCATE"]) {
        words.eat(&["TABLE"]);
        return words.name().map(Statement::Truncate);
    }
    if words.eat(&["DROP"]) {
        return drop(words);
    }
    None
}

fn create_table(mut words: Words<'_>, all: Words<'_>) -> Option<Created> {
    words.eat(&["IF", "NOT", "EXISTS"]);
    let mut created = Created { table: words.name()?, ..Created::default() };
    let mut is_understood = true;
    if let Some(group) = words.group()
        && !group.first().is_some_and(|first| first.is("LIKE") || first.is("SELECT"))
    {
        for part in at_commas(group) {
            match table_element(part, &mut created) {
                Some(()) => (),
                None => is_understood = false,
            }
        }
    } else if words.is_done() {
        return None;
    }
    created.is_filled = ["SELECT", "TABLE", "VALUES"].iter().any(|word| words.holds(word));
    for (place, token) in words.rest().iter().enumerate() {
        let behind = |from: usize| {
            let value = words.rest().iter().skip(place + from).find(|token| !token.is_sign('='));
            value.map(|token| token.value().to_lowercase())
        };
        if token.is("CHARSET") {
            created.charset = behind(1);
        } else if token.is("CHARACTER") {
            created.charset = behind(2);
        } else if token.is("ROW_FORMAT") {
            created.row_format = behind(1);
        }
    }
    (is_understood || is_known("", all.rest(), "", Dialect::MySql)).then_some(created)
}

/// A column, key or constraint of `CREATE TABLE`.
fn table_element(part: &[Token<'_>], created: &mut Created) -> Option<()> {
    const KEYS: [&str; 8] = ["CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK", "INDEX", "KEY", "LIKE"];
    let first = part.first()?;
    let is_indexed = first.is("FULLTEXT") || first.is("SPATIAL");
    created.has_full_text |= first.is("FULLTEXT");
    if is_indexed || KEYS.iter().any(|key| first.is(key)) {
        return Some(());
    }
    created.columns.push(Definition::read(part, Dialect::MySql)?);
    Some(())
}

fn create_index(mut words: Words<'_>) -> Option<Statement> {
    let kind = match words.eat_any(&["UNIQUE", "FULLTEXT", "SPATIAL"]) {
        Some("UNIQUE") => IndexKind::Unique,
        Some("FULLTEXT") => IndexKind::FullText,
        Some(_) => IndexKind::Spatial,
        None => IndexKind::Plain,
    };
    words.eat(&["INDEX"]).then_some(())?;
    words.eat(&["IF", "NOT", "EXISTS"]);
    let name = words.word()?;
    if words.eat(&["USING"]) {
        words.take();
    }
    let table = words.eat(&["ON"]).then(|| words.name()).flatten()?;
    words.group()?;
    let mut alter = Alter { table, actions: vec![Action::AddIndex(kind, name)], ..Alter::default() };
    read_clauses(&mut words, &mut alter);
    Some(Statement::Alter(alter))
}

/// ALGORITHM and LOCK among options of an index.
fn read_clauses(words: &mut Words<'_>, alter: &mut Alter) {
    while !words.is_done() {
        if !read_clause(words, alter) {
            words.take();
        }
    }
}

fn rename_tables(mut words: Words<'_>) -> Option<Statement> {
    let mut all = Vec::new();
    loop {
        words.eat(&["IF", "EXISTS"]);
        let old = words.name()?;
        let new = words.eat(&["TO"]).then(|| words.name()).flatten()?;
        all.push((old, new));
        if !words.eat(&[","]) {
            return Some(Statement::Rename(all));
        }
    }
}

fn drop(mut words: Words<'_>) -> Option<Statement> {
    if words.eat_any(&["DATABASE", "SCHEMA"]).is_some() {
        words.eat(&["IF", "EXISTS"]);
        return words.name().map(Statement::DropDatabase);
    }
    if words.eat(&["INDEX"]) {
        words.eat(&["IF", "EXISTS"]);
        let name = words.word()?;
        let table = words.eat(&["ON"]).then(|| words.name()).flatten()?;
        let mut alter = Alter { table, actions: vec![Action::DropIndex(name)], ..Alter::default() };
        read_clauses(&mut words, &mut alter);
        return Some(Statement::Alter(alter));
    }
    let is_temporary = words.eat(&["TEMPORARY"]);
    words.eat_any(&["TABLE", "TABLES"])?;
    words.eat(&["IF", "EXISTS"]);
    let mut tables = vec![words.name()?];
    while words.eat(&[","]) {
        tables.push(words.name()?);
    }
    Some(if is_temporary { Statement::Harmless } else { Statement::DropTable(tables) })
}

fn of_rows(mut words: Words<'_>) -> Option<Statement> {
    if words.eat(&["WITH"]) {
        // The statement stands behind the common table expressions.
        let rest = words.rest();
        let place = rest.iter().position(|token| token.is("UPDATE") || token.is("DELETE"))?;
        let is_outside = Words::new(rest, Dialect::MySql).holds(rest[place].raw);
        return is_outside.then(|| of_rows(Words::new(&rest[place..], Dialect::MySql))).flatten();
    }
    if words.eat(&["DELETE"]) {
        while words.eat_any(&["LOW_PRIORITY", "QUICK", "IGNORE"]).is_some() {}
        let is_bounded = words.holds("WHERE") || words.holds("LIMIT") || words.holds("JOIN");
        words.eat(&["FROM"]);
        return words.name().map(|table| Statement::Delete(table, is_bounded));
    }
    if words.eat(&["UPDATE"]) {
        while words.eat_any(&["LOW_PRIORITY", "IGNORE"]).is_some() {}
        let is_bounded = words.holds("WHERE") || words.holds("LIMIT") || words.holds("JOIN");
        return words.name().map(|table| Statement::Update(table, is_bounded));
    }
    if words.eat_any(&["INSERT", "REPLACE"]).is_some() {
        while words.eat_any(&["LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "INTO"]).is_some() {}
        let table = words.name()?;
        let copies = ["SELECT", "TABLE"].iter().any(|word| words.holds(word)) || words.sees(&["(", "SELECT"]);
        return Some(if copies { Statement::Fill(table) } else { Statement::Harmless });
    }
    if words.eat(&["LOAD"]) {
        let place = words.rest().windows(2).position(|pair| pair[0].is("INTO") && pair[1].is("TABLE"))?;
        return Words::new(&words.rest()[place + 2..], Dialect::MySql).name().map(Statement::Fill);
    }
    None
}

fn of_session(mut words: Words<'_>) -> Option<Statement> {
    if words.eat(&["START", "TRANSACTION"]) || (words.eat(&["BEGIN"]) && words.rest().len() <= 1) {
        return Some(Statement::Begin);
    }
    if words.eat_any(&["COMMIT", "ROLLBACK"]).is_some() {
        // Going back to a savepoint ends no transaction.
        return Some(if words.holds("TO") { Statement::Harmless } else { Statement::End });
    }
    if words.eat(&["LOCK"]) && words.eat_any(&["TABLE", "TABLES"]).is_some() {
        let writes = words.holds("WRITE");
        return Some(if writes { Statement::LockTables("LOCK TABLES") } else { Statement::Harmless });
    }
    if words.eat(&["FLUSH"]) {
        let locks = words.holds("LOCK") && words.holds("READ");
        return Some(if locks {
            Statement::LockTables("FLUSH TABLES WITH READ LOCK")
        } else {
            Statement::Harmless
        });
    }
    words.eat(&["SET"]).then_some(())?;
    Some(Statement::Set(at_commas(words.rest()).into_iter().filter_map(assignment).collect()))
}

/// `@@SESSION.lock_wait_timeout := 5` as (`lock_wait_timeout`, `5`).
fn assignment(part: &[Token<'_>]) -> Option<(String, String)> {
    let equals = part.iter().position(|token| token.is_sign('='))?;
    let name = part[..equals].iter().rfind(|token| matches!(token.kind, Kind::Word | Kind::Quoted))?;
    let value: Vec<String> = part[equals + 1..].iter().map(Token::value).collect();
    Some((name.value().trim_start_matches('@').to_lowercase(), value.join(" ")))
}

fn other(mut words: Words<'_>) -> Option<Statement> {
    const HARMLESS: [&str; 22] = [
        "USE",
        "SELECT",
        "SHOW",
        "DESCRIBE",
        "DESC",
        "EXPLAIN",
        "CALL",
        "DO",
        "UNLOCK",
        "ANALYZE",
        "CHECK",
        "CHECKSUM",
        "SAVEPOINT",
        "RELEASE",
        "KILL",
        "PREPARE",
        "EXECUTE",
        "DEALLOCATE",
        "SIGNAL",
        "HANDLER",
        "RESET",
        "BINLOG",
    ];
    const OBJECTS: [&str; 15] = [
        "VIEW",
        "PROCEDURE",
        "FUNCTION",
        "TRIGGER",
        "EVENT",
        "USER",
        "ROLE",
        "DATABASE",
        "SCHEMA",
        "SERVER",
        "TABLESPACE",
        "SEQUENCE",
        "UNDO",
        "LOGFILE",
        "RESOURCE",
    ];
    if words.eat_any(&["GRANT", "REVOKE"]).is_some() || words.eat(&["RENAME", "USER"]) {
        return Some(Statement::OtherDdl);
    }
    if words.eat_any(&["CREATE", "ALTER", "DROP"]).is_some() {
        let head = words.rest().iter().take(12).take_while(|token| !token.is_sign('('));
        let mut names_object = head.clone().filter(|token| OBJECTS.iter().any(|object| token.is(object)));
        let is_table = head.clone().any(|token| token.is("TABLE") || token.is("INDEX"));
        return (names_object.next().is_some() && !is_table).then_some(Statement::OtherDdl);
    }
    words.eat_any(&HARMLESS)?;
    (!words.is_done()).then_some(Statement::Harmless)
}
