//! Functions that lend their owner's rights, claim too much, or stand in the way of the server's own.

use super::grants::acl_of_function;
use super::roles::PREDEFINED;
use super::words::{given, grantees, listed, revoked, rights};
use crate::catalog::security::privilege;
use crate::catalog::{Function, FunctionKind, Grant, Namespace, Oid, Snapshot};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::security::rights::Rights;
use crate::text::quote_identifier;

/// `pg_proc`'s OID.
const FUNCTION_CLASS: Oid = 1255;
/// `trigger` and `event_trigger`: what returns them is never called by name.
const TRIGGER_TYPES: [Oid; 2] = [2279, 3838];

const REFERENCE: &str =
    "https://www.postgresql.org/docs/current/sql-createfunction.html#SQL-CREATEFUNCTION-SECURITY";

/// Whether an extension owns it.
fn is_of_extension(snapshot: &Snapshot, function: &Function) -> bool {
    snapshot.is_extension_member(FUNCTION_CLASS, function.oid)
}

fn is_trigger_function(function: &Function) -> bool {
    TRIGGER_TYPES.contains(&function.return_type)
}

/// Who may create in a schema beside superusers and its owner's own doing: grantees with CREATE and the owner.
pub fn creators(snapshot: &Snapshot, rights: &Rights<'_>, schema: &Namespace) -> Vec<Oid> {
    let mut found = vec![schema.owner];
    found.extend(
        schema
            .acl
            .iter()
            .flatten()
            .filter(|grant| grant.privileges & privilege::CREATE != 0)
            .map(|grant| grant.grantee),
    );
    found.sort_unstable();
    found.dedup();
    // The owner of the database owns public, and could do what it likes with the database anyway.
    let database_owner = snapshot.security.database.owner;
    found.retain(|&oid| {
        !rights.is_superuser(oid)
            && rights
                .role(oid)
                .is_none_or(|role| &*role.name != "pg_database_owner" || !rights.is_superuser(database_owner))
    });
    found
}

/// The schemas of a search_path as it is stored.
pub fn schemas_of(path: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut current = String::new();
    let mut characters = path.chars().peekable();
    let mut quoted = false;
    let mut was_quoted = false;
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                current.push('"');
                characters.next();
            }
            '"' => {
                quoted = !quoted;
                was_quoted = true;
            }
            ',' if !quoted => {
                found.push(std::mem::take(&mut current));
                was_quoted = false;
            }
            space if space.is_whitespace() && !quoted => (),
            plain if !quoted => current.push(plain.to_ascii_lowercase()),
            plain => current.push(plain),
        }
    }
    if !current.is_empty() || was_quoted {
        found.push(current);
    }
    found.retain(|name| !name.is_empty());
    found
}

fn search_path_of(function: &Function) -> Option<&str> {
    function.settings.iter().find_map(|setting| setting.strip_prefix("search_path="))
}

/// Whether PUBLIC may look into a schema.
fn public_uses(schema: Option<&Namespace>) -> bool {
    schema.and_then(|schema| schema.acl.as_deref()).is_some_and(|acl| {
        acl.iter().any(|grant| grant.grantee == 0 && grant.privileges & privilege::USAGE != 0)
    })
}

/// Who beside its owner and superusers may call a function: 0 for everybody.
fn callers(snapshot: &Snapshot, rights: &Rights<'_>, function: &Function) -> Vec<Grant> {
    given(&acl_of_function(function, snapshot.server.version), privilege::EXECUTE, |grantee| {
        grantee != function.owner && !rights.is_superuser(grantee)
    })
}

/// What it is called, with its argument types.
pub fn name_of(facts: &Facts<'_>, function: &Function) -> String {
    facts
        .definitions
        .function_signature(function.oid)
        .unwrap_or_else(|| format!("{}()", facts.snapshot.qualified(function.schema, &function.name)))
}

/// A finding about it.
pub fn finding(facts: &Facts<'_>, function: &Function, name: &str, message: String) -> Finding {
    Finding::new(name, facts.snapshot.schema_name(function.schema), message)
}

/// The functions of the users, and of extensions where `with_extensions`.
pub fn judged<'a>(facts: &Facts<'a>, with_extensions: bool) -> impl Iterator<Item = &'a Function> {
    let snapshot = facts.snapshot;
    snapshot
        .functions
        .iter()
        .inspect(|_| (facts.interrupt)())
        .filter(move |function| with_extensions || !is_of_extension(snapshot, function))
}

