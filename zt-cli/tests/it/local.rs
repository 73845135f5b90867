//! Commands over the socket in the home folder.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use super::Folder;
use super::fake::Fake;

#[test]
fn commands_need_neither_token_nor_port_where_the_kernel_says_who_asks() {
    let folder = Folder::new();
    let socket = folder.path().join("home/zt.sock");
    let node = Fake::start_at(Some(socket.clone()));
    // Neither file is there: all that leads to the node is the socket.
    assert!(folder.ok("zt networks").contains("no networks"));
    folder.ok("zt join 8056C2E21C000001");
    assert!(folder.ok("zt networks").contains("8056c2e21c000001"));
    // Who names a way to the node means that.
    folder.fails("zt networks --token secrettoken", "no node has run");
    drop(node);
    assert!(!socket.exists(), "it goes with its daemon");
    folder.fails("zt networks", "no node has run");
}

#[test]
fn a_socket_on_which_nobody_listens_leaves_the_way_by_the_port() {
    let node = Fake::start();
    let folder = node.folder();
    drop(std::os::unix::net::UnixListener::bind(folder.path().join("home/zt.sock")).expect("bound"));
    assert!(folder.ok("zt networks").contains("no networks"));
}

#[test]
fn the_socket_speaks_http_like_the_port() {
    let folder = Folder::new();
    let socket = folder.path().join("home/zt.sock");
    let _node = Fake::start_at(Some(socket.clone()));
    let mut stream = UnixStream::connect(&socket).expect("somebody listens");
    // As curl asks: the host is whatever stands in the address.
    let request = "GET /network HTTP/1.1\r\nHost: anything\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("[]"), "{answer}");
}
