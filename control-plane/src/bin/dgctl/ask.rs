//! What is asked of a person at a terminal: secrets, and whether they are sure.
//!
//! A secret comes from a file, from standard input or from a prompt that shows nothing; never from an argument, where every
//! user of the machine could read it.

use std::fs::File;
use std::io::{self, BufRead as _, IsTerminal as _, Read, Write as _};
use std::path::PathBuf;
use std::str::FromStr;

use dataguardian_core::secret::Secret;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// The longest secret that makes sense; a larger file is a mistake.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecretSource {
    /// `-`: standard input, to its end.
    Stdin,
    /// A file, whole.
    File(PathBuf),
}

impl FromStr for SecretSource {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "-" => Self::Stdin,
            path => Self::File(path.into()),
        })
    }
}

impl SecretSource {
    /// Reads it. One line break at the end does not count.
    pub(crate) fn read(&self) -> Result<Secret> {
        let (path, text) = match self {
            Self::Stdin => (PathBuf::from("standard input"), read_limited(io::stdin().lock())),
            Self::File(path) => (path.clone(), File::open(path).and_then(read_limited)),
        };
        let text = text.map_err(|source| Error::File {
            action: "reading",
            path: path.clone(),
            source,
        })?;
        match trim_line_break(&text) {
            "" => Err(Error::Content {
                path,
                problem: "is empty; a secret was expected".into(),
            }),
            secret => Ok(Secret::new(secret)),
        }
    }
}

/// The secret from its source, or from a prompt that shows nothing. `flag` is what to use where there is no terminal.
pub(crate) fn secret(source: Option<&SecretSource>, prompt: &str, flag: &str) -> Result<Secret> {
    if let Some(source) = source {
        return source.read();
    }
    if !io::stdin().is_terminal() {
        return Err(Error::usage(format!(
            "{flag} is needed where there is no terminal to ask at"
        )));
    }
    rpassword::prompt_password(format!("{prompt}: "))
        .map(Secret::new)
        .map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => Error::Interrupted,
            _ => Error::Terminal(error),
        })
}

/// A new secret: asked for twice at a terminal.
pub(crate) fn new_secret(source: Option<&SecretSource>, prompt: &str, flag: &str) -> Result<Secret> {
    let first = secret(source, prompt, flag)?;
    if source.is_none() && secret(None, &format!("{prompt} (again)"), flag)? != first {
        return Err(Error::usage("the two entries differ"));
    }
    Ok(first)
}

/// Asks a person at a terminal whether they mean it. Where nobody can read the question or answer it, nothing but `--yes`
/// counts as a yes: what follows can't be undone.
pub(crate) fn confirm(yes: bool, question: &str) -> Result<()> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Error::usage(format!(
            "{question} There is no terminal to ask at: add --yes if you mean it"
        )));
    }
    eprint!("{question} [y/N] ");
    io::stderr().flush().map_err(Error::Terminal)?;
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(Error::Terminal)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Error::Declined),
    }
}

fn read_limited(reader: impl Read) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    reader.take(MAX_SECRET_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_SECRET_BYTES {
        return Err(io::Error::other("is too large for a secret"));
    }
    Ok(text)
}

fn trim_line_break(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_break_at_the_end_does_not_count() {
        for (text, kept) in [
            ("a", "a"),
            ("a\n", "a"),
            ("a\r\n", "a"),
            ("a\n\n", "a\n"),
            (" a ", " a "),
        ] {
            assert_eq!(trim_line_break(text), kept, "{text:?}");
        }
    }

    #[test]
    fn a_secret_is_read_from_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hunter2 hunter2\n").unwrap();
        let source: SecretSource = file.path().to_str().unwrap().parse().unwrap();
        assert_eq!(source.read().unwrap().expose(), "hunter2 hunter2");
    }

    #[test]
    fn an_empty_or_huge_file_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let source = SecretSource::File(file.path().into());
        assert!(matches!(source.read(), Err(Error::Content { .. })));
        std::fs::write(file.path(), vec![b'x'; 70_000]).unwrap();
        assert!(matches!(source.read(), Err(Error::File { .. })));
    }
}
