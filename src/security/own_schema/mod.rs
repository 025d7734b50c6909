//! The schema that the extension is put into: it has to be the extension's alone. Pure.
//!
//! Whoever owns it, or may create in it, could take the extension's objects away or put a better match beside them, which
//! every policy and trigger would then use. CREATE EXTENSION makes the schema where it is missing; one that is there
//! already, as in every restore, is taken if it is a superuser's, nobody else may create in it and nothing is in it.

#[cfg(feature = "postgres")]
pub mod api;

use crate::catalog::security::OwnSchema;

/// Why the extension is not put there.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    /// What is wrong.
    pub message: String,
    /// What that means, or what was found.
    pub detail: String,
    /// What to do.
    pub hint: String,
}

/// Why the schema is not taken; `None` where it is.
pub fn refused(schema: &OwnSchema) -> Option<Refused> {
    let OwnSchema { owner, creators, contents, installer, .. } = schema;
    if !schema.is_of_superuser {
        return Some(Refused {
            message: format!("schema \"dbm\" belongs to role {owner}, who is not a superuser"),
            detail:
                "Its owner could take the extension away, or have others call functions of his own in its place."
                    .to_owned(),
            hint: format!(
                "Look who made it and what is in it; then DROP SCHEMA dbm, or ALTER SCHEMA dbm OWNER TO {installer}."
            ),
        });
    }
    if !creators.is_empty() {
        return Some(Refused {
            message: format!("{creators} may create in schema \"dbm\""),
            detail:
                "Whoever may could put functions beside those of the extension that others would then call."
                    .to_owned(),
            hint: format!(
                "REVOKE CREATE ON SCHEMA dbm FROM {creators}; where the schema is new, it comes of ALTER DEFAULT PRIVILEGES."
            ),
        });
    }
    (!contents.is_empty()).then(|| Refused {
        message: "schema \"dbm\" is not empty".to_owned(),
        detail: format!("In it there is: {contents}."),
        hint: "The schema is to be the extension's alone: look at what is in it, and move or drop it first."
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> OwnSchema {
        OwnSchema {
            owner: "boss".to_owned(),
            is_of_superuser: true,
            installer: "me".to_owned(),
            ..OwnSchema::default()
        }
    }

    #[test]
    fn taken_if_it_is_a_superusers_and_empty() {
        assert_eq!(refused(&schema()), None);
    }

    #[test]
    fn refused_with_what_to_do() {
        let of = |schema: OwnSchema| refused(&schema).map(|refused| (refused.message, refused.hint));
        let (message, hint) =
            of(OwnSchema { is_of_superuser: false, contents: "table x".to_owned(), ..schema() }).unwrap();
        assert_eq!(message, "schema \"dbm\" belongs to role boss, who is not a superuser");
        assert!(hint.ends_with("ALTER SCHEMA dbm OWNER TO me."));
        let (message, hint) = of(OwnSchema { creators: "PUBLIC, mallory".to_owned(), ..schema() }).unwrap();
        assert_eq!(message, "PUBLIC, mallory may create in schema \"dbm\"");
        assert!(hint.starts_with("REVOKE CREATE ON SCHEMA dbm FROM PUBLIC, mallory;"));
        let refused = refused(&OwnSchema { contents: "table dbm.mine".to_owned(), ..schema() }).unwrap();
        assert_eq!(refused.detail, "In it there is: table dbm.mine.");
    }
}
