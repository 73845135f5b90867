//! A node without a device and without rights: reached by proxies, forwards and pings (docs/userspace.md).

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use zt_test_e2e::rig::Rig;
use zt_test_e2e::{Daemon, Host, Lab, Options, Ping, Program, wait_for};
use zt_wire::{IpPrefix, NetworkId};

const WAIT: Duration = Duration::from_secs(60);
const BODY: &str = "hello from a member";

/// A program without rights, devices and user: what a rootless container has.
fn without_rights(home: &std::path::Path, options: &str) -> Options {
    let home = home.display();
    let script = format!(
        "mount -t tmpfs none /dev/net 2>/dev/null || true; chown -R 65534:65534 {home}; \
         d={home}; while [ \"$d\" != / ]; do chmod a+x \"$d\"; d=$(dirname \"$d\"); done; \
         exec setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs \
         \"$@\" --userspace {options}"
    );
    let wrap = ["unshare", "-m", "sh", "-ec", &script, "sh"];
    let not_as_unit = Some("this node is to have no rights at all");
    Options { wrap: wrap.map(str::to_owned).to_vec(), not_as_unit, ..Options::default() }
}

/// Addresses that a node has in a network, once it is up.
fn addresses(node: &Daemon, network: NetworkId) -> Result<Vec<IpAddr>> {
    node.wait("addresses without a device", WAIT, || {
        let found = node.network(network)?;
        let list = found["assignedAddresses"].as_array().cloned().unwrap_or_default();
        let list: Vec<IpAddr> =
            list.iter().filter_map(|text| Some(text.as_str()?.parse::<IpPrefix>().ok()?.address())).collect();
        Ok((found["status"] == "OK" && list.len() >= 2).then_some(list))
    })
}

/// A web server of one page on a host.
fn serve(host: &Host, at: SocketAddr) -> Result<()> {
    let listener = host.namespace().run(|| TcpListener::bind(at))??;
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            // All of the request: a kernel resets what is closed with something unread.
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|count| count > 0) {
                head.push(byte[0]);
            }
            let length = BODY.len();
            let _ = write!(client, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{BODY}");
        }
    });
    Ok(())
}

/// A server of datagrams that gives back what it gets.
fn echo(host: &Host, at: SocketAddr) -> Result<()> {
    let socket = host.namespace().run(|| UdpSocket::bind(at))??;
    std::thread::spawn(move || {
        let mut room = [0; 2048];
        while let Ok((count, from)) = socket.recv_from(&mut room) {
            let _ = socket.send_to(&room[..count], from);
        }
    });
    Ok(())
}

fn connect(host: &Host, at: SocketAddr) -> Result<TcpStream> {
    let stream = host.namespace().run(|| TcpStream::connect_timeout(&at, WAIT))??;
    stream.set_read_timeout(Some(WAIT))?;
    Ok(stream)
}

