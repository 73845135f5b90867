//! A home folder of ZeroTier One is taken over: laid out as 06 §2 and 05 §4 say, filled from the recorded vectors, and
//! started by the command line that scripts use.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use zt_test_e2e::{Daemon, Home, Host, Lab, Program};
use zt_wire::NetworkId;

const WAIT: Duration = Duration::from_secs(20);
const NETWORK: NetworkId = NetworkId(0x6250_c6cc_f300_0006);
const UNKNOWN: &str = "4ab928c5fabdee0f";

fn vectors(name: &str) -> Result<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/data").join(name);
    Ok(serde_json::from_slice(&fs::read(&path).with_context(|| path.display().to_string())?)?)
}

fn text<'a>(value: &'a Value, pointer: &str) -> Result<&'a str> {
    value.pointer(pointer).and_then(Value::as_str).with_context(|| format!("{pointer} in the vectors"))
}

fn bytes(value: &Value, pointer: &str) -> Result<Vec<u8>> {
    let hex = text(value, pointer)?;
    let byte = |at: usize| Ok(u8::from_str_radix(&hex[at..at + 2], 16)?);
    (0..hex.len()).step_by(2).map(byte).collect()
}

/// What the vectors hold for a root, a controller and a member.
struct Recorded {
    netconf: Value,
    planet: Vec<u8>,
    root: Value,
    moon: Vec<u8>,
    network: Value,
    member: Value,
}

impl Recorded {
    fn load() -> Result<Self> {
        let (netconf, http, api) =
            (vectors("netconf.json")?, vectors("http-api.json")?, vectors("controller-http.json")?);
        let answer = |description: &str| -> Result<Value> {
            let cases = api["cases"].as_array().context("cases")?;
            let case = cases.iter().find(|case| case["description"] == description).context("a case")?;
            Ok(serde_json::from_str(text(case, "/response/body")?)?)
        };
        let mut recorded = Self {
            planet: bytes(&http, "/planet_hex")?,
            root: http["identities"]["root"].clone(),
            moon: bytes(&vectors("world.json")?, "/moon_json/binary")?,
            network: answer("get network")?,
            member: answer("pre-create member by authorising it")?,
            netconf,
        };
        // The objects of the recorded controller, with what case 5 of netconf.json says about this network.
        let case = recorded.netconf["cases"][5].clone();
        assert_eq!(text(&case, "/networkId")?, NETWORK.to_string());
        let network = recorded.network.as_object_mut().context("an object")?;
        network.extend(case["network"].as_object().context("an object")?.clone());
        network.extend([
            ("id".to_owned(), json!(NETWORK.to_string())),
            ("nwid".to_owned(), json!(NETWORK.to_string())),
            ("revision".to_owned(), json!(42)),
        ]);
        let routes = network["routes"].as_array_mut().context("routes")?;
        for route in routes.iter_mut().filter(|route| route.get("via").is_none()) {
            route["via"] = Value::Null;
        }
        let who = text(&recorded.netconf, "/identities/a/address")?.to_owned();
        let member = recorded.member.as_object_mut().context("an object")?;
        member.extend([
            ("id".to_owned(), json!(who)),
            ("address".to_owned(), json!(who)),
            ("nwid".to_owned(), json!(NETWORK.to_string())),
            ("identity".to_owned(), recorded.netconf["identities"]["a"]["identityPublic"].clone()),
            ("ipAssignments".to_owned(), json!(["10.147.17.13"])),
        ]);
        Ok(recorded)
    }

    /// What every home of ZeroTier One has.
    fn home(&self, home: Home, secret: &str) -> Result<Home> {
        let public = secret.rsplit_once(':').context("a secret")?.0;
        home.write("identity.secret", secret.as_bytes())?;
        home.write("identity.public", public.as_bytes())?;
        home.write("authtoken.secret", b"878hn6jf19blejqj4ebzzymf")?;
        home.write("planet", &self.planet)?;
        Ok(home)
    }

    fn member_home(&self, home: Home) -> Result<Home> {
        let home = self.home(home, text(&self.netconf, "/identities/a/identitySecret")?)?;
        home.write("moons.d/000000899b638a21.moon", &self.moon)?;
        home.write(&format!("networks.d/{NETWORK}.conf"), &bytes(&self.netconf, "/cases/5/dictionary")?)?;
        let local = b"allowManaged=1\nallowGlobal=1\nallowDefault=0\nallowDNS=0\n";
        home.write(&format!("networks.d/{NETWORK}.local.conf"), local)?;
        home.write(&format!("networks.d/{UNKNOWN}.conf"), b"\n")?;
        // 03 §12: version, identity, versions of protocol and software, one path.
        let controller = text(&self.netconf, "/identities/ctl/identityPublic")?;
        let (address, key) = controller.split_once(":0:").context("an identity")?;
        let mut record = vec![2];
        record.extend(bytes(&json!(address), "")?);
        record.push(0);
        record.extend(bytes(&json!(key), "")?);
        record.extend([0, 13, 0, 1, 0, 14, 0, 1, 0, 1, 4, 88, 7, 7, 2]);
        record.extend(9993_u16.to_be_bytes());
        home.write(&format!("peers.d/{address}.peer"), &record)?;
        home.write("devicemap", format!("{NETWORK}=lan7\n").as_bytes())?;
        home.with_local_conf(&json!({
            "physical": { "192.0.2.0/24": { "blacklist": true } },
            "virtual": { address: { "try": ["88.7.7.2/9993"] } },
            "settings": { "allowTcpFallbackRelay": false, "interfacePrefixBlacklist": ["dum"], "softwareUpdate": "disable" },
        }))
    }