/// What a caller gains from acting as a role: by all that it has, or takes by SET ROLE.
fn gain(snapshot: &Snapshot, rights: &Rights<'_>, owner: Oid) -> (Severity, String) {
    let name = rights.name(owner);
    let becomes = rights.becomes(owner);
    if becomes.iter().any(|&role| rights.is_superuser(role)) {
        return (Severity::Critical, format!("superuser {name}"));
    }
    let attributes = || becomes.iter().filter_map(|&role| rights.role(role));
    if snapshot.server.version < 160_000 && attributes().any(|role| role.creates_roles) {
        let what = "who grants itself any role that is no superuser, those among them that run programs on the server";
        return (Severity::Critical, format!("role {name}, {what}"));
    }
    let mut reaches: Vec<&(&str, &str, Severity)> = becomes
        .iter()
        .flat_map(|&role| rights.rights_of(role))
        .filter_map(|role| rights.role(role))
        .filter_map(|role| PREDEFINED.iter().find(|(predefined, ..)| **predefined == *role.name))
        .collect();
    reaches.sort_by_key(|(_, _, severity)| std::cmp::Reverse(*severity));
    match reaches.first() {
        Some((_, what, severity)) if *severity >= Severity::Error => {
            (*severity, format!("role {name}, which {what}"))
        }
        _ if attributes().any(|role| role.bypasses_row_security) => {
            (Severity::Error, format!("role {name}, to which no policy applies"))
        }
        _ => (Severity::Error, format!("role {name}")),
    }
}

/// `security.definer_without_search_path`: a definer function whose names the caller decides.
pub const DEFINER_WITHOUT_SEARCH_PATH: Rule = Rule {
    id: "security.definer_without_search_path",
    dimension: Dimension::Security,
    severity: Severity::Critical,
    title: "SECURITY DEFINER function without a search_path of its own",
    why: "Names and operators in its body are looked up in the caller's search_path: a caller with a schema of its own, or a \
          temporary table, has its code run with the owner's rights. Extensions have shipped such functions.",
    thresholds: &[],
    reference: REFERENCE,
    check: definer_without_path,
};

fn definer_without_path(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let rights = rights(snapshot);
    for function in judged(facts, true) {
        verdicts.examine(1);
        let language = snapshot.security.languages.get(&function.language);
        let looks_names_up = language.is_some_and(|language| !matches!(&*language.name, "c" | "internal"))
            && !snapshot.security.parsed_functions.contains(&function.oid);
        if !function.is_security_definer || !looks_names_up || search_path_of(function).is_some() {
            continue;
        }
        let callers = callers(snapshot, &rights, function);
        let (severity, whom) = gain(snapshot, &rights, function.owner);
        let is_reached = !callers.is_empty() || is_trigger_function(function);
        let severity = if is_reached { severity } else { Severity::Warning };
        let name = name_of(facts, function);
        let owner = rights.name(function.owner);
        let mut schemas = vec!["pg_catalog".to_owned()];
        let schema = snapshot.namespaces.get(&function.schema);
        let others = schema.map(|schema| creators(snapshot, &rights, schema)).unwrap_or_default();
        if others.iter().all(|&oid| oid == function.owner) {
            schemas.push(quote_identifier(snapshot.schema_name(function.schema)));
        }
        schemas.push("pg_temp".to_owned());
        let message =
            format!("{name} runs with the rights of {whom} and looks names up in the caller's search_path");
        let mut found = finding(facts, function, &name, message)
            .severity(severity)
            .evidence("owner", owner)
            .evidence("may_be_called_by", grantees(&rights, &callers))
            .evidence("check", "what the body names without a schema is looked up in the new search_path")
            .fix(
                format!("ALTER ROUTINE {name} SET search_path = {};", schemas.join(", ")),
                format!("ALTER ROUTINE {name} RESET search_path;"),
            );
        if is_of_extension(snapshot, function) {
            found = found.evidence("of_an_extension", true);
        }
        verdicts.find(found);
    }
}

/// `security.definer_search_path_unsafe`: a definer function whose own search_path leads to what others make.
pub const DEFINER_SEARCH_PATH_UNSAFE: Rule = Rule {
    id: "security.definer_search_path_unsafe",
    dimension: Dimension::Security,
    severity: Severity::Error,
    title: "SECURITY DEFINER function with an unsafe search_path",
    why: "A schema in which others create, \"$user\", or temporary tables first (where pg_temp is not named last): whoever makes \
          an object there has the function use it with its owner's rights.",
    thresholds: &[],
    reference: REFERENCE,
    check: definer_path_unsafe,
};

