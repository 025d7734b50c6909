//! A conversion planned on the running server.

use pgrx::PgSqlErrorCode;
use pgrx::datum::Interval;

use super::facts::{Around, Table};
use super::kind::{kind, position};
use super::refusals::{Kind, Refused};
use super::swap::PRINT;
use super::{Accept, Conversion, Partition, Wish, cuts, plan, refusal};
use crate::catalog::Oid;
use crate::partition::grid::{Grid, MONDAY, default_origin};
use crate::partition::key::{EpochUnit, KeyKind};
use crate::partition::refusal::Refusal;
use crate::partition::set::NameStyle;
use crate::partition::{every, line, name};
use crate::pg::error::raise;
use crate::pg::partition::convert::{Keys, documents, keys};
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
    /// `auto` or `attach`.
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
    if let Some(why) = refusal(&table, &around, &key, accept) {
        refuse(&why);
    }
    let wish = wish(request, &table, &key);
    let Some(conversion) = Conversion::new(&table, &around, &wish) else {
        no(Kind::Missing, format!("column \"{key}\" of table {} does not exist", table.qualified()), "");
    };
    run::store(&plan(&conversion))
}

fn check(request: &Request) {
    match &*request.method {
        "auto" | "attach" => {}
        other => no(Kind::Invalid, format!("the method \"{other}\" does not exist"), "Valid: auto, attach."),
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

fn wish(request: &Request, table: &Table, key: &str) -> Wish {
    let qualified = table.qualified();
    let Some(column) = table.column(key) else {
        no(Kind::Missing, format!("column \"{key}\" of table {qualified} does not exist"), "");
    };
    let is_indexed = table.indexes.iter().any(|index| {
        index.is_valid && index.is_btree && !index.is_partial && index.first_column.as_deref() == Some(key)
    });
    let Keys { newest, has_null, is_exact } =
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
    let zone = zone(request);
    let grid = Grid::new(kind, every, default_origin(kind, every, MONDAY, &zone), &zone);
    let last = newest.as_deref().map(|text| {
        position(kind, text).unwrap_or_else(|| {
            no(
                Kind::Prerequisite,
                format!(
                    "{} of a row of {qualified} is {text}, which lies in no partition between boundaries",
                    column.quoted()
                ),
                "Correct such rows first.",
            )
        })
    });
    let at_now = line::position_of_moment(kind, now, &zone).or(last).unwrap_or(0);
    let premake = u32::try_from(request.premake).unwrap_or(0);
    let cuts = must(cuts(&grid, at_now, last.filter(|_| is_exact), premake, &qualified));
    let mut taken = table.taken.clone();
    let partitions = cuts
        .ranges
        .iter()
        .map(|range| {
            let name = name::name(&table.name, range, &grid, NameStyle::House, &|name| {
                taken.iter().any(|other| other == name)
            });
            taken.push(name.clone());
            Partition { name, bounds: line::bounds(kind, range, 1) }
        })
        .collect();
    Wish {
        key: key.to_owned(),
        cutoff: line::literal(kind, cuts.cutoff),
        partitions,
        asked: asked(request, &qualified, key),
        manage: manage(request, &qualified, &every::render(every), &zone, kind),
        has_retention: request.retention.is_some(),
    }
}

fn interval_text(interval: &Interval) -> String {
    format!("{} months {} days {} microseconds", interval.months(), interval.days(), interval.micros())
}

/// The statement that puts the set under upkeep.
fn manage(request: &Request, qualified: &str, every: &str, zone: &ServerZone, kind: KeyKind) -> String {
    let mut arguments = vec![
        format!("{}::pg_catalog.regclass", quote_literal(qualified)),
        format!("every => {}", quote_literal(every)),
        format!("premake => {}", request.premake),
    ];
    if let Some(retention) = &request.retention {
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
    format!(
        "dbm.partition_convert_plan({}, {}, {}{accept})",
        quote_literal(qualified),
        quote_literal(&quote_identifier(key)),
        quote_literal(&request.every)
    )
}
