//! Every `dbm.*` setting of the server.

use std::ffi::CString;
use std::time::Duration;

use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting, pg_sys};

/// How long one rule may take: on the largest catalog measured (16,000 tables) the slowest rule stays far below a
/// second, so ten seconds mean that something is broken.
static RULE_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(10_000);

/// Breaks one rule on purpose, so that a test can see that the audit goes on.
static FAULT: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);

/// Registers all settings. Called once, when the library is loaded.
pub fn register() {
    GucRegistry::define_int_guc(
        c"dbm.rule_timeout",
        c"How long one rule of an audit may take.",
        c"A rule that takes longer becomes a row of status error and the audit goes on. 0 turns the limit off.",
        &RULE_TIMEOUT,
        0,
        i32::MAX,
        GucContext::Userset,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_string_guc(
        c"dbm.fault_in_rule",
        c"Breaks one rule on purpose: its id, a colon, and panic, error or sleep.",
        c"For tests of the audit itself.",
        &FAULT,
        GucContext::Suset,
        GucFlags::NO_SHOW_ALL,
    );
    // SAFETY: a C string; called while the library loads.
    unsafe { pg_sys::MarkGUCPrefixReserved(c"dbm".as_ptr()) };
}

/// The limit for one rule; `None` when there is none.
pub fn rule_timeout() -> Option<Duration> {
    let milliseconds = u64::try_from(RULE_TIMEOUT.get()).unwrap_or(0);
    (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
}

/// How a rule is to be broken, if it is this one.
pub fn fault_in(rule: &str) -> Option<String> {
    let fault = FAULT.get()?;
    let (wanted, how) = fault.to_str().ok()?.rsplit_once(':')?;
    (wanted == rule).then(|| how.to_owned())
}
