//! What resolvers are told: a service on a bus of the test's own that writes down its calls, and a program of the name
//! `resolvconf` that keeps its input.

use std::future::poll_fn;
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::sync::mpsc;
use zt_tap::{DnsConfig, DnsError, DnsOutcome, LinkDns, LinuxDns, Resolver, ResolverPlaces};

/// The only device that every namespace has.
const DEVICE: &str = "lo";
const INDEX: i32 = 1;

/// A folder of the test's own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("zt-dns-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(path.join("run/interface")).expect("folder");
        std::fs::create_dir_all(path.join("bin")).expect("folder");
        Self(path)
    }

    fn places(&self, bus: Option<&Bus>) -> ResolverPlaces {
        ResolverPlaces {
            // Never the bus of the machine that runs the test.
            bus: Some(bus.map_or_else(|| format!("unix:path={}/none", self.0.display()), |bus| bus.address.clone())),
            path: Some(self.0.join("bin").into()),
            records: Some(self.0.join("run")),
        }
    }

    /// A program of that name which keeps what it is told as Debian's does.
    fn install_resolvconf(&self, script: &str) {
        let file = self.0.join("bin/resolvconf");
        std::fs::write(
            &file,
            format!("#!/bin/sh\ncd '{}/run/interface'\nPATH=/usr/bin:/bin\n{script}", self.0.display()),
        )
        .expect("script");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("mode");
    }

    fn entry(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.0.join("run/interface").join(name)).ok()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const KEEPS: &str = r#"case "$1" in -a) cat > "$2" ;; -d) rm -f "$2" ;; *) exit 1 ;; esac"#;

/// A message bus of the test's own.
struct Bus {
    daemon: Child,
    address: String,
}

