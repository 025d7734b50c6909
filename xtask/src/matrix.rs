//! `cargo xtask matrix`: all of PostgreSQL's checks on every major that we support.

use crate::console::Console;
use crate::extension::Profile;
use crate::failure::Outcome;
use crate::origin;
use crate::place::Place;
use crate::server::{self, Origin, Server};
use crate::setup::{self, Needs};
use crate::suites;
use crate::test::{Extent, Run, SERVER_STEPS};

/// Builds for and tests on `majors`, or all if none is named; with `filter` only tests whose name contains it.
pub fn run(place: &Place, majors: &[u32], filter: Option<&str>) -> Outcome {
    let majors: Vec<u32> = if majors.is_empty() { setup::MAJORS.collect() } else { majors.to_vec() };
    let steps = setup::STEPS + 1 + majors.len() * (1 + SERVER_STEPS + suites::STEPS);
    let mut console = Console::new(steps, place.logs());
    let needs = Needs { server: true, tests: true, sources: true, wheel: true, ..Needs::default() };
    let machine = setup::prepare(place, &mut console, needs)?;
    let mut run = Run::new(place, machine, console)?;
    let own = run.machine.major;
    let step = run.console.begin(&format!("PostgreSQL {own}, for its test programs"));
    let (own, _) = server::copy(&Origin::distribution(own), &run.ground, &run.user, &step)?;
    step.done("");
    for major in majors {
        let result = on(&mut run, place, major, &own, filter);
        run.must(&format!("PostgreSQL {major}"), result);
    }
    run.finish()
}

fn on(run: &mut Run, place: &Place, major: u32, own: &Server, filter: Option<&str>) -> Outcome {
    let step = run.console.begin(&format!("PostgreSQL {major}"));
    let is_own = major == own.major;
    let origin = if is_own { Origin::distribution(major) } else { origin::obtain(place, major, &step)? };
    step.done("");
    // Release builds, as users have them; the newest, whose server checks assertions, with our own checks on top.
    // Somebody who names a test wants its answer soon.
    let is_newest = major == *setup::MAJORS.end();
    let is_dev = is_newest && !is_own || filter.is_some();
    let profile = if is_dev { Profile::Dev } else { Profile::Release };
    let server = run.server(&origin, profile)?;
    run.suites(&server, Some(own), Extent::All, filter)
}
