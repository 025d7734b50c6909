use super::*;
use crate::catalog::sample::{Sample, run};

fn sample(expression: PolicyExpression, is_permissive: bool, command: char) -> (Sample, u32) {
    let mut sample = Sample::new();
    let table = sample.keyed_table("orders");
    sample.edit_table(table, |table| (table.row_security, table.rows) = (true, 1e6));
    add(&mut sample, table, expression, is_permissive, command);
    (sample, table)
}

fn add(sample: &mut Sample, table: u32, expression: PolicyExpression, is_permissive: bool, command: char) {
    let oid = sample.oid();
    sample.snapshot.policies.push(Policy {
        oid,
        name: format!("p{oid}").into(),
        table,
        command,
        is_permissive,
        roles: [0].into(),
        has_using: command != 'a',
        has_with_check: command == 'a',
    });
    sample.snapshot.security.policies.insert(oid, expression);
}

fn open() -> PolicyExpression {
    PolicyExpression { using_is_true: true, ..PolicyExpression::default() }
}

#[test]
fn an_open_policy_beside_one_that_chooses_is_dropped_and_made_again() {
    let (alone, _) = sample(open(), true, 'r');
    assert_eq!(run(&POLICY_ALWAYS_TRUE, &alone.finish()).0[0].fix, None);
    let (mut sample, table) = sample(open(), true, 'r');
    sample.snapshot.policies[0].has_using = true;
    add(&mut sample, table, PolicyExpression::default(), true, '*');
    let name = sample.snapshot.policies[0].name.clone();
    let found = run(&POLICY_ALWAYS_TRUE, &sample.finish()).0;
    let undo = format!("CREATE POLICY {name} ON public.orders FOR SELECT TO PUBLIC USING (true);");
    assert_eq!(found[0].undo.as_deref(), Some(&*undo));
}

#[test]
fn an_open_policy_is_found_unless_a_restrictive_one_stands_beside_it() {
    let (sample, _) = sample(open(), true, '*');
    assert_eq!(run(&POLICY_ALWAYS_TRUE, &sample.finish()).0[0].severity, Some(Severity::Error));
    let (sample, _) = self::sample(open(), true, 'r');
    assert_eq!(run(&POLICY_ALWAYS_TRUE, &sample.finish()).0[0].severity, Some(Severity::Warning));
    let (mut sample, table) = self::sample(open(), true, '*');
    add(&mut sample, table, PolicyExpression::default(), false, '*');
    assert!(run(&POLICY_ALWAYS_TRUE, &sample.finish()).0.is_empty());
    // One that is true itself restricts nothing.
    let (mut sample, table) = self::sample(open(), true, '*');
    add(&mut sample, table, open(), false, '*');
    assert_eq!(run(&POLICY_ALWAYS_TRUE, &sample.finish()).0[0].severity, Some(Severity::Error));
    let (sample, _) = self::sample(open(), false, '*');
    assert!(run(&POLICY_ALWAYS_TRUE, &sample.finish()).0.is_empty());
}

#[test]
fn what_a_restrictive_policy_is_not_about_stays_open() {
    let beside = |commands: &[char]| {
        let (mut sample, table) = sample(open(), true, '*');
        commands
            .iter()
            .for_each(|command| add(&mut sample, table, PolicyExpression::default(), false, *command));
        run(&POLICY_ALWAYS_TRUE, &sample.finish()).0.first().and_then(|finding| finding.severity)
    };
    assert_eq!(beside(&['r']), Some(Severity::Error));
    assert_eq!(beside(&['a', 'w', 'd']), Some(Severity::Warning));
    assert_eq!(beside(&['r', 'a', 'w', 'd']), None);
}

#[test]
fn a_restrictive_policy_without_the_expression_that_counts_restricts_nothing() {
    let beside = |command, has_using, has_with_check| {
        let (mut sample, table) = sample(open(), true, command);
        add(&mut sample, table, PolicyExpression::default(), false, '*');
        let restrictive = sample.snapshot.policies.last_mut().unwrap();
        (restrictive.has_using, restrictive.has_with_check) = (has_using, has_with_check);
        run(&POLICY_ALWAYS_TRUE, &sample.finish()).0.first().and_then(|finding| finding.severity)
    };
    // All rows are read, changed and deleted; new ones are bound.
    assert_eq!(beside('*', false, true), Some(Severity::Error));
    assert_eq!(beside('r', false, true), Some(Severity::Warning));
    assert_eq!(beside('r', true, false), None);
    assert_eq!(beside('*', false, false), Some(Severity::Error));
    let mut open_check = open();
    open_check.check_is_true = true;
    for (has_with_check, severity) in [(true, None), (false, Some(Severity::Error))] {
        let (mut sample, table) = sample(open_check.clone(), true, 'a');
        add(&mut sample, table, PolicyExpression::default(), false, 'a');
        sample.snapshot.policies.last_mut().unwrap().has_with_check = has_with_check;
        let found = run(&POLICY_ALWAYS_TRUE, &sample.finish()).0;
        assert_eq!(found.first().and_then(|finding| finding.severity), severity);
    }
}

