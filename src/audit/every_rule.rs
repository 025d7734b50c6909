//! What must hold for every rule of every room, whatever it looks for.

use std::cell::Cell;

use proptest::prelude::*;

use super::engine::{Audit, run};
use super::filter::Filter;
use super::probe::catching;
use super::rows::AuditRow;
use super::scoreboard::scoreboard;
use super::settings::RuleSettings;
use super::suppression::Suppressions;
use crate::catalog::sample::{Sample, SampleDefinitions};
use crate::catalog::security::{
    CalledFunction, ExpressionKind, HbaAddress, HbaLine, KeptExpression, Language, ObjectKind, Password,
    PolicyExpression, Protected, UserMapping, privilege,
};
use crate::catalog::types::builtin;
use crate::catalog::workload::{Statement, Statements};
use crate::catalog::{
    ConstraintKind, Function, Grant, LastValue, Membership, Oid, Policy, Prepared, RelationKind, Role,
    RoleSetting, Setting, Snapshot,
};
use crate::finding::{Dimension, Facts, Rule, Verdicts};

fn audit_of(snapshot: &Snapshot) -> Audit {
    let facts = Facts { snapshot, definitions: &SampleDefinitions, interrupt: &|| {} };
    run(&facts, &Filter::default(), &RuleSettings::default(), &Suppressions::default(), &catching)
}

fn name_foreign_key(sample: &mut Sample, constraint: Oid, name: &str) {
    let found = sample.snapshot.constraints.iter_mut().find(|candidate| candidate.oid == constraint);
    found.expect("it was just made").name = name.into();
}

/// Customers and their orders, as they should be.
fn sound_pair(sample: &mut Sample, number: usize) {
    let moments = |sample: &mut Sample, table| {
        for name in ["created_at", "updated_at"] {
            sample.column(table, name, builtin::TIMESTAMPTZ);
            sample.edit_column(table, name, |column| {
                column.not_null = true;
                column.has_default = true;
            });
            sample.measured(table, name, 0.0, -0.9);
        }
    };
    let customers = sample.keyed_table(&format!("customers{number}"));
    moments(sample, customers);
    let orders = sample.keyed_table(&format!("orders{number}"));
    moments(sample, orders);
    let column = format!("customers{number}_id");
    sample.column(orders, &column, builtin::INT8);
    sample.edit_column(orders, &column, |column| column.not_null = true);
    sample.measured(orders, &column, 0.0, -0.5);
    let index = sample.index(orders, &format!("idx_orders{number}_{column}"), &[&column]);
    sample.edit_index(index, |index| index.statistics.get_or_insert_default().scans = 1_000);
    let key = sample.foreign_key(orders, &[&column], customers, &["id"]);
    name_foreign_key(sample, key, &format!("fk_orders{number}_{column}"));
}

/// `regproc`, which no upgrade takes along.
const REGPROC: Oid = 24;

