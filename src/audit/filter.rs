//! Which part of an audit somebody wants to see.

use rustc_hash::FxHashSet;

use super::refusal::Refusal;
use crate::catalog::Snapshot;
use crate::finding::{Dimension, Rule, Severity};

/// What to run and what to show. The default is everything.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Only this dimension's rules are run.
    pub dimension: Option<Dimension>,
    /// Only what lies in these schemas (bare names) is shown.
    pub schemas: Option<FxHashSet<String>>,
    /// Nothing milder is shown.
    pub min_severity: Severity,
}

impl Default for Filter {
    fn default() -> Self {
        Self { dimension: None, schemas: None, min_severity: Severity::Info }
    }
}

impl Filter {
    /// Reads the arguments of `dbm.audit()`; `None` means no restriction. Refuses what names nothing in `snapshot`.
    pub fn parse(
        dimension: Option<&str>,
        schemas: Option<Vec<Option<String>>>,
        min_severity: Option<&str>,
        snapshot: &Snapshot,
    ) -> Result<Self, Refusal> {
        Ok(Self {
            dimension: dimension.map(parse_dimension).transpose()?,
            schemas: schemas.map(|schemas| parse_schemas(schemas, snapshot)).transpose()?,
            min_severity: min_severity.map_or(Ok(Severity::Info), parse_severity)?,
        })
    }

    /// Whether the rule is run.
    pub fn lets_run(&self, rule: &Rule) -> bool {
        self.dimension.is_none_or(|dimension| dimension == rule.dimension)
    }

    /// Whether something in `schema` is shown. What belongs to no schema is part of the whole database only.
    pub fn shows_schema(&self, schema: &str) -> bool {
        self.schemas.as_ref().is_none_or(|wanted| wanted.contains(schema))
    }
}

fn parse_dimension(name: &str) -> Result<Dimension, Refusal> {
    Dimension::parse(name).ok_or_else(|| {
        let valid = Dimension::ALL.map(Dimension::name);
        Refusal::unknown_name("dimension", name, valid, "Leave it out to audit every dimension.")
    })
}

/// The severity of that name.
pub fn parse_severity(name: &str) -> Result<Severity, Refusal> {
    Severity::parse(name).ok_or_else(|| {
        let valid = Severity::ALL.map(Severity::name);
        Refusal::unknown_name("severity", name, valid, "The order is info, warning, error, critical.")
    })
}

fn parse_schemas(schemas: Vec<Option<String>>, snapshot: &Snapshot) -> Result<FxHashSet<String>, Refusal> {
    const LEAVE_OUT: &str = "Leave the argument out to audit every schema.";
    if schemas.is_empty() || schemas.contains(&None) {
        return Err(Refusal {
            message: "the list of schemas is empty or holds a null".to_owned(),
            detail: "An audit of no schema would look like a clean one.".to_owned(),
            hint: LEAVE_OUT.to_owned(),
        });
    }
    let valid = || snapshot.namespaces.values().filter(|schema| !schema.is_system());
    for name in schemas.iter().flatten() {
        if !valid().any(|schema| *schema.name == **name) {
            return Err(Refusal::unknown_name(
                "schema",
                name,
                valid().map(|schema| &*schema.name),
                LEAVE_OUT,
            ));
        }
    }
    Ok(schemas.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::Sample;

    fn parse(
        dimension: Option<&str>,
        schemas: Option<&[&str]>,
        severity: Option<&str>,
    ) -> Result<Filter, Refusal> {
        let mut sample = Sample::new();
        sample.schema("Sales");
        let schemas = schemas.map(|names| names.iter().map(|name| Some((*name).to_owned())).collect());
        Filter::parse(dimension, schemas, severity, &sample.finish())
    }

    #[test]
    fn no_argument_means_everything() {
        let filter = parse(None, None, None).unwrap();
        assert_eq!((filter.dimension, filter.min_severity), (None, Severity::Info));
        assert!(filter.shows_schema("public") && filter.shows_schema(""));
    }

    #[test]
    fn arguments_restrict() {
        let filter = parse(Some("indexing"), Some(&["Sales"]), Some("error")).unwrap();
        assert_eq!((filter.dimension, filter.min_severity), (Some(Dimension::Indexing), Severity::Error));
        assert!(filter.shows_schema("Sales") && !filter.shows_schema("public") && !filter.shows_schema(""));
    }

    #[test]
    fn what_does_not_exist_is_refused_with_what_does() {
        assert!(parse(Some("indexes"), None, None).unwrap_err().hint.contains("\"indexing\""));
        assert!(parse(None, None, Some("warn")).unwrap_err().detail.contains("warning"));
        let refusal = parse(None, Some(&["public", "sales"]), None).unwrap_err();
        assert_eq!(refusal.message, "schema \"sales\" does not exist");
        assert_eq!(refusal.detail, "Valid, nearest first: Sales, public.");
        assert!(
            parse(None, Some(&["pg_catalog"]), None).is_err(),
            "the server's own schemas are never judged"
        );
    }

    #[test]
    fn an_audit_of_nothing_is_refused() {
        assert!(parse(None, Some(&[]), None).is_err());
        let snapshot = Sample::new().finish();
        assert!(Filter::parse(None, Some(vec![None]), None, &snapshot).is_err());
    }
}
