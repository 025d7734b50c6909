//! Tokens read from left to right.

use super::token::{Kind, Token};
use crate::migration::lint::Dialect;

/// A place in a row of tokens.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    tokens: &'a [Token<'a>],
    dialect: Dialect,
}

impl<'a> Words<'a> {
    /// Before the first of them.
    pub fn new(tokens: &'a [Token<'a>], dialect: Dialect) -> Self {
        Self { tokens, dialect }
    }

    /// What has not been read.
    pub fn rest(&self) -> &'a [Token<'a>] {
        self.tokens
    }

    /// Whether everything has been read.
    pub fn is_done(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The next token, which is not read by that.
    pub fn peek(&self) -> Option<&'a Token<'a>> {
        self.tokens.first()
    }

    /// Reads one token.
    pub fn take(&mut self) -> Option<&'a Token<'a>> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    /// Whether these words come next.
    pub fn sees(&self, words: &[&str]) -> bool {
        self.tokens.len() >= words.len()
            && words.iter().zip(self.tokens).all(|(word, token)| match word.chars().next() {
                Some(sign) if !sign.is_alphanumeric() => token.is_sign(sign),
                _ => token.is(word),
            })
    }

    /// Reads these words, if they come next.
    pub fn eat(&mut self, words: &[&str]) -> bool {
        let sees = self.sees(words);
        if sees {
            self.tokens = &self.tokens[words.len()..];
        }
        sees
    }

    /// Reads the first of these words that comes next.
    pub fn eat_any(&mut self, words: &[&'static str]) -> Option<&'static str> {
        words.iter().copied().find(|word| self.eat(&[word]))
    }

    /// Reads a name without qualification.
    pub fn word(&mut self) -> Option<String> {
        self.peek().filter(|token| token.is_name(self.dialect))?;
        self.take().map(Token::value)
    }

    /// Reads a name, qualified or not.
    pub fn name(&mut self) -> Option<String> {
        let mut name = self.word()?;
        while self.eat(&["."]) {
            name = format!("{name}.{}", self.word()?);
        }
        Some(name)
    }

    /// Reads what stands in parentheses, without them.
    pub fn group(&mut self) -> Option<&'a [Token<'a>]> {
        if !self.sees(&["("]) {
            return None;
        }
        let mut depth = 0usize;
        for (place, token) in self.tokens.iter().enumerate() {
            if token.is_sign('(') {
                depth += 1;
            } else if token.is_sign(')') {
                depth -= 1;
                if depth == 0 {
                    let inner = &self.tokens[1..place];
                    self.tokens = &self.tokens[place + 1..];
                    return Some(inner);
                }
            }
        }
        None
    }

    /// Whether one of the words stands in what has not been read, outside parentheses.
    pub fn holds(&self, word: &str) -> bool {
        let mut depth = 0usize;
        self.tokens.iter().any(|token| {
            if token.is_sign('(') {
                depth += 1;
            } else if token.is_sign(')') {
                depth = depth.saturating_sub(1);
            }
            depth == 0 && token.is(word)
        })
    }

    /// Whether parentheses stand in what has not been read.
    pub fn holds_group(&self) -> bool {
        self.tokens.iter().any(|token| token.is_sign('('))
    }

    /// Reads everything.
    pub fn skip_all(&mut self) {
        self.tokens = &[];
    }
}

/// Splits tokens at the commas outside parentheses.
pub fn at_commas<'a>(tokens: &'a [Token<'a>]) -> Vec<&'a [Token<'a>]> {
    let mut depth = 0usize;
    tokens
        .split(|token| {
            if token.is_sign('(') {
                depth += 1;
            } else if token.is_sign(')') {
                depth = depth.saturating_sub(1);
            }
            depth == 0 && token.kind == Kind::Sign && token.raw == ","
        })
        .filter(|part| !part.is_empty())
        .collect()
}

/// The tokens as text: as written, with one space where there was a gap or a comment.
pub fn text_of(tokens: &[Token<'_>]) -> String {
    let mut text = String::new();
    let mut end = None;
    for token in tokens {
        if end.is_some_and(|end| end != token.start) {
            text.push(' ');
        }
        text.push_str(token.raw);
        end = Some(token.end());
    }
    text
}
