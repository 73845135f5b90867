//! Changes of the file that a program asks for (06 §4.11).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Map, Value};
use thiserror::Error;

use super::{LocalConf, LocalConfError};
use crate::daemon::home::{Home, HomeError, read_file};

/// Mode of a new file: it may get a password sooner or later.
pub const MODE: u32 = 0o600;

/// Why the file was not changed.
#[derive(Debug, Error)]
pub enum ChangeError {
    /// What it holds, or would hold, cannot be used.
    #[error("{}", .0.hint())]
    Unusable(#[from] LocalConfError),
    /// It cannot be written.
    #[error(transparent)]
    Home(#[from] HomeError),
}

/// Replaces members of `settings` in the file as it is now: what was written into it a moment ago is kept, and so is its mode,
/// unless the first password comes into it.
pub fn change_settings(home: &Home, changes: &Map<String, Value>) -> Result<(), ChangeError> {
    let path = home.file("local.conf");
    let content = read_file(&path).map_err(|error| LocalConfError::Unreadable(error.to_string()))?;
    let before = LocalConf::parse(&content.unwrap_or_default())?;
    let changed = before.with_settings(changes)?;
    // Who opened a file with a password to others did so with a purpose.
    let tighten = before.secrets().is_empty() && !changed.secrets().is_empty();
    let kept = fs::metadata(&path).ok().filter(|_| !tighten).map(|metadata| metadata.permissions().mode() & 0o777);
    let mode = kept.unwrap_or(MODE);
    Ok(home.write("local.conf", changed.to_text().as_bytes(), mode)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(home: &Home, changes: Value) -> Result<(), ChangeError> {
        change_settings(home, changes.as_object().expect("an object"))
    }

    #[test]
    fn changes_that_follow_each_other_are_all_kept_and_a_password_is_for_the_owner_alone() {
        let folder = std::env::temp_dir().join(format!("zt-change-{}", std::process::id()));
        let home = Home::at(folder.clone());
        home.create().expect("a folder");
        change(&home, json!({"lowBandwidthMode": true})).expect("written");
        let mode = || fs::metadata(home.file("local.conf")).expect("a file").permissions().mode() & 0o777;
        let open =
            |mode| fs::set_permissions(home.file("local.conf"), fs::Permissions::from_mode(mode)).expect("opened");
        assert_eq!(mode(), 0o600, "nobody else reads a new one");
        open(0o644);
        change(&home, json!({"primaryPort": 9994})).expect("written");
        assert_eq!(mode(), 0o644, "somebody opened it");
        change(&home, json!({"tcp": {"proxy": "http://anna:secret@10.0.0.1:3128"}})).expect("written");
        assert_eq!(mode(), 0o600, "a password came into it");
        open(0o640);
        change(&home, json!({"userspace": {"user": "u", "password": "p"}})).expect("written");
        assert_eq!(mode(), 0o640, "somebody opened it with a password in it");
        let read = LocalConf::parse(&home.read("local.conf").expect("read").expect("a file")).expect("usable");
        assert!(read.settings.low_bandwidth_mode && read.settings.primary_port == Some(9994));
        home.write("local.conf", b"{", 0o600).expect("written");
        let error = change(&home, json!({"primaryPort": 1})).expect_err("what is there is not thrown away");
        assert!(error.to_string().contains("line 1"), "{error}");
        assert_eq!(home.read("local.conf").expect("read").expect("a file"), b"{");
        fs::remove_dir_all(folder).expect("removed");
    }
}
