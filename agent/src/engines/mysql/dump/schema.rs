//! A live database's schema, kept in memory: what a swap needs to make views, triggers and programs again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::stream::{StreamEnd, StreamHeader, StreamRole};
use sqlx::mysql::MySqlConnection;

use super::Dumping;
use super::arguments::Purpose;
use crate::engines::mysql::describe;
use crate::engines::mysql::exclusions::Settled;
use crate::engines::mysql::run::{Programs, Run};
use crate::engines::mysql::server::Server;
use crate::engines::{StreamSink, StreamWriter};

/// How long the dump may wait for locks.
const LOCKS_OF_A_SWAP: Duration = Duration::from_secs(60);

/// A live database's schema without its rows: what comes before them, and what comes after.
pub(in crate::engines::mysql) async fn schema_of(
    run: &Run,
    programs: &Programs,
    server: &Server,
    session: &mut MySqlConnection,
    database: &str,
) -> Result<(Vec<u8>, Vec<u8>), Failure> {
    let described = describe::describe(session, &[database.to_owned()]).await?;
    if let Some(view) = described.relations.iter().find(|relation| relation.is_broken) {
        let message = format!(
            "view {database}.{} refers to what is not there, so that it could not be made again if need be: drop it first",
            view.name
        );
        return Err(Failure::new(FailureKind::TargetUnfit, message));
    }
    let left_out = Settled::default();
    let dumping = Dumping {
        run,
        lock_timeout: LOCKS_OF_A_SWAP,
        server,
        programs,
        described: &described,
        left_out: &left_out,
    };
    let kept = Kept::default();
    dumping
        .run(session, &kept, dumping.arguments(Purpose::Schema)?)
        .await?;
    Ok(kept.take())
}

/// Keeps what comes before the rows, and what comes after.
#[derive(Debug, Default)]
struct Kept {
    before: Arc<Mutex<Vec<u8>>>,
    after: Arc<Mutex<Vec<u8>>>,
}

impl Kept {
    fn take(self) -> (Vec<u8>, Vec<u8>) {
        let take = |kept: Arc<Mutex<Vec<u8>>>| {
            std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner))
        };
        (take(self.before), take(self.after))
    }
}

#[async_trait]
impl StreamSink for Kept {
    async fn open(&self, header: StreamHeader) -> Result<Box<dyn StreamWriter>, Failure> {
        let kept = match header.role {
            StreamRole::SchemaBeforeData => Some(&self.before),
            StreamRole::SchemaAfterData => Some(&self.after),
            _ => None,
        };
        Ok(Box::new(KeptStream(kept.map(Arc::clone))))
    }

    async fn take_back(&self, _: &str) -> Result<(), Failure> {
        Ok(())
    }
}

struct KeptStream(Option<Arc<Mutex<Vec<u8>>>>);

#[async_trait]
impl StreamWriter for KeptStream {
    async fn write(&mut self, bytes: Bytes) -> Result<(), Failure> {
        if let Some(kept) = &self.0 {
            kept.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend_from_slice(&bytes);
        }
        Ok(())
    }

    async fn finish(self: Box<Self>, _: StreamEnd) -> Result<(), Failure> {
        Ok(())
    }
}