/// Tables that share nothing with those of another number, and have something wrong for most rules.
fn faulty_pair(sample: &mut Sample, number: usize) {
    let parents = sample.table(&format!("Parent{number}"));
    for (name, type_oid) in [
        ("ID", builtin::INT4),
        ("price", builtin::FLOAT8),
        ("paid", builtin::MONEY),
        ("moved", builtin::TIMESTAMP),
        ("kind", builtin::BPCHAR),
        ("data", builtin::JSON),
        ("order", builtin::TEXT),
        ("status", builtin::TEXT),
        ("active", builtin::BOOL),
    ] {
        sample.column(parents, name, type_oid);
    }
    sample.primary_key(parents, &["ID"]);
    let sequence = sample.serial(parents, "ID", &format!("Parent{number}_ID_seq"));
    sample.edit_sequence(sequence, |sequence| sequence.last_value = LastValue::At(2_100_000_000));
    sample.keyed_constraint(parents, &format!("again{number}"), &["ID"], ConstraintKind::Unique);
    sample.index(parents, &format!("status_a{number}"), &["status"]);
    sample.index(parents, &format!("status_b{number}"), &["status"]);
    let broken = sample.index(parents, &format!("broken{number}"), &["price", "status"]);
    sample.edit_index(broken, |index| index.is_valid = false);
    sample.measured(parents, "active", 0.0, 2.0);
    sample.index(parents, &format!("active{number}"), &["active"]);
    sample.index(parents, &format!("wide{number}"), &["active", "kind"]);
    sample.index(parents, &format!("wider{number}"), &["active", "kind", "moved"]);
    for column in ["price", "paid", "moved"] {
        sample.index(parents, &format!("{column}{number}"), &[column]);
    }
    sample.edit_table(parents, |table| {
        table.rows = 500_000.0;
        table.pages = 20_000;
        let statistics = table.statistics.get_or_insert_default();
        statistics.live = 500_000;
        statistics.updated = 5_000_000;
        statistics.sequential_scans = 5_000;
        statistics.sequential_rows = 2_500_000_000;
    });

    let children = sample.table(&format!("child_{number}"));
    for name in ["parent_id", "other_id"] {
        sample.column(children, name, builtin::INT8);
    }
    for name in ["first", "second"] {
        let key = sample.foreign_key(children, &["parent_id"], parents, &["ID"]);
        name_foreign_key(sample, key, &format!("{name}{number}"));
    }
    let own = sample.foreign_key(children, &["other_id"], children, &["parent_id"]);
    name_foreign_key(sample, own, &format!("own{number}"));
    sample
        .snapshot
        .constraints
        .iter_mut()
        .filter(|key| key.oid == own)
        .for_each(|key| key.is_validated = false);
    sample.column(children, "callback", REGPROC);
    let (events, rest) =
        (sample.keyed_table(&format!("event{number}")), sample.keyed_table(&format!("event{number}_rest")));
    sample.partition(events, rest);
    sample.edit_table(events, |table| {
        table.partitioning.get_or_insert_default().default_partition = rest;
    });
    sample.edit_table(rest, |table| table.pages = 20_000);
    if sample.snapshot.roles.is_empty() {
        let role = Role { oid: 10, name: "postgres".into(), logs_in: true, ..Role::default() };
        sample.snapshot.roles.push(role);
        sample.snapshot.settings.insert("lock_timeout".into(), Setting { value: "0".into() });
    }
    policy(sample, children, "forgotten", PolicyExpression::default());
    let trigger = sample.trigger(children, &format!("off{number}"), 0);
    sample.edit_trigger(trigger, |trigger| trigger.state = crate::catalog::TriggerState::Disabled);
}

/// A role that logs in and owns, and one that was granted.
const OWNER: Oid = 20_000;
const APP: Oid = 20_001;

fn grant(grantee: Oid, privileges: u64) -> Grant {
    Grant { grantee, grantor: OWNER, privileges }
}

fn policy(sample: &mut Sample, table: Oid, name: &str, expression: PolicyExpression) {
    let oid = sample.oid();
    sample.snapshot.policies.push(Policy {
        oid,
        name: name.into(),
        table,
        command: '*',
        is_permissive: true,
        roles: [0].into(),
        has_using: true,
        ..Policy::default()
    });
    sample.snapshot.security.policies.insert(oid, expression);
}

/// Tables and functions with which most rules of security have something to say.
fn unsafe_pair(sample: &mut Sample, number: usize) {
    let guarded = [format!("guarded{number}"), format!("beside{number}")].map(|name| {
        let table = sample.keyed_table(&name);
        sample.column(table, "tenant_id", builtin::INT8);
        sample.column(table, "api_key", builtin::TEXT);
        sample.edit_table(table, |table| {
            (table.row_security, table.owner, table.rows) = (true, OWNER, 1e6);
            table.acl = Some([grant(OWNER, 0x7f), grant(APP, 0x7f), grant(0, privilege::SELECT)].into());
        });
        sample.edit_column(table, "api_key", |column| {
            column.acl = Some([grant(0, privilege::SELECT)].into());
        });
        let volatile =
            CalledFunction { signature: "public.now_or_never()".into(), ..CalledFunction::default() };
        policy(
            sample,
            table,
            "tenant",
            PolicyExpression { functions: vec![volatile], columns: vec![2], ..PolicyExpression::default() },
        );
        policy(
            sample,
            table,
            "open",
            PolicyExpression { using_is_true: true, ..PolicyExpression::default() },
        );
        table
    });
    sample.column(guarded[1], "guarded_id", builtin::INT8);
    let key = sample.foreign_key(guarded[1], &["guarded_id"], guarded[0], &["id"]);
    name_foreign_key(sample, key, &format!("to_guarded{number}"));
    let (shut, leaf, view) = (
        sample.keyed_table(&format!("shut{number}")),
        sample.keyed_table(&format!("leaf{number}")),
        sample.table(&format!("shown{number}")),
    );
    policy(sample, shut, "forgotten", PolicyExpression::default());
    sample.inherit(guarded[0], leaf);
    for table in [leaf, view] {
        sample.edit_table(table, |table| table.acl = Some([grant(APP, privilege::SELECT)].into()));
    }
    sample.edit_table(view, |view| view.kind = RelationKind::View);
    sample.snapshot.security.views.insert((view, guarded[0]));
    let kinds = [(true, false, None), (true, false, Some("\"$user\"")), (false, true, None)];
    for (place, (is_definer, is_leakproof, path)) in (0..).zip(kinds) {
        // The definitions of the sample tell functions by their OIDs, which therefore are the same in whatever order.
        let oid = 50_000 + 10 * Oid::try_from(number).unwrap_or(0) + place;
        sample.snapshot.functions.push(Function {
            oid,
            name: "lower".into(),
            schema: 2200,
            owner: OWNER,
            language: 14,
            is_security_definer: is_definer,
            is_leakproof,
            argument_types: [builtin::INT4].into(),
            settings: path.map(|path| format!("search_path={path}").into()).into_iter().collect(),
            ..Function::default()
        });
        sample.snapshot.security.expressions.push(KeptExpression {
            kind: ExpressionKind::Check,
            name: format!("checked{number}_{place}").into(),
            relation: shut,
            owner: 10,
            function: oid,
            ..KeptExpression::default()
        });
    }
}

