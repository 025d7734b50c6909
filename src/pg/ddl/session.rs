//! The session in which a statement stands.

use pgrx::pg_sys;

use crate::catalog::ddl::Session;

/// As it is now.
pub fn now() -> Session {
    Session { server_version: pg_sys::PG_VERSION_NUM.cast_signed(), ..Session::default() }
}
