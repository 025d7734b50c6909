//! Names of partitions: they sort as the partitions do, and no two are the same.

use super::grid::{Grid, date_of};
use super::key::{Edge, KeyKind, Position, Range};
use super::line::{HOUR, SECOND};
use super::set::{Every, NameStyle};
use crate::catalog::DAY;
use crate::text::date::{Date, iso_week};
use crate::text::identifier::MAXIMUM_BYTES;
use crate::text::truncate_identifier;

/// What a name says of the lower edge of a range, from the coarsest to the finest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Year,
    Quarter,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Microsecond,
}

/// The name of the partition of `parent` that takes `range`, at most 63 bytes and none that is `taken`.
pub fn name(
    parent: &str,
    range: &Range,
    grid: &Grid,
    style: NameStyle,
    taken: &dyn Fn(&str) -> bool,
) -> String {
    let suffix = match range.low {
        Edge::At(low) => suffix(low, grid, style),
        Edge::MinValue => "_min".to_owned(),
        Edge::MaxValue | Edge::Other(_) => "_rest".to_owned(),
    };
    free(parent, &suffix, style, taken)
}

/// The name of the default partition of `parent`.
pub fn name_of_default(parent: &str, style: NameStyle, taken: &dyn Fn(&str) -> bool) -> String {
    free(parent, "_default", style, taken)
}

/// Parent and suffix, and a number where somebody has a table of that name.
fn free(parent: &str, suffix: &str, style: NameStyle, taken: &dyn Fn(&str) -> bool) -> String {
    let first = joined(parent, suffix, style);
    if !taken(&first) {
        return first;
    }
    // There are fewer tables than numbers.
    (2_u32..)
        .map(|number| joined(parent, &format!("{suffix}_{number}"), style))
        .find(|name| !taken(name))
        .unwrap_or(first)
}

/// Parent and suffix in 63 bytes. A parent that has to be cut gets a hash of its whole name, so that its partitions do not
/// meet those of another that begins the same; pg_partman cuts it alone.
fn joined(parent: &str, suffix: &str, style: NameStyle) -> String {
    if parent.len() + suffix.len() <= MAXIMUM_BYTES {
        return format!("{parent}{suffix}");
    }
    let tail = match style {
        NameStyle::House => format!("_{:08x}{suffix}", hash(parent)),
        NameStyle::Partman | NameStyle::PartmanPattern(_) => suffix.to_owned(),
    };
    let mut end = parent.len().min(MAXIMUM_BYTES.saturating_sub(tail.len()));
    while !parent.is_char_boundary(end) {
        end -= 1;
    }
    let name = format!("{}{tail}", &parent[..end]);
    truncate_identifier(&name).to_owned()
}

/// FNV-1a of 32 bits.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

fn suffix(low: Position, grid: &Grid, style: NameStyle) -> String {
    if let KeyKind::Integer { bytes } = grid.kind {
        return match style {
            NameStyle::House => integer_suffix(low, bytes),
            NameStyle::Partman | NameStyle::PartmanPattern(_) => format!("_p{low}"),
        };
    }
    if let NameStyle::PartmanPattern(pattern) = style {
        let wall = grid.wall_of(low).unwrap_or(0);
        let time = wall.rem_euclid(i128::from(DAY)) as i64;
        return format!("_p{}", pattern.write(date_of(wall), time));
    }
    let number = grid.index_of(low);
    let on_grid = (grid.boundary(number) == Some(low)).then(|| grid.nominal_wall(number)).flatten();
    let is_in_utc = matches!(grid.every, Every::Microseconds(_));
    let (form, wall) = match on_grid {
        Some(_) if is_in_utc => in_utc(low, grid),
        Some(wall) => match form_of(grid.every, wall) {
            form if form <= Form::Day => (form, wall),
            // The origin is not at midnight.
            form => (form, utc_wall(low, grid)),
        },
        None => off_grid(low, grid),
    };
    match style {
        NameStyle::House => {
            let ending = if form > Form::Day && grid.kind != KeyKind::Timestamp { "z" } else { "" };
            format!("{}{ending}", house_suffix(form, wall))
        }
        NameStyle::Partman | NameStyle::PartmanPattern(_) => partman_suffix(form, wall),
    }
}

/// The clock of UTC at a place; of the wall for a key without zone.
fn utc_wall(low: Position, grid: &Grid) -> i128 {
    let in_utc = Grid::new(grid.kind, grid.every, grid.origin, &super::zone::Utc);
    in_utc.wall_of(low).unwrap_or(0)
}

/// The time in UTC, in the form that its neighbours have, or a finer one if it has to be.
fn in_utc(low: Position, grid: &Grid) -> (Form, i128) {
    let wall = utc_wall(low, grid);
    (form_of_time(wall.rem_euclid(i128::from(DAY))).max(form_of_grid(grid)), wall)
}

