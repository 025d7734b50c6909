//! Restricts chosen indexes to the rows that their queries ask for, where these are few: smaller, and left alone by
//! most writes.

use super::candidate::Candidate;
use super::candidates::{is_predicate, over_only};
use super::search::{Search, Standing};

/// The share of its bytes that an index must lose.
const SMALLER_BY: f64 = 0.3;
/// The share of the workload's cost that may be lost with them.
const LOSS: f64 = 0.0005;

/// Tries for each chosen index the conditions with literals of the queries that it serves.
pub fn narrow(search: &mut Search<'_>, mut standing: Standing) -> Standing {
    for id in standing.chosen.clone() {
        for shape in narrower(search, id) {
            if search.ledger.is_over() {
                return standing;
            }
            let Some(partial) = search.admit(shape) else { continue };
            let (bytes, whole) = (search.pool.item(partial).bytes, search.pool.item(id).bytes);
            if bytes as f64 > whole as f64 * (1.0 - SMALLER_BY) {
                continue;
            }
            let without = search.without(&standing, id);
            let next = search.with(&without, partial);
            if next.total() <= standing.total() + search.nothing().total() * LOSS {
                standing = next;
                break;
            }
        }
    }
    standing
}

fn narrower(search: &Search<'_>, id: usize) -> Vec<Candidate> {
    let shape = search.pool.shape(id);
    let users = search.users(id);
    let accesses = users.iter().flat_map(|&query| &search.queries[query].accesses);
    let own = accesses.filter(|access| access.relation == shape.relation);
    let mut found: Vec<Candidate> = Vec::new();
    for access in own {
        let clauses = access.clauses.iter().filter(|clause| is_predicate(clause, access));
        found.extend(clauses.filter_map(|clause| over_only(shape, clause)));
    }
    found.sort();
    found.dedup();
    found
}
