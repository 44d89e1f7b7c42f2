"""Runs presidio-analyzer on the corpus of `masking` and on a mixed table, beside which the benches put the crate.

Run by the benches as `presidio.py CORPUS STEP ROWS`: texts with what is in them, of which every STEP-th is timed, and rows
of cells. Prints one line of JSON: seconds for the timed texts and for the rows, recall by kind, precision of all kinds.

Presidio gets a blank tokeniser, which is faster than a model, and every recogniser that it loads for English, since it
loads fewer for Chinese. It has no model of names and places without a download from outside the package registry, so
names and addresses are beyond it. A find counts when its kind is right and it overlaps the identifier: kinder than the
exact range that the crate's own test asks for. Kinds that the corpus does not mark (dates, URLs, American numbers) do
not count against it.
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


def seconds(engine, cells):
    start = time.perf_counter()
    for cell in cells:
        engine.analyze(text=cell, language=LANGUAGE)
    return round(time.perf_counter() - start, 3)


def main():
    with open(sys.argv[1], encoding="utf-8") as lines:
        samples = [json.loads(line) for line in lines]
    with open(sys.argv[3], encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    engine = analyzer()
    timed = [sample["text"] for sample in samples[::int(sys.argv[2])]]
    texts_s = seconds(engine, timed)
    rows_s = seconds(engine, [cell for row in rows for cell in row])
    right, missed, invented = judge(samples[::4], engine)
    recall = {kind: right[kind] / (right[kind] + missed[kind]) for kind in set(right) | set(missed)}
    known = set().union(*KINDS.values()) & set(recall)
    total = sum(right.values())
    print(json.dumps({
        "texts": len(timed), "texts_s": texts_s, "rows": len(rows), "rows_s": rows_s, "recall": recall, "kinds": len(known),
        "recall_min": min(recall[kind] for kind in known),
        "precision": total / max(1, total + sum(invented.values())),
    }))


main()
