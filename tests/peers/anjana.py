"""Times anjana on the data set Adult: eight quasi-identifiers, k = 5, no suppression.

Run by the benches as `anjana.py ADULT_CSV`; the hierarchies are those of masking/tests/data/adult. Prints one line of JSON:
the time in milliseconds and the discernibility (the sum of the squares of the classes' sizes).
"""

import json
import pathlib
import sys
import time

# This file has the name of the package that it looks for.
sys.path.pop(0)

import numpy
import pandas
from anjana.anonymity import k_anonymity

QUASI = "sex age race marital-status education native-country workclass salary-class".split()
FOLDER = pathlib.Path(__file__).parents[2] / "masking/tests/data/adult"

data = pandas.read_csv(sys.argv[1], dtype=str)
hierarchies = {}
for name in QUASI:
    rows = [line.split(";") for line in (FOLDER / f"{name}.csv").read_text().splitlines() if line]
    hierarchies[name] = {level: numpy.array(values) for level, values in enumerate(zip(*rows))}
start = time.perf_counter()
masked = k_anonymity(data[QUASI], [], QUASI, 5, 0, hierarchies)
milliseconds = (time.perf_counter() - start) * 1e3
sizes = masked.groupby(QUASI).size()
assert len(masked) == len(data) and sizes.min() >= 5
print(json.dumps({"ms": round(milliseconds, 1), "discernibility": int((sizes**2).sum())}))
