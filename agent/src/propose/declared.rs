//! The proposal as a file for `dgctl apply`, with what is to be done before it in comments. Pure.

use std::path::PathBuf;

use dataguardian_core::engine::Engine;
use dataguardian_core::name::MAX_NAME_LENGTH;

use super::FoundServer;

/// What the longest name of a server takes, such as `-postgres-65535`.
const ROOM: usize = 15;

/// What a host could back up.
#[derive(Debug)]
pub struct Proposal {
    /// The agent's name.
    pub agent: String,
    /// How this program is called here.
    pub program: String,
    /// The servers.
    pub servers: Vec<FoundServer>,
    /// Those engines' client programs that are missing here.
    pub clients_missing: Vec<Engine>,
    /// The folder of the first local storage.
    pub storage_dir: PathBuf,
    /// Whether the agent may write there already.
    pub storage_is_ready: bool,
    /// The host's time zone, by its IANA name.
    pub timezone: String,
}

impl Proposal {
    /// The file.
    pub fn text(&self) -> String {
        let mut text = self.steps();
        let (agent, storage) = (quoted(&self.agent), format!("{}-disk", self.stem()));
        let folder = quoted(&self.storage_dir.display().to_string());
        text += &format!(
            "\nstorages:\n  - name: {}\n    local:\n      agent: {agent}\n      path: {folder}\n",
            quoted(&storage)
        );
        text += "\ndatasources:\n";
        for server in &self.servers {
            text += &self.datasource(server);
        }
        text += "\njobs:\n";
        for server in &self.servers {
            text += &self.job(server, &storage);
        }
        text
    }

    /// What datasource and job are called: unlike those of other hosts.
    fn name(&self, server: &FoundServer) -> String {
        quoted(&format!("{}-{}", self.stem(), server.name()))
    }

    /// The agent's name, with room behind it for what makes a name of it.
    fn stem(&self) -> &str {
        let end = self.agent.len().min(MAX_NAME_LENGTH - ROOM);
        let stem = self.agent.get(..end).unwrap_or(&self.agent);
        stem.trim_end_matches(|c: char| !c.is_ascii_alphanumeric())
    }

    fn datasource(&self, server: &FoundServer) -> String {
        let mut text = format!(
            "  - name: {}\n    engine: {}\n    agent: {}\n    host: {}\n    port: {}\n    username: {}\n",
            self.name(server),
            server.engine,
            quoted(&self.agent),
            quoted(&server.host()),
            server.port(),
            server.user()
        );
        if !server.needs_no_password() {
            text += &format!("    credential_ref: {}\n", server.name());
        }
        text + "    databases:\n      all: {}\n"
    }

    fn job(&self, server: &FoundServer, storage: &str) -> String {
        let (name, timezone) = (self.name(server), quoted(&self.timezone));
        format!(
            "  - name: {name}\n    datasource: {name}\n    storages: [{}]\n    schedule:\n      cron: \"30 2 * * *\"\n      \
             timezone: {timezone}\n      jitter: 30m\n    retention:\n      gfs:\n        keep_daily: 7\n        \
             keep_weekly: 4\n        keep_monthly: 12\n      timezone: {timezone}\n",
            quoted(storage)
        )
    }

