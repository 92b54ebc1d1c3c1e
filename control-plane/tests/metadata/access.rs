//! Who calls.

use std::os::unix::fs::PermissionsExt as _;

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_control_plane::domain::audit::{Actor, AuditEntry};
use dataguardian_control_plane::domain::page::PageRequest;
use dataguardian_control_plane::domain::session::{SessionKind, Whence};
use dataguardian_control_plane::domain::user::Login;
use dataguardian_control_plane::services::Error;
use dataguardian_control_plane::services::auth::{Auth, Begin};
use dataguardian_control_plane::services::reset::reset_admin;
use dataguardian_core::error_code::ErrorCode;
use dataguardian_core::secret::Secret;

use crate::world::{World, on_both};

pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) fn begin() -> Begin {
    Begin {
        kind: SessionKind::Program,
        whence: Whence::default(),
    }
}

async fn sign_in(auth: &Auth, username: &str, password: &str) -> Result<Login, Error> {
    let code = Secret::new("");
    auth.login(username, Secret::new(password), code, begin()).await
}

async fn sign_in_with(auth: &Auth, code: &str) -> Result<Login, &'static str> {
    let (password, code) = (Secret::new(PASSWORD), Secret::new(code));
    let login = auth.login("root", password, code, begin()).await;
    login.map_err(|error| error.reason())
}

