//! `/config` (06 §4.11).

use serde_json::{Value, json};

use super::{Answer, Backend, Reply, Request};
use crate::daemon::local_conf::LocalConf;
use crate::daemon::local_conf::places::concerns;
use crate::render::json::{sorted, without_mark};

pub(super) async fn config<B: Backend>(backend: &B, request: &Request, rest: &[&str]) -> Answer<Reply> {
    match rest {
        [] if request.is_read() => Ok(Reply::json(&sorted(backend.config().await?))),
        ["settings"] if request.is_write() => match serde_json::from_slice(without_mark(&request.body)) {
            Err(error) => Ok(Reply::bad_json(&error)),
            Ok(Value::Object(changes)) => {
                let names: Vec<String> = changes.keys().cloned().collect();
                backend.change_settings(changes).await?;
                let remarks = remarks(backend.config().await?, &names);
                Ok(Reply::json(&if remarks.is_empty() { json!({}) } else { json!({"remarks": remarks}) }))
            }
            Ok(_) => Ok(Reply::json(&json!({}))),
        },
        _ => Ok(Reply::not_found()),
    }
}

/// What of these settings is not as it was asked for: they are in the file, as the original has it (06 §4.11), and the node does
/// without them. `{}` stays the answer where all is well.
fn remarks(conf: Value, names: &[String]) -> Vec<String> {
    let Value::Object(conf) = conf else { return Vec::new() };
    let Ok(LocalConf { remarks, notes, .. }) = LocalConf::from_object(conf) else { return Vec::new() };
    let fields: Vec<String> = names.iter().map(|name| format!("settings.{name}")).collect();
    let is_asked_for = |remark: &String| fields.iter().any(|field| concerns(remark, field));
    remarks.into_iter().chain(notes).filter(is_asked_for).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_asked_for_is_remarked_on() {
        let conf =
            json!({"settings": {"primryPort": 1, "bind": 7, "bindings": 8, "tcpFallbackRelay": "", "log": "info"}});
        let told =
            |names: &[&str]| remarks(conf.clone(), &names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(told(&["log"]), [""; 0]);
        assert_eq!(told(&["bind"]), ["settings.bind: ignored, must be an array"]);
        assert!(told(&["primryPort"])[0].starts_with("settings.primryPort: unknown, has no effect"));
    }
}
