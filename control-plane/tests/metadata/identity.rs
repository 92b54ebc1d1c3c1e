//! An identity for life: neither stolen nor lost for good.

use chrono::TimeDelta;
use dataguardian_control_plane::domain::agent::{Agent, AgentFacts, AgentState, AlertKind, Opening, notices};
use dataguardian_control_plane::domain::audit::AuditEntry;
use dataguardian_control_plane::domain::certificate::{Enrolled, IssuedCertificate};
use dataguardian_control_plane::domain::job::BackupOptions;
use dataguardian_control_plane::domain::page::PageRequest;
use dataguardian_control_plane::domain::reference::Reference;
use dataguardian_control_plane::services::authorities::AuthorityKeys;
use dataguardian_core::execution::ExecutionState;
use dataguardian_core::failure::FailureKind;
use dataguardian_core::ids::AgentId;
use dataguardian_core::secret::Secret;
use dataguardian_repository::manifest::SigningKey;

use crate::simulated::{SimulatedAgent, enrollment};
use crate::world::{FIRST_AUTHORITY, World, issue, on_both};

/// A session of that process.
pub(crate) fn opening(boot_id: &str, clock_skew: Option<TimeDelta>) -> Opening {
    Opening {
        facts: AgentFacts {
            version: "0.1.0".into(),
            hostname: format!("host-of-{boot_id}"),
            ..AgentFacts::default()
        },
        clock_skew,
        slots: Some(2),
        boot_id: boot_id.to_owned(),
        alive_within: TimeDelta::seconds(30),
    }
}

async fn renew(world: &World, agent: &SimulatedAgent, key: &[u8]) -> Enrolled {
    let renewed = world.services.enrollment.renew(agent.id, key, issue(world.now()));
    renewed.await.unwrap()
}

/// The generation that a certificate is seen as, or why it is refused.
async fn identify(world: &World, agent: AgentId, serial: &str) -> Result<u32, &'static str> {
    let identified = world
        .services
        .enrollment
        .identify(agent, &world.presented(serial))
        .await;
    identified
        .map(|identity| identity.generation)
        .map_err(|error| error.reason())
}

async fn shown(world: &World, agent: AgentId) -> Agent {
    world.services.agents.get(&Reference::Id(agent)).await.unwrap()
}

fn alert(agent: &Agent) -> Option<AlertKind> {
    agent.alert.as_ref().map(|alert| alert.kind)
}

/// The reasons of what needs attention.
fn reasons(world: &World, agent: &Agent) -> Vec<&'static str> {
    notices(agent, world.now())
        .iter()
        .map(|notice| notice.reason)
        .collect()
}

async fn audited(world: &World) -> Vec<AuditEntry> {
    let page = world.services.audit.list(&PageRequest::default()).await.unwrap();
    page.items.into_iter().map(|record| record.entry).collect()
}

