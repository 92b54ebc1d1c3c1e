//! Lists, page after page, up to a limit.

use std::future::Future;

use clap::Args;
use tonic::{Response, Status};

use crate::error::Result;

/// The most that the server sends at once.
const MAX_PAGE: u32 = 1000;

/// How much of a list is wanted.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Limit {
    /// Show at most this many; 0 for all
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,
}

/// A list message of the API.
pub(crate) trait Page {
    /// Adds another page's items.
    fn append(&mut self, other: Self);
    /// How many items there are.
    fn count(&self) -> usize;
    /// Where the next page begins; empty at the end.
    fn next(&self) -> &str;
}

impl Limit {
    /// All there is.
    pub(crate) const fn all() -> Self {
        Self { limit: 0 }
    }

    /// Calls `get(page_size, page_token)` until there is enough or no more, and joins the pages into one message. Its
    /// `next_page_token` tells whether there is more.
    pub(crate) async fn collect<P, F>(self, mut get: impl FnMut(i32, String) -> F) -> Result<P>
    where
        P: Page,
        F: Future<Output = Result<Response<P>, Status>>,
    {
        let mut all: Option<P> = None;
        loop {
            let have = all.as_ref().map_or(0, Page::count);
            let token = all
                .as_ref()
                .map_or_else(String::new, |page| page.next().to_owned());
            let page = get(self.page_size(have), token).await?.into_inner();
            let joined = match all.take() {
                None => page,
                Some(mut joined) => {
                    joined.append(page);
                    joined
                }
            };
            if joined.next().is_empty() || self.is_reached(joined.count()) {
                return Ok(joined);
            }
            all = Some(joined);
        }
    }

    fn is_reached(self, have: usize) -> bool {
        self.limit != 0 && have >= self.limit as usize
    }

    fn page_size(self, have: usize) -> i32 {
        let have = u32::try_from(have).unwrap_or(u32::MAX);
        let wanted = match self.limit {
            0 => MAX_PAGE,
            limit => limit.saturating_sub(have).clamp(1, MAX_PAGE),
        };
        i32::try_from(wanted).unwrap_or(i32::MAX)
    }
}

macro_rules! pages {
    ($($message:ident.$items:ident;)+) => {$(
        impl Page for dataguardian_proto::v1::$message {
            fn append(&mut self, other: Self) {
                self.$items.extend(other.$items);
                self.next_page_token = other.next_page_token;
            }
            fn count(&self) -> usize {
                self.$items.len()
            }
            fn next(&self) -> &str {
                &self.next_page_token
            }
        }
    )+};
}

pages! {
    ListAgentsResponse.agents;
    ListBackupsResponse.backups;
    ListBackupStreamsResponse.streams;
    ListDatasourcesResponse.datasources;
    ListDatasourceHealthChecksResponse.health_checks;
    ListExecutionsResponse.executions;
    ListJobsResponse.jobs;
    ListNotificationChannelsResponse.channels;
    ListNotificationRulesResponse.rules;
    ListNotificationsResponse.notifications;
    ListStoragesResponse.storages;
    ListStorageHealthChecksResponse.health_checks;
    ListUsersResponse.accounts;
    PreviewRetentionResponse.decisions;
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataguardian_proto::v1::{Job, ListJobsResponse};

    /// A server with 2500 jobs; it notes the page sizes that it is asked for.
    async fn list(limit: u32, sizes: &mut Vec<i32>) -> ListJobsResponse {
        let get = |size: i32, token: String| {
            sizes.push(size);
            let from: usize = token.parse().unwrap_or(0);
            let to = (from + size as usize).min(2500);
            let jobs = vec![Job::default(); to - from];
            let next_page_token = if to < 2500 { to.to_string() } else { String::new() };
            std::future::ready(Ok(Response::new(ListJobsResponse {
                jobs,
                next_page_token,
            })))
        };
        Limit { limit }.collect(get).await.unwrap()
    }

    #[tokio::test]
    async fn pages_are_joined_up_to_the_limit() {
        for (limit, count, more, expected) in [
            (100, 100, "100", vec![100]),
            (1500, 1500, "1500", vec![1000, 500]),
            (2500, 2500, "", vec![1000, 1000, 500]),
            (9999, 2500, "", vec![1000, 1000, 1000]),
            (0, 2500, "", vec![1000, 1000, 1000]),
        ] {
            let mut sizes = Vec::new();
            let list = list(limit, &mut sizes).await;
            assert_eq!(
                (list.jobs.len(), list.next_page_token.as_str()),
                (count, more),
                "limit {limit}"
            );
            assert_eq!(sizes, expected, "limit {limit}");
        }
    }
}
