//! An image in OCI's layout as an archive, made of plain files: `podman load`, `docker load`, `skopeo copy oci-archive:…`.
//!
//! Manifest and configuration say that they are Docker's: of those that are OCI's own, Podman takes no health check.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

use super::stage::put;
use super::{sha256, tar};
use crate::root;

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// Writes the image of a static program.
pub(super) fn write(processor: &str, program: &Path, file: &Path) -> Result<()> {
    let work = file.with_extension("stage");
    let _ = fs::remove_dir_all(&work);
    let layer = layer(program, &work)?;
    let image = work.join("image");
    let blobs = image.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    let (layer_size, layer_sum) = store(&fs::read(&layer)?, &blobs, &work)?;
    let (config_size, config_sum) = store(config(processor, &layer_sum).to_string().as_bytes(), &blobs, &work)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json", "digest": format!("sha256:{config_sum}"), "size": config_size,
        },
        "layers": [{
            "mediaType": "application/vnd.docker.image.rootfs.diff.tar", "digest": format!("sha256:{layer_sum}"), "size": layer_size,
        }],
    });
    let (size, sum) = store(manifest.to_string().as_bytes(), &blobs, &work)?;
    let version = env!("CARGO_PKG_VERSION");
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": MANIFEST, "digest": format!("sha256:{sum}"), "size": size,
            "platform": {"architecture": processor, "os": "linux"},
            "annotations": {"org.opencontainers.image.ref.name": format!("zt:{version}")},
        }],
    });
    fs::write(image.join("index.json"), index.to_string())?;
    fs::write(image.join("oci-layout"), json!({"imageLayoutVersion": "1.0.0"}).to_string())?;
    // For programs that load the older kind of archive alone.
    let old = json!([{
        "Config": format!("blobs/sha256/{config_sum}"), "RepoTags": [format!("zt:{version}")],
        "Layers": [format!("blobs/sha256/{layer_sum}")],
    }]);
    fs::write(image.join("manifest.json"), old.to_string())?;
    tar(&image, file)?;
    fs::remove_dir_all(&work).context("cannot tidy up")
}

/// The one layer: the program, and the few files that a C library or a person looks for.
fn layer(program: &Path, work: &Path) -> Result<PathBuf> {
    let files = work.join("files");
    put(program, &files.join("usr/bin/zt"), 0o755)?;
    for folder in ["var/lib/zerotier-one", "etc", "tmp", "run/zt"] {
        fs::create_dir_all(files.join(folder))?;
    }
    fs::write(
        files.join("etc/passwd"),
        "root:x:0:0:root:/:/sbin/nologin\nzt:x:999:999::/var/lib/zerotier-one:/sbin/nologin\n",
    )?;
    fs::write(files.join("etc/group"), "root:x:0:\nzt:x:999:\n")?;
    // `docker exec NAME zerotier-cli …`, as with the common images.
    for name in ["zerotier-one", "zerotier-cli", "zerotier-idtool"] {
        std::os::unix::fs::symlink("zt", files.join("usr/bin").join(name))?;
    }
    // TLS to roots wants the authorities of whoever builds the image, if there are any.
    let authorities = Path::new("/etc/ssl/certs/ca-certificates.crt");
    if authorities.exists() {
        put(authorities, &files.join("etc/ssl/certs/ca-certificates.crt"), 0o644)?;
    }
    put(&root().join("LICENSE-MIT"), &files.join("usr/share/doc/zt/LICENSE-MIT"), 0o644)?;
    put(&root().join("LICENSE-APACHE"), &files.join("usr/share/doc/zt/LICENSE-APACHE"), 0o644)?;
    let layer = work.join("layer.tar");
    tar(&files, &layer)?;
    Ok(layer)
}

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

fn config(processor: &str, layer: &str) -> Value {
    json!({
        "architecture": processor,
        "os": "linux",
        "config": {
            "Entrypoint": ["/usr/bin/zt", "container"],
            "Env": ["PATH=/usr/bin", "ZEROTIER_HOME=/var/lib/zerotier-one"],
            "Volumes": {"/var/lib/zerotier-one": {}},
            "ExposedPorts": {"9993/udp": {}},
            "WorkingDir": "/",
            "StopSignal": "SIGTERM",
            "Labels": {
                "org.opencontainers.image.title": "zt",
                "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
                "org.opencontainers.image.licenses": "MIT OR Apache-2.0",
            },
            // Not of OCI's standard, but of Docker's.
            "Healthcheck": {
                "Test": ["CMD", "/usr/bin/zt", "container", "--health"],
                "Interval": 30 * SECOND, "Timeout": 5 * SECOND, "StartPeriod": 30 * SECOND, "Retries": 3,
            },
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{layer}")]},
        "history": [{"created_by": "cargo xtask package oci"}],
    })
}

/// Stores content under its hash; gives back size and hash.
fn store(content: &[u8], blobs: &Path, work: &Path) -> Result<(usize, String)> {
    let beside = work.join("blob");
    fs::write(&beside, content)?;
    let sum = sha256(&beside)?;
    fs::rename(&beside, blobs.join(&sum))?;
    Ok((content.len(), sum))
}
