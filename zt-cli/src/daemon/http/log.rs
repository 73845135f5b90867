//! `/log`: our own addition. How much the node logs, shown and changed.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::{Answer, Failure, Reply, Request};
use crate::daemon::logs::{self, Filter};
use crate::render::json::without_mark;

/// Longest time after which a change is undone, a day in seconds.
const LONGEST: u32 = 86_400;

/// A change.
#[derive(Deserialize)]
struct Change {
    filter: String,
    #[serde(default)]
    seconds: Option<u32>,
}

pub(super) fn log(request: &Request) -> Answer<Reply> {
    let Some(logs) = logs::running() else {
        return Err(Failure::Refused("the program that runs this node logs in a way of its own".to_owned()));
    };
    if request.is_write() {
        let change: Change = serde_json::from_slice(without_mark(&request.body))
            .map_err(|error| Failure::Refused(format!("write {{\"filter\": \"debug\"}}: {error}")))?;
        let filter: Filter = change.filter.parse().map_err(|error| Failure::Refused(format!("filter: {error}")))?;
        let (number, before) = logs.set(filter);
        if let Some(seconds) = change.seconds.filter(|seconds| *seconds > 0) {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(seconds.min(LONGEST).into())).await;
                logs.go_back(number, before);
            });
        }
    } else if !request.is_read() {
        return Ok(Reply::not_found());
    }
    Ok(Reply::json(&json!({"filter": logs.filter().to_string()})))
}
