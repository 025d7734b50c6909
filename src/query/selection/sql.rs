//! Candidates as SQL.

use rustc_hash::FxHashMap;

use super::candidate::{Candidate, CandidateKey, Names};
use crate::catalog::access::{Access, Key};
use crate::catalog::hypothetical::Method;
use crate::catalog::{ColumnNumber, Oid, Snapshot};
use crate::change::index_ddl::{self, Change};
use crate::change::names;
use crate::finding::Definitions;
use crate::text::quote_identifier;

/// What follows the table's name in CREATE INDEX: access method, keys, INCLUDE and predicate.
pub fn definition(candidate: &Candidate, names: &dyn Names) -> String {
    let mut text = String::new();
    if candidate.method != Method::Btree {
        text.push_str("USING ");
        text.push_str(candidate.method.name());
        text.push(' ');
    }
    let keys: Vec<String> = candidate.keys.iter().map(|key| key_text(candidate, key, names)).collect();
    text.push_str(&format!("({})", keys.join(", ")));
    if !candidate.included.is_empty() {
        let included: Vec<String> =
            candidate.included.iter().map(|&column| names.column(candidate.relation, column)).collect();
        text.push_str(&format!(" INCLUDE ({})", included.join(", ")));
    }
    if let Some(predicate) = &candidate.predicate {
        text.push_str(&format!(" WHERE {predicate}"));
    }
    text
}

fn key_text(candidate: &Candidate, key: &CandidateKey, names: &dyn Names) -> String {
    let mut text = match &key.key {
        Key::Column(number) => names.column(candidate.relation, *number),
        Key::Expression(expression) => expression.clone(),
    };
    if let Some(collation) = &key.collation {
        text.push_str(&format!(" COLLATE {collation}"));
    }
    if let Some(class) = &key.operator_class {
        text.push_str(&format!(" {class}"));
    }
    // NULLs count as the largest values unless something else is said.
    text.push_str(match (key.descending, key.nulls_first) {
        (false, false) => "",
        (false, true) => " NULLS FIRST",
        (true, true) => " DESC",
        (true, false) => " DESC NULLS LAST",
    });
    text
}

/// CREATE INDEX without a name, as the what-if planner takes it.
pub fn statement(candidate: &Candidate, names: &dyn Names) -> String {
    format!("CREATE INDEX ON {} {}", names.table(candidate.relation), definition(candidate, names))
}

/// The index to a reader, without verb and name: `schema.table (a, b)`.
pub fn brief(candidate: &Candidate, names: &dyn Names) -> String {
    format!("{} {}", names.table(candidate.relation), definition(candidate, names))
}

/// Creates the index under a name in the database's own style without blocking writers, on each partition where there
/// are some, and what takes it back. `None` when the table is gone or has a partition that cannot be indexed.
pub fn create(
    candidate: &Candidate,
    snapshot: &Snapshot,
    definitions: &dyn Definitions,
    names: &mut names::Names<'_>,
) -> Option<Change> {
    let words = words(candidate, snapshot);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let tail = definition(candidate, snapshot);
    // Of a partition's own indexes only plain ones are recognised.
    let columns: Option<Vec<ColumnNumber>> = (*candidate
        == Candidate::btree(candidate.relation, plain_keys(candidate)))
    .then(|| candidate.key_columns().collect());
    match columns {
        Some(columns) => index_ddl::create(snapshot, definitions, names, candidate.relation, &columns),
        None => {
            index_ddl::create_as(snapshot, definitions, names, candidate.relation, &words, &tail, &|_| false)
        }
    }
}

fn plain_keys(candidate: &Candidate) -> Vec<CandidateKey> {
    candidate.key_columns().map(|number| CandidateKey::plain(Key::Column(number))).collect()
}

/// The words of a new index's name: its key columns, and the words of its expressions.
fn words(candidate: &Candidate, snapshot: &Snapshot) -> Vec<String> {
    let mut words = Vec::new();
    for key in &candidate.keys {
        match &key.key {
            Key::Column(number) => words.extend(snapshot.column_names(candidate.relation, &[*number])),
            Key::Expression(expression) => words.extend(expression_words(expression)),
        }
    }
    words
}

/// The plain words of an expression, without literals and casts: `lower`, `email`.
fn expression_words(expression: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut is_literal = false;
    let mut is_cast = false;
    let mut word = String::new();
    for character in expression.chars().chain([' ']) {
        if character == '\'' {
            is_literal = !is_literal;
        }
        if !is_literal && (character.is_alphanumeric() || character == '_') {
            word.push(character);
            continue;
        }
        if !word.is_empty() {
            let is_number = word.starts_with(|first: char| first.is_ascii_digit());
            let mut word = std::mem::take(&mut word);
            // COALESCE and its like are printed in capitals; in a name they would have to be quoted.
            if !word.chars().any(char::is_lowercase) {
                word = word.to_lowercase();
            }
            if !is_cast && !is_number && !words.contains(&word) {
                words.push(word);
            }
        }
        is_cast = character == ':' || (is_cast && character == ' ');
    }
    words.truncate(3);
    if words.is_empty() { vec!["expr".to_owned()] } else { words }
}

impl Names for Snapshot {
    fn table(&self, relation: Oid) -> String {
        self.relation_name(relation)
    }

