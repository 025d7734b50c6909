//! What the statements of a script leave behind for those that follow, before any of them was run.

use super::control::Control;
use crate::catalog::ddl::{
    Alteration, ConstraintType, CreateTable, DroppedKind, HeldLock, Kind, Session, Statement, Touched,
};
use crate::catalog::{LockMode, Oid, Persistence};

/// A guess at the rows that one INSERT … SELECT, UPDATE, DELETE or COPY writes: enough to say that they are many.
const MANY_ROWS: u64 = 100_000;

/// A table that the script made.
#[derive(Clone, Debug)]
struct Created {
    schema: String,
    name: String,
    /// In the transaction that still runs.
    is_in_transaction: bool,
    has_rows: bool,
    is_temporary: bool,
}

/// The state between two statements.
#[derive(Clone, Debug)]
pub struct State {
    session: Session,
    is_in_block: bool,
    /// What SET LOCAL and ROLLBACK go back to.
    outer_lock_timeout: i64,
    created: Vec<Created>,
    /// Columns that the script added to tables that were there.
    columns: Vec<(Oid, String)>,
    /// Constraints that the script added NOT VALID to tables that were there.
    constraints: Vec<(Oid, String, ConstraintType)>,
    /// Settings of the script that decide what a statement means, by name.
    meanings: Vec<(String, String)>,
    /// Whether tables are as large as they are here; otherwise they are thought of as large.
    knows_sizes: bool,
}

impl State {
    /// Before the first statement. `knows_sizes`: whether the script is for this very database.
    pub fn new(session: Session, knows_sizes: bool) -> Self {
        Self {
            is_in_block: session.is_in_transaction_block,
            outer_lock_timeout: session.timeouts.lock,
            session,
            created: Vec::new(),
            columns: Vec::new(),
            constraints: Vec::new(),
            meanings: Vec::new(),
            knows_sizes,
        }
    }

    /// The session in which the next statement would stand.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Settings of the script under which the next statement is to be read.
    pub fn meanings(&self) -> &[(String, String)] {
        &self.meanings
    }

    /// Corrects what was looked up in the catalogs by what the statements before would have changed there.
    pub fn correct(&self, statement: &mut Statement) {
        for action in &mut statement.actions {
            if action.target.is_none()
                && let Some(created) = action.missing.as_deref().and_then(|name| self.created(name))
            {
                action.target = Some(created.touched());
                action.missing = None;
            }
            if !self.knows_sizes {
                let locked = action.locks.iter_mut().map(|lock| &mut lock.relation);
                for relation in action.target.iter_mut().chain(locked) {
                    relation.is_empty &= relation.is_private();
                }
            }
            let Some(oid) = action.target.as_ref().map(|target| target.oid) else { continue };
            let Kind::Alter(alteration) = &mut action.kind else { continue };
            let has_column =
                |name: &str| self.columns.iter().any(|(of, column)| *of == oid && column == name);
            match alteration {
                Alteration::SetNotNull(change) => change.is_there |= has_column(&change.column),
                Alteration::ColumnType(change) => change.is_there |= has_column(&change.column),
                Alteration::DropColumn(change) => change.is_there |= has_column(&change.column),
                Alteration::ValidateConstraint(change) if change.constraint_type.is_none() => {
                    let added =
                        self.constraints.iter().find(|(of, name, _)| *of == oid && *name == change.name);
                    change.constraint_type = added.map(|&(_, _, constraint_type)| constraint_type);
                }
                _ => {}
            }
        }
    }

    fn created(&self, name: &str) -> Option<&Created> {
        let (schema, table) = parts(name);
        self.created
            .iter()
            .rev()
            .find(|created| created.name == table && (schema.is_empty() || schema == created.schema))
    }

    /// Goes on to the statement behind this one.
    pub fn pass(&mut self, statement: &Statement, control: &Control) {
        self.note(statement);
        match control {
            Control::Begin => {
                self.is_in_block = true;
                self.outer_lock_timeout = self.session.timeouts.lock;
            }
            Control::Commit => self.end(true),
            Control::Rollback => self.end(false),
            Control::Means { name, value } => {
                self.meanings.retain(|(known, _)| known != name);
                self.meanings.extend(value.clone().map(|value| (name.clone(), value)));
            }
            Control::Set { name, milliseconds, is_local } => self.set(name, *milliseconds, *is_local),
            Control::Writes { table, is_few } => {
                self.session.rows_written += if *is_few { 1 } else { MANY_ROWS };
                let (schema, name) = parts(table);
                for created in &mut self.created {
                    created.has_rows |=
                        created.name == name && (schema.is_empty() || schema == created.schema);
                }
            }
            Control::Other => {}
        }
        if !self.is_in_block {
            self.forget_transaction();
        }
        self.session.is_in_transaction_block = self.is_in_block;
    }

