//! The socket in the file system: who asks by it is known by the kernel, and needs no token.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::UnixStream as Std;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll, ready};

use tokio::net::{UnixListener, UnixStream};

use crate::daemon::sys::groups_of;

/// Name of the socket in its folder.
pub const NAME: &str = "zt.sock";

/// Members of this group may use the interface without a token, when there is such a group.
const GROUP: &str = "zt";

/// Where groups are listed.
const GROUPS: &str = "/etc/group";

/// A listening socket in the file system, which goes with this value.
#[derive(Debug)]
pub struct LocalSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Number of the file, so that another one in its place stays.
    inode: u64,
}

impl LocalSocket {
    /// Listens. A socket on which nobody listens any more is replaced; anything else in its place, a symbolic link too, is left
    /// alone.
    ///
    /// # Errors
    /// Something is in its place, or the folder takes none.
    pub fn bind(path: &Path) -> io::Result<Self> {
        match fs::symlink_metadata(path) {
            Ok(there) if !there.file_type().is_socket() => {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "something that is no socket is in its place",
                ));
            }
            Ok(_) if Std::connect(path).is_ok() => {
                return Err(io::Error::new(io::ErrorKind::AddrInUse, "another program listens there"));
            }
            Ok(_) => fs::remove_file(path)?,
            Err(_) => {}
        }
        let listener = UnixListener::bind(path)?;
        let bound = Self { listener, path: path.to_owned(), inode: fs::symlink_metadata(path)?.ino() };
        fs::set_permissions(path, fs::Permissions::from_mode(mode(path)))?;
        Ok(bound)
    }

    /// The next connection, and whether who opened it needs no token.
    pub(super) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(UnixStream, bool)>> {
        let (stream, _) = ready!(self.listener.poll_accept(cx))?;
        let trusted = is_trusted(&stream);
        Poll::Ready(Ok((stream, trusted)))
    }
}

impl Drop for LocalSocket {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|there| there.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Mode of the socket: for its group where there is one and it can be given it. Where it cannot, everybody may connect, and each
/// is judged by what the kernel says of it.
fn mode(path: &Path) -> u32 {
    match group_number(GROUP) {
        None => 0o600,
        Some(group) => match chown(path, None, Some(group)) {
            Ok(()) => 0o660,
            Err(_) => 0o666,
        },
    }
}

/// Root, this daemon's own user, and members of the group.
fn is_trusted(stream: &UnixStream) -> bool {
    let Ok(peer) = stream.peer_cred() else { return false };
    let own = rustix::process::geteuid().as_raw();
    peer.uid() == 0 || peer.uid() == own || is_member(stream, peer.gid())
}

fn is_member(stream: &UnixStream, primary: u32) -> bool {
    // Read each time: who is added to the group needs no other daemon.
    let Some(group) = group_number(GROUP) else { return false };
    primary == group || groups_of(stream).is_ok_and(|groups| groups.contains(&group))
}

/// Number of a group of this host.
fn group_number(name: &str) -> Option<u32> {
    number_in(&fs::read_to_string(GROUPS).ok()?, name)
}

fn number_in(groups: &str, name: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("zt-sock-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).expect("a folder");
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn in_runtime(test: impl FnOnce()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
        let _inside = runtime.enter();
        test();
    }

    #[test]
    fn a_group_is_found_by_its_whole_name() {
        let groups = "root:x:0:\nztx:x:7:\nzt:x:991:anna,ben\nbad\n";
        assert_eq!(number_in(groups, "zt"), Some(991));
        assert_eq!(number_in(groups, "z"), None);
        assert_eq!(number_in("zt:x:no:\n", "zt"), None);
    }

    #[test]
    fn a_socket_of_before_is_replaced_and_goes_with_its_listener() {
        in_runtime(|| {
            let folder = Folder::new("stale");
            let path = folder.0.join(NAME);
            drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
            assert!(path.exists(), "left behind");
            let bound = LocalSocket::bind(&path).expect("replaced");
            Std::connect(&path).expect("somebody listens");
            let mode = fs::metadata(&path).expect("there").permissions().mode() & 0o777;
            assert!([0o600, 0o660, 0o666].contains(&mode), "{mode:o}");
            assert_eq!(LocalSocket::bind(&path).expect_err("in use").kind(), io::ErrorKind::AddrInUse);
            drop(bound);
            assert!(!path.exists());
        });
    }

    #[test]
    fn what_is_no_socket_stays_and_a_link_is_not_followed() {
        in_runtime(|| {
            let folder = Folder::new("link");
            let (path, target) = (folder.0.join(NAME), folder.0.join("target"));
            fs::write(&target, "precious").expect("a file");
            std::os::unix::fs::symlink(&target, &path).expect("a link");
            assert_eq!(LocalSocket::bind(&path).expect_err("a link").kind(), io::ErrorKind::AlreadyExists);
            fs::remove_file(&target).expect("removed");
            LocalSocket::bind(&path).expect_err("a link that leads nowhere");
            assert!(fs::symlink_metadata(&path).is_ok() && !target.exists());
            fs::remove_file(&path).expect("removed");
            fs::write(&path, "a file").expect("a file");
            LocalSocket::bind(&path).expect_err("a file");
            assert_eq!(fs::read(&path).expect("there"), b"a file");
        });
    }
}
