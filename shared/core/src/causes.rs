//! Errors with their causes, as a line for people.

use std::error::Error;

/// The error and its causes, joined by colons. Many libraries repeat their cause in their own text: what was said is not said
/// again.
pub fn in_a_line(error: &(dyn Error + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        let text = cause.to_string();
        // What tonic calls every failure to connect, whatever the cause.
        let empty = text.is_empty() || text == "transport error";
        if !empty && !said.iter().any(|earlier| earlier.contains(&text)) {
            said.push(text);
        }
        next = cause.source();
    }
    said.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        #[source]
        cause: Option<Box<Link>>,
    }

    fn chain(texts: &[&'static str]) -> Option<Box<Link>> {
        let (text, rest) = texts.split_first()?;
        Some(Box::new(Link {
            text,
            cause: chain(rest),
        }))
    }

    #[test]
    fn each_cause_is_said_once() {
        let told = |texts: &[&'static str]| in_a_line(&*chain(texts).unwrap());
        assert_eq!(told(&["can't read f", "not found"]), "can't read f: not found");
        assert_eq!(told(&["no room", "no room"]), "no room");
        assert_eq!(told(&["a: no room", "no room"]), "a: no room");
        assert_eq!(
            told(&["can't connect", "transport error", "refused"]),
            "can't connect: refused"
        );
    }
}
