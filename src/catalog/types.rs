//! Types, access methods and operator classes.

use super::Oid;

/// What `pg_type.typtype` says it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TypeKind {
    /// A base type.
    #[default]
    Base,
    /// A composite type.
    Composite,
    /// A domain.
    Domain,
    /// An enum.
    Enum,
    /// A pseudo-type.
    Pseudo,
    /// A range.
    Range,
    /// A multirange.
    Multirange,
}

/// A type, except the row types of tables.
#[derive(Clone, Debug, Default)]
pub struct Type {
    /// Its OID.
    pub oid: Oid,
    /// Its name.
    pub name: Box<str>,
    /// Its schema.
    pub schema: Oid,
    /// What it is.
    pub kind: TypeKind,
    /// `pg_type.typcategory`: `N` number, `S` string, `D` date or time, `B` boolean, `A` array …
    pub category: char,
    /// For a domain, the type below it.
    pub base: Oid,
    /// For an array, the element's type.
    pub element: Oid,
    /// Its length in bytes, negative when it varies.
    pub length: i16,
    /// For an enum, how many labels it has.
    pub labels: u32,
}

/// A table or index access method.
#[derive(Clone, Debug, Default)]
pub struct AccessMethod {
    /// Its OID.
    pub oid: Oid,
    /// Its name.
    pub name: Box<str>,
}

/// An operator class.
#[derive(Clone, Debug, Default)]
pub struct OperatorClass {
    /// Its OID.
    pub oid: Oid,
    /// Its name.
    pub name: Box<str>,
    /// The access method it serves.
    pub access_method: Oid,
    /// The family it belongs to.
    pub family: Oid,
    /// The type it indexes.
    pub input_type: Oid,
    /// Whether it is the type's default for the access method.
    pub is_default: bool,
}

/// Built-in type OIDs (`pg_type.dat`; they never change).
pub mod builtin {
    use super::Oid;

    /// boolean
    pub const BOOL: Oid = 16;
    /// name
    pub const NAME: Oid = 19;
    /// bigint
    pub const INT8: Oid = 20;
    /// smallint
    pub const INT2: Oid = 21;
    /// integer
    pub const INT4: Oid = 23;
    /// text
    pub const TEXT: Oid = 25;
    /// json
    pub const JSON: Oid = 114;
    /// json[]
    pub const JSON_ARRAY: Oid = 199;
    /// real
    pub const FLOAT4: Oid = 700;
    /// double precision
    pub const FLOAT8: Oid = 701;
    /// money
    pub const MONEY: Oid = 790;
    /// char(n)
    pub const BPCHAR: Oid = 1042;
    /// varchar(n)
    pub const VARCHAR: Oid = 1043;
    /// date
    pub const DATE: Oid = 1082;
    /// timestamp without time zone
    pub const TIMESTAMP: Oid = 1114;
    /// timestamp with time zone
    pub const TIMESTAMPTZ: Oid = 1184;
    /// interval
    pub const INTERVAL: Oid = 1186;
    /// numeric
    pub const NUMERIC: Oid = 1700;
    /// uuid
    pub const UUID: Oid = 2950;
    /// jsonb
    pub const JSONB: Oid = 3802;
    /// jsonb[]
    pub const JSONB_ARRAY: Oid = 3807;
}
