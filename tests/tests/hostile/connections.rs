//! Ten thousand connections that say nothing, or half of what begins a handshake.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use crate::scene::Scene;

const CONNECTIONS: usize = 10_000;
/// Of this host, so that no share of one address protects the others.
const ADDRESSES: usize = 50;
/// How long it goes on.
const STORM: Duration = Duration::from_secs(15);
/// When whoever was hung up on comes again.
const AGAIN: Duration = Duration::from_secs(2);
/// The head of a TLS record and nothing of what it announces.
const HALF_A_HELLO: [u8; 5] = [0x16, 0x03, 0x01, 0x02, 0x00];

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_half_open_connections_keep_nobody_out() -> Result<()> {
    let scene = Arc::new(Scene::set().await?);
    let until = Instant::now() + STORM;
    let mut storm = JoinSet::new();
    for number in 0..CONNECTIONS {
        storm.spawn(hold_on(Arc::clone(&scene), number, until));
    }
    let mut served = 0;
    while Instant::now() < until {
        scene.others_are_served().await?;
        served += 1;
    }
    assert!(served > 3, "others were served {served} times");
    storm.abort_all();
    while storm.join_next().await.is_some() {}
    let mut scene = Arc::into_inner(scene).expect("the storm is over");
    scene.memory_is_bounded()
}

/// Comes, and comes again after a moment whenever it is hung up on.
async fn hold_on(scene: Arc<Scene>, number: usize, until: Instant) {
    let [_, _, _, last] = u32::try_from(2 + number % ADDRESSES).unwrap_or(2).to_be_bytes();
    while Instant::now() < until {
        if let Ok(mut stream) = scene.connect_from(Ipv4Addr::new(127, 0, 1, last)).await {
            let says = match number.is_multiple_of(2) {
                true => &HALF_A_HELLO[..],
                false => &[],
            };
            if stream.write_all(says).await.is_ok() {
                // Until the other side hangs up.
                let _hung_up = stream.read_to_end(&mut Vec::new()).await;
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}
