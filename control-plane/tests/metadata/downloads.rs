//! Who reads a backup that is downloaded, and with what.

use dataguardian_control_plane::domain::download::{ScriptPart, Wanted};
use dataguardian_control_plane::domain::job::{BackupOptions, Encryption};
use dataguardian_control_plane::domain::restore::BackupChoice;
use dataguardian_core::ids::BackupId;

use crate::world::{World, on_both};

on_both! {
    async fn a_download_has_what_a_restore_would_have(world: &World) {
        let agent = world.agent("db1").await;
        let other = world.agent("db2").await;
        let downloads = &world.services.downloads;
        for (name, encryption) in [("shop", Encryption::Sealed), ("plain", Encryption::Plain)] {
            let options = BackupOptions { encryption, ..BackupOptions::default() };
            let job = world.job(agent.id, name, options).await;
            world.run(&job).await;
            let backup = agent.back_up().await.backup().unwrap();
            let choice = BackupChoice::Id(backup, None);
            let found = downloads.prepare(&choice, Wanted::Only, &[other.id, agent.id]).await.unwrap();
            assert_eq!((found.backup, found.datasource, found.agent), (backup, job.datasource, agent.id));
            assert!(matches!(found.part, ScriptPart::Database(_)));
            assert_eq!(found.repositories.len(), 1);
            assert_eq!(found.datasource_keys.is_some(), encryption == Encryption::Sealed);
            let roles = Wanted::Part(ScriptPart::Globals);
            let found = downloads.prepare(&choice, roles, &[agent.id]).await.unwrap();
            assert_eq!(found.part, ScriptPart::Globals);

            // A storage in a folder is its own agent's alone, and that one is away.
            let away = downloads.prepare(&choice, Wanted::Only, &[other.id]).await.unwrap_err();
            assert_eq!(away.reason(), "AGENT_NOT_CONNECTED");
            let wrong = Wanted::Part(ScriptPart::Database("ship".to_owned()));
            let wrong = downloads.prepare(&choice, wrong, &[agent.id]).await.unwrap_err();
            assert_eq!(wrong.fields()[0].field, "database");
        }
        let unknown = BackupChoice::Id(BackupId::new(), None);
        let unknown = downloads.prepare(&unknown, Wanted::Only, &[agent.id]).await.unwrap_err();
        assert_eq!(unknown.reason(), "BACKUP_NOT_FOUND");
    }
}