    /// What comes before it, as comments.
    fn steps(&self) -> String {
        let mut lines = Lines::default();
        let count = self.servers.len();
        let servers = if count == 1 {
            "one database server"
        } else {
            "database servers"
        };
        lines.say(&format!(
            "A proposal of agent {}, which found {servers} on its host. Nothing was changed there. On that host:",
            self.agent
        ));
        for engine in &self.clients_missing {
            lines.step(&format!(
                "{} needs its client programs, of the server's version or newer:",
                engine.product()
            ));
            lines.command(&format!("sudo apt-get install {}", package(*engine)));
        }
        for server in &self.servers {
            let whose = match server.needs_no_password() {
                true => "the server knows it by the agent's own user (peer authentication)",
                false => "its password is made here, and stays here",
            };
            lines.step(&format!(
                "A user of {} at {} that reads everything and changes nothing; {whose}:",
                server.engine.product(),
                server.word()
            ));
            lines.command(&format!(
                "sudo {} backup-user {} | {}",
                self.program,
                server.word(),
                client(server)
            ));
        }
        if !self.storage_is_ready {
            let folder = self.storage_dir.display();
            lines.step("A folder for backups:");
            lines.command(&format!("sudo {} install --storage-dir {folder}", self.program));
        }
        lines.step("So that the agent reads its settings again:");
        lines.command("sudo systemctl restart dataguardian-agent");
        lines.say("");
        lines.say(
            "Then look this file over, and where dgctl is set up: dgctl apply -f FILE --dry-run, and without --dry-run. What is lost \
             with this host is lost with its disk too: add a bucket (dgctl storage create s3) to the jobs' storages.",
        );
        lines.text
    }
}

/// Comments.
#[derive(Default)]
struct Lines {
    text: String,
    steps: usize,
}

impl Lines {
    const WIDTH: usize = 110;

    fn step(&mut self, words: &str) {
        self.steps += 1;
        self.say("");
        self.say(&format!("{}. {words}", self.steps));
    }

    /// A command stays on one line.
    fn command(&mut self, words: &str) {
        self.text += &format!("#      {words}\n");
    }

    fn say(&mut self, words: &str) {
        let mut line = String::from("#");
        for word in words.split_whitespace() {
            if line.len() + 1 + word.len() > Self::WIDTH {
                self.text += &line;
                self.text.push('\n');
                line = String::from("#");
            }
            line.push(' ');
            line += word;
        }
        self.text += &line;
        self.text.push('\n');
    }
}

fn package(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => "postgresql-client",
        Engine::MySql => "mysql-client",
        Engine::MariaDb => "mariadb-client",
    }
}

/// Who takes the statements, as the ruler of that server.
fn client(server: &FoundServer) -> String {
    let port = server.port();
    let elsewhere = port != server.engine.default_port();
    match server.engine {
        Engine::Postgres => {
            let port = if elsewhere {
                format!(" -p {port}")
            } else {
                String::new()
            };
            format!("sudo -u postgres psql -X -v ON_ERROR_STOP=1{port}")
        }
        Engine::MySql | Engine::MariaDb => {
            let program = if server.engine == Engine::MySql {
                "mysql"
            } else {
                "mariadb"
            };
            match elsewhere {
                true => format!(
                    "sudo {program} --host={} --port={port} --user=root -p",
                    server.host()
                ),
                false => format!("sudo {program}"),
            }
        }
    }
}

/// A text in quotes, as JSON has it and YAML takes it.
fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use dataguardian_core::name::ResourceName;

    use super::super::Place;
    use super::*;

    #[test]
    fn a_host_with_every_kind_of_server() {
        let tcp = |engine, port| FoundServer {
            engine,
            place: Place::Tcp {
                host: "127.0.0.1".to_owned(),
                port,
            },
        };
        let socket = FoundServer {
            engine: Engine::Postgres,
            place: Place::PostgresSocket {
                folder: "/run/postgresql".into(),
                port: 5433,
            },
        };
        let proposal = Proposal {
            agent: "db1".to_owned(),
            program: "/usr/bin/dataguardian-agent".to_owned(),
            servers: vec![
                tcp(Engine::Postgres, 5432),
                socket,
                tcp(Engine::MySql, 3306),
                tcp(Engine::MariaDb, 3307),
            ],
            clients_missing: vec![Engine::MariaDb],
            storage_dir: "/srv/backups".into(),
            storage_is_ready: false,
            timezone: "Europe/Berlin".to_owned(),
        };
        insta::assert_snapshot!(proposal.text());
        let longest = Proposal {
            agent: format!("{}-{}", "a".repeat(47), "b".repeat(15)),
            ..proposal
        };
        for server in &longest.servers {
            let name = longest.name(server);
            assert!(name.trim_matches('"').parse::<ResourceName>().is_ok(), "{name}");
        }
    }
}
