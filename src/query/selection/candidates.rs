//! The indexes worth trying for a query, from what it asks of each table. Generous: the planner judges each of them.

mod forms;

use super::candidate::{Candidate, CandidateKey, ExistingIndex};
use super::workload::Options;
use crate::catalog::ColumnNumber;
use crate::catalog::access::{Access, Clause, ClauseKind, Key};
use crate::catalog::hypothetical::Method;

/// A table of fewer pages is read faster than an index is looked up in.
const SMALLEST_TABLE_PAGES: f64 = 10.0;
/// Bytes of the largest B-tree entry on pages of 8 kB.
const LARGEST_KEY_BYTES: f64 = 2700.0;
/// How much wider than the mean some value may be.
const WIDEST_TO_MEAN: f64 = 10.0;
/// Bytes that INCLUDE columns may add to each entry.
const WIDEST_INCLUDED: f64 = 128.0;
/// A full scan of an index pays only where its entries are this share of a row.
const NARROW_SHARE: f64 = 0.3;
/// Rows that a partial index may cover.
const RARE: f64 = 0.3;
/// Different values of a column that says what state a row is in.
const MOST_STATES: f64 = 10.0;
/// A block range index is of no use where rows lie less in order than this.
const IN_ORDER: f64 = 0.9;
/// Pages from which on a block range index may be worth more than a B-tree.
const LARGE_TABLE_PAGES: f64 = 8192.0;
/// Bytes of a value from which on its hash is much smaller.
const WIDE_FOR_HASH: f64 = 40.0;
/// Candidates of one access.
const MOST_FOR_ONE_ACCESS: usize = 32;
/// Bytes of a page.
const PAGE: f64 = 8192.0;
/// Bytes that an index entry takes beside its values.
const ENTRY_OVERHEAD: f64 = 12.0;

/// The candidates of one query, in a fixed order, without what an existing index serves already.
pub fn candidates(accesses: &[Access], existing: &[ExistingIndex], options: &Options) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    for access in accesses.iter().filter(|access| access.pages >= SMALLEST_TABLE_PAGES) {
        let mut own = of_access(access, options);
        own.retain(|candidate| is_new(candidate, existing));
        own.truncate(MOST_FOR_ONE_ACCESS);
        found.extend(own);
    }
    found.sort();
    found.dedup();
    found
}

/// Whether no existing index does all that the candidate would.
pub fn is_new(candidate: &Candidate, existing: &[ExistingIndex]) -> bool {
    !existing.iter().any(|index| index.shape.serves(candidate))
}

/// The candidates of one access, the plainest first, each once.
fn of_access(access: &Access, options: &Options) -> Vec<Candidate> {
    let mut found = Vec::new();
    let allowed = |method| options.methods.contains(&method);
    if allowed(Method::Btree) {
        // An expression may fail on some row (a division by zero), and then no index can have it: what serves without
        // is tried too.
        let without = without_expressions(access);
        let plain: Vec<Candidate> = forms::forms(access, options.max_columns)
            .into_iter()
            .chain(without.iter().flat_map(|access| forms::forms(access, options.max_columns)))
            .map(|keys| Candidate::btree(access.relation, keys))
            .filter(|candidate| fits(candidate, access))
            .collect();
        let partial = if options.partial { partial(access, &plain) } else { Vec::new() };
        let covering = covering(access, &plain, options);
        found.extend(plain);
        found.extend(partial);
        found.extend(covering);
    }
    found.extend(other_methods(access).into_iter().filter(|candidate| allowed(candidate.method)));
    let mut seen = rustc_hash::FxHashSet::default();
    found.retain(|candidate| seen.insert(candidate.clone()));
    found
}

/// The access without the conditions that are about expressions; `None` where there is none of these.
fn without_expressions(access: &Access) -> Option<Access> {
    let is_expression = |clause: &Clause| matches!(clause.key, Some(Key::Expression(_)));
    access.clauses.iter().any(is_expression).then(|| Access {
        clauses: access.clauses.iter().filter(|clause| !is_expression(clause)).cloned().collect(),
        ..access.clone()
    })
}

/// Whether no entry of the index will be refused as too wide, as far as mean widths tell.
pub fn fits(candidate: &Candidate, access: &Access) -> bool {
    let columns = candidate.key_columns().chain(candidate.included.iter().copied());
    let bytes: f64 = columns.map(|number| width(access, number)).sum();
    candidate.method != Method::Btree || bytes * WIDEST_TO_MEAN <= LARGEST_KEY_BYTES
}

fn width(access: &Access, number: ColumnNumber) -> f64 {
    access.column(number).map_or(0.0, |column| column.width)
}

/// The columns that the query reads and the index lacks; `None` where an index cannot answer alone.
pub fn missing(candidate: &Candidate, access: &Access, options: &Options) -> Option<Vec<ColumnNumber>> {
    if access.reads_whole_row || access.relation != candidate.relation {
        return None;
    }
    let missing: Vec<ColumnNumber> = access
        .columns
        .iter()
        .map(|column| column.number)
        .filter(|&number| !candidate.holds(number))
        .collect();
    let bytes: f64 = candidate.included.iter().chain(&missing).map(|&number| width(access, number)).sum();
    let is_within =
        candidate.included.len() + missing.len() <= options.max_included && bytes <= WIDEST_INCLUDED;
    is_within.then_some(missing)
}

