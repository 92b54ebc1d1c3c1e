//! How a datasource's connection becomes one that can be opened: what only its host knows is filled in there.
//!
//! A password in a file of the host never leaves it, and a connection service is the database administrator's to change. The
//! control plane knows no more than their names. A password may be bound to servers, so that whoever rules the control plane
//! can't have it sent elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use dataguardian_core::engine::Engine;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::secret::Secret;
use dataguardian_core::target::{ConnectionTarget, TlsMode};
use serde::Deserialize;

use crate::config::AgentConfig;

/// The longest file with a password, in bytes.
const LONGEST_PASSWORD_FILE: u64 = 4096;
/// The longest file with services, in bytes.
const LONGEST_SERVICE_FILE: u64 = 1 << 20;

/// A password that is kept on the host.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialConfig {
    /// The file with the password, which nobody but its owner may read. One line break at its end does not count.
    pub password_file: PathBuf,
    /// The only servers that it is given to, as `host:port` or a socket directory; with none given, any.
    #[serde(default)]
    pub servers: BTreeSet<String>,
}

impl AgentConfig {
    /// The connection with its service and its password, if the host's owner allows it.
    pub fn admit(&self, target: ConnectionTarget) -> Result<ConnectionTarget, Failure> {
        let mut target = self.with_service(target)?;
        self.permit_database(&target)?;
        if let Some(name) = target.credential_ref.clone() {
            target.password = Some(self.password(&name, &target)?);
        }
        Ok(target)
    }

    /// What the service says goes before what the datasource says.
    fn with_service(&self, mut target: ConnectionTarget) -> Result<ConnectionTarget, Failure> {
        let Some(name) = target.service.clone() else {
            return Ok(target);
        };
        if target.engine != Engine::Postgres {
            return Err(unusable(format!(
                "{} knows no connection services",
                target.engine.product()
            )));
        }
        let files = self.service_files();
        let mut service = None;
        for file in &files {
            let Some(text) = read_if_there(file, LONGEST_SERVICE_FILE)? else {
                continue;
            };
            service = read_service(&text, &name).map_err(|line| {
                unusable(format!(
                    "line {line} of the service file {} can't be read",
                    file.display()
                ))
            })?;
            if service.is_some() {
                break;
            }
        }
        let service = service.ok_or_else(|| {
            let looked_at: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
            unusable(format!(
                "there is no connection service {name} in {}",
                looked_at.join(", ")
            ))
        })?;
        apply(&service, &mut target)
            .map_err(|message| unusable(format!("connection service {name}: {message}")))?;
        Ok(target)
    }

    /// Where services are looked for: in the file that the configuration names, or where `psql` looks.
    fn service_files(&self) -> Vec<PathBuf> {
        if let Some(named) = &self.service_file {
            return vec![named.clone()];
        }
        let from_environment = |name| std::env::var_os(name).map(PathBuf::from);
        let of_user = from_environment("PGSERVICEFILE")
            .or_else(|| Some(from_environment("HOME")?.join(".pg_service.conf")));
        let of_system = from_environment("PGSYSCONFDIR")
            .unwrap_or_else(|| PathBuf::from("/etc/postgresql-common"))
            .join("pg_service.conf");
        of_user.into_iter().chain([of_system]).collect()
    }

    fn password(&self, name: &str, target: &ConnectionTarget) -> Result<Secret, Failure> {
        let Some(credential) = self.credentials.get(name) else {
            return Err(unusable(format!(
                "agent.toml names no credential {name}: add [credentials.{name}] with its password_file"
            )));
        };
        if !credential.servers.is_empty() && !names(&credential.servers, target) {
            return Err(Failure::new(
                FailureKind::AgentPolicy,
                format!(
                    "credential {name} is not for {}:{}: [credentials.{name}] in agent.toml names its servers",
                    target.host, target.port
                ),
            ));
        }
        let path = &credential.password_file;
        let at = |what: &str| unusable(format!("the password file {} {what}", path.display()));
        let file = fs::File::open(path).map_err(|error| unreadable(path, &error))?;
        let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(at(&format!(
                "can be read by others (mode {mode:03o}): run `chmod 600` on it"
            )));
        }
        let text = read(file, path, LONGEST_PASSWORD_FILE)?;
        let password = text.strip_suffix('\n').unwrap_or(&text);
        let password = password.strip_suffix('\r').unwrap_or(password);
        if password.is_empty() {
            return Err(at("is empty"));
        }
        Ok(Secret::new(password))
    }
}

