//! `dgctl system rotate-key`.

use clap::Args;
use dataguardian_proto::v1;

use super::super::Context;
use crate::error::Result;
use crate::output::text;

/// `dgctl system rotate-key`
#[derive(Debug, Args)]
pub(crate) struct RotateKey {
    /// Somebody may have the key in use: store everything anew once, so that nothing new depends on it
    #[arg(long)]
    compromised: bool,
    /// Do not ask; needed where there is no terminal
    #[arg(long)]
    yes: bool,
}

const PLANNED: &str = "Make a new key for backups? What was backed up before stays readable, but a recovery kit that was made \
                       before will not open what comes after: save a new one at once.";
const COMPROMISED: &str = "Make a new key for backups, and let no backup refer to what the old one sealed? Each datasource is \
                           stored anew once. Recovery kits that were made before will not open what comes after: save a new \
                           one at once, for another passphrase or other recipients.";

impl RotateKey {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        context.confirm(self.yes, if self.compromised { COMPROMISED } else { PLANNED })?;
        let api = context.api().await?;
        let info = api.system().get_system_info(v1::GetSystemInfoRequest {}).await?;
        // So that a call that is made again, after its answer was lost, makes no second key.
        let in_use = info.into_inner().installation_keys.into_iter().next();
        let request = v1::RotateKeyRequest {
            compromised: self.compromised,
            expected_key_id: in_use.map(|key| key.key_id).unwrap_or_default(),
        };
        let reply = api.system().rotate_key(request).await?.into_inner();
        context.output.show(&reply, |reply, _| {
            format!(
                "New backups are sealed with a new key from now on:\n{}\n\nSave a new recovery kit now: dgctl system \
                 recovery-kit --save-kit FILE. It opens what was backed up before too.\n",
                keys(&reply.installation_keys)
            )
        })
    }
}

/// The key in use, and how many there were before.
pub(super) fn keys(keys: &[v1::InstallationKey]) -> String {
    let [in_use, older @ ..] = keys else {
        return text::cell("");
    };
    let since = text::time_and_distance(in_use.created_at.as_ref());
    let older = match older.len() as u64 {
        0 => String::new(),
        count => format!(
            "; {} from before open what they sealed",
            text::counted(count, "key", "keys")
        ),
    };
    format!("{} since {since}{older}", text::cell(&in_use.key_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_in_use_is_told_with_the_number_of_those_before() {
        let key = |key_id: &str| v1::InstallationKey {
            key_id: key_id.to_owned(),
            created_at: None,
        };
        assert!(keys(&[key("ab")]).starts_with("ab since "));
        assert!(!keys(&[key("ab")]).contains("before"));
        let told = keys(&[key("ab"), key("cd"), key("ef")]);
        assert!(
            told.ends_with("; 2 keys from before open what they sealed"),
            "{told}"
        );
    }
}
