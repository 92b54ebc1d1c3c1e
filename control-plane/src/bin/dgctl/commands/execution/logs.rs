//! `dgctl execution logs`.

use clap::Args;
use dataguardian_proto::v1;
use tonic::{Status, Streaming};

use super::Context;
use crate::connect::Api;
use crate::error::{Error, Result};
use crate::output::table::Look;
use crate::output::text::{printable, time_of_day};
use crate::patience::{Patience, is_passing};

/// `dgctl execution logs`
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The execution's id
    id: String,
    /// Follow the log until the execution has ended
    #[arg(short, long)]
    follow: bool,
    /// Begin with this line, counted from 0 over all attempts
    #[arg(long, value_name = "N", default_value_t = 0)]
    offset: u64,
}

impl Logs {
    /// Writes the lines as they come; after a lost connection it goes on with the line that was due.
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let api = context.api().await?;
        let mut offset = self.offset;
        let mut patience = Patience::default();
        loop {
            match self.read_on(&api, context, &mut offset, &mut patience).await? {
                None => return Ok(()),
                Some(status) if !self.follow => return Err(status.into()),
                Some(status) => {
                    if !patience.wait().await {
                        return Err(Error::LostSight {
                            execution: self.id.clone(),
                            source: Box::new(status),
                        });
                    }
                }
            }
        }
    }

    /// Reads to the end of one stream: none if it ended as it should, the status if the connection was lost.
    async fn read_on(
        &self,
        api: &Api,
        context: &Context,
        offset: &mut u64,
        patience: &mut Patience,
    ) -> Result<Option<Status>> {
        let request = v1::TailLogsRequest {
            execution_id: self.id.clone(),
            offset: *offset,
            follow: self.follow,
        };
        let mut stream: Streaming<v1::TailLogsResponse> = match api.executions().tail_logs(request).await {
            Ok(stream) => stream.into_inner(),
            Err(status) if is_passing(&status) => return Ok(Some(status)),
            Err(status) => return Err(status.into()),
        };
        loop {
            match stream.message().await {
                Ok(Some(reply)) => {
                    patience.restore();
                    *offset = reply.offset + reply.lines.len() as u64;
                    context.output.stream(&reply, lines)?;
                }
                Ok(None) => return Ok(None),
                Err(status) if is_passing(&status) => return Ok(Some(status)),
                Err(status) => return Err(status.into()),
            }
        }
    }
}

fn lines(reply: &v1::TailLogsResponse, look: Look) -> String {
    reply.lines.iter().map(|line| one(line, look) + "\n").collect()
}

fn one(line: &v1::LogLine, look: Look) -> String {
    let (word, colour) = match line.level() {
        v1::LogLevel::Warn => ("warn ", "\u{1b}[33m"),
        v1::LogLevel::Error => ("error", "\u{1b}[31m"),
        v1::LogLevel::Info | v1::LogLevel::Unspecified => ("info ", ""),
    };
    let time = time_of_day(line.time.as_ref());
    let message = printable(&line.message);
    match (look.colours, colour) {
        (true, colour) if !colour.is_empty() => format!("{time} {colour}{word}\u{1b}[0m {message}"),
        _ => format!("{time} {word} {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_show_their_level() {
        let line = |level: v1::LogLevel, message: &str| v1::LogLine {
            time: None,
            level: level.into(),
            message: message.into(),
        };
        let reply = v1::TailLogsResponse {
            offset: 0,
            lines: vec![
                line(v1::LogLevel::Info, "dumping shop"),
                line(v1::LogLevel::Error, "pg_dump: \u{1b}[2Jgone"),
            ],
        };
        insta::assert_snapshot!(lines(&reply, Look::PLAIN), @r"
        --:--:-- info  dumping shop
        --:--:-- error pg_dump: \u{1b}[2Jgone
        ");
        assert!(
            lines(
                &reply,
                Look {
                    width: None,
                    colours: true
                }
            )
            .contains("\u{1b}[31merror")
        );
    }
}
