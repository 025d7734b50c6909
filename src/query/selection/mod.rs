//! Which indexes serve a workload best: candidates from what its queries ask, and a search among them that asks the
//! planner what each set would cost.

pub mod candidate;
