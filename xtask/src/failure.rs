//! Why a command could not go on, in words for the person who typed it.

use std::fmt;

/// What went wrong, ready to be printed.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure(String);

/// The outcome of everything in this program that can fail.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure of which everything has been said already.
    pub fn told() -> Self {
        Failure(String::new())
    }

    /// Whether there is anything left to say.
    pub fn is_told(&self) -> bool {
        self.0.is_empty()
    }

    /// A failure that says `message`.
    pub fn new(message: impl Into<String>) -> Self {
        Failure(message.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Says what was being attempted when an error came up.
pub trait Attempt<T> {
    /// Turns the error into a [`Failure`] that reads `attempt: error`.
    fn attempting(self, attempt: impl FnOnce() -> String) -> Outcome<T>;
}

impl<T, E: fmt::Display> Attempt<T> for Result<T, E> {
    fn attempting(self, attempt: impl FnOnce() -> String) -> Outcome<T> {
        self.map_err(|error| Failure(format!("{}: {error}", attempt())))
    }
}
