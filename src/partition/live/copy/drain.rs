//! The drain of a default partition: which partitions its rows need, and the copy that moves them there.

use std::time::Duration;

use pgrx::PgSqlErrorCode;

use super::{field, number, store};
use crate::catalog::Oid;
use crate::change::batch::key;
use crate::partition::copy::drain::{self, Drain, Piece};
use crate::partition::copy::job::Phase;
use crate::partition::copy::record;
use crate::partition::key::{Edge, KeyKind, Position, Range};
use crate::partition::live::pattern;
use crate::partition::live::survey::Surveyed;
use crate::partition::set::{Partition, Policy, Set};
use crate::partition::upkeep::{Cuts, high_of, low_of};
use crate::partition::{bounds, ddl, line};
use crate::pg::backfill::conversation::Conversation;
use crate::pg::error::raise;
use crate::pg::partition::copy::session::{as_extension, as_role, carry_on, in_worker, unfiltered};
use crate::pg::partition::set::sets;
use crate::pg::planner::role_name;
use crate::pg::run::Failure;
use crate::text::{quote_identifier, quote_qualified};

/// Up to so many rows are moved in the swap itself: that holds its lock no longer than a swap after a copy.
const FEW: u64 = 2_000;
/// Up to so many rows without a key are, which holds it for a fifth of a second.
const MOST_WITHOUT_KEY: u64 = 20_000;
/// Up to so many rows stay in the default partition, into which the swap copies them.
const MOST_LEFT: u64 = 50_000;
/// Up to so many rows are looked at for a foreign key under the lock.
const MOST_CHECKED: u64 = 100_000;
/// How long it goes on without getting any further before the next run of upkeep tries again.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);
/// How many ranges are told apart in one look.
const MOST_RANGES: usize = 5_000;

/// What was done.
pub struct Drained {
    /// The partitions made, qualified and quoted, with their rows.
    pub partitions: Vec<(String, u64)>,
    /// The copy's own account; `None` where there was nothing to do.
    pub outcome: Option<Outcome>,
}

/// What a copy came to.
pub struct Outcome {
    /// Keys copied again.
    replayed: u64,
    /// How long the swap held its locks.
    held: Duration,
}

impl Drained {
    /// For people.
    pub fn text(&self) -> String {
        let Some(outcome) = &self.outcome else {
            return "no row of the default partition has a partition to go to".to_owned();
        };
        let held = outcome.held.as_secs_f64() * 1_000.0;
        let moved: u64 = self.partitions.iter().map(|(_, rows)| rows).sum();
        let moved = match self.partitions.len() {
            0 => "the drain that was left half done is done".to_owned(),
            1 => format!("{moved} rows moved into {}", self.partitions[0].0),
            count => format!("{moved} rows moved into {count} new partitions"),
        };
        format!("{moved}; {} changed meanwhile; everybody waited {held:.0} ms", outcome.replayed)
    }
}

/// Drains a set's default partition. In a worker, outside a transaction.
/// `role`: who asked for it.
pub fn drain(
    surveyed: &Surveyed,
    cuts: &dyn Cuts,
    lock_timeout: Duration,
    role: Oid,
) -> Result<Drained, Failure> {
    let planned = in_worker(lock_timeout, |talk| plan(talk, surveyed, cuts, role))?;
    let (id, partitions) = match planned {
        Planned::Nothing => return Ok(Drained { partitions: Vec::new(), outcome: None }),
        Planned::Unfinished(id) => (id, Vec::new()),
        Planned::Job(id, partitions) => (id, partitions),
    };
    if let Err(failure) = carry_on(id, Phase::Cleaned.name(), lock_timeout, GIVE_UP_AFTER) {
        // What will not go better is taken back, so that nothing stays that nobody asked for.
        let is_passing =
            matches!(&*failure.sqlstate, "55P03" | "40P01" | "55006" | "57014" | "57P01" | "53100");
        if !is_passing && let Err(other) = carry_on(id, Phase::Aborted.name(), lock_timeout, GIVE_UP_AFTER) {
            pgrx::log!("dbmastery: copy {id} could not be taken back: {}", other.text());
        }
        return Err(failure);
    }
    let row = in_worker(lock_timeout, |talk| as_extension(|| talk.row(&record::outcome(id))))?;
    let held = Duration::from_secs_f64(number::<f64>(&row, 1).max(0.0) / 1_000.0);
    let outcome = Outcome { replayed: number(&row, 0), held };
    Ok(Drained { partitions, outcome: Some(outcome) })
}

enum Planned {
    Nothing,
    /// A copy that somebody else, or a crash, left.
    Unfinished(i64),
    Job(i64, Vec<(String, u64)>),
}

fn refuse(set: &Set, detail: &str, hint: &str) -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        &format!("the default partition of {} cannot be drained", set.qualified()),
        detail,
        hint,
    )
}

