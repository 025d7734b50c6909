//! How a set stands: where its partitions end, what is missing, and what is wrong with it, by the catalogs, its policy and
//! the time alone. It needs no worker, so that it tells of a dead one too.

#[cfg(feature = "postgres")]
pub mod live;
#[cfg(test)]
mod tests;

use super::key::{Edge, KeyKind, Position, Range};
use super::line;
use super::policy::{WATCHED, checked};
use super::set::{Distance, OnMissing, Partition, Policy, Set, StoredPolicy, Strategy};
use super::span_of_calendar::moved;
use super::zone::{Utc, Zone};
use crate::catalog::{DAY, EPOCH_DIFFERENCE, Moment};
use crate::text::size::grouped;

/// Microseconds.
const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
/// What is due longer than this and was not tried has nobody who does it.
const PATIENCE: i64 = HOUR;
/// What is too old longer than this should be gone.
const GRACE: i64 = DAY;
/// How far calendars may disagree about the end of a month.
const MONTH_GRACE: i64 = 3 * DAY;

/// What is looked at.
pub struct Subject<'a> {
    /// The set as it is.
    pub set: &'a Set,
    /// Its policy as it is stored; `None` for a set that nobody keeps.
    pub stored: Option<&'a StoredPolicy>,
    /// Microseconds since 2000-01-01 00:00 UTC.
    pub now: i64,
    /// The zone of the policy; `None` where the server does not know it.
    pub zone: Option<&'a dyn Zone>,
    /// How many rows the default partition holds; `None` where nobody knows.
    pub default_rows: Option<i64>,
}

/// How a set stands. Moments are microseconds since 2000-01-01 00:00 UTC.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// Its name, qualified and quoted.
    pub parent: String,
    /// How many partitions there are, without the default.
    pub partitions: usize,
    /// The lowest edge.
    pub first_bound: Option<String>,
    /// The highest edge.
    pub last_bound: Option<String>,
    /// How long there is a partition for every row of now; `None` for keys that count, and for ever.
    pub ahead: Option<i64>,
    /// How many partitions come after that of now, without a hole.
    pub partitions_ahead: Option<usize>,
    /// When no partition takes a row of now any more.
    pub ends_at: Option<i64>,
    /// Rows in the default partition.
    pub default_rows: Option<i64>,
    /// The oldest partition, qualified and quoted.
    pub oldest: Option<String>,
    /// How many partitions should be gone by its retention.
    pub overdue: usize,
    /// Holes between partitions.
    pub gaps: usize,
    /// When something is to be done next.
    pub next_due: Option<i64>,
    /// When upkeep was last at it; since 1970.
    pub last_run: Option<Moment>,
    /// What came out of it.
    pub last_result: Option<String>,
    /// How often it failed in a row.
    pub failures: i32,
    /// For how long it has been due without anybody trying.
    pub unattended: Option<i64>,
    /// What is wrong, the worst first.
    pub problem: Option<String>,
    /// How urgent the worst is; 0 is the worst, and [`FINE`] none.
    pub urgency: u8,
}

/// The urgency of a set with which nothing is wrong.
pub const FINE: u8 = u8::MAX;

/// What is wrong, with its urgency.
#[derive(Default)]
struct Problems(Vec<(u8, String)>);

impl Problems {
    fn add(&mut self, urgency: u8, text: impl Into<String>) {
        self.0.push((urgency, text.into()));
    }
}

/// The partitions that follow each other without a hole, from that of a position on.
pub struct Chain<'a> {
    /// Their ranges.
    pub ranges: Vec<&'a Range>,
    /// Where they end; `None`: never.
    pub end: Option<Position>,
}

/// The partitions from that of a position on; `None` where there is none for it.
pub fn chain(set: &Set, position: Position) -> Option<Chain<'_>> {
    let mut ranges: Vec<&Range> = Vec::new();
    for (_, range) in set.ranges() {
        let follows = match ranges.last() {
            None => holds(range, position),
            Some(last) => matches!((&last.high, &range.low), (Edge::At(high), Edge::At(low)) if high == low),
        };
        if follows {
            ranges.push(range);
        } else if !ranges.is_empty() {
            break;
        }
    }
    let end = match &ranges.last()?.high {
        Edge::At(high) => Some(*high),
        _ => None,
    };
    Some(Chain { ranges, end })
}

