//! The audit log, chained and sealed: what was changed or taken away shows, and what is old goes by whole days.

use chrono::TimeDelta;
use dataguardian_control_plane::domain::audit::{Actor, AuditCheck, AuditEntry, AuditFilter};
use dataguardian_control_plane::domain::page::PageRequest;

use crate::world::{World, on_both};

fn entry(resource: &str) -> AuditEntry {
    AuditEntry {
        actor: Actor::System,
        method: "test".into(),
        resource: resource.into(),
        outcome: "ok".into(),
        remote: None,
    }
}

/// Three days with three rows each, sealed but for the last.
async fn three_days(world: &World) {
    let audit = &world.services.audit;
    for day in 0..3 {
        for row in 0..3 {
            audit.append(entry(&format!("{day}-{row}"))).await.unwrap();
        }
        assert_eq!(audit.chain().await.unwrap(), 3);
        if day < 2 {
            world.advance(TimeDelta::days(1));
        }
    }
    audit.chain().await.unwrap();
    assert_eq!(
        check(world).await,
        AuditCheck {
            days: 3,
            rows: 9,
            faults: vec![]
        }
    );
}

async fn check(world: &World) -> AuditCheck {
    world.services.audit.verify().await.unwrap()
}

/// What is wrong, in short.
async fn faults(world: &World) -> Vec<(bool, &'static str)> {
    let faults = check(world).await.faults;
    faults
        .into_iter()
        .map(|fault| (fault.number.is_some(), fault.problem))
        .collect()
}

on_both! {
    async fn a_row_that_was_changed_shows(world: &World) {
        three_days(world).await;
        world.sql("UPDATE audit_logs SET outcome = 'nothing' WHERE resource = '1-1'").await;
        assert_eq!(faults(world).await, [(true, "this row was changed")]);
    }

    async fn a_row_that_was_taken_away_shows(world: &World) {
        three_days(world).await;
        world.sql("DELETE FROM audit_logs WHERE resource = '0-1'").await;
        assert_eq!(faults(world).await, [(true, "rows before this one are missing")]);
        world.sql("DELETE FROM audit_logs WHERE resource = '2-2'").await;
        let both = faults(world).await;
        assert_eq!(both[1], (false, "rows at its end are missing or were changed"));
    }

    async fn whoever_computes_the_hashes_anew_has_no_seal(world: &World) {
        three_days(world).await;
        world.sql("DELETE FROM audit_logs WHERE resource = '1-2'").await;
        world.sql(
            "UPDATE audit_days SET last_link = last_link - 1, last_hash = \
             (SELECT hash FROM audit_logs WHERE resource = '1-1') WHERE first_link = 4",
        ).await;
        let found = faults(world).await;
        assert!(found.iter().any(|(_, problem)| problem.starts_with("its seal is not ours")), "{found:?}");
    }

    async fn old_days_go_whole_and_the_rest_is_still_followed(world: &World) {
        three_days(world).await;
        let audit = &world.services.audit;
        let before = world.now() - TimeDelta::days(1);
        assert_eq!(audit.forget_day(before).await.unwrap(), Some(3));
        assert_eq!(audit.forget_day(before).await.unwrap(), None);
        assert_eq!(audit.forget_day(world.now() + TimeDelta::days(9)).await.unwrap(), Some(3));
        assert_eq!(audit.forget_day(world.now() + TimeDelta::days(9)).await.unwrap(), None, "a day that is not over stays");
        assert_eq!(check(world).await, AuditCheck { days: 3, rows: 3, faults: vec![] });
    }

    async fn a_day_that_somebody_else_forgot_shows(world: &World) {
        three_days(world).await;
        world.sql("DELETE FROM audit_logs WHERE resource LIKE '0-%'").await;
        world.sql("UPDATE audit_days SET forgotten_at = (SELECT max(at) FROM audit_logs) WHERE first_link = 1").await;
        assert_eq!(faults(world).await, [(false, "its rows are gone, and it was not we who forgot them")]);
    }

    async fn rows_are_chained_by_one_replica_at_a_time(world: &World) {
        let replica = world.replica().await;
        for row in 0..20 {
            world.services.audit.append(entry(&row.to_string())).await.unwrap();
        }
        let (one, other) = tokio::join!(world.services.audit.chain(), replica.audit.chain());
        // One that was overtaken at the very beginning of the chain comes again with the next pass.
        assert!(one.is_ok() || other.is_ok());
        world.services.audit.chain().await.unwrap();
        assert_eq!(check(world).await, AuditCheck { days: 1, rows: 20, faults: vec![] });
    }

    async fn rows_are_found_by_who_what_and_when(world: &World) {
        three_days(world).await;
        let audit = &world.services.audit;
        let found = async |filter: AuditFilter| {
            let page = audit.list_fitting(&filter, &PageRequest::default()).await.unwrap();
            let rows = audit.export(&filter, 0).await.unwrap();
            assert_eq!(rows.len(), page.items.len());
            rows.into_iter().map(|row| row.entry.resource).collect::<Vec<_>>()
        };
        let resource = AuditFilter { resource: Some("1-1".into()), ..AuditFilter::default() };
        assert_eq!(found(resource).await, ["1-1"]);
        let since = AuditFilter { since: Some(world.now()), actor: Some("system".into()), ..AuditFilter::default() };
        assert_eq!(found(since).await, ["2-0", "2-1", "2-2"]);
        let until = AuditFilter { until: Some(world.now() - TimeDelta::days(1)), ..AuditFilter::default() };
        assert_eq!(found(until).await, ["0-0", "0-1", "0-2"]);
        let none = AuditFilter { actor: Some("user".into()), ..AuditFilter::default() };
        assert!(found(none).await.is_empty());
        let none = AuditFilter { method: Some("JobService".into()), ..AuditFilter::default() };
        assert!(found(none).await.is_empty());
    }
}
