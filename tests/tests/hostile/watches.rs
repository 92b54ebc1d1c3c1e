//! Ten thousand watches, of somebody who is signed in and of somebody who is not.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dataguardian_proto::v1;
use dataguardian_proto::v1::execution_service_client::ExecutionServiceClient;
use futures::future::join_all;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use crate::scene::{Scene, reason};

/// Connections, and the streams that one of them may have.
const CONNECTIONS: usize = 80;
const STREAMS: usize = 125;
/// What one user may have.
const ALLOWED: usize = 256;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_watches_are_bounded_and_hold_nobody_up() -> Result<()> {
    let mut scene = Scene::set().await?;
    let execution = waiting_execution(&mut scene)?;
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        channels.push(scene.connect().await?);
    }
    let watches = channels
        .iter()
        .flat_map(|channel| std::iter::repeat_n(channel, STREAMS))
        .map(|channel| watch(&scene, channel, &execution));
    let (mut open, mut refused) = (Vec::new(), 0);
    for watch in join_all(watches).await {
        match watch {
            Ok(stream) => open.push(stream),
            Err(status) => {
                let told = ["TOO_MANY_STREAMS", "TOO_MANY_CALLS"];
                ensure!(told.contains(&reason(&status).as_str()), "{status:?}");
                refused += 1;
            }
        }
    }
    ensure!(open.len() == ALLOWED, "{} are open", open.len());
    ensure!(
        refused == CONNECTIONS * STREAMS - ALLOWED,
        "{refused} were refused"
    );
    scene.others_are_served().await?;
    for stream in &mut open {
        stream.message().await?.context("the execution as it is")?;
    }
    // A change reaches all of them, and others meanwhile.
    let cancelled = ["execution", "cancel", &execution];
    scene.system.dgctl(&cancelled).succeed()?;
    for stream in &mut open {
        let changed = tokio::time::timeout(Duration::from_secs(20), stream.message()).await;
        changed.context("the change came in time")??;
    }
    scene.others_are_served().await?;
    // Whoever ends one may open another.
    drop(open);
    let again = async {
        while watch(&scene, &channels[0], &execution).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), again)
        .await
        .context("streams that ended are free again")?;
    scene.memory_is_bounded()?;
    scene.system.check_invariants()
}

async fn watch(
    scene: &Scene,
    channel: &Channel,
    id: &str,
) -> Result<Streaming<v1::WatchExecutionResponse>, Status> {
    let request = v1::WatchExecutionRequest { id: id.to_owned() };
    let mut executions = ExecutionServiceClient::new(channel.clone());
    let answer = executions.watch_execution(scene.signed(request)).await?;
    Ok(answer.into_inner())
}

/// An execution that waits for an agent that is not there.
fn waiting_execution(scene: &mut Scene) -> Result<String> {
    let system = &mut scene.system;
    system.add_datasource_at("main", 1, "nobody", "secret", &["shop"])?;
    system.add_job("main", &[])?;
    system.agent.program().stop()?;
    system.start_job("main")
}
