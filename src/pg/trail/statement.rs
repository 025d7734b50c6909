//! What a statement of DDL is about to do, or did, as far as the audit trail asks: read off its parse tree.

use pgrx::pg_sys;
use pgrx::pg_sys::{AlterTableType as Command, NodeTag as Tag, ObjectType as Object};

use crate::pg::planner::list::pointers;
use crate::pg::run::owner::Identity;
use crate::pg::scan::text_of_c_string;

/// At which of its moments a statement is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before it does anything.
    Start,
    /// It dropped something.
    Drop,
    /// It is done.
    End,
}

/// A partition that comes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// The partitioned table.
    pub parent: u32,
    /// The partition.
    pub partition: u32,
    /// Whether it comes.
    pub comes: bool,
}

/// A statement of DDL.
#[derive(Clone, Debug)]
pub struct Ddl {
    /// The moment.
    pub stage: Stage,
    /// What it is called: `ALTER TABLE`.
    pub tag: String,
    /// Whether tables or columns have other names after it, or columns are gone.
    pub renames: bool,
    /// Whether tables may have other names after it, or be in schemas of other names.
    pub renames_tables: bool,
    /// Whether triggers may be gone after it, or out of force, without that anything is dropped.
    pub may_silence: bool,
    /// Whether triggers may be in force again after it.
    pub enables: bool,
    /// Whether it is there to drop something.
    pub drops: bool,
    /// Whether that is the extension itself, or its schema.
    pub drops_extension: bool,
    /// Whether it takes a table into another schema.
    pub moves: bool,
    /// The schema that it gives another name: that of before and that of after.
    pub renamed_schema: Option<(String, String)>,
    /// The partition that it attaches or detaches.
    pub partition: Option<Partition>,
    /// Whether it attaches one, whatever its names mean by now.
    pub attaches: bool,
    /// Whether it detaches one, whatever its names mean by now.
    pub detaches: bool,
    /// Whether it commits on the way: from then on who reads the partitioned table does not see the partition any more, whatever
    /// becomes of the rest of the statement.
    pub detaches_concurrently: bool,
    /// The partitioned tables under which a table comes, with their triggers.
    pub parents: Vec<u32>,
    /// Who makes it, where that is not who runs the statement.
    pub maker: Option<u32>,
}

impl Ddl {
    /// Reads a statement.
    ///
    /// # Safety
    /// The parse tree that the server hands to event triggers, or null.
    pub unsafe fn read(stage: Stage, tag: String, tree: *mut pg_sys::Node) -> Self {
        let mut ddl = Self {
            stage,
            tag,
            renames: false,
            renames_tables: false,
            may_silence: false,
            enables: false,
            drops: false,
            drops_extension: false,
            moves: false,
            renamed_schema: None,
            partition: None,
            attaches: false,
            detaches: false,
            detaches_concurrently: false,
            parents: Vec::new(),
            maker: None,
        };
        if tree.is_null() {
            return ddl;
        }
        // SAFETY: as the caller vouches; the tag says what the node is.
        unsafe {
            match (*tree).type_ {
                Tag::T_RenameStmt => ddl.rename(&*tree.cast()),
                Tag::T_AlterObjectSchemaStmt => {
                    (ddl.renames, ddl.renames_tables, ddl.moves) = (true, true, true);
                }
                Tag::T_AlterTableStmt => ddl.alter(&*tree.cast()),
                Tag::T_CreateStmt => ddl.create(&*tree.cast()),
                Tag::T_CreateSchemaStmt => ddl.create_schema(&*tree.cast()),
                Tag::T_CreateTrigStmt => {
                    ddl.may_silence = (*tree.cast::<pg_sys::CreateTrigStmt>()).replace;
                }
                Tag::T_AlterObjectDependsStmt => ddl.may_silence = true,
                Tag::T_DropStmt => ddl.drop(&*tree.cast()),
                Tag::T_DropOwnedStmt => ddl.drops = true,
                _ => {}
            }
        }
        ddl
    }

    /// # Safety
    /// A node of the parser.
    unsafe fn drop(&mut self, statement: &pg_sys::DropStmt) {
        self.drops = true;
        let ours = match statement.removeType {
            Object::OBJECT_EXTENSION => "dbmastery",
            Object::OBJECT_SCHEMA => "dbm",
            _ => return,
        };
        // SAFETY: plain names, as the grammar makes them: strings of the parser.
        self.drops_extension = pointers::<pg_sys::String>(statement.objects)
            .into_iter()
            .any(|name| unsafe { text_of_c_string((*name).sval) }.is_some_and(|name| *name == *ours));
    }

