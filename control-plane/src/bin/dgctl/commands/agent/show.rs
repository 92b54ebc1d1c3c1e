//! Agents, as people see them.

use dataguardian_proto::v1;

use crate::output::table::{Field, List, Look, Tone, details};
use crate::output::text;
use crate::values::agent_state_word;

const AGENTS: List<6> = List {
    titles: ["name", "state", "host", "version", "last seen", "attention"],
    spare: &["version", "host"],
    none: "No agents yet: `dgctl agent token create` makes a token to enroll one.",
};

pub(super) fn table(agents: &[v1::Agent], look: Look) -> String {
    let row = |agent: &v1::Agent| {
        [
            Field::text(&agent.name),
            standing(agent),
            Field::text(&agent.hostname),
            Field::text(&agent.version),
            Field::text(&text::short_time(agent.last_seen_at.as_ref(), look.width)),
            attention(agent),
        ]
    };
    AGENTS.show(look, &agents.iter().map(row).collect::<Vec<_>>())
}

/// Whether it may work and does.
fn standing(agent: &v1::Agent) -> Field {
    match (agent.state(), agent.connected) {
        (v1::AgentState::Active, true) => Field::text("connected").toned(Tone::Good),
        (v1::AgentState::Active, false) => Field::text("disconnected").toned(Tone::Bad),
        (v1::AgentState::Locked, true) => Field::text("locked").toned(Tone::Quiet),
        (v1::AgentState::Locked, false) => Field::text("locked, disconnected").toned(Tone::Bad),
        (state, _) => Field::text(&agent_state_word(state)).toned(Tone::Quiet),
    }
}

/// What needs a person's attention, in short: `agent get` says what to do.
fn attention(agent: &v1::Agent) -> Field {
    // That it is locked is its state already.
    let notices = agent.notices.iter().filter(|notice| notice.reason != "LOCKED");
    let words: Vec<_> = notices
        .map(|notice| notice.reason.to_lowercase().replace('_', " "))
        .collect();
    Field::text(&words.join(", ")).toned(Tone::Bad)
}

/// Each with what is the matter and what to do.
fn notices(agent: &v1::Agent) -> String {
    let mut lines = String::new();
    for notice in &agent.notices {
        let since = notice.since.as_ref();
        let since = since.map(|since| format!(" [{}]", text::time_and_distance(Some(since))));
        lines.push_str(&format!(
            "\n{}: {}{}\n  {}\n",
            text::cell(&notice.reason),
            text::cell(&notice.message),
            since.unwrap_or_default(),
            text::cell(&notice.advice)
        ));
    }
    lines
}

pub(super) fn describe(agent: &v1::Agent, look: Look) -> String {
    let client =
        |client: &v1::ClientProgram| format!("{} {} in {}", client.engine, client.version, client.directory);
    let clients: Vec<String> = agent.clients.iter().map(client).collect();
    let skew = agent
        .clock_skew
        .as_ref()
        .map(text::signed_length)
        .unwrap_or_default();
    let properties = details(
        look,
        vec![
            ("Name", Field::text(&agent.name)),
            ("Id", Field::text(&agent.id)),
            ("State", standing(agent)),
            ("Host", Field::text(&agent.hostname)),
            ("System", Field::text(&agent.operating_system)),
            ("Version", Field::text(&agent.version)),
            (
                "Enrolled",
                Field::text(&text::time_and_distance(agent.enrolled_at.as_ref())),
            ),
            (
                "Last seen",
                Field::text(&text::time_and_distance(agent.last_seen_at.as_ref())),
            ),
            (
                "Certificate until",
                Field::text(&text::time_and_distance(agent.certificate_expires_at.as_ref())),
            ),
            ("Clock", Field::text(&skew)),
            ("Clients", Field::text(&clients.join(", "))),
        ],
    );
    format!("{properties}{}", notices(agent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied() -> v1::AgentNotice {
        v1::AgentNotice {
            reason: "IDENTITY_COPIED".into(),
            message: "a certificate was used (from 192.0.2.7) that a newer one had replaced".into(),
            advice: "stop the copy".into(),
            since: None,
        }
    }

    #[test]
    fn agents_are_listed_with_their_standing() {
        let agent = |name: &str, state: v1::AgentState, connected| v1::Agent {
            name: name.into(),
            state: state.into(),
            connected,
            hostname: "db1.example".into(),
            version: "0.1.0".into(),
            ..Default::default()
        };
        let agents = [
            agent("db1", v1::AgentState::Active, true),
            agent("db2", v1::AgentState::Active, false),
            agent("old", v1::AgentState::Revoked, false),
            agent("quiet", v1::AgentState::Locked, true),
            v1::Agent {
                notices: vec![copied()],
                ..agent("twin", v1::AgentState::Active, true)
            },
        ];
        insta::assert_snapshot!(table(&agents, Look::PLAIN));
    }

    #[test]
    fn an_agent_is_shown_with_what_needs_attention() {
        let agent = v1::Agent {
            name: "db1".into(),
            state: v1::AgentState::Active.into(),
            notices: vec![copied()],
            ..Default::default()
        };
        insta::assert_snapshot!(describe(&agent, Look::PLAIN));
    }
}
