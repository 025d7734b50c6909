//! Analysing texts whose constants are gone, types of parameters found by asking the server.

use super::analysis::Analysis;
use super::caught::{Refusal, refusable};
use super::rollback::kept;
use crate::catalog::Oid;
use crate::syntax::normalised::{self, Failure};

impl Analysis {
    /// Analyses a text as `pg_stat_statements` has it, in which `$1` and the like stand for constants of types that
    /// nobody noted, also where the grammar takes none. Ends with the first ERROR of the repaired text where nothing helps.
    pub fn of_normalised(text: &str) -> Self {
        let mut attempt = |text: &str, known: &[Oid]| {
            // A refused text must not keep its locks, nor end the transaction.
            refusable(|| kept(|| Self::with_types(text, known)))
        };
        match normalised::analysed(text, &mut attempt, &failure_of) {
            Ok(analysis) => analysis,
            Err(refusal) => refusal.raise(),
        }
    }
}

fn failure_of(refusal: &Refusal) -> Failure {
    Failure { sqlstate: refusal.sqlstate.clone(), position: refusal.position }
}
