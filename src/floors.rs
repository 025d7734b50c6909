//! The floors of the house, kept by a test: imports run downwards, and the server is named only where it may be.
//!
//! Reads the sources as tokens, so that comments and strings do not count.

use std::fs;
use std::path::Path;

/// The rooms: side by side, none imports another.
const ROOMS: [&str; 11] = [
    "design",
    "index",
    "query",
    "migration",
    "partition",
    "security",
    "trail",
    "monitor",
    "tuning",
    "backup",
    "operate",
];

/// The floor of a module below `src/`; `None` for what has none: `pg` stands beside the house.
fn floor(module: &str) -> Option<u8> {
    match module {
        "text" => Some(0),
        "catalog" | "syntax" => Some(1),
        "finding" | "foreign_key_cover" | "change" => Some(2),
        "audit" | "ask" | "report" | "worker" => Some(4),
        room if ROOMS.contains(&room) => Some(3),
        _ => None,
    }
}

/// Lists what loads, or is a test of the whole house: it may name everything.
const ROOF: [&str; 3] = ["lib.rs", "floors.rs", "docs.rs"];

/// Made for tests alone, and used by those of every floor: hand-made facts come with the means to run a rule on them.
const TEST_SUPPORT: [&str; 1] = ["catalog/sample.rs"];

/// A file with more lines has more than one subject.
const LONGEST_FILE: usize = 600;

/// Whether a file may touch the server: `api.rs`, `live.rs` and `live/` of a room.
fn is_live(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    parts.len() >= 2
        && (matches!(parts.last(), Some(&"api.rs" | &"live.rs")) || parts.get(1) == Some(&"live"))
}

/// Whether the file `path` may import the top-level module `target`.
fn may_import(path: &str, own: &str, target: &str) -> bool {
    if own == target || ROOF.contains(&path) || TEST_SUPPORT.contains(&path) {
        return true;
    }
    match (floor(own), floor(target)) {
        (Some(3), Some(3)) => false,
        (Some(from), Some(to)) => to <= from,
        // The server fills facts and answers what judgement asks; it knows no room.
        (None, Some(to)) => own == "pg" && to <= 2,
        (Some(_), None) => target == "pg" && is_live(path),
        (None, None) => false,
    }
}

/// The parts of Rust's text that the floors are about.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    /// `::`
    Path,
    Other(char),
}

/// Splits a source into tokens, without comments, strings, characters and lifetimes.
fn tokens(source: &str) -> Vec<Token> {
    let characters: Vec<char> = source.chars().collect();
    let at = |position: usize| characters.get(position).copied().unwrap_or('\0');
    let mut tokens = Vec::new();
    let mut position = 0;
    while position < characters.len() {
        let character = at(position);
        let start = position;
        if character == '/' && at(position + 1) == '/' {
            while position < characters.len() && at(position) != '\n' {
                position += 1;
            }
        } else if character == '/' && at(position + 1) == '*' {
            position = end_of_comment(&characters, position);
        } else if character == '"' {
            position = end_of_string(&characters, position);
        } else if character == '\'' {
            position = end_of_quote(&characters, position);
        } else if character.is_alphanumeric() || character == '_' {
            while at(position).is_alphanumeric() || at(position) == '_' {
                position += 1;
            }
            let word: String = characters[start..position].iter().collect();
            let is_prefix = matches!(&*word, "r" | "br" | "cr" | "b" | "c");
            let hashes = (position..).take_while(|&next| at(next) == '#').count();
            if is_prefix && word.ends_with('r') && at(position + hashes) == '"' {
                position = end_of_raw_string(&characters, position + hashes + 1, hashes);
            } else if !(is_prefix && at(position) == '"') {
                tokens.push(Token::Word(word));
            }
        } else if character == ':' && at(position + 1) == ':' {
            tokens.push(Token::Path);
            position += 2;
        } else {
            if !character.is_whitespace() {
                tokens.push(Token::Other(character));
            }
            position += 1;
        }
    }
    tokens
}

fn end_of_comment(characters: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut position = start;
    while let Some(pair) = characters.get(position..position + 2) {
        match pair {
            ['/', '*'] => depth += 1,
            ['*', '/'] => depth -= 1,
            _ => {
                position += 1;
                continue;
            }
        }
        position += 2;
        if depth == 0 {
            return position;
        }
    }
    characters.len()
}

fn end_of_string(characters: &[char], start: usize) -> usize {
    let mut position = start + 1;
    while let Some(&character) = characters.get(position) {
        position += if character == '\\' { 2 } else { 1 };
        if character == '"' {
            break;
        }
    }
    position
}

fn end_of_raw_string(characters: &[char], start: usize, hashes: usize) -> usize {
    let mut position = start;
    while let Some(&character) = characters.get(position) {
        position += 1;
        let closing = characters.get(position..position + hashes);
        if character == '"' && closing.is_some_and(|tail| tail.iter().all(|&next| next == '#')) {
            return position + hashes;
        }
    }
    position
}

