//! Short questions to agents, and who waits for the answers.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dataguardian_core::execution::Fence;
use dataguardian_core::failure::Failure;
use dataguardian_core::ids::{BackupId, ControlPlaneId, DatasourceId, RequestId, StorageId, TransferId};
use dataguardian_core::selection::DatabaseSelection;
use dataguardian_core::target::ConnectionTarget;
use dataguardian_proto::agent::v1 as wire;
use dataguardian_proto::agent::v1::answer::Answer as WireAnswer;
use dataguardian_proto::v1;
use dataguardian_repository::layout::ObjectKey;
use prost::Message as _;
use tokio::sync::oneshot;

use super::handle::NotDelivered;
use super::{from_wire, to_wire};
use crate::domain::assignment::{RepositoryLocation, StorageFailure};
use crate::domain::cleanup::Sighting;
use crate::domain::pack::DataObject;
use crate::domain::storage::{Neighbour, PreparedRepository};
use crate::domain::verification::{CopyFindings, ObjectFault};
use crate::services::downloads::Download;
use crate::services::verifications::{ObjectsWork, PresenceWork};

/// What an agent can be asked.
#[derive(Debug, Clone)]
pub enum Question {
    /// Could a backup of this run now?
    TestDatasource {
        /// How it is reached.
        connection: ConnectionTarget,
        /// Which databases.
        databases: DatabaseSelection,
    },
    /// Which databases are there?
    DiscoverDatabases {
        /// How the server is reached.
        connection: ConnectionTarget,
    },
    /// Make a repository there, or open ours.
    PrepareStorage {
        /// Where.
        repository: RepositoryLocation,
        /// Whose it is.
        control_plane: ControlPlaneId,
        /// Names of the installation keys, for one that is made.
        keys: Vec<String>,
        /// The storages from which it must keep apart.
        neighbours: Vec<Neighbour>,
    },
    /// Put the manifest of a commit that its attempt left.
    PutManifest {
        /// The attempt.
        fence: Fence,
        /// Of what.
        datasource: DatasourceId,
        /// The backup.
        backup: BackupId,
        /// Where it may go.
        repositories: Vec<RepositoryLocation>,
    },
    /// What of a datasource is there and named by no manifest?
    FindUnnamed {
        /// Where.
        repository: RepositoryLocation,
        /// Of what.
        datasource: DatasourceId,
        /// Which of these are not there?
        about: BTreeSet<DataObject>,
    },
    /// Delete exactly these.
    DeleteObjects {
        /// Where.
        repository: RepositoryLocation,
        /// Of what.
        datasource: DatasourceId,
        /// The objects.
        objects: BTreeSet<DataObject>,
    },
    /// About manifests that are there.
    Manifest(ManifestQuestion),
    /// Copy a committed backup into one more storage.
    CopyBackup {
        /// Of what.
        datasource: DatasourceId,
        /// Which.
        backup: BackupId,
        /// The SHA-256 of its manifest.
        manifest_sha256: [u8; 32],
        /// Where it is.
        sources: Vec<RepositoryLocation>,
        /// Where it is to be.
        target: RepositoryLocation,
        /// Whose the repositories are.
        control_plane: ControlPlaneId,
        /// What of the target is damaged, and put anew.
        mend: Vec<ObjectKey>,
    },
    /// Is a backup there?
    CheckCopy {
        /// Where.
        repository: RepositoryLocation,
        /// Which.
        work: PresenceWork,
    },
    /// Have these packs and lists the SHA-256 that is their name?
    CheckObjects {
        /// Where.
        repository: RepositoryLocation,
        /// Which.
        work: ObjectsWork,
    },
    /// Send a part of a backup to the transfer that waits for it.
    SendBackup(TransferId, Box<Download>),
    /// Does the repository work?
    TestStorage {
        /// Where it is.
        repository: RepositoryLocation,
        /// How closely is looked.
        depth: TestDepth,
    },
}

/// How closely a storage is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestDepth {
    /// The repository is there and ours, and can be read.
    Read,
    /// An object can be written, read, not overwritten, and removed, too.
    Write,
    /// The same with an object that has the same name each time.
    WriteAgain,
}

/// What an agent can be asked about manifests that are in a storage.
#[derive(Debug, Clone)]
pub enum ManifestQuestion {
    /// Delete exactly this manifest.
    Delete {
        /// Where.
        repository: RepositoryLocation,
        /// Of what.
        datasource: DatasourceId,
        /// Of which backup.
        backup: BackupId,
        /// The SHA-256 of its payload.
        payload_sha256: [u8; 32],
    },
    /// Which manifests are there?
    List {
        /// Where.
        repository: RepositoryLocation,
        /// Only those behind this one.
        after: Option<(DatasourceId, BackupId)>,
    },
    /// What does a manifest say, and is all there that it names?
    Read {
        /// Where.
        repository: RepositoryLocation,
        /// Of what.
        datasource: DatasourceId,
        /// Of which backup.
        backup: BackupId,
        /// From which byte on.
        offset: u64,
    },
}

