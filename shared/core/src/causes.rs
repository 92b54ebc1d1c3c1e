//! Errors with their causes.

use std::error::Error;
use std::io;
use std::iter;

/// The error, its cause, that one's cause, and so on.
pub fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |error| next(*error))
}

fn next<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    // An I/O error around another one gives that one's cause for its own.
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

/// The error and its causes as a line for people, joined by colons. Many libraries repeat their cause in their own text: what
/// was said is not said again.
pub fn in_a_line(error: &(dyn Error + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    for cause in chain(error) {
        let text = cause.to_string();
        // What tonic calls every failure to connect, whatever the cause.
        let empty = text.is_empty() || text == "transport error";
        if !empty && !said.iter().any(|earlier| earlier.contains(&text)) {
            said.push(text);
        }
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

    fn linked(texts: &[&'static str]) -> Option<Box<Link>> {
        let (text, rest) = texts.split_first()?;
        Some(Box::new(Link {
            text,
            cause: linked(rest),
        }))
    }

    #[test]
    fn each_cause_is_said_once() {
        let told = |texts: &[&'static str]| in_a_line(&*linked(texts).unwrap());
        assert_eq!(told(&["can't read f", "not found"]), "can't read f: not found");
        assert_eq!(told(&["no room", "no room"]), "no room");
        assert_eq!(told(&["a: no room", "no room"]), "a: no room");
        assert_eq!(
            told(&["can't connect", "transport error", "refused"]),
            "can't connect: refused"
        );
    }

    #[test]
    fn what_an_io_error_is_around_is_in_the_chain() {
        let error = io::Error::other(*linked(&["inside"]).unwrap());
        assert!(error.source().is_none());
        let inside = chain(&error).find_map(|cause| cause.downcast_ref::<Link>());
        assert_eq!(inside.map(|link| link.text), Some("inside"));
    }
}