/// Whether a set of servers names the one that is connected to.
pub(crate) fn names(servers: &BTreeSet<String>, target: &ConnectionTarget) -> bool {
    servers.contains(&target.host) || servers.contains(&format!("{}:{}", target.host, target.port))
}

fn unusable(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::CredentialUnusable, message)
}

/// A small text file; none if it is not there.
fn read_if_there(path: &Path, longest: u64) -> Result<Option<String>, Failure> {
    match fs::File::open(path) {
        Ok(file) => read(file, path, longest).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn read(file: fs::File, path: &Path, longest: u64) -> Result<String, Failure> {
    let mut text = String::new();
    file.take(longest + 1)
        .read_to_string(&mut text)
        .map_err(|error| unreadable(path, &error))?;
    if text.len() as u64 > longest {
        return Err(unreadable(path, &format!("it is longer than {longest} bytes")));
    }
    Ok(text)
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    unusable(format!("{} can't be read: {error}", path.display()))
}

type Service = BTreeMap<String, String>;

/// One service of a file, none if it is not in it; a line that can't be read by its number.
/// (<https://www.postgresql.org/docs/current/libpq-pgservice.html>)
fn read_service(text: &str, name: &str) -> Result<Option<Service>, usize> {
    let mut found: Option<Service> = None;
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(section) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            let section = section.split_once(']').ok_or(at + 1)?.0;
            found = (section == name).then(Service::new);
        } else if let Some(service) = &mut found {
            let (key, value) = line.split_once('=').ok_or(at + 1)?;
            service.insert(key.to_owned(), value.to_owned());
        }
    }
    Ok(found)
}

fn apply(service: &Service, target: &mut ConnectionTarget) -> Result<(), String> {
    for (key, value) in service {
        match key.as_str() {
            "host" => target.host.clone_from(value),
            "port" => target.port = value.parse().map_err(|_| format!("port {value} is not a port"))?,
            "user" => target.username.clone_from(value),
            "password" => target.password = Some(Secret::new(value.clone())),
            "dbname" => target.maintenance_database = Some(value.clone()),
            "sslmode" => {
                target.tls = tls_mode(value).ok_or_else(|| format!("sslmode {value} is not known"))?
            }
            "sslrootcert" => target.tls_ca = Some(PathBuf::from(value)),
            // These change nothing about who is connected to, or how.
            "application_name" | "connect_timeout" | "client_encoding" | "fallback_application_name" => {}
            other => {
                return Err(format!(
                    "{other} is not supported here: take it out, or name host and user in the datasource"
                ));
            }
        }
    }
    if target.host.is_empty() {
        return Err("it names no host, and neither does the datasource".to_owned());
    }
    if target.username.is_empty() {
        return Err("it names no user, and neither does the datasource".to_owned());
    }
    Ok(())
}

