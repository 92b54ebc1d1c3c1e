//! Word of stored packs, to the control plane in batches: the catalogue knows each pack before the backup is complete.

use std::time::Duration;

use dataguardian_core::execution::Fence;
use dataguardian_proto::agent::v1;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::control_plane::{CallError, ControlPlane};
use crate::pipeline::StoredPack;

/// Packs that may wait to be told: at 100 MB/s, a control plane that is away for ten minutes holds nothing up.
pub(crate) const WAITING: usize = 16_384;
/// Packs in one call.
const BATCH: usize = 256;
/// How long packs gather before they are told.
const GATHER: Duration = Duration::from_secs(2);

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

fn to_wire(stored: StoredPack) -> v1::StoredPack {
    v1::StoredPack {
        pack_id: stored.pack.as_bytes().to_vec(),
        storage_id: stored.storage.to_string(),
        stored_bytes: stored.stored_bytes,
        raw_bytes: stored.raw_bytes,
        chunks: stored.chunks,
    }
}
