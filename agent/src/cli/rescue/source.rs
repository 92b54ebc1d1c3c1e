//! Where `rescue` reads from: a folder, a bucket, or a storage that the recovery kit names. And the kit.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use dataguardian_agent::rescue::Rescue;
use dataguardian_core::ids::BackupId;
use dataguardian_core::secret::Secret;
use dataguardian_repository::kit::{MAX_KIT_LEN, Opener, RecoveryKit};
use dataguardian_repository::read::BackupReader;
use dataguardian_repository::storage::Storage;
use dataguardian_repository::storage::s3::S3Settings;

use super::super::read_secret;

/// The secret of the key that reads a bucket, where no file holds it.
const SECRET_VARIABLE: &str = "DATAGUARDIAN_S3_SECRET_ACCESS_KEY";
/// A chain of authorities and more.
const MAX_CA_PEM: u64 = 128 << 10;

/// Where a repository is, and what opens it.
#[derive(Debug, Args)]
pub(crate) struct Source {
    /// The folder with repository.json in it
    #[arg(long, value_name = "DIR", group = "place")]
    repository: Option<PathBuf>,
    /// A bucket, and the folder in it with repository.json
    #[arg(long, value_name = "BUCKET[/PREFIX]", group = "place")]
    s3: Option<BucketFolder>,
    /// A storage in a bucket that the recovery kit names
    #[arg(long, value_name = "NAME", group = "place", requires = "kit")]
    storage: Option<String>,
    #[command(flatten)]
    bucket: BucketArgs,
    #[command(flatten)]
    kit: KitArgs,
}

/// How a bucket is reached. With `--storage`, what is given here counts more than what the kit says.
#[derive(Debug, Default, Args)]
struct BucketArgs {
    /// The bucket's server, as http(s)://HOST[:PORT] [else: what the kit says, or Amazon's own]
    #[arg(long, value_name = "URL", conflicts_with = "repository")]
    endpoint: Option<String>,
    /// The bucket's region [else: what the kit says, or us-east-1]
    #[arg(long, value_name = "REGION", conflicts_with = "repository")]
    region: Option<String>,
    /// Put the bucket's name in the path, and not in the host's name, as most servers of your own want it
    #[arg(long, conflicts_with = "repository")]
    path_style: bool,
    /// Let data come unencrypted from another host
    #[arg(long, conflicts_with = "repository")]
    allow_http: bool,
    /// A file with the only authorities to trust for the bucket's server, PEM [else: what the kit says, or the public ones]
    #[arg(long, value_name = "FILE", conflicts_with = "repository")]
    ca_file: Option<PathBuf>,
    /// The key that reads the bucket: it has to get and list [else: what the kit says]
    #[arg(
        long,
        value_name = "ID",
        env = "DATAGUARDIAN_S3_ACCESS_KEY_ID",
        hide_env_values = true
    )]
    access_key_id: Option<String>,
    /// A file with its secret; - for standard input [else: DATAGUARDIAN_S3_SECRET_ACCESS_KEY, or you are asked]
    #[arg(long, value_name = "FILE", requires = "access_key_id")]
    secret_key_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct KitArgs {
    /// The recovery kit, or a file of the repository's folder `keys`; not needed where nothing is encrypted
    #[arg(long, value_name = "FILE")]
    kit: Option<PathBuf>,
    /// A file with the kit's passphrase; - for standard input [else: you are asked]
    #[arg(long, value_name = "FILE", conflicts_with = "identity_file")]
    passphrase_file: Option<PathBuf>,
    /// The age identity file of one of the kit's recipients
    #[arg(long, value_name = "FILE")]
    identity_file: Option<PathBuf>,
}

/// `BUCKET[/PREFIX]`, also as `s3://BUCKET/PREFIX/`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct BucketFolder {
    bucket: String,
    prefix: String,
}

impl FromStr for BucketFolder {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let place = text.strip_prefix("s3://").unwrap_or(text);
        let place = place.strip_suffix('/').unwrap_or(place);
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let sound = |part: &str| !part.is_empty() && part != "." && part != "..";
        if !sound(bucket) || !(prefix.is_empty() || prefix.split('/').all(sound)) {
            return Err(
                "expected a bucket and perhaps a folder in it, such as backups/dataguardian".to_owned(),
            );
        }
        Ok(Self {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        })
    }
}

impl Source {
    /// The repository.
    pub(super) fn open(&self) -> anyhow::Result<Rescue> {
        let kit = self.kit.open()?;
        let storage = self.storage(kit.as_ref())?;
        Ok(Rescue::open(storage, kit.as_ref())?)
    }

    /// One backup in it.
    pub(super) async fn backup(&self, backup: BackupId) -> anyhow::Result<BackupReader> {
        if self.kit.kit.is_none() {
            eprintln!("warning: without a recovery kit nobody vouches for what is in the repository");
        }
        Ok(self.open()?.backup(backup).await?)
    }

