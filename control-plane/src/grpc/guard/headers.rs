//! What the guards read out of a request's head.

use std::time::Duration;

use axum::extract::Request;
use dataguardian_core::secret::Secret;
use http::{HeaderMap, header};

use crate::grpc::call::Dialled;

/// The longest bearer token that is looked at, in bytes.
const MAX_TOKEN: usize = 512;

/// The token of `authorization: Bearer …`.
pub(crate) fn bearer_token(headers: &HeaderMap) -> Option<Secret> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    let fits = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= MAX_TOKEN;
    fits.then(|| Secret::new(token))
}

/// The time that the caller gives its call: `grpc-timeout`, a number and a unit (gRPC over HTTP/2).
pub(super) fn asked_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if number.len() > 8 {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// The host and port that the caller used to get here. It may stand in a command that is pasted into a shell, so only what
/// host names and addresses are made of is taken.
pub(super) fn dialled(request: &Request) -> Option<Dialled> {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let authority = request
        .uri()
        .authority()
        .map(|authority| authority.as_str())
        .or(host)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    let fits = !authority.is_empty() && authority.len() <= 260 && authority.chars().all(plain);
    fits.then(|| Dialled(authority.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn bearer_tokens() {
        let token = |value: &str| {
            bearer_token(&headers("authorization", value)).map(|token| token.expose().to_owned())
        };
        assert_eq!(token("Bearer dg_x").as_deref(), Some("dg_x"));
        assert_eq!(token("bearer  dg_x ").as_deref(), Some("dg_x"));
        for none in [
            "Bearer",
            "Bearer ",
            "Basic dg_x",
            &format!("Bearer {}", "x".repeat(513)),
        ] {
            assert_eq!(token(none), None);
        }
        assert!(bearer_token(&HeaderMap::new()).is_none());
    }

    #[test]
    fn timeouts_as_the_protocol_writes_them() {
        let timeout = |value: &str| asked_timeout(&headers("grpc-timeout", value));
        assert_eq!(timeout("5S"), Some(Duration::from_secs(5)));
        assert_eq!(timeout("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        assert_eq!(timeout("250m"), Some(Duration::from_millis(250)));
        for none in ["", "S", "5", "5s", "-5S", "999999999S"] {
            assert_eq!(timeout(none), None, "{none}");
        }
    }
}
