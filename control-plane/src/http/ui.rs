//! The admin web interface: the files that `make ui` built, embedded into the program.
//!
//! Assets carry a hash of their content in their names and may be kept for ever; the page that names them is asked for each
//! time. Whatever a browser asks for as a page is answered with that page, so that every address inside the interface can be
//! opened directly. The page is told how deep its address lies, so that it finds its assets and the API whatever path a proxy
//! has put before it. Nothing is ever loaded from elsewhere, and no script or style stands in a page.

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

/// One embedded file.
struct File {
    path: &'static str,
    plain: &'static [u8],
    br: Option<&'static [u8]>,
    gz: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/ui.rs"));

/// The page that all others start from.
const INDEX: &str = "index.html";
/// What stands in it for the way up from the page's address to ours.
const BASE: &str = "<base href=\"./\"";
/// What it says while there is no user.
const SETUP: &str = "data-setup=\"done\"";
/// Where files with a hash in their names lie.
const HASHED: &str = "assets/";

/// What a page may do. No word of `unsafe-inline`: scripts and styles come from files alone.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
    connect-src 'self'; manifest-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'";

/// What goes with every answer.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];

/// For builds without the interface.
const ABSENT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>DataGuardian</title>\
    <h1>DataGuardian runs; this build has no web interface</h1>\
    <p>Install Node.js 20.19 or later, run <code>make ui</code> and then <code>make build</code>, and start this program anew.\
    <p>Everything can be done with <code>dgctl</code> as well: <code>dgctl --help</code>.</html>\n";

/// What a request is for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A file of the interface, by its place among them.
    File(usize),
    /// A page of the interface.
    Page,
    /// Nothing of ours.
    Nothing,
}

/// What of the interface this request is for.
pub(super) fn wanted(request: &Parts) -> Wanted {
    if request.method != Method::GET && request.method != Method::HEAD {
        return Wanted::Nothing;
    }
    let path = request.uri.path().trim_start_matches('/');
    if let Some(place) = FILES.iter().position(|file| file.path == path && path != INDEX) {
        return Wanted::File(place);
    }
    let page = accepts(&request.headers, header::ACCEPT, "text/html") && !path.starts_with(HASHED);
    if page { Wanted::Page } else { Wanted::Nothing }
}

/// Answers with a file.
pub(super) fn file(place: usize, headers: &HeaderMap) -> Response {
    let Some(file) = FILES.get(place) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let brotli = file
        .br
        .filter(|_| accepts(headers, header::ACCEPT_ENCODING, "br"))
        .map(|bytes| (bytes, "br"));
    let gzip = file
        .gz
        .filter(|_| accepts(headers, header::ACCEPT_ENCODING, "gzip"))
        .map(|bytes| (bytes, "gzip"));
    let (bytes, encoding) = brotli.or(gzip).unwrap_or((file.plain, ""));
    let mut response = Response::new(Body::from(bytes));
    let own = response.headers_mut();
    own.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind(file.path)));
    own.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if !encoding.is_empty() {
        own.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    let keep = if file.path.starts_with(HASHED) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    own.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    secured(response)
}

/// Answers with the page, for this path. `wants_setup`: whether there is no user yet.
pub(super) fn page(path: &str, wants_setup: bool) -> Response {
    let index = FILES.iter().find(|file| file.path == INDEX);
    let text = match index.and_then(|file| std::str::from_utf8(file.plain).ok()) {
        Some(index) => based(index, path, wants_setup),
        None => ABSENT.to_owned(),
    };
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    secured((headers, text).into_response())
}

fn based(index: &str, path: &str, wants_setup: bool) -> String {
    let depth = path.trim_start_matches('/').matches('/').count();
    let up = if depth == 0 {
        "./".to_owned()
    } else {
        "../".repeat(depth)
    };
    let index = index.replacen(BASE, &format!("<base href=\"{up}\""), 1);
    if wants_setup {
        index.replacen(SETUP, "data-setup=\"wanted\"", 1)
    } else {
        index
    }
}

fn secured(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whether a list of the request's names this, whatever its weight but 0.
fn accepts(headers: &HeaderMap, list: HeaderName, name: &str) -> bool {
    let values = headers.get_all(list);
    let mut parts = values
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    parts.any(|part| {
        let mut words = part.split(';').map(str::trim);
        let named = words.next() == Some(name);
        named && !words.any(|word| word == "q=0" || word == "q=0.0")
    })
}

fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("json" | "webmanifest") => "application/json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<html data-setup=\"done\"><base href=\"./\" />";

    fn request(method: Method, path: &str, accept: &'static str) -> Parts {
        let builder = axum::http::Request::builder().method(method).uri(path);
        let request = builder.header(header::ACCEPT, accept).body(()).unwrap();
        request.into_parts().0
    }

    #[test]
    fn a_page_knows_the_way_up_from_its_address() {
        assert!(based(PAGE, "/", false).contains("href=\"./\""));
        assert!(based(PAGE, "/backups", false).contains("href=\"./\""));
        assert!(based(PAGE, "/backups/0197", false).contains("href=\"../\""));
        assert!(based(PAGE, "/backups/0197/restore", false).contains("href=\"../../\""));
    }

    #[test]
    fn a_page_says_whether_somebody_has_to_set_up_first() {
        assert!(based(PAGE, "/", true).contains("data-setup=\"wanted\""));
        assert!(based(PAGE, "/", false).contains("data-setup=\"done\""));
    }

    #[test]
    fn only_what_reads_pages_gets_the_page() {
        let browser = "text/html,application/xhtml+xml,*/*;q=0.8";
        assert_eq!(wanted(&request(Method::GET, "/backups/1", browser)), Wanted::Page);
        assert_eq!(
            wanted(&request(Method::GET, "/backups/1", "*/*")),
            Wanted::Nothing
        );
        assert_eq!(wanted(&request(Method::POST, "/", browser)), Wanted::Nothing);
    }

    #[test]
    fn an_asset_of_an_older_build_is_not_answered_with_the_page() {
        let asked = request(Method::GET, "/assets/gone-1234.js", "text/html");
        assert_eq!(wanted(&asked), Wanted::Nothing);
    }

    #[test]
    fn an_encoding_of_weight_nothing_is_not_accepted() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("br;q=0, gzip"));
        assert!(!accepts(&headers, header::ACCEPT_ENCODING, "br"));
        assert!(accepts(&headers, header::ACCEPT_ENCODING, "gzip"));
    }

    #[test]
    fn no_answer_lets_scripts_or_styles_stand_in_a_page() {
        let answer = page("/", false);
        let policy = answer.headers().get(header::CONTENT_SECURITY_POLICY).unwrap();
        assert!(!policy.to_str().unwrap().contains("unsafe"));
        assert_eq!(
            answer.headers().get(header::X_CONTENT_TYPE_OPTIONS).unwrap(),
            "nosniff"
        );
    }
}
