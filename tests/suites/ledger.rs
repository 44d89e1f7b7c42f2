//! The ledger as an outsider verifies it: root, proofs and signatures recomputed from what the API hands out.

use harness::{Api, World};
use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::Value;

type Hash = [u8; 32];

#[tokio::test]
async fn root_signature_and_proofs_hold_without_trusting_the_server() {
    let world = World::new().await;
    let _ = world
        .sql("select district, count(*) as n from residents group by district")
        .await;
    let checkpoint = world.auditor.get("/ledger/checkpoint").await.ok();
    let size = usize::try_from(checkpoint["size"].as_u64().unwrap()).unwrap();
    let hashes = leaf_hashes(&world.auditor, size).await;
    assert!(size > 10, "a world makes more than ten leaves");

    let root = decode(&checkpoint["root"]);
    assert_eq!(
        merkle_root(&hashes).to_vec(),
        root,
        "the root follows from the leaves"
    );
    let note = checkpoint["note"].as_str().unwrap();
    let keys = world.auditor.get("/ledger/keys").await.ok();
    verify_note(note, &keys);
    assert!(
        note.contains(&format!("\n{size}\n")),
        "the note names the size: {note}"
    );

    for index in [0, 1, size / 2, size - 1] {
        let proof = world
            .auditor
            .get(&format!("/ledger/proofs/{index}"))
            .await
            .ok();
        let text = proof["proof"].as_str().unwrap();
        assert!(text.starts_with("c2sp.org/tlog-proof@v1\n"), "{text}");
        let note = &text[text.find("\n\n").unwrap() + 2..];
        verify_note(note, &keys);
        let lines: Vec<&str> = note.lines().collect();
        let (proof_size, proof_root) = (
            lines[1].parse::<usize>().unwrap(),
            decode(&Value::from(lines[2])),
        );
        let path: Vec<Hash> = text[..text.find("\n\n").unwrap()]
            .lines()
            .skip(1)
            .filter(|line| !line.starts_with("index ") && !line.starts_with("extra "))
            .map(|line| decode(&Value::from(line)).try_into().unwrap())
            .collect();
        let computed = root_from_path(index, proof_size, hashes[index], &path);
        assert_eq!(
            computed.map(|hash| hash.to_vec()),
            Some(proof_root),
            "leaf {index}: {text}"
        );
    }
}

#[tokio::test]
async fn leaves_hold_no_name_no_password_no_sql() {
    let world = World::new().await;
    let marker = "marker7731";
    let _ = world
        .submit_sql(&format!(
            "select count(*) as {marker} from residents where district = '{marker}'"
        ))
        .await;
    let page = world.auditor.get("/ledger/leaves?limit=200").await.ok();
    let leaves = page["items"].as_array().unwrap();
    for leaf in leaves {
        let text = leaf["leaf"].as_str().unwrap();
        assert!(text.len() < 1024, "a leaf of {} bytes", text.len());
        for secret in ["acme-admin", "reviewer-1", marker, "egret-tests-9f2c41"] {
            assert!(!text.contains(secret), "{secret} stands in a leaf: {text}");
        }
    }
}

async fn leaf_hashes(auditor: &Api, size: usize) -> Vec<Hash> {
    let mut hashes = Vec::new();
    while hashes.len() < size {
        let after = hashes
            .len()
            .checked_sub(1)
            .map_or(String::new(), |last| format!("&after={last}"));
        let page = auditor
            .get(&format!("/ledger/leaves?limit=200{after}"))
            .await
            .ok();
        let leaves = page["items"].as_array().unwrap().clone();
        assert!(!leaves.is_empty(), "the log ends before its size");
        for leaf in leaves {
            let hash = leaf_hash(leaf["leaf"].as_str().unwrap().as_bytes());
            assert_eq!(hash.to_vec(), decode(&leaf["hash"]), "a leaf's hash");
            hashes.push(hash);
        }
    }
    hashes.truncate(size);
    hashes
}

/// RFC 6962, 2.1.
fn merkle_root(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => sha256(&[]),
        [one] => *one,
        _ => {
            let split = hashes.len().next_power_of_two() / 2;
            node(
                &merkle_root(&hashes[..split]),
                &merkle_root(&hashes[split..]),
            )
        }
    }
}

/// RFC 9162, 2.1.3.2.
fn root_from_path(index: usize, size: usize, leaf: Hash, path: &[Hash]) -> Option<Hash> {
    let (mut index, mut last, mut hash) = (index, size - 1, leaf);
    for step in path {
        if last == 0 {
            return None;
        }
        if index % 2 == 1 || index == last {
            hash = node(step, &hash);
            while index.is_multiple_of(2) && index != 0 {
                index >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(&hash, step);
        }
        index >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(hash)
}

fn verify_note(note: &str, keys: &Value) {
    let key = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["purpose"] == "checkpoint")
        .expect("a checkpoint key");
    let (text, signatures) = note.split_at(note.rfind("\n\n").unwrap() + 1);
    let line = signatures.trim_start_matches('\n').lines().next().unwrap();
    let mut words = line.split(' ').skip(1);
    assert_eq!(
        words.next(),
        key["name"].as_str(),
        "the signature's name: {line}"
    );
    let signature = decode(&Value::from(words.next().unwrap()));
    UnparsedPublicKey::new(&ED25519, decode(&key["public_key"]))
        .verify(text.as_bytes(), &signature[4..])
        .expect("the checkpoint's signature");
}

fn leaf_hash(leaf: &[u8]) -> Hash {
    sha256(&[&[0], leaf].concat())
}

fn node(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1][..], left, right].concat())
}

fn sha256(bytes: &[u8]) -> Hash {
    digest(&SHA256, bytes).as_ref().try_into().unwrap()
}

fn decode(value: &Value) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(value.as_str().unwrap())
        .unwrap()
}
