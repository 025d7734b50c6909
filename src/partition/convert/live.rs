//! A conversion planned on the running server.

use pgrx::PgSqlErrorCode;
use pgrx::datum::Interval;

use super::copy::refusals::MOST;
use super::facts::{Around, Table};
use super::kind::{kind, position};
use super::references::references;
use super::refusals::{Kind, Refused};
use super::swap::{PRINT, print_of};
use super::{Accept, Conversion, Cuts, Method, Partition, Wish, copy, cuts, plan, ranges_of_all, refusal};
use crate::catalog::{DAY, Oid};
use crate::change::batch::key;
use crate::partition::copy::drain::journal;
use crate::partition::grid::{Grid, MONDAY, default_origin};
use crate::partition::key::{Edge, EpochUnit, KeyKind, Position, Range};
use crate::partition::live::copy::store;
use crate::partition::refusal::Refusal;
use crate::partition::set::NameStyle;
use crate::partition::{every, line, name};
use crate::pg::error::raise;
use crate::pg::file::free_bytes;
use crate::pg::partition::convert::{Keys, documents, keys, owner_of, row_keys, said};
use crate::pg::zone::ServerZone;
use crate::pg::{moment, run};
use crate::text::{quote_identifier, quote_literal};

/// A call of `dbm.partition_convert_plan()`.
pub struct Request {
    /// The table.
    pub target: Oid,
    /// The column, as it is written or as it is.
    pub key: String,
    /// How wide a partition is.
    pub every: String,
    /// `auto`, `attach` or `copy`.
    pub method: String,
    /// How many partitions are made ahead.
    pub premake: i32,
    /// What is older than this goes.
    pub retention: Option<Interval>,
    /// In which zone calendar units are cut.
    pub time_zone: Option<String>,
    /// What is accepted.
    pub accept: Vec<String>,
}

fn refuse(refused: &Refused) -> ! {
    let code = match refused.kind {
        Kind::Unsupported => PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        Kind::Privilege => PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        Kind::Missing => PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
        Kind::Invalid => PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        Kind::Prerequisite => PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
    };
    let Refusal { message, detail, hint } = &refused.refusal;
    raise(code, message, detail, hint)
}

fn must<T>(result: Result<T, Refusal>) -> T {
    result.unwrap_or_else(|refusal| refuse(&Refused { kind: Kind::Invalid, refusal }))
}

fn no(kind: Kind, message: String, hint: &str) -> ! {
    refuse(&Refused { kind, refusal: Refusal::new(message, hint) })
}

fn read<'a, T: serde::Deserialize<'a>>(document: &'a str) -> T {
    serde_json::from_str(document).unwrap_or_else(|error| {
        raise(
            PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
            "the catalogs could not be read for a conversion",
            &error.to_string(),
            "",
        )
    })
}

/// Plans it and returns the number of the plan.
pub fn convert(request: &Request) -> i64 {
    check(request);
    let accept = Accept::parse(request.accept.iter().map(String::as_str)).unwrap_or_else(|why| refuse(&why));
    let Some((table, around)) = documents(request.target, PRINT) else {
        raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
            &format!("relation with OID {} does not exist", request.target),
            "",
            "",
        );
    };
    let (table, around): (Table, Around) = (read(&table), read(&around));
    let key = column_named(&table, &request.key);
    let asked = if &*request.method == "copy" { Method::Copy } else { Method::Attach };
    if let Some(why) = refusal(&table, &around, &key, accept, asked) {
        refuse(&why);
    }
    let zone = zone(request);
    let found = found(request, &table, &key, &zone);
    let free = free_bytes(table.tablespace_number);
    let row_key = row_keys(&key::keys(table.oid)).first().map(|columns| key::key(columns));
    let ranges = || {
        let (oldest, newest) = (found.oldest, found.newest);
        must(ranges_of_all(&found.grid, found.now, oldest, newest, found.premake, MOST, &table.qualified()))
    };
    let refused_copy = |count| copy::refusals::refusal(&table, &around, row_key.is_some(), count, free);
    let method = match &*request.method {
        // One partition of all that is there could not go before all of it is too old.
        "auto" if found.is_older_than(request.retention.as_ref(), &zone) => {
            if refused_copy(ranges().len()).is_none() { Method::Copy } else { Method::Attach }
        }
        _ => asked,
    };
    let made = match method {
        Method::Attach => {
            let Cuts { cutoff, ranges } =
                must(cuts(&found.grid, found.now, found.newest, found.premake, &table.qualified()));
            wish(request, &table, &found, cutoff, ranges, &zone)
        }
        Method::Copy => {
            let mut ranges = ranges();
            if let Some(why) = refused_copy(ranges.len()) {
                refuse(&why);
            }
            let end = ranges.last().map(|range| range.high.clone());
            let Some(Edge::At(cutoff)) = end else {
                no(Kind::Invalid, format!("{} has no values to cut", table.qualified()), "");
            };
            if let Some(first) = ranges.first_mut() {
                // Whatever comes late has a place, as before.
                first.low = Edge::MinValue;
            }
            wish(request, &table, &found, cutoff, ranges, &zone)
        }
    };
    let Some(conversion) = Conversion::new(&table, &around, &made, method) else {
        no(Kind::Missing, format!("column \"{key}\" of table {} does not exist", table.qualified()), "");
    };
    match (method, row_key) {
        (Method::Copy, Some(row_key)) => copied(&conversion, &row_key, free),
        _ => run::store(&plan(&conversion)),
    }
}