    fn controller_home(&self, home: Home) -> Result<Home> {
        let home = self.home(home, text(&self.netconf, "/identities/ctl/identitySecret")?)?;
        home.write(&format!("controller.d/network/{NETWORK}.json"), self.network.to_string().as_bytes())?;
        let member = text(&self.member, "/id")?;
        home.write(
            &format!("controller.d/network/{NETWORK}/member/{member}.json"),
            self.member.to_string().as_bytes(),
        )?;
        fs::create_dir_all(home.path().join("controller.d/trace"))?;
        Ok(home)
    }
}

/// All files below a folder.
fn tree(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                // Sockets are nothing that is kept.
                files.insert(path.strip_prefix(folder)?.to_owned(), fs::read(&path)?);
            }
        }
    }
    Ok(files)
}

/// That each of these files is as it was.
#[track_caller]
fn untouched(before: &BTreeMap<PathBuf, Vec<u8>>, home: &Home) -> Result<()> {
    let now = tree(home.path())?;
    for (path, content) in before {
        assert!(now.get(path) == Some(content), "{} was changed", path.display());
    }
    Ok(())
}

/// The names of ZeroTier One, each a link to our program.
fn stock_names(lab: &Lab) -> Result<PathBuf> {
    let Program::Ours(zt) = Program::ours()? else { unreachable!("ours") };
    let folder = lab.folder().join("bin");
    fs::create_dir_all(&folder)?;
    for name in ["zerotier-one", "zerotier-cli", "zerotier-idtool"] {
        symlink(&zt, folder.join(name))?;
    }
    Ok(folder)
}

/// `zerotier-cli -DHOME WORDS`: exit code and output.
fn cli(host: &Host, names: &Path, home: &Home, words: &[&str]) -> Result<(Option<i32>, String)> {
    let mut command = Command::new(names.join("zerotier-cli"));
    command.arg(format!("-D{}", home.path().display())).args(words);
    let (status, output) = host.run(command, WAIT)?;
    Ok((status.code(), output))
}

fn device_state(host: &Host, device: &str) -> Result<String> {
    let mut netlink = host.namespace().netlink()?;
    let Some(link) = netlink.link(device)? else { return Ok(String::new()) };
    let addresses: Vec<String> =
        netlink.addresses(Some(link.index))?.iter().map(|address| address.cidr.to_string()).collect();
    let routes: Vec<String> = netlink.static_routes(link.index)?.iter().map(|route| format!("{route:?}")).collect();
    Ok(format!("{addresses:?} {routes:?}"))
}

