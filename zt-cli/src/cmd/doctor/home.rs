//! The home folder: who may read its secrets, and whose identity is in it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use zt_crypto::SecretIdentity;

use super::{Finding, Running};
use crate::daemon::home::Home;
use crate::daemon::local_conf::LocalConf;

/// Looks at the files of a home folder.
pub(super) fn look(home: &Home, running: Option<&Running>) -> Vec<Finding> {
    let path = home.path().display();
    let Ok(folder) = fs::metadata(home.path()) else {
        return vec![Finding::skipped("home", format!("there is no home folder {path} yet; the first start makes it"))];
    };
    let mut findings = Vec::new();
    if folder.permissions().mode() & 0o022 != 0 {
        findings.push(Finding::fault(
            "home",
            format!("others may write into {path}, and so take the node over"),
            format!("chmod go-w {path}"),
        ));
    }
    let mut open = Vec::new();
    for entry in fs::read_dir(home.path()).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let secret = (name == "local.conf" && has_password(home))
            || name.ends_with(".secret")
            || name.contains(".secret.")
            || name == "controller.redb";
        if secret && entry.metadata().is_ok_and(|file| file.is_file() && file.mode() & 0o077 != 0) {
            open.push(name);
        }
    }
    open.sort();
    if !open.is_empty() {
        let files = open.join(" ");
        let fix = format!("cd {path} && chmod 600 {files}");
        findings.push(Finding::fault("home", format!("others may read {files} in {path}"), fix));
    }
    findings.extend(identity(home, running));
    if findings.is_empty() {
        findings.push(Finding::fine("home", format!("{path}: secrets are readable for their owner only")));
    }
    findings
}

/// Whether the settings hold a password.
fn has_password(home: &Home) -> bool {
    let content = home.read("local.conf").ok().flatten().unwrap_or_default();
    LocalConf::parse(&content).is_ok_and(|conf| !conf.secrets().is_empty())
}

fn identity(home: &Home, running: Option<&Running>) -> Vec<Finding> {
    let path = home.path().display();
    let mut findings = Vec::new();
    match fs::read(home.file("identity.secret")) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            let text = format!("{path}/identity.secret cannot be read here ({error}); try `sudo zt doctor`");
            findings.push(Finding::skipped("identity", text));
        }
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            match SecretIdentity::from_text(text.trim_end()) {
                Ok(identity) if zt_crypto::validate(identity.identity()) => {
                    let stored = identity.identity().address.to_string();
                    findings.extend(running.filter(|running| running.status.address != stored).map(|running| {
                        let text = format!("the running node is {}, but {path} holds {stored}", running.status.address);
                        Finding::fault("identity", text, "start the service again, or name the home folder that it uses")
                    }));
                }
                _ => findings.push(Finding::fault(
                    "identity",
                    format!("{path}/identity.secret holds no valid identity"),
                    "put a copy of the file back; without one, remove it and identity.public, and let the new node in everywhere",
                )),
            }
        }
    }
    if home.file("identity.secret.saved_after_collision").exists() {
        findings.push(Finding::warning(
            "identity",
            "the address of this node belonged to somebody else, so that it made itself a new identity",
            "let the new address in where the old one was; then remove identity.secret.saved_after_collision",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn open_secrets_and_damaged_identities_are_faults_with_the_command_that_mends_them() {
        let path = std::env::temp_dir().join(format!("zt-doctor-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
        let home = Home::at(path.clone());
        assert_eq!(look(&home, None).iter().map(|f| f.level).collect::<Vec<_>>(), [Level::Fine]);
        fs::write(path.join("authtoken.secret"), "x").expect("a file");
        fs::write(path.join("identity.secret"), "no identity").expect("a file");
        fs::write(path.join("identity.secret.saved_after_collision"), "x").expect("a file");
        fs::write(path.join("local.conf"), r#"{"settings": {"userspace": {"user": "u", "password": "p"}}}"#)
            .expect("a file");
        for (name, mode) in [("authtoken.secret", 0o644), ("identity.secret", 0o600), ("local.conf", 0o640)] {
            fs::set_permissions(path.join(name), fs::Permissions::from_mode(mode)).expect("its mode");
        }
        fs::set_permissions(path.join("identity.secret.saved_after_collision"), fs::Permissions::from_mode(0o600))
            .expect("its mode");
        let found = look(&home, None);
        let _ = fs::remove_dir_all(&path);
        assert_eq!(found.iter().map(|f| f.level).collect::<Vec<_>>(), [Level::Fault, Level::Fault, Level::Warning]);
        assert!(
            found[0].fix.as_deref().is_some_and(|fix| fix.ends_with("chmod 600 authtoken.secret local.conf")),
            "{found:?}"
        );
        assert!(found[1].text.contains("no valid identity"), "{found:?}");
    }
}
