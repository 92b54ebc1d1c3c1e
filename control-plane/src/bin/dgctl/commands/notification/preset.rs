//! Bodies that some receivers expect.

use clap::ValueEnum;

/// A receiver whose expectations are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Preset {
    /// An incoming webhook of Slack, or of anything that takes the same: Mattermost, Rocket.Chat.
    Slack,
    /// A webhook of Discord.
    Discord,
    /// A server of ntfy, asked at its root: the topic is given by --topic.
    Ntfy,
}

const SLACK: &str = r#"{"text": {{ ("*" ~ title ~ "*\n" ~ details) | tojson }}}"#;

const DISCORD: &str = r#"{"content": {{ ("**" ~ title ~ "**\n" ~ details)[:1900] | tojson }}}"#;

const NTFY: &str = r#"{"topic": TOPIC, "title": {{ title | tojson }}, "message": {{ details | tojson }}, "priority": {{ 5 if severity == "error" else 3 }}, "tags": [{{ ("white_check_mark" if phase == "recovered" else "rotating_light") | tojson }}]}"#;

impl Preset {
    /// The body's template.
    pub(super) fn template(self, topic: Option<&str>) -> String {
        match self {
            Self::Slack => SLACK.to_owned(),
            Self::Discord => DISCORD.to_owned(),
            Self::Ntfy => {
                let topic = serde_json::Value::from(topic.unwrap_or("dataguardian")).to_string();
                // A brace in the topic would be read as the template's.
                NTFY.replace("TOPIC", &topic.replace(['{', '}', '%'], ""))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_a_text_whatever_is_in_it() {
        let template = Preset::Ntfy.template(Some("back\"ups {{ }}"));
        assert!(
            template.starts_with(r#"{"topic": "back\"ups  ", "title": "#),
            "{template}"
        );
    }
}
