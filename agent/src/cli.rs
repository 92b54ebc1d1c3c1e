//! Commands of the program that are more than one call, and what they share.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::Path;

use anyhow::Context as _;
use dataguardian_core::secret::Secret;
use zeroize::Zeroizing;

pub(crate) mod doctor;
pub(crate) mod install;
pub(crate) mod propose;
pub(crate) mod rescue;

/// The longest secret that makes sense, in bytes; a larger file is a mistake.
const MAX_SECRET: u64 = 64 << 10;

/// Reads a secret from a file, or from standard input if the path is `-`; a terminal is asked for it and does not show it. One line
/// break at the end does not count. `what` it is stands in errors.
pub(crate) fn read_secret(path: &Path, what: &str) -> anyhow::Result<Secret> {
    let (from, text) = if path == Path::new("-") && io::stdin().is_terminal() {
        let asked = rpassword::prompt_password(format!("The {what}: ")).map(Zeroizing::new);
        ("the terminal".to_owned(), asked)
    } else if path == Path::new("-") {
        ("standard input".to_owned(), read_limited(io::stdin().lock()))
    } else {
        (
            path.display().to_string(),
            File::open(path).and_then(read_limited),
        )
    };
    let text = text.with_context(|| format!("the {what} can't be read from {from}"))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let secret = Secret::new(text.strip_suffix('\r').unwrap_or(text));
    anyhow::ensure!(!secret.is_empty(), "the {what} in {from} is empty");
    Ok(secret)
}

fn read_limited(source: impl Read) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    source.take(MAX_SECRET).read_to_string(&mut text)?;
    Ok(text)
}
