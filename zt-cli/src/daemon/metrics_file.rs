//! `metrics.prom` in the home (06 §1.5, §4.12): what `/metrics` tells, for collectors that read files.
//!
//! Deliberate: it is kept while it is there. After ZeroTier One it is, and `touch` makes one; whoever never asked for it has no
//! disk written to every five seconds.

use std::time::Duration;

use zt_node::driver::write_cache;

use super::home::Home;
use super::http::metrics::{Names, page};
use super::http::{Backend, Shared};

const FILE: &str = "metrics.prom";
/// As often as the original writes it.
const EVERY: Duration = Duration::from_secs(5);

/// Writes the file for as long as this is awaited.
pub(super) async fn keep<B: Backend>(home: &Home, shared: &Shared<B>) {
    let mut turns = tokio::time::interval(EVERY);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut is_writable = true;
    loop {
        turns.tick().await;
        let path = home.file(FILE);
        if !path.exists() {
            continue;
        }
        let Ok(text) = page(shared, Names::Original).await else { continue };
        // A disk that is slow is waited for elsewhere: the HTTP interface goes on.
        let written = tokio::task::spawn_blocking(move || write_cache(&path, text.as_bytes(), 0o644)).await;
        let result = written.unwrap_or_else(|ended| Err(std::io::Error::other(ended)));
        if let Err(error) = &result
            && is_writable
        {
            tracing::warn!(%error, "{FILE} cannot be written");
        }
        is_writable = result.is_ok();
    }
}
