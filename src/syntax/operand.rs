//! SQL of an expression as part of a larger one.

/// An expression as an operator takes it: in parentheses unless it needs none.
pub fn operand(sql: &str) -> String {
    if is_atom(sql) { sql.to_owned() } else { format!("({sql})") }
}

/// Whether nothing in it binds more loosely than what may stand around it: a name, a number, a literal with or without
/// a cast, or a call.
fn is_atom(sql: &str) -> bool {
    let mut depth = 0_u32;
    let mut characters = sql.chars();
    while let Some(character) = characters.next() {
        match character {
            // A doubled quote ends one literal and begins another.
            '\'' | '"' => {
                if !characters.by_ref().any(|next| next == character) {
                    return false;
                }
            }
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            '.' | '_' | ':' | '$' => {}
            _ if character.is_alphanumeric() => {}
            _ => return false,
        }
    }
    !sql.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands() {
        for atom in ["a.b", "\"A b\".c", "'x y'::text", "5", "f(a + b, '(')", "$1::integer", "'it''s'::text"]
        {
            assert_eq!(operand(atom), atom);
        }
        for loose in ["a + b", "NOT a", "'x' || 'y'", "a = b", "-5", "CASE WHEN a THEN b END", "''' "] {
            assert_eq!(operand(loose), format!("({loose})"));
        }
    }
}
