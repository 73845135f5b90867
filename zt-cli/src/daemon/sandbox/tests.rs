//! Each test enters the sandbox in a thread of its own, which it holds alone.
#![expect(clippy::print_stdout, reason = "parts that a kernel cannot do are told")]

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::daemon::home::links;

/// A folder of the test, with a home in it.
struct Scene {
    folder: PathBuf,
}

impl Scene {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("zt-sandbox-{name}-{}", std::process::id()));
        fs::create_dir_all(folder.join("home")).expect("a folder");
        fs::write(folder.join("secret"), "of somebody else").expect("a file");
        fs::write(folder.join("key.pem"), "named in local.conf").expect("a file");
        Self { folder }
    }

    /// Runs something inside; what it found out comes back.
    fn inside<T: Send + 'static>(&self, look: impl FnOnce(&Path, &api::Sandbox) -> T + Send + 'static) -> T {
        let folder = self.folder.clone();
        let needs = Needs { read: vec![folder.join("key.pem")], write: vec![folder.join("home")], ..of_node() };
        let inside = std::thread::spawn(move || look(&folder, &enter(Sandbox::On, &needs)));
        inside.join().expect("the thread ends")
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn of_node() -> Needs {
    Needs { node: true, ..Needs::default() }
}

fn refused<T>(result: io::Result<T>) -> bool {
    result.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

#[test]
fn files_of_others_are_refused_and_the_home_works() {
    let scene = Scene::new("files");
    let Some(report) = scene.inside(|folder, sandbox| {
        if sandbox.files == api::Confined::Unknown {
            return None;
        }
        assert!(refused(fs::read(folder.join("secret"))), "reading what is not ours");
        assert!(refused(fs::write(folder.join("new"), "")), "writing beside the home");
        assert!(refused(fs::write("/etc/zt-sandbox-test", "")), "writing the system's settings");
        assert!(refused(fs::read_dir("/home")), "looking into homes of users");
        let home = folder.join("home");
        fs::create_dir(home.join("networks.d")).expect("a folder in the home");
        fs::write(home.join("networks.d/temporary"), "x").expect("a file in the home");
        fs::rename(home.join("networks.d/temporary"), home.join("networks.d/1.conf")).expect("renamed");
        fs::remove_dir_all(home.join("networks.d")).expect("removed");
        fs::read(folder.join("key.pem")).expect("what local.conf names is read");
        fs::read("/proc/thread-self/net/dev_mcast").expect("the groups of devices are read");
        Some(sandbox.clone())
    }) else {
        println!("skipped: this kernel has no Landlock");
        return;
    };
    assert!(report.no_new_privileges);
}

#[test]
fn a_link_of_the_user_whose_home_it_is_leads_to_what_is_his_and_to_nothing_else() {
    const SOMEBODY: u32 = 47_113;
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root has homes of others");
        return;
    }
    let scene = Scene::new("links");
    let (home, disk, roots) =
        (scene.folder.join("home"), scene.folder.join("disk"), scene.folder.join("folder-of-root"));
    for folder in [&disk, &roots] {
        fs::create_dir(folder).expect("a folder");
        fs::write(folder.join("identity.secret"), "held elsewhere").expect("a file");
    }
    std::os::unix::fs::chown(&home, Some(SOMEBODY), None).expect("given");
    std::os::unix::fs::chown(&disk, Some(SOMEBODY), None).expect("given");
    let lay = |name: &str, target: &Path, owner| {
        std::os::unix::fs::symlink(target, home.join(name)).expect("a link");
        std::os::unix::fs::lchown(home.join(name), Some(owner), None).expect("given");
    };
    lay("his", &disk.join("identity.secret"), SOMEBODY);
    lay("roots", &roots.join("identity.secret"), SOMEBODY);
    let follow = |name: &str| links::follow(&home, &home.join(name));
    assert!(follow("his").is_ok_and(|target| target.is_some()), "a secret is read where the sandbox opens");
    assert!(follow("roots").is_err_and(|foreign| foreign.owner == SOMEBODY), "and refused where it does not");
    scene.inside(|folder, sandbox| {
        if sandbox.files == api::Confined::Unknown {
            println!("skipped: this kernel has no Landlock");
            return;
        }
        let put = |name: &str| zt_node::driver::write_atomically(&folder.join("home").join(name), b"new", 0o600);
        put("his").expect("what is his is changed");
        assert!(put("roots").is_err(), "what is root's is not");
        assert_eq!(fs::read(folder.join("disk/identity.secret")).expect("read"), b"new");
    });
    assert_eq!(fs::read(roots.join("identity.secret")).expect("read"), b"held elsewhere");
}

#[test]
fn a_link_of_root_leads_anywhere_and_one_of_a_stranger_nowhere() {
    let scene = Scene::new("strangers");
    let home = scene.folder.join("home");
    let link = home.join("local.conf");
    std::os::unix::fs::symlink(scene.folder.join("secret"), &link).expect("a link");
    let (folders, refused) = links::folders_behind(&home);
    assert_eq!((folders.len(), refused.len()), (1, 0), "laid by who runs this");
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::lchown(&link, Some(47_114), None).expect("given");
        let (folders, refused) = links::folders_behind(&home);
        assert_eq!((folders.len(), refused.len()), (0, 1));
    }
}

