//! Times that are promised. A test prints what it measured beside its limit and fails only under `ZT_STRICT=1`, because
//! machines that run tests are noisy: whether something happens at all is asserted always, how soon is for a quiet machine
//! and for the simulator, which has a clock of its own.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Result, ensure};

/// Prints a time, and whether it is over its limit.
///
/// # Errors
/// It is, under `ZT_STRICT=1`.
pub fn figure(what: &str, measured: Duration, limit: Duration) -> Result<()> {
    let mark = if measured <= limit { "" } else { "  OVER THE LIMIT" };
    let _ = writeln!(std::io::stdout(), "{:8.3} s  {what} (limit {limit:?}){mark}", measured.as_secs_f64());
    within(what, measured, limit)
}

/// Holds a time that is printed elsewhere to its limit.
///
/// # Errors
/// It is over it, under `ZT_STRICT=1`.
pub fn within(what: &str, measured: Duration, limit: Duration) -> Result<()> {
    let strict = std::env::var_os("ZT_STRICT").is_some_and(|value| value == "1");
    ensure!(!strict || measured <= limit, "{what}: {measured:?}, limit {limit:?}");
    Ok(())
}
