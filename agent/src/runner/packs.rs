//! Word of stored packs, to the control plane in batches: the catalogue knows each pack before the backup is complete.

use std::time::Duration;

use dataguardian_core::execution::Fence;
use dataguardian_proto::agent::v1;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::attempt::Attempt;
use crate::control_plane::{CallError, ControlPlane};
use crate::pipeline::{Destination, StoredPack, WrittenPack};

/// Packs that may wait to be told: at 100 MB/s, a control plane that is away for ten minutes holds nothing up.
pub(crate) const WAITING: usize = 16_384;
/// Packs in one call.
const BATCH: usize = 256;
/// The same, of packs that were there before.
const EARLIER: usize = 1000;
/// How long packs gather before they are told. What a killed agent did not tell, the next attempt can't use: hardly longer than a
/// pack takes to be stored.
const GATHER: Duration = Duration::from_millis(100);

/// Tells of packs until the pipeline is gone and all are told.
pub(crate) async fn report(
    control_plane: ControlPlane,
    fence: Fence,
    mut stored: mpsc::Receiver<StoredPack>,
    give_up: CancellationToken,
) -> Result<(), CallError> {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        if stored.recv_many(&mut batch, BATCH).await == 0 {
            return Ok(());
        }
        let deadline = tokio::time::sleep(GATHER);
        tokio::pin!(deadline);
        while batch.len() < BATCH {
            let room = BATCH - batch.len();
            tokio::select! {
                more = stored.recv_many(&mut batch, room) => if more == 0 { break },
                () = &mut deadline => break,
            }
        }
        let packs = batch.drain(..).map(to_wire).collect::<Vec<_>>();
        let request = v1::ReportPacksRequest {
            fence: Some(fence.into()),
            packs,
        };
        control_plane
            .call(&give_up, |mut client| {
                let request = request.clone();
                async move { client.report_packs(request).await }
            })
            .await?;
    }
}

/// Tells that packs of earlier backups and attempts are in these storages, as was seen there: a storage may have got some of
/// them from an attempt that was ended before it could tell.
pub(crate) async fn report_earlier(
    attempt: &Attempt,
    packs: &[WrittenPack],
    storages: &[Destination],
) -> Result<(), CallError> {
    for storage in storages {
        for batch in packs.chunks(EARLIER) {
            let told = batch.iter().map(|pack| v1::StoredPack {
                pack_id: pack.id.as_bytes().to_vec(),
                storage_id: storage.id.to_string(),
                stored_bytes: pack.stored_bytes,
                ..v1::StoredPack::default()
            });
            let request = v1::ReportPacksRequest {
                fence: Some(attempt.fence.into()),
                packs: told.collect(),
            };
            let call = attempt
                .host()
                .control_plane
                .call(attempt.live.stop.token(), |mut client| {
                    let request = request.clone();
                    async move { client.report_packs(request).await }
                });
            call.await?;
        }
    }
    Ok(())
}

fn to_wire(stored: StoredPack) -> v1::StoredPack {
    v1::StoredPack {
        pack_id: stored.pack.as_bytes().to_vec(),
        storage_id: stored.storage.to_string(),
        stored_bytes: stored.stored_bytes,
        raw_bytes: stored.raw_bytes,
        chunks: stored.chunks,
    }
}
