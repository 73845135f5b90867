//! `zt identity`.

use super::Folder;

#[test]
fn an_identity_is_made_checked_and_used() {
    let folder = Folder::new();
    let made = folder.ok("zt identity generate id.secret id.public");
    assert!(made.contains("secret identity in id.secret, public identity in id.public"), "{made}");
    let public = String::from_utf8(folder.read("id.public")).expect("text");
    assert_eq!(folder.ok("zt identity public id.secret").trim(), public);
    assert!(folder.ok("zt identity validate id.public").ends_with("is a valid identity\n"));
    assert!(folder.ok(&format!("zt identity validate {public}")).starts_with(&public[..10]));
    folder.write("letter", "hello");
    let signature = folder.ok("zt identity sign id.secret letter");
    assert_eq!(signature.trim().len(), 192);
    folder.write("letter.sig", &signature);
    folder.ok("zt identity verify id.public letter letter.sig");
    folder.write("letter", "Hello");
    folder.fails("zt identity verify id.public letter letter.sig", "was not signed like this");
    folder.fails("zt identity sign id.public letter", "signing needs the secret");
}

#[test]
fn nothing_is_overwritten_unasked() {
    let folder = Folder::new();
    folder.write("id.secret", "precious");
    folder.fails("zt identity generate id.secret", "--yes");
    assert_eq!(folder.read("id.secret"), b"precious");
    folder.ok("zt identity generate id.secret --force");
}

#[test]
fn damaged_identities_are_told() {
    let folder = Folder::new();
    folder.ok("zt identity generate id.secret id.public");
    let mut public = String::from_utf8(folder.read("id.public")).expect("text");
    let last = public.pop();
    public.push(if last == Some('0') { '1' } else { '0' });
    folder.write("bad.public", &public);
    folder.fails("zt identity validate bad.public", "damaged or forged");
    folder.fails("zt identity validate nowhere", "neither an identity nor a readable file");
    folder.fails("zt identity public home", "neither an identity nor a readable file");
}

#[test]
fn json_is_printed_on_request() {
    let folder = Folder::new();
    let made: serde_json::Value = serde_json::from_str(&folder.ok("zt identity generate --json")).expect("json");
    let address = made["address"].as_str().expect("an address");
    assert!(made["secret"].as_str().expect("a secret").starts_with(address));
}
