//! `/app` (06 §4.14): web apps, files of a folder in the home.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

use super::{Answer, Failure, Reply, Request};

/// The file that a path names, or what the original does in its place.
pub(super) async fn app(folder: &Path, request: &Request) -> Answer<Reply> {
    if !request.is_read() {
        return Ok(Reply::not_found());
    }
    let (folder, path) = (folder.to_owned(), request.path.clone());
    // On a thread of its own: packets do not wait for the disk.
    tokio::task::spawn_blocking(move || find(&folder, &path)).await.map_err(|_| Failure::Stopping)
}

fn find(folder: &Path, path: &str) -> Reply {
    let Some(name) = path.strip_prefix("/app/").filter(|name| is_inside(name)) else { return Reply::not_found() };
    let is_folder = name.is_empty() || name.ends_with('/');
    let wanted = if is_folder { format!("{name}index.html") } else { name.to_owned() };
    if let Some((file, length)) = open(folder, &wanted) {
        return Reply::file(media(&wanted), file, length);
    }
    let site = name.split('/').next().unwrap_or_default();
    match () {
        () if name.is_empty() || name.contains('.') => Reply::not_found(),
        // A page of a site that finds its way by itself.
        () if is_folder => match open(folder, &format!("{site}/index.html")) {
            Some((file, length)) => Reply::file("text/html", file, length),
            None => Reply::empty(500),
        },
        () => match open(folder, &format!("{name}.html")) {
            Some((file, length)) => Reply::file("text/html", file, length),
            None => Reply::moved(format!("{}/", escaped(path))),
        },
    }
}

/// A path as a header takes it.
fn escaped(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'~' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => out += &format!("%{byte:02X}"),
        }
    }
    out
}

/// A name below the folder: no step up, nothing that a system call or a header would read otherwise.
fn is_inside(name: &str) -> bool {
    !name.split('/').any(|step| step == "..") && !name.starts_with('/') && !name.contains(|c: char| c.is_control())
}

/// A file below the folder and its length. What leads out of the folder, such as a symbolic link, is not followed.
fn open(folder: &Path, name: &str) -> Option<(File, u64)> {
    // Opening a pipe does not wait for its other end.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let root = openat(CWD, folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let opened = match openat2(&root, name, flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS) {
        // Kernels before 5.6, and sandboxes that do not know the call.
        Err(Errno::NOSYS | Errno::PERM) => step_by_step(root, name, flags),
        opened => opened,
    };
    let file = File::from(opened.ok()?);
    let about = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some((file, about.len()))
}

/// As above, following no link at all.
fn step_by_step(root: rustix::fd::OwnedFd, name: &str, flags: OFlags) -> rustix::io::Result<rustix::fd::OwnedFd> {
    let mut at = root;
    let mut steps = name.split('/').filter(|step| !step.is_empty() && *step != ".").peekable();
    while let Some(step) = steps.next() {
        let here = match steps.peek() {
            Some(_) => OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            None => flags,
        };
        at = openat(&at, step, here | OFlags::NOFOLLOW, Mode::empty())?;
    }
    Ok(at)
}

/// Reads a piece of a file that leaves.
pub(super) fn read_piece(file: &File, at: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut piece = vec![0; length];
    let read = std::os::unix::fs::FileExt::read_at(file, &mut piece, at)?;
    piece.truncate(read);
    Ok(piece)
}

/// Media type by the ending of a name, in the original's words.
fn media(name: &str) -> &'static str {
    let ending = name.rsplit('/').next().and_then(|last| last.rsplit_once('.')).map_or("", |(_, ending)| ending);
    match ending {
        "htm" | "html" => "text/html",
        "css" => "text/css",
        "csv" => "text/csv",
        "txt" => "text/plain",
        "js" | "mjs" => "text/javascript",
        "json" => "application/json",
        "xml" => "application/xml",
        "pdf" => "application/pdf",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "gif" => "image/gif",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "ttf" => "font/ttf",
        "otf" => "font/otf",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "mp3" => "audio/mp3",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    /// A folder of apps beside a secret, removed afterwards.
    struct Site(PathBuf);

    impl Site {
        fn new() -> Self {
            let root = std::env::temp_dir().join(format!("zt-app-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&root);
            std::fs::create_dir_all(root.join("app/site")).expect("a folder");
            for (name, text) in
                [("secret", "secret"), ("app/site/index.html", "index"), ("app/page.html", "page"), ("app/f.js", "x")]
            {
                std::fs::write(root.join(name), text).expect("a file");
            }
            symlink(root.join("secret"), root.join("app/absolute.txt")).expect("a link");
            symlink("../secret", root.join("app/relative.txt")).expect("a link");
            symlink("..", root.join("app/up")).expect("a link");
            symlink("site", root.join("app/alias")).expect("a link");
            Self(root)
        }
    }

    impl Drop for Site {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn nothing_outside_of_the_folder_is_served() {
        let site = Site::new();
        let folder = site.0.join("app");
        for path in [
            "/app/../secret",
            "/app/site/../../secret",
            "/app//etc/passwd",
            "/app/absolute.txt",
            "/app/relative.txt",
            "/app/up/secret.",
            "/app/up/app/page.html",
            "/app/\0.html",
            "/app/site",
            "/app/nosuch.txt",
        ] {
            let reply = find(&folder, path);
            assert!([404, 301].contains(&reply.status) && reply.length() == 0, "{path}: {reply:?}");
        }
        let up = open(&folder, "up/secret");
        assert!(up.is_none(), "{up:?}");
        // A link that stays inside is no way out.
        assert_eq!(find(&folder, "/app/alias/").length(), 5);
        assert_eq!(find(&folder, "/app/page").length(), 4);
        assert_eq!(find(&folder, "/app/f.js").media, Some("text/javascript"));
        assert_eq!(find(&folder, "/app/a b/\u{fc}").location.as_deref(), Some("/app/a%20b/%C3%BC/"));
        // The slow way follows no link at all.
        let root = || openat(CWD, &folder, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).expect("a folder");
        step_by_step(root(), "site/index.html", OFlags::RDONLY).expect("a file");
        for name in ["absolute.txt", "up/secret", "alias/index.html"] {
            step_by_step(root(), name, OFlags::RDONLY).expect_err(name);
        }
    }
}
