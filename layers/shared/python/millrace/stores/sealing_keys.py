"""Key pairs of the deployment in Systems Manager parameters, which an AWS managed key encrypts at no cost.

`<prefix>/<purpose>/public` names the current pair, and `<prefix>/<purpose>/private/<id>` holds each private
key. So roles are separated as with a KMS key: a role that writes secrets reads only the public key, and a
role that sends them reads the private keys. The first secret of a purpose creates its pair. The private key
is stored first under its own id, and the public key only if there is none yet. A crash in between leaves an
unused private key.
"""

import base64
import json
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from millrace.errors import Unavailable
from millrace.stores.aws import Aws

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

Context = dict[str, str]
DEFAULT_PURPOSE = "secrets"
ID_BYTES = 8
_VERSION = b"\x01"


class ParameterKeys:
    """Encrypts and decrypts with the pairs below a prefix, by hybrid public key encryption (RFC 9180)."""

    def __init__(self, aws: Aws, prefix: str) -> None:
        self._aws = aws
        self._prefix = prefix.rstrip("/")
        self._public: dict[str, tuple[bytes, X25519PublicKey]] = {}
        self._private: dict[tuple[str, bytes], X25519PrivateKey] = {}

    async def encrypt(self, plain: bytes, context: Context) -> bytes:
        """Return the version, the id of the key pair, and the ciphertext for its private key and this
        context."""
        purpose = _purpose(context)
        if purpose not in self._public:
            self._public[purpose] = await self._find(purpose) or await self._make(purpose)
        id, key = self._public[purpose]
        encrypted: bytes = self._suite.encrypt(plain, key, info=_info(context))
        return _VERSION + id + encrypted

    async def decrypt(self, sealed: bytes, context: Context) -> bytes | None:
        """Return the plaintext, or None for data not encrypted with an existing pair and this context."""
        from cryptography.exceptions import InvalidTag

        if not sealed.startswith(_VERSION) or len(sealed) <= 1 + ID_BYTES:
            return None
        key = await self._private_key(_purpose(context), sealed[1 : 1 + ID_BYTES])
        if key is None:
            return None
        try:
            plain: bytes = self._suite.decrypt(sealed[1 + ID_BYTES :], key, info=_info(context))
            return plain
        except (InvalidTag, ValueError):
            return None

    @cached_property
    def _suite(self) -> Any:
        from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

        return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)

    async def _find(self, purpose: str) -> "tuple[bytes, X25519PublicKey] | None":
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

        text = await self._read(f"{purpose}/public")
        if text is None:
            return None
        raw = base64.b64decode(text)
        return _id(raw), X25519PublicKey.from_public_bytes(raw)

    async def _make(self, purpose: str) -> "tuple[bytes, X25519PublicKey]":
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

        private = X25519PrivateKey.generate()
        public = private.public_key().public_bytes_raw()
        name = f"{purpose}/private/{_id(public).hex()}"
        await self._write(name, private.private_bytes_raw(), "SecureString")
        await self._write(f"{purpose}/public", public, "String")
        found = await self._find(purpose)  # another process may have stored it first
        if found is None:
            raise Unavailable("The key for secrets does not exist yet; try again.", retry_after=1)
        return found

    async def _private_key(self, purpose: str, id: bytes) -> "X25519PrivateKey | None":
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

        if (purpose, id) not in self._private:
            text = await self._read(f"{purpose}/private/{id.hex()}")
            if text is None:
                return None
            self._private[purpose, id] = X25519PrivateKey.from_private_bytes(base64.b64decode(text))
        return self._private[purpose, id]

    async def _read(self, name: str) -> str | None:
        from botocore.exceptions import ClientError

        try:
            answer = await self._aws.call(
                "ssm", "get_parameter", Name=f"{self._prefix}/{name}", WithDecryption=True
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ParameterNotFound":
                return None
            raise
        return str(answer["Parameter"]["Value"])

    async def _write(self, name: str, key: bytes, kind: str) -> None:
        """Store a key, but never replace one, because everything encrypted with it would be lost."""
        from botocore.exceptions import ClientError

        value = base64.b64encode(key).decode()
        try:
            await self._aws.call(
                "ssm",
                "put_parameter",
                Name=f"{self._prefix}/{name}",
                Value=value,
                Type=kind,
                Overwrite=False,
                Description="Millrace: a key for secrets. Without it they cannot be read.",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ParameterAlreadyExists":
                raise


def _purpose(context: Context) -> str:
    return context.get("purpose", DEFAULT_PURPOSE)


def _id(public: bytes) -> bytes:
    return sha256(public).digest()[:ID_BYTES]


def _info(context: Context) -> bytes:
    return json.dumps(context, sort_keys=True, separators=(",", ":")).encode()