/// What is wrong with the roles and the server of the shop.
fn unsafe_server(sample: &mut Sample) {
    let snapshot = &mut sample.snapshot;
    let role =
        |oid, name: &str| Role { oid, name: name.into(), logs_in: true, inherits: true, ..Role::default() };
    snapshot.roles.extend([
        Role { bypasses_row_security: true, ..role(OWNER, "owner") },
        Role { creates_roles: true, replicates: true, ..role(APP, "app") },
        Role { is_superuser: true, ..role(20_002, "root") },
        Role { logs_in: false, ..role(4_571, "pg_execute_server_program") },
    ]);
    snapshot.roles.iter_mut().filter(|role| role.oid == 10).for_each(|role| role.is_superuser = true);
    snapshot.memberships.push(Membership { role: 4_571, member: APP, sets: true, ..Membership::default() });
    snapshot.namespaces.entry(2200).and_modify(|public| {
        public.acl = Some([grant(0, privilege::USAGE | privilege::CREATE)].into());
    });
    snapshot.role_settings.push(RoleSetting {
        role: APP,
        is_for_database: false,
        settings: ["app.secret=x".into()].into(),
    });
    let security = &mut snapshot.security;
    security.languages.insert(14, Language { name: "sql".into(), is_trusted: true });
    security.system_names.insert(("lower".into(), 1));
    security.passwords = Some([(OWNER, Password::Md5)].into_iter().collect());
    security.hba = Some(vec![HbaLine {
        number: 1,
        databases: ["all".into(), "replication".into()].into(),
        users: ["all".into()].into(),
        address: Some(HbaAddress::All),
        method: "trust".into(),
        ..HbaLine::default()
    }]);
    security.database = Protected {
        oid: 5,
        kind: ObjectKind::Database,
        name: "shop".into(),
        owner: 10,
        ..Protected::default()
    };
    security.parameters.push(("session_replication_role".into(), [grant(APP, privilege::SET)].into()));
    let fsync = Setting { value: "off".into() };
    security.settings.insert("fsync".into(), fsync);
    security.user_mappings = Some(vec![UserMapping { server: "far".into(), ..UserMapping::default() }]);
}

/// Queries on the pair of that number, some of which are as they should not be.
fn statements(number: usize, are_faulty: bool) -> Vec<Statement> {
    let one = |text: String, calls: f64, rows: f64, spilled: f64| Statement {
        text: Some(text.into()),
        calls,
        rows,
        total_ms: calls,
        blocks_hit: calls * 4.0,
        blocks_spilled: spilled,
        ..Statement::default()
    };
    let mut found = vec![one(format!("SELECT * FROM customers{number} WHERE id = $1"), 50.0, 50.0, 0.0)];
    if are_faulty {
        found.push(one(format!("SELECT * FROM \"Parent{number}\" ORDER BY kind"), 1_000.0, 2e8, 1e6));
    }
    found
}

fn with_statements(sample: &mut Sample, more: Vec<Statement>) {
    let mut all = sample.snapshot.statements.all().to_vec();
    all.extend(more);
    sample.snapshot.statements = Statements::Counted { statements: all.into(), since: None };
}

