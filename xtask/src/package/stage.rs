//! The files of a package, as they will lie on the host.

use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::root;

/// Files of the repository and where they go.
const FILES: [(&str, &str, u32); 9] = [
    ("zt-cli/packaging/zt.service", "usr/lib/systemd/system/zt.service", 0o644),
    ("zt-cli/packaging/zt.sysusers", "usr/lib/sysusers.d/zt.conf", 0o644),
    ("zt-cli/packaging/zt.rules", "usr/share/polkit-1/rules.d/zt.rules", 0o644),
    ("zt-cli/packaging/scripts/setup", "usr/share/zt/setup", 0o755),
    ("LICENSE-MIT", "usr/share/doc/zt/LICENSE-MIT", 0o644),
    ("LICENSE-APACHE", "usr/share/doc/zt/LICENSE-APACHE", 0o644),
    ("README.md", "usr/share/doc/zt/README.md", 0o644),
    ("CHANGELOG.md", "usr/share/doc/zt/CHANGELOG.md", 0o644),
    ("docs/install.md", "usr/share/doc/zt/install.md", 0o644),
];

/// Completions, by shell, where distributions have them.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/zt"),
    ("zsh", "usr/share/zsh/vendor-completions/_zt"),
    ("fish", "usr/share/fish/vendor_completions.d/zt.fish"),
];

/// Lays everything below `at`, anew.
pub(super) fn stage(program: &Path, at: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(at);
    put(program, &at.join("usr/bin/zt"), 0o755)?;
    for (from, to, mode) in FILES {
        put(&root().join(from), &at.join(to), mode)?;
    }
    // Their text does not depend on the processor: made by the program that runs here.
    let speaker = speaker()?;
    let pages = at.join("usr/share/man/man1");
    fs::create_dir_all(&pages)?;
    said(Command::new(&speaker).arg("man").arg("--dir").arg(&pages))?;
    date(&pages)?;
    for (shell, to) in COMPLETIONS {
        let path = at.join(to);
        fs::create_dir_all(path.parent().context("a folder")?)?;
        fs::write(&path, said(Command::new(&speaker).args(["completions", shell]))?)?;
    }
    Ok(())
}

/// Pages that are printed have no date, those of packages that of the commit; formatters ask for one.
fn date(pages: &Path) -> Result<()> {
    let date = said(Command::new("date").args(["-u", "+%F", "-d", &format!("@{}", super::date()?)]))?;
    let date = String::from_utf8_lossy(&date).trim().to_owned();
    for page in fs::read_dir(pages)? {
        let page = page?.path();
        let text = fs::read_to_string(&page)?;
        fs::write(&page, text.replacen(" \"1\" \"\" ", &format!(" \"1\" \"{date}\" "), 1))?;
        let Ok(checked) = Command::new("mandoc").args(["-Tlint", "-Wwarning"]).arg(&page).output() else { continue };
        ensure!(checked.stdout.is_empty(), "{}", String::from_utf8_lossy(&checked.stdout));
    }
    Ok(())
}

/// A `zt` for this machine.
fn speaker() -> Result<std::path::PathBuf> {
    crate::cargo(&["build", "--quiet", "-p", "zt-cli"])?;
    Ok(super::target_folder().join("debug/zt"))
}

fn said(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

/// Copies a file.
pub(super) fn put(from: &Path, to: &Path, mode: u32) -> Result<()> {
    fs::create_dir_all(to.parent().context("a folder")?)?;
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode))?;
    Ok(())
}

/// Copies a folder with all that is in it.
pub(super) fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (path, to) =
            (entry.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?.path(), to.join(entry?.file_name()));
        match path.is_dir() {
            true => copy_tree(&path, &to)?,
            false => put(&path, &to, fs::metadata(&path)?.permissions().mode() & 0o7777)?,
        }
    }
    Ok(())
}
