//! `/trace`: our own addition. What members of hosted networks tell about themselves (04 §8), as it comes.

use std::time::Duration;

use super::{Answer, Backend, Failure, Reply, Request};

/// Longest time that a question waits for news.
const MAX_WAIT: u64 = 20;

pub(super) async fn traces<B: Backend>(backend: &B, request: &Request) -> Answer<Reply> {
    if !request.is_read() {
        return Ok(Reply::not_found());
    }
    let number = |name: &str| match request.parameter(name) {
        None => Ok(0),
        Some(text) => text.parse::<u64>().map_err(|_| Failure::Refused(format!("{name} is a number"))),
    };
    let (after, wait) = (number("after")?, number("wait")?);
    Ok(Reply::json(&backend.traces(after, Duration::from_secs(wait.min(MAX_WAIT))).await?))
}
