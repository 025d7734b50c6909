//! Seals over the trail.
