//! Who may do what, and who more than anybody meant: rules about roles, grants, row-level security and functions, reviews of
//! what a role may do, plans for roles with the least privileges, and tables divided between tenants.
//!
//! [`rights`] works out what the server would answer; [`review`] writes it down; [`rules`] judge; [`role_plan`] makes roles;
//! [`tenancy`] divides tables; [`own_schema`] keeps the extension's own.

#[cfg(feature = "postgres")]
pub mod api;
#[cfg(feature = "postgres")]
pub mod live;

pub mod own_schema;
pub mod review;
pub mod rights;
pub mod role_plan;
pub mod rules;
pub mod target;
pub mod tenancy;
