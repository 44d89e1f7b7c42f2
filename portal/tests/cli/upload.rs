//! An upload over a connection that breaks.

use crate::world::World;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// The push arrives whole although its connection is cut in the middle of it.
pub(crate) fn goes_on(world: &World) {
    let server = world.address.trim_start_matches("http://").to_owned();
    let (proxy, cut) = cutting(server, 1_500_000);
    let token = ["token", "create", "uploads", "--days", "1", "-o", "json"];
    let token = world.as_("system-admin", &token).json()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let text = format!("plate,driver_id\n{}", "厦A12345,x\n".repeat(300_000));
    let file = world.file("long.csv", text.as_bytes());
    let path = file.to_str().unwrap();
    let push = [
        "dataset",
        "push",
        "vehicle_trips",
        path,
        "--piece-mib",
        "1",
        "-o",
        "json",
    ];
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_egret"))
        .args(push)
        .args(["--lang", "en", "--server", &format!("http://{proxy}")])
        .env_clear()
        .env("EGRET_TOKEN", token)
        .output()
        .unwrap();
    // It has other columns than the entry, so it ends as refused; but all of it arrived.
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(6), "{said}");
    assert!(cut.load(Ordering::SeqCst), "the connection was not cut");
    let view: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(view["bytes"], text.len(), "{view}");
    assert_eq!(view["state"], "rejected");
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    assert_eq!(view["sha256"], hex::encode(digest));

    let id = view["id"].as_str().unwrap();
    let again = ["dataset", "push", "health_claims", path, "--resume", id];
    world.as_("system-admin", &again).fails(1, "vehicle_trips");
}

/// The address of a proxy that cuts one connection, once, after the client has sent so many bytes on it; and whether
/// it did.
fn cutting(server: String, after: usize) -> (String, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let cut = Arc::new(AtomicBool::new(false));
    let done = Arc::clone(&cut);
    thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), Ok(server)) = (client, TcpStream::connect(&server)) else {
                return;
            };
            let (to_client, to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let done = Arc::clone(&done);
            let ends = move |passed: usize| passed >= after && !done.swap(true, Ordering::SeqCst);
            thread::spawn(move || pass(client, to_server, ends));
            thread::spawn(move || pass(server, to_client, |_| false));
        }
    });
    (address, cut)
}

fn pass(mut from: TcpStream, mut to: TcpStream, ends: impl Fn(usize) -> bool) {
    let (mut piece, mut passed) = (vec![0; 1 << 16], 0);
    while !ends(passed) {
        match from.read(&mut piece) {
            Ok(length) if length > 0 && to.write_all(&piece[..length]).is_ok() => passed += length,
            _ => break,
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
