//! Everything secret that goes through the system is looked for wherever something of it could stay: the metadata database and its log,
//! Redis, log lines, traces, the audit log, errors, notifications, and what any program shows as its arguments. All flows run, and each
//! of them fails once, too.

mod flows;
mod places;

use anyhow::{Result, ensure};
use dataguardian_tests::s3::DELETE_KEY;
use dataguardian_tests::{mail, redis};

use flows::Flows;
use places::Watched;

/// What must be nowhere, and what it is.
pub(crate) const CANARIES: [(&str, &str); 13] = [
    ("a datasource's password", SOURCE),
    ("a datasource's wrong password", WRONG_SOURCE),
    ("a bucket's secret key", flows::BUCKET_SECRET),
    ("a bucket's wrong secret key", WRONG_BUCKET),
    ("the control plane's key for a bucket", DELETE_KEY.1),
    ("a webhook's path", HOOK_PATH),
    ("a webhook's header", HOOK_HEADER),
    ("a webhook's signing secret", HOOK_SIGNING),
    ("a mail server's password", mail::PASSWORD),
    ("a mail server's wrong password", WRONG_MAIL),
    ("a user's password", USER),
    ("a user's wrong password", WRONG_USER),
    ("Redis's password", redis::PASSWORD),
];

pub(crate) const SOURCE: &str = "canary-of-the-source-8f1c";
pub(crate) const WRONG_SOURCE: &str = "canary-of-a-wrong-source-71aa";
pub(crate) const WRONG_BUCKET: &str = "canary-of-a-wrong-bucket-5b20";
pub(crate) const HOOK_PATH: &str = "canary-of-the-hooks-path-0c9d";
pub(crate) const HOOK_HEADER: &str = "canary-of-the-hooks-header-2e64";
pub(crate) const HOOK_SIGNING: &str = "canary-of-the-hooks-signing-93b7";
pub(crate) const WRONG_MAIL: &str = "canary-of-a-wrong-mail-d018";
pub(crate) const USER: &str = "canary-of-a-user-44ef horse";
pub(crate) const WRONG_USER: &str = "canary-of-a-wrong-user-c3c3";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_stays_anywhere() -> Result<()> {
    let watched = Watched::begin().await?;
    let mut flows = Flows::set(&watched)?;
    flows.run()?;
    let (mut secrets, mut places) = (flows.made_here()?, flows.places()?);
    let (seen, _servers) = watched.end()?;
    places.extend(seen);
    secrets.extend(CANARIES.map(|(name, secret)| (name.to_owned(), secret.to_owned())));
    // The search itself finds what is there.
    ensure!(
        places.iter().any(|(_, bytes)| contains(bytes, b"shop")),
        "nothing was looked at"
    );
    for (name, secret) in &secrets {
        ensure!(secret.len() > 8, "{name} is too short to be looked for");
        for (place, bytes) in &places {
            ensure!(!contains(bytes, secret.as_bytes()), "{name} is in {place}");
            let hex = hex::encode(secret);
            ensure!(
                !contains(bytes, hex.as_bytes()),
                "{name} is in {place}, in hexadecimal"
            );
        }
    }
    flows.system.check_invariants()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    let first = needle.first().copied().unwrap_or_default();
    let mut rest = haystack;
    while let Some(at) = rest.iter().position(|byte| *byte == first) {
        if rest[at..].starts_with(needle) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}