fn definer_path_unsafe(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let rights = rights(snapshot);
    for function in judged(facts, true) {
        verdicts.examine(1);
        let Some(path) = search_path_of(function).filter(|_| function.is_security_definer) else { continue };
        let language = snapshot.security.languages.get(&function.language);
        if language.is_some_and(|language| matches!(&*language.name, "c" | "internal"))
            || snapshot.security.parsed_functions.contains(&function.oid)
        {
            continue;
        }
        let schemas = schemas_of(path);
        let mut reasons = Vec::new();
        let mut kept: Vec<&String> = Vec::new();
        let (mut fix, mut undo) = (Vec::new(), Vec::new());
        for name in schemas.iter().filter(|name| &***name != "pg_temp") {
            if name == "$user" {
                reasons.push("\"$user\" is a schema of the caller's choice".to_owned());
                continue;
            }
            kept.push(name);
            let Some(schema) = snapshot.namespaces.values().find(|schema| *schema.name == **name) else {
                continue;
            };
            let writers: Vec<Oid> = creators(snapshot, &rights, schema)
                .into_iter()
                .filter(|&oid| !rights.is_superuser(oid) && !rights.can_use(oid, function.owner))
                .collect();
            if writers.is_empty() {
                continue;
            }
            let quoted = quote_identifier(name);
            let mut names: Vec<String> = writers.iter().map(|&oid| rights.name(oid)).collect();
            names.sort();
            reasons.push(format!("{} may create in schema {quoted}", listed(&names)));
            let taken = given(schema.acl.as_deref().unwrap_or_default(), privilege::CREATE, |grantee| {
                writers.contains(&grantee)
            });
            let (take, back) = revoked(&rights, &format!("SCHEMA {quoted}"), schema.owner, &taken);
            if !taken.is_empty() {
                fix.push(take);
                undo.push(back);
            }
        }
        if schemas.last().is_none_or(|last| last != "pg_temp") {
            reasons.push("temporary tables come first, because pg_temp is not named last".to_owned());
        }
        if reasons.is_empty() {
            continue;
        }
        let name = name_of(facts, function);
        let (severity, whom) = gain(snapshot, &rights, function.owner);
        let callers = callers(snapshot, &rights, function);
        let severity = match (reasons.len() == 1 && reasons[0].starts_with("temporary"), callers.is_empty()) {
            (_, true) if !is_trigger_function(function) => Severity::Info,
            (true, _) => Severity::Warning,
            _ => severity,
        };
        let names: Vec<String> =
            kept.into_iter().map(|name| quote_identifier(name)).chain(["pg_temp".to_owned()]).collect();
        let pinned = names.join(", ");
        if pinned != path.trim() {
            fix.push(format!("ALTER ROUTINE {name} SET search_path = {pinned};"));
            undo.push(format!("ALTER ROUTINE {name} SET search_path = {path};"));
        }
        let message = format!("{name} runs with the rights of {whom}, and {}", reasons.join("; "));
        let mut found =
            finding(facts, function, &name, message).severity(severity).evidence("search_path", path);
        found = if fix.is_empty() {
            found.evidence(
                "no_simple_fix_because",
                "who owns a schema creates in it: leave it out of the search_path, or give it another owner",
            )
        } else {
            found.fix(fix.join("\n"), undo.join("\n"))
        };
        if is_of_extension(snapshot, function) {
            found = found.evidence("of_an_extension", true);
        }
        verdicts.find(found);
    }
}

/// `security.definer_open_to_public`: everybody may act as somebody else through a function.
pub const DEFINER_OPEN_TO_PUBLIC: Rule = Rule {
    id: "security.definer_open_to_public",
    dimension: Dimension::Security,
    severity: Severity::Warning,
    title: "SECURITY DEFINER function that everybody may call",
    why: "Each function may be called by every role from the moment it is made. One that lends its owner's rights should be \
          granted to those it was made for.",
    thresholds: &[],
    reference: REFERENCE,
    check: definer_open,
};

fn definer_open(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let rights = rights(snapshot);
    for function in judged(facts, false) {
        verdicts.examine(1);
        if !function.is_security_definer
            || is_trigger_function(function)
            || !public_uses(snapshot.namespaces.get(&function.schema))
        {
            continue;
        }
        let acl = acl_of_function(function, snapshot.server.version);
        let taken = given(&acl, privilege::EXECUTE, |grantee| grantee == 0);
        if taken.is_empty() {
            continue;
        }
        let name = name_of(facts, function);
        let (severity, whom) = gain(snapshot, &rights, function.owner);
        let severity = if severity == Severity::Critical { Severity::Error } else { Severity::Warning };
        let (fix, undo) = revoked(&rights, &format!("ROUTINE {name}"), function.owner, &taken);
        let message = format!("every role may call {name}, which runs with the rights of {whom}");
        verdicts.find(
            finding(facts, function, &name, message)
                .severity(severity)
                .evidence("then", "GRANT EXECUTE to the roles that it was made for")
                .fix(fix, undo),
        );
    }
}

