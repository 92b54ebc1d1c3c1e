//! Words of the command line, and their counterparts in the API.

use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use dataguardian_proto::v1;

/// How several storages of a job are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StrategyWord {
    /// The first storage that works.
    Fallback,
    /// Every storage.
    Replicate,
}

impl From<StrategyWord> for v1::Strategy {
    fn from(word: StrategyWord) -> Self {
        match word {
            StrategyWord::Fallback => Self::Fallback,
            StrategyWord::Replicate => Self::Replicate,
        }
    }
}

/// How streams are cut into chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChunkingWord {
    /// As the last backups suggest.
    Auto,
    /// By content, so that what did not change need not be stored again.
    ContentDefined,
    /// Every 4 MiB, and nothing is looked for.
    Stream,
}

impl From<ChunkingWord> for v1::Chunking {
    fn from(word: ChunkingWord) -> Self {
        match word {
            ChunkingWord::Auto => Self::Auto,
            ChunkingWord::ContentDefined => Self::ContentDefined,
            ChunkingWord::Stream => Self::Stream,
        }
    }
}

/// What is done with times that passed while the control plane was away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MisfireWord {
    /// One run stands for all of them.
    RunOnce,
    /// They are skipped.
    Skip,
}

impl From<MisfireWord> for v1::MisfirePolicy {
    fn from(word: MisfireWord) -> Self {
        match word {
            MisfireWord::RunOnce => Self::RunOnce,
            MisfireWord::Skip => Self::Skip,
        }
    }
}

/// Whether, and how strictly, a connection to a database is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TlsWord {
    /// Never.
    Disable,
    /// If the server offers it.
    Prefer,
    /// Always, whoever answers.
    Require,
    /// Always, with a certificate from a known authority.
    VerifyCa,
    /// Always, with a certificate that also names the host.
    VerifyFull,
}

impl From<TlsWord> for v1::TlsMode {
    fn from(word: TlsWord) -> Self {
        match word {
            TlsWord::Disable => Self::Disable,
            TlsWord::Prefer => Self::Prefer,
            TlsWord::Require => Self::Require,
            TlsWord::VerifyCa => Self::VerifyCa,
            TlsWord::VerifyFull => Self::VerifyFull,
        }
    }
}

/// A state of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum StateWord {
    Queued,
    Leased,
    Running,
    Committing,
    Completed,
    RetryWait,
    Cancelling,
    Cancelled,
    Failed,
    Skipped,
}

impl From<StateWord> for v1::ExecutionState {
    fn from(word: StateWord) -> Self {
        match word {
            StateWord::Queued => Self::Queued,
            StateWord::Leased => Self::Leased,
            StateWord::Running => Self::Running,
            StateWord::Committing => Self::Committing,
            StateWord::Completed => Self::Completed,
            StateWord::RetryWait => Self::RetryWait,
            StateWord::Cancelling => Self::Cancelling,
            StateWord::Cancelled => Self::Cancelled,
            StateWord::Failed => Self::Failed,
            StateWord::Skipped => Self::Skipped,
        }
    }
}

/// `OLD` or `OLD=NEW`: a database of the backup, and its name at the target. A doubled `==` stands for a `=` in a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mapping(pub(crate) v1::DatabaseMapping);

impl FromStr for Mapping {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut names = vec![String::new()];
        let mut rest = text.chars().peekable();
        while let Some(character) = rest.next() {
            if character == '=' && rest.next_if_eq(&'=').is_none() {
                names.push(String::new());
            } else if let Some(name) = names.last_mut() {
                name.push(character);
            }
        }
        let (from, to) = match names.as_slice() {
            [from] => (from, None),
            [from, to] => (from, Some(to)),
            _ => return Err("has more than one `=`; write `==` for a `=` that belongs to a name".into()),
        };
        if from.is_empty() || to.is_some_and(String::is_empty) {
            return Err("expected OLD or OLD=NEW, with no name empty".into());
        }
        Ok(Self(v1::DatabaseMapping {
            from: from.clone(),
            to: to.cloned().unwrap_or_default(),
        }))
    }
}

/// A length of time: a number and `s`, `m`, `h` or `d`, as in `90s`, `15m`, `1h`, `7d`.
pub(crate) fn length(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a number and s, m, h or d, as in 90s, 15m, 1h or 7d".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - unit.len_utf8()]
        .parse()
        .map_err(|_| wrong())?;
    match number.checked_mul(seconds) {
        None | Some(0) => Err("must be more than nothing and less than for ever".into()),
        Some(seconds) => Ok(Duration::from_secs(seconds)),
    }
}

