//! `every`: how wide a partition is, from the words of people and back.

use super::key::KeyKind;
use super::line::{HOUR, SECOND};
use super::refusal::Refusal;
use super::set::Every;
use crate::catalog::DAY;

/// The longest span in months: as long as four digits of years.
const LONGEST_MONTHS: u64 = 9_999 * 12;
/// The same in days.
const LONGEST_DAYS: u64 = 9_999 * 365;
/// The same in microseconds.
const LONGEST_MICROSECONDS: u64 = LONGEST_DAYS * DAY as u64;

/// What a unit of time is made of.
#[derive(Clone, Copy)]
enum Unit {
    Months(u64),
    Days(u64),
    Microseconds(u64),
}

/// The units of the server's intervals, and the words that people use for one of them.
fn unit(word: &str) -> Option<Unit> {
    Some(match word {
        "microsecond" | "microseconds" | "usec" | "usecs" | "us" => Unit::Microseconds(1),
        "millisecond" | "milliseconds" | "msec" | "msecs" | "ms" => Unit::Microseconds(1_000),
        "second" | "seconds" | "sec" | "secs" | "s" => Unit::Microseconds(SECOND as u64),
        "minute" | "minutes" | "min" | "mins" | "m" => Unit::Microseconds(60 * SECOND as u64),
        "hour" | "hours" | "hr" | "hrs" | "h" | "hourly" => Unit::Microseconds(HOUR as u64),
        "day" | "days" | "d" | "daily" => Unit::Days(1),
        "week" | "weeks" | "w" | "weekly" => Unit::Days(7),
        "month" | "months" | "mon" | "mons" | "monthly" => Unit::Months(1),
        "quarter" | "quarters" | "quarterly" => Unit::Months(3),
        "year" | "years" | "yr" | "yrs" | "y" | "yearly" => Unit::Months(12),
        "decade" | "decades" => Unit::Months(120),
        "century" | "centuries" => Unit::Months(1_200),
        _ => return None,
    })
}

/// What a text says, before anybody asked whether the key can be cut by it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Span {
    months: u64,
    days: u64,
    microseconds: u64,
}

impl Span {
    fn add(&mut self, number: u64, unit: Unit) -> Option<()> {
        let (sum, of) = match unit {
            Unit::Months(of) => (&mut self.months, of),
            Unit::Days(of) => (&mut self.days, of),
            Unit::Microseconds(of) => (&mut self.microseconds, of),
        };
        *sum = sum.checked_add(number.checked_mul(of)?)?;
        Some(())
    }
}

/// Why a text is no span.
enum Fault {
    Words,
    Negative,
    Fraction,
    TooLarge,
}

/// How wide a partition of a key of that kind is to be, from what a person wrote: `month`, `15 minutes`, `P1M`, `1000000`.
pub fn parse(text: &str, kind: KeyKind) -> Result<Every, Refusal> {
    let cleaned = text.trim().to_lowercase();
    match number(&cleaned) {
        Ok(Some(number)) => of_number(text, number, kind),
        Ok(None) => match span(&cleaned) {
            Ok(span) => of_span(text, span, kind),
            Err(fault) => Err(refused(text, fault, kind)),
        },
        Err(fault) => Err(refused(text, fault, kind)),
    }
}

/// An example that fits the key.
fn example(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Integer { bytes: 2 } => "For example: every => '1000'.",
        KeyKind::Integer { .. } => "For example: every => '1000000'.",
        KeyKind::Date => "For example: every => 'day', 'week', 'month', 'quarter', 'year' or '10 days'.",
        _ => "For example: every => 'hour', 'day', 'week', 'month', 'quarter', 'year' or '15 minutes'.",
    }
}

fn refused(text: &str, fault: Fault, kind: KeyKind) -> Refusal {
    let text = text.trim();
    let message = match fault {
        Fault::Words => format!("\"{text}\" is no width of a partition"),
        Fault::Negative => format!("a partition cannot be \"{text}\" wide: the width must be above zero"),
        Fault::Fraction => format!("a partition cannot be \"{text}\" wide: fractions do not cut evenly"),
        Fault::TooLarge => format!("a partition cannot be \"{text}\" wide: that is more than 9999 years"),
    };
    Refusal::new(message, example(kind))
}