/// An edge that is no boundary: its day if it is a midnight of the zone, else its time in UTC.
fn off_grid(low: Position, grid: &Grid) -> (Form, i128) {
    let is_midnight =
        |wall: &i128| wall.rem_euclid(i128::from(DAY)) == 0 && grid.position_of_wall(*wall) == Some(low);
    match grid.wall_of(low).filter(is_midnight) {
        Some(wall) if !matches!(grid.every, Every::Microseconds(_)) => (Form::Day, wall),
        _ => in_utc(low, grid),
    }
}

/// The coarsest form that tells a boundary of such a width exactly.
fn form_of(every: Every, wall: i128) -> Form {
    let time = wall.rem_euclid(i128::from(DAY));
    if time != 0 {
        return form_of_time(time);
    }
    let date = date_of(wall);
    let is_first = date.day == 1;
    let is_monday = iso_weekday(wall) == 1;
    match every {
        Every::Months(months) if months % 12 == 0 && is_first && date.month == 1 => Form::Year,
        Every::Months(3) if is_first && date.month % 3 == 1 => Form::Quarter,
        Every::Months(_) if is_first => Form::Month,
        Every::Days(7) if is_monday => Form::Week,
        Every::Months(_) | Every::Days(_) | Every::Step(_) => Form::Day,
        Every::Microseconds(_) => Form::Hour,
    }
}

/// The form that all boundaries of widths below a day share, so that their names sort.
fn form_of_grid(grid: &Grid) -> Form {
    match grid.every {
        Every::Microseconds(span) if span % HOUR.unsigned_abs() == 0 => Form::Hour,
        Every::Microseconds(span) if span % (60 * SECOND).unsigned_abs() == 0 => Form::Minute,
        Every::Microseconds(_) => Form::Second,
        _ => Form::Hour,
    }
}

fn form_of_time(time: i128) -> Form {
    if time % i128::from(HOUR) == 0 {
        Form::Hour
    } else if time % i128::from(60 * SECOND) == 0 {
        Form::Minute
    } else if time % i128::from(SECOND) == 0 {
        Form::Second
    } else {
        Form::Microsecond
    }
}

/// 1 for Monday to 7 for Sunday.
fn iso_weekday(wall: i128) -> i128 {
    // 2000-01-03 was a Monday.
    (wall.div_euclid(i128::from(DAY)) - 2).rem_euclid(7) + 1
}

fn house_suffix(form: Form, wall: i128) -> String {
    let date @ Date { month, day, .. } = date_of(wall);
    let year = year_text(date.year);
    if form == Form::Week {
        let (year, week) = iso_week(date.days());
        return format!("_{}_w{week:02}", year_text(year));
    }
    let mut suffix = match form {
        Form::Year => return format!("_{year}"),
        Form::Quarter => return format!("_{year}_q{}", (month - 1) / 3 + 1),
        Form::Month => return format!("_{year}_{month:02}"),
        _ => format!("_{year}_{month:02}_{day:02}"),
    };
    let clock = clock_text(form, wall);
    if !clock.is_empty() {
        suffix.push('_');
        suffix.push_str(&clock);
    }
    suffix
}

/// `14`, `1430`, `143015`, `143015_000250`, or nothing for a day.
fn clock_text(form: Form, wall: i128) -> String {
    let time = wall.rem_euclid(i128::from(DAY));
    let seconds = time / i128::from(SECOND);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match form {
        Form::Hour => format!("{hour:02}"),
        Form::Minute => format!("{hour:02}{minute:02}"),
        Form::Second => format!("{hour:02}{minute:02}{second:02}"),
        Form::Microsecond => {
            format!("{hour:02}{minute:02}{second:02}_{:06}", time % i128::from(SECOND))
        }
        _ => String::new(),
    }
}

/// `2026`; what has more digits sorts behind by its letter, and what lies before year 1 is told by its own.
fn year_text(year: i64) -> String {
    match year {
        1..=9_999 => format!("{year:04}"),
        10_000.. => format!("y{year:07}"),
        _ => format!("bc{:04}", 1 - year),
    }
}

/// `_p20261125`, or with the time where the day does not tell it.
fn partman_suffix(form: Form, wall: i128) -> String {
    let Date { year, month, day } = date_of(wall);
    let era = if year > 0 { "" } else { "bc" };
    let year = if year > 0 { year } else { 1 - year };
    let date = format!("_p{era}{year:04}{month:02}{day:02}");
    match form {
        Form::Microsecond => format!("{date}_{}", clock_text(form, wall)),
        Form::Hour | Form::Minute | Form::Second => format!("{date}_{}", clock_text(Form::Second, wall)),
        _ => date,
    }
}

/// `_p0000001000000`: as many digits as the type mostly needs, so that they sort; a longer number has another letter.
/// Numbers below zero sort before the others, among themselves by their size.
fn integer_suffix(low: Position, bytes: u8) -> String {
    let width = match bytes {
        2 => 5,
        4 => 10,
        _ => 13,
    };
    let digits = low.unsigned_abs().to_string();
    match (low < 0, digits.len() <= width) {
        (true, true) => format!("_n{digits:0>width$}"),
        (true, false) => format!("_m{digits:0>19}"),
        (false, true) => format!("_p{digits:0>width$}"),
        (false, false) => format!("_q{digits:0>19}"),
    }
}

#[cfg(test)]
mod tests;
