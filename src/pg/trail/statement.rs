//! What a statement of DDL is about to do, or did, as far as the audit trail asks: read off its parse tree.

use pgrx::pg_sys;
use pgrx::pg_sys::{AlterTableType as Command, NodeTag as Tag, ObjectType as Object};

use crate::pg::planner::list::{list_of, pointers};
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
    /// The tables of which, with those that are partitions of them or inherit from them, it may take triggers away or put them
    /// back, by itself or with CASCADE; `None` where it may be any.
    pub concerned: Option<Vec<u32>>,
    /// Whether other tables may be called otherwise after it, or be without columns.
    pub touches_others: bool,
    /// The partitioned tables under which a table comes, with their triggers.
    pub parents: Vec<u32>,
    /// Who makes it, where that is not who runs the statement.
    pub maker: Option<u32>,
}

impl Ddl {
    /// It is about that relation, or about something else than one: what that has in it.
    fn concern(&mut self, relation: *mut pg_sys::RangeVar) {
        self.touches_others = relation.is_null();
        self.concerned = Some(oid(relation).into_iter().collect());
    }

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
            concerned: None,
            touches_others: false,
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
                    ddl.concern((*tree.cast::<pg_sys::AlterObjectSchemaStmt>()).relation);
                }
                Tag::T_AlterTableStmt => ddl.alter(&*tree.cast()),
                Tag::T_CreateStmt => ddl.create(&*tree.cast()),
                Tag::T_CreateSchemaStmt => ddl.create_schema(&*tree.cast()),
                Tag::T_CreateTrigStmt => {
                    let statement = &*tree.cast::<pg_sys::CreateTrigStmt>();
                    ddl.may_silence = statement.replace;
                    ddl.concern(statement.relation);
                }
                Tag::T_AlterObjectDependsStmt => {
                    ddl.may_silence = true;
                    ddl.concern((*tree.cast::<pg_sys::AlterObjectDependsStmt>()).relation);
                }
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
        // SAFETY: as the caller vouches.
        self.concerned = unsafe { concerned_by_drop(statement) };
        // Columns that are of the row type of a table go with it.
        self.touches_others = statement.behavior == pg_sys::DropBehavior::DROP_CASCADE;
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
        self.concern(statement.relation);
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
        // An attribute of a type is a column of the tables that are of it.
        self.touches_others |= statement.renameType == Object::OBJECT_ATTRIBUTE;
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
        self.concern(statement.relation);
        self.touches_others |= statement.objtype == Object::OBJECT_TYPE;
        for command in pointers::<pg_sys::AlterTableCmd>(statement.cmds) {
            // SAFETY: as the caller vouches.
            let (kind, definition, behavior) =
                unsafe { ((*command).subtype, (*command).def, (*command).behavior) };
            match kind {
                Command::AT_DropColumn => {
                    self.renames = true;
                    self.touches_others |= behavior == pg_sys::DropBehavior::DROP_CASCADE;
                }
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
                    if let Some(concerned) = &mut self.concerned {
                        concerned.extend(partition);
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

/// What [`Ddl::concerned`] is of a statement that drops.
///
/// # Safety
/// A node of the parser.
unsafe fn concerned_by_drop(statement: &pg_sys::DropStmt) -> Option<Vec<u32>> {
    let names = pointers::<pg_sys::List>(statement.objects);
    match statement.removeType {
        Object::OBJECT_TABLE => Some(names.into_iter().filter_map(named).collect()),
        Object::OBJECT_TRIGGER | Object::OBJECT_POLICY | Object::OBJECT_RULE => {
            // The name of the table, and behind it that of what is dropped.
            let table = |name: *mut pg_sys::List| {
                let mut parts = pointers::<pg_sys::Node>(name);
                parts.pop();
                list_of(&parts)
            };
            Some(names.into_iter().map(table).filter_map(named).collect())
        }
        Object::OBJECT_EXTENSION => None,
        // Without CASCADE nothing goes that is not a part of it.
        _ => (statement.behavior == pg_sys::DropBehavior::DROP_RESTRICT).then(Vec::new),
    }
}

/// The relation that a list of names means, if there is one.
fn named(name: *mut pg_sys::List) -> Option<u32> {
    if name.is_null() {
        return None;
    }
    // SAFETY: names as the grammar makes them; an ERROR for too many, which the statement would meet anyhow.
    oid(unsafe { pg_sys::makeRangeVarFromNameList(name) })
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
