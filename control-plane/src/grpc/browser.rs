//! Browsers: who calls from a page of ours, and the cookie that signs it in.
//!
//! A browser sends a cookie along with whatever any page makes it ask for. So the cookie counts only where the page is ours: the
//! browser names the page's origin, and a script has set a header that no form can set and no other origin may. It counts over
//! grpc-web alone, which is what pages speak; a program has a token. Where all three are right, the request carries
//! [`FromOwnPage`] from here on; the content type is gone once grpc-web is translated, so this looks before that.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use chrono::{DateTime, Utc};
use dataguardian_core::secret::Secret;
use http::{HeaderMap, header};
use tonic::metadata::{AsciiMetadataValue, MetadataMap};

use crate::domain::user::Login;

/// The cookie.
const COOKIE: &str = "dg_session";
/// The header that a page of ours sets to `1`.
const CSRF: &str = "x-dg-csrf";
/// The longest cookie that is looked at, in bytes.
const MAX_COOKIE: usize = 512;

/// The request comes from a page of ours, in a browser.
#[derive(Debug, Clone, Copy)]
pub(super) struct FromOwnPage;

/// Which pages are ours, and how their cookie is secured.
#[derive(Debug)]
pub struct OwnPages {
    public: Vec<String>,
    plaintext: bool,
}

impl OwnPages {
    /// Those at these URLs, besides those that are where the request goes; `plaintext` if this listener has no TLS.
    pub fn new(public_urls: &[String], plaintext: bool) -> Self {
        Self {
            public: public_urls.iter().map(|url| url.to_ascii_lowercase()).collect(),
            plaintext,
        }
    }

    /// Whether the request comes from a page of ours.
    fn sent(&self, request: &Request) -> bool {
        let headers = request.headers();
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let web =
            text(header::CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with("application/grpc-web"));
        let dialled = request.uri().authority().map(|authority| authority.as_str());
        let origin = text(header::ORIGIN.as_str());
        web && text(CSRF) == Some("1")
            && origin
                .is_some_and(|origin| self.is_own(origin, dialled.or_else(|| text(header::HOST.as_str()))))
    }

    /// Whether a page of that origin is ours, on a request to that host.
    fn is_own(&self, origin: &str, host: Option<&str>) -> bool {
        let origin = origin.to_ascii_lowercase();
        if self.public.contains(&origin) {
            return true;
        }
        let (page, port) = if self.plaintext {
            (origin.strip_prefix("http://"), ":80")
        } else {
            (origin.strip_prefix("https://"), ":443")
        };
        let bare = |authority: &str| authority.strip_suffix(port).unwrap_or(authority).to_owned();
        match (page, host) {
            (Some(page), Some(host)) => !page.is_empty() && bare(page) == bare(&host.to_ascii_lowercase()),
            (None, _) | (_, None) => false,
        }
    }

    /// Has the browser keep the sign-in until it ends.
    pub(super) fn set_cookie(&self, metadata: &mut MetadataMap, login: &Login, now: DateTime<Utc>) {
        let life = (login.expires_at - now).num_seconds().max(0);
        self.put(metadata, login.secret.expose(), life);
    }

    /// Has the browser forget it.
    pub(super) fn clear_cookie(&self, metadata: &mut MetadataMap) {
        self.put(metadata, "", 0);
    }

    /// `Secure` is left out where there is no TLS, which is on loopback only: some browsers would not keep it there.
    fn put(&self, metadata: &mut MetadataMap, value: &str, life: i64) {
        let secure = if self.plaintext { "" } else { "; Secure" };
        let text = format!("{COOKIE}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={life}{secure}");
        if let Ok(mut value) = AsciiMetadataValue::try_from(text) {
            value.set_sensitive(true);
            metadata.insert(header::SET_COOKIE.as_str(), value);
        }
    }
}

/// Marks what comes from pages of ours.
pub(super) async fn mark(State(pages): State<Arc<OwnPages>>, mut request: Request, next: Next) -> Response {
    if pages.sent(&request) {
        request.extensions_mut().insert(FromOwnPage);
    }
    next.run(request).await
}

/// The value of our cookie (RFC 6265, 4.2). None if there are two: one of them is not from us.
pub(super) fn cookie(headers: &HeaderMap) -> Option<Secret> {
    let texts = headers.get_all(header::COOKIE).iter();
    let pairs = texts
        .filter_map(|text| text.to_str().ok())
        .flat_map(|text| text.split(';'));
    let mut ours = pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value);
    let first = ours.next()?;
    let fits = ours.next().is_none() && !first.is_empty() && first.len() <= MAX_COOKIE;
    fits.then(|| Secret::new(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_ours_where_its_origin_is_the_host_that_is_called() {
        let pages = OwnPages::new(&["https://Backups.example.com".to_owned()], false);
        let own = |origin: &str, host: &str| pages.is_own(origin, Some(host));
        assert!(own("https://cp.internal:8443", "cp.internal:8443"));
        assert!(own("https://CP.internal", "cp.internal:443"));
        assert!(own("https://[::1]:8443", "[::1]:8443"));
        assert!(own("https://backups.example.com", "10.0.0.1:8443"));
        for (origin, host) in [
            ("https://evil.example", "cp.internal:8443"),
            ("http://cp.internal:8443", "cp.internal:8443"),
            ("https://cp.internal:8444", "cp.internal:8443"),
            ("https://cp.internal", "cp.internal:8443"),
            ("http://backups.example.com", "10.0.0.1:8443"),
            ("https://", ""),
            ("null", "null"),
            ("", ""),
        ] {
            assert!(!own(origin, host), "{origin} to {host}");
        }
        assert!(!pages.is_own("https://cp.internal", None));
        let plain = OwnPages::new(&[], true);
        assert!(plain.is_own("http://localhost:8443", Some("localhost:8443")));
        assert!(!plain.is_own("https://localhost:8443", Some("localhost:8443")));
    }

    #[test]
    fn the_cookie_is_found_among_others_and_never_twice() {
        let found = |texts: &[&str]| {
            let mut headers = HeaderMap::new();
            for text in texts {
                headers.append(header::COOKIE, text.parse().unwrap());
            }
            cookie(&headers).map(|value| value.expose().to_owned())
        };
        assert_eq!(found(&["a=b; dg_session=x=y; c"]).as_deref(), Some("x=y"));
        assert_eq!(found(&["a=b", "dg_session=x"]).as_deref(), Some("x"));
        for none in [
            &["a=b"][..],
            &["dg_session="],
            &["xdg_session=1"],
            &["dg_session=1; dg_session=2"],
            &["dg_session=1", "dg_session=2"],
        ] {
            assert_eq!(found(none), None, "{none:?}");
        }
    }

    #[test]
    fn no_script_reads_the_cookie_and_no_other_site_sends_it() {
        let mut metadata = MetadataMap::new();
        OwnPages::new(&[], false).clear_cookie(&mut metadata);
        assert_eq!(
            metadata.get("set-cookie").unwrap(),
            "dg_session=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0; Secure"
        );
        OwnPages::new(&[], true).clear_cookie(&mut metadata);
        assert!(
            !metadata
                .get("set-cookie")
                .unwrap()
                .to_str()
                .unwrap()
                .contains("Secure")
        );
    }
}
