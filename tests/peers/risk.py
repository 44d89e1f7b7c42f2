"""Measures of pycanon on a table: what `tests/peers/main.rs` compares ours with.

Run as `risk.py CSV SENSITIVE`; the other columns are the quasi-identifiers. Prints one line of JSON. What is left out of pycanon, and
why, is told in pycanon.py.
"""

import json
import sys

# pycanon.py in this folder has the name of the package.
sys.path.pop(0)

import pandas
from pycanon import anonymity

data = pandas.read_csv(sys.argv[1])
sensitive = sys.argv[2]
quasi = [name for name in data.columns if name != sensitive]
to = (data, quasi, [sensitive])
print(json.dumps({
    "k": int(anonymity.k_anonymity(data, quasi)),
    "l_distinct": int(anonymity.l_diversity(*to)),
    "t_closeness": float(anonymity.t_closeness(*to)),
    "delta_disclosure": float(anonymity.delta_disclosure(*to)),
    "beta_basic": float(anonymity.basic_beta_likeness(*to)),
}))
