//! The same as in a pod with the default restrictions: no root, no new privileges, and a filter that
//! denies `unshare`, `mount` and the making of namespaces.
//!
//! This test binary is started again as that user; [`inside`] enters the filter and runs the others.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use hephaestus::sandbox::TierChoice::{Auto, Bubblewrap, Landlock};
use hephaestus::sandbox::{Sandbox, TierChoice};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

use super::stage::{Stage, TOOLS};
use super::{excess, toolchain, walls};

const NOBODY: u32 = 65534;

#[tokio::test]
async fn a_restricted_pod_gets_the_landlock_tier_and_it_holds() {
    let stage = Stage::new(TierChoice::Auto);
    // Warms the cache that is handed on, and shows that all of this works without the restrictions.
    toolchain::works(&stage).await;
    let tools = &stage.tools.dir;
    let binary = tools.join("tests");
    std::fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
    let root = rustix::process::geteuid().is_root();
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sandbox-go-cache");
    let cache = tools.join("go-cache");
    assert!(Command::new("cp").arg("-r").args([&kept, &cache]).status().unwrap().success());
    if root {
        let owner = format!("{NOBODY}:{NOBODY}");
        assert!(Command::new("chown").args(["-R", &owner]).arg(&cache).status().unwrap().success());
    }
    std::fs::set_permissions(&binary, std::fs::Permissions::from_mode(0o755)).unwrap();

    let mut command = Command::new(&binary);
    command.args(["--exact", "sandbox::pod::inside", "--nocapture"]).env(TOOLS, tools);
    command.env("GOCACHE", &cache).env("HOME", "/nonexistent").env("GOENV", "off").current_dir("/");
    if root {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.contains(HELD), "{said}");
}

/// What the inner half says when it came to its end.
const HELD: &str = "everything held in the restricted pod";

/// The inner half of the test above, which gives it its tools; by itself it does nothing.
#[tokio::test]
async fn inside() {
    if std::env::var_os(TOOLS).is_none() {
        return;
    }
    assert!(!rustix::process::geteuid().is_root());
    restrict();
    let refused = Sandbox::detect(&Stage::new(Bubblewrap).config).unwrap_err().to_string();
    assert!(refused.contains("namespace") && refused.contains("restricted pod"), "{refused}");
    assert_eq!(Stage::new(Auto).sandbox().tier().name(), "landlock");
    walls::hold(&Stage::new(Auto), false).await;
    let mut older = Stage::new(Landlock);
    older.config.landlock_abi_at_most = Some(2);
    walls::hold(&older, false).await;
    excess::is_bounded(&Stage::new(Landlock)).await;
    toolchain::works(&Stage::new(Auto)).await;
    println!("{HELD}");
}

/// What a container runtime's default profile does, as far as it matters here.
fn restrict() {
    let arch = || std::env::consts::ARCH.try_into().unwrap();
    let flags = [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWCGROUP,
    ];
    let flags = flags.map(|flag| {
        let flag = u64::from(flag.cast_unsigned());
        let bit = SeccompCmpOp::MaskedEq(flag);
        let condition = SeccompCondition::new(0, SeccompCmpArgLen::Dword, bit, flag).unwrap();
        SeccompRule::new(vec![condition]).unwrap()
    });
    let mut denied = BTreeMap::from([(libc::SYS_clone, flags.to_vec())]);
    for call in [libc::SYS_unshare, libc::SYS_mount, libc::SYS_umount2, libc::SYS_setns, libc::SYS_pivot_root]
    {
        denied.insert(call, Vec::new());
    }
    let unknown = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    for (rules, code) in [(denied, libc::EPERM), (unknown, libc::ENOSYS)] {
        let action = SeccompAction::Errno(code.unsigned_abs());
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, arch()).unwrap();
        let filter: BpfProgram = filter.try_into().unwrap();
        seccompiler::apply_filter_all_threads(&filter).unwrap();
    }
}
