//! Looks at datasources and storages, for the loop that knows how they do.

use std::time::Duration;

use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::AgentId;
use dataguardian_proto::convert;

use super::{Answer, AskError, Question, Sessions, TestDepth};
use crate::domain::health::{Depth, Report};
use crate::services::health::{Look, LookAt};

impl Sessions {
    /// Has the agent look. A problem that it found is a finding; an error says that nobody looked.
    pub async fn look(&self, look: &Look, patience: Duration) -> Result<Report, AskError> {
        let question = match &look.at {
            LookAt::Datasource(connection, databases) => Question::TestDatasource {
                connection: (**connection).clone(),
                databases: databases.clone(),
            },
            LookAt::Storage(repository, depth) => Question::TestStorage {
                repository: (**repository).clone(),
                depth: match depth {
                    Depth::Read => TestDepth::Read,
                    Depth::Write => TestDepth::WriteAgain,
                },
            },
        };
        let wrote = matches!(look.at, LookAt::Storage(_, Depth::Write));
        match self.ask(look.agent, question, patience).await {
            Ok(Answer::Datasource(found)) => Ok(Report {
                problems: found.problems.into_iter().map(Into::into).collect(),
                latency: found
                    .latency
                    .as_ref()
                    .and_then(|latency| convert::length("latency", latency).ok()),
                server_version: Some(found.server_version).filter(|version| !version.is_empty()),
                client_version: Some(found.client_version).filter(|version| !version.is_empty()),
                ..Report::default()
            }),
            Ok(Answer::Storage {
                conditional_put,
                free_bytes,
            }) => Ok(Report {
                conditional_put: wrote.then_some(conditional_put),
                free_bytes,
                ..Report::default()
            }),
            Ok(_) => Err(AskError::Nonsense),
            Err(AskError::Failed(failure)) => Ok(with_problem(failure)),
            Err(AskError::NoAnswer(time)) => Ok(with_problem(silent(look.agent, time))),
            Err(error) => Err(error),
        }
    }
}

fn with_problem(failure: Failure) -> Report {
    Report {
        problems: vec![failure],
        ..Report::default()
    }
}

/// The agent is there and takes messages, and yet this look does not end: what it looks at hangs.
fn silent(agent: AgentId, time: Duration) -> Failure {
    let message = format!("agent {agent} looked for {} s and got no answer", time.as_secs());
    Failure::new(FailureKind::TimedOut, message)
}
