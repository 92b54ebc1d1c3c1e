//! Names and texts as SQL writes them.

/// A name in backticks.
pub(super) fn name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A text in single quotes, whatever the SQL mode says of backslashes: anything but plain characters goes as hex.
pub(super) fn text(text: &str) -> String {
    let plain = |c: char| c != '\'' && c != '\\' && !c.is_control();
    if text.chars().all(plain) {
        return format!("'{text}'");
    }
    format!("CONVERT(X'{}' USING utf8mb4)", hex::encode(text))
}

/// An account as the server names it: `'user'@'host'`, from `user@host`.
pub(super) fn account(account: &str) -> String {
    match account.rsplit_once('@') {
        Some((user, host)) => format!("{}@{}", role(user), role(host)),
        None => role(account),
    }
}

/// A role as MariaDB names it, which belongs to no host, whatever its name holds.
pub(super) fn role(name: &str) -> String {
    format!("'{}'", name.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_quoted() {
        assert_eq!(name("a`b"), "`a``b`");
        assert_eq!(text("plain"), "'plain'");
        assert_eq!(text("it's"), "CONVERT(X'69742773' USING utf8mb4)");
        assert_eq!(account("o'x@%"), "'o\\'x'@'%'");
        assert_eq!(account("a@b@localhost"), "'a@b'@'localhost'");
        assert_eq!(account("role"), "'role'");
    }
}