    fn column(&self, relation: Oid, column: ColumnNumber) -> String {
        Self::column(self, relation, column)
            .map_or_else(|| column.to_string(), |column| quote_identifier(&column.name))
    }
}

/// Names as the accesses of queries tell them: enough for every candidate that was made from these accesses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessNames {
    tables: FxHashMap<Oid, String>,
    columns: FxHashMap<(Oid, ColumnNumber), String>,
}

impl AccessNames {
    /// Collects the names.
    pub fn of<'a>(accesses: impl IntoIterator<Item = &'a Access>) -> Self {
        let mut names = Self::default();
        for access in accesses {
            names.tables.insert(access.relation, access.name.clone());
            for column in &access.columns {
                names.columns.insert((access.relation, column.number), column.name.clone());
            }
        }
        names
    }
}

impl Names for AccessNames {
    fn table(&self, relation: Oid) -> String {
        self.tables.get(&relation).cloned().unwrap_or_else(|| relation.to_string())
    }

    fn column(&self, relation: Oid, column: ColumnNumber) -> String {
        self.columns.get(&(relation, column)).cloned().unwrap_or_else(|| column.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, SampleDefinitions};
    use crate::catalog::types::builtin;

    struct Plain;

    impl Names for Plain {
        fn table(&self, _: Oid) -> String {
            "public.orders".into()
        }

        fn column(&self, _: Oid, column: ColumnNumber) -> String {
            ["", "id", "\"Customer\"", "created_at"][column as usize].into()
        }
    }

    fn key(number: ColumnNumber) -> CandidateKey {
        CandidateKey::plain(Key::Column(number))
    }

    #[test]
    fn every_part_is_written_in_its_place() {
        let mut wanted = key(3);
        (wanted.descending, wanted.nulls_first) = (true, true);
        let mut pattern = CandidateKey::plain(Key::Expression("lower(name)".into()));
        pattern.operator_class = Some("pg_catalog.text_pattern_ops".into());
        pattern.collation = Some("pg_catalog.\"C\"".into());
        let candidate = Candidate {
            included: vec![1],
            predicate: Some("(state = 'open'::text)".into()),
            ..Candidate::btree(7, vec![key(2), wanted, pattern])
        };
        assert_eq!(
            statement(&candidate, &Plain),
            "CREATE INDEX ON public.orders (\"Customer\", created_at DESC, lower(name) COLLATE pg_catalog.\"C\" \
             pg_catalog.text_pattern_ops) INCLUDE (id) WHERE (state = 'open'::text)"
        );
    }

    #[test]
    fn directions_say_no_more_than_they_must() {
        let direction = |descending, nulls_first| {
            let candidate = Candidate::btree(7, vec![CandidateKey { descending, nulls_first, ..key(1) }]);
            definition(&candidate, &Plain)
        };
        assert_eq!(direction(false, false), "(id)");
        assert_eq!(direction(false, true), "(id NULLS FIRST)");
        assert_eq!(direction(true, true), "(id DESC)");
        assert_eq!(direction(true, false), "(id DESC NULLS LAST)");
    }

    #[test]
    fn another_method_is_named() {
        let candidate = Candidate { method: Method::Brin, ..Candidate::btree(7, vec![key(3)]) };
        assert_eq!(brief(&candidate, &Plain), "public.orders USING brin (created_at)");
    }

    #[test]
    fn an_expression_gives_its_words() {
        assert_eq!(expression_words("lower((email)::text)"), ["lower", "email"]);
        assert_eq!(expression_words("((doc ->> 'a b'::text))"), ["doc"]);
        assert_eq!(expression_words("(1 + 2)"), ["expr"]);
        assert_eq!(expression_words("COALESCE(phone, ''::text)"), ["coalesce", "phone"]);
    }

    #[test]
    fn a_created_index_has_a_name_of_the_house_and_an_undo() {
        let mut sample = Sample::new();
        let table = sample.keyed_table("orders");
        sample.column(table, "email", builtin::TEXT);
        sample.column(table, "state", builtin::TEXT);
        let snapshot = sample.finish();
        let mut names = names::Names::learn(&snapshot);
        let columns: Vec<ColumnNumber> =
            snapshot.columns_of(table).iter().map(|column| column.number).collect();
        let (email, state) = (columns[columns.len() - 2], columns[columns.len() - 1]);
        let plain = Candidate::btree(table, vec![key(email), key(state)]);
        let change = create(&plain, &snapshot, &SampleDefinitions, &mut names).unwrap();
        assert_eq!(
            change.apply,
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_orders_email_state ON public.orders (email, state);"
        );
        assert_eq!(change.undo, "DROP INDEX CONCURRENTLY IF EXISTS public.idx_orders_email_state;");
        let partial = Candidate {
            predicate: Some("(state = 'open'::text)".into()),
            ..Candidate::btree(table, vec![CandidateKey::plain(Key::Expression("lower(email)".into()))])
        };
        let change = create(&partial, &snapshot, &SampleDefinitions, &mut names).unwrap();
        assert_eq!(
            change.apply,
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_orders_lower_email ON public.orders (lower(email)) \
             WHERE (state = 'open'::text);"
        );
    }
}
