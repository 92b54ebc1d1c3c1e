//! The arguments that are for buckets alone.

use std::path::PathBuf;

use clap::Args;
use dataguardian_proto::v1;

use super::{Context, create, request_id};
use crate::ask::SecretSource;
use crate::error::{Error, Result};

/// `dgctl storage create s3`
#[derive(Debug, Args)]
pub(crate) struct CreateS3 {
    /// The storage's name
    #[arg(long, value_name = "NAME")]
    name: String,
    /// The bucket, which must be there
    #[arg(long, value_name = "BUCKET")]
    bucket: String,
    /// The folder in the bucket [else: all of it]
    #[arg(long, value_name = "FOLDER", default_value = "", hide_default_value = true)]
    prefix: String,
    /// The server, as http(s)://HOST[:PORT] [else: Amazon's own]
    #[arg(long, value_name = "URL", default_value = "", hide_default_value = true)]
    endpoint: String,
    /// The region [else: us-east-1]
    #[arg(long, value_name = "REGION", default_value = "", hide_default_value = true)]
    region: String,
    /// Put the bucket's name in the path, and not in the host's name, as most servers of your own want it
    #[arg(long)]
    path_style: bool,
    /// Let data go unencrypted to another host
    #[arg(long)]
    allow_http: bool,
    /// A file with the only authorities to trust, as PEM [else: the public ones]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The agents' key: it has to get, put and list
    #[arg(long, value_name = "ID")]
    access_key_id: String,
    /// A file with its secret, - for standard input
    #[arg(long, value_name = "FILE")]
    secret_key_file: SecretSource,
    /// The key for cleaning up, which no agent sees: it has to get, list and delete
    #[arg(long, value_name = "ID", requires = "delete_secret_key_file")]
    delete_access_key_id: Option<String>,
    /// A file with its secret
    #[arg(long, value_name = "FILE", requires = "delete_access_key_id")]
    delete_secret_key_file: Option<SecretSource>,
    /// Backups that may be written into it at the same time, up to 1000; 0 for as many as come
    #[arg(long, value_name = "N", default_value_t = 0)]
    max_concurrent: u32,
    /// Check everything, change nothing
    #[arg(long)]
    validate_only: bool,
}

impl CreateS3 {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        let settings = v1::S3Storage {
            endpoint: self.endpoint,
            region: self.region,
            bucket: self.bucket,
            prefix: self.prefix,
            path_style: self.path_style,
            allow_http: self.allow_http,
            ca_pem: read_ca(self.ca_file.as_ref())?,
            access_key_id: self.access_key_id,
            delete_access_key_id: self.delete_access_key_id.unwrap_or_default(),
        };
        let new = v1::NewS3Storage {
            s3: Some(settings),
            secret_access_key: self.secret_key_file.read()?.expose().to_owned(),
            delete_secret_access_key: read_secret(self.delete_secret_key_file.as_ref())?,
        };
        let request = v1::CreateStorageRequest {
            name: self.name,
            location: Some(v1::create_storage_request::Location::S3(new)),
            max_concurrent: self.max_concurrent,
            request_id: request_id(),
            validate_only: self.validate_only,
        };
        create(request, context).await
    }
}

/// What `dgctl storage update` changes of buckets.
#[derive(Debug, Args)]
pub(crate) struct ChangeS3 {
    /// Another key for the agents of an S3 storage
    #[arg(long, value_name = "ID", requires = "secret_key_file")]
    access_key_id: Option<String>,
    /// A file with its secret, - for standard input
    #[arg(long, value_name = "FILE", requires = "access_key_id")]
    secret_key_file: Option<SecretSource>,
    /// Another key for cleaning up there
    #[arg(long, value_name = "ID", requires = "delete_secret_key_file")]
    delete_access_key_id: Option<String>,
    /// A file with its secret
    #[arg(long, value_name = "FILE", requires = "delete_access_key_id")]
    delete_secret_key_file: Option<SecretSource>,
    /// Clean up there no more
    #[arg(long, conflicts_with = "delete_access_key_id")]
    no_delete_access_key: bool,
    /// Another address of the same bucket
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// A file with the only authorities to trust, as PEM
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

impl ChangeS3 {
    /// Puts what changes into the request, and gives the API's names of it.
    pub(super) fn fill(self, request: &mut v1::UpdateStorageRequest) -> Result<Vec<String>> {
        let mut paths = Vec::new();
        if let (Some(id), Some(secret)) = (self.access_key_id, &self.secret_key_file) {
            request.access_key_id = id;
            request.secret_access_key = secret.read()?.expose().to_owned();
            paths.push("access_key".to_owned());
        }
        if self.no_delete_access_key || self.delete_access_key_id.is_some() {
            request.delete_access_key_id = self.delete_access_key_id.unwrap_or_default();
            request.delete_secret_access_key = read_secret(self.delete_secret_key_file.as_ref())?;
            paths.push("delete_access_key".to_owned());
        }
        if let Some(endpoint) = self.endpoint {
            request.endpoint = endpoint;
            paths.push("endpoint".to_owned());
        }
        if self.ca_file.is_some() {
            request.ca_pem = read_ca(self.ca_file.as_ref())?;
            paths.push("ca_pem".to_owned());
        }
        Ok(paths)
    }
}

fn read_secret(source: Option<&SecretSource>) -> Result<String> {
    let secret = source.map(SecretSource::read).transpose()?;
    Ok(secret.map_or_else(String::new, |secret| secret.expose().to_owned()))
}

fn read_ca(path: Option<&PathBuf>) -> Result<String> {
    let Some(path) = path else {
        return Ok(String::new());
    };
    std::fs::read_to_string(path).map_err(|source| Error::File {
        action: "reading",
        path: path.clone(),
        source,
    })
}

/// Where it is, in one word.
pub(super) fn place(s3: &v1::S3Storage) -> String {
    let prefix = match s3.prefix.as_str() {
        "" => String::new(),
        prefix => format!("/{prefix}"),
    };
    let endpoint = match s3.endpoint.as_str() {
        "" => String::new(),
        endpoint => format!(" at {endpoint}"),
    };
    format!("s3://{}{prefix}{endpoint}", s3.bucket)
}
