use prost::Message as _;

use dataguardian_proto::v1;

use crate::raw::{get, post};
use crate::server::Server;

#[tokio::test]
async fn health_is_open_and_says_nothing_more() {
    let server = Server::start().await;
    let answer = get(&server, "/health", "").await;
    assert_eq!(
        (answer.status, answer.json()),
        (200, serde_json::json!({ "status": "ok" }))
    );
}

#[tokio::test]
async fn the_full_report_needs_a_token() {
    let server = Server::start().await;
    let token = server.set_up().await.api_token;
    assert_eq!(get(&server, "/api/health", "").await.status, 401);
    assert_eq!(
        get(&server, "/api/health", "authorization: Bearer dg_x_y\r\n")
            .await
            .status,
        401
    );
    let answer = get(
        &server,
        "/api/health",
        &format!("authorization: Bearer {token}\r\n"),
    )
    .await;
    assert_eq!(answer.status, 200);
    let report = answer.json();
    assert_eq!(
        report["database"],
        serde_json::json!({ "backend": "sqlite", "online": true })
    );
    assert_eq!(
        report["agents"],
        serde_json::json!({ "connected": 0, "known": 0 })
    );
    assert_eq!(
        report["storages"],
        serde_json::json!({ "count": 0, "unreachable": 0 })
    );
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    assert!(report["uptime_seconds"].is_u64(), "{report}");
    let loops: Vec<_> = report["reconcilers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    for name in [
        "scheduler",
        "backup",
        "restore",
        "expire_leases",
        "deliver_cancels",
        "save_reports",
        "retention",
        "cleanup",
    ] {
        assert!(loops.contains(&name), "{name} is not in {loops:?}");
    }
    for worker in report["workers"].as_array().unwrap() {
        assert_eq!(worker["state"], "running", "{worker}");
        assert!(worker["reason"].is_null(), "{worker}");
    }
    assert_eq!(report["queue"]["backend"], "embedded");
    assert_eq!(report["queue"]["online"], true);
}

#[tokio::test]
async fn metrics_are_there_from_loopback_and_no_token_makes_up_for_a_wrong_one() {
    let server = Server::start().await;
    get(&server, "/health", "").await;
    let answer = get(&server, "/metrics", "").await;
    assert_eq!(answer.status, 200);
    assert!(
        answer.text().contains("dataguardian_agents_connected 0"),
        "{}",
        answer.text()
    );
    assert_eq!(
        get(&server, "/metrics", "authorization: Bearer wrong\r\n")
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn unknown_paths_are_answered_in_the_callers_language() {
    let server = Server::start().await;
    assert_eq!(get(&server, "/nothing", "").await.status, 404);
    let answer = post(
        &server,
        "/no.such.Service/Method",
        "content-type: application/grpc-web\r\n",
        &[],
    )
    .await;
    assert!(
        answer.head.contains("grpc-status: 12") || answer.text().contains("grpc-status:12"),
        "{}",
        answer.head
    );
}

#[tokio::test]
async fn a_browser_calls_over_http_1_with_grpc_web() {
    let server = Server::start().await;
    let token = server.set_up().await.api_token;
    let message = v1::WhoAmIRequest {}.encode_to_vec();
    let mut body = vec![0];
    body.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
    body.extend_from_slice(&message);
    let headers = format!(
        "content-type: application/grpc-web+proto\r\nx-grpc-web: 1\r\nauthorization: Bearer {token}\r\n"
    );
    let answer = post(&server, "/dataguardian.v1.AuthService/WhoAmI", &headers, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert_eq!(answer.body[0], 0, "a message comes first");
    let length = u32::from_be_bytes(answer.body[1..5].try_into().unwrap()) as usize;
    let who = v1::WhoAmIResponse::decode(&answer.body[5..5 + length]).unwrap();
    assert_eq!(who.user.unwrap().username, "admin");
    let trailers = String::from_utf8_lossy(&answer.body[5 + length..]).into_owned();
    assert!(trailers.contains("grpc-status:0"), "{trailers}");
}
