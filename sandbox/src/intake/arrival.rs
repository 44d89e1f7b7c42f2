//! Data on arrival: held to its bound while it streams, and to its manifest once it is here.

use bytes::Bytes;
use futures::{Stream, StreamExt as _};

use super::push::PushManifest;
use crate::error::Error;

/// Data that arrived whole.
#[derive(Clone)]
pub(super) struct Arrived {
    pub(super) key: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// Ends the stream with an error once it is longer than it may be.
pub(crate) fn bounded(
    data: impl Stream<Item = std::io::Result<Bytes>> + Send,
    most: u64,
) -> impl Stream<Item = Result<Bytes, Error>> + Send {
    let mut arrived = 0_u64;
    data.map(move |bytes| {
        let bytes = bytes.map_err(|source| {
            Error::unavailable(
                "upload_broken",
                "上传中断，未保存任何数据。",
                "the upload broke off; nothing was kept.",
            )
            .with_source(source)
        })?;
        arrived = arrived.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if arrived > most {
            return Err(Error::too_large(
                "data_too_large",
                format!("数据超过 {most} 字节。"),
                format!("the data are larger than {most} bytes."),
            )
            .with_remedy(
                "分几次推送，或更正清单中的 bytes。",
                "split the data, or correct `bytes` in the manifest.",
            ));
        }
        Ok(bytes)
    })
}

pub(super) fn check_arrived(manifest: &PushManifest, arrived: &Arrived) -> Result<(), Error> {
    if let Some(wanted) = manifest.bytes.filter(|wanted| *wanted != arrived.bytes) {
        let found = arrived.bytes;
        return Err(Error::invalid(
            "size_mismatch",
            format!("清单声明 {wanted} 字节，收到 {found} 字节。"),
            format!("the manifest says {wanted} bytes, {found} arrived."),
        )
        .with_remedy("重新传输完整文件。", "send the whole file again."));
    }
    let wanted = manifest.sha256.as_ref();
    if let Some(wanted) = wanted.filter(|wanted| !wanted.eq_ignore_ascii_case(&arrived.sha256)) {
        return Err(Error::invalid(
            "digest_mismatch",
            format!(
                "清单声明的 SHA-256 为 {wanted}，收到的数据为 {}。",
                arrived.sha256
            ),
            format!(
                "the manifest says SHA-256 {wanted}, the data that arrived have {}.",
                arrived.sha256
            ),
        )
        .with_remedy(
            "重新传输，或更正清单。",
            "send the data again, or correct the manifest.",
        ));
    }
    Ok(())
}

pub(super) fn check_manifest(manifest: &PushManifest, bytes_max: u64) -> Result<(), Error> {
    let hexadecimal =
        |text: &String| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if manifest
        .sha256
        .as_ref()
        .is_some_and(|text| !hexadecimal(text))
    {
        return Err(Error::invalid(
            "manifest_sha256",
            "sha256 须为 64 位十六进制。",
            "sha256 must be 64 hexadecimal digits.",
        ));
    }
    if manifest.bytes.is_some_and(|bytes| bytes > bytes_max) {
        return Err(Error::too_large(
            "data_too_large",
            format!("一次推送最多 {bytes_max} 字节。"),
            format!("a push is at most {bytes_max} bytes."),
        ));
    }
    if manifest.encoding.is_some() && !manifest.format.is_text() {
        return Err(Error::invalid(
            "manifest_encoding",
            "该格式没有字符编码，请去掉 encoding。",
            "this format has no character encoding; leave `encoding` out.",
        ));
    }
    Ok(())
}