/// The end of a character, or of the apostrophe of a lifetime.
fn end_of_quote(characters: &[char], start: usize) -> usize {
    match characters.get(start + 1) {
        Some('\\') => {
            let closing = (start + 3..characters.len()).find(|&position| characters[position] == '\'');
            closing.map_or(characters.len(), |position| position + 1)
        }
        _ if characters.get(start + 2) == Some(&'\'') => start + 3,
        _ => start + 1,
    }
}

/// How many modules deep a file is: `lib.rs` 0, `finding.rs` and `index/mod.rs` 1, `index/api.rs` 2.
fn depth(path: &str) -> usize {
    let parts = path.split('/').count();
    let stands_for_folder = path.ends_with("/mod.rs") || path == "lib.rs";
    parts - usize::from(stands_for_folder)
}

/// The top-level modules that a file names by `crate::` or by a chain of `super::` up to the root; `*` for all.
fn imports(path: &str, tokens: &[Token]) -> Vec<String> {
    let mut found = Vec::new();
    // The braces that are open, and whether each is a module's.
    let mut braces: Vec<bool> = Vec::new();
    let mut supers = 0;
    for (position, token) in tokens.iter().enumerate() {
        let leads_on = tokens.get(position + 1) == Some(&Token::Path);
        match token {
            Token::Other('{') => {
                let before = position.checked_sub(2).and_then(|before| tokens.get(before));
                braces.push(before == Some(&Token::Word("mod".to_owned())));
            }
            Token::Other('}') => drop(braces.pop()),
            Token::Word(word) if word == "crate" && leads_on => {
                found.extend(heads(&tokens[position + 2..]));
            }
            Token::Word(word) if word == "super" && leads_on => {
                supers += 1;
                let inner = braces.iter().filter(|&&is_module| is_module).count();
                let next_is_super = tokens.get(position + 2) == Some(&Token::Word("super".to_owned()));
                if supers == depth(path) + inner && !next_is_super {
                    found.extend(heads(&tokens[position + 2..]));
                }
            }
            Token::Path => continue,
            _ => {}
        }
        if *token != Token::Word("super".to_owned()) {
            supers = 0;
        }
    }
    found
}

/// The first words after `crate::`: one, or those of a group `{a, b::{c, d}, e}`.
fn heads(tokens: &[Token]) -> Vec<String> {
    match tokens.first() {
        Some(Token::Word(word)) => vec![word.clone()],
        Some(Token::Other('*')) => vec!["*".to_owned()],
        Some(Token::Other('{')) => group_heads(tokens),
        _ => Vec::new(),
    }
}

fn group_heads(tokens: &[Token]) -> Vec<String> {
    let mut found = Vec::new();
    let mut depth = 0;
    let mut expects_head = false;
    for token in tokens {
        match token {
            Token::Other('{') => {
                depth += 1;
                expects_head = depth == 1;
            }
            Token::Other('}') => depth -= 1,
            Token::Other(',') => expects_head = depth == 1,
            Token::Word(word) if expects_head && depth == 1 => {
                found.push(word.clone());
                expects_head = false;
            }
            Token::Other('*') if expects_head && depth == 1 => found.push("*".to_owned()),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    found
}

/// What is wrong with one file, `path` relative to `src/`.
fn faults(path: &str, source: &str) -> Vec<String> {
    let tokens = tokens(source);
    let own = path.split('/').next().unwrap_or_default().trim_end_matches(".rs");
    let names = |name: &str| tokens.iter().any(|token| *token == Token::Word(name.to_owned()));
    let mut faults = Vec::new();
    if floor(own).is_none() && own != "pg" && !ROOF.contains(&path) {
        faults.push(format!("{path}: \"{own}\" is on no floor; give it one in floors.rs"));
    }
    for target in imports(path, &tokens) {
        if !may_import(path, own, &target) {
            faults.push(format!("{path}: may not import crate::{target}"));
        }
    }
    if names("pgrx") && own != "pg" && path != "lib.rs" && !is_live(path) {
        faults.push(format!("{path}: names pgrx; only pg/, api.rs, live.rs and live/ may"));
    }
    if names("pg_sys") && own != "pg" {
        faults.push(format!("{path}: names pg_sys; only pg/ may"));
    }
    let lines = source.lines().count();
    if lines > LONGEST_FILE {
        faults.push(format!("{path}: {lines} lines, more than {LONGEST_FILE}"));
    }
    faults
}

/// Every `.rs` file below a folder, with its path relative to the first one asked for.
fn sources(folder: &Path, prefix: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("src can be read") {
        let entry = entry.expect("src can be read");
        let name = entry.file_name().into_string().expect("sources have plain names");
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path, &format!("{prefix}{name}/")));
        } else if name.ends_with(".rs") {
            found.push((format!("{prefix}{name}"), fs::read_to_string(&path).expect("a source can be read")));
        }
    }
    found.sort();
    found
}

