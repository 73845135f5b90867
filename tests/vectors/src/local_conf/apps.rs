//! Web apps: files of a folder, asked for over a socket.

use std::fs;

use serde_json::Value;
use zt_cli::daemon::http::{Access, Caller};
use zt_cli::daemon::local_conf::LocalConf;

use crate::http_api::ask;
use crate::service::Service;
use crate::{same, text};

pub(super) fn run(conf: &LocalConf, observed: &Value) -> Result<(), String> {
    same("served", &conf.settings.enable_web_server, &true)?;
    let home = std::env::temp_dir().join(format!("zt-apps-{}", std::process::id()));
    let (site, page, secret) = (home.join("app/site"), home.join("app/page.html"), home.join("authtoken.secret"));
    let put = |path: &std::path::Path, text: &str| fs::write(path, text).map_err(|e| e.to_string());
    fs::create_dir_all(&site).map_err(|e| e.to_string())?;
    put(&site.join("index.html"), "<p>index</p>")?;
    put(&page, "<p>page</p>")?;
    put(&secret, "secret")?;
    let access = Access { apps: Some(home.join("app")), ..Access::default() };
    let asked = observed.as_object().into_iter().flatten().try_for_each(|(path, recorded)| {
        let request = format!("GET {path} HTTP/1.1\r\n\r\n");
        let caller = Caller::loopback();
        let ((head, body), _) = ask(Service::default(), access.clone(), caller, &request, false)?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).map(str::to_owned).unwrap_or_default();
        same(path, &status, &recorded["status"].to_string())?;
        let headers: Vec<&str> =
            recorded["headers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let same_name = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
        let ours: Vec<&str> = lines.collect();
        let alike = ours.len() == headers.len() && ours.iter().zip(&headers).all(|(a, b)| same_name(a, b));
        same(path, &(alike, &ours), &(true, &ours))?;
        same(path, &body.as_str(), &text(recorded, "body"))
    });
    let _ = fs::remove_dir_all(&home);
    asked
}
