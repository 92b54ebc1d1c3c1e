//! `dataguardian-agent doctor`: what this host has for backups, and what it lacks.

use std::collections::BTreeSet;

use dataguardian_agent::config::AgentConfig;
use dataguardian_agent::engines::clients::ClientSearch;
use dataguardian_agent::engines::engine::{DatabaseEngine as _, RealEngines};
use dataguardian_agent::propose::on_this_host;
use dataguardian_core::engine::Engine;

use crate::ConfigArgs;

/// Looks, and says it. Fails if there is nothing to back up with.
pub(crate) async fn look(args: &ConfigArgs) -> anyhow::Result<()> {
    let config = AgentConfig::load(args.config.as_deref())?;
    let search = ClientSearch {
        directories: config.client_directories,
        only_these: false,
    };
    let found = RealEngines::default().clients(&search).await;
    let servers = on_this_host().await;
    for engine in [Engine::Postgres, Engine::MySql, Engine::MariaDb] {
        let mut of_engine = found.iter().filter(|(of, _)| *of == engine).peekable();
        if of_engine.peek().is_some() {
            println!("{} client programs:", engine.product());
        }
        for (_, client) in of_engine {
            println!("  {:<10} {}", client.version, client.dir.display());
        }
    }
    let with_clients: BTreeSet<Engine> = found.iter().map(|(engine, _)| *engine).collect();
    if !servers.is_empty() {
        println!(
            "Database servers that listen here (`dataguardian-agent propose` shows how to back them up):"
        );
    }
    for server in &servers {
        let lacking = match with_clients.contains(&server.engine) {
            true => "",
            false => "   its client programs are missing",
        };
        println!("  {:<10} {}{lacking}", server.engine.product(), server.word());
    }
    anyhow::ensure!(
        !found.is_empty(),
        "no client programs were found: install those of the server's kind and version, such as `apt-get install postgresql-client` \
         or `mariadb-client`, or name their folder in client_directories of agent.toml"
    );
    Ok(())
}
