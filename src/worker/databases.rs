//! Which databases the worker is to look after: the setting dbm.databases.

/// What the setting says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Wanted {
    all: bool,
    names: Vec<String>,
}

impl Wanted {
    /// Reads names between commas; one that is in double quotes may hold commas, blanks and doubled quotes. `*` is all of
    /// them. Case matters, as in the names themselves.
    pub fn parse(text: &str) -> Self {
        let mut wanted = Self::default();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (name, is_quoted, after) = first(rest);
            match name.as_str() {
                "*" if !is_quoted => wanted.all = true,
                "" => {}
                _ => wanted.names.push(name),
            }
            rest = after.trim_start();
        }
        wanted
    }

    /// Whether the database of that name is among them.
    pub fn includes(&self, name: &str) -> bool {
        self.all || self.names.iter().any(|wanted| wanted == name)
    }

    /// The names that none of these databases has, for whoever mistyped one.
    pub fn missing(&self, there: &[&str]) -> Vec<&str> {
        self.names.iter().map(String::as_str).filter(|name| !there.contains(name)).collect()
    }
}

/// The first name, whether it was quoted, and what follows its comma.
fn first(text: &str) -> (String, bool, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (name, rest) = text.split_once(',').unwrap_or((text, ""));
        return (name.trim().to_owned(), false, rest);
    };
    let mut name = String::new();
    let mut characters = quoted.char_indices().peekable();
    while let Some((place, character)) = characters.next() {
        if character != '"' {
            name.push(character);
        } else if characters.next_if(|&(_, next)| next == '"').is_some() {
            name.push('"');
        } else {
            let rest = &quoted[place + 1..];
            return (name, true, rest.split_once(',').map_or("", |(_, rest)| rest));
        }
    }
    (name, true, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_some_or_none() {
        assert!(Wanted::parse("*").includes("anything"));
        assert!(Wanted::parse("a, *").includes("anything"));
        assert!(!Wanted::parse("").includes(""));
        let some = Wanted::parse(" shop,  Sales ,,ware house");
        for (name, is_wanted) in [
            ("shop", true),
            ("Sales", true),
            ("sales", false),
            ("ware house", true),
            ("*", false),
            ("", false),
        ] {
            assert_eq!(some.includes(name), is_wanted, "{name}");
        }
    }

    #[test]
    fn quoted_names_hold_anything() {
        let wanted = Wanted::parse("\"a,b\", \"say \"\"hi\"\"\" ,c, \"*\",\"open");
        for name in ["a,b", "say \"hi\"", "c", "*", "open"] {
            assert!(wanted.includes(name), "{name}");
        }
        assert!(!wanted.includes("a"));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(Wanted::parse("a,b,*").missing(&["a", "c"]), ["b"]);
        assert!(Wanted::parse("*").missing(&[]).is_empty());
    }
}