#[test]
fn calls_that_no_node_needs_are_refused_and_programs_start() {
    let scene = Scene::new("calls");
    scene.inside(|_, sandbox| {
        assert_eq!(sandbox.system_calls, api::Confined::On);
        let denied = Err(rustix::io::Errno::PERM);
        assert_eq!(rustix::mount::unmount("/nonexistent", rustix::mount::UnmountFlags::empty()), denied);
        assert_eq!(rustix::process::chroot("/"), denied);
        let family = |raw| rustix::net::AddressFamily::from_raw(raw);
        let socket = |raw| rustix::net::socket(family(raw), rustix::net::SocketType::DGRAM, None);
        for other in [libc::AF_ALG, libc::AF_VSOCK, libc::AF_KEY] {
            let raw = u16::try_from(other).expect("a small number");
            assert_eq!(socket(raw).err(), Some(rustix::io::Errno::PERM), "family {other}");
        }
        for ours in [libc::AF_INET, libc::AF_INET6, libc::AF_UNIX] {
            socket(u16::try_from(ours).expect("a small number")).expect("a socket");
        }
        // In a program that the daemon starts the same holds, and threads and processes start.
        let script = "unshare -r true 2>/dev/null && exit 1; unshare -m true 2>/dev/null && exit 2; (echo ok) | cat";
        let output = Command::new("sh").args(["-c", script]).output().expect("a program starts");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "ok\n", "{output:?}");
        std::thread::spawn(|| ()).join().expect("a thread starts");
    });
}

#[test]
fn no_capability_is_left_that_a_node_does_not_need() {
    let scene = Scene::new("capabilities");
    let report = scene.inside(|_, sandbox| {
        let text = fs::read_to_string("/proc/thread-self/status").expect("status");
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("the field");
            u64::from_str_radix(line.trim(), 16).expect("bits")
        };
        // NET_ADMIN is 12, NET_RAW 13.
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            assert_eq!(field(set) & !(1 << 12 | 1 << 13), 0, "{set}\n{text}");
        }
        sandbox.clone()
    });
    assert!(report.capabilities.iter().all(|name| ["NET_ADMIN", "NET_RAW"].contains(&name.as_str())), "{report:?}");
}

#[test]
fn a_relay_keeps_no_capability_and_changes_no_file() {
    let inside = std::thread::spawn(|| {
        let sandbox = enter(Sandbox::On, &Needs::default());
        assert_eq!(sandbox.capabilities, [""; 0]);
        assert_eq!(sandbox.system_calls, api::Confined::On);
        if sandbox.files != api::Confined::Unknown {
            let write = |path| fs::OpenOptions::new().write(true).open(path);
            for path in ["/etc/resolv.conf", "/dev/net/tun", "/etc/hostname"] {
                assert!(write(path).is_err(), "{path}");
            }
            assert!(refused(fs::write(std::env::temp_dir().join("zt-relay-was-here"), "")));
        }
        // What it lives by.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("it listens");
        std::net::TcpStream::connect(listener.local_addr().expect("an address")).expect("it is reached");
        std::net::UdpSocket::bind("127.0.0.1:0").expect("it sends");
    });
    inside.join().expect("the thread ends");
}

#[test]
fn switched_off_it_takes_nothing_away() {
    let off = std::thread::spawn(|| enter(Sandbox::Off, &Needs::default())).join().expect("ends");
    assert_eq!((off.files, off.system_calls, off.no_new_privileges), (api::Confined::Off, api::Confined::Off, false));
}
