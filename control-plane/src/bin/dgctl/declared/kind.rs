//! The kinds of things that can be declared, and how the API calls what belongs to each.

use prost_reflect::{DescriptorPool, MessageDescriptor};

use crate::error::{Error, Result};
use crate::output::json;

/// A kind of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Storage,
    Datasource,
    Job,
    NotificationChannel,
    NotificationRule,
}

impl Kind {
    /// All of them, what is named before what names it.
    pub(crate) const ALL: [Self; 5] = [
        Self::Storage,
        Self::Datasource,
        Self::Job,
        Self::NotificationChannel,
        Self::NotificationRule,
    ];

    /// Its list in a file.
    pub(crate) const fn list(self) -> &'static str {
        match self {
            Self::Storage => "storages",
            Self::Datasource => "datasources",
            Self::Job => "jobs",
            Self::NotificationChannel => "notification_channels",
            Self::NotificationRule => "notification_rules",
        }
    }

    /// What a person calls it.
    pub(crate) const fn noun(self) -> &'static str {
        match self {
            Self::Storage => "storage",
            Self::Datasource => "datasource",
            Self::Job => "job",
            Self::NotificationChannel => "notification channel",
            Self::NotificationRule => "notification rule",
        }
    }

    /// The field that holds it in answers, and its name or id in requests.
    pub(crate) const fn field(self) -> &'static str {
        match self {
            Self::Storage => "storage",
            Self::Datasource => "datasource",
            Self::Job => "job",
            Self::NotificationChannel => "channel",
            Self::NotificationRule => "rule",
        }
    }

    /// The field that holds many of them in answers.
    pub(crate) const fn fields(self) -> &'static str {
        match self {
            Self::Storage => "storages",
            Self::Datasource => "datasources",
            Self::Job => "jobs",
            Self::NotificationChannel => "channels",
            Self::NotificationRule => "rules",
        }
    }

    /// The message that it is.
    const fn message(self) -> &'static str {
        match self {
            Self::Storage => "Storage",
            Self::Datasource => "Datasource",
            Self::Job => "Job",
            Self::NotificationChannel => "NotificationChannel",
            Self::NotificationRule => "NotificationRule",
        }
    }

    const fn service(self) -> &'static str {
        match self {
            Self::Storage => "StorageService",
            Self::Datasource => "DatasourceService",
            Self::Job => "JobService",
            Self::NotificationChannel | Self::NotificationRule => "NotificationService",
        }
    }

    /// What the server says when there is none of that name.
    pub(crate) const fn not_found(self) -> &'static str {
        match self {
            Self::Storage => "STORAGE_NOT_FOUND",
            Self::Datasource => "DATASOURCE_NOT_FOUND",
            Self::Job => "JOB_NOT_FOUND",
            Self::NotificationChannel => "NOTIFICATION_CHANNEL_NOT_FOUND",
            Self::NotificationRule => "NOTIFICATION_RULE_NOT_FOUND",
        }
    }

    /// What of it can never be changed.
    pub(crate) const fn fixed(self) -> &'static [&'static str] {
        match self {
            Self::Storage => &[
                "s3.bucket",
                "s3.prefix",
                "s3.region",
                "s3.path_style",
                "s3.allow_http",
            ],
            Self::Datasource => &["engine"],
            Self::Job => &["datasource"],
            Self::NotificationChannel | Self::NotificationRule => &[],
        }
    }

    /// The name of a method, such as `CreateJob`; of `List` in the plural.
    fn method_name(self, verb: &str) -> String {
        let plural = if verb == "List" { "s" } else { "" };
        format!("{verb}{}{plural}", self.message())
    }

    /// The path of a method, its request and its answer.
    pub(crate) fn method(self, verb: &str) -> Result<(String, MessageDescriptor, MessageDescriptor)> {
        let (service, name) = (self.service(), self.method_name(verb));
        let found = pool()?.get_service_by_name(&format!("dataguardian.v1.{service}"));
        let method = found.and_then(|service| service.methods().find(|method| method.name() == name));
        let method = method.ok_or_else(|| Error::Json(format!("{service}/{name} is unknown")))?;
        let path = format!("/dataguardian.v1.{service}/{name}");
        Ok((path, method.input(), method.output()))
    }

    /// The thing as the API shows it.
    pub(crate) fn shown(self) -> Result<MessageDescriptor> {
        let name = format!("dataguardian.v1.{}", self.message());
        let message = pool()?.get_message_by_name(&name);
        message.ok_or_else(|| Error::Json(format!("{name} is unknown")))
    }
}

fn pool() -> Result<&'static DescriptorPool> {
    json::pool()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_that_is_called_is_in_the_protos() {
        for kind in Kind::ALL {
            let shown = kind.shown().unwrap();
            for verb in ["Create", "Update", "Get", "List"] {
                let (_, request, answer) = kind.method(verb).unwrap();
                let field = if verb == "List" {
                    kind.fields()
                } else {
                    kind.field()
                };
                assert!(answer.get_field_by_name(field).is_some(), "{kind:?} {verb}");
                if verb != "List" && verb != "Create" {
                    assert!(
                        request.get_field_by_name(kind.field()).is_some(),
                        "{kind:?} {verb}"
                    );
                }
            }
            for fixed in kind.fixed() {
                let first = fixed.split('.').next().unwrap();
                assert!(
                    shown.get_field_by_name(first).is_some(),
                    "{kind:?} has no {first}"
                );
            }
        }
    }
}
