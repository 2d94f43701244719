//! Logs of containers, as the kubelet names them: `…/pods/NAMESPACE_POD_UID/CONTAINER/N.log`.

use std::path::Path;

use crate::domain::PodContainer;

/// The container whose log this is; none where the path is not of that form. Rotation may have put something
/// behind the name.
fn container(log: &Path) -> Option<PodContainer> {
    let mut names = log.components().rev().map(|name| name.as_os_str().to_str());
    let mut next = || names.next().flatten();
    let (file, container, pod, folder) = (next()?, next()?, next()?, next()?);
    let (number, rest) = file.split_once(".log")?;
    let is_log = !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && (rest.is_empty() || rest.starts_with('.'));
    // None of the three names can have an underscore.
    let mut names = pod.split('_').filter(|name| !name.is_empty()).map(str::to_owned);
    let (namespace, pod_name, uid) = (names.next()?, names.next()?, names.next()?);
    let is_pod = pod.split('_').count() == 3;
    (is_log && is_pod && folder == "pods").then(|| PodContainer {
        namespace,
        pod: pod_name,
        uid,
        container: container.to_owned(),
    })
}

/// The container whose log a file is, by the path at which it was found or by where that leads.
pub(super) fn container_of(path: &Path, real_path: &Path) -> Option<PodContainer> {
    container(path).or_else(|| container(real_path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pods_log_tells_its_container() {
        let uid = "0d1b7c6e-6f0e-4c4b-9d0e-1a2b3c4d5e6f";
        let billing = PodContainer {
            namespace: "shop".into(),
            pod: "shop-5d9c-x2".into(),
            uid: uid.into(),
            container: "billing".into(),
        };
        let pod = "/var/log/pods/shop_shop-5d9c-x2_0d1b7c6e-6f0e-4c4b-9d0e-1a2b3c4d5e6f";
        for (path, expected) in [
            (format!("{pod}/billing/0.log"), Some(&billing)),
            (format!("{pod}/billing/12.log"), Some(&billing)),
            (format!("{pod}/billing/0.log.20260101-120000"), Some(&billing)),
            (format!("{pod}/billing/0.log.20260101-120000.gz"), Some(&billing)),
            (format!("/host{pod}/billing/0.log"), Some(&billing)),
            (format!("{pod}/billing/0.logs"), None),
            (format!("{pod}/billing/.log"), None),
            (format!("{pod}/billing/app.log"), None),
            (format!("{pod}/0.log"), None),
            (format!("{pod}/billing/../0.log"), None),
            ("/var/log/pods/shop_shop-5d9c-x2/billing/0.log".into(), None),
            ("/var/log/pods/shop__0d1b/billing/0.log".into(), None),
            ("/var/log/shop_x_y/billing/0.log".into(), None),
            ("0.log".into(), None),
        ] {
            assert_eq!(container(Path::new(&path)).as_ref(), expected, "{path}");
        }
    }

    #[test]
    fn where_a_path_leads_counts_where_it_says_nothing_itself() {
        let (pod, link) = ("/var/log/pods/a_b_c/app/0.log", "/var/log/containers/b_a_app-0d1b.log");
        let docker = "/var/lib/docker/containers/0d1b/0d1b-json.log";
        let container =
            |path, real| container_of(Path::new(path), Path::new(real)).map(|found| found.container);
        assert_eq!(container(link, pod).as_deref(), Some("app"));
        assert_eq!(container(pod, docker).as_deref(), Some("app"));
        assert_eq!(container(link, docker), None);
    }
}