/// Indexes that answer alone: the plainest ones with what they lack.
fn covering(access: &Access, plain: &[Candidate], options: &Options) -> Vec<Candidate> {
    const FORMS: usize = 8;
    let mut found = Vec::new();
    for candidate in plain.iter().take(FORMS) {
        match missing(candidate, access, options) {
            Some(missing) if !missing.is_empty() => found.push(candidate.with_included(&missing)),
            _ => {}
        }
    }
    found.extend(full_scan(access, options));
    found.retain(|candidate| fits(candidate, access));
    found
}

/// An index that is read from one end to the other in place of a table of much wider rows.
fn full_scan(access: &Access, options: &Options) -> Option<Candidate> {
    let numbers: Vec<ColumnNumber> = access.columns.iter().map(|column| column.number).collect();
    let bytes: f64 = access.columns.iter().map(|column| column.width).sum();
    let row_bytes = access.pages * PAGE / access.rows.max(1.0);
    let is_narrow = bytes + ENTRY_OVERHEAD <= row_bytes * NARROW_SHARE;
    if access.reads_whole_row || numbers.is_empty() || numbers.len() > options.max_columns || !is_narrow {
        return None;
    }
    let keys = numbers.into_iter().map(|number| CandidateKey::plain(Key::Column(number))).collect();
    Some(Candidate::btree(access.relation, keys))
}

/// The plain candidates over only the rows that a condition with literals leaves, where these are few.
fn partial(access: &Access, plain: &[Candidate]) -> Vec<Candidate> {
    const FORMS: usize = 4;
    let mut found = Vec::new();
    for clause in access.clauses.iter().filter(|clause| is_predicate(clause, access)) {
        let narrowed = plain.iter().filter_map(|candidate| over_only(candidate, clause));
        let mut of_clause: Vec<Candidate> = Vec::new();
        for candidate in narrowed {
            if !of_clause.contains(&candidate) && of_clause.len() < FORMS {
                of_clause.push(candidate);
            }
        }
        found.extend(of_clause);
    }
    found
}

/// Whether an index may be restricted to the rows that meet the clause: a state of few, that one query asks for again
/// and again. Where a column has many values, or ends of a range are asked for, the next run of the query asks for
/// others.
pub fn is_predicate(clause: &Clause, access: &Access) -> bool {
    let distinct = match &clause.key {
        Some(Key::Column(number)) => access.column(*number).and_then(|column| column.distinct),
        _ => None,
    };
    let is_state = match clause.kind {
        ClauseKind::IsNull | ClauseKind::IsNotNull | ClauseKind::Boolean => clause.key.is_some(),
        ClauseKind::Equality => distinct.is_some_and(|distinct| distinct <= MOST_STATES),
        _ => false,
    };
    is_state && clause.is_fixed && !clause.text.is_empty() && clause.selectivity < RARE
}

/// The candidate over only the rows that meet the clause, without the key that is then the same in all entries;
/// `None` where no other key would be left.
pub fn over_only(candidate: &Candidate, clause: &Clause) -> Option<Candidate> {
    if candidate.predicate.is_some() || candidate.method != Method::Btree {
        return None;
    }
    let is_constant = matches!(clause.kind, ClauseKind::Equality | ClauseKind::IsNull | ClauseKind::Boolean);
    let mut narrow = candidate.clone();
    if is_constant {
        narrow.keys.retain(|key| Some(&key.key) != clause.key.as_ref());
    }
    narrow.predicate = Some(clause.text.clone());
    let has_other = narrow.keys.iter().any(|key| Some(&key.key) != clause.key.as_ref());
    has_other.then_some(narrow)
}

/// Candidates of other access methods than B-tree.
fn other_methods(access: &Access) -> Vec<Candidate> {
    let mut found = Vec::new();
    let mut inverted: Vec<CandidateKey> = Vec::new();
    for clause in &access.clauses {
        let Some(key) = &clause.key else { continue };
        let searches_btree = clause.supports.iter().any(|support| support.method == Method::Btree);
        for support in &clause.supports {
            let is_useful = match support.method {
                Method::Btree => false,
                // What a B-tree can search, it searches faster.
                Method::Gin | Method::Gist => !searches_btree || clause.kind == ClauseKind::Prefix,
                Method::Hash => clause.kind == ClauseKind::Equality && is_wide(access, key),
                Method::Brin => is_in_order(access, key),
            };
            if !is_useful {
                continue;
            }
            let candidate_key = CandidateKey {
                operator_class: support.operator_class.clone(),
                collation: support.collation.clone(),
                ..CandidateKey::plain(key.clone())
            };
            if support.method == Method::Gin && !inverted.iter().any(|other| other.key == *key) {
                inverted.push(candidate_key.clone());
            }
            found.push(Candidate {
                method: support.method,
                ..Candidate::btree(access.relation, vec![candidate_key])
            });
        }
    }
    if inverted.len() > 1 {
        inverted.sort();
        inverted.truncate(2);
        found.push(Candidate { method: Method::Gin, ..Candidate::btree(access.relation, inverted) });
    }
    found
}

fn is_wide(access: &Access, key: &Key) -> bool {
    matches!(key, Key::Column(number) if width(access, *number) >= WIDE_FOR_HASH)
}

fn is_in_order(access: &Access, key: &Key) -> bool {
    let Key::Column(number) = key else { return false };
    let correlation = access.column(*number).and_then(|column| column.correlation);
    access.pages >= LARGE_TABLE_PAGES && correlation.is_some_and(|correlation| correlation.abs() > IN_ORDER)
}
