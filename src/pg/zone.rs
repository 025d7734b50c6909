//! Time zones by the server's own rules, as `AT TIME ZONE` applies them.

use std::ffi::{CStr, CString};

use pgrx::{PgSqlErrorCode, pg_sys};

use super::error::raise;
use crate::catalog::zone::Zone;
use crate::catalog::{DAY, EPOCH_DAYS, EPOCH_DIFFERENCE};
use crate::text::date::Date;

/// Microseconds a second.
const SECOND: i64 = 1_000_000;
/// From 1970-01-01, where zones count from, to 2000-01-01, where the server does.
const EPOCH_SECONDS: i64 = EPOCH_DIFFERENCE / SECOND;

/// A time zone that the server knows.
#[derive(Clone, Copy, Debug)]
pub struct ServerZone {
    /// Lives as long as the process, in the server's table of the zones that it has read.
    zone: *mut pg_sys::pg_tz,
}

impl ServerZone {
    /// The zone of a name as it stands in pg_timezone_names, in any case, or of a rule of POSIX.
    pub fn find(name: &str) -> Option<Self> {
        let name = CString::new(name).ok().filter(|name| !name.is_empty())?;
        // SAFETY: reads the name; what comes back is never freed.
        unsafe {
            let zone = pg_sys::pg_tzset(name.as_ptr());
            (!zone.is_null() && pg_sys::pg_tz_acceptable(zone)).then_some(Self { zone })
        }
    }

    /// The same; there is an ERROR if the server does not know it.
    pub fn named(name: &str) -> Self {
        Self::find(name).unwrap_or_else(|| {
            raise(
                PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
                &format!("time zone \"{name}\" not recognized"),
                "",
                "The names are in pg_timezone_names, for example Europe/Berlin.",
            )
        })
    }

    /// The zone in which this session shows times.
    pub fn of_session() -> Self {
        // SAFETY: the server sets it before anything of ours runs, and never to null.
        Self { zone: unsafe { pg_sys::session_timezone } }
    }

    /// Its name as the server writes it.
    pub fn name(&self) -> String {
        // SAFETY: the zone lives as long as the process, and its name in it.
        unsafe {
            let name = pg_sys::pg_get_timezone_name(self.zone);
            if name.is_null() {
                return String::new();
            }
            CStr::from_ptr(name).to_string_lossy().into_owned()
        }
    }
}

/// The server's clock, in microseconds since 2000-01-01 00:00 UTC as zones count them.
pub fn now() -> i64 {
    // SAFETY: reads the clock.
    unsafe { pg_sys::GetCurrentTimestamp() }
}

impl Zone for ServerZone {
    fn wall(&self, moment: i64) -> i64 {
        let seconds: pg_sys::pg_time_t = moment.div_euclid(SECOND) + EPOCH_SECONDS;
        // SAFETY: reads the number and the zone; the answer is a variable of the server and read at once.
        let ahead = unsafe {
            let clock = pg_sys::pg_localtime(&raw const seconds, self.zone);
            if clock.is_null() { 0 } else { (*clock).tm_gmtoff }
        };
        moment.saturating_add(ahead * SECOND)
    }

    fn moment(&self, wall: i64) -> i64 {
        let time = wall.rem_euclid(DAY) / SECOND;
        let Date { year, month, day } = Date::from_days(wall.div_euclid(DAY) + EPOCH_DAYS);
        let Ok(year) = i32::try_from(year) else { return wall };
        // All below 60.
        let mut clock = pg_sys::pg_tm {
            tm_sec: (time % 60) as i32,
            tm_min: (time / 60 % 60) as i32,
            tm_hour: (time / 3_600) as i32,
            tm_mday: i32::from(day),
            tm_mon: i32::from(month),
            tm_year: year,
            tm_isdst: -1,
            ..Default::default()
        };
        // SAFETY: reads the clock, as a calendar shows it, and the zone; writes the clock's tm_isdst.
        let behind = unsafe { pg_sys::DetermineTimeZoneOffset(&raw mut clock, self.zone) };
        wall.saturating_add(i64::from(behind) * SECOND)
    }
}