fn plan(talk: &Conversation, surveyed: &Surveyed, cuts: &dyn Cuts, role: Oid) -> Planned {
    // Partitions may have been made since.
    let parent = surveyed.set.parent;
    let Some(set) = sets(&[parent]).pop() else { return Planned::Nothing };
    let Some(default) = set.default_partition().cloned() else { return Planned::Nothing };
    let unfinished = as_extension(|| talk.run(&record::unfinished(default.relation)));
    if let Some(row) = unfinished.first() {
        return Planned::Unfinished(number(row, 0));
    }
    if default.is_partitioned || default.is_foreign {
        refuse(
            &set,
            &format!("{} is itself partitioned, or a foreign table.", name_of(&default)),
            "Move its rows by hand.",
        );
    }
    let ranges = needed(talk, &set, &default, surveyed, cuts);
    if ranges.is_empty() {
        return Planned::Nothing;
    }
    if ranges.len() > usize::try_from(surveyed.policy.max_create).unwrap_or(usize::MAX) {
        refuse(
            &set,
            &format!(
                "Its rows need {} new partitions, and one pass creates no more than max_create: {}.",
                ranges.len(),
                surveyed.policy.max_create
            ),
            "Set max_create higher in dbm.partition_set: all are attached under one lock, a few milliseconds each.",
        );
    }
    let mut drain = describe(talk, &set, &default, &surveyed.policy, cuts, &ranges);
    drain.asked_by = role_name(role);
    let wanted = drain::definition(&drain);
    let tables =
        drain.pieces.iter().zip(&ranges).map(|(piece, (_, rows))| (piece.table.clone(), *rows)).collect();
    Planned::Job(store(&wanted, default.relation, set.owner), tables)
}

fn name_of(partition: &Partition) -> String {
    quote_qualified(&partition.schema, &partition.name)
}

/// The ranges that rows of the default partition need, with how many need each: those that are not too old and no further
/// ahead than partitions are made.
fn needed(
    talk: &Conversation,
    set: &Set,
    default: &Partition,
    surveyed: &Surveyed,
    cuts: &dyn Cuts,
) -> Vec<(Range, u64)> {
    let policy = &surveyed.policy;
    let (Some(here), Some(Some(column))) = (surveyed.position, set.key_columns.first()) else {
        return Vec::new();
    };
    let mut high = here;
    for _ in 0..=policy.premake {
        high = cuts.after(high).unwrap_or(high);
    }
    let low = surveyed.cutoff.map_or(Edge::MinValue, |cutoff| Edge::At(cuts.at_or_before(cutoff)));
    let Some(inside) = ddl::inside(set, policy.key, &Range { low, high: Edge::At(high) }) else {
        return Vec::new();
    };
    let (column, table) = (quote_identifier(column), name_of(default));
    let finite = match policy.key {
        KeyKind::Date | KeyKind::Timestamp | KeyKind::TimestampWithTimeZone => {
            format!(" AND pg_catalog.isfinite({column})")
        }
        _ => String::new(),
    };
    let looked = |sql: String| unfiltered(|| as_role(set.owner, || talk.row(&sql)));
    let rows = format!("FROM ONLY {table} WHERE {inside}{finite}");
    let (first, last) = if policy.key == KeyKind::UuidV7 {
        // Which has no min() before version 18.
        let end = |order: &str| {
            let row =
                looked(format!("SELECT {column}::pg_catalog.text {rows} ORDER BY {column}{order} LIMIT 1"));
            value_of(policy.key, field(&row, 0))
        };
        (end(""), end(" DESC"))
    } else {
        let row = looked(format!(
            "SELECT pg_catalog.min({column})::pg_catalog.text, pg_catalog.max({column})::pg_catalog.text {rows}"
        ));
        (value_of(policy.key, field(&row, 0)), value_of(policy.key, field(&row, 1)))
    };
    let (Some(first), Some(last)) = (first, last) else { return Vec::new() };
    let cells = free_cells(set, cuts, first, last);
    if cells.is_empty() {
        return Vec::new();
    }
    let mut edges: Vec<Position> = cells.iter().flat_map(|&(low, high)| [low, high]).collect();
    edges.sort_unstable();
    edges.dedup();
    let literals: Vec<String> =
        edges.iter().filter_map(|&edge| ddl::literal_of(set, policy.key, edge)).collect();
    let sql = format!(
        "SELECT pg_catalog.width_bucket({column}, ARRAY[{}]), pg_catalog.count(*) FROM ONLY {table} \
         WHERE {inside}{finite} GROUP BY 1 ORDER BY 1",
        literals.join(", ")
    );
    let counts = unfiltered(|| as_role(set.owner, || talk.run(&sql)));
    counts
        .iter()
        .filter_map(|row| {
            let bucket: usize = number(row, 0);
            let low = *edges.get(bucket.checked_sub(1)?)?;
            let (low, high) = *cells.iter().find(|cell| cell.0 == low)?;
            Some((Range::between(low, high), number(row, 1)))
        })
        .collect()
}

/// The place of a value that a row has.
fn value_of(key: KeyKind, text: &str) -> Option<Position> {
    match key {
        KeyKind::Ulid => line::milliseconds_of_ulid(text),
        KeyKind::UuidV7 => {
            let digits: String = text.chars().filter(|&character| character != '-').collect();
            let bytes = u128::from_str_radix(&digits, 16).ok()?.to_be_bytes();
            Some(line::milliseconds_of_uuid(bytes))
        }
        _ => line::position_of_text(key, text),
    }
}