/// `security.untrusted_language_open`: code without bounds that others may run.
pub const UNTRUSTED_LANGUAGE_OPEN: Rule = Rule {
    id: "security.untrusted_language_open",
    dimension: Dimension::Security,
    severity: Severity::Error,
    title: "Function in an untrusted language that others may call",
    why: "Code in plpython3u, plperlu and the like does what the server's operating system user may do; a mistake with its \
          arguments is a shell for whoever calls it.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-createlanguage.html",
    check: untrusted_language,
};

fn untrusted_language(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let rights = rights(snapshot);
    for function in judged(facts, false) {
        verdicts.examine(1);
        let Some(language) = snapshot.security.languages.get(&function.language) else { continue };
        if language.is_trusted || matches!(&*language.name, "c" | "internal") || is_trigger_function(function)
        {
            continue;
        }
        let taken = callers(snapshot, &rights, function);
        if taken.is_empty() {
            continue;
        }
        let name = name_of(facts, function);
        let whom = grantees(&rights, &taken);
        let (fix, undo) = revoked(&rights, &format!("ROUTINE {name}"), function.owner, &taken);
        let message = format!(
            "{} may call {name}, whose language {} knows no bounds",
            listed(&whom),
            quote_identifier(&language.name)
        );
        verdicts
            .find(finding(facts, function, &name, message).evidence("may_be_called_by", whom).fix(fix, undo));
    }
}

/// `security.leakproof_function`: a claim that lets a function see rows before the policies do.
pub const LEAKPROOF_FUNCTION: Rule = Rule {
    id: "security.leakproof_function",
    dimension: Dimension::Security,
    severity: Severity::Error,
    title: "Function that claims to leak nothing",
    why: "A LEAKPROOF function in a condition is run on rows before policies and security barriers hide them. If it raises, logs \
          or counts by its argument, every row can be read through it.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/rules-privileges.html",
    check: leakproof,
};

