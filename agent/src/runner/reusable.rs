//! What a backup can refer to instead of storing it: asked of the control plane, looked for in the first storage.
//!
//! Everything here is for saving work. What fails is told in the log, and the backup stores all anew; only an end of the
//! attempt ends it.

use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_proto::agent::v1;
use dataguardian_repository::chunker::Profile;
use dataguardian_repository::id::PackId;
use dataguardian_repository::manifest::StoredObject;

use super::attempt::Attempt;
use super::work::BackupWork;
use crate::control_plane::CallError;
use crate::pipeline::Destination;
use crate::reuse::{Opened, Reuse, Wanted};

/// The most packs that are taken from a list of the control plane's: 1.6 TB. More that were left are not used; of more that are
/// unusable not all would be known, so nothing is.
const MOST: usize = 100_000;

/// Opens what is stored already, as the assignment has it.
pub(super) async fn open(
    attempt: &Attempt,
    work: &BackupWork,
    destinations: &[Destination],
) -> Result<Reuse, Failure> {
    let status = attempt.status();
    if let Some(because) = work.because {
        status.log.info(because);
    }
    let Some(first) = destinations.first() else {
        return Ok(Reuse::none());
    };
    status.wait_for("looking for what is stored already");
    let opening = async {
        let Listed { packs: left, .. } = list(attempt, v1::PackStanding::Left).await?;
        // Without looking, what the last attempt left still counts: streams that did not change are cut as they were.
        if work.profile == Profile::Stream && left.is_empty() {
            return Ok::<_, CallError>(Opened::default());
        }
        let unusable = list(attempt, v1::PackStanding::Unusable).await?;
        if !unusable.is_complete {
            let trouble = format!(
                "nothing earlier is used: more than {MOST} packs are damaged or being deleted: see `dgctl backup list`"
            );
            return Ok(Opened {
                troubles: vec![trouble],
                ..Opened::default()
            });
        }
        let wanted = Wanted {
            datasource: work.datasource,
            protection: work.protection.clone(),
            base: work.base.clone(),
            left,
            unusable: unusable.packs.into_iter().map(|pack| pack.id).collect(),
            memory: attempt.host().config.reuse.memory(),
        };
        Ok(Reuse::open(&first.storage, wanted).await)
    };
    let opened = attempt.live.stop.token().run_until_cancelled(opening).await;
    let stopped = || Failure::new(FailureKind::Superseded, "stopped before the dump");
    match opened.ok_or_else(stopped)? {
        Ok(Opened {
            reuse,
            found,
            troubles,
        }) => {
            found.into_iter().for_each(|line| status.log.info(line));
            troubles.into_iter().for_each(|line| status.log.warn(line));
            Ok(reuse)
        }
        Err(error) => Err(Failure::new(
            FailureKind::Superseded,
            format!("the control plane does not say what is stored already: {error}"),
        )),
    }
}

/// Packs of a standing, by the catalogue.
struct Listed {
    packs: Vec<StoredObject<PackId>>,
    /// Whether these are all.
    is_complete: bool,
}

/// The packs of a standing, up to [`MOST`].
async fn list(attempt: &Attempt, standing: v1::PackStanding) -> Result<Listed, CallError> {
    let mut packs = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = v1::ListPacksRequest {
            fence: Some(attempt.fence.into()),
            standing: standing.into(),
            page_token,
        };
        let call = attempt
            .host()
            .control_plane
            .call(attempt.live.stop.token(), |mut client| {
                let request = request.clone();
                async move { client.list_packs(request).await }
            });
        let page = call.await?;
        packs.extend(page.packs.into_iter().filter_map(stored));
        page_token = page.next_page_token;
        let is_complete = page_token.is_empty();
        if is_complete || packs.len() >= MOST {
            return Ok(Listed { packs, is_complete });
        }
    }
}

fn stored(wire: v1::CataloguedPack) -> Option<StoredObject<PackId>> {
    Some(StoredObject {
        id: PackId::from_bytes(wire.pack_id.try_into().ok()?),
        size: wire.stored_bytes,
    })
}
