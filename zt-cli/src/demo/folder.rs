//! The folder of a demo: secrets are in it, so it is private, and it goes however the demo ends.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use zt_crypto::Entropy as _;

use crate::daemon::signals::StopSignals;
use zt_node::OsEntropy;

/// Time for daemons to end by themselves.
const PATIENCE: Duration = Duration::from_secs(3);

/// Time for a demo inside a user namespace, which ends daemons first.
pub(super) const PATIENCE_INSIDE: Duration = Duration::from_secs(10);

/// Processes that end before the demo does.
#[derive(Clone, Debug, Default)]
pub(super) struct Children(Arc<Mutex<Vec<u32>>>);

impl Children {
    /// Another process to end.
    pub(super) fn add(&self, process: u32) {
        self.lock().push(process);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signal(&self, signal: Signal) {
        for process in self.lock().iter() {
            if let Some(pid) = i32::try_from(*process).ok().and_then(Pid::from_raw)
                && is_running(*process)
            {
                let _ = kill_process(pid, signal);
            }
        }
    }

    /// Asks all to end and waits for them; who goes on is killed.
    fn end(&self, patience: Duration) {
        self.signal(Signal::TERM);
        let deadline = Instant::now() + patience;
        while self.lock().iter().any(|process| is_running(*process)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.signal(Signal::KILL);
    }
}

/// There is such a process, and it has not ended; one that nobody has waited for yet has.
fn is_running(process: u32) -> bool {
    let state = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name in brackets may hold anything; the state follows it.
    state.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

/// When a signal asks this program to stop: ends the children, then does `last`, on a thread of its own.
pub(super) fn on_stop(children: Children, patience: Duration, last: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut signals = {
        let _inside = runtime.enter();
        StopSignals::new()?
    };
    std::thread::Builder::new().name("zt-demo-stop".to_owned()).spawn(move || {
        runtime.block_on(signals.wait());
        children.end(patience);
        last();
    })?;
    Ok(())
}

/// A folder that only its owner may enter, under a name nobody can foresee; removed with the value, or by a signal.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes one. A signal from now on ends the children, removes the folder and ends this program.
    pub(super) fn new(children: Children) -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("zt-demo-{:016x}", OsEntropy.next_u64()));
        // Not one that is there already: somebody else may have made it.
        DirBuilder::new().mode(0o700).create(&path)?;
        let folder = Self(path.clone());
        on_stop(children, PATIENCE, move || {
            let _ = fs::remove_dir_all(&path);
            std::process::exit(130);
        })?;
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_folder_is_private_and_goes() {
        let folder = Folder::new(Children::default()).expect("a folder");
        let path = folder.path().to_path_buf();
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o700);
        assert!(!path.to_string_lossy().contains(&std::process::id().to_string()));
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn children_are_ended_before_the_demo() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().expect("started");
        let children = Children::default();
        children.add(child.id());
        assert!(is_running(child.id()));
        children.end(PATIENCE);
        assert!(!is_running(child.id()));
        assert!(!child.wait().expect("ended").success());
    }
}