/// Six of each, made in the order that `order` gives and with `gap` OIDs between them.
fn shop(order: impl Iterator<Item = usize>, gap: usize) -> Sample {
    let mut sample = Sample::new();
    for number in order {
        for _ in 0..gap * number {
            sample.oid();
        }
        sound_pair(&mut sample, number);
        faulty_pair(&mut sample, number);
        unsafe_pair(&mut sample, number);
        with_statements(&mut sample, statements(number, true));
    }
    unsafe_server(&mut sample);
    let sheet = sample.keyed_table("sheets");
    for number in 0..120 {
        sample.column(sheet, &format!("cell_{number}"), builtin::TEXT);
    }
    let server = &mut sample.snapshot.server;
    server.closed_databases = vec![("shut".into(), false)];
    server.prepared = vec![Prepared { name: "left".into(), owner: "app".into(), at: 0 }];
    server.logical_slots = vec!["stream".into()];
    sample.snapshot.settings.insert("dbm.ddl_guard".into(), Setting { value: "off".into() });
    sample
}

/// All that a row says, without the OIDs (five digits) that the sample writes into definitions.
fn without_oids(row: &AuditRow) -> String {
    let text = format!("{row:?}");
    let digits = |word: &str| word.len() == 5 && word.bytes().all(|byte| byte.is_ascii_digit());
    let words = text.split(|character: char| !character.is_ascii_alphanumeric());
    words.map(|word| if digits(word.trim_start_matches(char::is_alphabetic)) { "#" } else { word }).collect()
}

#[test]
fn the_shop_is_one_that_most_rules_have_something_to_say_about() {
    let audit = audit_of(&shop(0..6, 0).finish());
    let silent: Vec<&str> = audit
        .outcomes
        .iter()
        .filter(|outcome| outcome.findings.is_empty())
        .map(|outcome| outcome.rule.id)
        .collect();
    assert!(silent.len() * 2 < audit.outcomes.len(), "{silent:?}");
}

#[test]
fn what_is_unsafe_is_mended_by_a_statement_or_it_is_said_why_not() {
    let audit = audit_of(&shop(0..6, 0).finish());
    for outcome in audit.outcomes.iter().filter(|outcome| outcome.rule.dimension == Dimension::Security) {
        for judged in &outcome.findings {
            let finding = &judged.finding;
            let says = |name: &str| finding.evidence.contains_key(name);
            let is_mended = finding.fix.is_some() || says("no_simple_fix_because");
            let comes_back = finding.fix.is_some() == finding.undo.is_some() || says("no_undo_because");
            assert!(is_mended && comes_back, "{}: {}", outcome.rule.id, finding.message);
        }
    }
}

#[test]
fn neither_oids_nor_the_order_of_creation_matter() {
    let (forth, back) = (audit_of(&shop(0..6, 0).finish()), audit_of(&shop((0..6).rev(), 17).finish()));
    assert_eq!(scoreboard(&forth), scoreboard(&back));
    let rows = |audit: Audit| -> Vec<String> {
        audit.into_rows(&Filter::default()).iter().map(without_oids).collect()
    };
    let (forth, back) = (rows(forth), rows(back));
    for (forth, back) in forth.iter().zip(&back) {
        assert_eq!(forth, back);
    }
    assert_eq!(forth.len(), back.len());
}

#[test]
fn a_shop_with_forty_mistakes_needs_work_and_one_without_is_flawless() {
    let overall = |faulty: usize| {
        let mut sample = Sample::new();
        (0..16).for_each(|number| sound_pair(&mut sample, number));
        (16..16 + faulty).for_each(|number| faulty_pair(&mut sample, number));
        scoreboard(&audit_of(&sample.finish())).pop().expect("the last row is overall")
    };
    let (sound, faulty) = (overall(0), overall(1));
    assert_eq!((sound.score, sound.findings), (Some(100.0), 0));
    assert!((35..=50).contains(&faulty.findings), "{faulty:?}");
    assert!(faulty.score.is_some_and(|score| (25.0..55.0).contains(&score)), "{faulty:?}");
}

#[test]
fn an_empty_database_is_flawless() {
    let audit = audit_of(&Sample::new().finish());
    for outcome in &audit.outcomes {
        assert_eq!((&outcome.error, outcome.findings.len()), (&None, 0), "{}", outcome.rule.id);
    }
    assert_eq!(scoreboard(&audit).last().and_then(|row| row.score), Some(100.0));
}

