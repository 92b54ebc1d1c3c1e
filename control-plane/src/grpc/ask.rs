//! Questions that a call has to put to an agent.

use std::time::Duration;

use dataguardian_core::error_code::ErrorCode;
use dataguardian_core::failure::Failure;
use dataguardian_core::ids::AgentId;
use dataguardian_proto::status::ApiError;
use tonic::Status;

use super::Shared;
use crate::sessions::{Answer, AskError, Question};

/// How long an agent may take to answer: shorter than a call may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// Puts a question; a failure that the agent found is part of the answer.
pub(super) async fn ask(
    shared: &Shared,
    agent: AgentId,
    agent_name: &str,
    question: Question,
) -> Result<Result<Answer, Failure>, ApiError> {
    let asked = shared.asking.ask(agent, question, PATIENCE).await;
    match asked.map_err(|error| ApiError::from(&Status::from(error)))? {
        Ok(answer) => Ok(Ok(answer)),
        Err(AskError::Failed(failure)) => Ok(Err(failure)),
        Err(AskError::NotConnected) => {
            // One that was revoked will not connect, whatever anybody starts.
            let judged = shared.services.agents.not_revoked(agent).await;
            judged.map_err(|error| ApiError::from(&Status::from(error)))?;
            Err(told(&AskError::NotConnected, agent_name))
        }
        Err(error) => Err(told(&error, agent_name)),
    }
}

/// An answer that does not fit its question.
pub(super) fn nonsense(agent_name: &str) -> ApiError {
    told(&AskError::Nonsense, agent_name)
}

/// A failure where the call can't do without the answer.
pub(super) fn failed(failure: &Failure) -> ApiError {
    let message = format!("{}; {}", failure.message, failure.kind.advice());
    ApiError::new(ErrorCode::FailedPrecondition, failure.kind.as_str(), message)
}

fn told(error: &AskError, agent: &str) -> ApiError {
    match error {
        AskError::NotConnected => ApiError::new(
            ErrorCode::FailedPrecondition,
            "AGENT_NOT_CONNECTED",
            format!("agent {agent} is not connected: start it on its host, or look into its log there"),
        ),
        AskError::Elsewhere => ApiError::new(
            ErrorCode::Unavailable,
            "AGENT_ELSEWHERE",
            format!(
                "agent {agent} is connected to another replica of the control plane, and what it sends comes only through that one: \
                 connect again, a balancer gives you another"
            ),
        )
        .retry_after(Duration::from_secs(1)),
        AskError::Busy => ApiError::new(
            ErrorCode::Unavailable,
            "AGENT_BUSY",
            format!("agent {agent} takes no messages right now; try again"),
        )
        .retry_after(Duration::from_secs(2)),
        AskError::NoAnswer(time) => ApiError::new(
            ErrorCode::DeadlineExceeded,
            "AGENT_SILENT",
            format!("agent {agent} gave no answer within {} s", time.as_secs()),
        ),
        AskError::Failed(failure) => failed(failure),
        AskError::Nonsense => ApiError::new(
            ErrorCode::Internal,
            "AGENT_NONSENSE",
            format!(
                "agent {agent} answered something that does not fit the question: is its version too old or too new?"
            ),
        ),
    }
}
