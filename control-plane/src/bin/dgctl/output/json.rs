//! Messages as proto3 JSON, by the compiled protos themselves: field names in lowerCamelCase, 64-bit numbers as strings,
//! enums by name, times as RFC 3339. YAML has the same. Fields at their default are written too, so that a script finds `false` and `0`.

use std::sync::OnceLock;

use dataguardian_proto::{DESCRIPTOR_SET, v1};
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde::{Serialize, Serializer};

use crate::error::{Error, Result};

/// A message that a command answers with.
pub(crate) trait Reply: prost::Message {
    /// Its name in the protos, without the package.
    const NAME: &'static str;
}

macro_rules! replies {
    ($($name:ident)+) => {
        $(impl Reply for v1::$name {
            const NAME: &'static str = stringify!($name);
        })+

        #[cfg(test)]
        const NAMES: &[&str] = &[$(stringify!($name)),+];
    };
}

replies! {
    ApproveAgentRecoveryResponse
    CancelExecutionResponse
    ChangePasswordResponse
    ClearAgentAlertResponse
    ConfirmTotpResponse
    CreateDatasourceResponse
    CreateJobResponse
    CreateJoinTokenResponse
    CreateNotificationChannelResponse
    CreateNotificationRuleResponse
    CreateRecoveryKitResponse
    CreateStorageResponse
    DeleteBackupResponse
    DeleteDatasourceResponse
    DeleteJobResponse
    DeleteNotificationChannelResponse
    DeleteNotificationRuleResponse
    DeleteStorageResponse
    DisableTotpResponse
    DiscoverDatabasesResponse
    EnrolTotpResponse
    GetAgentResponse
    GetBackupResponse
    GetDashboardResponse
    GetDatasourceResponse
    GetExecutionResponse
    GetJobResponse
    GetNotificationChannelResponse
    GetNotificationRuleResponse
    GetStorageResponse
    GetSystemInfoResponse
    ImportBackupsResponse
    ListAgentsResponse
    CopyBackupResponse
    VerifyBackupResponse
    PauseJobResponse
    PinBackupResponse
    UnpinBackupResponse
    ListBackupStreamsResponse
    ListBackupsResponse
    ListDatasourcesResponse
    ListDatasourceHealthChecksResponse
    ListExecutionsResponse
    ListJobsResponse
    ListNextFireTimesResponse
    ListNotificationChannelsResponse
    ListNotificationRulesResponse
    ListNotificationsResponse
    ListSessionsResponse
    ListStoragesResponse
    ListStorageHealthChecksResponse
    PreviewRetentionResponse
    LockAgentResponse
    LoginResponse
    LogoutResponse
    ResumeJobResponse
    RetryExecutionResponse
    RevokeAgentResponse
    RevokeSessionResponse
    RotateAuthorityResponse
    RotateKeyResponse
    RunCleanupResponse
    RunJobResponse
    SetupResponse
    StartRestoreResponse
    TailLogsResponse
    TestDatasourceResponse
    TestNotificationChannelResponse
    TestStorageResponse
    UnlockAgentResponse
    UpdateDatasourceResponse
    UpdateJobResponse
    UpdateNotificationChannelResponse
    UpdateNotificationRuleResponse
    UpdateStorageResponse
    CreateUserResponse
    GetUserResponse
    ListUsersResponse
    UpdateUserResponse
    DeleteUserResponse
    CreateRoleResponse
    GetRoleResponse
    ListRolesResponse
    UpdateRoleResponse
    DeleteRoleResponse
    CreateRoleBindingResponse
    ListRoleBindingsResponse
    DeleteRoleBindingResponse
    ListPermissionsResponse
    CreateApiTokenResponse
    ListApiTokensResponse
    RevokeApiTokenResponse
    AuditLog
    ExportAuditLogsResponse
    ListAuditLogsResponse
    VerifyAuditResponse
    WatchExecutionResponse
    WhoAmIResponse
}

/// Over several lines.
pub(crate) fn pretty<R: Reply>(reply: &R) -> Result<String> {
    let mut json = serde_json::Serializer::pretty(Vec::new());
    serialize(reply, &mut json)?;
    into_text(json.into_inner())
}

/// On one line.
pub(crate) fn compact<R: Reply>(reply: &R) -> Result<String> {
    let mut json = serde_json::Serializer::new(Vec::new());
    serialize(reply, &mut json)?;
    into_text(json.into_inner())
}

