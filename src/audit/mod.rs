//! The audit: runs every room's rules, scores, suppresses.