/// What the plan calls has to be granted, too.
fn check_rights() {
    let may = said(
        "SELECT CASE WHEN has_function_privilege('dbm.partition_copy(bigint,text,interval,interval)'::regprocedure, 'EXECUTE')
                      AND has_function_privilege('dbm.partition_copy_status()'::regprocedure, 'EXECUTE') THEN 'yes' END",
    );
    if may.is_none() {
        no(
            Kind::Privilege,
            "permission denied for procedure dbm.partition_copy or function dbm.partition_copy_status, which the plan calls"
                .to_owned(),
            "GRANT EXECUTE ON ROUTINE dbm.partition_copy, dbm.partition_copy_status TO somebody.",
        );
    }
}

/// Stores the copy, and the plan that carries it through.
fn copied(conversion: &Conversion<'_>, row_key: &key::Key, free: Option<u64>) -> i64 {
    check_rights();
    let table = conversion.table;
    let key = &conversion.wish.key;
    let print = said(&print_of(&copy::lines(conversion))).unwrap_or_default();
    let by = said(&copy::key_type(table.oid, key)).map(|sql_type| (key.clone(), sql_type));
    let journal = journal(row_key, &by.into_iter().collect::<Vec<_>>());
    // Once, for each look gives them other names.
    let references = references(conversion);
    let definition = copy::definition(conversion, &references, journal, &print);
    let job = store(&definition, table.oid, owner_of(table.oid));
    run::store(&copy::plan(conversion, &references, job, free))
}

fn check(request: &Request) {
    match &*request.method {
        "auto" | "attach" | "copy" => {}
        other => {
            no(Kind::Invalid, format!("the method \"{other}\" does not exist"), "Valid: auto, attach, copy.")
        }
    }
    if !(0..=1000).contains(&request.premake) {
        no(Kind::Invalid, format!("premake is {}, which is not from 0 to 1000", request.premake), "");
    }
}

/// As it is, or as it is written in SQL.
fn column_named(table: &Table, written: &str) -> String {
    let as_written = |column: &&super::facts::Column| column.quoted() == written.trim();
    match table.column(written).or_else(|| table.columns.iter().find(as_written)) {
        Some(column) => column.name.clone(),
        None => written.to_owned(),
    }
}

fn zone(request: &Request) -> ServerZone {
    let Some(name) = &request.time_zone else { return ServerZone::of_session() };
    ServerZone::find(name).unwrap_or_else(|| {
        no(
            Kind::Invalid,
            format!("the time zone \"{name}\" does not exist"),
            "SELECT name FROM pg_timezone_names lists them.",
        )
    })
}

/// What the rows say, and how they are cut.
struct Found<'zone> {
    key: String,
    kind: KeyKind,
    grid: Grid<'zone>,
    /// Where a row that is made now lies.
    now: Position,
    oldest: Option<Position>,
    newest: Option<Position>,
    premake: u32,
}

impl Found<'_> {
    /// Whether some of the rows are older than is to be kept.
    fn is_older_than(&self, retention: Option<&Interval>, zone: &ServerZone) -> bool {
        let Some(retention) = retention else { return false };
        let days = i64::from(retention.months()) * 30 + i64::from(retention.days());
        let length = days.saturating_mul(DAY).saturating_add(retention.micros());
        let moment = moment::to_timestamp(moment::now()).saturating_sub(length);
        let limit = line::position_of_moment(self.kind, moment, zone);
        self.oldest.zip(limit).is_some_and(|(oldest, limit)| oldest < limit)
    }
}