fn tls_mode(word: &str) -> Option<TlsMode> {
    let word = if word == "allow" { "prefer" } else { word };
    TlsMode::ALL.into_iter().find(|mode| mode.as_str() == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> ConnectionTarget {
        ConnectionTarget {
            engine: Engine::Postgres,
            host: "db1".into(),
            port: 5432,
            username: "backup".into(),
            password: None,
            credential_ref: None,
            service: None,
            tls: TlsMode::Prefer,
            tls_ca: None,
            maintenance_database: None,
        }
    }

    fn config(text: &str) -> AgentConfig {
        toml::from_str(text).unwrap()
    }

    fn refused(config: &AgentConfig, target: ConnectionTarget) -> Failure {
        config.admit(target).unwrap_err()
    }

    #[test]
    fn a_password_is_read_on_the_host() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("shop");
        let config = config(&format!(
            "[credentials.shop]\npassword_file = {file:?}\nservers = [\"db1:5432\", \"/run/db\"]"
        ));
        let asking = || ConnectionTarget {
            credential_ref: Some("shop".into()),
            ..target()
        };
        assert!(refused(&config, asking()).message.contains("can't be read"));
        fs::write(&file, " p w\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(refused(&config, asking()).message.contains("chmod 600"));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let admitted = config.admit(asking()).unwrap();
        assert_eq!(admitted.password.unwrap().expose(), " p w");
        for (host, port, allowed) in [("db2", 5432, false), ("db1", 5433, false), ("/run/db", 1, true)] {
            let elsewhere = ConnectionTarget {
                host: host.into(),
                port,
                ..asking()
            };
            assert_eq!(config.admit(elsewhere).is_ok(), allowed, "{host}:{port}");
        }
        let unknown = ConnectionTarget {
            credential_ref: Some("other".into()),
            ..target()
        };
        let failure = refused(&config, unknown);
        assert_eq!(failure.kind, FailureKind::CredentialUnusable);
        assert!(failure.message.contains("[credentials.other]"), "{failure}");
        fs::write(&file, "\n").unwrap();
        assert!(refused(&config, asking()).message.contains("empty"));
    }

    #[test]
    fn a_service_says_where_to_connect() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("services");
        let text = "# ours\n[other]\nhost=elsewhere\n\n[shop]\nhost=/run/postgresql\nport=5433\nuser=dumper\n\
            password=a=b\ndbname=shop\nsslmode=verify-full\nsslrootcert=/etc/ca.pem\n[bent]\nport=many\n[short]\nport=1\n[odd]\nx\n";
        fs::write(&file, text).unwrap();
        let config = config(&format!("service_file = {file:?}"));
        let by = |service: &str| ConnectionTarget {
            service: Some(service.into()),
            host: String::new(),
            username: String::new(),
            ..target()
        };
        let admitted = config.admit(by("shop")).unwrap();
        assert_eq!((admitted.host.as_str(), admitted.port), ("/run/postgresql", 5433));
        assert_eq!(admitted.username, "dumper");
        assert_eq!(admitted.password.unwrap().expose(), "a=b");
        assert_eq!(admitted.maintenance_database.as_deref(), Some("shop"));
        assert_eq!(admitted.tls, TlsMode::VerifyFull);
        assert_eq!(admitted.tls_ca.as_deref(), Some(Path::new("/etc/ca.pem")));
        for (service, part) in [
            ("none", "no connection service none"),
            ("bent", "port many"),
            ("short", "no host"),
            ("odd", "line 18"),
        ] {
            let failure = refused(&config, by(service));
            assert_eq!(failure.kind, FailureKind::CredentialUnusable);
            assert!(failure.message.contains(part), "{failure}");
        }
        let mysql = ConnectionTarget {
            engine: Engine::MySql,
            ..by("shop")
        };
        assert!(refused(&config, mysql).message.contains("no connection services"));
    }

    #[test]
    fn what_a_service_names_must_be_allowed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("services");
        fs::write(&file, "[shop]\nhost=db9\n").unwrap();
        let config = config(&format!(
            "service_file = {file:?}\nallowed_databases = [\"db1:5432\"]"
        ));
        let by = ConnectionTarget {
            service: Some("shop".into()),
            ..target()
        };
        assert_eq!(refused(&config, by).kind, FailureKind::AgentPolicy);
        assert!(config.admit(target()).is_ok());
    }
}
