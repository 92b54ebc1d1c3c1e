//! Backups that are in a storage and not in the catalogue: which of their manifests are this control plane's own, and what the
//! catalogue will say of them.
//!
//! What must never happen: a backup is entered that this control plane did not sign, or one whose agent it does not know.

use dataguardian_core::database::MissingDatabase;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::{AgentId, BackupId, DatasourceId};
use dataguardian_core::stream::StreamRole;
use dataguardian_repository::id::PackId;
use dataguardian_repository::manifest::{Manifest, Outline, Payload, Signer, StoredObject, VerifyingKey};

use super::backup::{BackupSummary, SignedManifest};

/// The largest manifest that is imported, in bytes: a payload of the largest size, as a JSON string.
pub const MAX_MANIFEST: u64 = 160 << 20;

/// A manifest that the catalogue does not know, or not in that storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlisted {
    /// Of what.
    pub datasource: DatasourceId,
    /// Of which backup.
    pub backup: BackupId,
}

/// What a manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedObjects {
    /// The packs, each once, with their sizes as stored.
    pub packs: Vec<([u8; 32], u64)>,
    /// The lists, each once.
    pub lists: Vec<[u8; 32]>,
}

impl From<&Outline> for NamedObjects {
    fn from(outline: &Outline) -> Self {
        let pack = |pack: &StoredObject<PackId>| (*pack.id.as_bytes(), pack.size);
        Self {
            packs: outline.packs.iter().map(pack).collect(),
            lists: outline.lists.iter().map(|list| *list.id.as_bytes()).collect(),
        }
    }
}

/// Who can vouch for a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouchers {
    /// This control plane.
    pub ours: VerifyingKey,
    /// Agents, by every key that they are known to have signed with.
    pub agents: Vec<(AgentId, VerifyingKey)>,
}

/// A manifest of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    /// The clear part.
    pub outline: Outline,
    /// The agent that made it.
    pub agent: AgentId,
    /// What the catalogue keeps.
    pub manifest: SignedManifest,
}

/// Reads a manifest that was found under that name, and checks that this control plane and an agent of its own signed it.
pub fn judge(bytes: &[u8], expected: &Unlisted, vouchers: &Vouchers) -> Result<Vouched, Failure> {
    let damaged =
        |error: &dyn std::error::Error| Failure::new(FailureKind::RepositoryDamaged, error.to_string());
    let manifest = Manifest::decode(bytes).map_err(|error| damaged(&error))?;
    let trusted: Vec<_> = vouchers.agents.iter().map(|(_, key)| *key).collect();
    let signed = manifest.verify(&[&[vouchers.ours], &trusted[..]].concat());
    let signed = signed.map_err(|error| damaged(&error))?;
    let by = |signer, key: &VerifyingKey| {
        signed
            .iter()
            .any(|good| good.signer == signer && good.key == key.id())
    };
    if !by(Signer::ControlPlane, &vouchers.ours) {
        let message = "this control plane did not sign it: it is another's, and is left alone";
        return Err(Failure::new(FailureKind::RepositoryKey, message));
    }
    let agent = vouchers.agents.iter().find(|(_, key)| by(Signer::Agent, key));
    let (agent, agent_key) = agent.ok_or_else(|| {
        let message = "the agent that signed it is unknown here: restore it with `dataguardian-agent rescue`";
        Failure::new(FailureKind::RepositoryKey, message)
    })?;
    let outline = Outline::decode(manifest.payload()).map_err(|error| damaged(&error))?;
    if (outline.datasource, outline.backup) != (expected.datasource, expected.backup) {
        let message = "it is of another backup than its name says";
        return Err(Failure::new(FailureKind::RepositoryDamaged, message));
    }
    let signature = |signer, key: &VerifyingKey| {
        let mut all = manifest.signatures.iter();
        all.find(|made| made.signer == signer && made.key == key.id())
            .map(|made| made.bytes.clone())
            .unwrap_or_default()
    };
    Ok(Vouched {
        agent: *agent,
        manifest: SignedManifest {
            agent_signature: signature(Signer::Agent, agent_key),
            agent_public_key: agent_key.as_bytes().to_vec(),
            control_plane_signature: signature(Signer::ControlPlane, &vouchers.ours),
            control_plane_public_key: vouchers.ours.as_bytes().to_vec(),
            payload: manifest.payload().to_vec(),
        },
        outline,
    })
}