/// A plain number: `1000000`, `1_000_000`, `1e6`. `None` where the text is something else.
fn number(text: &str) -> Result<Option<u64>, Fault> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let is_number = digits.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'_' | b'.' | b'e' | b'+'));
    if !is_number {
        return Ok(None);
    }
    if digits.contains('.') {
        return Err(Fault::Fraction);
    }
    let (base, exponent) = digits.split_once('e').unwrap_or((digits, "0"));
    let is_spaced = base.starts_with('_') || base.ends_with('_') || base.contains("__");
    if is_spaced || base.contains('+') {
        return Err(Fault::Words);
    }
    let base = base.replace('_', "");
    let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
    let exponent: u32 = exponent.parse().map_err(|_| Fault::Words)?;
    let whole = base.parse::<u64>().ok().zip(10_u64.checked_pow(exponent));
    let number = whole.and_then(|(base, power)| base.checked_mul(power)).unwrap_or(u64::MAX);
    if sign < 0 || number == 0 { Err(Fault::Negative) } else { Ok(Some(number)) }
}

fn of_number(text: &str, number: u64, kind: KeyKind) -> Result<Every, Refusal> {
    let text = text.trim();
    let KeyKind::Integer { bytes } = kind else {
        return Err(Refusal::new(
            format!("\"{text}\" is a number, but the partition key tells the time"),
            example(kind),
        ));
    };
    let (_, last) = super::line::ends(kind);
    if number > last.unsigned_abs() {
        let name = match bytes {
            2 => "smallint",
            4 => "integer",
            _ => "bigint",
        };
        return Err(Refusal::new(
            format!("a partition of {text} values is wider than the type {name}"),
            example(kind),
        )
        .detail(format!("The greatest value of {name} is {last}.")));
    }
    Ok(Every::Step(number))
}

/// A span of time in words, as an interval is printed, or in ISO 8601.
fn span(text: &str) -> Result<Span, Fault> {
    let mut span = Span::default();
    if let Some(rest) = text.strip_prefix('p') {
        iso(rest, &mut span)?;
    } else {
        words(text, &mut span)?;
    }
    Ok(span)
}

/// `1m`, `1y6m`, `2w`, `1dt12h`: what follows the P.
fn iso(text: &str, span: &mut Span) -> Result<(), Fault> {
    let mut is_time = false;
    let mut digits = String::new();
    for character in text.chars() {
        match character {
            '0'..='9' => digits.push(character),
            '.' | ',' => return Err(Fault::Fraction),
            '-' => return Err(Fault::Negative),
            't' if digits.is_empty() && !is_time => is_time = true,
            _ => {
                let unit = match (character, is_time) {
                    ('y', false) => Unit::Months(12),
                    ('m', false) => Unit::Months(1),
                    ('w', false) => Unit::Days(7),
                    ('d', false) => Unit::Days(1),
                    ('h', true) => Unit::Microseconds(HOUR as u64),
                    ('m', true) => Unit::Microseconds(60 * SECOND as u64),
                    ('s', true) => Unit::Microseconds(SECOND as u64),
                    _ => return Err(Fault::Words),
                };
                let number = digits.parse().map_err(|_| too_large_or_none(&digits))?;
                span.add(number, unit).ok_or(Fault::TooLarge)?;
                digits.clear();
            }
        }
    }
    if digits.is_empty() && !text.is_empty() { Ok(()) } else { Err(Fault::Words) }
}

/// Why digits are no number that we can hold.
fn too_large_or_none(digits: &str) -> Fault {
    if digits.is_empty() { Fault::Words } else { Fault::TooLarge }
}

/// `month`, `2 weeks`, `1 hour 30 minutes`, `15min`, `1 day 00:00:00`.
fn words(text: &str, span: &mut Span) -> Result<(), Fault> {
    let mut tokens = tokens(text).into_iter().peekable();
    if tokens.peek().is_none() {
        return Err(Fault::Words);
    }
    while let Some(token) = tokens.next() {
        if token.starts_with('-') {
            return Err(Fault::Negative);
        }
        if token.contains(':') {
            clock(token, span)?;
            continue;
        }
        if !token.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
            let unit = unit(token).ok_or(Fault::Words)?;
            span.add(1, unit).ok_or(Fault::TooLarge)?;
            continue;
        }
        let unit = tokens.next().and_then(unit).ok_or(Fault::Words)?;
        if token.contains(['.', ',']) {
            return Err(Fault::Fraction);
        }
        let number = token.replace('_', "").parse().map_err(|_| Fault::TooLarge)?;
        span.add(number, unit).ok_or(Fault::TooLarge)?;
    }
    Ok(())
}

