//! Two replicas over one metadata database: whichever is called, the agent is asked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dataguardian_control_plane::config::Config;
use dataguardian_core::secret::Secret;
use dataguardian_proto::agent::v1 as wire;
use dataguardian_proto::v1;
use dataguardian_proto::v1::datasource_service_client::DatasourceServiceClient;
use dataguardian_proto::v1::system_service_client::SystemServiceClient;
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::redis::RedisServer;
use wire::session_request::Message as Said;
use wire::session_response::Message as Heard;

use crate::agent::TestSession;
use crate::scene::Scene;
use crate::server::{Server, Signed, refused};

/// A scene on one replica, and another replica beside it.
struct Pair {
    scene: Scene,
    other: Server,
    /// The administrator at the other one.
    admin: Signed,
    _redis: Option<RedisServer>,
    database: Arc<Postgres>,
}

impl Pair {
    async fn start(with_redis: bool) -> Self {
        let database = Arc::new(Postgres::start(Version::V16).unwrap());
        database.create_database("metadata").unwrap();
        let redis = with_redis.then(|| RedisServer::start().unwrap());
        let key = hex::encode([7; 32]);
        let settings = |config: &mut Config| {
            config.database.url = Some(Secret::new(database.connection().url("metadata")));
            config.secrets.master_key = Some(Secret::new(key.clone()));
            config.queue.redis_url = redis.as_ref().map(|redis| Secret::new(redis.url()));
        };
        let scene = Box::pin(Scene::set_with(settings)).await;
        let other = Box::pin(Server::start_with(settings)).await;
        let admin = other.administrator_again(&other.ca_pem).await.unwrap();
        Self {
            scene,
            other,
            admin,
            _redis: redis,
            database,
        }
    }
}

async fn discover(admin: Signed) -> Result<v1::DiscoverDatabasesResponse, tonic::Status> {
    let request = v1::DiscoverDatabasesRequest {
        datasource: "shop".to_owned(),
    };
    let mut datasources = DatasourceServiceClient::new(admin);
    Ok(datasources.discover_databases(request).await?.into_inner())
}

/// Answers the next question as an agent would; gives the password that came with it.
async fn answer(session: &mut TestSession) -> String {
    loop {
        let Some(Heard::Question(asked)) = session.next().await.unwrap() else {
            continue;
        };
        let Some(wire::question::Question::DiscoverDatabases(discover)) = asked.question else {
            panic!("another question was asked");
        };
        let found = v1::DiscoverDatabasesResponse {
            databases: vec![v1::DiscoveredDatabase {
                name: "crm".to_owned(),
                ..v1::DiscoveredDatabase::default()
            }],
        };
        let answer = wire::Answer {
            request_id: asked.request_id,
            answer: Some(wire::answer::Answer::DiscoverDatabases(found)),
        };
        session.say(Said::Answer(answer)).await;
        return discover.connection.unwrap().password;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_without_the_session_has_the_other_one_ask() {
    for with_redis in [true, false] {
        let Pair {
            mut scene,
            other,
            admin,
            _redis,
            database,
        } = Box::pin(Pair::start(with_redis)).await;
        let began = Instant::now();
        let (found, password) = tokio::join!(discover(admin), answer(&mut scene.session));
        assert_eq!(found.unwrap().databases[0].name, "crm");
        assert_eq!(password, "s3cret");
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        // Nothing of it stays behind.
        let left = database
            .psql("metadata", "SELECT count(*) FROM agent_requests")
            .unwrap();
        assert_eq!(left, "0");
        other.stop().await;
        scene.server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_with_no_replica_is_not_connected() {
    let Pair {
        scene,
        other,
        admin,
        _redis,
        database: _database,
    } = Box::pin(Pair::start(true)).await;
    drop(scene.session);
    // The first replica may take a moment to see the stream's end; what it took meanwhile it gives back.
    let error = refused(discover(admin).await);
    assert_eq!(error.reason, "AGENT_NOT_CONNECTED", "{error:?}");
    other.stop().await;
    scene.server.stop().await;
}

/// The agents and replicas that the dashboard shows at one replica, each with the replica that tells of it.
async fn machines(admin: &Signed) -> Vec<(String, String)> {
    let request = v1::GetDashboardRequest { history_size: 2 };
    let answer = SystemServiceClient::new(admin.clone())
        .get_dashboard(request)
        .await
        .unwrap();
    let nodes = answer.into_inner().performance.into_iter();
    nodes.map(|node| (node.agent, node.replica_id)).collect()
}

async fn replica_id(admin: &Signed) -> String {
    let request = v1::GetSystemInfoRequest {};
    let answer = SystemServiceClient::new(admin.clone())
        .get_system_info(request)
        .await
        .unwrap();
    answer.into_inner().replica_id
}

#[tokio::test(flavor = "multi_thread")]
async fn every_replica_shows_the_machines_of_all() {
    for with_redis in [true, false] {
        let pair = Box::pin(Pair::start(with_redis)).await;
        pair.scene.session.say(crate::dashboard::told(0..5)).await;
        let first = replica_id(&pair.scene.admin).await;
        let second = replica_id(&pair.admin).await;
        let agent = ("db1".to_owned(), first.clone());
        let own = |replica: &str| (String::new(), replica.to_owned());
        let wanted = [
            vec![own(&first), own(&second), agent.clone()],
            vec![own(&second), own(&first), agent],
        ];
        let patience = Duration::from_secs(20);
        let began = Instant::now();
        for (admin, wanted) in [&pair.scene.admin, &pair.admin].into_iter().zip(wanted) {
            while machines(admin).await != wanted {
                assert!(began.elapsed() < patience, "{:?}", machines(admin).await);
            }
        }
        // One that left is asked no more.
        pair.other.stop().await;
        let alone = [own(&first), ("db1".to_owned(), first.clone())];
        assert_eq!(machines(&pair.scene.admin).await, alone);
        pair.scene.server.stop().await;
    }
}
