"""Times Python's ways of doing what a transform does, on one core: FF1's predecessor FFX, and keyed tokens.

Run by the benches without arguments. Prints one line of JSON: values a second, the best of three rounds.
"""

import base64
import hashlib
import hmac
import json
import sys
import time

# This file has the name of the package that it looks for.
sys.path.pop(0)

import pyffx


def rate(count, act):
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        for number in range(count):
            act(number)
        seconds.append(time.perf_counter() - start)
    return round(count / min(seconds))


cipher = pyffx.String(b"k" * 32, alphabet="0123456789", length=8)


def permute(number):
    return "138" + cipher.encrypt(f"{number:08}")


def token(number):
    digest = hmac.digest(b"k" * 32, f"35020319900101{number:04}".encode(), hashlib.sha256)
    return base64.b32encode(digest[:16]).decode().rstrip("=").lower()


print(json.dumps({"ff1": rate(20_000, permute), "token": rate(100_000, token)}))
