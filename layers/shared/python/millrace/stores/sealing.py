"""Short secrets, encrypted with the deployment's key: a KMS key, or key pairs that cost nothing.

The encryption context contains the secret's owner and purpose. It is not stored with the ciphertext, so a
value that was copied elsewhere does not decrypt, and a role's policy can allow only some purposes.
"""

from functools import cached_property

from millrace.errors import Unavailable
from millrace.stores.aws import Aws
from millrace.stores.sealing_keys import Context, ParameterKeys

__all__ = ["LONGEST", "Context", "Sealer", "key_service"]

LONGEST = 4_096
"""The maximum number of bytes that KMS encrypts in one call."""


class KmsKey:
    """Encrypts and decrypts with a KMS key, one call each."""

    def __init__(self, aws: Aws, key_id: str) -> None:
        self._aws = aws
        self._key_id = key_id

    async def encrypt(self, plain: bytes, context: Context) -> bytes:
        answer = await self._aws.call(
            "kms", "encrypt", KeyId=self._key_id, Plaintext=plain, EncryptionContext=context
        )
        sealed: bytes = answer["CiphertextBlob"]
        return sealed

    async def decrypt(self, sealed: bytes, context: Context) -> bytes | None:
        """Return the plaintext, or None for data not encrypted with this key and context."""
        from botocore.exceptions import ClientError

        try:
            answer = await self._aws.call(
                "kms", "decrypt", KeyId=self._key_id, CiphertextBlob=sealed, EncryptionContext=context
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in ("InvalidCiphertextException", "IncorrectKeyException"):
                return None
            raise
        plain: bytes = answer["Plaintext"]
        return plain


class Sealer:
    """Encrypts and decrypts short texts.

    `key_id` is the ARN or id of a KMS key, or the prefix of key pairs in Systems Manager parameters, which
    begins with a slash.
    """

    def __init__(self, aws: Aws, key_id: str) -> None:
        self._aws = aws
        self._key_id = key_id

    async def seal(self, text: str, context: Context) -> bytes:
        """Encrypt up to `LONGEST` bytes of UTF-8."""
        return await self._key.encrypt(text.encode(), context)

    async def unseal(self, sealed: bytes, context: Context) -> str | None:
        """Return the text, or None for data not encrypted with this key and context."""
        plain = await self._key.decrypt(sealed, context)
        return None if plain is None else plain.decode()

    @cached_property
    def _key(self) -> KmsKey | ParameterKeys:
        if not self._key_id:
            raise Unavailable(
                "This deployment has no key for secrets; set SECRETS_KEY_ID in the function's environment.",
                code="not_configured",
            )
        if key_service(self._key_id) == "ssm":
            return ParameterKeys(self._aws, self._key_id)
        return KmsKey(self._aws, self._key_id)


def key_service(key_id: str) -> str:
    """Return the service that stores the key."""
    return "ssm" if key_id.startswith("/") else "kms"
