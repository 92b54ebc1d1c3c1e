//! `dgctl session`: one's own sign-ins.

use clap::{Args, Subcommand};
use dataguardian_proto::v1;

use super::Context;
use crate::error::Result;
use crate::output::table::{Field, List, Look, Tone};
use crate::output::text;

/// `dgctl session …`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List where you are signed in: browsers, and programs such as this one
    List,
    /// End one of your sign-ins
    Revoke(Revoke),
}

/// `dgctl session revoke`
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// Its id, as `session list` shows it
    session: String,
}

const SESSIONS: List<6> = List {
    titles: ["id", "kind", "began", "last used", "from", "program"],
    spare: &["program", "began"],
    none: "You are signed in nowhere.",
};

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List => list(context).await,
            Self::Revoke(revoke) => revoke.run(context).await,
        }
    }
}

async fn list(context: &Context) -> Result<()> {
    let mut auth = context.api().await?.auth();
    let reply = auth.list_sessions(v1::ListSessionsRequest {}).await?.into_inner();
    context
        .output
        .show(&reply, |reply, look| table(&reply.sessions, look))
}

impl Revoke {
    async fn run(self, context: &Context) -> Result<()> {
        let mut auth = context.api().await?.auth();
        let request = v1::RevokeSessionRequest {
            session_id: self.session.clone(),
        };
        let reply = auth.revoke_session(request).await?.into_inner();
        context
            .output
            .show(&reply, |_, _| format!("Session {} is ended.", self.session))
    }
}

fn table(sessions: &[v1::Session], look: Look) -> String {
    let row = |session: &v1::Session| {
        let kind = match session.kind() {
            v1::SessionKind::Browser => "browser",
            v1::SessionKind::Program => "program",
            v1::SessionKind::Unspecified => text::NONE,
        };
        let kind = if session.current {
            Field::text(&format!("{kind}, this one")).toned(Tone::Good)
        } else {
            Field::text(kind)
        };
        [
            Field::id(&session.id),
            kind,
            Field::text(&text::short_time(session.created_at.as_ref(), look.width)),
            Field::text(&text::short_time(session.last_used_at.as_ref(), look.width)),
            Field::text(&session.address),
            Field::text(&session.user_agent),
        ]
    };
    SESSIONS.show(look, &sessions.iter().map(row).collect::<Vec<_>>())
}
