//! What a role plan leaves to others, and what they should know.

use super::{Asked, Kind};
use crate::text::quote_identifier;

/// What is left to others, and what they should know.
pub fn requires(asked: &Asked, role: &str) -> Vec<String> {
    let mut all = vec![if asked.logs_in {
        format!("a password for it afterwards: \\password {role}, and a line in pg_hba.conf")
    } else {
        format!("logins that are granted it: GRANT {role} TO …")
    }];
    if let Some(owner) = asked.owner.as_ref().filter(|_| asked.kind == Kind::Migrator) {
        let name = quote_identifier(&owner.name);
        for (other, schema) in &owner.not_its_own {
            all.push(format!(
                "{name} owns nothing of what {} owns in {}, and may not change it: ALTER TABLE … OWNER TO {name}",
                quote_identifier(other),
                quote_identifier(schema)
            ));
        }
        all.extend(
            owner
                .not_granted
                .iter()
                .map(|grant| format!("what others make there is granted, what {name} makes is not: {grant}")),
        );
    }
    if !matches!(asked.kind, Kind::Application | Kind::ReadOnly) {
        return all;
    }
    for schema in &asked.schemas {
        let name = quote_identifier(&schema.name);
        if !asked.later {
            all.push(format!("a grant for each table that is made in {name} later: GRANT … TO {role}"));
            continue;
        }
        let (verb, what) = match asked.kind {
            Kind::Application => ("written into", "a view that is made in"),
            _ => ("read", "a view that reads past policies and is made in"),
        };
        all.push(format!(
            "{what} {name} later can be {verb}, and a partition that is made there by hand be reached past its parent's policies, until \
             somebody revokes it from {role}: default privileges know tables, views and partitions as one kind. later => false grants \
             none of them"
        ));
        let makers: Vec<String> = schema.owners.iter().map(|owner| quote_identifier(owner)).collect();
        let mut others = format!(
            "what others than {} make in {name} later is not granted to {role}: ALTER DEFAULT PRIVILEGES FOR ROLE … IN SCHEMA {name}",
            if makers.is_empty() { "nobody".to_owned() } else { makers.join(", ") }
        );
        if !schema.others.is_empty() {
            let may: Vec<String> = schema
                .others
                .iter()
                .map(|other| if other == "PUBLIC" { other.clone() } else { quote_identifier(other) })
                .collect();
            others.push_str(&format!("; CREATE there has also {}", may.join(", ")));
        }
        all.push(others);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::tests::asked;
    use super::super::{OwnerFacts, plan};
    use super::*;

    #[test]
    fn what_is_made_later_is_granted_unless_it_is_not_to_be() {
        let mut asked = asked(Kind::Application);
        asked.schemas[0].others = vec!["PUBLIC".into(), "Deploy 2".into()];
        let told = plan(&asked).requires.join("\n");
        assert!(told.contains("a view that is made in shop later can be written into"), "{told}");
        assert!(told.contains("what others than shop_owner make in shop"), "{told}");
        assert!(told.contains("CREATE there has also PUBLIC, \"Deploy 2\""), "{told}");
        asked.later = false;
        let told = plan(&asked).requires.join("\n");
        assert!(!told.contains("written into") && told.contains("a grant for each table"), "{told}");
        let steps = plan(&asked).steps;
        assert!(steps.iter().all(|step| !step.sql.join("\n").contains("DEFAULT PRIVILEGES")));
    }

    #[test]
    fn a_migrators_owner_that_owns_nothing_yet_is_told_of() {
        let mut asked = asked(Kind::Migrator);
        asked.owner = Some(OwnerFacts {
            name: "new".into(),
            exists: false,
            not_its_own: vec![("old".into(), "shop".into())],
            not_granted: vec!["ALTER DEFAULT PRIVILEGES …".into()],
        });
        let told = plan(&asked).requires.join("\n");
        assert!(told.contains("new owns nothing of what old owns in shop"), "{told}");
        assert!(told.contains("what new makes is not: ALTER DEFAULT PRIVILEGES …"), "{told}");
    }
}
