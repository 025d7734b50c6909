//! dbmastery: a senior database engineer inside PostgreSQL.
//!
//! Facts → findings → plans → runs → records. Folders are rooms; imports run downwards only (see `floors`).

// Floor 0: words.
pub mod text;

// Floor 1: facts.
pub mod catalog;
pub mod syntax;

// Floor 2: judgement.
pub mod change;
pub mod finding;

// Floor 3: the rooms.
pub mod design;
pub mod index;

// Floor 4: what brings the rooms together.
pub mod audit;

#[cfg(feature = "postgres")]
pgrx::pg_module_magic!();
