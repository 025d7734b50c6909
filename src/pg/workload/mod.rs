//! The queries that run here, from whoever counted them.

mod captured;
mod statements;
mod table;

use crate::catalog::workload::{MissingSource, Source, WorkloadQuery};
use crate::syntax::normalised::{Subject, subject_of};

pub use statements::counted;
pub use table::writer;

/// The queries of one source; `auto` takes the best that has any.
///
/// Leaves out what has no plan, and queries about the system's catalogs or this extension. Most time first, then most
/// calls.
pub fn workload(source: &str) -> Result<Vec<WorkloadQuery>, MissingSource> {
    let mut queries = match Source::parse(source) {
        Some(source) => of_source(source)?,
        None if source == "auto" => of_best()?,
        None => {
            let names: Vec<&str> = Source::ALL.into_iter().map(Source::name).collect();
            return Err(MissingSource {
                message: format!("there is no source \"{source}\""),
                hint: format!("The sources are auto, {}.", names.join(", ")),
            });
        }
    };
    queries.retain(|query| subject_of(&query.text) == Subject::Data);
    let weight = |query: &WorkloadQuery| (query.total_time_ms.unwrap_or(0.0), query.calls);
    queries.sort_by(|one, other| {
        let ((time, calls), (other_time, other_calls)) = (weight(one), weight(other));
        other_time
            .total_cmp(&time)
            .then(other_calls.total_cmp(&calls))
            .then_with(|| one.text.cmp(&other.text))
    });
    Ok(queries)
}

fn of_source(source: Source) -> Result<Vec<WorkloadQuery>, MissingSource> {
    match source {
        Source::Capture => captured::queries(),
        Source::PgStatStatements => statements::queries(),
        Source::Table => table::queries(),
    }
}

/// The first source that has queries; where none has, what the one most often there lacks.
fn of_best() -> Result<Vec<WorkloadQuery>, MissingSource> {
    for source in Source::ALL {
        if let Ok(queries) = of_source(source)
            && queries.iter().any(|query| subject_of(&query.text) == Subject::Data)
        {
            return Ok(queries);
        }
    }
    Err(MissingSource {
        message: "nobody has counted any query of this database".to_owned(),
        hint: "Add pg_stat_statements to shared_preload_libraries, restart, and run CREATE EXTENSION \
               pg_stat_statements; or INSERT INTO dbm.workload (query, calls) what runs here."
            .to_owned(),
    })
}
