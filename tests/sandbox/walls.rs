//! Every way out, tried with and without the walls.

use std::os::fd::AsRawFd;
use std::time::Duration;

use super::stage::{Stage, World};

enum Way {
    File,
    Tcp,
    Udp,
    Unix,
    Abstract,
    Process,
    Nothing,
}

/// A way out, and what of the world shows that it was taken; none when it only learns something.
const WAYS: &[(&str, Way, &[&str])] = &[
    ("read", Way::File, &[]),
    ("list", Way::File, &[]),
    ("write", Way::File, &["content"]),
    ("create", Way::File, &["new file"]),
    ("remove", Way::File, &["content"]),
    ("truncate", Way::File, &["content"]),
    ("truncating-open", Way::File, &["content"]),
    ("accessless-truncating-open", Way::File, &["content"]),
    ("chmod", Way::File, &["attributes"]),
    ("chtime", Way::File, &["attributes"]),
    ("symlink", Way::File, &["content"]),
    ("hardlink", Way::File, &["content"]),
    ("rename-out", Way::File, &["content"]),
    ("rename-in", Way::File, &["content"]),
    ("tcp", Way::Tcp, &["tcp"]),
    ("udp", Way::Udp, &["udp"]),
    ("unix", Way::Unix, &["unix"]),
    ("pair", Way::Unix, &["unix"]),
    ("abstract", Way::Abstract, &["abstract"]),
    ("signal", Way::Process, &["process"]),
    ("queue", Way::Process, &["process"]),
    ("tgkill", Way::Process, &["process"]),
    ("owner", Way::Process, &["process"]),
    ("environ", Way::Process, &[]),
    ("ptrace", Way::Process, &[]),
    ("limit", Way::Process, &["limits"]),
    ("session", Way::Nothing, &[]),
    ("group", Way::Nothing, &[]),
    ("groups", Way::Nothing, &[]),
];

fn argument(way: &Way, world: &World) -> String {
    match way {
        Way::File => world.file.display().to_string(),
        Way::Tcp => world.tcp.local_addr().unwrap().to_string(),
        Way::Udp => world.udp.local_addr().unwrap().to_string(),
        Way::Unix => world.unix.0.display().to_string(),
        Way::Abstract => world.abstract_name.0.clone(),
        Way::Process => world.process.id().to_string(),
        Way::Nothing => String::new(),
    }
}

/// `namespaces`: whether they can be made outside.
pub(super) async fn hold(stage: &Stage, namespaces: bool) {
    for (name, way, shows) in WAYS {
        let mut world = stage.world();
        let said = stage.outside(&[name, &argument(way, &world)]);
        assert!(said.contains("REACHED"), "{name} does not work even outside: {said}");
        let patience = Duration::from_millis(if shows.contains(&"process") { 5000 } else { 0 });
        assert_eq!(world.touched(patience), *shows, "{name} outside");
        clear(stage);

        let mut world = stage.world();
        let outcome = stage.inside(&[name, &argument(way, &world)]).await;
        let said = String::from_utf8_lossy(&outcome.stdout);
        let tier = stage.sandbox().tier().to_string();
        let touched = world.touched(Duration::from_millis(20));
        assert!(touched.is_empty(), "{name} touched {touched:?} through {tier}");
        // A packet into the job's own network or a signal that the kernel drops is an untold denial: what
        // counts is the world. Where the world shows nothing, it has to be told.
        assert!(!shows.is_empty() || said.contains("DENIED"), "{name} through {tier}: {outcome:?}");
        clear(stage);
    }
    assert_eq!(stage.outside(&["clone"]).contains("REACHED"), namespaces, "clone outside");
    assert_denied(stage, &["clone"]).await;
    // A program with threads cannot do this anyway.
    assert_denied(stage, &["namespace"]).await;
    // May be switched off for the whole machine, so it is not tried outside.
    assert_denied(stage, &["io-uring"]).await;
    // The kernel knows the call and refuses it after making sockets; inside it is not even asked.
    assert!(stage.outside(&["pair-inet"]).contains("not supported"), "a pair of another family outside");
    let inside = stage.inside(&["pair-inet"]).await;
    assert!(String::from_utf8_lossy(&inside.stdout).contains("not implemented"), "{inside:?}");
    nothing_is_inherited(stage).await;
    honest_work_is_possible(stage).await;
}

async fn assert_denied(stage: &Stage, arguments: &[&str]) {
    let outcome = stage.inside(arguments).await;
    assert!(String::from_utf8_lossy(&outcome.stdout).contains("DENIED"), "{arguments:?}: {outcome:?}");
}

async fn nothing_is_inherited(stage: &Stage) {
    assert!(stage.outside(&["env", "PATH"]).contains("REACHED"));
    assert_denied(stage, &["env", "PATH"]).await;
    let mut job = stage.job(&["env", "GIVEN"]);
    job.env = vec![("GIVEN".to_owned(), "value".to_owned())];
    assert!(stage.sandbox().run(job).await.unwrap().ended.is_success());

    let file = std::fs::File::open(stage.tools.probe()).unwrap();
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
    // Beyond what the probe's own runtime opens.
    let high = rustix::io::fcntl_dupfd_cloexec(&file, 200).unwrap();
    rustix::io::fcntl_setfd(&high, rustix::io::FdFlags::empty()).unwrap();
    let number = high.as_raw_fd().to_string();
    assert!(stage.outside(&["descriptor", &number]).contains("REACHED"));
    assert_denied(stage, &["descriptor", &number]).await;
}

async fn honest_work_is_possible(stage: &Stage) {
    for name in ["scratch", "children"] {
        let outcome = stage.inside(&[name]).await;
        let old = stage.config.landlock_abi_at_most.is_some_and(|abi| abi < 6);
        // Without Landlock's scopes not even one's own children can be signalled.
        let possible = name != "children" || !old;
        assert_eq!(outcome.ended.is_success(), possible, "{name}: {outcome:?}");
    }
    assert_eq!(std::fs::read(stage.scratch.path().join("kept")).unwrap(), b"kept");
    clear(stage);
    paths_mean_what_they_say(stage).await;
    let tier = stage.sandbox().tier().clone();
    assert_eq!(stage.inside(&["loopback"]).await.ended.is_success(), tier.has_loopback(), "{tier}");
}

/// A name may lead through a link, and a writable place may lie in a readable one.
async fn paths_mean_what_they_say(stage: &Stage) {
    let place = tempfile::tempdir().unwrap();
    let (link, open, closed) =
        (place.path().join("link"), place.path().join("open"), place.path().join("closed"));
    std::fs::create_dir_all(&open).unwrap();
    std::fs::create_dir_all(&closed).unwrap();
    std::os::unix::fs::symlink(&stage.tools.dir, &link).unwrap();
    let attempt = async |path: &std::path::Path, read: &std::path::Path| {
        let mut job = stage.job(&["write", path.join("file").to_str().unwrap()]);
        job.program = link.join("probe");
        job.read = vec![link.clone(), read.to_owned()];
        job.write.push(open.clone());
        stage.sandbox().run(job).await.unwrap().ended.is_success()
    };
    assert!(attempt(&open, &closed).await);
    assert!(attempt(&open, place.path()).await);
    assert!(!attempt(&closed, &closed).await);
    assert!(!attempt(&closed, place.path()).await);
}

fn clear(stage: &Stage) {
    for entry in std::fs::read_dir(stage.scratch.path()).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.unwrap();
    }
}