fn holds(range: &Range, position: Position) -> bool {
    let begins = match range.low {
        Edge::MinValue => true,
        Edge::At(low) => low <= position,
        _ => false,
    };
    let ends = match range.high {
        Edge::MaxValue => true,
        Edge::At(high) => position < high,
        // A value beyond our line, as infinity is.
        Edge::Other(_) => true,
        Edge::MinValue => false,
    };
    begins && ends
}

/// The holes between partitions, also half detached ones, in order.
pub fn gaps(set: &Set) -> Vec<(Position, Position)> {
    let mut gaps = Vec::new();
    let mut reached: Option<Position> = None;
    for range in set.partitions.iter().filter_map(|partition| partition.range.as_ref()) {
        if let (Some(high), Edge::At(low)) = (reached, &range.low)
            && high < *low
        {
            gaps.push((high, *low));
        }
        reached = match range.high {
            Edge::At(high) => Some(high),
            _ => None,
        };
    }
    gaps
}

/// Where the line is: the time, or for numbers the lower edge of the newest partition that holds anything.
pub fn position(set: &Set, key: KeyKind, now: i64, zone: &dyn Zone) -> Option<Position> {
    line::position_of_moment(key, now, zone).or_else(|| {
        let (_, range) = set.ranges().rfind(|(partition, _)| partition.may_hold_rows())?;
        match range.low {
            Edge::At(low) => Some(low),
            _ => None,
        }
    })
}

/// When a range becomes too old; `None`: never.
fn expires(range: &Range, policy: &Policy, zone: &dyn Zone) -> Option<i64> {
    let (Edge::At(high), Some(Distance::Time { months, days, microseconds })) =
        (&range.high, policy.retention)
    else {
        return None;
    };
    let end = line::moment_of_position(policy.key, *high, zone)?;
    moved(end, (months.into(), days.into(), microseconds), zone)
}

/// A span for people, in its largest unit.
pub fn span(microseconds: i64) -> String {
    let (number, unit) = match microseconds.abs() {
        span if span >= 2 * DAY => (span / DAY, "day"),
        span if span >= 2 * HOUR => (span / HOUR, "hour"),
        span => (span / MINUTE, "minute"),
    };
    if number == 1 { format!("1 {unit}") } else { format!("{} {unit}s", grouped(number)) }
}

fn edge_text(key: Option<KeyKind>, edge: &Edge) -> String {
    match (edge, key) {
        (Edge::MinValue, _) => "MINVALUE".to_owned(),
        (Edge::MaxValue, _) => "MAXVALUE".to_owned(),
        (Edge::Other(text), _) => text.clone(),
        (Edge::At(position), Some(key)) => readable(key, *position),
        (Edge::At(position), None) => position.to_string(),
    }
}

/// A place for people: a uuid, a ULID and an integer that tells the time as the moment that it tells.
pub fn readable(key: KeyKind, position: Position) -> String {
    let moment = match key {
        KeyKind::UuidV7 | KeyKind::Ulid | KeyKind::Epoch { .. } => {
            line::moment_of_position(key, position, &Utc)
        }
        _ => None,
    };
    match (key, moment) {
        (KeyKind::Epoch { .. }, Some(moment)) => {
            format!("{position} ({})", line::text(KeyKind::TimestampWithTimeZone, moment))
        }
        (_, Some(moment)) => line::text(KeyKind::TimestampWithTimeZone, moment),
        _ => line::text(key, position),
    }
}