/// `01:30:00`, as the server prints the part of an interval that is below a day.
fn clock(token: &str, span: &mut Span) -> Result<(), Fault> {
    let parts: Vec<&str> = token.split(':').collect();
    if !matches!(parts.len(), 2 | 3) {
        return Err(Fault::Words);
    }
    for (part, unit) in parts.into_iter().zip([HOUR, 60 * SECOND, SECOND]) {
        if part.contains('.') {
            return Err(Fault::Fraction);
        }
        let number = part.parse().map_err(|_| Fault::Words)?;
        span.add(number, Unit::Microseconds(unit as u64)).ok_or(Fault::TooLarge)?;
    }
    Ok(())
}

/// Numbers and words, also where no space stands between them.
fn tokens(text: &str) -> Vec<&str> {
    let is_word = |character: char| character.is_alphabetic();
    let mut found = Vec::new();
    for piece in text.split_whitespace() {
        let mut start = 0;
        let mut before = None;
        for (place, character) in piece.char_indices() {
            if before.is_some_and(|before| is_word(before) != is_word(character)) {
                found.push(&piece[start..place]);
                start = place;
            }
            before = Some(character);
        }
        found.push(&piece[start..]);
    }
    found
}

fn of_span(text: &str, span: Span, kind: KeyKind) -> Result<Every, Refusal> {
    let text = text.trim();
    if !kind.is_time() {
        return Err(Refusal::new(
            format!("\"{text}\" is a span of time, but the partition key counts numbers"),
            "For example: every => '1000000'. If the key tells the time since 1970, say in which unit.",
        ));
    }
    match (span.months, span.days, span.microseconds) {
        (0, 0, 0) => Err(refused(text, Fault::Negative, kind)),
        (months, 0, 0) if months <= LONGEST_MONTHS => Ok(Every::Months(months as u32)),
        (0, days, 0) if days <= LONGEST_DAYS => Ok(Every::Days(days as u32)),
        (0, 0, microseconds) if microseconds <= LONGEST_MICROSECONDS => of_time(text, microseconds, kind),
        (_, 0, 0) | (0, _, 0) | (0, 0, _) => Err(refused(text, Fault::TooLarge, kind)),
        _ => Err(Refusal::new(
            format!("\"{text}\" mixes months, days and hours, which differ in length from month to month and from day to day"),
            example(kind),
        )
        .detail("A partition is a number of months, or of days, or of seconds wide.")),
    }
}

fn of_time(text: &str, microseconds: u64, kind: KeyKind) -> Result<Every, Refusal> {
    if kind == KeyKind::Date {
        return Err(Refusal::new(
            format!("\"{text}\" is counted in hours or less, but the partition key is a date"),
            example(kind),
        ));
    }
    if !microseconds.is_multiple_of(SECOND as u64) {
        return Err(Refusal::new(
            format!("a partition cannot be \"{text}\" wide: the least is a whole second"),
            example(kind),
        ));
    }
    Ok(Every::Microseconds(microseconds))
}

/// The same as text that [`parse`] reads: `1 month`, `1 year`, `2 weeks`, `15 minutes`, `1000000`.
pub fn render(every: Every) -> String {
    let (number, unit) = match every {
        Every::Step(number) => return number.to_string(),
        Every::Months(months) if months % 12 == 0 => (u64::from(months / 12), "year"),
        Every::Months(months) => (u64::from(months), "month"),
        Every::Days(days) if days % 7 == 0 => (u64::from(days / 7), "week"),
        Every::Days(days) => (u64::from(days), "day"),
        Every::Microseconds(span) => {
            let units = [(HOUR as u64, "hour"), (60 * SECOND as u64, "minute"), (SECOND as u64, "second")];
            let whole = units.into_iter().find(|&(unit, _)| span.is_multiple_of(unit));
            whole.map_or((span, "microsecond"), |(unit, name)| (span / unit, name))
        }
    };
    if number == 1 { format!("1 {unit}") } else { format!("{number} {unit}s") }
}

#[cfg(test)]
mod tests;
