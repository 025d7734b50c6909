//! Schema design: conventions, types, keys and constraints.
