"""Certificates of an authority of their own, made by the openssl command for one test session.

It knows openssl. It must not know who uses them.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.absent import absent

CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Paths of PEM files."""

    cert: str
    key: str


class Authority:
    """Signs certificates. ``ca`` is the path of its own."""

    def __init__(self, folder: Path, name: str) -> None:
        if shutil.which("openssl") is None:
            absent("openssl is not installed: apt-get install openssl")
        self._folder = folder / name
        self._folder.mkdir()
        own = self._pair("ca")
        self.ca = own.cert
        self._key = own.key
        _openssl("req", "-x509", *CURVE, "-subj", f"/CN={name}", "-keyout", own.key, "-out", own.cert)

    def signed(self, name: str, alternative: str) -> Pair:
        """A certificate for ``alternative``, such as DNS:tritons.test or IP:127.0.0.1."""
        pair = self._pair(name)
        request, extensions = str(self._folder / f"{name}.csr"), self._folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={alternative}\n", "utf-8")
        _openssl("req", "-new", *CURVE[:5], "-subj", f"/CN={name}", "-keyout", pair.key, "-out", request)
        signing = ["-CA", self.ca, "-CAkey", self._key, "-CAcreateserial", "-days", "2", "-extfile", str(extensions)]
        _openssl("x509", "-req", "-in", request, *signing, "-out", pair.cert)
        return pair

    def encrypted(self, pair: Pair) -> Pair:
        """The same with its key under a password."""
        key = f"{pair.key}.encrypted"
        _openssl("pkey", "-in", pair.key, "-aes256", "-passout", "pass:secret", "-out", key)
        return Pair(pair.cert, key)

    def _pair(self, name: str) -> Pair:
        return Pair(str(self._folder / f"{name}.pem"), str(self._folder / f"{name}.key"))


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"openssl {' '.join(arguments)}\n{done.stderr}"