/// The ranges between two places that no partition takes, cut where the set is cut.
fn free_cells(set: &Set, cuts: &dyn Cuts, first: Position, last: Position) -> Vec<(Position, Position)> {
    let mut taken: Vec<(Position, Position)> =
        set.ranges().filter_map(|(_, range)| Some((low_of(range)?, high_of(range)?))).collect();
    taken.sort_unstable();
    let mut cells = Vec::new();
    let mut place = cuts.at_or_before(first);
    while place <= last && cells.len() < MOST_RANGES {
        let Some(end) = cuts.after(place).filter(|&end| end > place) else { break };
        let mut low = place;
        for &(from, to) in taken.iter().filter(|(from, to)| *from < end && *to > place) {
            if low < from {
                cells.push((low, from));
            }
            low = low.max(to);
        }
        if low < end {
            cells.push((low, end));
        }
        place = end;
    }
    cells
}

fn describe(
    talk: &Conversation,
    set: &Set,
    default: &Partition,
    policy: &Policy,
    cuts: &dyn Cuts,
    ranges: &[(Range, u64)],
) -> Drain {
    let count = |limit: u64| -> u64 {
        let sql = format!(
            "SELECT pg_catalog.count(*) FROM (SELECT FROM ONLY {} LIMIT {limit}) AS x",
            name_of(default)
        );
        unfiltered(|| as_role(set.owner, || number(&talk.row(&sql), 0)))
    };
    let moved: u64 = ranges.iter().map(|(_, rows)| rows).sum();
    let all = count(moved.max(MOST_CHECKED) + MOST_LEFT + 2);
    if all > moved + MOST_LEFT {
        refuse(
            set,
            &format!(
                "More than {MOST_LEFT} of its rows belong to no partition that the policy makes: their key is null, \
                 infinite, too old or too far ahead. They would have to be copied while everybody waits."
            ),
            &format!("Move or delete them: see SELECT * FROM {}.", name_of(default)),
        );
    }
    let keys = as_extension(|| talk.run(&key::keys(default.relation)));
    let key = keys.first().map(|row| key::key(field(row, 1)));
    let is_few = all <= FEW || (key.is_none() && all <= MOST_WITHOUT_KEY);
    if !is_few && key.is_none() {
        refuse(
            set,
            &format!(
                "It has more than {MOST_WITHOUT_KEY} rows and no key to tell them apart while others write."
            ),
            &format!(
                "CREATE UNIQUE INDEX CONCURRENTLY on columns of {} that are NOT NULL, or move its rows by hand.",
                name_of(default)
            ),
        );
    }
    if !set.referenced_by.is_empty() && all > MOST_WITHOUT_KEY {
        refuse(
            set,
            &format!("Foreign keys of {} forbid to empty it at once.", set.referenced_by.join(", ")),
            "Move its rows by hand.",
        );
    }
    if !set.references.is_empty() && all > MOST_CHECKED {
        refuse(
            set,
            &format!(
                "More than {MOST_CHECKED} rows would be looked up in {} while everybody waits.",
                set.references.join(", ")
            ),
            "Move its rows by hand, or drop the foreign key and add it again afterwards.",
        );
    }
    let by = as_extension(|| talk.run(&drain::partition_columns(set.parent)));
    let by: Vec<(String, String)> =
        by.iter().map(|row| (field(row, 0).to_owned(), field(row, 1).to_owned())).collect();
    let journal = match (&key, is_few) {
        (Some(key), false) => drain::journal(key, &by),
        _ => Vec::new(),
    };
    let columns = as_extension(|| talk.row(&drain::columns(default.relation)));
    let partition_by =
        as_extension(|| talk.row(&format!("SELECT pg_catalog.pg_get_partkeydef({})", set.parent)));
    let (pattern, model) = pattern::read(set, policy);
    let parent = set.qualified();
    let pieces = ranges
        .iter()
        .map(|(range, _)| {
            let name = cuts.name(range);
            let bounds = bounds::bounds(set, policy.key, range);
            let creation = ddl::creation(&parent, &set.schema, &name, &bounds, &pattern, &model);
            let column = set.key_columns.first().and_then(Option::as_deref).unwrap_or_default();
            let inside = ddl::inside(set, policy.key, range).unwrap_or_default();
            Piece {
                table: quote_qualified(&set.schema, &name),
                bounds: format!("FOR VALUES {bounds}"),
                inside: format!("{} IS NOT NULL AND {inside}", quote_identifier(column)),
                beside: creation.beside,
                tables: creation.tables,
                open: creation.open,
                after: creation.after,
            }
        })
        .collect();
    Drain {
        parent,
        parent_number: set.parent,
        schema: set.schema.clone(),
        by: field(&partition_by, 0).to_owned(),
        default: name_of(default),
        columns: serde_json::from_str(field(&columns, 0)).unwrap_or_default(),
        journal,
        pieces,
        most_in_swap: MOST_WITHOUT_KEY,
        is_referenced: !set.referenced_by.is_empty(),
        asked_by: String::new(),
    }
}
