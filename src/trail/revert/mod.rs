//! Taking changes back, as a plan.
