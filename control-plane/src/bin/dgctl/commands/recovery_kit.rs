//! `dgctl system recovery-kit`.

use std::path::PathBuf;

use clap::Args;
use dataguardian_proto::v1;
use dataguardian_repository::kit::{self, KitError, Opener, Recipient};

use super::Context;
use crate::ask::{self, SecretSource};
use crate::error::{Error, Result};
use crate::output::table::Look;
use crate::output::text;
use crate::profile::write_private;

/// `dgctl system recovery-kit`
///
/// The kit holds the keys of all backups. Keep it where a fire, a thief and an attacker of the control plane don't come at the
/// same time: printed, in a safe, in a password manager. Who has it and the storages needs nothing else to restore: of storages in
/// buckets it says where they are, and has the agents' keys.
#[derive(Debug, Args)]
pub(crate) struct RecoveryKit {
    /// Where to write it; must not be there
    #[arg(long, value_name = "FILE")]
    save_kit: PathBuf,
    /// Seal it for this age recipient (age1…) instead of with a passphrase; repeatable
    #[arg(long = "recipient", value_name = "AGE1…", conflicts_with = "passphrase_file")]
    recipients: Vec<String>,
    /// A file with the passphrase to seal it with, at least 12 characters; - for standard input [else: you are asked]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<SecretSource>,
    /// Leave out the keys of storages in buckets; where they are is in it all the same
    #[arg(long)]
    without_credentials: bool,
}

/// A passphrase that is shorter is guessed.
const SHORTEST_PASSPHRASE: usize = 12;

impl RecoveryKit {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        if self.save_kit.exists() {
            return Err(Error::usage(format!(
                "{} is there already: kits are never overwritten",
                self.save_kit.display()
            )));
        }
        let (reply, kit) = if self.recipients.is_empty() {
            self.sealed_with_passphrase(context).await?
        } else {
            let reply = self.create(context, self.recipients.clone()).await?;
            let kit = reply.kit.clone();
            (reply, kit)
        };
        write_private(&self.save_kit, kit.as_bytes())?;
        let reply = v1::CreateRecoveryKitResponse {
            kit: String::new(),
            ..reply
        };
        context.output.show(&reply, |reply, _: Look| self.told(reply))
    }

    /// The control plane seals the kit for an identity that was made here; here it is sealed anew with the passphrase, the
    /// identity in it. So neither passphrase nor identity ever leaves this machine.
    async fn sealed_with_passphrase(
        &self,
        context: &Context,
    ) -> Result<(v1::CreateRecoveryKitResponse, String)> {
        let passphrase = ask::new_secret(self.passphrase_file.as_ref(), "Passphrase", "--passphrase-file")?;
        if passphrase.expose().chars().count() < SHORTEST_PASSPHRASE {
            return Err(Error::usage(format!(
                "the passphrase must have at least {SHORTEST_PASSPHRASE} characters"
            )));
        }
        let (identity, recipient) = Recipient::generate();
        let reply = self.create(context, vec![recipient.to_string()]).await?;
        let opener = Opener::Identities(identity.clone());
        let kit = kit::RecoveryKit::open(reply.kit.as_bytes(), &opener).map_err(ours)?;
        let kit = kit
            .with_identity(&identity)
            .seal_with(&passphrase)
            .map_err(ours)?;
        Ok((reply, kit))
    }

    async fn create(
        &self,
        context: &Context,
        recipients: Vec<String>,
    ) -> Result<v1::CreateRecoveryKitResponse> {
        let request = v1::CreateRecoveryKitRequest {
            recipients,
            without_credentials: self.without_credentials,
        };
        let api = context.api().await?;
        Ok(api.system().create_recovery_kit(request).await?.into_inner())
    }

    fn told(&self, reply: &v1::CreateRecoveryKitResponse) -> String {
        let path = self.save_kit.display();
        let how = if self.recipients.is_empty() {
            format!("with the passphrase: age -d {path}")
        } else {
            format!("for its recipients: age -d -i IDENTITY {path}")
        };
        format!(
            "{path} opens every backup, {how}\n{}\
             Move it away from this machine. What each repository needs besides is put there by its next backup; how to \
             restore with it is in each repository's RESTORE.md.\n",
            self.storages(&reply.storages)
        )
    }

    /// What it says of storages in buckets, as a line; empty if there are none.
    fn storages(&self, names: &[String]) -> String {
        if names.is_empty() {
            return String::new();
        }
        let names: Vec<_> = names.iter().map(|name| text::cell(name)).collect();
        let names = names.join(", ");
        let keys = match self.without_credentials {
            true => "has no keys of them",
            false => "has the agents' keys of them",
        };
        format!(
            "It says where the buckets of {names} are, and {keys}. Make another after a storage was added or changed.\n"
        )
    }
}

fn ours(error: KitError) -> Error {
    Error::usage(error.to_string())
}
