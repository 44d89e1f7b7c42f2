//! `egret certificate`: verify the certificate of a release, offline, with the public keys alone.

use super::failure::{Failure, label};
use super::output::{Format, Printer, column};
use crate::http::dto::LedgerKeysView;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sandbox::{Bilingual, CertificateError, Lang, LedgerKeys, VerifiedCertificate, VerifyingKey};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `egret certificate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Certificate {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// 离线验证溯源证书，只需公钥 · verify a certificate offline; the public keys are all it takes
    Verify {
        /// 证书文件 · file of the certificate
        file: PathBuf,
        /// 结果文件，与证书比对 · file of the result, to be held against the certificate
        #[arg(long, value_name = "FILE")]
        result: Option<PathBuf>,
        /// 公钥文件（`egret ledger keys` 的输出）· file of the public keys, as `egret ledger keys` prints them
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// 输出形式 · form of the output
        #[arg(short, long, value_enum, default_value_t = Format::Table)]
        output: Format,
    },
}

impl Certificate {
    /// 0 when the certificate holds, 1 when not.
    pub(crate) fn run(self, lang: Lang) -> ExitCode {
        let Verb::Verify {
            file,
            result,
            key,
            output,
        } = self.verb;
        let printer = Printer {
            format: output,
            lang,
        };
        let verified =
            verify(&file, result.as_deref(), &key).and_then(|verified| print(&printer, &verified));
        match verified {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(output, lang),
        }
    }
}

fn verify(file: &Path, result: Option<&Path>, key: &Path) -> Result<VerifiedCertificate, Failure> {
    let read = |path: &Path| std::fs::read(path).map_err(|error| Failure::unreadable(path, &error));
    let keys = parse_keys(&key.display().to_string(), &read(key)?)?;
    let result = result.map(read).transpose()?;
    sandbox::verify_certificate(&read(file)?, &keys, result.as_deref())
        .map_err(|error| Failure::Message(1, explanation(error)))
}

/// The public keys of a document as the API answers it; `shown` is what it is called.
pub(crate) fn parse_keys(shown: &str, document: &[u8]) -> Result<LedgerKeys, Failure> {
    let view: LedgerKeysView = serde_json::from_slice(document).map_err(|_error| {
        Failure::new(
            format!("{shown} 不是公钥文件；公钥由 egret ledger keys 给出"),
            format!("{shown} holds no public keys; egret ledger keys prints them"),
        )
    })?;
    let key = |purpose: &str, zh: &str| {
        let found = view.keys.iter().find(|key| key.purpose == purpose);
        let found = found.ok_or_else(|| {
            Failure::new(
                format!("{shown} 中没有{zh}公钥；完整的公钥文件由 egret ledger keys 给出"),
                format!("{shown} lacks the {purpose} key; egret ledger keys prints a whole file"),
            )
        })?;
        // The parts of an entry say the same thing; one that was changed alone would be shown, and another used.
        VerifyingKey::parse(&found.verifier)
            .ok()
            .filter(|key| {
                found.public_key == STANDARD.encode(key.bytes())
                    && found.key_id == hex::encode(key.id())
                    && found.name == key.name()
            })
            .ok_or_else(|| {
                Failure::new(
                    format!("{shown} 中的{zh}公钥前后不一致：verifier 与 public_key、key_id、name 不符"),
                    format!(
                        "the {purpose} key of {shown} contradicts itself: verifier is not of its public_key, key_id and name"
                    ),
                )
            })
    };
    Ok(LedgerKeys {
        checkpoint: key("checkpoint", "检查点")?,
        certificate: key("certificate", "证书")?,
    })
}

/// Why a certificate does not hold, for people.
pub(crate) fn explanation(error: CertificateError) -> Bilingual {
    let (zh, en) = match error {
        CertificateError::Malformed => (
            "不是本平台的证书，或文件已损坏",
            "this is no certificate of the platform, or it is damaged",
        ),
        CertificateError::Unsigned => (
            "声明的签名与公钥不符：内容被改动，或公钥不对",
            "the statement's signature does not fit the key: it was changed, or this is another key",
        ),
        CertificateError::CheckpointUnsigned => (
            "检查点的签名与账本公钥不符",
            "the checkpoint's signature does not fit the log's key",
        ),
        CertificateError::LeafNotInLog => (
            "放行条目不在存证账本中",
            "the release's leaf is not in the ledger",
        ),
        CertificateError::LeafMismatch => (
            "账本条目与声明不符",
            "the leaf in the ledger is not that of this statement",
        ),
        CertificateError::ResultMismatch => (
            "结果文件与证书不符：内容被改动，或不是同一结果",
            "the result is not the one certified: it was changed, or is another one",
        ),
    };
    Bilingual::new(zh, en)
}

fn print(printer: &Printer, verified: &VerifiedCertificate) -> Result<(), Failure> {
    let document = json!({
        "release": verified.release,
        "sha256": verified.sha256,
        "result_checked": verified.result_checked,
        "index": verified.index,
        "size": verified.size,
        "leaf": verified.leaf,
        "released_at": verified.predicate.get("released_at"),
        "predicate": verified.predicate,
    });
    if printer.format == Format::Json {
        return printer.json(&document);
    }
    printer.say("证书有效。", "the certificate holds.")?;
    printer.one(
        &document,
        &[
            column("放行", "release", "/release"),
            column("结果摘要", "sha256 of the result", "/sha256"),
            column("已比对结果文件", "result compared", "/result_checked"),
            column("账本位置", "place in the ledger", "/index"),
            column("检查点大小", "leaves covered", "/size"),
            column("放行时间", "released", "/released_at"),
        ],
    )?;
    // What the statement says of how the result came about, member by member.
    let Value::Object(members) = &verified.predicate else {
        return Ok(());
    };
    let rows: Vec<Vec<String>> = members
        .iter()
        .map(|(name, value)| vec![name.clone(), value.to_string()])
        .collect();
    let headings = [
        label(printer.lang, "声明", "statement"),
        label(printer.lang, "内容", "content"),
    ]
    .map(str::to_owned);
    printer.cells(&headings, &rows)?;
    printer.say(
        "离线验证不能说明此后是否被撤销；现状：egret result show 放行标识",
        "an offline check cannot tell whether it was revoked since; how it stands: egret result show RELEASE",
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    /// What a failure says, in English.
    fn said(document: &Value) -> String {
        match parse_keys("keys.json", document.to_string().as_bytes()) {
            Ok(_) => String::new(),
            Err(Failure::Message(_, message)) => message.en,
            Err(other) => format!("{other:?}"),
        }
    }

    #[test]
    fn keys_that_contradict_themselves_or_lack_one_are_named() {
        // The key of RFC 8032, 7.1, test 1, under two names.
        let bytes = hex::decode("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
            .unwrap();
        let entry = |purpose: &str, name: &str| {
            let mut key = vec![1_u8];
            key.extend_from_slice(&bytes);
            let hashed: Vec<u8> = [name.as_bytes(), b"\n", &key].concat();
            let id = &ring::digest::digest(&ring::digest::SHA256, &hashed).as_ref()[..4].to_vec();
            let id = hex::encode(id);
            json!({ "purpose": purpose, "name": name, "key_id": id, "public_key": STANDARD.encode(&bytes),
                "verifier": format!("{name}+{id}+{}", STANDARD.encode(&key)) })
        };
        let whole = json!({ "keys": [entry("checkpoint", "log"), entry("certificate", "log/certificates")] });
        assert_eq!(said(&whole), "");
        for member in ["public_key", "key_id", "name", "verifier"] {
            let mut changed = whole.clone();
            changed["keys"][1][member] = entry("checkpoint", "log")[member].clone();
            if member == "public_key" {
                changed["keys"][1][member] = json!(STANDARD.encode([7; 32]));
            }
            let said = said(&changed);
            assert!(
                said.contains("certificate key of keys.json contradicts"),
                "{member}: {said}"
            );
        }
        let lacking = json!({ "keys": [entry("checkpoint", "log")] });
        assert!(
            said(&lacking).contains("lacks the certificate key"),
            "{}",
            said(&lacking)
        );
        assert!(said(&json!([])).contains("holds no public keys"));
    }
}
