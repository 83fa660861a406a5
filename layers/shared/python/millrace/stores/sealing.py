"""Short secrets, encrypted by one KMS key of the deployment.

The encryption context says whose a secret is and where it may go. It is not stored with the ciphertext, so a
value that was copied elsewhere does not decrypt, and a role's policy can allow some contexts only.
"""

from millrace.errors import Unavailable
from millrace.stores.aws import Aws

LONGEST = 4_096
"""The bytes that KMS encrypts at once."""

Context = dict[str, str]


class Sealer:
    """Encrypts and decrypts with the key of the deployment; each is one call of KMS."""

    def __init__(self, aws: Aws, key_id: str) -> None:
        self._aws = aws
        self._key_id = key_id

    async def seal(self, text: str, context: Context) -> bytes:
        """Encrypt up to `LONGEST` bytes of UTF-8."""
        answer = await self._aws.call(
            "kms",
            "encrypt",
            KeyId=self._key(),
            Plaintext=text.encode(),
            EncryptionContext=context,
        )
        sealed: bytes = answer["CiphertextBlob"]
        return sealed

    async def unseal(self, sealed: bytes, context: Context) -> str | None:
        """Decrypt; None for what was not sealed with this key and context."""
        from botocore.exceptions import ClientError

        try:
            answer = await self._aws.call(
                "kms",
                "decrypt",
                KeyId=self._key(),
                CiphertextBlob=sealed,
                EncryptionContext=context,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in ("InvalidCiphertextException", "IncorrectKeyException"):
                return None
            raise
        plain: bytes = answer["Plaintext"]
        return plain.decode()

    def _key(self) -> str:
        if not self._key_id:
            raise Unavailable(
                "This deployment has no key for secrets; set SECRETS_KEY_ID in the function's environment.",
                code="not_configured",
            )
        return self._key_id
