//! What Prometheus reads, and the files of `examples/` that are made for it.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dataguardian_proto::v1;
use dataguardian_proto::v1::datasource_service_client::DatasourceServiceClient;
use dataguardian_proto::v1::job_service_client::JobServiceClient;
use dataguardian_tests::cache;
use prometheus_parse::{Scrape, Value};
use regex::Regex;

use crate::raw::get;
use crate::scene::Scene;

/// However much there is, a scrape stays below this.
const MOST_SERIES: usize = 10_000;

fn examples(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples")
        .join(path)
}

fn parse(text: &str) -> Scrape {
    Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).unwrap()
}

fn series(text: &str) -> usize {
    text.lines().filter(|line| !line.starts_with('#')).count()
}

/// What Prometheus's own tool says to these words, with that on its standard input.
fn promtool(words: &[&str], input: &str) -> String {
    let mut running = Command::new(cache::part("promtool").unwrap())
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    running.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let ended = running.wait_with_output().unwrap();
    let said = [ended.stdout, ended.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    // Status 3 is its opinion on names.
    assert!(matches!(ended.status.code(), Some(0 | 3)), "{words:?}: {said}");
    said
}

/// Jobs on datasources of their own, ten on each.
async fn many_jobs(scene: &Scene, jobs: usize) {
    let mut datasources = DatasourceServiceClient::new(scene.admin.clone());
    let mut client = JobServiceClient::new(scene.admin.clone());
    for number in 0..jobs {
        let source = format!("db-{}", number / 10);
        if number % 10 == 0 {
            let datasource = v1::CreateDatasourceRequest {
                name: source.clone(),
                engine: v1::Engine::Postgres.into(),
                agent: "db1".to_owned(),
                host: "localhost".to_owned(),
                username: "backup".to_owned(),
                databases: Some(v1::DatabaseSelection {
                    selection: Some(v1::database_selection::Selection::All(v1::AllDatabases::default())),
                }),
                ..v1::CreateDatasourceRequest::default()
            };
            datasources.create_datasource(datasource).await.unwrap();
        }
        let job = v1::CreateJobRequest {
            name: format!("job-{number}"),
            datasource: source,
            storages: vec!["disk".to_owned()],
            ..v1::CreateJobRequest::default()
        };
        client.create_job(job).await.unwrap();
    }
}

#[tokio::test]
async fn a_thousand_jobs_make_a_scrape_that_parses_and_stays_small() {
    let scene = Scene::set().await;
    many_jobs(&scene, 1000).await;
    // Figures may be some seconds old: those of the last scrape must not be what is looked at.
    let text = get(&scene.server, "/metrics", "").await.text();
    let scrape = parse(&text);
    let of = |name: &str| {
        let samples = scrape.samples.iter().filter(|sample| sample.metric == name);
        samples.collect::<Vec<_>>()
    };
    for name in [
        "dataguardian_job_last_success_age_seconds",
        "dataguardian_job_last_verified_age_seconds",
    ] {
        let ages = of(name);
        assert_eq!(ages.len(), 1001, "{name}");
        let ours = ages
            .iter()
            .find(|age| age.labels.get("job") == Some("job-999"))
            .unwrap();
        assert_eq!(ours.labels.get("datasource"), Some("db-99"));
        assert!(matches!(ours.value, Value::Gauge(age) if age > 0.0), "{ours:?}");
    }
    assert_eq!(of("dataguardian_datasource_backup_age_seconds").len(), 101);
    let unprotected = of("dataguardian_datasources");
    let unprotected = unprotected
        .iter()
        .find(|one| one.labels.get("state") == Some("unprotected"));
    assert_eq!(unprotected.unwrap().value, Value::Gauge(101.0));
    let depths = of("dataguardian_queue_depth");
    assert_eq!(
        depths.len(),
        3,
        "one for each kind, also where nothing waits: {depths:?}"
    );
    assert!(matches!(
        of("dataguardian_rpc_seconds")[0].value,
        Value::Histogram(_)
    ));
    assert!(series(&text) < MOST_SERIES, "{} series", series(&text));
    assert!(!text.contains("otel_"), "{text}");
    println!("{} series with 1,000 jobs", series(&text));
    promtool(&["check", "metrics"], &text);
}

#[tokio::test]
async fn a_job_that_is_gone_is_gone_from_the_metrics() {
    let scene = Scene::set().await;
    let request = v1::DeleteJobRequest {
        job: "nightly".to_owned(),
    };
    let mut jobs = JobServiceClient::new(scene.admin.clone());
    let before = get(&scene.server, "/metrics", "").await.text();
    assert!(before.contains("job=\"nightly\""), "{before}");
    jobs.delete_job(request).await.unwrap();
    let gone = async {
        while get(&scene.server, "/metrics", "")
            .await
            .text()
            .contains("job=\"nightly\"")
        {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    let waited = tokio::time::timeout(std::time::Duration::from_secs(30), gone).await;
    waited.expect("it is gone with the next figures");
}

#[tokio::test]
async fn dashboards_and_alerts_name_only_what_there_is() {
    let mut scene = Scene::set().await;
    // Whatever is counted has happened once.
    let execution = scene.run_job().await;
    let offer = scene.offer().await;
    scene.accept(&offer).await;
    scene.watch_running(&execution.id).await;
    scene.complete(&offer, crate::scene::failure()).await;
    let known = async {
        loop {
            let scrape = parse(&get(&scene.server, "/metrics", "").await.text());
            let known: BTreeSet<String> = scrape.samples.into_iter().map(|sample| sample.metric).collect();
            // Sampled after a moment, counted when the execution has ended.
            if ["dataguardian_load1", "dataguardian_executions_total"]
                .iter()
                .all(|name| known.contains(*name))
            {
                return known;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let known = tokio::time::timeout(std::time::Duration::from_secs(20), known)
        .await
        .unwrap();
    let name = Regex::new(r"dataguardian_[a-z0-9_]+").unwrap();
    for file in ["grafana/dashboard.json", "prometheus/alerts.yml"] {
        let text = std::fs::read_to_string(examples(file)).unwrap();
        let named: BTreeSet<&str> = name.find_iter(&text).map(|found| found.as_str()).collect();
        assert!(named.len() > 5, "{file}: {named:?}");
        for name in named {
            let plain = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|suffix| name.strip_suffix(suffix))
                .unwrap_or(name);
            // Only completed executions have these, and the tally of those that failed is beside them.
            let completed = name.starts_with("dataguardian_execution_") && name.ends_with("_bytes_total");
            assert!(
                completed || known.contains(plain),
                "{file} names {name}, which there is not"
            );
        }
    }
    let dashboard = std::fs::read_to_string(examples("grafana/dashboard.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() > 5);
}

#[test]
fn prometheus_takes_the_alerts_and_the_configuration() {
    let path = |file: &str| examples(file).display().to_string();
    let said = promtool(&["check", "rules", &path("prometheus/alerts.yml")], "");
    assert!(said.contains("SUCCESS"), "{said}");
    let said = promtool(
        &[
            "check",
            "config",
            "--syntax-only",
            &path("prometheus/prometheus.yml"),
        ],
        "",
    );
    assert!(said.contains("SUCCESS"), "{said}");
    let said = promtool(&["test", "rules", &path("prometheus/alerts_test.yml")], "");
    assert!(said.contains("SUCCESS"), "{said}");
}
