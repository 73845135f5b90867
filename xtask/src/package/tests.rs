use super::*;

use std::collections::BTreeSet;

fn manifest() -> String {
    fs::read_to_string(root().join("zt-cli/Cargo.toml")).expect("the manifest")
}

/// Paths that the packages take, as the manifest names them.
fn sources(manifest: &str) -> BTreeSet<String> {
    let quoted = manifest.lines().filter(|line| line.contains("usr/")).filter_map(|line| line.split('"').nth(1));
    quoted.map(str::to_owned).collect()
}

#[test]
fn both_kinds_of_packages_hold_the_same_files_and_all_that_is_staged() {
    let text = manifest();
    let (deb, rpm) = text.split_once("[package.metadata.generate-rpm]").expect("both");
    assert_eq!(sources(deb), sources(rpm));
    for own in sources(&text).iter().filter(|path| path.starts_with("packaging/")) {
        assert!(root().join("zt-cli").join(own).exists(), "{own}");
    }
}

#[test]
fn scripts_are_shell_and_name_what_the_packages_hold() {
    for script in ["scripts/setup", "deb/preinst", "deb/postinst", "deb/prerm", "deb/postrm", "install.sh", "runit/run"]
    {
        let path = root().join("zt-cli/packaging").join(script);
        let status = Command::new("sh").arg("-n").arg(&path).status().expect("sh");
        assert!(status.success(), "{script}");
    }
    for script in ["deb/postinst", "deb/prerm", "rpm/post", "rpm/preun"] {
        let text = fs::read_to_string(root().join("zt-cli/packaging").join(script)).expect("a script");
        assert!(text.contains("/usr/share/zt/setup"), "{script}");
    }
}

#[test]
fn the_unit_is_as_safe_as_promised() {
    let unit = root().join("zt-cli/packaging/zt.service");
    let text = fs::read_to_string(&unit).expect("the unit");
    for line in [
        "User=zt",
        "AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW",
        "CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "Type=notify",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}");
    }
    let Ok(output) = Command::new("systemd-analyze").args(["security", "--offline=yes"]).arg(&unit).output() else {
        println!("skipped: systemd-analyze is not installed");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let Some(figure) = said.split("exposure level").nth(1).and_then(|rest| rest.split(' ').nth(3)) else {
        println!("skipped: this systemd cannot look at a file ({})", String::from_utf8_lossy(&output.stderr));
        return;
    };
    assert!(figure.parse::<f64>().is_ok_and(|figure| figure <= 2.5), "{said}");
}

#[test]
fn an_image_holds_what_its_manifest_names_and_is_the_same_each_time() {
    let folder = std::env::temp_dir().join(format!("zt-image-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("made");
    let program = folder.join("zt");
    fs::write(&program, "no real program").expect("written");
    let sums: Vec<String> = ["one.tar", "two.tar"]
        .iter()
        .map(|name| {
            image::write("amd64", &program, &folder.join(name)).expect("an image");
            sha256(&folder.join(name)).expect("a sum")
        })
        .collect();
    assert_eq!(sums[0], sums[1]);
    let status = Command::new("tar").arg("-xf").arg(folder.join("one.tar")).arg("-C").arg(&folder).status();
    assert!(status.expect("tar").success());
    let read = |path: &str| -> serde_json::Value {
        serde_json::from_slice(&fs::read(folder.join(path)).expect(path)).expect("JSON")
    };
    let blob = |digest: &serde_json::Value| format!("blobs/sha256/{}", &digest.as_str().expect("a digest")[7..]);
    let manifest = read(&blob(&read("index.json")["manifests"][0]["digest"]));
    let layer = blob(&manifest["layers"][0]["digest"]);
    assert_eq!(format!("blobs/sha256/{}", sha256(&folder.join(&layer)).expect("a sum")), layer);
    let config = read(&blob(&manifest["config"]["digest"]));
    assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/usr/bin/zt", "container"]));
    let list = Command::new("tar").arg("-tf").arg(folder.join(layer)).output().expect("tar");
    let list = String::from_utf8_lossy(&list.stdout);
    for file in ["./usr/bin/zt", "./usr/bin/zerotier-cli", "./var/lib/zerotier-one/", "./etc/passwd"] {
        assert!(list.lines().any(|line| line == file), "{file} in\n{list}");
    }
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn words_that_name_no_package_are_refused() {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(kinds(&words("deb rpm --target all")).expect("known"), ["deb", "rpm"]);
    assert_eq!(kinds(&[]).expect("all"), KINDS);
    assert!(kinds(&words("msi")).is_err());
    assert!(targets(Some("riscv64gc-unknown-linux-musl")).is_err());
    assert_eq!(targets(Some("all")).expect("known").len(), 2);
}

#[test]
fn an_option_that_would_do_nothing_is_refused_before_anything_is_built() {
    let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
    for text in ["static --out /tmp", "--targets all", "check --bases /"] {
        let refused = package(&words(text)).expect_err(text).to_string();
        assert!(refused.contains("is no option here"), "{text}: {refused}");
    }
}
