//! Bad input: what arrives broken is answered with what is broken, and nothing half-made stays behind.

use std::process::Command;

use harness::{Server, World, egret, people, run_egret};
use serde_json::json;

#[tokio::test]
async fn broken_pushes_name_the_place_and_make_no_version() {
    let world = World::new().await;
    let good = people::csv(&people::people(50));
    let versions = versions(&world).await;
    let utf16 = |text: &[u8]| {
        let mut bytes = vec![0xff, 0xfe];
        for unit in String::from_utf8_lossy(text).encode_utf16() {
            bytes.extend(unit.to_le_bytes());
        }
        bytes
    };
    let mut mis_encoded = good.clone();
    let middle = mis_encoded.len() / 2;
    mis_encoded[middle] = 0xff;
    mis_encoded[middle + 1] = 0xff;
    let mut nul = good.clone();
    nul[middle] = 0;
    let wrong_schema = String::from_utf8_lossy(&good)
        .replacen("district", "county", 1)
        .into_bytes();
    let twice = String::from_utf8_lossy(&good)
        .replacen("district", "sex", 1)
        .into_bytes();
    let parquet_cut = b"PAR1 this is no parquet file PAR1".to_vec();
    let cases: [(&str, serde_json::Value, Vec<u8>); 7] = [
        ("mis-encoded", json!({ "format": "csv" }), mis_encoded),
        ("embedded NUL", json!({ "format": "csv" }), nul),
        ("wrong schema", json!({ "format": "csv" }), wrong_schema),
        ("a column twice", json!({ "format": "csv" }), twice),
        ("no parquet", json!({ "format": "parquet" }), parquet_cut),
        ("empty", json!({ "format": "csv" }), b"\n".to_vec()),
        ("utf-16 cut in a character", json!({ "format": "csv" }), {
            let mut bytes = utf16(&good);
            bytes.pop();
            bytes
        }),
    ];
    for (name, manifest, bytes) in cases {
        let push = world.try_push("residents", manifest, bytes).await;
        assert_ne!(push["state"], "version", "{name}: {push}");
        for language in ["zh", "en"] {
            assert!(
                push["reason"][language]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{name}: no reason in {language}: {push}"
            );
        }
    }
    assert_eq!(
        self::versions(&world).await,
        versions,
        "a broken push made a version"
    );
    let good_utf16 = world
        .try_push("residents", json!({ "format": "csv" }), utf16(&good))
        .await;
    assert_eq!(
        good_utf16["state"], "version",
        "UTF-16 with a byte order mark is fine: {good_utf16}"
    );
}

async fn versions(world: &World) -> usize {
    let list = world
        .system_admin
        .get("/datasets/residents/versions")
        .await
        .ok();
    list["items"].as_array().expect("items").len()
}

#[tokio::test]
async fn sql_that_is_no_single_select_is_refused_with_a_finding() {
    let world = World::new().await;
    let deep = format!(
        "select {}1{} as n from residents",
        "(".repeat(5_000),
        ")".repeat(5_000)
    );
    let chain = format!(
        "select count(*) as n from residents where {}",
        vec!["district = 'x'"; 2_000].join(" or ")
    );
    for sql in [
        "",
        ";",
        "select",
        "select count(*) from residents; select count(*) from residents",
        "insert into residents values (1)",
        "drop table residents",
        "copy residents to '/tmp/x.csv'",
        "explain select count(*) from residents",
        "explain analyze select count(*) from residents",
        "set datafusion.execution.batch_size = 1",
        "with recursive r as (select 1 union all select * from r) select count(*) from r",
        "select count(*) from '/etc/passwd'",
        "select count(*) from residents, residents r2",
        "select count(*) from information_schema.tables",
        "select count(*) as n from residents where now() > '2020-01-01'",
        "select count(*) as n from residents where random() < 0.5",
        "select count(*) as n from residents where district = repeat('a', 2000000000)",
        "select 'x\u{0}y' as n, count(*) from residents",
        "\u{202e}select count(*) from residents",
        &deep,
        &chain,
    ] {
        let answer = world.submit_sql(sql).await;
        let shown: String = sql.chars().take(60).collect();
        assert!(
            (400..500).contains(&answer.status),
            "{shown}: {} {}",
            answer.status,
            answer.text()
        );
        assert!(
            !answer.json()["code"].is_null(),
            "{shown}: {}",
            answer.text()
        );
    }
    let still = world.sql("select count(*) as n from residents").await;
    assert!(still.csv.is_some(), "the server still works");
}

#[tokio::test]
async fn a_hundred_megabytes_of_sql_are_refused_without_being_kept() {
    let world = World::new().await;
    let sql = "x".repeat(100 * 1024 * 1024);
    let answer = world
        .developer
        .try_send(
            "POST",
            "/sql:check",
            "application/json",
            json!({ "grant": world.grant, "sql": sql })
                .to_string()
                .into_bytes(),
        )
        .await;
    // The server may answer and close before everything was sent; the client then sees either.
    if let Ok(answer) = answer {
        answer.problem(413, "body_too_large");
    }
    let still = world.sql("select count(*) as n from residents").await;
    assert!(still.csv.is_some(), "the server still works");
}

