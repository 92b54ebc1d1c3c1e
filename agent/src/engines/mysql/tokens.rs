//! The words of a statement's beginning, to know what kind it is and which name it carries.

/// A part of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    /// Where it begins and ends in the text, in bytes.
    pub(super) begin: usize,
    pub(super) end: usize,
}

/// What a part is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A keyword, a bare name, a number or a variable, in upper case.
    Word(String),
    /// A name in backticks.
    Name(String),
    /// A string.
    Text(String),
    /// Any other character.
    Sign(char),
}

impl Token {
    /// Whether it is that keyword.
    pub(super) fn is(&self, word: &str) -> bool {
        matches!(&self.kind, TokenKind::Word(own) if own == word)
    }

    /// Whether it is that character.
    pub(super) fn is_sign(&self, sign: char) -> bool {
        self.kind == TokenKind::Sign(sign)
    }
}

/// The tokens of a text. Comments are passed over, the marks of conditional ones (`/*!50003` and `*/`) too, but not what is in
/// those. A text that breaks off gives what was complete.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let begin = at;
        let kind = match rest[0] {
            byte if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'*' if rest.starts_with(b"*/") => {
                at += 2;
                continue;
            }
            b'/' if rest.starts_with(b"/*!") || rest.starts_with(b"/*M!") => {
                at += if rest[2] == b'M' { 4 } else { 3 };
                at += bytes[at..]
                    .iter()
                    .take_while(|byte| byte.is_ascii_digit())
                    .count();
                continue;
            }
            b'/' if rest.starts_with(b"/*") => {
                at += find(rest, b"*/").map_or(rest.len(), |end| end + 2);
                continue;
            }
            b'#' => {
                at += find(rest, b"\n").unwrap_or(rest.len());
                continue;
            }
            b'-' if rest.len() > 2 && rest.starts_with(b"--") && rest[2].is_ascii_whitespace() => {
                at += find(rest, b"\n").unwrap_or(rest.len());
                continue;
            }
            by @ (b'`' | b'\'' | b'"') => {
                let Some((value, length)) = quoted(rest, by) else {
                    return tokens;
                };
                at += length;
                if by == b'`' {
                    TokenKind::Name(value)
                } else {
                    TokenKind::Text(value)
                }
            }
            byte if is_word(byte) => {
                at += rest.iter().take_while(|byte| is_word(**byte)).count();
                TokenKind::Word(text[begin..at].to_uppercase())
            }
            _ => {
                let sign = text[at..].chars().next().unwrap_or(' ');
                at += sign.len_utf8();
                TokenKind::Sign(sign)
            }
        };
        tokens.push(Token { kind, begin, end: at });
    }
    tokens
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'@') || byte >= 0x80
}

/// What stands in the quotes at the beginning, and how long it is with them.
fn quoted(rest: &[u8], by: u8) -> Option<(String, usize)> {
    let (mut value, mut at) = (Vec::new(), 1);
    loop {
        let byte = *rest.get(at)?;
        if byte == by {
            if rest.get(at + 1) != Some(&by) {
                return Some((String::from_utf8_lossy(&value).into_owned(), at + 1));
            }
            at += 1;
        } else if byte == b'\\' && by != b'`' {
            at += 1;
        }
        value.push(*rest.get(at)?);
        at += 1;
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let shown = |token: &Token| match &token.kind {
            TokenKind::Word(word) => word.clone(),
            TokenKind::Name(name) => format!("`{name}`"),
            TokenKind::Text(text) => format!("'{text}'"),
            TokenKind::Sign(sign) => sign.to_string(),
        };
        tokens(text).iter().map(shown).collect()
    }

    #[test]
    fn marks_of_conditional_comments_are_passed_over() {
        assert_eq!(
            shown(
                "/*!50003 CREATE*/ /*!50017 DEFINER=`o``x`@`%`*/ /*!50003 TRIGGER t /* c */ BEFORE -- x\n 'it''s' "
            ),
            [
                "CREATE", "DEFINER", "=", "`o`x`", "@", "`%`", "TRIGGER", "T", "BEFORE", "'it's'"
            ]
        );
        assert_eq!(shown("/*M!100616 SET @a=@@b */"), ["SET", "@A", "=", "@@B"]);
    }

    #[test]
    fn positions_are_those_of_the_text() {
        let text = "USE `ä``b` x";
        let name = &tokens(text)[1];
        assert_eq!(&text[name.begin..name.end], "`ä``b`");
    }
}
