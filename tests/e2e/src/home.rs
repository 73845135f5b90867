//! Home folders, identities and planets.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow};
use serde_json::{Map, Value};
use zt_crypto::{KeyPair, SecretIdentity, SeededEntropy, sign_world};
use zt_wire::{Emit, Identity, InetAddress, Root, World, WorldKind};

/// How the folders of all laboratories begin.
pub(crate) const PREFIX: &str = "zt-e2e-";

/// A folder for one test, removed with its last user.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Result<Arc<Self>> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("{PREFIX}{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Arc::new(Self(path)))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::env::var_os("ZT_E2E_KEEP").is_none() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// The home folder of a node.
#[derive(Debug, Clone)]
pub struct Home {
    path: PathBuf,
    _lab: Arc<Folder>,
}

impl Home {
    pub(crate) fn new(lab: &Arc<Folder>, name: &str) -> Result<Self> {
        let path = lab.path().join(name);
        fs::create_dir_all(&path)?;
        Ok(Self { path, _lab: Arc::clone(lab) })
    }

    pub(crate) fn elsewhere(lab: &Arc<Folder>, path: PathBuf) -> Self {
        Self { path, _lab: Arc::clone(lab) }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file into it.
    ///
    /// # Errors
    /// Of the file system.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Reads a file of it.
    ///
    /// # Errors
    /// Of the file system.
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.path.join(name);
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Gives the node an identity (without one it makes its own).
    ///
    /// # Errors
    /// Of the file system.
    pub fn with_identity(self, identity: &SecretIdentity) -> Result<Self> {
        self.write("identity.secret", identity.to_text().as_bytes())?;
        fs::set_permissions(self.path.join("identity.secret"), fs::Permissions::from_mode(0o600))?;
        self.write("identity.public", identity.identity().to_string().as_bytes())?;
        Ok(self)
    }

    /// Gives the node a planet.
    ///
    /// # Errors
    /// Of the file system.
    pub fn with_planet(self, planet: &[u8]) -> Result<Self> {
        self.write("planet", planet)?;
        Ok(self)
    }

    /// Lays the settings that `ZT_TEST_LOCAL_CONF` says, as the text of a `local.conf`, under those of this home.
    ///
    /// # Errors
    /// They are no JSON, or of the file system.
    pub(crate) fn lay_settings_under(&self) -> Result<()> {
        let Some(text) = std::env::var_os("ZT_TEST_LOCAL_CONF") else { return Ok(()) };
        let below = serde_json::from_str(&text.to_string_lossy()).context("ZT_TEST_LOCAL_CONF is no JSON")?;
        lay_under(self, &below)
    }

    /// Gives the node settings.
    ///
    /// # Errors
    /// Of the file system.
    pub fn with_local_conf(self, settings: &Value) -> Result<Self> {
        self.write("local.conf", settings.to_string().as_bytes())?;
        Ok(self)
    }
}

/// Puts settings under those that a home has: what a test says itself stays. A file that is no object is the test's matter.
fn lay_under(home: &Home, below: &Value) -> Result<()> {
    let own = match home.read("local.conf") {
        Ok(text) => serde_json::from_slice(&text).ok(),
        Err(_) => Some(Value::Object(Map::new())),
    };
    let Some(mut own @ Value::Object(_)) = own else { return Ok(()) };
    fill(&mut own, below);
    home.write("local.conf", own.to_string().as_bytes())
}

/// Takes over fields that are not there, in objects within objects as well.
fn fill(own: &mut Value, below: &Value) {
    let (Value::Object(own), Value::Object(below)) = (own, below) else { return };
    for (key, value) in below {
        match own.get_mut(key) {
            Some(own) => fill(own, value),
            None => drop(own.insert(key.clone(), value.clone())),
        }
    }
}

/// An identity; the same seed gives the same one. Those of 1 to 8 are kept, for making one takes long.
pub(crate) fn identity(seed: u64) -> SecretIdentity {
    let line = usize::try_from(seed).ok().and_then(|seed| KEPT.lines().nth(seed.checked_sub(1)?));
    match line {
        Some(text) => SecretIdentity::from_text(text).expect("the kept identities are whole, see the test"),
        None => SecretIdentity::generate(&mut SeededEntropy::new(seed)),
    }
}

/// What [`SecretIdentity::generate`] makes of the seeds from 1 on, one a line; known to everybody, so for tests only.
const KEPT: &str = include_str!("identities.txt");

/// A signed planet with these roots, each with endpoints as `IP/PORT`.
pub(crate) fn planet(id: u64, roots: &[(&Identity, &[&str])]) -> Result<Vec<u8>> {
    let key = KeyPair::generate(&mut SeededEntropy::new(id));
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let roots = roots.iter().map(|(identity, endpoints)| {
        let endpoints = endpoints.iter().map(|text| endpoint(text)).collect::<Result<_>>()?;
        Ok(Root { identity: **identity, endpoints })
    });
    let mut world = World {
        kind: WorldKind::Planet,
        id,
        timestamp: u64::try_from(since_1970.as_millis())?,
        update_key: *key.public_key(),
        signature: zt_wire::Signature([0; 96]),
        roots: roots.collect::<Result<_>>()?,
    };
    sign_world(&mut world, &key);
    Ok(world.to_vec())
}

fn endpoint(text: &str) -> Result<InetAddress> {
    text.parse().map_err(|_| anyhow!("{text} is not IP/PORT"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_identities_are_those_of_their_seeds() {
        for seed in 1..=8 {
            assert!(zt_crypto::validate(identity(seed).identity()), "{seed}");
        }
        let made = SecretIdentity::generate(&mut SeededEntropy::new(1));
        assert_eq!(made.to_text(), identity(1).to_text());
    }

    #[test]
    fn settings_for_all_homes_leave_what_a_test_says() {
        let lab = Folder::new("settings").expect("a folder");
        let below = serde_json::json!({ "settings": { "tapOffload": "none", "udpOffload": "none" } });
        let read = |home: &Home| serde_json::from_slice::<Value>(&home.read("local.conf").expect("written"));
        let home = Home::new(&lab, "bare").expect("a home");
        lay_under(&home, &below).expect("written");
        assert_eq!(read(&home).expect("JSON"), below);
        let own = serde_json::json!({ "settings": { "tapOffload": "tcp", "primaryPort": 7 }, "virtual": {} });
        let home = Home::new(&lab, "own").expect("a home").with_local_conf(&own).expect("written");
        lay_under(&home, &below).expect("written");
        let both = serde_json::json!({ "settings": { "tapOffload": "tcp", "primaryPort": 7, "udpOffload": "none" }, "virtual": {} });
        assert_eq!(read(&home).expect("JSON"), both);
        home.write("local.conf", b"broken").expect("written");
        lay_under(&home, &below).expect("left alone");
        assert_eq!(home.read("local.conf").expect("there"), b"broken");
    }

    #[test]
    fn planets_are_signed_and_endpoints_checked() {
        let root = identity(1);
        let bytes = planet(7, &[(root.identity(), &["10.0.0.1/9993", "fd00::1/9993"])]).expect("planet");
        let world = <World as zt_wire::Parse>::parse(&mut zt_wire::Reader::new(&bytes)).expect("world");
        assert!(zt_crypto::verify_world(&world, &world.update_key));
        assert_eq!((world.id, world.roots[0].endpoints.len()), (7, 2));
        assert!(planet(7, &[(root.identity(), &["nowhere"])]).is_err());
    }
}
