//! Indexes: unused, duplicate, missing, broken.
