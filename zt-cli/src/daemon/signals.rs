//! Signals of the daemon (06 §1.6).

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals which ask the daemon to stop. Others are ignored as in the original: HUP does nothing, and a closed pipe
/// is an error of the write.
#[derive(Debug)]
pub struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    quit: Signal,
    _hangup: Signal,
}

impl StopSignals {
    /// Takes over the signals; must run inside a tokio runtime.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
            _hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for one of them; tells its name.
    pub async fn wait(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.quit.recv() => "SIGQUIT",
        }
    }
}
