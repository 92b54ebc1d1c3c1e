//! Everything that can end a command, how it is told, and with which exit status.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use dataguardian_core::causes;
use dataguardian_proto::status::ApiError;
use dataguardian_proto::v1;
use rustls::CertificateError;
use tonic::Status;

use crate::output::text::printable;

/// What a command answers when it answers.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The command line, the environment or the stored login leave something open.
    #[error("{0}")]
    Usage(String),
    /// A file can't be read or written.
    #[error("{action} {}", path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A file holds something else than it should.
    #[error("{}: {problem}", path.display())]
    Content { path: PathBuf, problem: String },
    /// Standard output or the terminal broke.
    #[error("{0}")]
    Terminal(#[source] io::Error),
    /// The program has not even begun.
    #[error("can't start")]
    Start(#[source] io::Error),
    /// The server can't be reached.
    #[error("can't connect to {server}")]
    Connect {
        server: String,
        #[source]
        source: tonic::transport::Error,
    },
    /// The server answered with an error.
    #[error("{}", .0.message())]
    Api(#[source] Box<Status>),
    /// The connection was lost for too long while an execution was being followed.
    #[error("lost the connection while waiting; the execution goes on: dgctl execution watch {execution}")]
    LostSight {
        execution: String,
        #[source]
        source: Box<Status>,
    },
    /// An execution that was waited for ended, but not well.
    #[error("the execution did not complete")]
    NotCompleted(Box<v1::Execution>),
    /// A backup that was waited for completed without some of its databases; they are already on standard output.
    #[error("the backup is partial: {0} [BACKUP_PARTIAL]")]
    Partial(String),
    /// What was tested has problems; they are already on standard output.
    #[error("{0}")]
    TestFailed(String),
    /// A script that was begun is not whole.
    #[error("the script is incomplete: {left}")]
    CutOff {
        left: &'static str,
        #[source]
        source: Box<Error>,
    },
    /// The answer lacks what it must have.
    #[error("the server's answer has no {0}: is it a newer or older version than this program?")]
    Incomplete(&'static str),
    /// A message can't be turned into JSON.
    #[error("can't write the answer as JSON: {0}")]
    Json(String),
    /// The reader of our output went away; nothing to tell.
    #[error("standard output was closed")]
    OutputClosed,
    /// Somebody answered a question with no.
    #[error("nothing was changed")]
    Declined,
    /// Ctrl-C.
    #[error("interrupted; what the server has begun goes on: see `dgctl execution list`")]
    Interrupted,
    /// Ctrl-C, where the server goes on with nothing.
    #[error("interrupted")]
    BrokenOff,
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self::Api(Box::new(status))
    }
}

impl Error {
    /// A hole in what the caller gave.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    /// Whether the server gave this reason.
    pub(crate) fn has_reason(&self, reason: &str) -> bool {
        matches!(self, Self::Api(status) if ApiError::from(&**status).reason == reason)
    }

    /// The exit status that tells the kinds apart.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::OutputClosed => ExitCode::SUCCESS,
            Self::Interrupted | Self::BrokenOff => ExitCode::from(130),
            Self::CutOff { source, .. } => source.exit_code(),
            _ => ExitCode::FAILURE,
        }
    }

    /// Writes it to standard error.
    pub(crate) fn report(&self) {
        if !matches!(self, Self::OutputClosed) {
            eprint!("{}", self.text());
        }
    }

    /// As a person reads it: one line with the reason, then the particulars, indented.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Api(status) => api_text(status),
            Self::NotCompleted(execution) => execution_text(execution),
            Self::CutOff { left, source } => {
                format!("{}  the script is incomplete: {left}\n", source.text())
            }
            Self::Connect { .. } => {
                format!("error: {}\n{}", causes::in_a_line(self), connect_advice(self))
            }
            _ => format!("error: {}\n", causes::in_a_line(self)),
        }
    }
}

fn api_text(status: &Status) -> String {
    if let Some(cause) = status.source() {
        return format!("error: {}: {}\n", status.message(), causes::in_a_line(cause));
    }
    let error = ApiError::from(status);
    let reason = match error.reason.as_str() {
        "UNKNOWN" => format!("{:?}", status.code()),
        reason => reason.to_owned(),
    };
    let mut text = if error.fields.is_empty() {
        format!("error: {} [{}]\n", printable(&error.message), printable(&reason))
    } else {
        format!("error: the request is not valid [{}]\n", printable(&reason))
    };
    for bad in &error.fields {
        text += &format!("  {}: {}\n", printable(&bad.field), printable(&bad.description));
    }
    if let Some(delay) = error.retry_after {
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        text += &format!("  try again in {} s\n", seconds.max(1));
    }
    if status.code() == tonic::Code::Unauthenticated {
        text += sign_in_advice(&error.reason);
    }
    text
}

/// What to do where nobody is signed in. Who could not sign in need not be told to.
fn sign_in_advice(reason: &str) -> &'static str {
    match reason {
        "WRONG_CREDENTIALS" => {
            "  where the password is lost, `dataguardian reset-admin` on the control plane's host gives another one\n"
        }
        "WRONG_SETUP_TOKEN" => {
            "  it is in the file setup-token in the control plane's data directory; once there is an administrator, sign in with \
             `dgctl login`\n"
        }
        _ => "  sign in with `dgctl login`, or give a token with --token-file or DATAGUARDIAN_TOKEN\n",
    }
}

