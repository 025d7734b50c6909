//! The schema into which the extension is put.

/// What is known of it before that. Names are quoted, lists divided by commas.
#[derive(Clone, Debug, Default)]
pub struct OwnSchema {
    /// Its owner.
    pub owner: String,
    /// Whether that is a superuser.
    pub is_of_superuser: bool,
    /// Who else may create in it, superusers apart; empty for nobody.
    pub creators: String,
    /// Some of what is in it; empty for nothing.
    pub contents: String,
    /// Who installs.
    pub installer: String,
}
