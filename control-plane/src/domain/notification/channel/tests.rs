use super::*;

fn email() -> OpenChannel {
    OpenChannel {
        target: Target::Email(EmailTarget {
            host: "mail.example.com".into(),
            port: 587,
            tls: EmailTls::Starttls,
            ca_pem: String::new(),
            username: "backup".into(),
            from: "DataGuardian <backup@example.com>".into(),
            to: vec!["dba@example.com".into()],
        }),
        secrets: ChannelSecrets {
            password: Some(Secret::new("hunter2")),
            ..ChannelSecrets::default()
        },
    }
}

fn webhook(url: &str) -> OpenChannel {
    OpenChannel {
        target: Target::Webhook(WebhookTarget {
            shown_url: String::new(),
            header_names: Vec::new(),
            signed: false,
            content_type: JSON.into(),
            body_template: String::new(),
            ca_pem: String::new(),
            allow_http: false,
        }),
        secrets: ChannelSecrets {
            url: Some(Secret::new(url)),
            signing: Some(Secret::new("a secret of some length")),
            headers: [("Authorization".to_owned(), Secret::new("Bearer hunter2"))].into(),
            ..ChannelSecrets::default()
        },
    }
}

fn bad(channel: OpenChannel) -> Vec<String> {
    let bad = channel.checked().expect_err("something is wrong");
    bad.into_iter().map(|bad| bad.field).collect()
}

fn changed(mut channel: OpenChannel, change: impl FnOnce(&mut EmailTarget)) -> OpenChannel {
    if let Target::Email(email) = &mut channel.target {
        change(email);
    }
    channel
}

#[test]
fn what_is_right_passes_and_shows_no_secret() {
    assert!(email().checked().is_ok());
    let checked = webhook("https://hooks.slack.com/services/hunter2")
        .checked()
        .unwrap();
    let Target::Webhook(target) = &checked.target else {
        unreachable!()
    };
    assert_eq!(target.shown_url, "https://hooks.slack.com/…");
    assert_eq!(
        (target.signed, target.header_names.as_slice()),
        (true, &["Authorization".to_owned()][..])
    );
    assert!(!format!("{checked:?}").contains("hunter2"));
}

#[test]
fn mail_without_tls_goes_to_this_machine_alone_and_without_a_password() {
    let plain = changed(email(), |email| email.tls = EmailTls::None);
    assert_eq!(bad(plain.clone()), ["email.tls"]);
    let local = changed(plain, |email| email.host = "127.0.0.1".into());
    assert_eq!(bad(local.clone()), ["email.tls"]);
    let mut nobody = changed(local, |email| email.username.clear());
    nobody.secrets.password = None;
    assert!(nobody.checked().is_ok());
}

#[test]
fn all_bad_fields_of_a_mail_are_told_at_once() {
    let wrong = changed(email(), |email| {
        email.host.clear();
        email.port = 0;
        email.username.clear();
        email.from = "nobody".into();
        email.to = vec!["a@example.com\r\nBcc: b@example.com".into()];
        email.ca_pem = "no certificate".into();
    });
    assert_eq!(
        bad(wrong),
        [
            "email.host",
            "email.port",
            "secrets.password",
            "email.from",
            "email.to",
            "email.ca_pem"
        ]
    );
}

#[test]
fn a_webhook_without_tls_is_asked_for_by_name() {
    assert_eq!(bad(webhook("http://ntfy.local/backups")), ["secrets.url"]);
    let mut allowed = webhook("http://ntfy.local/backups");
    if let Target::Webhook(target) = &mut allowed.target {
        target.allow_http = true;
    }
    assert!(allowed.checked().is_ok());
}

#[test]
fn headers_of_ours_and_what_is_no_header_are_refused() {
    for (name, value) in [
        ("Host", "x"),
        ("X-DataGuardian-Signature", "x"),
        ("with space", "x"),
        ("Authorization", "two\r\nlines"),
    ] {
        let mut channel = webhook("https://example.com/");
        channel.secrets.headers = [(name.to_owned(), Secret::new(value))].into();
        assert_eq!(bad(channel), ["secrets.headers"], "{name}");
    }
}

#[test]
fn a_secret_without_a_use_is_refused() {
    let mut channel = email();
    channel.secrets.signing = Some(Secret::new("a secret of some length"));
    assert_eq!(bad(channel), ["secrets.signing_secret"]);
}
