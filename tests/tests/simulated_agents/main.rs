//! Many simulated agents against one real control plane, under random faults: whatever happens, the invariants hold.
//!
//! The agents run the real session and runner, each with a certificate and a state directory of its own; only their servers
//! are none ([`engine`]). Faults: agents are killed and stopped and come back; connections are cut, stalled and half-opened;
//! the control plane is killed; dumps are slow, fail or hang; people cancel. The seed is printed, and can be set
//! (`DATAGUARDIAN_TEST_SEED`): it gives the same faults, though not the same timing.
//!
//! ```text
//! cd tests && DATAGUARDIAN_TEST_SIMULATED_AGENTS=200 DATAGUARDIAN_TEST_SIMULATION_SECONDS=600 \
//!     cargo test --workspace --test simulated_agents -- --nocapture
//! ```

mod agent;
mod engine;
mod site;
mod work;
mod world;

use std::time::Duration;

use anyhow::Result;
use dataguardian_tests::setting;

use world::{Scale, World};

#[tokio::test(flavor = "multi_thread")]
async fn the_invariants_hold_under_random_faults() -> Result<()> {
    let seed = setting::number("DATAGUARDIAN_TEST_SEED")?.unwrap_or_else(rand::random);
    let agents = setting::number("DATAGUARDIAN_TEST_SIMULATED_AGENTS")?.unwrap_or(40);
    let scale = Scale {
        agents: usize::try_from(agents)?,
        lasting: setting::seconds("DATAGUARDIAN_TEST_SIMULATION_SECONDS", Duration::from_secs(30))?,
        seed,
    };
    println!("{scale:?}; again with DATAGUARDIAN_TEST_SEED={seed}");
    let mut world = Box::pin(World::set(scale)).await?;
    let lived = Box::pin(world.live()).await;
    world.report(&lived)?;
    lived
}