    fn set(&mut self, name: &str, milliseconds: Option<i64>, is_local: bool) {
        let value = milliseconds.unwrap_or(0);
        let timeouts = &mut self.session.timeouts;
        match name {
            // SET LOCAL does nothing outside a transaction block.
            _ if is_local && !self.is_in_block => {}
            "lock_timeout" => {
                timeouts.lock = value;
                if !is_local && !self.is_in_block {
                    self.outer_lock_timeout = value;
                }
            }
            "statement_timeout" => timeouts.statement = value,
            "idle_in_transaction_session_timeout" => timeouts.idle_in_transaction = value,
            "transaction_timeout" => timeouts.transaction = Some(value),
            _ => {}
        }
        if !is_local && name == "lock_timeout" {
            self.outer_lock_timeout = value;
        }
    }

    fn end(&mut self, is_committed: bool) {
        self.is_in_block = false;
        self.session.timeouts.lock = self.outer_lock_timeout;
        if !is_committed {
            self.created.retain(|created| !created.is_in_transaction);
        }
        self.forget_transaction();
    }

    fn forget_transaction(&mut self) {
        let session = &mut self.session;
        session.held.clear();
        session.altered.clear();
        session.added_not_valid.clear();
        session.extended_enums.clear();
        session.rows_written = 0;
        for created in &mut self.created {
            created.is_in_transaction = false;
        }
    }

    /// What the statement would have left in the catalogs and in the transaction.
    fn note(&mut self, statement: &Statement) {
        let mut altered = None;
        for action in &statement.actions {
            for lock in &action.locks {
                self.hold(&lock.relation, lock.mode);
            }
            let target = action.target.as_ref().map(|target| target.oid);
            match &action.kind {
                Kind::CreateTable(table) => self.create(table),
                Kind::CreateIndex(index) => {
                    self.session.dropped_indexes.retain(|(_, name)| *name != index.name);
                }
                Kind::Drop(object) if object.kind == DroppedKind::Index => {
                    self.session.dropped_indexes.push(parts(&object.name));
                }
                Kind::AddEnumValue { type_oid: Some(oid), .. } => self.session.extended_enums.push(*oid),
                Kind::Alter(alteration) => {
                    altered = target.or(altered);
                    if let Some(oid) = target {
                        self.alter(oid, alteration);
                    }
                }
                _ => {}
            }
        }
        self.session.altered.extend(altered);
    }

    fn hold(&mut self, relation: &Touched, mode: LockMode) {
        if mode < LockMode::ShareUpdateExclusive || relation.is_private() {
            return;
        }
        match self.session.held.iter_mut().find(|held| held.relation == relation.oid) {
            Some(held) => held.mode = held.mode.max(mode),
            None => {
                self.session.held.push(HeldLock { relation: relation.oid, name: relation.qualified(), mode })
            }
        }
    }

    fn create(&mut self, table: &CreateTable) {
        let (schema, name) = parts(&table.name);
        self.created.push(Created {
            schema,
            name,
            is_in_transaction: true,
            has_rows: table.is_from_query,
            is_temporary: table.is_temporary,
        });
    }

    fn alter(&mut self, oid: Oid, alteration: &Alteration) {
        match alteration {
            Alteration::AddColumn(added) => self.columns.push((oid, added.column.name.clone())),
            Alteration::AddConstraint(added) if added.is_not_valid => {
                self.session.added_not_valid.push((oid, added.name.clone()));
                self.constraints.push((oid, added.name.clone(), added.constraint_type));
            }
            _ => {}
        }
    }
}

impl Created {
    fn touched(&self) -> Touched {
        Touched {
            schema: if self.schema.is_empty() { "public".to_owned() } else { self.schema.clone() },
            name: self.name.clone(),
            is_created_here: self.is_in_transaction || !self.has_rows,
            is_empty: !self.has_rows,
            persistence: if self.is_temporary { Persistence::Temporary } else { Persistence::Permanent },
            ..Touched::default()
        }
    }
}

/// Schema and name of a qualified name; the schema is empty where there is none.
fn parts(name: &str) -> (String, String) {
    let mut parts = vec![String::new()];
    let mut characters = name.chars().peekable();
    let mut is_quoted = false;
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                characters.next();
                push(&mut parts, '"');
            }
            '"' => is_quoted = !is_quoted,
            '.' if !is_quoted => parts.push(String::new()),
            _ => push(&mut parts, character),
        }
    }
    let table = parts.pop().unwrap_or_default();
    (parts.pop().unwrap_or_default(), table)
}

fn push(parts: &mut [String], character: char) {
    if let Some(last) = parts.last_mut() {
        last.push(character);
    }
}

#[cfg(test)]
mod tests {
    use super::super::control;
    use super::*;
    use crate::catalog::ddl::{Action, AddConstraint, LockTaken, SetNotNull, ValidateConstraint};

    fn table(oid: Oid) -> Touched {
        Touched {
            oid,
            schema: "public".into(),
            name: format!("t{oid}"),
            is_empty: true,
            ..Touched::default()
        }
    }

    fn statement(kind: Kind, target: Option<Touched>) -> Statement {
        let locks = target
            .iter()
            .map(|target| LockTaken { relation: target.clone(), mode: LockMode::AccessExclusive });
        let locks = locks.collect();
        Statement { actions: vec![Action { target, locks, ..Action::new(kind) }], ..Statement::default() }
    }

