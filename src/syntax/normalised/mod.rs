//! Texts of which only constants are gone: `pg_stat_statements` puts `$1` in the place of each, whatever its type was and
//! whatever the grammar allows there. Made fit for the parser again, types of parameters included.
//!
//! What the grammar alone tells is repaired at once ([`repair`]); where the server then cannot decide between operators
//! or functions, the parameters near the place that it names get one type after the other ([`types`]).

mod repair;
mod subject;
mod types;

pub use repair::variants;
pub use subject::{RelationName, Subject, relations_of, subject_of};

use crate::catalog::Oid;

/// Why the server refused a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// Five characters.
    pub sqlstate: String,
    /// At which character, counted from 1.
    pub position: Option<usize>,
}

/// How often the server may be asked about one text: what can be repaired is, in the queries of TPC-H and TPC-DS, within
/// a dozen, and each costs what parsing does.
const MOST_ATTEMPTS: usize = 80;

/// Finds a form of the text that the server takes. `attempt` has the server analyse a text with types of parameters, of
/// which 0 leaves one to be inferred.
///
/// The answer is what `attempt` made of it, or why it refused the text as it was repaired first.
pub fn analysed<T, E>(
    text: &str,
    attempt: &mut dyn FnMut(&str, &[Oid]) -> Result<T, E>,
    failure_of: &dyn Fn(&E) -> Failure,
) -> Result<T, E> {
    let mut search = Search { attempt, failure_of, left: MOST_ATTEMPTS };
    let mut first_refusal = None;
    for variant in variants(text) {
        let refusal = match search.explore(&variant, &[], None) {
            Ok(found) => return Ok(found),
            Err(refusal) => refusal,
        };
        // Another form helps only where the parser could not read this one.
        let is_syntax = (search.failure_of)(&refusal).sqlstate == "42601";
        first_refusal.get_or_insert(refusal);
        if !is_syntax {
            break;
        }
    }
    match first_refusal {
        Some(refusal) => Err(refusal),
        None => (search.attempt)(text, &[]),
    }
}

/// A search for the types of parameters, in depth.
struct Search<'a, T, E> {
    attempt: &'a mut dyn FnMut(&str, &[Oid]) -> Result<T, E>,
    failure_of: &'a dyn Fn(&E) -> Failure,
    left: usize,
}

impl<T, E> Search<'_, T, E> {
    /// `before` is where the server stopped before the last type was chosen: to stop there again is no progress.
    fn explore(&mut self, text: &str, known: &[Oid], before: Option<usize>) -> Result<T, E> {
        self.left = self.left.saturating_sub(1);
        let refusal = match (self.attempt)(text, known) {
            Ok(found) => return Ok(found),
            Err(refusal) => refusal,
        };
        let failure = (self.failure_of)(&refusal);
        if before.is_some() && failure.position == before {
            return Err(refusal);
        }
        for choice in types::choices(text, &failure, known) {
            if self.left == 0 {
                break;
            }
            let mut chosen = known.to_vec();
            for (parameter, type_oid) in choice {
                if chosen.len() < parameter {
                    chosen.resize(parameter, 0);
                }
                if let Some(place) = parameter.checked_sub(1).and_then(|place| chosen.get_mut(place)) {
                    *place = type_oid;
                }
            }
            if let Ok(found) = self.explore(text, &chosen, failure.position) {
                return Ok(found);
            }
        }
        Err(refusal)
    }
}

#[cfg(test)]
mod tests;