/// How a set stands.
pub fn status(subject: &Subject<'_>) -> Status {
    let Subject { set, stored, now, .. } = *subject;
    let mut problems = Problems::default();
    let policy = stored.and_then(|stored| checked_policy(set, stored, &mut problems));
    let zone = subject.zone.unwrap_or(&Utc);
    let key = policy.as_ref().map(|policy| policy.key).or(set.key);
    let mut status = Status {
        parent: set.qualified(),
        partitions: set.partitions.iter().filter(|partition| !partition.is_default).count(),
        first_bound: set.ranges().next().map(|(_, range)| edge_text(key, &range.low)),
        last_bound: set.ranges().next_back().map(|(_, range)| edge_text(key, &range.high)),
        oldest: set.ranges().next().map(|(partition, _)| partition.qualified()),
        default_rows: set.default_partition().and(subject.default_rows),
        last_run: stored.and_then(|stored| stored.last_run),
        last_result: stored.and_then(|stored| stored.last_result.clone()),
        failures: stored.map_or(0, |stored| stored.failures),
        ..Status::default()
    };
    if let Some(stored) = stored {
        if subject.zone.is_none() {
            problems.add(1, format!("time zone \"{}\" is not known to the server", stored.time_zone));
        }
        if stored.failures > 0 {
            let how_often = if stored.failures == 1 {
                "the last pass".to_owned()
            } else {
                format!("the last {} passes", stored.failures)
            };
            let why = stored.last_result.as_deref().unwrap_or("no reason was written down");
            problems.add(2, format!("{how_often} failed: {why}"));
        }
        if let Some(lock) = stored.last_result.as_deref().filter(|_| stored.failures == 0).and_then(put_off) {
            problems.add(6, format!("the last pass was put off: {lock}"));
        }
        if !stored.is_enabled && stored.key_kind != WATCHED {
            problems.add(5, "it is switched off: is_enabled is false in dbm.partition_set");
        }
    } else {
        problems.add(8, "it is not under upkeep");
    }
    for partition in set.partitions.iter().filter(|partition| partition.is_detach_pending) {
        problems.add(3, format!("partition {} is half detached", partition.qualified()));
    }
    if let Some(rows) = status.default_rows.filter(|&rows| rows > 0) {
        problems.add(4, format!("the default partition holds {}", rows_text(rows)));
    } else if status.default_rows.is_none() && set.default_partition().is_some_and(Partition::may_hold_rows) {
        problems.add(4, "the default partition may hold rows");
    }
    if let (Some(key), Strategy::Range, 1) = (key, set.strategy, set.key_columns.len()) {
        on_the_line(subject, key, policy.as_ref(), zone, &mut status, &mut problems);
    }
    finish(status, problems, stored, now)
}

/// What of the last pass was skipped, and who was in the way.
fn put_off(result: &str) -> Option<&str> {
    let (_, problem) = result.split_once("; ")?;
    let (action, _) = problem.split_once(": ")?;
    action.ends_with(" skipped").then_some(problem)
}

/// `about 1,234 rows`.
fn rows_text(rows: i64) -> String {
    if rows == 1 { "1 row".to_owned() } else { format!("about {} rows", grouped(rows)) }
}

fn checked_policy(set: &Set, stored: &StoredPolicy, problems: &mut Problems) -> Option<Policy> {
    if stored.key_kind == WATCHED {
        return None;
    }
    checked(stored, set).map_err(|refusal| problems.add(1, refusal.message)).ok()
}

/// What the line tells of a set that is cut by ranges of one column.
fn on_the_line(
    subject: &Subject<'_>,
    key: KeyKind,
    policy: Option<&Policy>,
    zone: &dyn Zone,
    status: &mut Status,
    problems: &mut Problems,
) {
    let Subject { set, now, .. } = *subject;
    let here = position(set, key, now, zone);
    let gaps = gaps(set);
    status.gaps = gaps.len();
    let ahead_gap = gaps.iter().find(|(_, high)| here.is_none_or(|here| *high > here));
    if let Some((low, high)) = ahead_gap.or(gaps.first()) {
        let urgency = if ahead_gap.is_some() { 3 } else { 7 };
        let many = if gaps.len() == 1 { "a hole".to_owned() } else { format!("{} holes, one", gaps.len()) };
        problems.add(urgency, format!("{many} from {} to {}", readable(key, *low), readable(key, *high)));
    }
    let chain = here.and_then(|here| chain(set, here));
    status.partitions_ahead =
        here.is_some().then(|| chain.as_ref().map_or(0, |chain| chain.ranges.len() - 1));
    if key.is_time() {
        let end = chain
            .as_ref()
            .map_or(Some(now), |chain| chain.end.and_then(|end| line::moment_of_position(key, end, zone)));
        status.ends_at = end;
        status.ahead = end.map(|end| (end - now).max(0));
        if chain.is_none() {
            let what = if set.default_partition().is_some() {
                "they go into the default partition"
            } else {
                "they are refused"
            };
            let urgency = if set.default_partition().is_some() { 1 } else { 0 };
            problems.add(urgency, format!("no partition takes rows of now: {what}"));
        }
    }
    let Some(policy) = policy else {
        if let (Some(ahead), Some(chain)) = (status.ahead, &chain)
            && chain.ranges.len() == 1
            && ahead < 7 * DAY
        {
            problems.add(4, format!("the last partition ends in {}", span(ahead)));
        }
        return;
    };
    if here.is_some() || key.is_time() || set.ranges().next().is_none() {
        due(subject, policy, chain.as_ref(), zone, status, problems);
    }
}