#[test]
fn imports_run_downwards_and_the_server_stays_in_its_place() {
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "");
    for expected in ["lib.rs", "finding.rs", "audit/mod.rs", "catalog/snapshot.rs"] {
        assert!(sources.iter().any(|(path, _)| path == expected), "{expected} was not read");
    }
    let faults: Vec<String> = sources.iter().flat_map(|(path, source)| faults(path, source)).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn allowed(path: &str, source: &str) {
        assert_eq!(faults(path, source), Vec::<String>::new(), "{path}: {source}");
    }

    #[track_caller]
    fn refused(path: &str, source: &str, words: &str) {
        let faults = faults(path, source);
        assert!(faults.len() == 1 && faults[0].contains(words), "{path}: {source}\n{faults:?}");
    }

    #[test]
    fn downwards_and_sideways_within_a_floor() {
        allowed("index/rules.rs", "use crate::finding::Rule; use crate::{catalog::Oid, text::{a, b}};");
        allowed("audit/engine.rs", "use crate::index::RULES; use super::filter::Filter;");
        allowed("syntax/node_tree.rs", "use crate::catalog::ColumnNumber;");
        allowed("report/text.rs", "use crate::audit::engine::Audit;");
        allowed("text/size.rs", "pub(crate) fn f() {}");
        allowed("lib.rs", "use crate::audit; pgrx::pg_module_magic!();");
    }

    #[test]
    fn upwards() {
        refused("text/size.rs", "use crate::catalog::Oid;", "crate::catalog");
        refused("catalog/index.rs", "fn f() { crate::finding::fingerprint() }", "crate::finding");
        refused("finding.rs", "use crate::{catalog::Oid, audit::engine};", "crate::audit");
        refused("index/rules.rs", "use crate::audit::engine::Audit;", "crate::audit");
        refused("catalog/index.rs", "use crate::*;", "crate::*");
        refused("catalog/index.rs", "use crate::{*};", "crate::*");
    }

    #[test]
    fn from_room_to_room() {
        refused("index/rules.rs", "use crate::design::names;", "crate::design");
        refused("query/live.rs", "use crate::{index, text};", "crate::index");
    }

    #[test]
    fn upwards_by_way_of_super() {
        refused("catalog/index.rs", "use super::super::audit::engine;", "crate::audit");
        refused("finding.rs", "use super::audit::engine;", "crate::audit");
        refused("index/mod.rs", "mod tests { use super::super::design::x; }", "crate::design");
        refused("index/mod.rs", "use super::{text, audit::x};", "crate::audit");
        allowed("index/rules/mod.rs", "use super::design::x;");
        allowed("index/mod.rs", "mod tests { use super::design::x; } fn f() { if a { super::text::g() } }");
        allowed("finding.rs", "mod tests { use super::audit; }");
    }

    #[test]
    fn what_is_on_no_floor() {
        refused("attic/mod.rs", "", "\"attic\" is on no floor");
        refused("index/rules.rs", "use crate::attic;", "crate::attic");
    }

    #[test]
    fn the_server_is_for_those_who_live() {
        allowed("index/api.rs", "use pgrx::prelude::*; use crate::pg::error;");
        allowed("index/live.rs", "use crate::pg::snapshot;");
        allowed("index/live/drop.rs", "use pgrx::Spi; use crate::pg::spi;");
        allowed("pg/scan.rs", "use pgrx::pg_sys; use crate::catalog::Oid; use crate::finding::Definitions;");
        refused("index/rules.rs", "use crate::pg::scan;", "crate::pg");
        refused("index/rules.rs", "use pgrx::prelude::*;", "names pgrx");
        refused("index/rules/live.rs", "use crate::design;", "crate::design");
        refused("pg/scan.rs", "use crate::index::RULES;", "crate::index");
        refused("pg/scan.rs", "use crate::audit;", "crate::audit");
        refused("index/live.rs", "use pgrx::pg_sys;", "names pg_sys");
        refused("lib.rs", "use pgrx::pg_sys;", "names pg_sys");
        refused("live.rs", "", "on no floor");
    }

    #[test]
    fn comments_and_strings_are_no_code() {
        allowed(
            "text/size.rs",
            "// crate::audit\n/* pgrx /* nested */ crate::audit */ const A: &str = \"crate::audit \\\" pgrx\";\n\
             const B: &str = r#\"crate::audit \" pgrx\"#; const C: char = '\"'; const D: char = '\\'';\n\
             fn f<'a>(x: &'a str) -> &'a str { x } #[cfg(feature = \"postgres\")] const E: &[u8] = b\"pgrx\";",
        );
        refused(
            "text/size.rs",
            "const C: char = '\"'; use crate::audit; const D: char = '\"';",
            "crate::audit",
        );
        refused(
            "text/size.rs",
            "fn f<'a>(x: &'a str) {} use crate::audit; const A: &'static str = \"\";",
            "audit",
        );
        refused("text/size.rs", "const A: &str = r\"\\\"; use crate::audit;", "crate::audit");
    }

    #[test]
    fn a_long_file_is_refused() {
        allowed("text/size.rs", &"\n".repeat(LONGEST_FILE));
        refused("text/size.rs", &"\n".repeat(LONGEST_FILE + 1), "601 lines");
    }

    #[test]
    fn depth_counts_modules() {
        for (path, expected) in
            [("lib.rs", 0), ("finding.rs", 1), ("index/mod.rs", 1), ("index/live/drop.rs", 3)]
        {
            assert_eq!(depth(path), expected, "{path}");
        }
    }
}
