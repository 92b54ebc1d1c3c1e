//! Names and texts as SQL writes them.
//!
//! Every name is quoted, whether it needs it or not: no list of key words has to be kept. Texts mean the same whether
//! `standard_conforming_strings` is on or, as some databases still have it, off.

/// A name in double quotes.
pub(super) fn name(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// A schema's object.
pub(super) fn qualified(schema: &str, object: &str) -> String {
    format!("{}.{}", name(schema), name(object))
}

/// A text in single quotes; one with backslashes says that it has them.
pub(super) fn text(text: &str) -> String {
    let text = text.replace('\'', "''");
    match text.contains('\\') {
        true => format!("E'{}'", text.replace('\\', "\\\\")),
        false => format!("'{text}'"),
    }
}

/// Names in parentheses; nothing at all for none, as COPY wants it for a table without columns.
pub(super) fn columns(names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    format!(" ({})", comma_separated(names))
}

/// Names with commas between.
pub(super) fn comma_separated(names: &[String]) -> String {
    names.iter().map(|each| name(each)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the server's scanner makes of it: doubled quotes are one.
    fn unquote(quoted: &str, quote: char) -> Option<String> {
        let inner = quoted.strip_prefix(quote)?.strip_suffix(quote)?;
        let mut read = String::new();
        let mut characters = inner.chars();
        while let Some(character) = characters.next() {
            if character == quote && characters.next() != Some(quote) {
                return None;
            }
            read.push(character);
        }
        Some(read)
    }

    proptest! {
        #[test]
        fn names_and_texts_read_back(any in "\\PC*", odd in "[\"'\\\\; \n.-]*") {
            for original in [any, odd] {
                prop_assert_eq!(unquote(&name(&original), '"'), Some(original.clone()));
                let written = text(&original);
                let read = match written.strip_prefix('E') {
                    Some(escaped) => unquote(&escaped.replace("\\\\", "\\"), '\''),
                    None => unquote(&written, '\'').filter(|text| !text.contains('\\')),
                };
                prop_assert_eq!(read, Some(original));
            }
        }
    }

    #[test]
    fn lists() {
        assert_eq!(columns(&[]), "");
        assert_eq!(columns(&["a".into(), "B\"c".into()]), r#" ("a", "B""c")"#);
        assert_eq!(qualified("my schema", "t"), r#""my schema"."t""#);
    }
}
