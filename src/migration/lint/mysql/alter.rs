//! `ALTER TABLE`, part by part: what the parser does not know is understood where it stands, and hides nothing else.

use super::action::{Action, Algorithm, Alter, IndexKind, Lock};
use crate::migration::lint::Dialect;
use crate::migration::lint::script::{
    Definition, Token, Words, at_commas, is_known, read_reference, text_of,
};

/// Reads what follows `ALTER TABLE`.
pub fn alter_table(mut words: Words<'_>) -> Option<Alter> {
    words.eat(&["IF", "EXISTS"]);
    let table = words.name()?;
    if words.eat_any(&["WAIT", "NOWAIT"]) == Some("WAIT") {
        words.take();
    }
    let mut alter = Alter { table, has_commas: true, ..Alter::default() };
    let parts = at_commas(words.rest());
    let mut takes_more = false;
    for part in parts {
        // `ORDER BY a, b` and `DROP PARTITION p0, p1` have commas of their own.
        if takes_more && is_more(part) {
            continue;
        }
        let before = alter.actions.len();
        read_part(part, &mut alter);
        takes_more = alter.actions[before..].iter().any(|action| {
            matches!(action, Action::OrderBy | Action::Repartition(_) | Action::EmptyPartition(_))
        });
    }
    Some(alter)
}

