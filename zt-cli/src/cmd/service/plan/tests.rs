use super::*;

/// A host of a few files.
struct Scene {
    folder: PathBuf,
}

impl Scene {
    fn new(name: &str, files: &[&str]) -> Self {
        let folder = std::env::temp_dir().join(format!("zt-service-{name}-{}", std::process::id()));
        for file in files {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, "").expect("written");
        }
        Self { folder }
    }

    fn host(&self) -> Host {
        Host::new(&self.folder, None)
    }

    /// Does the steps that write below this host, and gives back the programs that would run.
    fn act(&self, steps: &[Step]) -> Vec<String> {
        let mut ran = Vec::new();
        for step in steps {
            match step {
                Step::Run { words, .. } => ran.push(words.join(" ")),
                Step::Write { path, text, mode } => {
                    let path = self.host().file(&path.to_string_lossy());
                    Step::Write { path, text: text.clone(), mode: *mode }.act().expect("written");
                }
                Step::Remove(path) => Step::Remove(self.host().file(&path.to_string_lossy())).act().expect("removed"),
                Step::Copy { to, .. } => ran.push(format!("copy to {}", to.display())),
            }
        }
        ran
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn wanted(init: Init, home: &str, running: &str) -> Wanted {
    Wanted { init, home: home.into(), running: running.into() }
}

#[test]
fn a_service_of_systemd_is_made_and_taken_away_again() {
    let scene = Scene::new("systemd", &["run/systemd/system/x", "usr/sbin/useradd", "usr/sbin/userdel"]);
    let host = scene.host();
    assert_eq!(host.init(), Some(Init::Systemd));
    let ran = scene.act(&install(&host, &wanted(Init::Systemd, STOCK_HOME, "/home/me/zt/target/debug/zt")));
    assert_eq!(ran[0], "copy to /usr/local/bin/zt");
    assert!(ran[1].starts_with("useradd --system"), "{ran:?}");
    assert_eq!(ran[2..], ["systemctl daemon-reload", "systemctl enable zt.service", "systemctl restart zt.service"]);
    let unit = host.installed(Init::Systemd).expect("it knows its own");
    assert!(unit.contains("\nExecStart=/usr/local/bin/zt service $ZT_OPTIONS\n"), "{unit}");
    assert!(host.of_package(Init::Systemd).is_none());
    let ran = scene.act(&uninstall(&host, Init::Systemd, Path::new(STOCK_HOME), false));
    assert_eq!(ran, ["systemctl disable --now zt.service", "systemctl daemon-reload"], "the home and its user stay");
    assert!(host.installed(Init::Systemd).is_none());
    let steps = uninstall(&host, Init::Systemd, Path::new(STOCK_HOME), true);
    assert!(steps.contains(&Step::Remove(STOCK_HOME.into())) && steps.contains(&Step::attempt("userdel zt")));
}

#[test]
fn the_service_of_zerotier_one_is_switched_off_and_comes_back() {
    let link = "etc/systemd/system/multi-user.target.wants/zerotier-one.service";
    let scene = Scene::new("stock", &["run/systemd/system/x", "usr/sbin/useradd", link]);
    let host = scene.host();
    let wanted = wanted(Init::Systemd, STOCK_HOME, "/usr/bin/zt");
    let ran = scene.act(&install(&host, &wanted));
    assert!(ran.contains(&"systemctl disable --now zerotier-one.service".to_owned()), "{ran:?}");
    // Its link is gone then; a second run, as after an update, still knows that it was there.
    fs::remove_file(scene.folder.join(link)).expect("removed");
    scene.act(&install(&host, &wanted));
    let ran = scene.act(&uninstall(&host, Init::Systemd, Path::new(STOCK_HOME), false));
    assert!(ran.contains(&"chown -R root:root /var/lib/zerotier-one".to_owned()), "{ran:?}");
    assert_eq!(ran.last().map(String::as_str), Some("systemctl enable --now zerotier-one.service"));
}

#[test]
fn a_home_elsewhere_is_named_in_the_unit() {
    let scene = Scene::new("home", &["usr/sbin/useradd"]);
    for (init, line) in [
        (Init::Systemd, "ExecStart=/usr/bin/zt service --home /srv/zt $ZT_OPTIONS"),
        (Init::Openrc, "command_args=\"service --home /srv/zt --user zt ${ZT_OPTIONS}\""),
        (Init::Runit, "exec /usr/bin/zt service --home /srv/zt --user zt $ZT_OPTIONS"),
    ] {
        scene.act(&install(&scene.host(), &wanted(init, "/srv/zt", "/usr/bin/zt")));
        let text = scene.host().installed(init).expect("written");
        assert!(text.lines().any(|found| found == line), "{text}");
        assert_eq!(text.matches("--home").count(), 1, "{text}");
        assert_eq!(text.starts_with("#!"), init != Init::Systemd);
        assert!(!text.contains("StateDirectory"), "{text}");
    }
}

#[test]
fn openrc_and_runit_are_known_by_their_folders() {
    let scene = Scene::new("openrc", &["sbin/openrc-run"]);
    assert_eq!(scene.host().init(), Some(Init::Openrc));
    let ran = scene.act(&install(&scene.host(), &wanted(Init::Openrc, STOCK_HOME, "/usr/bin/zt")));
    assert_eq!(ran[..2], ["addgroup -S zt", "adduser -S -D -H -h /var/lib/zerotier-one -s /sbin/nologin -G zt zt"]);
    assert_eq!(ran[2..], ["rc-update add zt default", "rc-service zt restart"]);
    let scene = Scene::new("runit", &["etc/runit/x", "etc/service/x", "usr/sbin/useradd"]);
    assert_eq!(scene.host().init(), Some(Init::Runit));
    let ran = scene.act(&install(&scene.host(), &wanted(Init::Runit, STOCK_HOME, "/usr/bin/zt")));
    assert_eq!(ran.last().map(String::as_str), Some("ln -sfn /etc/sv/zt /etc/service/zt"));
    assert_eq!(Scene::new("nothing", &[]).host().init(), None);
}

#[test]
fn the_supervisor_of_runit_ends_before_its_folder_and_the_user_go() {
    let scene = Scene::new("runit-gone", &["etc/runit/x", "etc/service/x", "usr/sbin/userdel"]);
    let steps = uninstall(&scene.host(), Init::Runit, Path::new(STOCK_HOME), true);
    let text: Vec<String> = steps.iter().map(Step::text).collect();
    assert_eq!(
        text,
        [
            "rm -r /etc/service/zt",
            "sv force-shutdown /etc/sv/zt",
            "rm -r /etc/sv/zt",
            "rm -r /var/lib/zerotier-one",
            "userdel zt"
        ]
    );
}

#[test]
fn a_unit_of_a_package_or_of_somebody_else_is_left_alone() {
    let scene = Scene::new("packaged", &["usr/lib/systemd/system/zt.service"]);
    assert_eq!(scene.host().of_package(Init::Systemd).as_deref(), Some("/usr/lib/systemd/system/zt.service"));
    let scene = Scene::new("foreign", &["etc/init.d/zt"]);
    assert_eq!(scene.host().of_package(Init::Openrc).as_deref(), Some("/etc/init.d/zt"));
}