    fn storage(&self, kit: Option<&RecoveryKit>) -> anyhow::Result<Storage> {
        let known = match (&self.repository, &self.s3, &self.storage, kit) {
            (Some(folder), ..) => {
                let opened = Storage::local(folder);
                return opened
                    .with_context(|| format!("the repository {} can't be opened", folder.display()));
            }
            (_, Some(place), ..) => S3Settings::of(&place.bucket, &place.prefix),
            (_, _, Some(name), Some(kit)) => named(kit, name)?,
            (_, _, _, Some(kit)) => bail!(
                "name the repository with --repository, --s3 or --storage; {}",
                known_to(kit)
            ),
            (_, _, _, None) => bail!("name the repository with --repository, --s3 or --storage"),
        };
        let settings = self.bucket.over(known, asked_for_secret)?;
        Ok(Storage::s3(&settings)?)
    }
}

/// What the kit knows of that storage.
fn named(kit: &RecoveryKit, name: &str) -> anyhow::Result<S3Settings> {
    let Some(storage) = kit.storages().iter().find(|storage| storage.name() == name) else {
        bail!("{}; reach {name:?} with --s3 or --repository", known_to(kit));
    };
    storage
        .bucket()
        .with_context(|| format!("the recovery kit has {storage}: use a later release"))
}

/// Which storages the kit names, as a sentence.
fn known_to(kit: &RecoveryKit) -> String {
    let when = kit.created_at.format("%Y-%m-%d");
    let storages: Vec<_> = kit.storages().iter().map(ToString::to_string).collect();
    match storages.as_slice() {
        [] => format!("the recovery kit of {when} names no storage"),
        storages => format!("the recovery kit of {when} names {}", storages.join(", ")),
    }
}

impl BucketArgs {
    /// The bucket that is `known`, with what is given here instead. `secret` gives the secret of a key that is given here.
    fn over(
        &self,
        known: S3Settings,
        secret: impl FnOnce(Option<&Path>) -> anyhow::Result<Secret>,
    ) -> anyhow::Result<S3Settings> {
        let mut settings = known;
        settings.path_style |= self.path_style;
        settings.allow_http |= self.allow_http;
        if let Some(endpoint) = &self.endpoint {
            settings.endpoint.clone_from(endpoint);
        }
        if let Some(region) = &self.region {
            settings.region.clone_from(region);
        }
        if let Some(file) = &self.ca_file {
            settings.ca_pem = read_authorities(file)?;
        }
        if let Some(id) = &self.access_key_id {
            settings.access_key_id.clone_from(id);
            settings.secret_access_key = secret(self.secret_key_file.as_deref())?;
        }
        ensure!(
            !settings.access_key_id.is_empty(),
            "say with --access-key-id which key reads {settings}"
        );
        Ok(settings)
    }
}

/// The secret from its file, else from the environment, else from the person at the terminal. Never from an argument, which
/// everybody on the host can see.
fn asked_for_secret(file: Option<&Path>) -> anyhow::Result<Secret> {
    if let Some(file) = file {
        return read_secret(file, "secret of the access key");
    }
    if let Ok(secret) = std::env::var(SECRET_VARIABLE) {
        ensure!(!secret.is_empty(), "{SECRET_VARIABLE} is empty");
        return Ok(Secret::new(secret));
    }
    let asked = rpassword::prompt_password("Secret of the access key: ");
    Ok(Secret::new(asked.with_context(|| {
        format!("the secret of the access key can't be asked for: name a file with --secret-key-file, or set {SECRET_VARIABLE}")
    })?))
}

fn read_authorities(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_CA_PEM + 1).read_to_string(&mut text));
    read.with_context(|| format!("the authorities' file {} can't be read", path.display()))?;
    ensure!(
        text.len() as u64 <= MAX_CA_PEM,
        "{} is too large to hold authorities",
        path.display()
    );
    ensure!(!text.trim().is_empty(), "{} holds no authority", path.display());
    Ok(text)
}

impl KitArgs {
    fn open(&self) -> anyhow::Result<Option<RecoveryKit>> {
        self.kit.as_deref().map(|path| self.open_file(path)).transpose()
    }

    fn open_file(&self, path: &Path) -> anyhow::Result<RecoveryKit> {
        let unreadable = || format!("the recovery kit {} can't be read", path.display());
        let length = std::fs::metadata(path).with_context(unreadable)?.len();
        ensure!(
            length <= MAX_KIT_LEN,
            "{} is too large to be a recovery kit",
            path.display()
        );
        let sealed = std::fs::read(path).with_context(unreadable)?;
        Ok(RecoveryKit::open(&sealed, &self.opener()?)?)
    }

    fn opener(&self) -> anyhow::Result<Opener> {
        Ok(match (&self.identity_file, &self.passphrase_file) {
            (Some(file), _) => Opener::Identities(read_secret(file, "identity")?),
            (None, Some(file)) => Opener::Passphrase(read_secret(file, "passphrase")?),
            (None, None) => Opener::Passphrase(Secret::new(
                rpassword::prompt_password("Passphrase of the recovery kit: ")
                    .context("the passphrase can't be asked for: name a file with --passphrase-file or --identity-file")?,
            )),
        })
    }
}

#[cfg(test)]
mod tests;
