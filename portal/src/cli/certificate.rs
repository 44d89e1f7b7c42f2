//! `egret certificate`: verify the certificate of a release, offline, with the public keys alone.

use super::failure::{Failure, label};
use super::output::{Format, Printer, column};
use crate::http::dto::LedgerKeysView;
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
    let keys = read(key)?;
    let keys = parse_keys(&keys).ok_or_else(|| {
        let shown = key.display();
        Failure::new(
            format!("{shown} 不是公钥文件；公钥由 egret ledger keys 给出"),
            format!("{shown} holds no public keys; egret ledger keys prints them"),
        )
    })?;
    let result = result.map(read).transpose()?;
    sandbox::verify_certificate(&read(file)?, &keys, result.as_deref())
        .map_err(|error| Failure::Message(1, explanation(error)))
}

/// The public keys of a document as the API answers it.
pub(crate) fn parse_keys(document: &[u8]) -> Option<LedgerKeys> {
    let view: LedgerKeysView = serde_json::from_slice(document).ok()?;
    let key = |purpose: &str| {
        view.keys
            .iter()
            .find(|key| key.purpose == purpose)
            .and_then(|key| VerifyingKey::parse(&key.verifier).ok())
    };
    Some(LedgerKeys {
        checkpoint: key("checkpoint")?,
        certificate: key("certificate")?,
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
