//! Facts of the audit trail: how its log is laid out, and how values are written into it.

pub mod calendar;
pub mod jsonb;
pub mod layout;
pub mod length;
pub mod numeric;
pub mod state;
