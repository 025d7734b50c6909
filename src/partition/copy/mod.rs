//! Copies the rows of a table into another, in batches, while others go on writing; and puts the copy in its place.
//!
//! A trigger writes the keys of all rows that change into a journal. Batches of blocks are copied once; then the rows of
//! the journal are copied again as they are now, until little is left; then, under a lock, the rest, and the statements
//! that swap the two. Each transaction sees one moment of the table, so that at its end the copy is the table as it was at
//! that moment, but for the rows whose keys are still in the journal, and those that no batch has come to.
//!
//! Pure: words and statements. `partition::live::copy` runs them.

#[cfg(feature = "postgres")]
pub mod api;
pub mod drain;
pub mod job;
pub mod journal;
pub mod record;
pub mod rows;
#[cfg(test)]
mod tests;
