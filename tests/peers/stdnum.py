"""Compares check digits with python-stdnum: resident numbers (cn.ric), credit codes (cn.uscc), Luhn.

Run by `tests/peers/main.rs` with lines of kind, value, and 1 or 0 as ours says.

The place of birth of cn.ric is left out: codes of regions that its table lacks are valid here. Prints one line of JSON.
"""

import collections
import json
import sys

# This file has the name of the package that it looks for.
sys.path.pop(0)

from stdnum import luhn
from stdnum.cn import ric, uscc
from stdnum.exceptions import ValidationError


def passes_ric(value):
    try:
        ric.get_birth_date(value)
    except ValidationError:
        return False
    return ric.calc_check_digit(value) == value[-1]


CHECKS = {"ric": passes_ric, "uscc": uscc.is_valid, "luhn": luhn.is_valid}
values, passed, different = collections.Counter(), collections.Counter(), []
with open(sys.argv[1], encoding="utf-8") as lines:
    for line in lines:
        kind, value, ours = line.rstrip("\n").split(",")
        theirs = CHECKS[kind](value)
        values[kind] += 1
        passed[kind] += theirs
        if theirs != (ours == "1"):
            different.append((kind, value, ours))
print(json.dumps({"name": "check digits", "peer_name": "python-stdnum", "values": values, "valid": passed,
                  "different": len(different), "first": different[:10]}, ensure_ascii=False))