#[test]
fn a_home_of_zerotier_one_is_taken_over() -> Result<()> {
    let Some(lab) = Lab::new("takeover")? else { return Ok(()) };
    let recorded = Recorded::load()?;
    let names = stock_names(&lab)?;
    let program = Program::stock(&names)?;
    let host = lab.host("member", &["88.7.7.3/24"])?;
    let home = recorded.member_home(lab.home("member")?)?;
    let before = tree(home.path())?;

    // Alone in the world: what was configured works, from the folder.
    let member = host.start(&program, home.clone())?;
    let network = member.wait_status(NETWORK, "OK", WAIT)?;
    assert_eq!(network["name"], "routes");
    assert_eq!(network["portDeviceName"], "lan7", "the device of devicemap");
    assert_eq!(network["assignedAddresses"], json!(["10.147.17.13/24"]));
    assert_eq!((&network["allowGlobal"], &network["allowDefault"]), (&json!(true), &json!(false)));
    assert_eq!(network["netconfRevision"], 1);
    member.wait("address and routes", WAIT, || {
        let state = device_state(&host, "lan7")?;
        Ok((state.contains("10.147.17.13/24") && state.contains("192.168.50.0")).then_some(()))
    })?;
    assert_eq!(member.api().get(&format!("/network/{UNKNOWN}"))?["status"], "REQUESTING_CONFIGURATION");
    let status = member.api().get("/status")?;
    assert_eq!(status["address"], recorded.netconf["identities"]["a"]["address"]);
    assert_eq!((&status["planetWorldId"], &status["online"]), (&json!(1_234_567_890), &json!(false)));
    let moons = member.api().get("/moon")?;
    assert_eq!(moons[0]["id"], "000000899b638a21", "{moons}");
    untouched(&before, &home)?;

    // The same words as ever.
    let (code, output) = cli(&host, &names, &home, &["info"])?;
    assert_eq!((code, output.split(' ').take(3).collect::<Vec<_>>()), (Some(0), vec!["200", "info", "7f2cb3dbe7"]));
    let (code, output) = cli(&host, &names, &home, &["listnetworks"])?;
    assert_eq!(code, Some(0));
    assert!(
        output.contains(&format!("200 listnetworks {NETWORK} routes ")) && output.contains(" OK PRIVATE lan7 "),
        "{output}"
    );
    let other = "8056c2e21c000001";
    assert_eq!(cli(&host, &names, &home, &["join", other])?, (Some(0), "200 join OK".to_owned()));
    assert_eq!(home.read(&format!("networks.d/{other}.conf"))?, b"\n", "as ZeroTier One would keep it");
    assert_eq!(cli(&host, &names, &home, &["leave", other])?, (Some(0), "200 leave OK".to_owned()));
    assert!(home.read(&format!("networks.d/{other}.conf")).is_err());

    // Root and controller come up from homes of the same kind.
    let root_host = lab.host("root", &["88.7.7.1/24"])?;
    let root = recorded.home(lab.home("root")?, text(&recorded.root, "/secret")?)?;
    let root = root_host.start(&program, root)?;
    let controller_host = lab.host("controller", &["88.7.7.2/24"])?;
    let controller_home = recorded.controller_home(lab.home("controller")?)?;
    let objects = tree(controller_home.path())?;
    let controller = controller_host.start(&program, controller_home.clone())?;
    serves(&controller, &recorded)?;
    member.wait("the configuration of today", Duration::from_secs(60), || {
        Ok((member.network(NETWORK)?["netconfRevision"] == 42).then_some(()))
    })?;
    assert_eq!(member.network(NETWORK)?["assignedAddresses"], json!(["10.147.17.13/24"]));

    // Changes go into our store; the folder stays what it was, and is not read a second time.
    controller.change_network(NETWORK, &json!({ "name": "renamed" }))?;
    let controller = controller.restart()?;
    let object = controller.api().get(&format!("/controller/network/{NETWORK}"))?;
    assert_eq!((&object["name"], &object["revision"]), (&json!("renamed"), &json!(43)));
    untouched(&objects, &controller_home)?;

    member.stop()?;
    let kept: BTreeMap<_, _> = before
        .into_iter()
        .filter(|(path, _)| !path.starts_with("peers.d") && !path.ends_with(format!("{NETWORK}.conf")))
        .collect();
    untouched(&kept, &home)?;
    controller.stop()?;
    root.stop()
}

/// The controller's objects are those of the folder.
fn serves(controller: &Daemon, recorded: &Recorded) -> Result<()> {
    let api = controller.api();
    assert_eq!(api.get("/controller/network")?, json!([NETWORK.to_string()]));
    let member = text(&recorded.member, "/id")?;
    for (path, wanted) in [(String::new(), &recorded.network), (format!("/member/{member}"), &recorded.member)] {
        let found = api.get(&format!("/controller/network/{NETWORK}{path}"))?;
        for (key, value) in wanted.as_object().context("an object")? {
            // Learned from a member as soon as it asks.
            let learned =
                ["vMajor", "vMinor", "vProto", "vRev", "revision"].contains(&key.as_str()) && !path.is_empty();
            assert!(learned || found[key] == *value, "{path} {key}: {} instead of {value}", found[key]);
        }
    }
    let members = api.get(&format!("/controller/network/{NETWORK}/member"))?;
    assert_eq!(members.as_object().map(serde_json::Map::len), Some(1), "{members}");
    Ok(())
}

#[test]
fn a_folder_that_cannot_be_imported_is_never_taken_for_empty() -> Result<()> {
    let Some(lab) = Lab::new("import")? else { return Ok(()) };
    let recorded = Recorded::load()?;
    let zt = Program::ours()?;
    let host = lab.host("controller", &["88.7.7.2/24"])?;
    let home = recorded.controller_home(lab.home("controller")?)?;
    let file = format!("controller.d/network/{NETWORK}.json");
    let whole = home.read(&file)?;
    home.write(&file, &whole[..whole.len() / 2])?;
    let before = tree(home.path())?;
    let (status, output) = host.run(zt.service(home.path(), &Default::default()), WAIT)?;
    assert_eq!(status.code(), Some(1), "{output}");
    assert!(output.contains("controller.d") && output.contains("repair"), "{output}");
    assert!(home.read("controller.redb").is_err());
    untouched(&before, &home)?;
    home.write(&file, &whole)?;
    let controller = host.start(&zt, home)?;
    serves(&controller, &recorded)?;
    controller.stop()
}
