//! What happens when a person presses Ctrl-C, closes the terminal or ends us: we stop what we started, then go.

use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::console::say;
use crate::failure::{Attempt, Outcome};
use crate::leftovers;
use crate::place::Place;
use crate::process;

/// Watches for signals in a thread of its own for the rest of the program.
pub fn watch(place: &Place) -> Outcome {
    let place = place.clone();
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).attempting(|| "cannot watch for signals".into())?;
    thread::spawn(move || {
        let Some(signal) = signals.forever().next() else { return };
        say!("\ninterrupted: ending what was started");
        process::end_all();
        if let Some(ground) = place.existing_ground()
            && let Err(failure) = leftovers::clear(&ground)
        {
            say!("{failure}");
        }
        std::process::exit(128 + signal);
    });
    Ok(())
}
