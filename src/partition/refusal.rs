//! Why something that a person asked for cannot be done.

/// A refusal, in the words of an error of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong, in lower case, naming the object.
    pub message: String,
    /// The numbers behind it; may be empty.
    pub detail: String,
    /// What to do instead; may be empty.
    pub hint: String,
}

impl Refusal {
    /// One without detail.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), detail: String::new(), hint: hint.into() }
    }

    /// With its numbers.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}
