//! The socket in the file system, and who may use it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context as _, Result};
use zt_test_e2e::{Lab, Options, Program};

/// Number of the group in this test, and one that nobody here has.
const GROUP: u32 = 60_991;
const NOBODY: &str = "60992";

/// A command as a user with some groups.
fn ask(zt: &Path, home: &Path, groups: &[&str]) -> Result<Output> {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", NOBODY, "--regid", NOBODY]).args(groups);
    command.arg(zt).args(["networks", "--home"]).arg(home);
    command.output().context("setpriv")
}

#[test]
fn root_and_members_of_the_group_need_no_token_and_nobody_else_does_without() -> Result<()> {
    let zt = Program::ours()?;
    let Some(lab) = Lab::new("socket")? else { return Ok(()) };
    let (host, home) = (lab.host("node", &["10.0.0.1/24"])?, lab.home("node")?);
    let (folder, run) = (home.path().to_owned(), home.path().join("run"));
    fs::create_dir_all(&run)?;
    home.write("groups", format!("root:x:0:\nzt:x:{GROUP}:\n").as_bytes())?;
    let (groups, named) = (folder.join("groups"), run.display());
    let script = format!(
        "mount --make-rprivate /; mount --bind {} /etc/group; export RUNTIME_DIRECTORY={named}",
        groups.display()
    );
    let node = host.start_with(&zt, home, Options::after(&script))?;
    let sockets = [folder.join("zt.sock"), run.join("zt.sock")];
    for socket in &sockets {
        let about = fs::metadata(socket).with_context(|| socket.display().to_string())?;
        // A sandboxed root may not give files away: then everybody may connect, and the kernel's word decides.
        let (mode, group) = (about.permissions().mode() & 0o777, about.gid());
        assert!((mode, group) == (0o660, GROUP) || mode == 0o666, "{mode:o} {group}: {}", socket.display());
    }
    // Others must be able to run the program, wherever it was built.
    let Program::Ours(built) = &zt else { unreachable!("ours") };
    let program = folder.join("zt");
    fs::copy(built, &program)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let member = ask(&program, &folder, &["--groups", &GROUP.to_string()])?;
    assert!(member.status.success(), "{member:?}");
    let stranger = ask(&program, &folder, &["--clear-groups"])?;
    let told = String::from_utf8_lossy(&stranger.stderr).into_owned();
    assert!(!stranger.status.success() && told.contains("group zt"), "{told}");
    // Who may connect is judged by the kernel's word, not by the mode of the file.
    fs::set_permissions(&sockets[0], fs::Permissions::from_mode(0o666))?;
    let stranger = ask(&program, &folder, &["--clear-groups"])?;
    assert!(!stranger.status.success(), "{stranger:?}");
    let member = ask(&program, &folder, &["--groups", &GROUP.to_string()])?;
    assert!(member.status.success(), "{member:?}");
    // Root without the file of the token.
    fs::remove_file(folder.join("authtoken.secret"))?;
    let root = Command::new(&program).args(["networks", "--home"]).arg(&folder).output()?;
    assert!(root.status.success(), "{root:?}");
    node.stop()?;
    assert!(sockets.iter().all(|socket| !socket.exists()), "they go with the daemon");
    Ok(())
}