/// When something is to be done, and whether somebody does it.
fn due(
    subject: &Subject<'_>,
    policy: &Policy,
    chain: Option<&Chain<'_>>,
    zone: &dyn Zone,
    status: &mut Status,
    problems: &mut Problems,
) {
    let Subject { set, stored, now, .. } = *subject;
    let moment = |edge: &Edge| match edge {
        Edge::At(position) => line::moment_of_position(policy.key, *position, zone),
        _ => None,
    };
    let premake = policy.premake as usize;
    if let Some(ahead) = status.partitions_ahead.filter(|&ahead| ahead < premake)
        && chain.is_some_and(|chain| chain.end.is_some())
    {
        let many = if ahead == 1 { "partition" } else { "partitions" };
        problems.add(6, format!("{ahead} {many} ahead instead of {premake}"));
    }
    // One is missing from the moment on when the clock enters as many from the end as there have to be ahead.
    let create = match chain {
        Some(Chain { end: None, .. }) => None,
        _ if premake == 0 => set.newest_high().and_then(|high| moment(&Edge::At(high))).or(Some(now)),
        _ => {
            let entered = set.ranges().rev().nth(premake - 1).and_then(|(_, range)| moment(&range.low));
            entered.or_else(|| moment(&set.ranges().next()?.1.low)).or(Some(now))
        }
    };
    let create = create.map(|create| if chain.is_none() { create.min(now) } else { create });
    let is_numbered_due = !policy.key.is_time()
        && chain.is_none_or(|chain| chain.end.is_some() && chain.ranges.len() <= premake);
    let expiries: Vec<i64> = set.ranges().map_while(|(_, range)| expires(range, policy, zone)).collect();
    let grace = match policy.retention {
        Some(Distance::Time { months, .. }) if months != 0 => GRACE + MONTH_GRACE,
        _ => GRACE,
    };
    status.overdue = expiries.iter().filter(|&&expiry| expiry.saturating_add(grace) < now).count();
    if status.overdue > 0 {
        let many = if status.overdue == 1 {
            "1 partition is".to_owned()
        } else {
            format!("{} partitions are", status.overdue)
        };
        problems.add(5, format!("{many} older than the retention"));
    }
    let is_pending = set.partitions.iter().any(|partition| partition.is_detach_pending);
    let lacks_default = policy.on_missing == OnMissing::Default && set.default_partition().is_none();
    let at_once = (is_numbered_due || is_pending || lacks_default).then_some(now);
    let create = if policy.key.is_time() { create } else { None };
    let since = [create, expiries.first().copied(), at_once].into_iter().flatten().min();
    status.next_due = since.map(|since| since.max(now));
    let last_run = stored.and_then(|stored| stored.last_run).map(since_2000);
    if let Some(since) = since
        && since <= now
        && stored.is_some_and(|stored| stored.is_enabled)
    {
        match last_run {
            None => problems.add(6, "no pass of upkeep was made yet"),
            Some(run) if run < since && since.saturating_add(PATIENCE) < now => {
                status.unattended = Some(now - since);
                problems.add(2, format!("due for {} and nobody did it", span(now - since)));
            }
            Some(_) => {}
        }
    }
}

/// A moment since 1970 as one since 2000.
fn since_2000(moment: Moment) -> i64 {
    moment.saturating_sub(EPOCH_DIFFERENCE)
}

fn finish(mut status: Status, mut problems: Problems, stored: Option<&StoredPolicy>, now: i64) -> Status {
    if stored.is_none_or(|stored| !stored.is_enabled) {
        status.next_due = None;
    }
    if let (Some(due), Some(not_before)) = (status.next_due, stored.and_then(|stored| stored.not_before)) {
        status.next_due = Some(due.max(since_2000(not_before)).max(now));
    }
    problems.0.sort_by_key(|(urgency, _)| *urgency);
    status.urgency = problems.0.first().map_or(FINE, |(urgency, _)| *urgency);
    let texts: Vec<String> = problems.0.into_iter().map(|(_, text)| text).collect();
    status.problem = (!texts.is_empty()).then(|| texts.join("; "));
    status
}

/// Puts the most urgent first, among equals those that end soonest.
pub fn sort(statuses: &mut [Status]) {
    statuses.sort_by(|left, right| {
        let key = |status: &Status| (status.urgency, status.ends_at.unwrap_or(i64::MAX));
        key(left).cmp(&key(right)).then_with(|| left.parent.cmp(&right.parent))
    });
}