fn leakproof(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    for function in judged(facts, false) {
        verdicts.examine(1);
        if !function.is_leakproof || function.kind != FunctionKind::Function {
            continue;
        }
        let name = name_of(facts, function);
        let message = format!("{name} claims to be LEAKPROOF: it sees rows that policies hide");
        verdicts.find(finding(facts, function, &name, message).fix(
            format!("ALTER FUNCTION {name} NOT LEAKPROOF;"),
            format!("ALTER FUNCTION {name} LEAKPROOF;"),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::security::Language;

    fn sample(edit: impl FnOnce(&mut Function)) -> Sample {
        let mut sample = Sample::with_roles(&[(20_000, "app")]);
        for (oid, name, is_trusted) in [(13, "c", false), (14, "sql", true), (15, "plpython3u", false)] {
            sample.snapshot.security.languages.insert(oid, Language { name: name.into(), is_trusted });
        }
        if let Some(public) = sample.snapshot.namespaces.get_mut(&2200) {
            public.acl = Some([Grant { grantee: 0, grantor: 10, privileges: privilege::USAGE }].into());
        }
        let mut function = Function {
            oid: 30_000,
            name: "f".into(),
            schema: 2200,
            owner: 10,
            language: 14,
            is_security_definer: true,
            argument_types: [23].into(),
            ..Function::default()
        };
        edit(&mut function);
        sample.snapshot.functions.push(function);
        sample
    }

    fn path(text: &str) -> Box<[Box<str>]> {
        [format!("search_path={text}").into()].into()
    }

    #[test]
    fn a_definer_without_path_is_found_and_one_with_it_is_right() {
        let found = run(&DEFINER_WITHOUT_SEARCH_PATH, &sample(|_| {}).finish()).0;
        assert_eq!(found[0].severity, Some(Severity::Critical));
        assert_eq!(
            found[0].fix.as_deref(),
            Some("ALTER ROUTINE public.f30000(integer) SET search_path = pg_catalog, public, pg_temp;")
        );
        let right: [fn(&mut Function); 3] = [
            |function| function.settings = path("pg_catalog, pg_temp"),
            |function| function.language = 13,
            |function| function.is_security_definer = false,
        ];
        for edit in right {
            assert!(run(&DEFINER_WITHOUT_SEARCH_PATH, &sample(edit).finish()).0.is_empty());
        }
        let mut parsed = sample(|_| {});
        parsed.snapshot.security.parsed_functions.insert(30_000);
        assert!(run(&DEFINER_WITHOUT_SEARCH_PATH, &parsed.finish()).0.is_empty());
    }

    #[test]
    fn it_is_as_bad_as_what_its_owner_reaches() {
        use crate::catalog::{Membership, Role};
        let found = |version: i32, edit: &dyn Fn(&mut Role), member_of: Option<&str>| {
            let mut sample = sample(|function| function.owner = 20_000);
            sample.snapshot.server.version = version;
            edit(&mut sample.snapshot.roles[1]);
            for (oid, name) in (21_000..).zip(member_of) {
                let role = Role { oid, name: name.into(), ..Role::default() };
                sample.snapshot.roles.push(role);
                let membership =
                    Membership { role: oid, member: 20_000, sets: true, ..Membership::default() };
                sample.snapshot.memberships.push(membership);
            }
            let found = run(&DEFINER_WITHOUT_SEARCH_PATH, &sample.finish()).0;
            (found[0].severity, found[0].message.clone())
        };
        let harmless = |_: &mut Role| ();
        assert!(found(150_000, &harmless, None).1.contains("the rights of role app and looks"));
        for (predefined, severity, what) in [
            ("pg_execute_server_program", Severity::Critical, "which runs programs"),
            ("pg_write_all_data", Severity::Error, "which writes every table"),
            ("pg_signal_backend", Severity::Error, "the rights of role app and looks"),
        ] {
            let (is, message) = found(150_000, &harmless, Some(predefined));
            assert_eq!(is, Some(severity), "{predefined}");
            assert!(message.contains(what), "{message}");
        }
        let creates = |role: &mut Role| role.creates_roles = true;
        assert_eq!(found(150_000, &creates, None).0, Some(Severity::Critical));
        assert_eq!(found(160_000, &creates, None).0, Some(Severity::Error));
        let bypasses = |role: &mut Role| role.bypasses_row_security = true;
        assert!(found(150_000, &bypasses, None).1.contains("to which no policy applies"));
    }

    #[test]
    fn what_only_its_owner_calls_is_a_warning() {
        let edit = |function: &mut Function| {
            function.acl = Some([Grant { grantee: 10, grantor: 10, privileges: privilege::EXECUTE }].into());
        };
        let found = run(&DEFINER_WITHOUT_SEARCH_PATH, &sample(edit).finish()).0;
        assert_eq!(found[0].severity, Some(Severity::Warning));
        assert!(run(&DEFINER_OPEN_TO_PUBLIC, &sample(edit).finish()).0.is_empty());
    }

    #[test]
    fn paths_are_judged_by_where_they_lead() {
        let found = |text: &str, open: bool| {
            let mut sample = sample(|function| function.settings = path(text));
            if open && let Some(public) = sample.snapshot.namespaces.get_mut(&2200) {
                let privileges = privilege::USAGE | privilege::CREATE;
                public.acl = Some([Grant { grantee: 20_000, grantor: 10, privileges }].into());
            }
            run(&DEFINER_SEARCH_PATH_UNSAFE, &sample.finish()).0
        };
        assert!(found("pg_catalog, public, pg_temp", false).is_empty());
        assert_eq!(found("pg_catalog, public", false)[0].severity, Some(Severity::Warning));
        let open = found("public, pg_temp", true);
        assert_eq!(open[0].severity, Some(Severity::Critical));
        assert_eq!(open[0].fix.as_deref(), Some("REVOKE CREATE ON SCHEMA public FROM app;"));
        let user = found("\"$user\", public, pg_temp", false);
        assert_eq!(
            user[0].fix.as_deref(),
            Some("ALTER ROUTINE public.f30000(integer) SET search_path = public, pg_temp;")
        );
    }

    #[test]
    fn search_paths_are_split_as_the_server_does() {
        assert_eq!(
            schemas_of("\"$user\", public,\"A b\"\"c\", Pg_Temp"),
            ["$user", "public", "A b\"c", "pg_temp"]
        );
        assert!(schemas_of("\"\"").is_empty());
    }

    #[test]
    fn untrusted_code_counts_where_others_run_it() {
        let found = run(&UNTRUSTED_LANGUAGE_OPEN, &sample(|function| function.language = 15).finish()).0;
        assert_eq!(
            found[0].message,
            "PUBLIC may call public.f30000(integer), whose language plpython3u knows no bounds"
        );
        assert!(run(&UNTRUSTED_LANGUAGE_OPEN, &sample(|_| {}).finish()).0.is_empty());
    }
}
