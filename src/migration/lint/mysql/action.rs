//! What a statement of MySQL asks for, as far as a rule wants to know.

use crate::migration::lint::script::Definition;

/// The kind of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexKind {
    /// A secondary index.
    Plain,
    /// UNIQUE
    Unique,
    /// FULLTEXT
    FullText,
    /// SPATIAL
    Spatial,
}

/// One part of an `ALTER TABLE`, or what another statement does to one table.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// ADD COLUMN
    AddColumn(Definition),
    /// DROP COLUMN
    DropColumn(String),
    /// MODIFY, or CHANGE, with the name that the column has now.
    ChangeColumn(String, Definition),
    /// RENAME COLUMN
    RenameColumn(String, String),
    /// SET DEFAULT, DROP DEFAULT, SET VISIBLE …
    AlterColumn(String),
    /// ADD INDEX, with its name.
    AddIndex(IndexKind, String),
    /// DROP INDEX
    DropIndex(String),
    /// RENAME INDEX
    RenameIndex(String, String),
    /// ALTER INDEX … VISIBLE or INVISIBLE.
    AlterIndex,
    /// ADD PRIMARY KEY
    AddPrimaryKey,
    /// DROP PRIMARY KEY
    DropPrimaryKey,
    /// ADD FOREIGN KEY, with the table that it refers to.
    AddForeignKey(String),
    /// ADD CHECK, with whether it is enforced.
    AddCheck(bool),
    /// ALTER CHECK … ENFORCED or NOT ENFORCED.
    EnforceCheck(String, bool),
    /// DROP FOREIGN KEY, DROP CHECK, DROP CONSTRAINT.
    DropConstraint,
    /// RENAME TO
    RenameTable(String),
    /// CONVERT TO CHARACTER SET
    ConvertCharset(String),
    /// CHARACTER SET: that of columns to come.
    DefaultCharset(String),
    /// ENGINE
    Engine(String),
    /// ROW_FORMAT, KEY_BLOCK_SIZE
    RowFormat(String),
    /// ENCRYPTION, COMPRESSION
    Encryption,
    /// TABLESPACE
    Tablespace(String),
    /// FORCE, or OPTIMIZE TABLE
    Rebuild(&'static str),
    /// ORDER BY
    OrderBy,
    /// PARTITION BY, REORGANIZE PARTITION and others that write rows anew.
    Repartition(&'static str),
    /// DROP PARTITION, TRUNCATE PARTITION
    EmptyPartition(&'static str),
    /// Metadata only, and nobody notices.
    Harmless,
    /// What nobody understands.
    Unknown(String),
}

/// A clause of which MySQL has one a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// INSTANT
    Instant,
    /// INPLACE, or MariaDB's NOCOPY
    InPlace,
    /// COPY
    Copy,
}

/// A clause of which MySQL has one a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lock {
    /// NONE: readers and writers go on.
    None,
    /// SHARED: readers go on.
    Shared,
    /// EXCLUSIVE: nobody goes on.
    Exclusive,
}

/// `ALTER TABLE`, or what MySQL maps to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alter {
    /// The table.
    pub table: String,
    /// What is done to it.
    pub actions: Vec<Action>,
    /// ALGORITHM
    pub algorithm: Option<Algorithm>,
    /// LOCK
    pub lock: Option<Lock>,
    /// Whether its clauses are separated by commas, as in `ALTER TABLE`.
    pub has_commas: bool,
}

/// A table that a statement creates.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Created {
    /// Its name.
    pub table: String,
    /// Its columns, as far as they are written.
    pub columns: Vec<Definition>,
    /// Its default character set.
    pub charset: Option<String>,
    /// ROW_FORMAT, in lower case.
    pub row_format: Option<String>,
    /// Whether a FULLTEXT index comes with it.
    pub has_full_text: bool,
    /// Whether it is filled by the same statement.
    pub is_filled: bool,
}

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// `ALTER TABLE`, `CREATE INDEX`, `DROP INDEX`, `OPTIMIZE TABLE`
    Alter(Alter),
    /// `CREATE TABLE`
    Create(Created),
    /// `RENAME TABLE`
    Rename(Vec<(String, String)>),
    /// `DROP TABLE`
    DropTable(Vec<String>),
    /// `DROP DATABASE`
    DropDatabase(String),
    /// `TRUNCATE`
    Truncate(String),
    /// `DELETE`, with the table and whether it has a condition or a limit.
    Delete(String, bool),
    /// `UPDATE`, likewise.
    Update(String, bool),
    /// Rows are put into the table, by copying others.
    Fill(String),
    /// `LOCK TABLES … WRITE`, `FLUSH TABLES WITH READ LOCK`
    LockTables(&'static str),
    /// `START TRANSACTION`
    Begin,
    /// `COMMIT`, `ROLLBACK`
    End,
    /// `SET`: names in lower case, values as written.
    Set(Vec<(String, String)>),
    /// DDL of which no rule wants to know; it ends a transaction nevertheless.
    OtherDdl,
    /// Nothing that a rule wants to know.
    Harmless,
    /// What nobody understands.
    Unknown,
}

impl Statement {
    /// Whether it commits the transaction in which it stands.
    pub fn commits(&self) -> bool {
        matches!(
            self,
            Self::Alter(_)
                | Self::Create(_)
                | Self::Rename(_)
                | Self::DropTable(_)
                | Self::DropDatabase(_)
                | Self::Truncate(_)
                | Self::OtherDdl
                | Self::LockTables(_)
        )
    }
}