    fn create(name: &str) -> Statement {
        statement(Kind::CreateTable(CreateTable { name: name.to_owned(), ..CreateTable::default() }), None)
    }

    fn state() -> State {
        State::new(Session::default(), true)
    }

    impl State {
        fn run(&mut self, text: &str) {
            self.pass(&Statement::default(), &control::of(text));
        }
    }

    /// What a statement on a missing table of that name is about.
    fn found(state: &State, name: &str) -> Option<Touched> {
        let mut statement = statement(Kind::VacuumFull, None);
        statement.actions[0].missing = Some(name.to_owned());
        state.correct(&mut statement);
        statement.actions[0].target.clone()
    }

    #[test]
    fn a_new_table_is_private_until_it_is_committed_with_rows() {
        let mut state = state();
        state.run("BEGIN");
        state.pass(&create("app.\"T\""), &Control::Other);
        assert!(found(&state, "app.\"T\"").is_some_and(|table| table.is_private() && table.is_empty));
        assert!(found(&state, "\"T\"").is_some());
        assert_eq!(found(&state, "other.\"T\""), None);
        state.run("INSERT INTO app.\"T\" SELECT 1");
        assert!(found(&state, "\"T\"").is_some_and(|table| table.is_private() && !table.is_empty));
        state.run("COMMIT");
        assert!(found(&state, "\"T\"").is_some_and(|table| !table.is_private()));
    }

    #[test]
    fn a_new_table_that_stays_empty_stays_private() {
        let mut state = state();
        state.pass(&create("t"), &Control::Other);
        state.run("INSERT INTO other VALUES (1)");
        assert!(found(&state, "t").is_some_and(|table| table.is_private()));
    }

    #[test]
    fn what_is_rolled_back_was_not_made() {
        let mut state = state();
        state.run("BEGIN");
        state.pass(&create("t"), &Control::Other);
        state.run("ROLLBACK");
        assert_eq!(found(&state, "t"), None);
    }

    #[test]
    fn locks_are_held_until_the_transaction_ends() {
        let mut state = state();
        let alter = statement(Kind::Alter(Alteration::Owner), Some(table(7)));
        state.pass(&alter, &Control::Other);
        assert!(state.session().held.is_empty() && state.session().altered.is_empty());
        state.run("BEGIN");
        state.pass(&alter, &Control::Other);
        state.pass(&alter, &Control::Other);
        assert_eq!(state.session().held.len(), 1);
        assert_eq!(state.session().altered, [7, 7]);
        assert!(state.session().is_in_transaction_block);
        state.run("COMMIT");
        assert!(state.session().held.is_empty() && !state.session().is_in_transaction_block);
    }

    #[test]
    fn lock_timeout_goes_back_with_its_transaction() {
        let mut state = state();
        state.run("SET lock_timeout = '2s'");
        assert_eq!(state.session().timeouts.lock, 2000);
        state.run("BEGIN");
        state.run("SET LOCAL lock_timeout = 100");
        assert_eq!(state.session().timeouts.lock, 100);
        state.run("COMMIT");
        assert_eq!(state.session().timeouts.lock, 2000);
        state.run("SET LOCAL lock_timeout = 100");
        assert_eq!(state.session().timeouts.lock, 2000);
    }

    #[test]
    fn columns_and_constraints_of_the_script_are_there() {
        let mut state = state();
        let mut added = crate::catalog::ddl::AddColumn::default();
        added.column.name = "c".to_owned();
        state.pass(&statement(Kind::Alter(Alteration::AddColumn(added)), Some(table(7))), &Control::Other);
        let check = AddConstraint { name: "k".into(), is_not_valid: true, ..AddConstraint::default() };
        state
            .pass(&statement(Kind::Alter(Alteration::AddConstraint(check)), Some(table(7))), &Control::Other);
        let mut not_null = statement(
            Kind::Alter(Alteration::SetNotNull(SetNotNull { column: "c".into(), ..SetNotNull::default() })),
            Some(table(7)),
        );
        state.correct(&mut not_null);
        assert!(matches!(
            &not_null.actions[0].kind,
            Kind::Alter(Alteration::SetNotNull(change)) if change.is_there
        ));
        let change = ValidateConstraint { name: "k".into(), ..ValidateConstraint::default() };
        let mut validate = statement(Kind::Alter(Alteration::ValidateConstraint(change)), Some(table(7)));
        state.correct(&mut validate);
        assert!(matches!(
            &validate.actions[0].kind,
            Kind::Alter(Alteration::ValidateConstraint(change))
                if change.constraint_type == Some(ConstraintType::Check)
        ));
    }

    #[test]
    fn tables_are_thought_of_as_large_where_sizes_are_not_known() {
        let mut seen = statement(Kind::VacuumFull, Some(table(7)));
        State::new(Session::default(), false).correct(&mut seen);
        assert!(seen.actions[0].target.as_ref().is_some_and(|table| !table.is_empty));
        let mut live = statement(Kind::VacuumFull, Some(table(7)));
        state().correct(&mut live);
        assert!(live.actions[0].target.as_ref().is_some_and(|table| table.is_empty));
    }
}