    /// # Safety
    /// A node of the parser.
    unsafe fn rename(&mut self, statement: &pg_sys::RenameStmt) {
        self.renames = true;
        // Names of several kinds pass for those of tables.
        self.renames_tables = matches!(
            statement.renameType,
            Object::OBJECT_SCHEMA
                | Object::OBJECT_TABLE
                | Object::OBJECT_FOREIGN_TABLE
                | Object::OBJECT_INDEX
                | Object::OBJECT_VIEW
                | Object::OBJECT_MATVIEW
                | Object::OBJECT_SEQUENCE
        );
        self.may_silence = statement.renameType == Object::OBJECT_TRIGGER;
        if statement.renameType == Object::OBJECT_SCHEMA {
            // SAFETY: C strings of the parser, or null.
            let (old, new) =
                unsafe { (text_of_c_string(statement.subname), text_of_c_string(statement.newname)) };
            self.renamed_schema = old.zip(new).map(|(old, new)| (old.into(), new.into()));
        }
    }

    /// # Safety
    /// A node of the parser.
    unsafe fn create(&mut self, statement: &pg_sys::CreateStmt) {
        if self.stage == Stage::Start && !statement.partbound.is_null() {
            // One name, as the grammar makes it.
            let parents = pointers::<pg_sys::RangeVar>(statement.inhRelations);
            self.parents.extend(parents.first().and_then(|&parent| oid(parent)));
        }
    }

    /// What a schema is made with is told once it is there, and each begins without a word.
    ///
    /// # Safety
    /// A node of the parser.
    unsafe fn create_schema(&mut self, statement: &pg_sys::CreateSchemaStmt) {
        if self.stage != Stage::Start || statement.schemaElts.is_null() {
            return;
        }
        if !statement.authrole.is_null() {
            // SAFETY: a node of the parser; no ERROR where there is no such role.
            let role = unsafe { pg_sys::get_rolespec_oid(statement.authrole, true) };
            self.maker = (role != pg_sys::InvalidOid).then(|| role.to_u32());
        }
        // Names are looked up by who makes what they name.
        let before = Identity::current();
        if let Some(maker) = self.maker {
            before.become_other(maker.into());
        }
        for element in pointers::<pg_sys::Node>(statement.schemaElts) {
            // SAFETY: as the caller vouches; the tag says what the node is.
            unsafe {
                if (*element).type_ == Tag::T_CreateStmt {
                    self.create(&*element.cast());
                }
            }
        }
    }

    /// # Safety
    /// A node of the parser.
    unsafe fn alter(&mut self, statement: &pg_sys::AlterTableStmt) {
        for command in pointers::<pg_sys::AlterTableCmd>(statement.cmds) {
            // SAFETY: as the caller vouches.
            let (kind, definition) = unsafe { ((*command).subtype, (*command).def) };
            match kind {
                Command::AT_DropColumn => self.renames = true,
                Command::AT_EnableAlwaysTrig => self.enables = true,
                Command::AT_EnableTrig
                | Command::AT_EnableTrigAll
                | Command::AT_EnableTrigUser
                | Command::AT_EnableReplicaTrig
                | Command::AT_DisableTrig
                | Command::AT_DisableTrigAll
                | Command::AT_DisableTrigUser => self.may_silence = true,
                Command::AT_AttachPartition
                | Command::AT_DetachPartition
                | Command::AT_DetachPartitionFinalize
                    if statement.objtype == Object::OBJECT_TABLE =>
                {
                    let comes = kind == Command::AT_AttachPartition;
                    self.attaches |= comes;
                    self.detaches |= !comes;
                    // SAFETY: as the grammar makes it.
                    let definition = unsafe { &*definition.cast::<pg_sys::PartitionCmd>() };
                    let partition = oid(definition.name);
                    self.detaches_concurrently = !comes && definition.concurrent;
                    let parent = oid(statement.relation);
                    if comes {
                        self.parents.extend(parent);
                    }
                    self.partition = parent.zip(partition).map(|(parent, partition)| Partition {
                        parent,
                        partition,
                        comes,
                    });
                }
                _ => {}
            }
        }
    }
}

/// Whether, at the end of a statement of that tag, there may be triggers more.
pub fn makes_triggers(stage: Stage, tag: &str) -> bool {
    stage == Stage::End && matches!(tag, "CREATE TRIGGER" | "CREATE SCHEMA")
}

/// The table that a name means, if there is one.
fn oid(name: *mut pg_sys::RangeVar) -> Option<u32> {
    if name.is_null() {
        return None;
    }
    // SAFETY: a name of the parser; looked up without a lock, and without an ERROR where there is none.
    let found = unsafe {
        pg_sys::RangeVarGetRelidExtended(
            name,
            pg_sys::NoLock as pg_sys::LOCKMODE,
            pg_sys::RVROption::RVR_MISSING_OK,
            None,
            std::ptr::null_mut(),
        )
    };
    (found != pg_sys::InvalidOid).then(|| found.to_u32())
}
