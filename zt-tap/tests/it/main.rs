//! The public interface of zt-tap. Tests that need namespaces or devices are skipped with a message
//! where the machine refuses them, and fail there when `CI=true`.

#[cfg(target_os = "linux")]
mod device;
#[cfg(target_os = "linux")]
mod dns;
#[cfg(target_os = "linux")]
mod host;
#[cfg(target_os = "linux")]
mod long_frames;
mod memory;
#[cfg(target_os = "linux")]
mod namespace;
mod offload;
#[cfg(target_os = "linux")]
mod policy;
#[cfg(target_os = "linux")]
mod watch;

use zt_wire::IpPrefix;
fn cidr(text: &str) -> IpPrefix {
    text.parse().expect("a cidr")
}

/// A fresh namespace, or `None` when this machine has none to give.
#[cfg(target_os = "linux")]
fn namespace() -> Option<zt_tap::netns::Namespace> {
    permitted("network namespaces", zt_tap::netns::Namespace::new())
}

/// A device in a namespace, or `None` when this machine has none to give.
#[cfg(target_os = "linux")]
fn device(namespace: &zt_tap::netns::Namespace, name: &str, last_octet: u8) -> Option<zt_tap::LinuxTap> {
    let spec = zt_tap::TapSpec { name: name.into(), mac: zt_wire::Mac([0x32, 0, 0, 0, 0, last_octet]), mtu: 2800 };
    let opened = namespace.run(|| zt_tap::LinuxTap::open(&spec)).expect("run");
    permitted("TAP devices", opened)
}

#[cfg(target_os = "linux")]
fn permitted<T>(what: &str, result: std::io::Result<T>) -> Option<T> {
    use std::io::{ErrorKind, Write};
    match result {
        Ok(value) => Some(value),
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::NotFound) => {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "CI must offer {what}: {error}");
            let _ = writeln!(std::io::stderr(), "skipped: {what} are refused here: {error}");
            None
        }
        Err(error) => panic!("{what}: {error}"),
    }
}
