//! The evidence pack: everything that a decision rests on, as one canonical document with one digest.
//! A vote names the digest; whatever changes in the pack makes it another pack.

use review::{Finding, Inspection, OutputColumn, OutputRules, Preview};
use runtime::{LayerReport, LayerState};
use serde_json::{Value, json};

use super::decide::told;
use crate::document;
use crate::error::Error;
use crate::job::rows::JobRow;
use crate::job::scope::JobScope;
use crate::job::view::PinnedInput;
use crate::mask_key::KeyUsed;
use crate::meter::Meter;

/// What a decision rests on, beside the job itself.
pub(crate) struct Findings<'a> {
    pub(crate) release: &'a str,
    pub(crate) run: &'a str,
    pub(crate) job: &'a JobRow,
    pub(crate) scope: &'a JobScope,
    pub(crate) inputs: &'a [PinnedInput],
    pub(crate) keys: &'a [KeyUsed],
    pub(crate) output: &'a [OutputColumn],
    pub(crate) inspection: &'a Inspection,
    pub(crate) layers: &'a [LayerReport],
    pub(crate) meter: &'a Meter,
}

/// The document and its digest. Neither tells whether cells were withheld: a tenant sees both. The preview is named by digest alone: it holds rows of a result that
/// has not left, so it is kept sealed in quarantine and not beside the document.
pub(crate) fn document(findings: &Findings<'_>) -> Result<(String, String), Error> {
    let Findings {
        release,
        run,
        job,
        scope,
        inputs,
        keys,
        output,
        inspection,
        layers,
        meter,
    } = findings;
    let value = json!({
        "v": 1,
        "release": release,
        "run": run,
        "job": job.id,
        "tenant": job.organisation,
        "grant": job.grant,
        "scenario": {
            "id": job.scenario,
            "name": scope.scenario_name,
            "version": scope.scenario_version,
            "scope_digest": scope.scope_digest,
            "epoch": job.scenario_epoch,
            "purpose": scope.purpose,
            "approvals": scope.approvals,
        },
        "program": {
            "kind": job.kind,
            "digest": job.program_digest,
            "plan_digest": job.plan_digest,
            "module": scope.module,
            "modules": scope.modules,
        },
        "inputs": inputs,
        "keys": keys,
        "rules": rules(&scope.rules),
        "output": {
            "columns": output,
            "sha256": inspection.sha256,
            "rows": inspection.rows,
            "bytes": inspection.released.as_ref().map_or(0, Vec::len),
            "preview_sha256": preview_digest(inspection.preview.as_ref())?,
        },
        "decision": told(inspection.decision),
        "findings": inspection.findings,
        "node": layers_of(layers),
        "meter": meter,
    });
    let text = document::write("write an evidence pack", &value)?;
    let digest = document::sha256(text.as_bytes());
    Ok((text, digest))
}

/// The digest by which the document names the preview; empty when there is none.
pub(crate) fn preview_digest(preview: Option<&Preview>) -> Result<String, Error> {
    preview.map_or(Ok(String::new()), |preview| {
        let text = document::write("write a preview", preview)?;
        Ok(document::sha256(text.as_bytes()))
    })
}

/// The layers that held, shortly: what a certificate says of the node.
fn layers_of(layers: &[LayerReport]) -> Value {
    let state = |report: &LayerReport| match report.state {
        LayerState::Enforced => json!("enforced"),
        LayerState::Unavailable { errno } => json!({ "unavailable": errno }),
        LayerState::Off => json!("off"),
    };
    layers
        .iter()
        .map(|report| (report.layer.code().to_owned(), state(report)))
        .collect()
}

/// The rules as they are shown: what concerns concentration is not told to tenants, who would learn
/// from it how close a cell may come.
fn rules(rules: &OutputRules) -> Value {
    json!({
        "threshold": rules.threshold,
        "count_base": rules.count_base,
        "significant_digits": rules.significant_digits,
        "rows_max": rules.rows_max,
        "half_refuses": rules.half_refuses,
    })
}

/// The outcomes of the rules, one line for each: for the certificate.
pub(crate) fn outcomes(findings: &[Finding]) -> Value {
    findings
        .iter()
        .map(|finding| json!({ "rule": finding.rule, "severity": finding.severity }))
        .collect()
}
