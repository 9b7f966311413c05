#!/usr/bin/env python3
"""Makes the nkeys and the JWTs in this folder again, with openssl. They are for tests only.

n1.nkey and other.nkey are seeds with their public keys, as `nk -gen user -pubout` writes them.
operator.conf makes a server trust an operator with one account, and n1.creds is a user of it,
as `nsc generate creds` writes it. The keys of operator and account are thrown away.
"""

import base64
import json
import os
import pathlib
import struct
import subprocess
import tempfile

FOLDER = pathlib.Path(__file__).parent
KINDS = {"user": 20, "operator": 14, "account": 0}


def crc(data):
    value = 0
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = ((value << 1) ^ (0x1021 if value & 0x8000 else 0)) & 0xFFFF
    return value


def text(data):
    return base64.b32encode(data + struct.pack("<H", crc(data))).decode().rstrip("=")


def url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Key:
    def __init__(self, kind):
        secret, prefix = os.urandom(32), KINDS[kind] << 3
        self.der = bytes.fromhex("302e020100300506032b657004220420") + secret
        public = self.openssl("pkey", "-pubout", "-outform", "DER")[-32:]
        self.seed = text(bytes([18 << 3 | prefix >> 5, (prefix & 31) << 3]) + secret)
        self.public = text(bytes([prefix]) + public)

    def openssl(self, command, *arguments, message=b""):
        with tempfile.TemporaryDirectory() as folder:
            key, data = pathlib.Path(folder, "key"), pathlib.Path(folder, "data")
            key.write_bytes(self.der)
            data.write_bytes(message)
            kind = ["-inkey", key, "-keyform", "DER"] if command == "pkeyutl" else ["-in", key, "-inform", "DER"]
            more = ["-in", data] if command == "pkeyutl" else []
            return subprocess.run(["openssl", command, *kind, *more, *arguments], check=True, capture_output=True).stdout

    def jwt(self, subject, name, nats):
        claims = {"jti": name, "iat": 1767225600, "iss": self.public, "sub": subject.public, "name": name, "nats": {**nats, "version": 2}}
        parts = [{"typ": "JWT", "alg": "ed25519-nkey"}, claims]
        message = ".".join(url(json.dumps(part).encode()) for part in parts)
        return message + "." + url(self.openssl("pkeyutl", "-sign", "-rawin", message=message.encode()))


for name in ["n1", "other"]:
    key = Key("user")
    (FOLDER / f"{name}.nkey").write_text(f"{key.seed}\n{key.public}\n")

operator, account, user = Key("operator"), Key("account"), Key("user")
limits = dict.fromkeys(["subs", "data", "payload", "imports", "exports", "conn", "leaf"], -1)
operator_jwt = operator.jwt(operator, "operator", {"type": "operator"})
account_jwt = operator.jwt(account, "account", {"type": "account", "limits": {**limits, "wildcards": True}})
user_jwt = account.jwt(user, "n1", {"type": "user", "subs": -1, "data": -1, "payload": -1})
(FOLDER / "operator.conf").write_text(
    f"operator: {operator_jwt}\nresolver: MEMORY\nresolver_preload: {{\n  {account.public}: {account_jwt}\n}}\n"
)
(FOLDER / "n1.creds").write_text(
    f"-----BEGIN NATS USER JWT-----\n{user_jwt}\n------END NATS USER JWT------\n\n"
    "************************* IMPORTANT *************************\n"
    f"NKEY Seed printed below can be used to sign and prove identity.\n\n"
    f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n"
)