/// The part of an enum's wire name that says something: `EXECUTION_STATE_RETRY_WAIT` is `retry_wait`.
fn word(wire: &str, prefix: &str) -> String {
    wire.strip_prefix(prefix).unwrap_or(wire).to_lowercase()
}

/// `agent`, `datasource`, ….
pub(crate) fn scope_word(kind: v1::ScopeKind) -> String {
    word(kind.as_str_name(), "SCOPE_KIND_")
}

/// `queued`, `retry_wait`, ….
pub(crate) fn state_word(state: v1::ExecutionState) -> String {
    word(state.as_str_name(), "EXECUTION_STATE_")
}

/// `backup`, `restore`, `restore plan`.
pub(crate) fn kind_word(execution: &v1::Execution) -> String {
    let kind = word(execution.kind().as_str_name(), "EXECUTION_KIND_");
    match execution.plan_only {
        true => format!("{kind} plan"),
        false => kind,
    }
}

/// `postgres`, ….
pub(crate) fn engine_word(engine: v1::Engine) -> String {
    word(engine.as_str_name(), "ENGINE_")
}

/// `fallback`, `replicate`.
pub(crate) fn strategy_word(strategy: v1::Strategy) -> String {
    word(strategy.as_str_name(), "STRATEGY_")
}

/// `auto`, `content-defined`, `stream`.
pub(crate) fn chunking_word(chunking: v1::Chunking) -> String {
    word(chunking.as_str_name(), "CHUNKING_").replace('_', "-")
}

/// `run-once`, `skip`.
pub(crate) fn misfire_word(policy: v1::MisfirePolicy) -> String {
    word(policy.as_str_name(), "MISFIRE_POLICY_").replace('_', "-")
}

/// libpq's words: `verify-full`, ….
pub(crate) fn tls_word(mode: v1::TlsMode) -> String {
    word(mode.as_str_name(), "TLS_MODE_").replace('_', "-")
}

/// `healthy`, `unhealthy`, ….
pub(crate) fn condition_word(condition: v1::Condition) -> String {
    word(condition.as_str_name(), "CONDITION_")
}

/// `active`, `revoked`.
pub(crate) fn agent_state_word(state: v1::AgentState) -> String {
    word(state.as_str_name(), "AGENT_STATE_")
}

/// `control plane`, `agent`.
pub(crate) fn checked_by_word(by: v1::CheckedBy) -> String {
    word(by.as_str_name(), "CHECKED_BY_").replace('_', " ")
}

/// Whether nothing follows this state.
pub(crate) fn is_terminal(state: v1::ExecutionState) -> bool {
    dataguardian_core::execution::ExecutionState::try_from(state).is_ok_and(|state| state.is_terminal())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(text: &str) -> Result<(String, String), String> {
        text.parse::<Mapping>().map(|Mapping(both)| (both.from, both.to))
    }

    #[test]
    fn mappings_read_as_written() {
        for (text, from, to) in [
            ("shop", "shop", ""),
            ("shop=shop_restored", "shop", "shop_restored"),
            ("a==b=c", "a=b", "c"),
            ("a=b==c", "a", "b=c"),
            ("a b=ü", "a b", "ü"),
        ] {
            assert_eq!(mapping(text), Ok((from.into(), to.into())), "{text}");
        }
        for bad in ["", "=", "=new", "old=", "a=b=c"] {
            assert!(mapping(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lengths_read_as_written() {
        let seconds = |text| length(text).map(|length| length.as_secs());
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("15m"), Ok(900));
        assert_eq!(seconds("1h"), Ok(3600));
        assert_eq!(seconds("7d"), Ok(604_800));
        for bad in [
            "",
            "1",
            "h",
            "1.5h",
            "-1h",
            "0s",
            "1w",
            "99999999999999999999d",
            "184467440737095516d",
            "1ü",
        ] {
            assert!(length(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn wire_names_become_words() {
        assert_eq!(state_word(v1::ExecutionState::RetryWait), "retry_wait");
        assert_eq!(tls_word(v1::TlsMode::VerifyFull), "verify-full");
        assert_eq!(checked_by_word(v1::CheckedBy::ControlPlane), "control plane");
    }

    #[test]
    fn every_state_of_the_api_has_its_word() {
        for word in StateWord::value_variants() {
            let typed = word.to_possible_value().unwrap();
            assert_eq!(state_word((*word).into()), typed.get_name());
        }
        assert_eq!(
            StateWord::value_variants().len(),
            dataguardian_core::execution::ExecutionState::ALL.len()
        );
    }
}