/// The same in YAML: the fields, and the shapes of their values, are those of the JSON.
pub(crate) fn yaml<R: Reply>(reply: &R) -> Result<String> {
    yaml_of(&Shown(dynamic(reply)?))
}

/// Anything in YAML.
pub(crate) fn yaml_of(value: &impl Serialize) -> Result<String> {
    serde_saphyr::to_string(value).map_err(|error| Error::Json(error.to_string()))
}

/// A message as proto3 JSON has it, whatever it is written as.
struct Shown(DynamicMessage);

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let options = SerializeOptions::new().skip_default_fields(false);
        self.0.serialize_with_options(serializer, &options)
    }
}

fn serialize<R: Reply, S: Serializer>(reply: &R, serializer: S) -> Result<()> {
    let written = Shown(dynamic(reply)?).serialize(serializer);
    written
        .map(|_| ())
        .map_err(|error| Error::Json(error.to_string()))
}

fn dynamic<R: Reply>(reply: &R) -> Result<DynamicMessage> {
    let full_name = format!("dataguardian.v1.{}", R::NAME);
    let descriptor = pool()?.get_message_by_name(&full_name);
    let descriptor = descriptor.ok_or_else(|| Error::Json(format!("{full_name} is unknown")))?;
    let mut message = DynamicMessage::new(descriptor);
    message
        .transcode_from(reply)
        .map_err(|error| Error::Json(error.to_string()))?;
    Ok(message)
}

fn into_text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|error| Error::Json(error.to_string()))
}

/// The compiled protos.
pub(crate) fn pool() -> Result<&'static DescriptorPool> {
    static POOL: OnceLock<Result<DescriptorPool, String>> = OnceLock::new();
    let pool = POOL.get_or_init(|| DescriptorPool::decode(DESCRIPTOR_SET).map_err(|error| error.to_string()));
    pool.as_ref().map_err(|problem| Error::Json(problem.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reply_is_in_the_protos() {
        for name in NAMES {
            let full_name = format!("dataguardian.v1.{name}");
            assert!(
                pool().unwrap().get_message_by_name(&full_name).is_some(),
                "{name}"
            );
        }
    }

    /// Answers that are passed on as they are: pieces of a script.
    const NO_REPLIES: [&str; 1] = ["DownloadBackupResponse"];

    #[test]
    fn every_method_can_be_answered() {
        let services = pool().unwrap().services();
        let public = services.filter(|service| service.full_name().starts_with("dataguardian.v1."));
        for method in public.flat_map(|service| service.methods().collect::<Vec<_>>()) {
            let output = method.output();
            assert!(
                NAMES.contains(&output.name()) || NO_REPLIES.contains(&output.name()),
                "no command answers with {}",
                output.name()
            );
        }
    }

    #[test]
    fn messages_read_as_proto3_json() {
        let reply = v1::RunJobResponse {
            execution: Some(v1::Execution {
                id: "0192f3a4".into(),
                kind: v1::ExecutionKind::Backup.into(),
                state: v1::ExecutionState::RetryWait.into(),
                created_at: Some(prost_types::Timestamp {
                    seconds: 1_795_482_000,
                    nanos: 500_000_000,
                }),
                progress: Some(v1::Progress {
                    raw_bytes: u64::MAX,
                    ..Default::default()
                }),
                ..Default::default()
            }),
        };
        insta::assert_snapshot!(pretty(&reply).unwrap());
        let line = compact(&reply).unwrap();
        assert!(!line.contains('\n'), "{line}");
    }

    /// Whatever reads the YAML finds what the JSON says: a long number that is text stays text.
    #[test]
    fn yaml_says_what_json_says() {
        let reply = v1::RunJobResponse {
            execution: Some(v1::Execution {
                id: "123".into(),
                job: "yes".into(),
                failure: Some(v1::Failure {
                    message: "a: b\n- c # d\n".into(),
                    ..Default::default()
                }),
                progress: Some(v1::Progress {
                    raw_bytes: u64::MAX,
                    ..Default::default()
                }),
                ..Default::default()
            }),
        };
        let json: serde_json::Value = serde_json::from_str(&compact(&reply).unwrap()).unwrap();
        let yaml: serde_json::Value = serde_saphyr::from_str(&yaml(&reply).unwrap()).unwrap();
        assert_eq!(yaml, json);
        assert_eq!(yaml["execution"]["progress"]["rawBytes"], u64::MAX.to_string());
    }

    #[test]
    fn an_empty_reply_is_an_empty_object() {
        assert_eq!(compact(&v1::DeleteJobResponse {}).unwrap(), "{}");
    }
}