/// What an app with that secret shows, by the standard (RFC 6238).
fn code_of(secret: &Secret, now: DateTime<Utc>) -> String {
    let bytes = unbase32(secret.expose());
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &bytes);
    let tag = ring::hmac::sign(&key, &(now.timestamp() / 30).to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag[19] & 15);
    let number = u32::from_be_bytes(tag[offset..offset + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

fn unbase32(text: &str) -> Vec<u8> {
    let digit = |c: char| "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(c).unwrap();
    let bits: String = text.chars().map(|c| format!("{:05b}", digit(c))).collect();
    let bytes = bits.as_bytes().chunks_exact(8);
    bytes
        .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
        .collect()
}

pub(crate) async fn set_up(world: &World) -> Secret {
    let auth = &world.services.auth;
    let path = auth
        .provide_setup_token(world.directory.path())
        .await
        .unwrap()
        .unwrap();
    let token = Secret::new(std::fs::read_to_string(path).unwrap());
    let login = auth
        .setup(&token, "root", Secret::new(PASSWORD), begin())
        .await
        .unwrap();
    login.secret
}

on_both! {
    async fn a_reset_gives_a_new_password_and_ends_every_sign_in(world: &World) {
        let auth = &world.services.auth;
        let token = set_up(world).await;
        let second = sign_in(auth, "root", PASSWORD).await.unwrap().secret;
        let reset = |password: &str| reset_admin(&world.store, Secret::new(password), world.now());
        assert_eq!(reset("short").await.unwrap_err().fields()[0].field, "password");
        assert!(auth.verify_bearer(&token).await.is_ok());
        let done = reset("a new long password").await.unwrap();
        assert_eq!((done.user.username.as_str(), done.tokens_ended), ("root", 2));
        for token in [token, second] {
            assert_eq!(auth.verify_bearer(&token).await.unwrap_err().reason(), "BAD_TOKEN");
        }
        assert_eq!(sign_in(auth, "root", PASSWORD).await.unwrap_err().reason(), "WRONG_CREDENTIALS");
        sign_in(auth, "root", "a new long password").await.unwrap();
        let entry = world.services.audit.list(&PageRequest::default()).await.unwrap().items.remove(0).entry;
        assert_eq!((entry.actor, entry.method.as_str(), entry.resource.as_str()), (Actor::System, "dataguardian reset-admin", "root"));
    }

    async fn the_setup_token_works_once(world: &World) {
        let auth = &world.services.auth;
        let directory = world.directory.path();
        let path = auth.provide_setup_token(directory).await.unwrap().unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let token = Secret::new(std::fs::read_to_string(&path).unwrap());
        let replica = world.replica().await;
        replica.auth.provide_setup_token(directory).await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), token.expose(), "the same on every replica");

        let wrong = auth.setup(&Secret::new("dgsetup_00"), "root", Secret::new(PASSWORD), begin()).await.unwrap_err();
        assert_eq!((wrong.code(), wrong.reason()), (ErrorCode::Unauthenticated, "WRONG_SETUP_TOKEN"));
        let short = auth.setup(&token, "", Secret::new("short"), begin()).await.unwrap_err();
        let fields: Vec<_> = short.fields().iter().map(|bad| bad.field.clone()).collect();
        assert_eq!(fields, ["username", "password"]);

        let login = auth.setup(&token, "root", Secret::new(PASSWORD), begin()).await.unwrap();
        assert_eq!(login.user.username, "root");
        assert!(!path.exists());
        let again = replica.auth.setup(&token, "other", Secret::new(PASSWORD), begin()).await.unwrap_err();
        assert_eq!(again.reason(), "WRONG_SETUP_TOKEN");
        assert_eq!(auth.provide_setup_token(directory).await.unwrap(), None);
    }

    async fn a_token_proves_its_user_until_logout_or_its_end(world: &World) {
        let auth = &world.services.auth;
        let token = set_up(world).await;
        let caller = auth.verify_bearer(&token).await.unwrap();
        assert_eq!(caller.user.username, "root");

        let second = sign_in(auth, "root", PASSWORD).await.unwrap().secret;
        auth.logout(&caller).await.unwrap();
        assert_eq!(auth.verify_bearer(&token).await.unwrap_err().reason(), "BAD_TOKEN");
        auth.verify_bearer(&second).await.unwrap();

        world.advance(TimeDelta::days(31));
        assert_eq!(auth.verify_bearer(&second).await.unwrap_err().code(), ErrorCode::Unauthenticated);
        assert_eq!(auth.forget_expired().await.unwrap(), 1);
        for nonsense in ["", "dg_", "Bearer x", "dg_00000000000000000000000000000000_00"] {
            let error = auth.verify_bearer(&Secret::new(nonsense)).await.unwrap_err();
            assert_eq!(error.reason(), "BAD_TOKEN");
        }
    }

    async fn wrong_passwords_make_an_account_wait(world: &World) {
        let auth = &world.services.auth;
        set_up(world).await;
        for _ in 0..5 {
            let error = sign_in(auth, "root", "wrong password").await.unwrap_err();
            assert_eq!(error.reason(), "WRONG_CREDENTIALS");
        }
        let unknown = sign_in(auth, "nobody", PASSWORD).await.unwrap_err();
        assert_eq!(unknown.reason(), "WRONG_CREDENTIALS", "as if the user were there");
        let throttled = sign_in(auth, "root", PASSWORD).await.unwrap_err();
        assert_eq!((throttled.code(), throttled.reason()), (ErrorCode::ResourceExhausted, "TOO_MANY_TRIES"));
        assert_eq!(throttled.to_string(), "too many failed tries: wait 1 s");
        // What is left is told in whole seconds that are enough, and never as none.
        world.advance(TimeDelta::milliseconds(600));
        let throttled = sign_in(auth, "root", PASSWORD).await.unwrap_err();
        assert_eq!(throttled.to_string(), "too many failed tries: wait 1 s");
        assert_eq!(throttled.retry_after(), Some(std::time::Duration::from_secs(1)));
        world.advance(TimeDelta::from_std(throttled.retry_after().unwrap()).unwrap());
        sign_in(auth, "root", PASSWORD).await.unwrap();
    }

    async fn codes_of_an_app_are_asked_for_and_count_once(world: &World) {
        let auth = &world.services.auth;
        let caller = auth.verify_bearer(&set_up(world).await).await.unwrap();
        let wrong = auth.enrol_totp(&caller, Secret::new("not my password")).await.unwrap_err();
        assert_eq!(wrong.reason(), "WRONG_PASSWORD");
        let made = auth.enrol_totp(&caller, Secret::new(PASSWORD)).await.unwrap();
        sign_in(auth, "root", PASSWORD).await.expect("nothing is asked for before it is confirmed");
        assert_eq!(auth.confirm_totp(&caller, &Secret::new("no code")).await.unwrap_err().reason(), "WRONG_CODE");
        let code = Secret::new(code_of(&made.secret, world.now()));
        let recovery = auth.confirm_totp(&caller, &code).await.unwrap();
        assert_eq!(recovery.len(), 10);
        assert_eq!(auth.enrol_totp(&caller, Secret::new(PASSWORD)).await.unwrap_err().reason(), "TOTP_ENABLED");

        assert_eq!(sign_in_with(auth, "").await.unwrap_err(), "TOTP_REQUIRED");
        assert_eq!(sign_in_with(auth, code.expose()).await.unwrap_err(), "WRONG_CREDENTIALS", "used already");
        world.advance(TimeDelta::seconds(30));
        let login = sign_in_with(auth, &code_of(&made.secret, world.now())).await.unwrap();
        assert!(login.user.has_totp);
        sign_in_with(auth, recovery[3].expose()).await.unwrap();
        assert_eq!(sign_in_with(auth, recovery[3].expose()).await.unwrap_err(), "WRONG_CREDENTIALS");

        auth.disable_totp(&caller, Secret::new(PASSWORD)).await.unwrap();
        sign_in(auth, "root", PASSWORD).await.unwrap();
        let codes = auth.confirm_totp(&caller, &code).await.unwrap_err();
        assert_eq!(codes.reason(), "TOTP_NOT_ENROLLED");
    }

    async fn a_lost_app_is_forgotten_by_a_reset(world: &World) {
        let auth = &world.services.auth;
        let caller = auth.verify_bearer(&set_up(world).await).await.unwrap();
        let made = auth.enrol_totp(&caller, Secret::new(PASSWORD)).await.unwrap();
        let code = Secret::new(code_of(&made.secret, world.now()));
        auth.confirm_totp(&caller, &code).await.unwrap();
        reset_admin(&world.store, Secret::new("a new long password"), world.now()).await.unwrap();
        sign_in(auth, "root", "a new long password").await.unwrap();
    }

    async fn the_audit_log_keeps_order_and_outcomes(world: &World) {
        let audit = &world.services.audit;
        let entry = |resource: &str| AuditEntry {
            actor: Actor::System,
            method: "/dataguardian.v1.JobService/RunJob".into(),
            resource: resource.into(),
            outcome: "ok".into(),
            remote: Some("127.0.0.1".into()),
        };
        for resource in ["a", "b", "c\0"] {
            audit.append(entry(resource)).await.unwrap();
        }
        let first = audit.list(&PageRequest::parse(2, "").unwrap()).await.unwrap();
        let shown: Vec<_> = first.items.iter().map(|record| record.entry.resource.as_str()).collect();
        assert_eq!(shown, ["c\u{2400}", "b"]);
        let next = PageRequest::parse(2, &first.next_page_token).unwrap();
        let second = audit.list(&next).await.unwrap();
        assert_eq!(second.items[0].entry, entry("a"));
        assert_eq!((second.items.len(), second.next_page_token.as_str()), (1, ""));
    }
}