#[tokio::test]
async fn modules_that_do_not_validate_are_refused() {
    let world = World::new().await;
    let no_import = |text: &str| wat::parse_str(text).unwrap();
    let cases: [(&str, Vec<u8>); 5] = [
        ("empty", Vec::new()),
        ("text", b"hello".to_vec()),
        ("cut", b"\0asm\x01\0\0\0\x01\xff\xff".to_vec()),
        (
            "a foreign import",
            no_import("(module (import \"env\" \"open\" (func)))"),
        ),
        ("no exports", no_import("(module)")),
    ];
    for (name, bytes) in cases {
        let answer = world
            .developer
            .send("POST", "/modules?name=bad", "application/wasm", bytes)
            .await;
        assert!(
            (400..500).contains(&answer.status),
            "{name}: {} {}",
            answer.status,
            answer.text()
        );
        assert!(
            !answer.json()["code"].is_null(),
            "{name}: {}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn two_servers_do_not_share_a_data_folder() {
    let server = Server::start(harness::Database::Sqlite, harness::Objects::Folder).await;
    let config = std::fs::read_to_string(server.config()).unwrap();
    let other = server.data().parent().unwrap().join("other.toml");
    let listen = config
        .lines()
        .find(|line| line.starts_with("listen"))
        .unwrap();
    let elsewhere = format!("listen = \"127.0.0.1:{}\"", harness::free_port());
    std::fs::write(&other, config.replace(listen, &elsewhere)).unwrap();
    let (code, _, errors) =
        run_egret(&["--lang", "en", "serve", "--config", other.to_str().unwrap()]);
    assert_ne!(code, 0);
    assert!(
        errors.contains(server.data().to_str().unwrap()),
        "the error names the folder: {errors}"
    );
    assert_eq!(
        server.api().get("/healthz").await.status,
        200,
        "the first one goes on"
    );
}

#[tokio::test]
async fn a_wrong_or_open_key_file_is_named_and_nothing_starts() {
    let mut server = Server::start(harness::Database::Sqlite, harness::Objects::Folder).await;
    server.kill();
    let keys = server.data().join("keys");
    let files: Vec<_> = std::fs::read_dir(&keys)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(!files.is_empty());
    for file in &files {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.display());
        let kept = std::fs::read(file).unwrap();

        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap();
        refuses_to_start(&server, file);
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();

        let mut wrong = kept.clone();
        let changed = if wrong[0] == b'0' { b'1' } else { b'0' };
        wrong[0] = changed;
        std::fs::write(file, &wrong).unwrap();
        refuses_to_start(&server, file);

        std::fs::write(file, b"short").unwrap();
        refuses_to_start(&server, file);

        std::fs::write(file, &kept).unwrap();
    }
    server.restart().await;
}

fn refuses_to_start(server: &Server, file: &std::path::Path) {
    let (code, _, errors) = run_egret(&[
        "--lang",
        "en",
        "serve",
        "--config",
        server.config().to_str().unwrap(),
    ]);
    assert_ne!(code, 0, "started with a bad {}", file.display());
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(
        errors.contains(name),
        "the error does not name {name}: {errors}"
    );
}

#[tokio::test]
async fn a_missing_postgres_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().join("url");
    let port = harness::free_port();
    std::fs::write(
        &url,
        format!("postgres://egret:secret-word@127.0.0.1:{port}/none"),
    )
    .unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(&url, std::fs::Permissions::from_mode(0o600)).unwrap();
    let config = folder.path().join("egret.toml");
    std::fs::write(
        &config,
        format!(
            "listen = \"127.0.0.1:{}\"\ndata_dir = {:?}\n[database]\nkind = \"postgres\"\nurl_file = {url:?}\n",
            harness::free_port(),
            folder.path().join("data")
        ),
    )
    .unwrap();
    for (language, word) in [("en", "database"), ("zh", "数据库")] {
        let (code, _, errors) = run_egret(&[
            "--lang",
            language,
            "serve",
            "--config",
            config.to_str().unwrap(),
        ]);
        assert_ne!(code, 0);
        assert!(errors.to_lowercase().contains(word), "{language}: {errors}");
        assert!(
            !errors.contains("secret-word"),
            "the password is in the error: {errors}"
        );
    }
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_not_a_loss() {
    if !rustix::process::geteuid().is_root() {
        // Mounting a small file system takes root; continuous integration has it.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mount = |arguments: &[&str]| {
        let status = Command::new("mount")
            .args(arguments)
            .arg(folder.path())
            .status()
            .unwrap();
        assert!(status.success(), "mount {arguments:?}");
    };
    mount(&["-t", "tmpfs", "-o", "size=24m", "tmpfs"]);
    let config = folder.path().join("egret.toml");
    let port = harness::free_port();
    std::fs::write(
        &config,
        format!(
            "listen = \"127.0.0.1:{port}\"\ndata_dir = {:?}\n",
            folder.path().join("data")
        ),
    )
    .unwrap();
    let mut child = Command::new(egret())
        .args(["serve", "--config"])
        .arg(&config)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let api = harness::Api::new(&format!("http://127.0.0.1:{port}"));
    let mut healthy = false;
    for _ in 0..500 {
        if api
            .try_send("GET", "/healthz", "", Vec::new())
            .await
            .is_ok()
        {
            healthy = true;
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    if healthy {
        let filler = folder.path().join("filler");
        let _ = std::fs::write(&filler, vec![0_u8; 64 * 1024 * 1024]);
        let body = json!({ "account": "system-admin", "password": "wrong-password" });
        let mut answers = Vec::new();
        for _ in 0..5 {
            answers.push(api.post("/sessions", &body).await.status);
        }
        assert!(answers.iter().all(|status| *status >= 400), "{answers:?}");
        std::fs::remove_file(&filler).unwrap();
        assert_eq!(
            api.get("/healthz").await.status,
            200,
            "it goes on once there is room"
        );
    }
    let _ = child.kill();
    let _ = child.wait();
    let status = Command::new("umount")
        .arg("-l")
        .arg(folder.path())
        .status()
        .unwrap();
    assert!(status.success());
    assert!(healthy, "the server starts in 24 MiB");
}
