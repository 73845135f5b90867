//! What of the settings is for nobody else: passwords, also those in addresses of proxies.

use serde_json::{Map, Value};

/// The passwords in an object, wherever they stand.
pub(super) fn secrets(settings: &Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    for (key, value) in settings {
        match value {
            Value::String(text) if key.eq_ignore_ascii_case("password") => found.push(text.clone()),
            value => collect(value, &mut found),
        }
    }
    found.retain(|secret| !secret.is_empty());
    found
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(inner) => found.extend(secrets(inner)),
        Value::Array(list) => list.iter().for_each(|value| collect(value, found)),
        Value::String(text) => found.extend(password_of(text)),
        _ => {}
    }
}

/// The password in `scheme://user:password@host`.
fn password_of(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("://")?;
    let (access, _) = rest.rsplit_once('@')?;
    access.split_once(':').map(|(_, password)| password.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn passwords_are_found_wherever_they_stand() {
        let found = |value: Value| secrets(value.as_object().expect("an object"));
        let all = json!({"settings": {
            "tcp": {"proxy": "http://anna:s3cret/@10.0.0.1:3128", "targets": [{"via": "https://u:other@proxy.example"}]},
            "userspace": {"user": "u", "password": "hush"},
        }});
        let mut all = found(all);
        all.sort();
        assert_eq!(all, ["hush", "other", "s3cret/"]);
        let none = json!({"settings": {"tcp": {"proxy": "http://10.0.0.1:3128"}, "userspace": {"password": ""}, "bind": ["::1"]}});
        assert_eq!(found(none), [""; 0]);
        assert_eq!(found(json!({"settings": {"ssoRedirectURL": "https://anna@host/a:b"}})), [""; 0]);
    }
}
