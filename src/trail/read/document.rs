//! A JSON object as its members, each value in the very text that the server writes: numbers keep all their digits.

/// The members of an object, in order: name, and the value as JSON text.
pub type Members = Vec<(String, String)>;

/// SQL's NULL in the log.
pub const NULL: &str = "null";

/// Reads an object; `None` where the text is none.
pub fn members(text: &str) -> Option<Members> {
    let text = text.trim();
    let inside = text.strip_prefix('{')?.strip_suffix('}')?;
    let mut members = Vec::new();
    let mut rest = inside.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_at_checked(end_of_value(rest)?)?;
        let name: String = serde_json::from_str(name.trim()).ok()?;
        let after = after.trim_start().strip_prefix(':')?.trim_start();
        let (value, after) = after.split_at_checked(end_of_value(after)?)?;
        members.push((name, value.trim_end().to_owned()));
        rest = match after.trim_start() {
            "" => "",
            more => more.strip_prefix(',')?.trim_start(),
        };
    }
    Some(members)
}

/// Where the value that the text begins with ends, in bytes.
fn end_of_value(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut is_in_string = false;
    let mut is_escaped = false;
    for (place, byte) in text.bytes().enumerate() {
        if is_in_string {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => is_in_string = false,
                _ => {}
            }
            if !is_in_string && depth == 0 {
                return Some(place + 1);
            }
            continue;
        }
        match byte {
            b'"' => is_in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(place + 1);
                }
            }
            b',' | b':' if depth == 0 => return Some(place),
            _ => {}
        }
    }
    (depth == 0 && !is_in_string).then_some(text.len())
}

/// Writes an object.
pub fn object<'a>(members: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::from("{");
    for (name, value) in members {
        if text.len() > 1 {
            text.push_str(", ");
        }
        text.push_str(&string(name));
        text.push_str(": ");
        text.push_str(value);
    }
    text.push('}');
    text
}

/// A text as JSON.
pub fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The member of that name.
pub fn member<'a>(members: &'a Members, name: &str) -> Option<&'a str> {
    members.iter().find(|(found, _)| found == name).map(|(_, value)| &**value)
}

/// What the type's input function reads to have the value again; `None` for NULL. A string without its quotes, all else
/// as it is.
pub fn input(value: &str) -> Option<String> {
    match value {
        NULL => None,
        text if text.starts_with('"') => Some(serde_json::from_str(text).unwrap_or_else(|_| text.to_owned())),
        other => Some(other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_keeps_its_text() {
        let text = r#"{"a": 1.00, "b\"c": "x, }\\\" y", "d": {"e": [1, {"f": "]"}]}, "g": null, "h": -1e400, "i": true}"#;
        let found = members(text).unwrap();
        let values: Vec<(&str, &str)> = found.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(
            values,
            [
                ("a", "1.00"),
                ("b\"c", r#""x, }\\\" y""#),
                ("d", r#"{"e": [1, {"f": "]"}]}"#),
                ("g", "null"),
                ("h", "-1e400"),
                ("i", "true"),
            ]
        );
        assert_eq!(object(values), text);
        assert_eq!(members("{}"), Some(Vec::new()));
    }

    #[test]
    fn what_is_no_object_is_none() {
        for text in ["", "[]", "1", "null", "{", r#"{"a"}"#, r#"{"a": "b}"#, r#"{"a": 1]}"#, r#"{a: 1}"#] {
            assert_eq!(members(text), None, "{text}");
        }
    }

    #[test]
    fn an_input_function_gets_the_bare_text() {
        assert_eq!(input("null"), None);
        assert_eq!(input(r#""a\"\u00e4""#).as_deref(), Some("a\"ä"));
        assert_eq!(input("1.00").as_deref(), Some("1.00"));
        assert_eq!(input(r#"{"a": "b"}"#).as_deref(), Some(r#"{"a": "b"}"#));
    }
}