on_both! {
    async fn whenever_a_renewal_is_cut_off_the_agent_gets_in(world: &World) {
        let agent = world.agent("db1").await;
        assert_eq!(identify(world, agent.id, &agent.serial).await, Ok(1));
        let lost = renew(world, &agent, b"pending key").await;
        world.advance(TimeDelta::minutes(5));
        assert_eq!(identify(world, agent.id, &agent.serial).await, Ok(1), "the answer was lost");
        let kept = renew(world, &agent, b"pending key").await;
        world.advance(TimeDelta::minutes(5));
        assert_eq!(identify(world, agent.id, &agent.serial).await, Ok(1), "written down and not used yet");
        assert_eq!(identify(world, agent.id, &kept.certificate.serial).await, Ok(2), "asked twice, one generation");
        let next = renew(world, &agent, b"next key").await;
        assert_eq!(identify(world, agent.id, &kept.certificate.serial).await, Ok(2));
        assert_eq!(identify(world, agent.id, &next.certificate.serial).await, Ok(3));
        assert_eq!(alert(&shown(world, agent.id).await), None);
        assert_ne!(lost.certificate.serial, kept.certificate.serial);
    }

    async fn an_agent_that_lost_its_pending_key_gets_in_too(world: &World) {
        let agent = world.agent("db1").await;
        renew(world, &agent, b"lost key").await;
        let kept = renew(world, &agent, b"another key").await;
        assert_eq!(identify(world, agent.id, &agent.serial).await, Ok(1));
        assert_eq!(identify(world, agent.id, &kept.certificate.serial).await, Ok(3));
        let other = world.agent("db2").await;
        assert_eq!(identify(world, other.id, &kept.certificate.serial).await, Err("CERTIFICATE_UNKNOWN"));
    }

    async fn a_copy_is_refused_once_the_other_has_renewed_and_people_are_told(world: &World) {
        let agent = world.agent("db1").await;
        identify(world, agent.id, &agent.serial).await.unwrap();
        let renewed = renew(world, &agent, b"new key").await;
        let before = world.presented(&agent.serial);
        world.advance(TimeDelta::minutes(1));
        assert_eq!(identify(world, agent.id, &renewed.certificate.serial).await, Ok(2));

        let own = world.services.enrollment.identify(agent.id, &before).await.unwrap_err();
        assert_eq!(own.reason(), "CERTIFICATE_SUPERSEDED");
        assert_eq!(alert(&shown(world, agent.id).await), None, "a connection from before is no copy's");

        world.advance(TimeDelta::minutes(1));
        for _ in 0..3 {
            let refused = world.services.enrollment.identify(agent.id, &world.presented(&agent.serial)).await;
            let refused = refused.unwrap_err();
            assert_eq!(refused.reason(), "CERTIFICATE_SUPERSEDED");
            assert!(refused.public_message().contains("dgctl agent token create --for db1"), "{refused}");
        }
        let found = shown(world, agent.id).await;
        assert_eq!(alert(&found), Some(AlertKind::IdentityCopied));
        assert_eq!(found.alert.as_ref().unwrap().from, "192.0.2.7");
        assert_eq!(reasons(world, &found), ["IDENTITY_COPIED"]);
        let rows: Vec<_> = audited(world).await;
        assert_eq!(rows.len(), 1, "not a row for each try: {rows:?}");
        assert_eq!((rows[0].resource.as_str(), rows[0].outcome.as_str()), ("db1", "IDENTITY_COPIED"));

        let cleared = world.services.agents.clear_alert(&Reference::Id(agent.id)).await.unwrap();
        assert_eq!(reasons(world, &cleared), [""; 0]);
        assert_eq!(identify(world, agent.id, &renewed.certificate.serial).await, Ok(2));
    }

    async fn a_copy_that_was_made_in_the_middle_of_a_renewal_is_refused_too(world: &World) {
        let agent = world.agent("db1").await;
        identify(world, agent.id, &agent.serial).await.unwrap();
        let (one, two) = (renew(world, &agent, b"pending").await, renew(world, &agent, b"pending").await);
        assert_eq!(identify(world, agent.id, &two.certificate.serial).await, Ok(2));
        world.advance(TimeDelta::minutes(1));
        assert_eq!(identify(world, agent.id, &one.certificate.serial).await, Err("CERTIFICATE_SUPERSEDED"));
        assert_eq!(alert(&shown(world, agent.id).await), Some(AlertKind::IdentityCopied));
    }

    async fn of_handshakes_at_the_same_time_one_certificate_wins(world: &World) {
        let agent = world.agent("db1").await;
        for round in 0_u8..4 {
            let mut asking = tokio::task::JoinSet::new();
            for _ in 0..6 {
                let serial = renew(world, &agent, &[round]).await.certificate.serial;
                let (enroll, presented) = (world.services.enrollment.clone(), world.presented(&serial));
                let id = agent.id;
                asking.spawn(async move { enroll.identify(id, &presented).await.map_err(|error| error.reason()) });
            }
            let outcomes = asking.join_all().await;
            assert!(outcomes.iter().any(Result::is_ok), "{outcomes:?}");
            let generations: Vec<_> = outcomes.into_iter().flatten().map(|identity| identity.generation).collect();
            assert!(generations.iter().all(|generation| *generation > u32::from(round)), "{generations:?}");
            world.advance(TimeDelta::minutes(1));
        }
    }

    async fn two_processes_with_one_identity_are_told_apart_and_one_goes_on(world: &World) {
        let agent = world.agent("db1").await;
        let sessions = &world.services.sessions;
        let open = async |boot: &str| {
            world.advance(TimeDelta::seconds(1));
            let opened = sessions.open(agent.id, opening(boot, None)).await;
            opened.map_err(|error| (error.reason(), error.retry_after().is_some()))
        };
        assert_eq!(open("first").await, Ok(1));
        assert_eq!(open("second").await, Ok(2), "the newer one displaces the older");
        assert_eq!(open("first").await, Ok(3));
        assert_eq!(alert(&shown(world, agent.id).await), None);
        assert_eq!(open("second").await, Err(("IDENTITY_SHARED", true)));
        assert_eq!(open("first").await, Ok(4), "the one that is there goes on");
        assert_eq!(open("second").await, Err(("IDENTITY_SHARED", true)));
        let found = shown(world, agent.id).await;
        assert_eq!(alert(&found), Some(AlertKind::IdentityShared));
        assert_eq!(found.alert.unwrap().from, "host-of-second");
        assert_eq!(audited(world).await.len(), 1);

        world.advance(TimeDelta::seconds(60));
        assert_eq!(open("second").await, Ok(5), "the other one is gone");
        world.services.agents.clear_alert(&Reference::Id(agent.id)).await.unwrap();
        assert_eq!(open("third").await, Ok(6));
        assert_eq!(alert(&shown(world, agent.id).await), None);
    }

    async fn after_a_long_absence_a_person_has_to_approve(world: &World) {
        let agent = world.agent("db1").await;
        let (reference, enroll) = (Reference::Id(agent.id), &world.services.enrollment);
        assert_eq!(reasons(world, &shown(world, agent.id).await), [""; 0]);
        world.advance(TimeDelta::days(40));
        let refused = enroll.recover(agent.id).await.unwrap_err();
        assert_eq!(refused.reason(), "RECOVERY_NEEDS_APPROVAL");
        assert!(refused.public_message().contains("dgctl agent approve db1"), "{refused}");
        let asked = world.now();
        world.advance(TimeDelta::hours(1));
        enroll.recover(agent.id).await.unwrap_err();
        let found = shown(world, agent.id).await;
        assert_eq!(found.recovery.asked_at, Some(asked));
        assert_eq!(reasons(world, &found), ["RECOVERY_NEEDS_APPROVAL"]);

        let approved = world.services.agents.approve_recovery(&reference).await.unwrap();
        assert_eq!(approved.recovery.until, Some(world.now() + TimeDelta::hours(24)));
        assert_eq!(reasons(world, &approved), ["RECOVERY_APPROVED"]);
        enroll.recover(agent.id).await.unwrap();
        renew(world, &agent, b"new key").await;
        enroll.recover(agent.id).await.expect("the answer may have been lost");
        let renewed = renew(world, &agent, b"new key").await;
        identify(world, agent.id, &renewed.certificate.serial).await.unwrap();
        let back = shown(world, agent.id).await;
        assert_eq!((reasons(world, &back), back.recovery.until), (vec![], None));

        world.advance(TimeDelta::days(40));
        world.services.agents.approve_recovery(&reference).await.unwrap();
        world.advance(TimeDelta::hours(24));
        assert_eq!(enroll.recover(agent.id).await.unwrap_err().reason(), "RECOVERY_NEEDS_APPROVAL");
    }

    async fn a_rebuilt_host_becomes_its_agent_and_the_old_one_is_out(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "nightly", BackupOptions::default()).await;
        let (reference, enroll) = (Reference::Id(agent.id), &world.services.enrollment);
        identify(world, agent.id, &agent.serial).await.unwrap();
        let token = world.services.agents.create_rebuild_token(&reference, None).await.unwrap().token;
        let signing = SigningKey::generate().unwrap();
        world.advance(TimeDelta::minutes(1));
        let join = |key: &'static [u8]| enroll.enroll(enrollment(token.clone(), key, &signing), issue(world.now()));
        let joined = join(b"new host").await.unwrap();
        assert_eq!((joined.agent, joined.name.as_str(), joined.is_rebuilt), (agent.id, "db1", true));
        let lost_and_repeated = join(b"new host").await.unwrap();
        assert_eq!(join(b"thief").await.unwrap_err().reason(), "JOIN_TOKEN_USED");

        world.advance(TimeDelta::minutes(1));
        assert_eq!(identify(world, agent.id, &agent.serial).await, Err("CERTIFICATE_SUPERSEDED"));
        let found = shown(world, agent.id).await;
        assert!(found.certificate_floor >= 2);
        assert_eq!(found.signing_public_key, *signing.verifying_key().as_bytes());
        assert_eq!(alert(&found), Some(AlertKind::IdentityCopied), "the old host still runs");
        identify(world, agent.id, &lost_and_repeated.certificate.serial).await.unwrap();
        assert_eq!(world.run(&job).await.agent, agent.id, "its datasources and jobs are still its own");
        assert_eq!(audited(world).await.iter().filter(|entry| entry.method == "host rebuilt").count(), 1);
    }

    async fn a_token_for_one_agent_is_no_good_for_another(world: &World) {
        let (one, two) = (world.agent("one").await, world.agent("two").await);
        let token = world.services.agents.create_rebuild_token(&Reference::Id(one.id), None).await.unwrap();
        let signing = SigningKey::generate().unwrap();
        let mut request = enrollment(Secret::new(token.token.expose()), b"key of two", &signing);
        request.again_as = Some(two.id);
        let refused = world.services.enrollment.enroll(request, issue(world.now())).await.unwrap_err();
        assert_eq!(refused.reason(), "JOIN_TOKEN_FOR_ANOTHER");
        let mut request = enrollment(token.token, b"key of one", &signing);
        request.again_as = Some(one.id);
        let joined = world.services.enrollment.enroll(request, issue(world.now())).await.unwrap();
        assert_eq!(joined.agent, one.id);
        world.services.agents.revoke(&Reference::Id(one.id)).await.unwrap();
        let revoked = world.services.agents.create_rebuild_token(&Reference::Id(one.id), None).await;
        assert_eq!(revoked.unwrap_err().reason(), "AGENT_REVOKED");
    }

    async fn the_same_token_makes_no_more_certificates_once_its_time_is_over(world: &World) {
        let token = world.services.agents.create_join_token("db1", None).await.unwrap().token;
        let signing = SigningKey::generate().unwrap();
        let ask = || world.services.enrollment.enroll(enrollment(token.clone(), b"key", &signing), issue(world.now()));
        ask().await.unwrap();
        ask().await.unwrap();
        world.advance(TimeDelta::hours(1));
        assert_eq!(ask().await.unwrap_err().reason(), "JOIN_TOKEN_USED");
    }

    async fn a_locked_agent_gets_no_new_work_and_goes_on_with_the_old(world: &World) {
        let agent = world.agent("db1").await;
        let first = world.job(agent.id, "first", BackupOptions::default()).await;
        let second = world.job(agent.id, "second", BackupOptions::default()).await;
        world.run(&first).await;
        let running = agent.begin().await;
        let waiting = world.run(&second).await;
        let reference = Reference::Id(agent.id);
        for _ in 0..2 {
            let locked = world.services.agents.lock(&reference).await.unwrap();
            assert_eq!((locked.state, reasons(world, &locked)), (AgentState::Locked, vec!["LOCKED"]));
        }
        assert!(agent.claim().await.is_none());
        let refused = world.services.jobs.run(&Reference::Id(second.id), None).await.unwrap_err();
        assert_eq!(refused.reason(), "AGENT_LOCKED");
        assert!(refused.public_message().contains("dgctl agent unlock db1"), "{refused}");
        identify(world, agent.id, &agent.serial).await.expect("it stays connected");
        world.services.sessions.open(agent.id, opening("a", None)).await.unwrap();
        agent.report(&running, &agent.packs(&running)).await.expect("what runs goes on");
        agent.fail(running.fence, FailureKind::ClientFailed).await.unwrap();
        assert!(agent.claim().await.is_none(), "there is a place, and nothing for it");

        let unlocked = world.services.agents.unlock(&reference).await.unwrap();
        assert_eq!(unlocked.state, AgentState::Active);
        assert_eq!(agent.begin().await.fence.execution, waiting.id);
        let found = world.services.executions.get(waiting.id).await.unwrap();
        assert_eq!(found.state, ExecutionState::Running);
        world.services.agents.lock(&reference).await.unwrap();
        assert_eq!(world.services.agents.revoke(&reference).await.unwrap().state, AgentState::Revoked);
    }

    async fn a_clock_that_is_off_is_told(world: &World) {
        let agent = world.agent("db1").await;
        let open = async |seconds| {
            let skew = Some(TimeDelta::seconds(seconds));
            world.services.sessions.open(agent.id, opening("a", skew)).await.unwrap();
            reasons(world, &shown(world, agent.id).await)
        };
        assert_eq!(open(30).await, [""; 0]);
        assert_eq!(open(-86_400).await, ["CLOCK_SKEW"]);
        assert_eq!(open(86_400).await, ["CLOCK_SKEW"]);
    }

    async fn an_old_authority_is_let_go_when_no_agent_can_come_back_with_it(world: &World) {
        let authorities = &world.services.authorities;
        let pins = async || {
            let shown = authorities.show().await.unwrap();
            shown.into_iter().map(|authority| (authority.pin, authority.agents)).collect::<Vec<_>>()
        };
        let (on, off, gone) = (world.agent("on").await, world.agent("off").await, world.agent("gone").await);
        world.services.agents.revoke(&Reference::Id(gone.id)).await.unwrap();
        assert_eq!(pins().await, [(FIRST_AUTHORITY.to_owned(), 2)]);
        world.advance(TimeDelta::hours(1));
        authorities.rotate(|before| {
            assert_eq!(before.pin, FIRST_AUTHORITY);
            Ok::<_, String>(AuthorityKeys { pin: "sha256:second".into(), ..before.clone() })
        }).await.unwrap();
        let by_second = |now| {
            let issue = issue(now);
            move |agent| issue(agent).map(|issued| IssuedCertificate { issuer: "sha256:second".into(), ..issued })
        };
        let renewed = world.services.enrollment.renew(on.id, b"new", by_second(world.now())).await.unwrap();
        assert_eq!(pins().await, [("sha256:second".into(), 1), (FIRST_AUTHORITY.into(), 2)], "not seen yet");
        identify(world, on.id, &renewed.certificate.serial).await.unwrap();
        assert_eq!(pins().await, [("sha256:second".into(), 1), (FIRST_AUTHORITY.into(), 1)]);
        world.advance(TimeDelta::days(30));
        assert_eq!(authorities.retire().await.unwrap(), 0, "the one that is off can recover by itself");
        identify(world, off.id, &off.serial).await.unwrap();
        world.advance(TimeDelta::days(2));
        assert_eq!(authorities.retire().await.unwrap(), 1);
        assert_eq!(authorities.retire().await.unwrap(), 0);
        let loaded = authorities.load().await.unwrap();
        assert_eq!(loaded.iter().map(|keys| keys.pin.as_str()).collect::<Vec<_>>(), ["sha256:second"]);
    }

    async fn rotations_at_the_same_time_build_on_each_other(world: &World) {
        let mut rotating = tokio::task::JoinSet::new();
        for index in 0..4 {
            let authorities = world.services.authorities.clone();
            rotating.spawn(async move {
                let mut before = String::new();
                let make = |last: &AuthorityKeys| {
                    before.clone_from(&last.pin);
                    Ok::<_, String>(AuthorityKeys { pin: format!("sha256:{index}"), ..last.clone() })
                };
                authorities.rotate(make).await.unwrap();
                before
            });
        }
        let mut befores = rotating.join_all().await;
        befores.sort();
        befores.dedup();
        assert_eq!(befores.len(), 4, "each after another one: {befores:?}");
        assert_eq!(world.services.authorities.load().await.unwrap().len(), 5);
    }
}
