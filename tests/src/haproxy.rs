//! A real balancer before several replicas, as `examples/haproxy` sets it up.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::cache;
use crate::system::{Ports, Program};

/// The configuration that we recommend.
const EXAMPLE: &str = include_str!("../../examples/haproxy/haproxy.cfg");
/// The replicas in it.
const REPLICAS: [&str; 2] = ["192.0.2.11", "192.0.2.12"];

/// What a replica has to be told, so that it believes the balancer: in TOML. The balancer has an address of its own, since whoever is
/// trusted must always say for whom it speaks, and tests connect to replicas directly too.
pub const TRUSTED: &str =
    "[api]\ntrusted_proxies = [\"127.0.0.2/32\"]\n[agents]\ntrusted_proxies = [\"127.0.0.2/32\"]\n";

/// A balancer. Stopped when dropped.
#[derive(Debug)]
pub struct Haproxy {
    _program: Program,
    ports: Ports,
}

impl Haproxy {
    /// Starts one before two replicas that have certificates of that authority, on these ports.
    ///
    /// # Errors
    /// If the part is not installed or does not come up; with its log.
    pub fn start(folder: &Path, listens: Ports, replicas: [Ports; 2], ca: &Path) -> Result<Self> {
        let config = folder.join("haproxy.cfg");
        std::fs::write(&config, configured(listens, replicas, ca)?)?;
        let mut command = Command::new(cache::part("haproxy-2.6")?.join("sbin/haproxy"));
        command.arg("-db").arg("-f").arg(&config);
        let mut program = Program::start(command, &folder.join("haproxy.log"))?;
        program.wait_until("the balancer to listen", || {
            Ok(std::net::TcpStream::connect(("127.0.0.1", listens.api)).is_ok())
        })?;
        Ok(Self {
            _program: program,
            ports: listens,
        })
    }

    /// Where people and programs connect to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.ports.api)
    }
}

/// The example with the addresses of this test, and nothing else changed.
fn configured(listens: Ports, replicas: [Ports; 2], ca: &Path) -> Result<String> {
    let mut config = EXAMPLE.to_owned();
    let mut put = |from: &str, to: &str| {
        ensure!(config.contains(from), "the example has no {from} any more");
        config = config.replace(from, to);
        Ok(())
    };
    put("/etc/haproxy/dataguardian-ca.pem", &ca.display().to_string())?;
    put("default-server check", "default-server source 127.0.0.2 check")?;
    put("bind :8443", &format!("bind 127.0.0.1:{}", listens.api))?;
    put("bind :8444", &format!("bind 127.0.0.1:{}", listens.agents))?;
    for (name, ports) in REPLICAS.into_iter().zip(replicas) {
        put(
            &format!("{name}:8444 port 8443"),
            &format!("127.0.0.1:{} port {}", ports.agents, ports.api),
        )?;
        put(&format!("{name}:8443"), &format!("127.0.0.1:{}", ports.api))?;
    }
    Ok(config)
}
