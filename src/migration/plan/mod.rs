//! The safe way as a plan.
