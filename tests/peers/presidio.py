"""Runs presidio-analyzer on the corpus of `masking` and prints its recall, precision and rows a second.

    export EGRET_PEERS=$PWD/target/peers
    cargo test -p masking --release --test corpus -- --ignored corpus_for_presidio
    python3 -m venv $EGRET_PEERS/python && $EGRET_PEERS/python/bin/pip install presidio-analyzer
    $EGRET_PEERS/python/bin/python tests/peers/presidio.py $EGRET_PEERS/corpus.jsonl [ROWS]

Presidio gets a blank tokeniser, which is faster than a model, and every recogniser that it loads for English, since it
loads fewer for Chinese. It has no model of names and places without a download from outside the package registry, so
names and addresses are beyond it. A find counts when its kind is right and it overlaps the identifier: kinder than the
exact range that the crate's own test asks for. Kinds that the corpus does not mark (dates, URLs, American numbers) do
not count against it. Prints one line of JSON a kind and one for the speed.
"""

import collections
import json
import sys
import time

from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine
import spacy
import tldextract

# Its list of domains as it was packed: it would look for a newer one on the network first.
tldextract.extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
LANGUAGE = "en"

# Presidio's kinds and those of the crate that they answer to.
KINDS = {
    "PHONE_NUMBER": {"mobile", "land_line", "machine_number"},
    "CREDIT_CARD": {"bank_card"},
    "EMAIL_ADDRESS": {"email"},
    "IP_ADDRESS": {"ipv4", "ipv6"},
    "MAC_ADDRESS": {"mac"},
    "PERSON": {"name"},
    "LOCATION": {"address"},
}


class Blank(NlpEngine):
    """Characters as tokens, no entities."""

    def __init__(self):
        self.model = spacy.blank(LANGUAGE)

    def load(self):
        pass

    def is_loaded(self):
        return True

    def process_text(self, text, language):
        tokens = self.model(text)
        return NlpArtifacts(entities=[], tokens=tokens, tokens_indices=[token.idx for token in tokens],
                            lemmas=[token.text for token in tokens], nlp_engine=self, language=language)

    def process_batch(self, texts, language, **options):
        for text in texts:
            yield text, self.process_text(text, language)

    def is_stopword(self, word, language):
        return False

    def is_punct(self, word, language):
        return False

    def get_supported_entities(self):
        return []

    def get_supported_languages(self):
        return [LANGUAGE]


def analyzer():
    registry = RecognizerRegistry(supported_languages=[LANGUAGE])
    registry.load_predefined_recognizers(languages=[LANGUAGE], nlp_engine=None)
    return AnalyzerEngine(registry=registry, nlp_engine=Blank(), supported_languages=[LANGUAGE])


def judge(samples, engine):
    right, missed, invented = (collections.Counter() for _ in range(3))
    for sample in samples:
        found = engine.analyze(text=sample["text"], language=LANGUAGE)
        used = set()
        for span in sample["spans"]:
            hit = next((place for place, hit in enumerate(found)
                        if span["kind"] in KINDS.get(hit.entity_type, {hit.entity_type})
                        and hit.start < span["end"] and span["start"] < hit.end), None)
            if hit is None:
                missed[span["kind"]] += 1
            else:
                right[span["kind"]] += 1
                used.add(hit)
        for place, hit in enumerate(found):
            if place not in used and hit.entity_type in KINDS:
                invented[hit.entity_type] += 1
    return right, missed, invented


def main():
    with open(sys.argv[1], encoding="utf-8") as lines:
        samples = [json.loads(line) for line in lines]
    if len(sys.argv) > 2:
        # Every so many, so that all kinds stay among them.
        samples = samples[::max(1, len(samples) // int(sys.argv[2]))]
    engine = analyzer()
    start = time.perf_counter()
    right, missed, invented = judge(samples, engine)
    seconds = time.perf_counter() - start
    for kind in sorted(set(right) | set(missed)):
        recall = right[kind] / (right[kind] + missed[kind])
        print(json.dumps({"name": f"recall of {kind}", "peer": round(recall, 4), "peer_name": "presidio-analyzer",
                          "n": right[kind] + missed[kind]}))
    total = sum(right.values())
    precision = total / max(1, total + sum(invented.values()))
    print(json.dumps({"name": "precision, all kinds", "peer": round(precision, 4), "peer_name": "presidio-analyzer",
                      "invented": invented}))
    print(json.dumps({"name": "texts a second", "peer": round(len(samples) / seconds), "peer_name": "presidio-analyzer",
                      "unit": "1/s", "n": len(samples)}))


main()
