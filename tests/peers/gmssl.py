"""Tokens and permutations of the Chinese suite by gmssl's SM3 and SM4: what `tests/peers/main.rs` compares ours with.

Reads lines of `token,DOMAIN,EPOCH,VALUE` and `mobile,EPOCH,VALUE` from the named file, for the root key of 32 bytes 7, and prints
each line's result. HKDF is written after RFC 5869, HMAC after RFC 2104, FF1 after NIST SP 800-38G.
"""

import base64
import sys

# This file has the name of the package that it looks for.
sys.path.pop(0)

from gmssl import sm3
from gmssl.sm4 import SM4_ENCRYPT, CryptSM4

ROOT = bytes([7]) * 32
TABLES = "2023-06"


def digest(message):
    return bytes.fromhex(sm3.sm3_hash(list(message)))


def mac(key, message):
    key = key.ljust(64, b"\0")
    inner = digest(bytes(byte ^ 0x36 for byte in key) + message)
    return digest(bytes(byte ^ 0x5C for byte in key) + inner)


def derived(info):
    return mac(mac(bytes(32), ROOT), info.encode() + b"\x01")


def token(domain, epoch, value):
    key = derived(f"mask|intake|{domain}|{epoch}")
    return base64.b32encode(mac(key, value.encode())[:16]).decode().rstrip("=").lower()


def ff1(encrypt, tweak, bits, number):
    """FF1 of radix 2 on a string of `bits` bits, which `number` stands for."""
    u = bits // 2
    v = bits - u
    b = -(-v // 8)
    d = 4 * -(-b // 4) + 4
    p = bytes([1, 2, 1, 0, 0, 2, 10, u % 256]) + bits.to_bytes(4, "big") + len(tweak).to_bytes(4, "big")
    left, right = number >> v, number & ((1 << v) - 1)
    for turn in range(10):
        q = tweak + bytes(-(len(tweak) + b + 1) % 16) + bytes([turn]) + right.to_bytes(b, "big")
        r = bytes(16)
        for at in range(0, len(p + q), 16):
            r = encrypt(bytes(x ^ y for x, y in zip(r, (p + q)[at:at + 16])))
        m = u if turn % 2 == 0 else v
        left, right = right, (left + int.from_bytes(r[:d], "big")) % (1 << m)
    return left << v | right


def mobile(epoch, value):
    cipher = CryptSM4()
    cipher.set_key(derived(f"mask|permute|mobile|{epoch}")[:16], SM4_ENCRYPT)
    kept, number, size = value[:3], int(value[3:]), 10**8
    tweak = digest(f"egret permute v1|mobile|{TABLES}|{kept}".encode())[:16]
    while True:
        number = ff1(lambda block: bytes(cipher.one_round(cipher.sk, list(block))), tweak, (size - 1).bit_length(), number)
        # Every number that begins with 138 or 159 is allotted.
        if number < size:
            return f"{kept}{number:08}"


with open(sys.argv[1], encoding="utf-8") as lines:
    for line in lines:
        kind, *fields = line.rstrip("\n").split(",")
        print({"token": token, "mobile": mobile}[kind](*fields))