#[test]
fn volatile_functions_are_mended_where_they_are_ours() {
    let called = |is_system, volatility| PolicyExpression {
        functions: vec![CalledFunction {
            oid: 1,
            signature: "public.f()".into(),
            is_system,
            volatility,
            ..CalledFunction::default()
        }],
        ..PolicyExpression::default()
    };
    let fix = |expression| {
        let (sample, _) = sample(expression, true, '*');
        run(&POLICY_CALLS_VOLATILE, &sample.finish())
            .0
            .into_iter()
            .map(|finding| finding.fix)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        fix(called(false, Volatility::Volatile)),
        [Some("ALTER FUNCTION public.f() STABLE;".to_owned())]
    );
    assert_eq!(fix(called(true, Volatility::Volatile)), [None]);
    assert!(fix(called(false, Volatility::Stable)).is_empty());
}

#[test]
fn a_column_that_an_index_begins_with_is_right() {
    let of = |columns: &[i16]| PolicyExpression { columns: columns.to_vec(), ..PolicyExpression::default() };
    // The key's own index begins with column 1.
    let (sample, _) = sample(of(&[1]), true, '*');
    assert!(run(&POLICY_COLUMN_WITHOUT_INDEX, &sample.finish()).0.is_empty());
    let (mut sample, table) = self::sample(of(&[2]), true, '*');
    sample.column(table, "tenant_id", crate::catalog::types::builtin::INT8);
    let found = run(&POLICY_COLUMN_WITHOUT_INDEX, &sample.finish()).0;
    assert_eq!(
        found[0].fix.as_deref(),
        Some("CREATE INDEX CONCURRENTLY idx_orders_tenant_id ON public.orders (tenant_id);")
    );
}

#[test]
fn calls_are_made_once_and_strings_and_subqueries_stay() {
    let call = |signature: &str, array: Option<&str>| CalledFunction {
        signature: signature.into(),
        array_type: array.map(Into::into),
        ..CalledFunction::default()
    };
    let calls = [
        call("shop.tenant()", None),
        call("shop.\"Te n\"()", None),
        call("shop.tenants()", Some("integer[]")),
    ];
    let write = |text: &str| with_calls_made_once(text, &calls.each_ref());
    assert_eq!(write("(tenant = shop.tenant())"), "(tenant = (SELECT shop.tenant()))");
    assert_eq!(
        write("((t = ( SELECT shop.tenant() AS tenant)) OR (u = (shop.\"Te n\"())::integer))"),
        "((t = ( SELECT shop.tenant() AS tenant)) OR (u = ((SELECT shop.\"Te n\"()))::integer))"
    );
    // A bare subquery there would be one of rows.
    assert_eq!(write("(t = ANY (shop.tenants()))"), "(t = ANY ((SELECT shop.tenants())::integer[]))");
    assert_eq!(
        write("(t <> ALL ((shop.tenants())::bigint[]))"),
        "(t <> ALL (((SELECT shop.tenants()))::bigint[]))"
    );
    assert_eq!(write("(shop.tenants() @> ARRAY[t])"), "((SELECT shop.tenants()) @> ARRAY[t])");
    for same in [
        "(t = 'shop.tenant()'::text)",
        "(t = other.shop.tenant())",
        "(t = shop.tenant(1))",
        "(t = ANY (shop.tenant()))",
        "(t IN ( SELECT shop.tenants() AS tenants))",
    ] {
        assert_eq!(write(same), same);
    }
}

#[test]
fn what_is_asked_for_each_row_is_found_and_what_an_index_leads_to_is_right() {
    let called = |is_bare, language| CalledFunction {
        signature: "public.tenant()".into(),
        volatility: Volatility::Stable,
        is_bare,
        language,
        ..CalledFunction::default()
    };
    for (is_bare, language, column, found) in
        [(true, 20, 2, 1), (false, 20, 2, 0), (true, 14, 2, 0), (true, 20, 1, 0)]
    {
        let expression = PolicyExpression {
            functions: vec![called(is_bare, language)],
            columns: vec![column],
            ..PolicyExpression::default()
        };
        let (mut sample, _) = sample(expression, true, '*');
        for (oid, name) in [(14, "sql"), (20, "plpgsql")] {
            let language = crate::catalog::security::Language { name: name.into(), is_trusted: true };
            sample.snapshot.security.languages.insert(oid, language);
        }
        assert_eq!(run(&POLICY_FUNCTION_PER_ROW, &sample.finish()).0.len(), found);
    }
}