impl Bus {
    fn start(folder: &Path) -> Option<Self> {
        let config = folder.join("bus.conf");
        let socket = folder.join("bus");
        std::fs::write(
            &config,
            format!(
                "<busconfig><type>custom</type><listen>unix:path={}</listen><policy context=\"default\">\
                 <allow user=\"*\"/><allow own=\"*\"/><allow send_destination=\"*\"/><allow receive_sender=\"*\"/>\
                 </policy></busconfig>",
                socket.display()
            ),
        )
        .expect("config");
        let daemon = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--print-address"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut daemon = match daemon {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                crate::permitted("dbus-daemon", Err::<(), _>(error));
                return None;
            }
            daemon => daemon.expect("dbus-daemon"),
        };
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().expect("piped")).read_line(&mut address).expect("address");
        Some(Self { daemon, address: address.trim().to_owned() })
    }

    async fn resolved(&self) -> Service {
        let (sender, calls) = mpsc::unbounded_channel();
        let connection = zbus::connection::Builder::address(self.address.as_str())
            .serve_at("/org/freedesktop/resolve1", Resolve1(sender))
            .name("org.freedesktop.resolve1")
            .build()
            .await
            .expect("the service starts");
        Service { connection, calls }
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// A service that is called as systemd-resolved.
struct Service {
    connection: zbus::Connection,
    calls: mpsc::UnboundedReceiver<Call>,
}

impl Service {
    async fn next(&mut self) -> Call {
        within(self.calls.recv()).await.expect("the service lives")
    }

    async fn stop(self) {
        self.connection.close().await.expect("closed");
    }
}

#[derive(Debug, PartialEq)]
enum Call {
    Dns(i32, Vec<(i32, Vec<u8>)>),
    Domains(i32, Vec<(String, bool)>),
    DefaultRoute(i32, bool),
    Revert(i32),
}

struct Resolve1(mpsc::UnboundedSender<Call>);

#[zbus::interface(name = "org.freedesktop.resolve1.Manager")]
impl Resolve1 {
    #[zbus(name = "SetLinkDNS")]
    fn set_link_dns(&self, index: i32, servers: Vec<(i32, Vec<u8>)>) {
        let _ = self.0.send(Call::Dns(index, servers));
    }

    fn set_link_domains(&self, index: i32, domains: Vec<(String, bool)>) -> zbus::fdo::Result<()> {
        if domains.iter().any(|(domain, _)| domain == "refused.example") {
            return Err(zbus::fdo::Error::InvalidArgs("not this\ndomain".to_owned()));
        }
        let _ = self.0.send(Call::Domains(index, domains));
        Ok(())
    }

    fn set_link_default_route(&self, index: i32, enable: bool) {
        let _ = self.0.send(Call::DefaultRoute(index, enable));
    }

    fn revert_link(&self, index: i32) {
        let _ = self.0.send(Call::Revert(index));
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime")
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what).await.expect("it happens")
}

async fn outcome(dns: &mut LinuxDns) -> DnsOutcome {
    within(poll_fn(|cx| dns.poll_outcome(cx))).await
}

async fn settled(dns: &mut LinuxDns) {
    within(poll_fn(|cx| dns.poll_settled(cx))).await;
}

fn link(domain: &str, servers: &[&str]) -> LinkDns {
    let servers = servers.iter().map(|server| server.parse::<IpAddr>().expect("address")).collect();
    LinkDns { domain: domain.to_owned(), servers }
}

fn by(device: &str, result: Result<Resolver, DnsError>) -> DnsOutcome {
    DnsOutcome { device: device.to_owned(), result }
}

/// What the service hears when it is given a link's settings.
fn told(servers: Vec<(i32, Vec<u8>)>, domain: &str) -> [Call; 3] {
    [
        Call::Dns(INDEX, servers),
        Call::Domains(INDEX, vec![(domain.to_owned(), false)]),
        Call::DefaultRoute(INDEX, false),
    ]
}

#[test]
fn resolved_gets_servers_and_the_domain_for_its_own_names_only_and_loses_them_again() {
    let folder = Folder::new("resolved");
    let Some(bus) = Bus::start(&folder.0) else { return };
    folder.install_resolvconf(KEEPS);
    runtime().block_on(async {
        let mut service = bus.resolved().await;
        let mut dns = LinuxDns::new("node", folder.places(Some(&bus)));
        dns.set(DEVICE, Some(link("lan.example", &["10.1.0.53", "fd00::53"])));
        assert_eq!(outcome(&mut dns).await, by(DEVICE, Ok(Resolver::Resolved)));
        let mut six = vec![0; 16];
        (six[0], six[15]) = (0xfd, 0x53);
        let six = (libc::AF_INET6, six);
        for call in told(vec![(libc::AF_INET, vec![10, 1, 0, 53]), six], "lan.example") {
            assert_eq!(service.next().await, call);
        }
        // A changed configuration takes the place of the one before.
        dns.set(DEVICE, Some(link("other.example", &["10.1.0.54"])));
        for call in told(vec![(libc::AF_INET, vec![10, 1, 0, 54])], "other.example") {
            assert_eq!(service.next().await, call);
        }
        // The same once more is no work.
        dns.set(DEVICE, Some(link("other.example", &["10.1.0.54"])));
        dns.set(DEVICE, None);
        assert_eq!(service.next().await, Call::Revert(INDEX));
        settled(&mut dns).await;
        assert!(service.calls.try_recv().is_err(), "nothing is left to be said");
        assert_eq!(std::fs::read_dir(folder.0.join("run/interface")).expect("folder").count(), 0, "only one is told");
    });
}

#[test]
fn a_resolver_that_starts_again_is_told_again() {
    let folder = Folder::new("restart");
    let Some(bus) = Bus::start(&folder.0) else { return };
    runtime().block_on(async {
        let mut service = bus.resolved().await;
        let mut dns = LinuxDns::new("node", folder.places(Some(&bus)));
        dns.set(DEVICE, Some(link("lan.example", &["10.1.0.53"])));
        assert_eq!(outcome(&mut dns).await, by(DEVICE, Ok(Resolver::Resolved)));
        for call in told(vec![(libc::AF_INET, vec![10, 1, 0, 53])], "lan.example") {
            assert_eq!(service.next().await, call);
        }
        service.stop().await;
        let mut service = bus.resolved().await;
        for call in told(vec![(libc::AF_INET, vec![10, 1, 0, 53])], "lan.example") {
            assert_eq!(service.next().await, call);
        }
    });
}

#[test]
fn a_resolver_that_comes_later_takes_over_from_resolvconf() {
    let folder = Folder::new("later");
    let Some(bus) = Bus::start(&folder.0) else { return };
    folder.install_resolvconf(KEEPS);
    runtime().block_on(async {
        let mut dns = LinuxDns::new("node", folder.places(Some(&bus)));
        dns.set(DEVICE, Some(link("lan.example", &["10.1.0.53"])));
        assert_eq!(outcome(&mut dns).await, by(DEVICE, Ok(Resolver::Resolvconf)));
        assert!(folder.entry("tun.lo.zt").is_some());
        let mut service = bus.resolved().await;
        assert_eq!(outcome(&mut dns).await, by(DEVICE, Ok(Resolver::Resolved)));
        for call in told(vec![(libc::AF_INET, vec![10, 1, 0, 53])], "lan.example") {
            assert_eq!(service.next().await, call);
        }
        assert_eq!(folder.entry("tun.lo.zt"), None, "names are asked for in one place");
    });
}

#[test]
fn what_resolved_refuses_is_told_in_its_words_and_leaves_no_half() {
    let folder = Folder::new("refused");
    let Some(bus) = Bus::start(&folder.0) else { return };
    runtime().block_on(async {
        let mut service = bus.resolved().await;
        let mut dns = LinuxDns::new("node", folder.places(Some(&bus)));
        dns.set(DEVICE, Some(link("refused.example", &["10.1.0.53"])));
        let DnsOutcome { result: Err(error), .. } = outcome(&mut dns).await else { panic!("refused") };
        assert!(
            matches!(&error, DnsError::Refused(Resolver::Resolved, why) if why.contains("not this domain")),
            "{error}"
        );
        assert_eq!(service.next().await, Call::Dns(INDEX, vec![(libc::AF_INET, vec![10, 1, 0, 53])]));
        assert_eq!(service.next().await, Call::Revert(INDEX), "servers without domain would get every name");
    });
}

#[test]
fn a_service_of_another_network_namespace_is_left_alone() {
    let folder = Folder::new("namespace");
    let Some(bus) = Bus::start(&folder.0) else { return };
    let Some(namespace) = crate::namespace() else { return };
    let here = runtime();
    let mut service = here.block_on(bus.resolved());
    let places = folder.places(Some(&bus));
    let (sender, answer) = tokio::sync::oneshot::channel();
    let there = std::thread::scope(|scope| {
        scope.spawn(|| {
            let outcome = namespace.run(|| {
                runtime().block_on(async {
                    let mut dns = LinuxDns::new("node", places);
                    dns.set(DEVICE, Some(link("lan.example", &["10.1.0.53"])));
                    outcome(&mut dns).await
                })
            });
            sender.send(outcome.expect("namespace")).expect("awaited");
        });
        // The service is served while the other thread asks.
        here.block_on(within(answer)).expect("an answer")
    });
    assert_eq!(there, by(DEVICE, Err(DnsError::OtherNamespace)));
    assert!(service.calls.try_recv().is_err(), "device numbers of one namespace are other devices in another");
}

#[test]
fn without_resolved_each_network_has_its_entry_at_resolvconf() {
    let folder = Folder::new("resolvconf");
    folder.install_resolvconf(KEEPS);
    runtime().block_on(async {
        let mut dns = LinuxDns::new("node", folder.places(None));
        dns.set("zta", Some(link("a.example", &["10.1.0.53", "fd00::53"])));
        dns.set("ztb", Some(link("b.example", &["10.2.0.53"])));
        let mut outcomes = [outcome(&mut dns).await, outcome(&mut dns).await];
        outcomes.sort_by(|a, b| a.device.cmp(&b.device));
        assert_eq!(outcomes, [by("zta", Ok(Resolver::Resolvconf)), by("ztb", Ok(Resolver::Resolvconf))]);
        let a = "# zt node\nsearch a.example\nnameserver 10.1.0.53\nnameserver fd00::53\n";
        assert_eq!(folder.entry("tun.zta.zt").as_deref(), Some(a));
        dns.set("zta", Some(link("c.example", &[])));
        settled(&mut dns).await;
        assert_eq!(folder.entry("tun.zta.zt").as_deref(), Some("# zt node\nsearch c.example\n"));
        dns.set("zta", None);
        settled(&mut dns).await;
        assert_eq!(folder.entry("tun.zta.zt"), None);
        assert!(folder.entry("tun.ztb.zt").is_some(), "the other network keeps its own");
    });
}

#[test]
fn what_a_killed_node_left_is_taken_away_and_what_others_left_is_not() {
    let folder = Folder::new("stale");
    folder.install_resolvconf(KEEPS);
    let write = |name: &str, text: &str| {
        std::fs::write(folder.0.join("run/interface").join(name), text).expect("entry");
    };
    write("tun.ztold.zt", "# zt node\nsearch old.example\n");
    write("tun.ztother.zt", "# zt another\nsearch other.example\n");
    write("eth0.dhclient", "# zt node\nnameserver 10.0.0.1\n");
    runtime().block_on(async {
        let mut dns = LinuxDns::new("node", folder.places(None));
        dns.set("ztnew", Some(link("new.example", &[])));
        settled(&mut dns).await;
    });
    let present =
        ["tun.ztold.zt", "tun.ztother.zt", "eth0.dhclient", "tun.ztnew.zt"].map(|name| folder.entry(name).is_some());
    assert_eq!(present, [false, true, true, true]);
}

#[test]
fn openresolv_is_asked_to_put_the_network_first() {
    let folder = Folder::new("openresolv");
    folder.install_resolvconf(
        "case \"$1\" in --version) echo openresolv 3.12.0 ;; *) cat >/dev/null; echo \"$*\" >> calls ;; esac",
    );
    runtime().block_on(async {
        let mut dns = LinuxDns::new("node", folder.places(None));
        dns.set("zta", Some(link("a.example", &[])));
        settled(&mut dns).await;
        dns.set("zta", None);
        settled(&mut dns).await;
    });
    assert_eq!(folder.entry("calls").as_deref(), Some("-m 0 -a tun.zta.zt\n-d tun.zta.zt\n"));
}

#[test]
fn a_host_without_resolver_and_a_domain_that_is_none_are_errors_with_words() {
    let folder = Folder::new("none");
    runtime().block_on(async {
        let mut dns = LinuxDns::new("node", folder.places(None));
        dns.set("zta", Some(link("a.example", &[])));
        assert_eq!(outcome(&mut dns).await, by("zta", Err(DnsError::NoResolver)));
        folder.install_resolvconf("echo 'no\nway' >&2; exit 3");
        dns.set("zta", Some(link("b.example", &[])));
        let refused = DnsError::Refused(Resolver::Resolvconf, "no way".to_owned());
        assert_eq!(outcome(&mut dns).await, by("zta", Err(refused)));
        folder.install_resolvconf(KEEPS);
        dns.set("zta", Some(link("a.example\nnameserver 6.6.6.6", &[])));
        assert_eq!(outcome(&mut dns).await, by("zta", Err(DnsError::BadDomain)));
        settled(&mut dns).await;
        assert_eq!(folder.entry("tun.zta.zt"), None);
    });
}
