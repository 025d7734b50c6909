//! Constraints whose index can be built in no other way than in place: EXCLUDE, and WITHOUT OVERLAPS from 18 on. There is
//! neither CONCURRENTLY nor NOT VALID nor USING INDEX for them, so that the plan says for how long everybody waits, and
//! stops for somebody to choose the time.

use super::asked::{Asked, alter};
use super::check::{refuse_taken, text_of};
use super::create_index::key_names;
use super::recipe::{NoPlan, Recipe};
use super::words::{find, words};
use super::{names, proof};
use crate::catalog::LockMode;
use crate::catalog::ddl::TableShape;
use crate::change::plan::{Phase, Risk, Step};
use crate::migration::assessment::span;
use crate::text::quote_identifier;

/// ADD CONSTRAINT … EXCLUDE.
pub fn add(asked: &Asked<'_>) -> Result<Recipe, NoPlan> {
    let table = asked.table()?;
    let text = text_of(asked)?;
    if let Some(name) = &text.name {
        refuse_taken(table, name)?;
    }
    let keys = key_names(&text.body);
    let name = text.name.clone().unwrap_or_else(|| {
        asked.chosen(&table.schema, &table.taken, &table.name, Some(&names::joined(&keys)), "excl")
    });
    Ok(in_place(asked, table, &name, &text.body, "an exclusion constraint"))
}

/// Whether a key has a part WITHOUT OVERLAPS, whose index is one of exclusion.
pub fn is_without_overlaps(body: &str) -> bool {
    super::column_text::list(body)
        .is_some_and(|(_, inner, _)| find(&words(inner), &["WITHOUT", "OVERLAPS"]).is_some())
}

/// How long it takes by this server's rates: every row is read, and the index built.
pub fn seconds(asked: &Asked<'_>) -> Option<(f64, f64)> {
    #[allow(clippy::cast_precision_loss)]
    let bytes = asked.action.target.as_ref()?.bytes as f64;
    let rates = asked.around.rates;
    Some((bytes / rates.index_build.1, bytes / rates.index_build.0))
}

/// Whether a step is one of these.
pub fn builds(sql: &str) -> bool {
    let tokens = words(sql);
    find(&tokens, &["ADD", "CONSTRAINT"]).is_some()
        && (find(&tokens, &["EXCLUDE"]).is_some() || is_without_overlaps(sql))
}

fn span_of_time(seconds: Option<(f64, f64)>) -> String {
    seconds.map_or_else(String::new, |seconds| format!(", {} by this server's rates", span(seconds)))
}

/// The constraint as it is asked for, at a time that somebody has chosen.
pub fn in_place(asked: &Asked<'_>, table: &TableShape, name: &str, body: &str, what: &str) -> Recipe {
    let qualified = table.qualified();
    let how_long = span_of_time(seconds(asked));
    Recipe::default()
        .risk(Risk::Medium)
        .requires(format!(
            "no version of PostgreSQL builds {what} beside the writers: readers and writers of {qualified} wait while every row is \
             read and the index is built{how_long}"
        ))
        .with(Step::by_hand(
            Phase::Prepare,
            format!(
                "choose a quiet time, or fill a new table that has {what} from the start and exchange the two: from the next step on \
                 readers and writers of {qualified} wait until its index is built{how_long}; confirm when that may be"
            ),
        ))
        .with_lasting(
            Step::new(
                Phase::Expand,
                alter(&qualified, &format!("ADD CONSTRAINT {} {}", quote_identifier(name), body.trim())),
            )
            .lock(LockMode::AccessExclusive)
            .undo(proof::drop_constraint(&qualified, name))
            .verify(proof::has_constraint(&qualified, name))
            .note(
                "waits no longer than dbm.apply_lock_timeout for its lock, and then holds it until the index is built; if two rows \
                 conflict it fails and leaves nothing behind",
            ),
        )
}