/// What an agent answers. Reports that only pass through, from an agent to a person, stay in the wire's form.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// On [`Question::TestDatasource`].
    Datasource(v1::TestDatasourceResponse),
    /// On [`Question::DiscoverDatabases`].
    Databases(v1::DiscoverDatabasesResponse),
    /// On [`Question::PrepareStorage`].
    Prepared(PreparedRepository),
    /// On [`Question::PutManifest`].
    ManifestPut {
        /// Where it is now.
        stored: Vec<StorageId>,
        /// Where it is not, and why.
        failed: Vec<StorageFailure>,
    },
    /// On [`Question::FindUnnamed`].
    Unnamed(Sighting),
    /// On [`Question::DeleteObjects`].
    Deleted {
        /// Not there any more.
        gone: BTreeSet<DataObject>,
        /// Left alone, since a manifest names them.
        named: BTreeSet<DataObject>,
    },
    /// On [`ManifestQuestion::Delete`]: it is not there any more.
    ManifestDeleted,
    /// On [`ManifestQuestion::List`].
    Manifests {
        /// Those that are there.
        manifests: BTreeSet<(DatasourceId, BackupId)>,
        /// Whether there are more.
        truncated: bool,
    },
    /// On [`ManifestQuestion::Read`].
    ManifestPart {
        /// Its bytes from the offset on.
        part: Vec<u8>,
        /// The length of it all.
        length: u64,
        /// With the first part: how many objects that it names are missing; none if it can't be read.
        missing: Option<u64>,
    },
    /// On [`Question::CopyBackup`].
    Copied {
        /// Whether all of it is there now.
        complete: bool,
        /// What was copied since the question.
        bytes: u64,
        /// Those of the objects to be mended that were put anew.
        mended: Vec<ObjectKey>,
        /// Why the rest can't be copied now.
        failure: Option<Failure>,
    },
    /// On [`Question::CheckCopy`].
    CopyChecked(Box<CopyFindings>),
    /// On [`Question::CheckObjects`].
    ObjectsChecked {
        /// So many were read.
        checked: u32,
        /// Those of them that are not as they should be.
        faults: Vec<ObjectFault>,
    },
    /// On [`Question::SendBackup`]: it is on its way.
    Sending {
        /// The length of the script.
        bytes: u64,
    },
    /// On [`Question::TestStorage`].
    Storage {
        /// Whether the place refuses to overwrite.
        conditional_put: bool,
        /// Room that is left, in bytes, where it can be known.
        free_bytes: Option<u64>,
    },
}

/// A question without an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The agent has no session here, or its session ended.
    #[error("the agent is not connected")]
    NotConnected,
    /// Another replica has its session, and this is no question that can be handed on.
    #[error("the agent is connected to another replica")]
    Elsewhere,
    /// The agent takes no messages.
    #[error("the agent takes no messages")]
    Busy,
    /// No answer in time.
    #[error("the agent gave no answer within {} s", .0.as_secs())]
    NoAnswer(Duration),
    /// The agent says that it can't be.
    #[error("{0}")]
    Failed(Failure),
    /// An answer that is none.
    #[error("the agent's answer does not fit the question")]
    Nonsense,
}

impl From<NotDelivered> for AskError {
    fn from(NotDelivered: NotDelivered) -> Self {
        Self::Busy
    }
}

/// The questions of one session that have no answer yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Questions(Arc<Mutex<HashMap<RequestId, oneshot::Sender<WireAnswer>>>>);

/// Someone who waits for an answer; the question is forgotten when it is dropped.
pub(super) struct Waiting {
    id: RequestId,
    answer: oneshot::Receiver<WireAnswer>,
    questions: Questions,
}

impl Questions {
    pub(super) fn open(&self) -> (RequestId, Waiting) {
        let id = RequestId::new();
        let (sender, answer) = oneshot::channel();
        self.lock().insert(id, sender);
        let questions = self.clone();
        (
            id,
            Waiting {
                id,
                answer,
                questions,
            },
        )
    }

    pub(super) fn close(&self, id: RequestId, answer: WireAnswer) {
        if let Some(waiting) = self.lock().remove(&id) {
            drop(waiting.send(answer));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RequestId, oneshot::Sender<WireAnswer>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    pub(super) async fn wait(mut self) -> Result<WireAnswer, AskError> {
        (&mut self.answer).await.map_err(|_| AskError::NotConnected)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.questions.lock().remove(&self.id);
    }
}

impl Question {
    /// For another replica to put, as the wire has it; secrets lie open in it. None for what only the replica that waits for it
    /// can be sent.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        if matches!(self, Self::SendBackup(..)) {
            return None;
        }
        let question = wire::Question {
            question: Some(to_wire::question(self.clone())),
            ..wire::Question::default()
        };
        Some(question.encode_to_vec())
    }
}

impl Answer {
    /// What another replica was answered.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AskError> {
        let answer = wire::Answer::decode(bytes).map_err(|_| AskError::Nonsense)?;
        from_wire::answer(answer.answer.ok_or(AskError::Nonsense)?)
    }
}