/// What a web server says on a connection.
fn get(mut stream: TcpStream, path: &str) -> Result<String> {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn exchange<const N: usize>(stream: &mut TcpStream, request: &[u8]) -> Result<[u8; N]> {
    stream.write_all(request)?;
    let mut answer = [0; N];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

/// Kind, address and port of SOCKS5.
fn spelt(to: SocketAddr) -> Vec<u8> {
    let mut bytes = match to.ip() {
        IpAddr::V4(ip) => [vec![1], ip.octets().to_vec()].concat(),
        IpAddr::V6(ip) => [vec![4], ip.octets().to_vec()].concat(),
    };
    bytes.extend(to.port().to_be_bytes());
    bytes
}

/// A connection to an address through a SOCKS5 proxy.
fn by_socks5(host: &Host, proxy: SocketAddr, to: SocketAddr) -> Result<TcpStream> {
    let mut stream = connect(host, proxy)?;
    ensure!(exchange::<2>(&mut stream, &[5, 1, 0])? == [5, 0]);
    let head: [u8; 4] = exchange(&mut stream, &[vec![5, 1, 0], spelt(to)].concat())?;
    if head[1] != 0 {
        bail!("SOCKS5 says {}", head[1]);
    }
    let mut rest = vec![0; if head[3] == 1 { 6 } else { 18 }];
    stream.read_exact(&mut rest)?;
    Ok(stream)
}

/// Asks until an answer comes: datagrams may be lost.
fn ask(socket: &UdpSocket, request: &[u8], to: SocketAddr) -> Result<Vec<u8>> {
    socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    let mut room = [0; 2048];
    for _ in 0..40 {
        socket.send_to(request, to)?;
        if let Ok((count, _)) = socket.recv_from(&mut room) {
            return Ok(room[..count].to_vec());
        }
    }
    bail!("no datagram came back")
}

fn count(node: &Daemon, reason: &str) -> Result<u64> {
    let drops = node.api().get("/drops")?;
    let found = drops.as_array().into_iter().flatten().find(|drop| drop["reason"] == reason);
    Ok(found.and_then(|drop| drop["count"].as_u64()).unwrap_or(0))
}

/// The scene of all tests here: a member without a device, and one with.
struct Scene {
    node: Daemon,
    hosts: [Host; 2],
    network: NetworkId,
    ours: Vec<IpAddr>,
    theirs: Vec<IpAddr>,
    /// What else lives meanwhile: the root, its host, the other member.
    others: (Lab, Host, [Daemon; 2]),
}

impl Scene {
    fn new(name: &str, options: &str) -> Result<Option<Self>> {
        let Some(rig) = Rig::new(name)? else { return Ok(None) };
        let theirs = rig.join(WAIT)?[1].iter().map(|cidr| cidr.address()).collect();
        let Rig { lab, root_host, root, hosts, members: [node, other], network, .. } = rig;
        // The first member goes on without its device and its rights.
        let home = node.home().to_owned();
        node.stop()?;
        let options = without_rights(&home, options);
        let node = hosts[0].start_with(&Program::ours()?, lab.home_at(home), options)?;
        let ours = addresses(&node, network)?;
        Ok(Some(Self { node, hosts, network, ours, theirs, others: (lab, root_host, [root, other]) }))
    }
}

#[test]
fn a_node_without_a_device_and_without_rights_carries_proxies_forwards_and_pings() -> Result<()> {
    let options = "--socks5 127.0.0.1:1080 --http-proxy 127.0.0.1:8118";
    let Some(scene) = Scene::new("userspace", options)? else { return Ok(()) };
    let (node, [host, other]) = (&scene.node, &scene.hosts);
    let found = node.network(scene.network)?;
    ensure!(found["portDeviceName"] == "userspace", "{found}");
    let devices = host.namespace().netlink()?.links()?;
    ensure!(devices.iter().all(|link| !link.name.starts_with("zt")), "{devices:?}");

    for ip in &scene.ours {
        other.ping(*ip, Ping::default())?;
    }
    for ip in &scene.theirs {
        let web = SocketAddr::new(*ip, 80);
        serve(other, web)?;
        echo(other, SocketAddr::new(*ip, 7))?;
        let text = get(by_socks5(host, local(1080), web)?, "/")?;
        ensure!(text.ends_with(BODY), "SOCKS5 to {ip}: {text}");
        let mut tunnel = connect(host, local(8118))?;
        write!(tunnel, "CONNECT {web} HTTP/1.1\r\n\r\n")?;
        let mut head = [0; 39];
        tunnel.read_exact(&mut head)?;
        ensure!(head.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&head));
        ensure!(get(tunnel, "/")?.ends_with(BODY), "CONNECT to {ip}");
        let text = get(connect(host, local(8118))?, &format!("http://{web}/page"))?;
        ensure!(text.ends_with(BODY), "a request with an absolute URI: {text}");
        datagrams(host, SocketAddr::new(*ip, 7))?;
    }
    names(&scene)?;
    refused(&scene)?;
    hostile(&scene)
}

/// Datagrams by UDP ASSOCIATE.
fn datagrams(host: &Host, to: SocketAddr) -> Result<()> {
    let mut control = connect(host, local(1080))?;
    ensure!(exchange::<2>(&mut control, &[5, 1, 0])? == [5, 0]);
    let answer: [u8; 10] = exchange(&mut control, &[5, 3, 0, 1, 0, 0, 0, 0, 0, 0])?;
    ensure!(answer[..4] == [5, 0, 0, 1], "{answer:?}");
    let at = local(u16::from_be_bytes([answer[8], answer[9]]));
    let socket = host.namespace().run(|| UdpSocket::bind(local(0)))??;
    let request = [vec![0, 0, 0], spelt(to), b"over a virtual LAN".to_vec()].concat();
    ensure!(ask(&socket, &request, at)? == request, "the answer says who sent it");
    Ok(())
}

/// A name of the network is asked of its server, which only members reach.
fn names(scene: &Scene) -> Result<()> {
    let server = scene.theirs[0];
    let IpAddr::V4(web) = server else { bail!("the first address is of IPv4") };
    let socket = scene.hosts[1].namespace().run(|| UdpSocket::bind((server, 53)))??;
    std::thread::spawn(move || {
        let mut room = [0; 512];
        while let Ok((count, from)) = socket.recv_from(&mut room) {
            let asks_for_it = room[..count].windows(9).any(|part| part == b"\x04page\x03lan");
            let mut answer = room[..count].to_vec();
            answer[2] |= 0x80;
            if asks_for_it && answer.ends_with(&[0, 1, 0, 1]) {
                answer[7] = 1;
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
                answer.extend(web.octets());
            }
            let _ = socket.send_to(&answer, from);
        }
    });
    let (node, host, [root, _]) = (&scene.node, &scene.hosts[0], &scene.others.2);
    root.change_network(scene.network, &json!({ "dns": { "domain": "lan", "servers": [server.to_string()] } }))?;
    node.api().post(&format!("/network/{}", scene.network), &json!({ "allowDNS": true }))?;
    node.wait("the network's server of names", WAIT, || {
        Ok((node.network(scene.network)?["dnsResolver"] == "the proxies of zt").then_some(()))
    })?;
    for name in ["page.lan", "page"] {
        let text = get(connect(host, local(8118))?, &format!("http://{name}/"))?;
        ensure!(text.ends_with(BODY), "{name}: {text}");
        let mut stream = connect(host, local(1080))?;
        ensure!(exchange::<2>(&mut stream, &[5, 1, 0])? == [5, 0]);
        let length = u8::try_from(name.len())?;
        let request = [&[5, 1, 0, 3, length], name.as_bytes(), &[0, 80]].concat();
        ensure!(exchange::<10>(&mut stream, &request)?[1] == 0, "{name}");
        ensure!(get(stream, "/")?.ends_with(BODY), "{name}");
    }
    Ok(())
}

/// Where nothing is, the client is told what its protocol has for that.
fn refused(scene: &Scene) -> Result<()> {
    let host = &scene.hosts[0];
    let nowhere: SocketAddr = "203.0.113.9:80".parse()?;
    let closed = SocketAddr::new(scene.theirs[0], 81);
    for (to, code) in [(nowhere, "SOCKS5 says 3"), (closed, "SOCKS5 says 5")] {
        let error = by_socks5(host, local(1080), to).err().context("a refusal")?;
        ensure!(error.to_string() == code, "{to}: {error}");
    }
    let text = get(connect(host, local(8118))?, "http://203.0.113.9/")?;
    ensure!(text.starts_with("HTTP/1.1 502 "), "{text}");
    Ok(())
}

/// Garbage, heads without an end and clients that say nothing: bounded, named, and nobody else notices.
fn hostile(scene: &Scene) -> Result<()> {
    let (node, host) = (&scene.node, &scene.hosts[0]);
    for port in [1080, 8118] {
        let mut client = connect(host, local(port))?;
        client.write_all(&[0; 600])?;
        let mut text = Vec::new();
        let _ = client.read_to_end(&mut text);
    }
    let mut client = connect(host, local(8118))?;
    let long = format!("GET http://x/{} HTTP/1.1\r\n", "a".repeat(20_000));
    let _ = client.write_all(long.as_bytes());
    // More clients than there are places, all silent.
    let silent = (0..300).map(|_| connect(host, local(1080))).collect::<Result<Vec<_>>>()?;
    for reason in ["proxy: bad request", "proxy: large head", "proxy: too many clients", "proxy: slow request"] {
        wait_for(reason, WAIT, || Ok((count(node, reason)? > 0).then_some(())))?;
    }
    drop(silent);
    let web = SocketAddr::new(scene.theirs[0], 80);
    wait_for("a place for the next client", WAIT, || {
        Ok(by_socks5(host, local(1080), web)
            .and_then(|stream| get(stream, "/"))
            .ok()
            .filter(|text| text.ends_with(BODY)))
    })?;
    Ok(())
}

#[test]
fn ports_are_handed_on_in_both_directions_and_after_a_restart() -> Result<()> {
    let Some(mut scene) = Scene::new("forward", "")? else { return Ok(()) };
    let network = scene.network.to_string();
    let (web, their_echo) = (SocketAddr::new(scene.theirs[0], 80), SocketAddr::new(scene.theirs[0], 7));
    serve(&scene.hosts[1], web)?;
    echo(&scene.hosts[1], their_echo)?;
    serve(&scene.hosts[0], local(8000))?;
    echo(&scene.hosts[0], local(7000))?;
    let api = scene.node.api();
    for forward in [
        json!({ "local": "127.0.0.1:8080", "to": web.to_string() }),
        json!({ "protocol": "udp", "local": "127.0.0.1:7070", "to": their_echo.to_string() }),
        json!({ "network": network, "port": 80, "to": "127.0.0.1:8000" }),
        json!({ "protocol": "udp", "network": network, "port": 7, "to": "127.0.0.1:7000" }),
    ] {
        let answer = api.post("/forward", &forward)?;
        ensure!(answer["state"] == "ready", "it is open when the answer comes: {answer}");
    }
    drop(connect(&scene.hosts[0], local(8080))?);
    through_all(&scene)?;
    scene.node = scene.node.restart()?;
    through_all(&scene)?;

    scene.node.api().delete("/forward/tcp/127.0.0.1:8080")?;
    ensure!(connect(&scene.hosts[0], local(8080)).is_err(), "it is closed when the answer comes");
    let left = scene.node.api().get("/forward")?;
    ensure!(left.as_array().is_some_and(|list| list.len() == 3), "{left}");
    Ok(())
}

/// Each forward carries.
fn through_all(scene: &Scene) -> Result<()> {
    let [host, other] = &scene.hosts;
    let node = &scene.node;
    node.wait("all forwards ready", WAIT, || {
        let list = node.api().get("/forward")?;
        let list = list.as_array().cloned().unwrap_or_default();
        Ok((list.len() == 4 && list.iter().all(|forward: &Value| forward["state"] == "ready")).then_some(()))
    })?;
    ensure!(get(connect(host, local(8080))?, "/")?.ends_with(BODY), "host to member");
    let socket = host.namespace().run(|| UdpSocket::bind(local(0)))??;
    ensure!(ask(&socket, b"out", local(7070))? == b"out");
    for ip in &scene.ours {
        ensure!(get(connect(other, SocketAddr::new(*ip, 80))?, "/")?.ends_with(BODY), "member to host by {ip}");
        let any = if ip.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = other.namespace().run(|| UdpSocket::bind(any))??;
        ensure!(ask(&socket, b"in", SocketAddr::new(*ip, 7))? == b"in");
    }
    Ok(())
}
