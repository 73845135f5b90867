//! Tests of the home folder.

use super::*;
use zt_node::OsEntropy;

/// A folder of its own for each test.
fn folder(name: &str) -> Home {
    let path = std::env::temp_dir().join(format!("zt-home-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    let home = Home::at(path);
    home.create().expect("folder");
    home
}

fn mode(home: &Home, name: &str) -> u32 {
    fs::metadata(home.file(name)).expect("file").permissions().mode() & 0o777
}

#[test]
fn the_folder_is_named_or_from_the_environment_or_stock() {
    let env = |value: &'static str| move |name: &str| (name == "ZEROTIER_HOME").then(|| value.into());
    let none = |_: &str| None;
    assert_eq!(Home::resolve(Some(Path::new("/a")), &env("/b")).expect("named").path(), Path::new("/a"));
    assert_eq!(Home::resolve(None, &env("/b")).expect("environment").path(), Path::new("/b"));
    assert_eq!(Home::resolve(None, &none).expect("stock").path(), Path::new(STOCK_HOME));
    assert!(matches!(Home::resolve(None, &env("")), Err(HomeError::Missing)));
}

#[test]
fn an_identity_is_made_once_and_kept_private() {
    let home = folder("identity");
    let first = home.identity(&mut OsEntropy, false, || None).expect("made");
    assert_eq!(mode(&home, "identity.secret"), 0o600);
    fs::set_permissions(home.file("identity.secret"), fs::Permissions::from_mode(0o644)).expect("chmod");
    let again = home.identity(&mut OsEntropy, false, || None).expect("loaded");
    assert_eq!(first.identity(), again.identity());
    assert_eq!(mode(&home, "identity.secret"), 0o600);
    assert_eq!(fs::read_to_string(home.file("identity.public")).expect("public"), first.identity().to_string());
}

#[test]
fn a_damaged_identity_is_refused_and_left_alone() {
    let home = folder("damaged");
    let good = home.identity(&mut OsEntropy, false, || None).expect("made");
    let secret = good.to_text().to_string();
    let public = good.identity().to_string();
    let mut other_key = secret.clone();
    other_key.replace_range(13..14, if &secret[13..14] == "0" { "1" } else { "0" });
    for content in ["garbage", &public, &secret[..secret.len() - 1], &other_key] {
        fs::write(home.file("identity.secret"), content).expect("write");
        let error = home.identity(&mut OsEntropy, false, || None).expect_err("refused");
        assert!(error.to_string().starts_with("invalid identity loaded from disk."), "{error}");
        assert_eq!(fs::read_to_string(home.file("identity.secret")).expect("kept"), content);
    }
    // An empty file counts as missing (06 §1.5).
    fs::write(home.file("identity.secret"), "").expect("write");
    home.remove("identity.public").expect("removed");
    assert_ne!(home.identity(&mut OsEntropy, false, || None).expect("new").identity(), good.identity());
}

#[test]
fn tokens_are_made_when_missing_or_empty() {
    let home = folder("token");
    let token = home.control_token(&mut OsEntropy).expect("made");
    assert_eq!((token.len(), mode(&home, "authtoken.secret")), (24, 0o600));
    fs::write(home.file("authtoken.secret"), " mine\r\n").expect("write");
    assert_eq!(home.control_token(&mut OsEntropy).expect("read"), "mine");
    fs::write(home.file("authtoken.secret"), "\n").expect("write");
    assert_eq!(home.control_token(&mut OsEntropy).expect("made again").len(), 24);
    assert_ne!(home.metrics_token(&mut OsEntropy).expect("own"), token);
}

#[test]
fn a_second_daemon_is_refused() {
    let home = folder("lock");
    let lock = home.lock().expect("free");
    let error = home.lock().expect_err("held");
    assert!(error.to_string().contains(&format!("pid {}", std::process::id())), "{error}");
    drop(lock);
    home.lock().expect("free again");
}

#[test]
fn a_file_is_replaced_as_a_whole() {
    let home = folder("replace");
    home.write("deep/er/file", b"one", 0o640).expect("write");
    home.write("deep/er/file", b"two", 0o600).expect("write");
    assert_eq!(home.read("deep/er/file").expect("read"), Some(b"two".to_vec()));
    assert_eq!(mode(&home, "deep/er/file"), 0o600);
    assert_eq!(fs::read_dir(home.file("deep/er")).expect("list").count(), 1);
    assert_eq!(home.read("missing").expect("read"), None);
    // A folder in the place of a file reads as empty (06 §2).
    fs::create_dir(home.file("local.conf")).expect("folder");
    assert_eq!(home.read("local.conf").expect("read"), Some(Vec::new()));
    home.remove("missing").expect("nothing to do");
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let error = Home::at("/proc/nowhere/home").create().expect_err("refused");
    assert!(error.to_string().starts_with("/proc/nowhere/home: "), "{error}");
}

#[test]
fn no_new_identity_is_made_over_networks() {
    let home = folder("networks");
    let old = home.identity(&mut OsEntropy, false, || None).expect("made");
    for content in [None, Some("")] {
        home.remove("identity.secret").expect("removed");
        if let Some(content) = content {
            fs::write(home.file("identity.secret"), content).expect("write");
        }
        let holds = || Some("2 joined networks (networks.d)".to_owned());
        let error = home.identity(&mut OsEntropy, false, holds).expect_err("refused").to_string();
        for words in ["identity.secret is missing", "2 joined networks", &old.identity().address.to_string(), "copy"] {
            assert!(error.contains(words), "{words}: {error}");
        }
        let public = fs::read_to_string(home.file("identity.public")).expect("kept");
        assert_eq!(public, old.identity().to_string());
    }
}

#[test]
fn no_new_identity_is_made_where_the_public_one_is_left_unless_asked_for() {
    let home = folder("public");
    let old = home.identity(&mut OsEntropy, false, || None).expect("made");
    home.remove("identity.secret").expect("removed");
    let error = home.identity(&mut OsEntropy, false, || None).expect_err("refused").to_string();
    assert!(error.contains(&old.identity().address.to_string()) && error.contains("--new-identity"), "{error}");
    assert!(home.read("identity.secret").expect("read").is_none());
    let new = home.identity(&mut OsEntropy, true, || Some("networks".to_owned())).expect("asked for");
    assert_ne!(new.identity(), old.identity());
    assert_eq!(fs::read_to_string(home.file("identity.public")).expect("public"), new.identity().to_string());
}

#[test]
fn a_secret_is_taken_from_own_links_and_keeps_no_rights_of_others() {
    let (home, vault) = (folder("linked"), folder("vault"));
    let made = vault.identity(&mut OsEntropy, false, || None).expect("made");
    std::os::unix::fs::symlink(vault.file("identity.secret"), home.file("identity.secret")).expect("a link");
    fs::set_permissions(vault.file("identity.secret"), fs::Permissions::from_mode(0o666)).expect("chmod");
    let read = home.identity(&mut OsEntropy, false, || None).expect("by the link");
    assert_eq!(read.identity(), made.identity());
    assert!(home.file("identity.secret").is_symlink());
    assert_eq!(mode(&vault, "identity.secret"), 0o600);
}

#[test]
fn an_address_of_somebody_else_is_given_up_with_its_networks_kept() {
    let home = folder("retired");
    let old = home.identity(&mut OsEntropy, false, || None).expect("made");
    home.retire_identity(&mut OsEntropy).expect("retired");
    let new = home.identity(&mut OsEntropy, false, || Some("networks".to_owned())).expect("made already");
    assert_ne!(new.identity(), old.identity());
    assert_eq!(mode(&home, "identity.secret.saved_after_collision"), 0o600);
}

#[test]
fn what_a_crash_left_is_removed() {
    let home = folder("leftovers");
    home.write("networks.d/x.conf", b"x", 0o644).expect("written");
    fs::write(home.file("networks.d/.x.conf.0123456789abcdef.tmp"), "half").expect("written");
    drop(home.lock().expect("free"));
    let left: Vec<_> = fs::read_dir(home.file("networks.d")).expect("there").collect();
    assert_eq!(left.len(), 1);
}
