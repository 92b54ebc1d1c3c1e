use dataguardian_core::ids::{DatasourceId, JobId};

use super::*;

fn grant(names: &[&str], scope: Scope) -> Grant {
    Grant {
        permissions: Permissions::from_names(names.iter().map(|name| (*name).to_owned())),
        scope,
    }
}

fn datasource() -> Resource {
    Resource::Datasource(DatasourceId::new())
}

#[test]
fn nothing_is_allowed_that_no_role_allows() {
    assert!(!Rights::default().anywhere("jobs.run"));
    assert!(!Rights::default().cover(&Permissions::All, Scope::Everything));
    let nobody = Rights::of_user(vec![]);
    assert!(!nobody.anywhere("jobs.run") && !nobody.open("system.get"));
    assert_eq!(nobody.within("jobs.list"), Within(vec![BTreeSet::new()]));
}

#[test]
fn a_role_over_one_thing_reaches_what_belongs_to_it_and_nothing_else() {
    let (own, foreign) = (datasource(), datasource());
    let job = Resource::Job(JobId::new());
    let rights = Rights::of_user(vec![grant(
        &["jobs.get", "jobs.run", "users.get"],
        Scope::Only(own),
    )]);
    assert!(rights.over("jobs.run", &[job, own]));
    assert!(!rights.over("jobs.run", &[job, foreign]));
    assert!(rights.open("jobs.run") && !rights.everywhere("jobs.run"));
    assert!(!rights.open("users.get"), "not for one thing alone");
    let judge = |permission: &str, of: Resource| rights.judge(permission, "jobs.get", &[job, of]);
    assert_eq!(judge("jobs.run", own), Verdict::Allowed);
    assert_eq!(judge("jobs.delete", own), Verdict::Denied);
    assert_eq!(judge("jobs.run", foreign), Verdict::Unseen);
    assert_eq!(rights.within("jobs.get"), Within(vec![BTreeSet::from([own])]));
}

#[test]
fn a_token_may_do_what_its_roles_and_its_user_both_may() {
    let own = datasource();
    let user = Rights::of_user(vec![grant(&["jobs.run", "jobs.get"], Scope::Only(own))]);
    let token = user.clone().and(vec![grant(&["*"], Scope::Everything)]);
    assert!(token.over("jobs.run", &[own]) && !token.everywhere("jobs.run"));
    assert_eq!(token.within("jobs.get"), user.within("jobs.get"));
    let narrow = user.and(vec![grant(&["jobs.get"], Scope::Everything)]);
    assert!(!narrow.anywhere("jobs.run"));
}

#[test]
fn nobody_gives_away_more_than_he_has() {
    let own = datasource();
    let these = |names: &[&str]| Permissions::from_names(names.iter().map(|name| (*name).to_owned()));
    let admin = Rights::of_user(vec![grant(&["*"], Scope::Everything)]);
    assert!(
        admin.cover(&Permissions::All, Scope::Everything) && admin.cover(&these(&["x.y"]), Scope::Only(own))
    );
    let some = Rights::of_user(vec![grant(&["jobs.run"], Scope::Only(own))]);
    assert!(some.cover(&these(&["jobs.run"]), Scope::Only(own)));
    assert!(!some.cover(&these(&["jobs.run"]), Scope::Everything));
    assert!(!some.cover(&these(&["jobs.run"]), Scope::Only(datasource())));
    assert!(!some.cover(&Permissions::All, Scope::Only(own)));
    assert!(some.cover(&these(&[]), Scope::Everything));
}

#[test]
fn whoever_has_a_role_over_one_thing_is_restricted() {
    let names: Vec<String> = ["jobs.run", "system.get"].map(str::to_owned).into();
    let own = Rights::of_user(vec![grant(
        &["jobs.run", "system.get"],
        Scope::Only(datasource()),
    )]);
    assert_eq!(own.among(&names), ["jobs.run"]);
    assert!(own.is_restricted(&names));
    let all = Rights::of_user(vec![grant(&["*"], Scope::Everything)]);
    assert!(!all.is_restricted(&names));
    assert_eq!(all.among(&names), names);
}
