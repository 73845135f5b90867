//! Programs of others between members and roots: a proxy that leads out, and reverse proxies.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use zt_tap::netns::Process;

use crate::Host;

/// Where programs are that are not on everybody's path.
const PLACES: [&str; 4] = ["/usr/sbin", "/usr/bin", "/usr/local/bin", "/usr/local/sbin"];

/// A program of the system. `None` where it is not installed, which is printed.
///
/// # Errors
/// The same under `CI=true`.
pub fn program(name: &str) -> Result<Option<PathBuf>> {
    let found = PLACES.iter().map(|place| Path::new(place).join(name)).find(|path| path.is_file());
    if found.is_none() {
        if std::env::var_os("CI").is_some_and(|ci| ci == "true") {
            bail!("CI must have {name}");
        }
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "skipped: {name} is not installed");
    }
    Ok(found)
}

/// Runs tinyproxy at port 8888 of an address; it lets user `anna` with the password `secret word` connect to port 443.
///
/// # Errors
/// It cannot be started.
pub fn tinyproxy(program: &Path, host: &Host, address: &str, folder: &Path) -> Result<Process> {
    let config = folder.join("tinyproxy.conf");
    let text = format!(
        "Port 8888\nListen {address}\nTimeout 600\nMaxClients 20\nBasicAuth anna secret\nConnectPort 443\n\
         PidFile \"{0}/tinyproxy.pid\"\nLogFile \"{0}/tinyproxy.log\"\nLogLevel Connect\n",
        folder.display()
    );
    std::fs::write(&config, text)?;
    let mut command = Command::new(program);
    command.arg("-d").arg("-c").arg(&config);
    host.namespace().spawn(command).context("cannot start tinyproxy")
}

/// Runs squid at port 3128 of an address; it lets everybody connect to port 443.
///
/// # Errors
/// It cannot be started.
pub fn squid(program: &Path, host: &Host, address: &str, folder: &Path) -> Result<Process> {
    let config = folder.join("squid.conf");
    let text = format!(
        "http_port {address}:3128\nvisible_hostname proxy\nacl https port 443\nacl connect method CONNECT\n\
         http_access allow connect https\nhttp_access deny all\npid_filename none\naccess_log none\n\
         cache_log /dev/null\ncache_store_log none\nnetdb_filename none\nshutdown_lifetime 0 seconds\n"
    );
    std::fs::write(&config, text)?;
    let mut command = Command::new(program);
    command.arg("-N").arg("-f").arg(&config);
    host.namespace().spawn(command).context("cannot start squid")
}

/// Runs nginx with the example of the documentation, for a root at `root` (`IP:PORT`), with this certificate and key.
///
/// # Errors
/// It cannot be started.
pub fn nginx(program: &Path, host: &Host, root: &str, tls: [&Path; 2], folder: &Path) -> Result<Process> {
    let server = for_us(include_str!("../../../docs/tcp/nginx.conf"), root, tls);
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {0}/{kind};\n", folder.display()))
        .concat();
    let text = format!(
        "daemon off;\nmaster_process off;\nuser root;\npid {0}/nginx.pid;\nerror_log stderr;\nevents {{}}\n\
         http {{\naccess_log off;\n{temporary}{server}\n}}\n",
        folder.display()
    );
    let config = folder.join("nginx.conf");
    std::fs::write(&config, text)?;
    let mut command = Command::new(program);
    command.arg("-p").arg(folder).arg("-c").arg(&config);
    host.namespace().spawn(command).context("cannot start nginx")
}

/// The same with Caddy.
///
/// # Errors
/// It cannot be started.
pub fn caddy(program: &Path, host: &Host, root: &str, tls: [&Path; 2], folder: &Path) -> Result<Process> {
    let site = for_us(include_str!("../../../docs/tcp/Caddyfile"), root, tls);
    // Names, and certificates for them, are had from elsewhere in a laboratory.
    let text = format!(
        "{{\nadmin off\nauto_https disable_redirects\n}}\n{}",
        site.replace("https://root.example", "https://")
    );
    let config = folder.join("Caddyfile");
    std::fs::write(&config, text)?;
    let mut command = Command::new(program);
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&config);
    command.env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
    host.namespace().spawn(command).context("cannot start caddy")
}

/// An example with the addresses and files of a test.
fn for_us(example: &str, root: &str, [certificate, key]: [&Path; 2]) -> String {
    example
        .replace("192.0.2.1:443", root)
        .replace("/etc/ssl/root.example.pem", &certificate.display().to_string())
        .replace("/etc/ssl/root.example.key", &key.display().to_string())
}
