//! What a restore does besides the plain case.

use dataguardian_agent::engines::restore::{MissingRoles, RestoreMode};
use dataguardian_core::failure::FailureKind;
use dataguardian_core::stream::StreamRole;
use dataguardian_tests::mysql::{MySql, Version, compare};

use crate::setup::{Dumping, Restoring, backup_user, target_as};

#[tokio::test]
async fn a_scratch_restore_leaves_nothing_or_what_was_wanted() {
    for version in [Version::MariaDb11, Version::MySql9] {
        let server = MySql::start(version).unwrap();
        server.load_sample("shop").unwrap();
        let dumping = Dumping::of(&server, &["shop"]);
        let report = dumping.run().await.unwrap();
        let mode = RestoreMode::Scratch { keep: false };
        let restored = Restoring::of(&server, &report, dumping.sink.source(), &[], mode)
            .run()
            .await
            .unwrap();
        assert!(!restored.databases[0].kept);
        assert_eq!(server.databases().unwrap(), ["shop"]);
        let mode = RestoreMode::Scratch { keep: true };
        let restored = Restoring::of(&server, &report, dumping.sink.source(), &[], mode)
            .run()
            .await
            .unwrap();
        let scratch = &restored.databases[0].to;
        assert!(scratch.starts_with("dg_scratch_shop_"), "{scratch}");
        // A copy for a look does nothing by itself.
        let events = format!(
            "SELECT COUNT(*) FROM information_schema.events WHERE event_schema = '{scratch}' AND status = 'ENABLED'"
        );
        assert_eq!(server.sql("", &events).unwrap(), "0");
        assert!(
            restored
                .warnings
                .iter()
                .any(|warning| warning.message.contains("events are disabled"))
        );
        let told = compare::equal((&server, "shop"), (&server, scratch))
            .unwrap_err()
            .to_string();
        assert!(
            told.starts_with("2 differences")
                && told.contains("EVENT every_day")
                && told.contains("EVENT once"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn what_does_not_fit_is_found_before_anything_is_touched() {
    for version in Version::ALL {
        let server = MySql::start(version).unwrap();
        server.load_sample("shop").unwrap();
        let dumping = Dumping::of(&server, &["shop"]);
        let report = dumping.run().await.unwrap();
        // A server without the accounts, and with a smaller packet than the longest statement.
        let other = MySql::start_with(version, &["--max-allowed-packet=16K"]).unwrap();
        let restoring = Restoring::of(
            &other,
            &report,
            dumping.sink.source(),
            &[],
            RestoreMode::CreateNew,
        );
        let refused = restoring.run().await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::TargetUnfit, "{refused}");
        for expected in [
            "definer@%",
            "--create-missing-roles",
            "--no-owner",
            "max_allowed_packet",
        ] {
            assert!(
                refused.message.contains(expected),
                "{version}: {expected}: {refused}"
            );
        }
        assert_eq!(other.databases().unwrap(), Vec::<String>::new());
        let refused = Restoring::of(
            &server,
            &report,
            dumping.sink.source(),
            &[],
            RestoreMode::CreateNew,
        )
        .run()
        .await
        .unwrap_err();
        assert_eq!(refused.kind, FailureKind::TargetExists, "{refused}");
    }
}

/// Whoever only backs up may not restore; what the message says is enough.
#[tokio::test]
async fn a_user_who_may_not_make_databases_is_told_before_anything_is_touched() {
    for version in Version::ALL {
        let server = MySql::start(version).unwrap();
        server.load_sample("shop").unwrap();
        backup_user(&server, "");
        let dumping = Dumping::of(&server, &["shop"]);
        let report = dumping.run().await.unwrap();
        let restoring = |mode, plan_only| {
            let names = [("shop", "a_copy")];
            let mut restoring = Restoring::of(&server, &report, dumping.sink.source(), &names, mode);
            restoring.request.target = target_as(&server, "backup");
            restoring.request.no_owner = true;
            restoring.request.plan_only = plan_only;
            restoring
        };
        for plan_only in [true, false] {
            let refused = restoring(RestoreMode::CreateNew, plan_only)
                .run()
                .await
                .unwrap_err();
            assert_eq!(refused.kind, FailureKind::TargetUnfit, "{version}: {refused}");
            let (_, grant) = refused.message.split_once(": GRANT").unwrap();
            assert_eq!(
                grant, " ALL PRIVILEGES ON `a\\_copy`.* TO 'backup'@'%'",
                "{version}"
            );
            assert_eq!(server.databases().unwrap(), ["shop"]);
            if !plan_only {
                server.sql("", &format!("GRANT{grant}")).unwrap();
            }
        }
        restoring(RestoreMode::CreateNew, false).run().await.unwrap();
        // A scratch database has a name that nobody knows before.
        let refused = restoring(RestoreMode::Scratch { keep: false }, true)
            .run()
            .await
            .unwrap_err();
        assert!(refused.message.contains("ON *.* TO"), "{version}: {refused}");
    }
}

#[tokio::test]
async fn missing_accounts_are_created_or_left_out_as_wanted() {
    for version in Version::ALL {
        let server = MySql::start(version).unwrap();
        server.load_sample("shop").unwrap();
        let dumping = Dumping::of(&server, &["shop"]);
        let report = dumping.run().await.unwrap();
        let other = MySql::start(version).unwrap();
        let names = [("shop", "without_owners")];
        let mut restoring = Restoring::of(
            &other,
            &report,
            dumping.sink.source(),
            &names,
            RestoreMode::CreateNew,
        );
        restoring.request.no_owner = true;
        restoring.run().await.unwrap();
        let foreign = "SELECT COUNT(*) FROM information_schema.routines WHERE routine_schema = 'without_owners' AND definer NOT LIKE 'root@%'";
        assert_eq!(other.sql("", foreign).unwrap(), "0");
        let mut restoring = Restoring::of(
            &other,
            &report,
            dumping.sink.source(),
            &[],
            RestoreMode::CreateNew,
        );
        restoring.request.missing_roles = MissingRoles::Create;
        restoring.run().await.unwrap();
        compare::equal((&server, "shop"), (&other, "shop")).unwrap();
        let told = other.sql_as("definer", "", "SELECT 1").unwrap_err().to_string();
        assert!(
            told.contains("ERROR"),
            "an account that was created can log in: {told}"
        );
    }
}

#[tokio::test]
async fn a_restore_that_fails_or_is_cancelled_leaves_nothing() {
    for version in [Version::MariaDb10, Version::MySql9] {
        let server = MySql::start(version).unwrap();
        server.load_sample("shop").unwrap();
        let dumping = Dumping::of(&server, &["shop"]);
        let report = dumping.run().await.unwrap();
        let source = dumping.sink.source();
        let rows = |name: &str| {
            let is_it = |stream: &dataguardian_agent::engines::StoredStream| {
                stream.header.role == StreamRole::TableData
                    && stream
                        .header
                        .object
                        .as_ref()
                        .is_some_and(|object| object.name == name)
            };
            source.stored.iter().position(is_it).unwrap()
        };
        let mut broken = (*source).clone();
        broken.fail_at = Some(rows("texts"));
        let restoring = Restoring::of(
            &server,
            &report,
            broken.into(),
            &[("shop", "copy")],
            RestoreMode::CreateNew,
        );
        let failed = restoring.run().await.unwrap_err();
        assert_eq!(failed.kind, FailureKind::RepositoryDamaged, "{failed}");
        assert_eq!(server.databases().unwrap(), ["shop"]);

        let mut wrong = (*source).clone();
        wrong.stored[rows("no_key")].end.rows = Some(99);
        let restoring = Restoring::of(
            &server,
            &report,
            wrong.into(),
            &[("shop", "copy")],
            RestoreMode::CreateNew,
        );
        let failed = restoring.run().await.unwrap_err();
        assert_eq!(failed.kind, FailureKind::RestoreMismatch, "{failed}");
        assert_eq!(server.databases().unwrap(), ["shop"]);

        let mut hanging = (*source).clone();
        hanging.hang_at = Some(rows("texts"));
        let hangs = hanging.hanging.clone();
        let restoring = Restoring::of(
            &server,
            &report,
            hanging.into(),
            &[("shop", "copy")],
            RestoreMode::CreateNew,
        );
        let cancel = restoring.cancel.clone();
        let (failed, ()) = tokio::join!(restoring.run(), async move {
            hangs.notified().await;
            cancel.cancel();
        });
        assert_eq!(failed.unwrap_err().kind, FailureKind::Superseded);
        assert_eq!(server.databases().unwrap(), ["shop"]);
        dumping.assert_nothing_left(&server);
    }
}
