//! Calendar dates from moments, in UTC.

/// A day of the calendar that is in use today, counted backwards too; year 0 is 1 BC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    /// The year.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

impl Date {
    /// The date that lies so many days after 1970-01-01.
    pub fn from_days(days: i64) -> Self {
        // Days are counted in eras of 400 years whose years begin in March, so that the leap day comes last.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        // Both lie in their ranges by the arithmetic above.
        Self { year, month: month as u8, day: day as u8 }
    }

    /// How many days after 1970-01-01 it lies; the day may be past the end of the month and counts on.
    pub fn days(self) -> i64 {
        let month = i64::from(self.month);
        let year = self.year - i64::from(month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month_from_march = (month + 9) % 12;
        let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(self.day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * 146_097 + day_of_era - 719_468
    }
}

/// The year and the week of ISO 8601 of a day that lies so many days after 1970-01-01. A week belongs to the year of its
/// Thursday.
pub fn iso_week(days: i64) -> (i64, u8) {
    // 1970-01-01 was a Thursday.
    let monday = days - (days + 3).rem_euclid(7);
    let thursday = monday + 3;
    let year = Date::from_days(thursday).year;
    let new_year = Date { year, month: 1, day: 1 }.days();
    // At most 53.
    (year, ((thursday - new_year) / 7 + 1) as u8)
}

/// How many days a month has.
pub fn days_in_month(year: i64, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// `YYYY-MM-DD` of a moment given in microseconds since 1970-01-01 00:00 UTC.
pub fn iso_date(moment: i64) -> String {
    const MICROSECONDS_A_DAY: i64 = 86_400_000_000;
    let Date { year, month, day } = Date::from_days(moment.div_euclid(MICROSECONDS_A_DAY));
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        // Seconds as `extract(epoch from date)` gives them.
        for (seconds, date) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_709_164_800, "2024-02-29"),
            (1_735_603_200, "2024-12-31"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(iso_date(seconds * 1_000_000), date);
        }
    }

    #[test]
    fn dates_and_days_agree() {
        let mut day = Date::from_days(-800_000);
        for days in -800_000..800_000 {
            assert_eq!((Date::from_days(days), day.days()), (day, days));
            day = if day.day < days_in_month(day.year, day.month) {
                Date { day: day.day + 1, ..day }
            } else if day.month < 12 {
                Date { month: day.month + 1, day: 1, ..day }
            } else {
                Date { year: day.year + 1, month: 1, day: 1 }
            };
        }
    }

    #[test]
    fn weeks_as_to_char_gives_them() {
        // to_char(date, 'IYYY-IW')
        for (year, month, day, expected) in [
            (2026, 11, 25, (2026, 48)),
            (2020, 12, 31, (2020, 53)),
            (2021, 1, 3, (2020, 53)),
            (2021, 1, 4, (2021, 1)),
            (2024, 12, 30, (2025, 1)),
            (2016, 1, 1, (2015, 53)),
            (2000, 1, 1, (1999, 52)),
        ] {
            assert_eq!(iso_week(Date { year, month, day }.days()), expected);
        }
    }
}
