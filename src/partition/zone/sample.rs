//! What tests of the room share: zones with their rules, without a server.

use jiff::Timestamp;
use jiff::civil;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::catalog::zone::Zone;
use crate::catalog::{DAY, EPOCH_DAYS};
use crate::partition::line::SECOND;
use crate::text::date::Date;

/// Zones that have been odd: skipped days and midnights, half hours, quarters, changed sides of the date line.
pub const ZONES: [&str; 20] = [
    "UTC",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Dublin",
    "Europe/Moscow",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Tehran",
    "Asia/Pyongyang",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "America/New_York",
    "America/Chicago",
    "America/Sao_Paulo",
    "America/St_Johns",
    "America/Havana",
];

/// A zone by the rules that are published.
pub struct Place(TimeZone);

impl Place {
    /// The zone of a name.
    pub fn of(name: &str) -> Self {
        Self(TimeZone::get(name).expect(name))
    }
}

impl Zone for Place {
    fn wall(&self, moment: i64) -> i64 {
        let seconds = moment.div_euclid(SECOND) + EPOCH_DAYS * (DAY / SECOND);
        // The far ends have no rules here.
        let Ok(moment_there) = Timestamp::from_second(seconds) else { return moment };
        moment + i64::from(self.0.to_offset(moment_there).seconds()) * SECOND
    }

    fn moment(&self, wall: i64) -> i64 {
        let Date { year, month, day } = Date::from_days(wall.div_euclid(DAY) + EPOCH_DAYS);
        let time = wall.rem_euclid(DAY) / SECOND;
        let part = |number: i64| i8::try_from(number).expect("below 60");
        let Ok(year) = i16::try_from(year) else { return wall };
        let (month, day) = (part(i64::from(month)), part(i64::from(day)));
        let (hour, minute, second) = (part(time / 3_600), part(time / 60 % 60), part(time % 60));
        let Ok(clock) = civil::DateTime::new(year, month, day, hour, minute, second, 0) else { return wall };
        // As the server decides.
        let offset = match self.0.to_ambiguous_timestamp(clock).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Gap { before, .. } => before,
            AmbiguousOffset::Fold { after, .. } => after,
        };
        wall - i64::from(offset.seconds()) * SECOND
    }
}
