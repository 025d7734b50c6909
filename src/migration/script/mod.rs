//! A migration file as a whole: cut into statements, and what each statement means for those behind it.

pub mod control;
pub mod split;
pub mod state;
