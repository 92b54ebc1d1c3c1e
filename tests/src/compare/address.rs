//! Reads a database's URL.

use anyhow::{Context as _, Result, bail};

/// The parts of a URL, with what it left out filled in.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) password: Option<String>,
    pub(super) database: String,
    pub(super) ssl_mode: String,
}

impl Address {
    /// `environment` answers for `PGHOST` and the like.
    pub(super) fn parse(url: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let Some(rest) = url
            .strip_prefix("postgresql://")
            .or_else(|| url.strip_prefix("postgres://"))
        else {
            bail!("a database is written postgresql://user:password@host:port/database");
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (account, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = account
            .split_once(':')
            .map_or((account, None), |(user, word)| (user, Some(word)));
        let (host, port) = split_port(place);

        let or = |text: &str, variable: &str, otherwise: &str| -> Result<String> {
            match text {
                "" => Ok(environment(variable).unwrap_or_else(|| otherwise.to_owned())),
                text => decoded(text),
            }
        };
        let user = or(user, "PGUSER", "postgres")?;
        let mut address = Self {
            host: or(host, "PGHOST", "127.0.0.1")?,
            port: or(port, "PGPORT", "5432")?
                .parse()
                .context("the port is no number")?,
            password: password
                .map(decoded)
                .transpose()?
                .or_else(|| environment("PGPASSWORD")),
            database: or(database, "PGDATABASE", &user)?,
            ssl_mode: or("", "PGSSLMODE", "prefer")?,
            user,
        };
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("sslmode", mode)) => address.ssl_mode = decoded(mode)?,
                Some(("host", host)) => address.host = decoded(host)?,
                _ => bail!("of a URL's parameters only sslmode and host are known here"),
            }
        }
        Ok(address)
    }
}

/// An IPv6 address stands in brackets.
fn split_port(place: &str) -> (&str, &str) {
    if let Some((host, rest)) = place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, rest.strip_prefix(':').unwrap_or(""));
    }
    place.rsplit_once(':').unwrap_or((place, ""))
}

fn decoded(text: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next(), rest.next()]
            .into_iter()
            .flatten()
            .collect::<Vec<u8>>();
        let mut value = [0];
        hex::decode_to_slice(&digits, &mut value)
            .context("a % in a URL is followed by two hexadecimal digits")?;
        bytes.extend(value);
    }
    String::from_utf8(bytes).context("a URL must be UTF-8")
}

#[cfg(test)]
mod tests {
    use super::Address;

    fn parse(url: &str) -> Address {
        Address::parse(url, |name| {
            (name == "PGUSER").then(|| "from environment".to_owned())
        })
        .unwrap()
    }

    #[test]
    fn a_full_url_is_read() {
        let address = parse("postgresql://us%40er:p%3A%2Fw%25@db.example:6543/my%20db?sslmode=disable");
        assert_eq!((address.host.as_str(), address.port), ("db.example", 6543));
        assert_eq!(
            (address.user.as_str(), address.password.as_deref()),
            ("us@er", Some("p:/w%"))
        );
        assert_eq!(
            (address.database.as_str(), address.ssl_mode.as_str()),
            ("my db", "disable")
        );
    }

    #[test]
    fn what_is_left_out_is_filled_in() {
        let address = parse("postgres:///shop");
        assert_eq!((address.host.as_str(), address.port), ("127.0.0.1", 5432));
        assert_eq!(
            (address.user.as_str(), address.password.as_deref()),
            ("from environment", None)
        );
        assert_eq!(address.database, "shop");
        assert_eq!(parse("postgres://[::1]:7/x").host, "::1");
        assert_eq!(parse("postgres://%2Ftmp%2Fs/x").host, "/tmp/s");
    }

    #[test]
    fn nonsense_is_refused_without_showing_a_password() {
        for url in [
            "mysql://x",
            "postgres://u:secret%zz@h/d",
            "postgres://h:port/d",
            "postgres://h/d?x=y",
        ] {
            let error = Address::parse(url, |_| None).err().unwrap();
            assert!(!format!("{error:#}").contains("secret"));
        }
    }
}