/// Whether a part goes on with a list that began before it, rather than with an action of its own.
fn is_more(part: &[Token<'_>]) -> bool {
    const ACTIONS: [&str; 16] = [
        "ADD",
        "DROP",
        "MODIFY",
        "CHANGE",
        "RENAME",
        "ALTER",
        "CONVERT",
        "ENGINE",
        "ALGORITHM",
        "LOCK",
        "FORCE",
        "COMMENT",
        "ROW_FORMAT",
        "DEFAULT",
        "CHARACTER",
        "ORDER",
    ];
    !ACTIONS.iter().any(|word| part.first().is_some_and(|first| first.is(word)))
}

/// Reads one part; several table options may stand in it without commas.
fn read_part<'a>(part: &'a [Token<'a>], alter: &mut Alter) {
    if let Some(columns) = several_columns(part) {
        alter.actions.extend(columns);
        return;
    }
    let mut words = Words::new(part, Dialect::MySql);
    while !words.is_done() {
        if read_clause(&mut words, alter) {
            continue;
        }
        let rest = words.rest();
        let action = action(&mut words).filter(|_| words.is_done()).or_else(|| option(rest, &mut words));
        match action {
            Some(action) => alter.actions.push(action),
            None => {
                // What the parser knows is SQL that no rule of ours is about.
                let is_sql = is_known("ALTER TABLE t ", rest, "", Dialect::MySql);
                alter.actions.push(if is_sql { Action::Harmless } else { Action::Unknown(text_of(rest)) });
                words.skip_all();
            }
        }
    }
}

/// ALGORITHM and LOCK.
pub fn read_clause(words: &mut Words<'_>, alter: &mut Alter) -> bool {
    let before = *words;
    if words.eat(&["ALGORITHM"]) {
        words.eat(&["="]);
        match words.eat_any(&["INSTANT", "INPLACE", "NOCOPY", "COPY", "DEFAULT"]) {
            Some("INSTANT") => alter.algorithm = Some(Algorithm::Instant),
            Some("INPLACE" | "NOCOPY") => alter.algorithm = Some(Algorithm::InPlace),
            Some("COPY") => alter.algorithm = Some(Algorithm::Copy),
            Some(_) => (),
            None => *words = before,
        }
    } else if words.eat(&["LOCK"]) {
        words.eat(&["="]);
        match words.eat_any(&["NONE", "SHARED", "EXCLUSIVE", "DEFAULT"]) {
            Some("NONE") => alter.lock = Some(Lock::None),
            Some("SHARED") => alter.lock = Some(Lock::Shared),
            Some("EXCLUSIVE") => alter.lock = Some(Lock::Exclusive),
            Some(_) => (),
            None => *words = before,
        }
    }
    words.rest().len() != before.rest().len()
}

/// An action that takes the whole part.
fn action(words: &mut Words<'_>) -> Option<Action> {
    if words.eat(&["ADD"]) {
        return add(words);
    }
    if words.eat(&["DROP"]) {
        return drop(words);
    }
    if words.eat(&["MODIFY"]) {
        words.eat(&["COLUMN"]);
        words.eat(&["IF", "EXISTS"]);
        let definition = read_definition(words)?;
        return Some(Action::ChangeColumn(definition.name.clone(), definition));
    }
    if words.eat(&["CHANGE"]) {
        words.eat(&["COLUMN"]);
        words.eat(&["IF", "EXISTS"]);
        let old = words.word()?;
        return Some(Action::ChangeColumn(old, read_definition(words)?));
    }
    if words.eat(&["RENAME"]) {
        return rename(words);
    }
    if words.eat(&["ALTER"]) {
        return alter(words);
    }
    if words.eat(&["CONVERT", "TO"]) {
        words.eat_any(&["CHARSET"]);
        words.eat(&["CHARACTER", "SET"]);
        let charset = words.word()?;
        read_collation(words);
        return Some(Action::ConvertCharset(charset));
    }
    if words.eat(&["ORDER", "BY"]) {
        words.skip_all();
        return Some(Action::OrderBy);
    }
    partition(words)
}

fn read_definition(words: &mut Words<'_>) -> Option<Definition> {
    let definition = Definition::read(words.rest(), Dialect::MySql)?;
    words.skip_all();
    Some(definition)
}

fn read_collation(words: &mut Words<'_>) {
    if words.eat(&["COLLATE"]) {
        words.eat(&["="]);
        words.word();
    }
}

fn add(words: &mut Words<'_>) -> Option<Action> {
    if words.eat(&["PARTITION"]) {
        // HASH and KEY partitions share the rows out anew.
        let is_hash = words.sees(&["PARTITIONS"]);
        words.skip_all();
        return Some(if is_hash {
            Action::Repartition("ADD PARTITION PARTITIONS")
        } else {
            Action::Harmless
        });
    }
    let mut name = None;
    if words.eat(&["CONSTRAINT"])
        && !["PRIMARY", "UNIQUE", "FOREIGN", "CHECK"].iter().any(|&word| words.sees(&[word]))
    {
        name = words.word();
    }
    if words.eat(&["PRIMARY", "KEY"]) {
        words.skip_all();
        return Some(Action::AddPrimaryKey);
    }
    if words.eat(&["FOREIGN", "KEY"]) {
        words.eat(&["IF", "NOT", "EXISTS"]);
        if !words.sees(&["("]) {
            words.word();
        }
        words.group()?;
        let table = words.eat(&["REFERENCES"]).then(|| words.name()).flatten()?;
        read_reference(words);
        return Some(Action::AddForeignKey(table));
    }
    if words.eat(&["CHECK"]) {
        words.group()?;
        let is_enforced = !words.eat(&["NOT", "ENFORCED"]);
        words.eat(&["ENFORCED"]);
        return Some(Action::AddCheck(is_enforced));
    }
    let kind = match words.eat_any(&["UNIQUE", "FULLTEXT", "SPATIAL", "INDEX", "KEY"]) {
        Some("UNIQUE") => Some(IndexKind::Unique),
        Some("FULLTEXT") => Some(IndexKind::FullText),
        Some("SPATIAL") => Some(IndexKind::Spatial),
        Some(_) => Some(IndexKind::Plain),
        None => None,
    };
    if let Some(kind) = kind {
        words.eat_any(&["INDEX", "KEY"]);
        words.eat(&["IF", "NOT", "EXISTS"]);
        if !words.sees(&["("]) && !words.sees(&["USING"]) {
            name = words.word().or(name);
        }
        let columns = words.holds_group().then(|| text_of(words.rest()))?;
        words.skip_all();
        return Some(Action::AddIndex(kind, name.unwrap_or(columns)));
    }
    words.eat(&["COLUMN"]);
    words.eat(&["IF", "NOT", "EXISTS"]);
    Some(Action::AddColumn(read_definition(words)?))
}

/// `ADD COLUMN (a int, b int)`
fn several_columns(part: &[Token<'_>]) -> Option<Vec<Action>> {
    let mut words = Words::new(part, Dialect::MySql);
    words.eat(&["ADD"]).then_some(())?;
    words.eat(&["COLUMN"]);
    words.eat(&["IF", "NOT", "EXISTS"]);
    let group = words.group().filter(|_| words.is_done())?;
    at_commas(group)
        .into_iter()
        .map(|part| Definition::read(part, Dialect::MySql).map(Action::AddColumn))
        .collect()
}

fn drop(words: &mut Words<'_>) -> Option<Action> {
    if words.eat(&["PRIMARY", "KEY"]) {
        return Some(Action::DropPrimaryKey);
    }
    if words.eat(&["PARTITION"]) {
        words.skip_all();
        return Some(Action::EmptyPartition("DROP PARTITION"));
    }
    if words.eat_any(&["INDEX", "KEY"]).is_some() {
        words.eat(&["IF", "EXISTS"]);
        return words.word().map(Action::DropIndex);
    }
    if words.eat(&["FOREIGN", "KEY"]) || words.eat_any(&["CHECK", "CONSTRAINT"]).is_some() {
        words.eat(&["IF", "EXISTS"]);
        return words.word().map(|_| Action::DropConstraint);
    }
    words.eat(&["COLUMN"]);
    words.eat(&["IF", "EXISTS"]);
    let name = words.word()?;
    words.eat_any(&["RESTRICT", "CASCADE"]);
    Some(Action::DropColumn(name))
}

fn rename(words: &mut Words<'_>) -> Option<Action> {
    if words.eat(&["COLUMN"]) {
        let old = words.word()?;
        let new = words.eat(&["TO"]).then(|| words.word()).flatten()?;
        return Some(Action::RenameColumn(old, new));
    }
    if words.eat_any(&["INDEX", "KEY"]).is_some() {
        let old = words.word()?;
        let new = words.eat(&["TO"]).then(|| words.word()).flatten()?;
        return Some(Action::RenameIndex(old, new));
    }
    words.eat_any(&["TO", "AS", "="]);
    words.name().map(Action::RenameTable)
}

fn alter(words: &mut Words<'_>) -> Option<Action> {
    if words.eat(&["INDEX"]) {
        words.word()?;
        let is_known =
            words.eat_any(&["VISIBLE", "INVISIBLE", "IGNORED"]).is_some() || words.eat(&["NOT", "IGNORED"]);
        return is_known.then_some(Action::AlterIndex);
    }
    if words.eat_any(&["CHECK", "CONSTRAINT"]).is_some() {
        let name = words.word()?;
        let is_off = words.eat(&["NOT", "ENFORCED"]);
        return (is_off || words.eat(&["ENFORCED"])).then_some(Action::EnforceCheck(name, !is_off));
    }
    words.eat(&["COLUMN"]);
    let column = words.word()?;
    if words.eat(&["SET", "DEFAULT"]) {
        words.skip_all();
    } else if !(words.eat(&["DROP", "DEFAULT"])
        || words.eat(&["SET", "VISIBLE"])
        || words.eat(&["SET", "INVISIBLE"]))
    {
        return None;
    }
    Some(Action::AlterColumn(column))
}

fn partition(words: &mut Words<'_>) -> Option<Action> {
    const REWRITES: [(&[&str], &str); 5] = [
        (&["PARTITION", "BY"], "PARTITION BY"),
        (&["REMOVE", "PARTITIONING"], "REMOVE PARTITIONING"),
        (&["COALESCE", "PARTITION"], "COALESCE PARTITION"),
        (&["REORGANIZE", "PARTITION"], "REORGANIZE PARTITION"),
        (&["REBUILD", "PARTITION"], "REBUILD PARTITION"),
    ];
    if let Some((_, name)) = REWRITES.iter().find(|(form, _)| words.eat(form)) {
        words.skip_all();
        return Some(Action::Repartition(name));
    }
    if words.eat(&["OPTIMIZE", "PARTITION"]) {
        words.skip_all();
        return Some(Action::Repartition("OPTIMIZE PARTITION"));
    }
    if words.eat(&["TRUNCATE", "PARTITION"]) {
        words.skip_all();
        return Some(Action::EmptyPartition("TRUNCATE PARTITION"));
    }
    if words.eat(&["DISCARD", "PARTITION"]) {
        words.skip_all();
        return Some(Action::EmptyPartition("DISCARD PARTITION"));
    }
    let is_harmless = ["EXCHANGE", "ANALYZE", "CHECK", "REPAIR", "IMPORT"]
        .iter()
        .any(|&word| words.eat(&[word, "PARTITION"]))
        || words.eat(&["IMPORT", "TABLESPACE"])
        || words.eat(&["DISCARD", "TABLESPACE"])
        || words.eat(&["DISABLE", "KEYS"])
        || words.eat(&["ENABLE", "KEYS"])
        || words.eat(&["WITH", "VALIDATION"])
        || words.eat(&["WITHOUT", "VALIDATION"]);
    is_harmless.then(|| {
        words.skip_all();
        Action::Harmless
    })
}

/// One table option, after which others may follow.
fn option<'a>(rest: &'a [Token<'a>], words: &mut Words<'a>) -> Option<Action> {
    const HARMLESS: [&str; 18] = [
        "COMMENT",
        "AUTO_INCREMENT",
        "STATS_PERSISTENT",
        "STATS_AUTO_RECALC",
        "STATS_SAMPLE_PAGES",
        "AVG_ROW_LENGTH",
        "MAX_ROWS",
        "MIN_ROWS",
        "CHECKSUM",
        "DELAY_KEY_WRITE",
        "PACK_KEYS",
        "INSERT_METHOD",
        "PASSWORD",
        "CONNECTION",
        "SECONDARY_ENGINE",
        "ENGINE_ATTRIBUTE",
        "AUTOEXTEND_SIZE",
        "COLLATE",
    ];
    *words = Words::new(rest, Dialect::MySql);
    if words.eat(&["FORCE"]) {
        return Some(Action::Rebuild("FORCE"));
    }
    let is_default = words.eat(&["DEFAULT"]);
    if words.eat(&["CHARACTER", "SET"]) || words.eat(&["CHARSET"]) {
        words.eat(&["="]);
        let charset = words.word()?;
        read_collation(words);
        return Some(Action::DefaultCharset(charset));
    }
    if is_default && !words.sees(&["COLLATE"]) {
        return None;
    }
    let value = |words: &mut Words<'_>| {
        words.eat(&["="]);
        words.take().map(Token::value)
    };
    if words.eat(&["ENGINE"]) {
        return value(words).map(Action::Engine);
    }
    if words.eat(&["ROW_FORMAT"]) {
        return value(words).map(|format| Action::RowFormat(format!("ROW_FORMAT={format}")));
    }
    if words.eat(&["KEY_BLOCK_SIZE"]) {
        return value(words).map(|size| Action::RowFormat(format!("KEY_BLOCK_SIZE={size}")));
    }
    if words.eat_any(&["ENCRYPTION", "ENCRYPTED"]).is_some() {
        return value(words).map(|_| Action::Encryption);
    }
    if words.eat(&["TABLESPACE"]) {
        return value(words).map(Action::Tablespace);
    }
    words.eat_any(&HARMLESS)?;
    value(words).map(|_| Action::Harmless)
}