#[test]
fn adding_clean_tables_never_lowers_a_score() {
    let before = shop(0..3, 0);
    let mut after = shop(0..3, 0);
    sound_pair(&mut after, 77);
    let (before, after) = (audit_of(&before.finish()), audit_of(&after.finish()));
    for row in after.clone().into_rows(&Filter::default()) {
        let object = row.object.unwrap_or_default();
        assert!(!object.contains("77"), "{} on {object}: {}", row.rule, row.message);
    }
    for (before, after) in scoreboard(&before).iter().zip(scoreboard(&after)) {
        assert!(before.score <= after.score, "{}: {:?} {:?}", before.dimension, before.score, after.score);
    }
}

/// How often a rule offers to be interrupted.
fn interruptions(rule: &Rule, snapshot: &Snapshot) -> usize {
    let calls = Cell::new(0);
    let count = || calls.set(calls.get() + 1);
    let facts = Facts { snapshot, definitions: &SampleDefinitions, interrupt: &count };
    let thresholds = |name: &str| rule.default_threshold(name);
    (rule.check)(&facts, &mut Verdicts::new(&thresholds));
    calls.get()
}

#[test]
fn every_rule_lets_itself_be_interrupted_the_more_the_more_there_is() {
    // These look at the server, its roles, or its few extensions or slots, however many tables there are.
    const OF_THE_SERVER: [&str; 37] = [
        "migration.collation_version_mismatch",
        "migration.database_blocks_upgrade",
        "migration.extension_outdated",
        "migration.guard_off",
        "migration.logical_slot_lost_by_upgrade",
        "migration.prepared_transaction",
        "migration.version_out_of_support",
        "security.audit_log_open",
        "security.dangerous_membership",
        "security.event_trigger_unsafe",
        "security.extension_in_open_schema",
        "security.extension_reaches_out",
        "security.extension_vulnerable",
        "security.extra_superuser",
        "security.hba_error",
        "security.hba_open_to_world",
        "security.hba_unencrypted",
        "security.hba_weak_method",
        "security.parameter_granted",
        "security.password_guessable",
        "security.password_hash_weak",
        "security.password_never_expires",
        "security.public_creates_in_schema",
        "security.public_database_privilege",
        "security.public_default_privilege",
        "security.publication_ignores_row_security",
        "security.role_bypasses_row_security",
        "security.role_creates_roles",
        "security.role_replicates",
        "security.role_with_admin_option",
        "security.search_path_writable",
        "security.secret_in_setting",
        "security.server_setting",
        "security.subscription_password",
        "security.superuser_over_network",
        "security.system_function_granted",
        "security.user_mapping_unsafe",
    ];
    let (small, large) = (shop(0..3, 0).finish(), shop(0..6, 0).finish());
    for rule in super::rules().filter(|rule| !OF_THE_SERVER.contains(&rule.id)) {
        let (few, many) = (interruptions(rule, &small), interruptions(rule, &large));
        assert!(0 < few && few < many, "{}: {few} and {many}", rule.id);
    }
}

/// Keeps the items whose turn the bits say it is, as if the others had been dropped by another session in between.
fn thin<T>(items: &mut Vec<T>, mut bits: u64) {
    items.retain(|_| {
        bits = bits.rotate_left(7).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        !bits.is_multiple_of(5)
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn objects_dropped_in_the_middle_break_no_rule(bits in prop::array::uniform6(1_u64..), types in any::<bool>()) {
        let mut sample = shop(0..3, 0);
        let snapshot = &mut sample.snapshot;
        thin(&mut snapshot.relations, bits[0]);
        thin(&mut snapshot.columns, bits[1]);
        thin(&mut snapshot.indexes, bits[2]);
        thin(&mut snapshot.constraints, bits[3]);
        thin(&mut snapshot.sequences, bits[4]);
        thin(&mut snapshot.triggers, bits[5]);
        if types {
            snapshot.types.retain(|oid, _| !(u64::from(*oid) ^ bits[0]).is_multiple_of(3));
            snapshot.operator_classes.clear();
            snapshot.access_methods.clear();
            snapshot.namespaces.remove(&2200);
        }
        for outcome in audit_of(&sample.finish()).outcomes {
            prop_assert_eq!(outcome.error, None, "{}", outcome.rule.id);
        }
    }
}