fn execution_text(execution: &v1::Execution) -> String {
    let kind = crate::values::kind_word(execution);
    let state = crate::values::state_word(execution.state());
    let mut text = format!("error: the {kind} ended as {state}");
    match &execution.failure {
        // It ended because somebody wanted it; what its last attempt had come to is not why.
        Some(failure) if execution.state() == v1::ExecutionState::Cancelled => {
            text += &format!(
                "\n  its last attempt had failed: {} [{}]\n",
                printable(&failure.message),
                printable(&failure.reason)
            );
        }
        Some(failure) => {
            text += &format!(
                " [{}]\n  {}\n",
                printable(&failure.reason),
                printable(&failure.message)
            );
            if !failure.advice.is_empty() {
                text += &format!("  advice: {}\n", printable(&failure.advice));
            }
        }
        None => text.push('\n'),
    }
    text + &format!("  log: dgctl execution logs {}\n", execution.id)
}

/// What to do about the usual reasons; one that is not known gets no advice.
fn connect_advice(error: &Error) -> &'static str {
    let advice = |cause: &(dyn std::error::Error + 'static)| {
        if let Some(rustls::Error::InvalidCertificate(why)) = cause.downcast_ref() {
            return certificate_advice(why);
        }
        let refused = cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        refused.then_some(
            "  nothing listens there: check --server or DATAGUARDIAN_SERVER, and that the control plane runs\n",
        )
    };
    causes::chain(error).find_map(advice).unwrap_or_default()
}

fn certificate_advice(why: &CertificateError) -> Option<&'static str> {
    match why {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Some(
            "  the server's certificate is not from the authority that was given: check --ca or DATAGUARDIAN_CA\n",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Some(
            "  the server's certificate is for another name: check that --server has the port of the API, which is 8443 if nobody \
             changed it, and not the agents'; use one of the certificate's names, or add this one with `serve --api-name`\n",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataguardian_core::error_code::ErrorCode;
    use dataguardian_proto::status::BadField;
    use std::time::Duration;

    fn told(error: ApiError) -> String {
        Error::from(Status::from(error)).text()
    }

    #[test]
    fn an_error_names_its_reason() {
        insta::assert_snapshot!(
            told(ApiError::new(ErrorCode::NotFound, "JOB_NOT_FOUND", "there is no job \"nightly\"")),
            @r#"error: there is no job "nightly" [JOB_NOT_FOUND]"#
        );
    }

    #[test]
    fn every_bad_field_is_told() {
        let bad = |field: &str, description: &str| BadField {
            field: field.into(),
            description: description.into(),
        };
        let error = ApiError::bad_fields(vec![
            bad("name", "must not be empty"),
            bad("options.compression_level", "must be 1 to 19"),
        ]);
        insta::assert_snapshot!(told(error), @r"
        error: the request is not valid [BAD_REQUEST]
          name: must not be empty
          options.compression_level: must be 1 to 19
        ");
    }

    #[test]
    fn a_time_to_try_again_is_told() {
        let error = ApiError::new(ErrorCode::Unavailable, "QUEUE_OFFLINE", "the queue is offline");
        insta::assert_snapshot!(told(error.retry_after(Duration::from_secs(5))), @r"
        error: the queue is offline [QUEUE_OFFLINE]
          try again in 5 s
        ");
    }

    #[test]
    fn who_could_not_sign_in_is_not_told_to() {
        let told = |reason: &str| told(ApiError::new(ErrorCode::Unauthenticated, reason, "no"));
        assert!(told("BAD_TOKEN").contains("dgctl login"));
        assert!(
            told("WRONG_CREDENTIALS").contains("reset-admin") && !told("WRONG_CREDENTIALS").contains("login")
        );
        assert!(told("WRONG_SETUP_TOKEN").contains("setup-token in the control plane's data directory"));
    }

    #[test]
    fn a_cancelled_execution_did_not_end_for_what_an_attempt_failed_of() {
        let execution = v1::Execution {
            state: v1::ExecutionState::Cancelled.into(),
            ..failed()
        };
        insta::assert_snapshot!(Error::NotCompleted(Box::new(execution)).text(), @r#"
        error: the backup ended as cancelled
          its last attempt had failed: password authentication failed for user "backup"\u{1b}[2J [DATABASE_AUTHENTICATION]
          log: dgctl execution logs 0192
        "#);
    }

    #[test]
    fn a_failed_execution_tells_reason_message_and_advice() {
        insta::assert_snapshot!(Error::NotCompleted(Box::new(failed())).text(), @r#"
        error: the backup ended as failed [DATABASE_AUTHENTICATION]
          password authentication failed for user "backup"\u{1b}[2J
          advice: check the datasource's user name
          log: dgctl execution logs 0192
        "#);
    }

    fn failed() -> v1::Execution {
        v1::Execution {
            id: "0192".into(),
            kind: v1::ExecutionKind::Backup.into(),
            state: v1::ExecutionState::Failed.into(),
            failure: Some(v1::Failure {
                reason: "DATABASE_AUTHENTICATION".into(),
                message: "password authentication failed for user \"backup\"\u{1b}[2J".into(),
                advice: "check the datasource's user name".into(),
            }),
            ..Default::default()
        }
    }
}
