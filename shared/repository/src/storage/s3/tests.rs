use super::trouble::Refusal;
use super::*;

fn settings() -> S3Settings {
    S3Settings {
        bucket: "backups".to_owned(),
        prefix: "a/b".to_owned(),
        region: String::new(),
        endpoint: "http://127.0.0.1:1".to_owned(),
        path_style: true,
        ca_pem: String::new(),
        allow_http: false,
        access_key_id: "key".to_owned(),
        secret_access_key: Secret::new("hunter2"),
        stall: STALL,
    }
}

#[test]
fn plain_http_is_for_this_host_alone_unless_allowed() {
    for here in [
        "",
        "http://127.0.0.1:9000",
        "http://[::1]:9000",
        "http://localhost",
        "https://s3.example.org",
    ] {
        check_endpoint(here, false).unwrap();
    }
    assert_eq!(
        check_endpoint("http://10.0.0.1:9000", false),
        Err(BadS3Settings::PlainHttp)
    );
    assert_eq!(
        check_endpoint("http://localhost.evil.org", false),
        Err(BadS3Settings::PlainHttp)
    );
    check_endpoint("http://10.0.0.1:9000", true).unwrap();
    for wrong in [
        "ftp://host",
        "host:9000",
        "https://host/path",
        "https://user:word@host",
        "https://host?x=y",
    ] {
        assert_eq!(
            check_endpoint(wrong, true),
            Err(BadS3Settings::Endpoint),
            "{wrong}"
        );
    }
}

#[test]
fn a_server_is_known_by_its_host_and_port() {
    for (endpoint, server) in [
        ("", ""),
        ("https://s3.eu-west-1.amazonaws.com", ""),
        ("https://S3.Example.org/", "s3.example.org"),
        ("https://s3.example.org:443", "s3.example.org"),
        ("http://s3.example.org", "s3.example.org"),
        ("http://127.0.0.1:9000", "127.0.0.1:9000"),
    ] {
        assert_eq!(server_of(endpoint), server, "{endpoint}");
    }
}

#[test]
fn nothing_shows_the_secret() {
    let settings = settings();
    let storage = Storage::s3(&settings).unwrap();
    let credentials = Credentials::of(&settings);
    for text in [
        format!("{settings:?} {settings}"),
        format!("{storage:?} {storage} {:?}", storage.store),
        format!("{credentials:?}"),
    ] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn the_bucket_is_where_it_is_wanted() {
    let mut settings = settings();
    assert_eq!(endpoint(&settings).as_deref(), Some("http://127.0.0.1:1"));
    settings.path_style = false;
    settings.endpoint = "https://s3.example.org/".to_owned();
    assert_eq!(
        endpoint(&settings).as_deref(),
        Some("https://backups.s3.example.org")
    );
    settings.endpoint = String::new();
    assert_eq!(endpoint(&settings), None);
}

#[test]
fn authorities_that_are_none_are_refused() {
    let settings = S3Settings {
        ca_pem: "nothing".to_owned(),
        ..settings()
    };
    assert_eq!(settings.check(), Err(BadS3Settings::Authorities));
    assert!(
        Storage::s3(&settings)
            .unwrap_err()
            .to_string()
            .contains("settings")
    );
}

#[test]
fn refusals_say_what_mends_them() {
    let refusal = |status: u16, code: &str| {
        let body = format!("<Error><Code>{code}</Code><Message>so\nit is</Message></Error>");
        Refusal::new(::http::StatusCode::from_u16(status).unwrap(), &body).to_string()
    };
    for (status, code, advice) in [
        (403, "InvalidAccessKeyId", "check its id"),
        (403, "SignatureDoesNotMatch", "give it anew"),
        (403, "RequestTimeTooSkewed", "set the clocks"),
        (403, "AccessDenied", "not permitted"),
        (404, "NoSuchBucket", "create it"),
        (301, "PermanentRedirect", "another region"),
        (500, "InternalError", "its log"),
        (503, "SlowDown", "too busy"),
        (403, "QuotaExceeded", "make room"),
        (507, "InsufficientCapacity", "make room"),
    ] {
        let told = refusal(status, code);
        assert!(
            told.contains(advice) && told.contains(code) && told.contains("soit is"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable_with_advice() {
    let storage = Storage::s3(&settings()).unwrap();
    let error = storage
        .head(&crate::layout::ObjectKey::Repository)
        .await
        .unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Unreachable);
    let told = error.failure().message;
    assert!(
        told.contains("check the endpoint") && told.contains("refused"),
        "{told}"
    );
}

#[tokio::test]
async fn a_server_without_tls_is_told_apart_from_one_that_is_not_trusted() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = S3Settings {
        endpoint: format!("https://{}", listener.local_addr().unwrap()),
        ..settings()
    };
    let serve = async {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            let answer = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
            tokio::io::AsyncWriteExt::write_all(&mut connection, answer)
                .await
                .unwrap();
        }
    };
    let storage = Storage::s3(&settings).unwrap();
    let error = tokio::select! {
        () = serve => unreachable!(),
        looked = storage.head(&crate::layout::ObjectKey::Repository) => looked.unwrap_err(),
    };
    let told = error.failure().message;
    assert!(told.contains("does not speak TLS"), "{told}");
}