fn found<'zone>(request: &Request, table: &Table, key: &str, zone: &'zone ServerZone) -> Found<'zone> {
    let qualified = table.qualified();
    let Some(column) = table.column(key) else {
        no(Kind::Missing, format!("column \"{key}\" of table {qualified} does not exist"), "");
    };
    let is_indexed = table.indexes.iter().any(|index| {
        index.is_valid && index.is_btree && !index.is_partial && index.first_column.as_deref() == Some(key)
    });
    let Keys { oldest, newest, has_null, is_exact } =
        keys(&qualified, &column.quoted(), !column.is_not_null, is_indexed, table.blocks);
    if has_null {
        no(
            Kind::Prerequisite,
            format!("{qualified} has rows without {}, which no partition takes", column.quoted()),
            &format!("CALL dbm.backfill({}, …) gives them one, or DELETE them.", quote_literal(&qualified)),
        );
    }
    let now = moment::to_timestamp(moment::now());
    let is_span = request.every.trim().parse::<u64>().is_err()
        && request.every.chars().any(char::is_alphabetic)
        && every::parse(&request.every, KeyKind::Integer { bytes: 8 }).is_err();
    let Some(kind) = kind(column, is_span, newest.as_deref(), now) else {
        no(
            Kind::Invalid,
            format!(
                "\"{}\" is a span of time, and {} of {qualified} counts numbers, of which none is a moment near now",
                request.every.trim(),
                column.quoted()
            ),
            "For example: every => '1000000'.",
        );
    };
    let every = must(every::parse(&request.every, kind));
    let grid = Grid::new(kind, every, default_origin(kind, every, MONDAY, zone), zone);
    let place = |text: String| {
        position(kind, &text).unwrap_or_else(|| {
            no(
                Kind::Prerequisite,
                format!(
                    "{} of a row of {qualified} is {text}, which lies in no partition between boundaries",
                    column.quoted()
                ),
                "Correct such rows first.",
            )
        })
    };
    let newest = newest.map(place);
    // Of what lies below all boundaries the first partition takes care.
    let oldest = oldest.and_then(|text| position(kind, &text));
    Found {
        key: key.to_owned(),
        kind,
        grid,
        now: line::position_of_moment(kind, now, zone).or(newest).unwrap_or(0),
        oldest,
        newest: newest.filter(|_| is_exact),
        premake: u32::try_from(request.premake).unwrap_or(0),
    }
}

/// `FROM …` and the condition that says the same.
fn inside(kind: KeyKind, column: &str, range: &Range) -> String {
    let side = |edge: &Edge, sign: &str| match edge {
        Edge::At(position) => Some(format!("{column} {sign} {}", line::literal(kind, *position))),
        _ => None,
    };
    let sides: Vec<String> = side(&range.low, ">=").into_iter().chain(side(&range.high, "<")).collect();
    if sides.is_empty() { "true".to_owned() } else { sides.join(" AND ") }
}

fn wish(
    request: &Request,
    table: &Table,
    found: &Found<'_>,
    cutoff: Position,
    ranges: Vec<Range>,
    zone: &ServerZone,
) -> Wish {
    let qualified = table.qualified();
    let (kind, key) = (found.kind, &found.key);
    let mut taken = table.taken.clone();
    let partitions = ranges
        .iter()
        .map(|range| {
            // A partition that takes all before is called by what it takes mostly.
            let named = match (&range.low, &range.high) {
                (Edge::MinValue, Edge::At(high)) => found.grid.range_of(high.saturating_sub(1)),
                _ => range.clone(),
            };
            let name = name::name(&table.name, &named, &found.grid, NameStyle::House, &|name| {
                taken.iter().any(|other| other == name)
            });
            taken.push(name.clone());
            Partition {
                name,
                bounds: line::bounds(kind, range, 1),
                inside: inside(kind, &quote_identifier(key), range),
            }
        })
        .collect();
    let manage =
        |retention| manage(request, &qualified, &every::render(found.grid.every), zone, kind, retention);
    Wish {
        key: key.clone(),
        cutoff: line::literal(kind, cutoff),
        partitions,
        asked: asked(request, &qualified, key),
        manage: manage(request.retention.as_ref()),
        manage_all: request.retention.as_ref().map(|_| manage(None)),
        search_path: crate::pg::search_path::of_caller(),
    }
}

fn interval_text(interval: &Interval) -> String {
    format!("{} months {} days {} microseconds", interval.months(), interval.days(), interval.micros())
}

/// The statement that puts the set under upkeep.
fn manage(
    request: &Request,
    qualified: &str,
    every: &str,
    zone: &ServerZone,
    kind: KeyKind,
    retention: Option<&Interval>,
) -> String {
    let mut arguments = vec![
        format!("{}::pg_catalog.regclass", quote_literal(qualified)),
        format!("every => {}", quote_literal(every)),
        format!("premake => {}", request.premake),
    ];
    if let Some(retention) = retention {
        arguments
            .push(format!("retention => {}::pg_catalog.interval", quote_literal(&interval_text(retention))));
    }
    if let KeyKind::Epoch { unit, .. } = kind {
        let word = match unit {
            EpochUnit::Seconds => "seconds",
            EpochUnit::Milliseconds => "milliseconds",
            EpochUnit::Microseconds => "microseconds",
            EpochUnit::Nanoseconds => "nanoseconds",
        };
        arguments.push(format!("epoch => '{word}'"));
    }
    if line::tells_moments(kind) {
        arguments.push(format!("time_zone => {}", quote_literal(&zone.name())));
    }
    format!("SELECT dbm.partition_manage({})", arguments.join(", "))
}

fn asked(request: &Request, qualified: &str, key: &str) -> String {
    let accept: Vec<String> = request.accept.iter().map(|word| quote_literal(word)).collect();
    let accept =
        if accept.is_empty() { String::new() } else { format!(", accept => ARRAY[{}]", accept.join(", ")) };
    let method = match &*request.method {
        "auto" => String::new(),
        method => format!(", method => {}", quote_literal(method)),
    };
    format!(
        "dbm.partition_convert_plan({}, {}, {}{method}{accept})",
        quote_literal(qualified),
        quote_literal(&quote_identifier(key)),
        quote_literal(&request.every)
    )
}
