//! The password of a backup user, which is made on the host and stays there: a private file, and its name in `agent.toml`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dataguardian_core::secret::Secret;
use nix::unistd::geteuid;
use rand::RngCore as _;

use super::FoundServer;
use crate::config::{AgentConfig, ConfigError, DEFAULT_PATH};

/// Random bytes in a password.
const LENGTH: usize = 24;

/// A password that this host has for a server.
#[derive(Debug)]
pub struct Credential {
    /// The name that datasources call it by.
    pub name: String,
    /// The password.
    pub password: Secret,
    /// The file that it is in.
    pub file: PathBuf,
    /// Whether it was made just now, so that a running agent does not know of it.
    pub is_new: bool,
}

/// A password can't be kept.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// A file can't be made, read or written.
    #[error("{} can't be used: run this as root, with sudo in front", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The configuration can't take another credential.
    #[error("[credentials.{name}] can't be added to {}, so nothing was changed; add it there by hand: {message}", path.display())]
    Config {
        /// The credential.
        name: String,
        /// The configuration.
        path: PathBuf,
        /// What is in the way.
        message: String,
    },
    /// The configuration that is there can't be used.
    #[error(transparent)]
    Unusable(#[from] ConfigError),
    /// A password that somebody else set.
    #[error(
        "the password in {} holds more than plain characters, so that its user is to be made by hand: `dgctl datasource test` tells \
         what that user lacks", .0.display()
    )]
    NotPlain(PathBuf),
}

impl Credential {
    /// The host's password for that server: the one that it has, or a new one.
    ///
    /// # Errors
    /// If it can't be read or kept.
    pub fn of(
        server: &FoundServer,
        config_path: Option<&Path>,
        state_dir: &Path,
    ) -> Result<Self, CredentialError> {
        let config = AgentConfig::load(config_path)?;
        let name = server.name();
        if let Some(known) = config.credentials.get(&name) {
            return Self::known(name, &known.password_file);
        }
        let config_path = config_path.unwrap_or(Path::new(DEFAULT_PATH));
        let folder = config_path.parent().unwrap_or(Path::new("/"));
        let file = folder.join(format!("{name}.password"));
        let section = section(&name, &file, &server.server());
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| CredentialError::File { path, source }
        };
        let before = match fs::read_to_string(config_path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(at(config_path)(error)),
        };
        // Looked at as a whole before anything is written.
        AgentConfig::parse(&format!("{before}{section}")).map_err(|message| CredentialError::Config {
            name: name.clone(),
            path: config_path.to_owned(),
            message,
        })?;
        // A password without its name in the configuration is what a try that broke off has left.
        let password = match Self::known(name.clone(), &file) {
            Ok(left) => left.password,
            Err(CredentialError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let password = random();
                keep(&file, &password, state_dir).map_err(at(&file))?;
                password
            }
            Err(error) => return Err(error),
        };
        let mut configuration = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o644)
            .open(config_path)
            .map_err(at(config_path))?;
        configuration
            .write_all(section.as_bytes())
            .and_then(|()| configuration.sync_all())
            .map_err(at(config_path))?;
        Ok(Self {
            name,
            password,
            file,
            is_new: true,
        })
    }

    fn known(name: String, file: &Path) -> Result<Self, CredentialError> {
        let text = fs::read_to_string(file).map_err(|source| CredentialError::File {
            path: file.to_owned(),
            source,
        })?;
        let password = Secret::new(text.trim_end_matches(['\r', '\n']));
        let plain = |c: char| c.is_ascii_graphic() || c == ' ';
        if password.is_empty() || !password.expose().chars().all(plain) {
            return Err(CredentialError::NotPlain(file.to_owned()));
        }
        Ok(Self {
            name,
            password,
            file: file.to_owned(),
            is_new: false,
        })
    }
}

fn section(name: &str, file: &Path, server: &str) -> String {
    format!("\n[credentials.{name}]\npassword_file = {file:?}\nservers = [{server:?}]\n")
}

fn random() -> Secret {
    let mut bytes = [0; LENGTH];
    rand::rng().fill_bytes(&mut bytes);
    Secret::new(URL_SAFE_NO_PAD.encode(bytes))
}

/// Writes the password for the agent alone: for whoever the state directory belongs to.
fn keep(file: &Path, password: &Secret, state_dir: &Path) -> io::Result<()> {
    let mut opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    if geteuid().is_root() {
        let owner = fs::metadata(state_dir)?;
        std::os::unix::fs::fchown(&opened, Some(owner.uid()), Some(owner.gid()))?;
    }
    opened.write_all(password.expose().as_bytes())?;
    opened.write_all(b"\n")?;
    opened.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use dataguardian_core::engine::Engine;

    use super::super::Place;
    use super::*;

    fn server() -> FoundServer {
        FoundServer {
            engine: Engine::Postgres,
            place: Place::Tcp {
                host: "127.0.0.1".to_owned(),
                port: 5432,
            },
        }
    }

    #[test]
    fn a_password_is_made_once_and_is_the_agents_alone() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("agent.toml");
        fs::write(&config, "slots = 2\n[monitor]\ninterval_ms = 2000").unwrap();
        let credential = || Credential::of(&server(), Some(&config), folder.path()).unwrap();
        let first = credential();
        assert!(first.is_new && first.password.expose().len() == 32);
        let mode = fs::metadata(&first.file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let read = AgentConfig::load(Some(&config)).unwrap();
        assert_eq!(read.credentials["postgres-5432"].password_file, first.file);
        assert!(
            read.credentials["postgres-5432"]
                .servers
                .contains("127.0.0.1:5432")
        );
        assert_eq!((read.slots, read.monitor.interval_ms), (2, 2000));
        let again = credential();
        assert!(!again.is_new && again.password.expose() == first.password.expose());
        // What a try that broke off has left is gone on with.
        fs::write(&config, "").unwrap();
        let resumed = credential();
        assert!(resumed.is_new && resumed.password.expose() == first.password.expose());
    }

    #[test]
    fn a_configuration_that_takes_no_section_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("agent.toml");
        fs::write(&config, "credentials = {}\n").unwrap();
        let refused = Credential::of(&server(), Some(&config), folder.path()).unwrap_err();
        assert!(matches!(refused, CredentialError::Config { .. }), "{refused}");
        assert_eq!(fs::read_to_string(&config).unwrap(), "credentials = {}\n");
        assert!(!folder.path().join("postgres-5432.password").exists());
    }
}
