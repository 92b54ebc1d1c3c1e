//! How hosts become agents, and stop being ones.

use std::time::Duration;

use chrono::TimeDelta;
use dataguardian_control_plane::domain::agent::AgentState;
use dataguardian_control_plane::domain::job::BackupOptions;
use dataguardian_control_plane::domain::page::PageRequest;
use dataguardian_control_plane::domain::reference::Reference;
use dataguardian_core::error_code::ErrorCode;
use dataguardian_core::execution::ExecutionState;
use dataguardian_core::failure::FailureKind;
use dataguardian_core::secret::Secret;
use dataguardian_repository::manifest::SigningKey;

use crate::identity::opening;
use crate::simulated::enrollment;
use crate::world::{World, issue, on_both};

on_both! {
    async fn the_same_host_may_ask_again_and_no_other(world: &World) {
        let enroll = &world.services.enrollment;
        let signing = SigningKey::generate().unwrap();
        let token = || world.services.agents.create_join_token("", None);
        let token = token().await.unwrap().token;
        let ask = |key: &'static [u8]| enroll.enroll(enrollment(token.clone(), key, &signing), issue(world.now()));

        let first = ask(b"key").await.unwrap();
        assert_eq!(first.name.as_str(), "db-host.example.org", "made from the host's name");
        let again = ask(b"key").await.unwrap();
        assert_eq!(again.agent, first.agent);
        assert_ne!(again.certificate.serial, first.certificate.serial);
        assert_eq!(ask(b"another key").await.unwrap_err().reason(), "JOIN_TOKEN_USED");
        let agents = world.services.agents.list(&PageRequest::default()).await.unwrap();
        assert_eq!(agents.items.len(), 1);
        assert_eq!(agents.items[0].signing_public_key, *signing.verifying_key().as_bytes());
    }

    async fn of_hosts_that_share_a_token_one_wins(world: &World) {
        // The first rounds open the connections that the later ones meet on.
        for round in 0..6 {
            let token = world.services.agents.create_join_token("", None).await.unwrap().token;
            let mut asking = tokio::task::JoinSet::new();
            for index in 0_u8..8 {
                let (enroll, token, now) = (world.services.enrollment.clone(), token.clone(), world.now());
                asking.spawn(async move {
                    let signing = SigningKey::generate().unwrap();
                    let mut request = enrollment(token, &[index], &signing);
                    request.name = format!("host{round}-{index}");
                    enroll.enroll(request, issue(now)).await.map_err(|error| error.reason())
                });
            }
            let outcomes = asking.join_all().await;
            let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
            assert_eq!(won, 1, "{outcomes:?}");
            assert!(outcomes.iter().all(|outcome| outcome.is_ok() || *outcome == Err("JOIN_TOKEN_USED")));
            let agents = world.services.agents.list(&PageRequest::default()).await.unwrap();
            assert_eq!(agents.items.len(), round + 1);
        }
    }

    async fn bad_tokens_and_names_are_refused(world: &World) {
        let (agents, enroll) = (&world.services.agents, &world.services.enrollment);
        let signing = SigningKey::generate().unwrap();
        let ask = |token: Secret| enroll.enroll(enrollment(token, b"key", &signing), issue(world.now()));
        let unknown = ask(Secret::new("dgjoin_00_00")).await.unwrap_err();
        assert_eq!((unknown.code(), unknown.reason()), (ErrorCode::Unauthenticated, "JOIN_TOKEN_UNKNOWN"));

        let short = agents.create_join_token("db1", Some(Duration::from_secs(60))).await.unwrap();
        world.advance(TimeDelta::seconds(60));
        assert_eq!(ask(short.token).await.unwrap_err().reason(), "JOIN_TOKEN_EXPIRED");
        for bad in [Duration::ZERO, Duration::from_secs(8 * 24 * 3600)] {
            let error = agents.create_join_token("", Some(bad)).await.unwrap_err();
            assert_eq!(error.fields()[0].field, "ttl");
        }

        let (one, two) = (agents.create_join_token("db1", None).await, agents.create_join_token("db1", None).await);
        ask(one.unwrap().token).await.unwrap();
        assert_eq!(ask(two.unwrap().token).await.unwrap_err().reason(), "NAME_TAKEN");
        assert_eq!(agents.create_join_token("db1", None).await.unwrap_err().code(), ErrorCode::AlreadyExists);
    }

    async fn a_revoked_agent_is_nobody_and_its_work_ends(world: &World) {
        let agent = world.agent("db1").await;
        let running = world.job(agent.id, "running", BackupOptions::default()).await;
        let waiting = world.job(agent.id, "waiting", BackupOptions::default()).await;
        let (running, waiting) = (world.run(&running).await, world.run(&waiting).await);
        let assignment = agent.begin().await;
        assert_eq!(assignment.fence.execution, running.id);

        let reference = Reference::Id(agent.id);
        let revoked = world.services.agents.revoke(&reference).await.unwrap();
        assert_eq!(revoked.state, AgentState::Revoked);
        for id in [running.id, waiting.id] {
            let execution = world.services.executions.get(id).await.unwrap();
            assert_eq!(execution.state, ExecutionState::Failed);
            assert_eq!(execution.failure.unwrap().kind, FailureKind::AgentRevoked);
        }
        let identify = world.services.enrollment.identify(agent.id, &agent.presented(world)).await;
        assert_eq!(identify.unwrap_err().reason(), "AGENT_REVOKED");
        assert!(agent.claim().await.is_none(), "nothing is left that it could be given");
        let late = agent.fail(assignment.fence, FailureKind::ClientFailed).await;
        assert!(late.is_ok(), "that it failed is known already");
        let renewed = world.services.enrollment.renew(agent.id, b"x", issue(world.now())).await;
        assert_eq!(renewed.unwrap_err().reason(), "AGENT_REVOKED");
        world.services.agents.revoke(&reference).await.unwrap();
    }

    async fn sessions_count_up_and_heartbeats_are_saved_together(world: &World) {
        let (one, two) = (world.agent("one").await, world.agent("two").await);
        let sessions = &world.services.sessions;
        assert_eq!(sessions.open(one.id, opening("a", Some(TimeDelta::milliseconds(-1500)))).await.unwrap(), 1);
        assert_eq!(sessions.open(one.id, opening("a", None)).await.unwrap(), 2);
        world.advance(TimeDelta::seconds(30));
        sessions.heard(one.id, Some(TimeDelta::seconds(2)));
        sessions.heard(two.id, None);
        assert_eq!(sessions.save_heard().await.unwrap(), 2);
        assert_eq!(sessions.save_heard().await.unwrap(), 0);
        let found = world.services.agents.get(&Reference::Id(one.id)).await.unwrap();
        assert_eq!(found.last_seen_at, Some(world.now()));
        assert_eq!(found.clock_skew, Some(TimeDelta::seconds(2)));
        assert_eq!(found.session_epoch, 2);
        assert_eq!(found.facts.version, "0.1.0");
    }
}
