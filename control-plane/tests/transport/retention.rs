//! Retention over the API: said, shown, changed by mask, previewed, and refused with every bad field named.

use dataguardian_proto::v1;
use dataguardian_proto::v1::job_service_client::JobServiceClient;
use dataguardian_proto::v1::retention::Policy;

use crate::scene::Scene;
use crate::server::bad_fields;

fn newest(most: u32) -> v1::Retention {
    v1::Retention {
        policy: Some(Policy::MaxBackups(most)),
        ..v1::Retention::default()
    }
}

fn update(retention: Option<v1::Retention>) -> v1::UpdateJobRequest {
    v1::UpdateJobRequest {
        job: "nightly".to_owned(),
        retention,
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["retention".to_owned()],
        }),
        ..v1::UpdateJobRequest::default()
    }
}

#[tokio::test]
async fn a_jobs_retention_is_said_shown_and_taken_away() {
    let scene = Scene::set().await;
    let mut jobs = JobServiceClient::new(scene.admin.clone());
    let gfs = v1::GfsRetention {
        keep_daily: 7,
        keep_within: Some(prost_types::Duration {
            seconds: 172_800,
            nanos: 0,
        }),
        ..v1::GfsRetention::default()
    };
    let said = v1::Retention {
        policy: Some(Policy::Gfs(gfs)),
        timezone: "Europe/Berlin".to_owned(),
        min_backups: 0,
    };
    let created = jobs
        .create_job(v1::CreateJobRequest {
            name: "hourly".to_owned(),
            datasource: "shop".to_owned(),
            storages: vec!["disk".to_owned()],
            retention: Some(said.clone()),
            ..v1::CreateJobRequest::default()
        })
        .await
        .unwrap()
        .into_inner();
    let shown = created.job.unwrap().retention.unwrap();
    assert_eq!(
        shown,
        v1::Retention {
            min_backups: 1,
            ..said
        }
    );

    let updated = jobs
        .update_job(update(Some(newest(3))))
        .await
        .unwrap()
        .into_inner();
    let shown = updated.job.unwrap().retention.unwrap();
    assert_eq!(
        (shown.policy, shown.timezone.as_str()),
        (Some(Policy::MaxBackups(3)), "UTC")
    );
    let strategy = v1::UpdateJobRequest {
        strategy: v1::Strategy::Replicate.into(),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["strategy".to_owned()],
        }),
        ..update(None)
    };
    let updated = jobs.update_job(strategy).await.unwrap().into_inner();
    assert!(
        updated.job.unwrap().retention.is_some(),
        "the mask does not name it"
    );
    let updated = jobs.update_job(update(None)).await.unwrap().into_inner();
    assert_eq!(updated.job.unwrap().retention, None);
}

#[tokio::test]
async fn a_preview_goes_by_the_jobs_policy_or_by_another() {
    let scene = Scene::set().await;
    let mut jobs = JobServiceClient::new(scene.admin.clone());
    let preview = |retention| v1::PreviewRetentionRequest {
        job: "nightly".to_owned(),
        retention,
        ..v1::PreviewRetentionRequest::default()
    };
    let shown = jobs.preview_retention(preview(None)).await.unwrap().into_inner();
    assert_eq!((shown.retention, shown.kept, shown.deleted), (None, 0, 0));
    let shown = jobs
        .preview_retention(preview(Some(newest(2))))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(shown.retention.unwrap().policy, Some(Policy::MaxBackups(2)));
    let unknown = v1::PreviewRetentionRequest {
        job: "nobody".to_owned(),
        ..preview(None)
    };
    assert_eq!(
        jobs.preview_retention(unknown).await.unwrap_err().code(),
        tonic::Code::NotFound
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_retention_is_named() {
    let scene = Scene::set().await;
    let mut jobs = JobServiceClient::new(scene.admin.clone());
    let nothing = v1::Retention {
        timezone: "Middle/Earth".to_owned(),
        ..v1::Retention::default()
    };
    assert_eq!(
        bad_fields(jobs.update_job(update(Some(nothing))).await),
        ["retention.timezone", "retention"]
    );
    let too_few = v1::Retention {
        min_backups: 5,
        ..newest(3)
    };
    assert_eq!(
        bad_fields(jobs.update_job(update(Some(too_few))).await),
        ["retention.min_backups"]
    );
    let empty = v1::Retention {
        policy: Some(Policy::Gfs(v1::GfsRetention::default())),
        ..v1::Retention::default()
    };
    let preview = v1::PreviewRetentionRequest {
        job: "nightly".to_owned(),
        retention: Some(empty),
        page_size: -1,
        ..v1::PreviewRetentionRequest::default()
    };
    assert_eq!(
        bad_fields(jobs.preview_retention(preview).await),
        ["page_size", "retention.gfs"]
    );
}
