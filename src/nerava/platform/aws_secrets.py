"""AWS Secrets Manager as a source of secrets; boto3 is loaded at the first read, only where it is chosen."""

from __future__ import annotations

import base64
import json
import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from nerava.platform.redaction import REDACTOR
from nerava.platform.secrets import SecretMissing, SecretUnusable

if TYPE_CHECKING:
    from nerava.kernel.clock import Clock

KEY_MARK: Final = "#"
"""Between the name or ARN of a secret and a key of the JSON object in it; no name and no ARN has one."""

CONNECT_S: Final = 1.0
READ_S: Final = 2.0
ATTEMPTS: Final = 2
DOWN_FOR: Final = timedelta(seconds=5)
"""After no answer came, nobody else waits for one so soon: a start says what is missing within seconds."""

ONE_READING: Final = timedelta(seconds=60)
"""Settings that refer to keys of one secret share a reading of it, if they ask within this time."""

_NOT_THERE: Final = frozenset({"ResourceNotFoundException", "InvalidRequestException"})
_MEANING: Final = {
    "AccessDeniedException": "AWS does not allow this process to read it (secretsmanager:GetSecretValue)",
    "DecryptionFailure": "AWS cannot decrypt it (kms:Decrypt)",
    "UnrecognizedClientException": "AWS does not know the credentials of this process",
    "InvalidSignatureException": "AWS does not know the credentials of this process",
    "ExpiredTokenException": "the AWS credentials of this process have expired",
}


class AwsSecrets:
    """Secrets in AWS Secrets Manager. Safe to share between threads.

    A setting holds `name` or `arn:aws:secretsmanager:…`; with `#key` behind it the secret is a JSON
    object and the setting is that key's value. Credentials are those that boto3 finds: the role of
    the task or the machine, or its own variables.
    """

    waits: Final = True

    def __init__(self, clock: Clock, region: str | None = None) -> None:
        self._clock = clock
        self._region = region
        self._lock = threading.Lock()
        self._clients: dict[str | None, Any] = {}
        self._read: dict[str, tuple[datetime, str]] = {}
        self._down_until: datetime | None = None

    def read(self, reference: str, not_before: datetime) -> str:
        """Return a secret; settings that ask for keys of one secret within a minute share one call.

        Raises:
            SecretMissing: AWS has no such secret, or it has no such key (503).
            SecretUnusable: AWS does not answer or refuses, or boto3 is not installed (503).
        """
        name, mark, key = reference.partition(KEY_MARK)
        if not name.strip():
            message = "must be the name or ARN of a secret in AWS Secrets Manager"
            raise SecretUnusable(message)
        with self._lock:
            text = self._text(name, not_before)
        return _member(text, key) if mark else text

    def _text(self, name: str, not_before: datetime) -> str:
        known = self._read.get(name)
        if known is not None and not_before - ONE_READING < known[0]:
            return known[1]
        now = self._clock.now()
        if self._down_until is not None and now < self._down_until:
            raise SecretUnusable(_NO_ANSWER)
        text = self._fetched(name, now)
        REDACTOR.learn(text)
        self._read[name] = now, text
        return text

    def _fetched(self, name: str, now: datetime) -> str:
        client = self._client(name)
        from botocore.exceptions import (  # noqa: PLC0415 - where AWS is chosen only
            BotoCoreError,
            ClientError,
            HTTPClientError,
            NoCredentialsError,
            NoRegionError,
            ParamValidationError,
        )

        try:
            found: dict[str, Any] = client.get_secret_value(SecretId=name)
        except ClientError as error:
            raise _refusal(str(error.response.get("Error", {}).get("Code", ""))) from None
        except NoCredentialsError:
            message = "this process has no AWS credentials"
            raise SecretUnusable(message) from None
        except (NoRegionError, ParamValidationError, ValueError):
            message = "must be the name or ARN of a secret in AWS Secrets Manager, in a region that is set"
            raise SecretUnusable(message) from None
        except (HTTPClientError, BotoCoreError):
            # Without a cause: its text holds the address, and may hold what was asked for.
            self._down_until = now + DOWN_FOR
            raise SecretUnusable(_NO_ANSWER) from None
        text = found.get("SecretString")
        return text if isinstance(text, str) else base64.b64encode(found["SecretBinary"]).decode()

    def _client(self, name: str) -> Any:  # noqa: ANN401 - boto3 makes its classes when it runs
        parts = name.split(":")
        region = parts[3] if name.startswith("arn:") and len(parts) > 3 else self._region  # noqa: PLR2004 - an ARN's fourth part
        if region not in self._clients:
            try:
                import boto3  # noqa: PLC0415 - where AWS is chosen only
                from botocore.config import Config  # noqa: PLC0415 - as above
                from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - as above
            except ImportError:
                message = "AWS Secrets Manager needs boto3: install nerava with its extra `aws`"
                raise SecretUnusable(message) from None
            patience = Config(
                connect_timeout=CONNECT_S,
                read_timeout=READ_S,
                retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
            )
            try:
                made = boto3.session.Session().client("secretsmanager", region_name=region, config=patience)
            except (BotoCoreError, ValueError):
                message = "must name a region that AWS has: NERAVA_SECRETS__AWS_REGION, or an ARN"
                raise SecretUnusable(message) from None
            self._clients[region] = made
        return self._clients[region]


_NO_ANSWER: Final = "AWS Secrets Manager does not answer"


def _refusal(code: str) -> SecretMissing | SecretUnusable:
    if code in _NOT_THERE:
        return SecretMissing("AWS Secrets Manager has nothing under the name it gives")
    return SecretUnusable(_MEANING.get(code, f"AWS Secrets Manager refuses it ({code})"))


def _member(text: str, key: str) -> str:
    try:
        found: Any = json.loads(text)
    except ValueError:
        # Without a cause: its text holds a part of the secret.
        found = None
    if not isinstance(found, dict):
        message = "names a key, but the secret is no JSON object"
        raise SecretUnusable(message)
    value = found.get(key)
    if not isinstance(value, str) or not value:
        message = "the secret has no such key, or no text under it"
        raise SecretMissing(message)
    REDACTOR.learn(value)
    return value
