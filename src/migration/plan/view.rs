//! Views that stand in the way: the server does not let the type of a column change on which a view stands. They are
//! dropped and made anew in the same transaction, so that nobody finds them missing: with owner, privileges, comments,
//! options, defaults, rules and triggers.

use super::back;
use super::words::dollar_quoted;
use crate::catalog::ddl::{VIEW_RIGHTS, ViewShape};
use crate::text::{quote_identifier, quote_literal};

/// Why they cannot be made anew by the plan; `None` where they can.
pub fn obstacle(views: &[ViewShape]) -> Option<String> {
    if let Some(view) = views.iter().find(|view| view.is_materialized()) {
        return Some(format!(
            "the materialized view {} has to be filled anew, which takes its time",
            view.name
        ));
    }
    views
        .iter()
        .find(|view| !view.others.is_empty())
        .map(|view| format!("{} stands on view {}", view.others.join(", "), view.name))
}

/// What is dropped and made anew, for people.
pub fn listed(views: &[ViewShape]) -> String {
    views.iter().map(|view| &*view.name).collect::<Vec<_>>().join(", ")
}

/// Fails if somebody has changed one of them since the plan was made: what it would be made anew from is old.
/// `is_first`: not yet made anew by the plan, so that its rights are still those which the plan has seen.
pub fn unchanged(views: &[ViewShape], is_first: bool) -> Option<String> {
    if views.is_empty() {
        return None;
    }
    let text = format!(
        "\nDECLARE\n  dbm_path text := pg_catalog.current_setting('search_path');\nBEGIN\n  \
         PERFORM pg_catalog.set_config('search_path', '', true);\n{}  \
         PERFORM pg_catalog.set_config('search_path', dbm_path, true);\nEND\n",
        views.iter().map(|view| checks(view, is_first)).collect::<String>()
    );
    Some(format!("DO {}", dollar_quoted(&text)))
}

fn checks(view: &ViewShape, is_first: bool) -> String {
    let name = quote_literal(&view.name);
    let raise = |what: &str| {
        format!(
            "    RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = {}, HINT = 'Make the plan again with dbm.migration_plan().';\n  END IF;\n",
            quote_literal(&format!("{what} view {} changed since the plan was made", view.name))
        )
    };
    let mut text = format!(
        "  IF rtrim(pg_get_viewdef(to_regclass({name})), E' \\n;') IS DISTINCT FROM {} THEN\n{}",
        dollar_quoted(&view.definition),
        raise("the query of")
    );
    if is_first && !view.rights.is_empty() {
        text.push_str(&format!(
            "  IF (SELECT {VIEW_RIGHTS} FROM pg_class c WHERE c.oid = to_regclass({name})) IS DISTINCT FROM {} THEN\n{}",
            quote_literal(&view.rights),
            raise("privileges, options or owner of")
        ));
    }
    text
}

/// Drops them, those first that stand on others.
pub fn drop(views: &[ViewShape]) -> Vec<String> {
    views.iter().rev().map(|view| format!("DROP VIEW {}", view.name)).collect()
}

/// Makes them anew, those first on which others stand.
pub fn create(views: &[ViewShape]) -> Vec<String> {
    views.iter().flat_map(one).collect()
}

fn one(view: &ViewShape) -> Vec<String> {
    let name = &view.name;
    let with = if view.options.is_empty() { String::new() } else { format!(" WITH ({})", view.options) };
    let mut sql = vec![
        format!("CREATE VIEW {name}{with} AS {}", view.definition.trim_start()),
        format!("ALTER VIEW {name} OWNER TO {}", view.owner),
    ];
    if let Some(comment) = &view.comment {
        sql.push(format!("COMMENT ON VIEW {name} IS {}", quote_literal(comment)));
    }
    for column in &view.columns {
        let quoted = quote_identifier(&column.name);
        if let Some(default) = &column.default {
            sql.push(format!("ALTER VIEW {name} ALTER COLUMN {quoted} SET DEFAULT {default}"));
        }
        if let Some(comment) = &column.comment {
            sql.push(format!("COMMENT ON COLUMN {name}.{quoted} IS {}", quote_literal(comment)));
        }
    }
    sql.extend(rights(view));
    sql.extend(view.rules.iter().map(|rule| back::part(name, "RULE", rule)));
    sql.extend(view.triggers.iter().map(|trigger| back::part(name, "TRIGGER", trigger)));
    for (provider, label) in &view.labels {
        let provider = quote_identifier(provider);
        sql.push(format!("SECURITY LABEL FOR {provider} ON VIEW {name} IS {}", quote_literal(label)));
    }
    sql
}

fn rights(view: &ViewShape) -> Vec<String> {
    let name = &view.name;
    let mut sql: Vec<String> =
        view.given_by_default.iter().map(|whom| format!("REVOKE ALL ON TABLE {name} FROM {whom}")).collect();
    if view.has_own_acl {
        sql.push(format!("REVOKE ALL ON TABLE {name} FROM {}", view.owner));
    }
    let option = |is_grantable: bool| if is_grantable { " WITH GRANT OPTION" } else { "" };
    for (what, whom, is_grantable) in &view.privileges {
        if *whom != view.owner || view.has_own_acl {
            sql.push(format!("GRANT {what} ON TABLE {name} TO {whom}{}", option(*is_grantable)));
        }
    }
    for column in &view.columns {
        let quoted = quote_identifier(&column.name);
        for (what, whom, is_grantable) in &column.privileges {
            let what: Vec<String> = what.split(", ").map(|one| format!("{one} ({quoted})")).collect();
            sql.push(format!("GRANT {} ON TABLE {name} TO {whom}{}", what.join(", "), option(*is_grantable)));
        }
    }
    sql
}
