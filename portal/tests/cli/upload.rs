//! An upload over a connection that breaks.

use crate::world::World;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

/// The push arrives whole although its connection is cut in the middle of it.
pub(crate) fn goes_on(world: &World) {
    let server = world.address.trim_start_matches("http://").to_owned();
    let proxy = cutting(server, 1_500_000);
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
    let view: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(view["bytes"], text.len(), "{view}");
    assert_eq!(view["state"], "rejected");
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    assert_eq!(view["sha256"], hex::encode(digest));

    let id = view["id"].as_str().unwrap();
    let again = ["dataset", "push", "health_claims", path, "--resume", id];
    world.as_("system-admin", &again).fails(1, "vehicle_trips");
}

/// The address of a proxy that cuts its first connection once the client has sent so many bytes.
fn cutting(server: String, after: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for (number, client) in listener.incoming().enumerate() {
            let (Ok(client), Ok(server)) = (client, TcpStream::connect(&server)) else {
                return;
            };
            let (to_client, to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let most = if number == 0 { after } else { usize::MAX };
            thread::spawn(move || pass(client, to_server, most));
            thread::spawn(move || pass(server, to_client, usize::MAX));
        }
    });
    address
}

fn pass(mut from: TcpStream, mut to: TcpStream, most: usize) {
    let (mut piece, mut passed) = (vec![0; 1 << 16], 0);
    while passed < most {
        match from.read(&mut piece) {
            Ok(length) if length > 0 && to.write_all(&piece[..length]).is_ok() => passed += length,
            _ => break,
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