/// What the catalogue shows of a backup, out of its open payload. What was new in it and what an earlier backup had cannot be
/// told any more: everything that it names counts as stored.
pub fn summary(payload: &Payload) -> BackupSummary {
    let (outline, contents) = (&payload.outline, &payload.contents);
    let tables = contents
        .streams
        .iter()
        .filter(|stream| stream.header.role == StreamRole::TableData);
    let missing = contents.missing.iter().map(|missing| MissingDatabase {
        name: missing.name.clone(),
        failure: Failure::new(
            missing.reason.parse().unwrap_or(FailureKind::Internal),
            missing.message.clone(),
        ),
    });
    let summary = BackupSummary {
        server_version: contents.server_version.clone(),
        started_at: outline.started_at,
        ended_at: outline.finished_at,
        databases: contents
            .databases
            .iter()
            .map(|database| database.name.clone())
            .collect(),
        raw_bytes: contents.streams.iter().map(|stream| stream.bytes).sum(),
        stored_bytes: outline.packs.iter().map(|pack| pack.size).sum(),
        reused_bytes: 0,
        rows: tables.clone().filter_map(|stream| stream.rows).sum(),
        tables: u32::try_from(tables.count()).unwrap_or(u32::MAX),
        warnings: contents.warnings.clone(),
        missing: missing.collect(),
    };
    summary.kept()
}

#[cfg(test)]
mod tests {
    use dataguardian_repository::manifest::SigningKey;

    use super::*;

    const PAYLOAD: &str = r#"{"format":1,"product":"0.1.0","datasource":"00000000-0000-0000-0000-000000000001",
        "backup":"00000000-0000-0000-0000-000000000002","execution":"00000000-0000-0000-0000-000000000003",
        "engine":"postgres","started_at":"2026-11-24T00:00:00Z","finished_at":"2026-11-24T00:01:00Z","packs":[],"lists":[]}"#;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32]).unwrap()
    }

    fn expected() -> Unlisted {
        Unlisted {
            datasource: "00000000-0000-0000-0000-000000000001".parse().unwrap(),
            backup: "00000000-0000-0000-0000-000000000002".parse().unwrap(),
        }
    }

    fn signed_by(agent: u8, control_plane: u8) -> Vec<u8> {
        let signatures = vec![
            key(agent).sign(Signer::Agent, PAYLOAD.as_bytes()),
            key(control_plane).sign(Signer::ControlPlane, PAYLOAD.as_bytes()),
        ];
        let manifest = Manifest::new(PAYLOAD.as_bytes().to_vec(), signatures).unwrap();
        manifest.encode().unwrap()
    }

    #[test]
    fn only_what_both_signed_is_our_own() {
        let agent = AgentId::new();
        let vouchers = Vouchers {
            ours: key(1).verifying_key(),
            agents: vec![
                (AgentId::new(), key(8).verifying_key()),
                (agent, key(9).verifying_key()),
            ],
        };
        let vouched = judge(&signed_by(9, 1), &expected(), &vouchers).unwrap();
        assert_eq!(
            (vouched.agent, vouched.manifest.payload.as_slice()),
            (agent, PAYLOAD.as_bytes())
        );
        assert_eq!(
            vouched.manifest.agent_public_key,
            key(9).verifying_key().as_bytes()
        );
        for (bytes, why) in [
            (signed_by(9, 2), "did not sign it"),
            (signed_by(7, 1), "unknown here"),
            (b"{".to_vec(), "no manifest"),
            // The agent's key, used as if it were the control plane's.
            (signed_by(9, 9), "did not sign it"),
        ] {
            let refused = judge(&bytes, &expected(), &vouchers).unwrap_err();
            assert!(refused.message.contains(why), "{refused}");
        }
        let elsewhere = Unlisted {
            backup: BackupId::new(),
            ..expected()
        };
        assert!(judge(&signed_by(9, 1), &elsewhere, &vouchers).is_err());
    }
}
