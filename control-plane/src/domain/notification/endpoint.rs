//! Where a request goes: a URL, of which everything behind the host may be a secret.

use std::fmt;
use std::net::IpAddr;

use http::Uri;

use crate::domain::field::BadField;
use crate::domain::text;

/// A URL, taken apart. It shows itself without what may be secret in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether it is `https`.
    pub tls: bool,
    /// A name or address, without brackets.
    pub host: String,
    /// The port, given or usual.
    pub port: u16,
    /// Host and port as the request names them.
    pub authority: String,
    /// What is asked for: path and query.
    pub path: String,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.shown())
    }
}

impl Endpoint {
    /// Reads a URL.
    pub fn parse(field: &str, url: &str) -> Result<Self, BadField> {
        text::required(field, url, text::MAX_LONG_TEXT)?;
        // The parser's own words would repeat the text, which may be secret.
        let bad = |problem| BadField::new(field, problem);
        let uri: Uri = url
            .parse()
            .map_err(|_| bad("is no URL: https://HOST/PATH is expected"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(bad("must begin with https://")),
        };
        let authority = uri.authority().ok_or_else(|| bad("names no host"))?;
        if authority.as_str().contains('@') {
            return Err(bad(
                "must hold no user and password: give an Authorization header instead",
            ));
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        if host.is_empty() {
            return Err(bad("names no host"));
        }
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self {
            tls,
            host,
            port,
            authority: authority.as_str().to_owned(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }

    /// The same for people: what lies behind the host is left out.
    pub fn shown(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        let rest = if self.path == "/" { "/" } else { "/…" };
        format!("{scheme}://{}{rest}", self.authority)
    }
}

/// Whether nothing is ever sent to an address. Link-local ones are where clouds hand out a machine's own credentials; the others
/// are no single host's.
pub const fn is_forbidden(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast(),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_forbidden(IpAddr::V4(v4)),
            None => v6.is_unicast_link_local() || v6.is_unspecified() || v6.is_multicast(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_behind_the_host_is_not_shown() {
        let slack = Endpoint::parse("url", "https://hooks.slack.com/services/T0/B0/hunter2").unwrap();
        assert_eq!(slack.shown(), "https://hooks.slack.com/…");
        assert_eq!(
            (slack.port, slack.path.as_str()),
            (443, "/services/T0/B0/hunter2")
        );
        assert!(!format!("{slack:?}").contains("hunter2"));
        let local = Endpoint::parse("url", "http://[::1]:8080?key=hunter2").unwrap();
        assert_eq!(
            (local.host.as_str(), local.shown().as_str()),
            ("::1", "http://[::1]:8080/…")
        );
    }

    #[test]
    fn what_is_no_url_is_refused_and_not_repeated() {
        for url in [
            "",
            "hunter2",
            "ftp://host/hunter2",
            "https://",
            "https://me:hunter2@host/",
            "/hunter2",
            "https://host/\0",
        ] {
            let bad = Endpoint::parse("url", url).unwrap_err();
            assert!(!bad.to_string().contains("hunter2"), "{bad}");
        }
    }

    #[test]
    fn addresses_where_credentials_are_handed_out_are_forbidden() {
        for forbidden in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fe80::1",
            "0.0.0.0",
            "255.255.255.255",
        ] {
            assert!(is_forbidden(forbidden.parse().unwrap()), "{forbidden}");
        }
        for allowed in ["127.0.0.1", "10.0.0.7", "::1", "203.0.113.7"] {
            assert!(!is_forbidden(allowed.parse().unwrap()), "{allowed}");
        }
    }
}
