"""How secret settings get their values: each through the source that the installation has chosen."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic import BaseModel, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from nerava.kernel.clock import SystemClock
from nerava.kernel.errors import NeravaError
from nerava.platform.aws_secrets import AwsSecrets
from nerava.platform.live_secrets import EnvironmentSource, FileSource, Origin
from nerava.platform.redaction import REDACTOR
from nerava.platform.secrets import SecretUnusable, Weakness

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from pydantic.fields import FieldInfo

    from nerava.platform.live_secrets import SecretSource

FILE: Final = "_file"
"""Behind the name of a secret setting: the name of the file that holds it."""

Origins = dict[str, Origin]
"""By dotted name of a secret setting (`stripe.key`), where it came from."""


class SecretsRefused(NeravaError):
    """Secrets that settings refer to cannot be had; each is told by its setting, without its value."""

    code = "secrets-refused"
    status = SecretUnusable.status
    title = "Secrets cannot be read"

    def __init__(self, found: Sequence[Weakness]) -> None:
        super().__init__("; ".join(f"{one.setting}: {one.problem}" for one in found))
        self.found = tuple(found)


def secret_fields(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Yield group and field of every secret setting."""
    for group, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            for name, inner in kind.model_fields.items():
                if is_secret(inner):
                    yield group, name


def is_secret(field: FieldInfo) -> bool:
    """Return whether a field of settings holds a secret."""
    return SecretStr in (field.annotation, *get_args(field.annotation))


class ResolvedSecrets(PydanticBaseSettingsSource):
    """The environment, with every secret setting read from where it is kept."""

    def __init__(
        self,
        settings_cls: type[BaseSettings],
        environment: Sequence[PydanticBaseSettingsSource],
        *,
        prefix: str,
        delimiter: str,
    ) -> None:
        super().__init__(settings_cls)
        self._environment = environment
        self._prefix = prefix
        self._delimiter = delimiter

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - the library's
        """Return nothing: all settings are read at once."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return all settings as nested dictionaries.

        Raises:
            SecretsRefused: With every secret that cannot be had (503).
        """
        tree = self._merged()
        clock = SystemClock()
        chosen = self._chosen(tree, clock)
        origins: Origins = {}
        refused: list[Weakness] = []
        for group, name in secret_fields(self.settings_cls):
            given = tree.get(group)
            if not isinstance(given, dict):
                continue
            variable = f"{self._prefix}{group}{self._delimiter}{name}".upper()
            try:
                origin = self._origin(given, name, variable, chosen, clock.now())
            except NeravaError as error:
                refused.append(Weakness(variable, error.detail))
                continue
            if origin is not None:
                given[name] = origin.text
                origins[f"{group}.{name}"] = origin
        if refused:
            raise SecretsRefused(refused)
        _read_last.set(origins)
        return tree

    def _merged(self) -> dict[str, Any]:
        """Return what the sources say, group by group; earlier ones go first."""
        tree: dict[str, Any] = {}
        for source in reversed(self._environment):
            for name, value in source().items():
                known = tree.get(name)
                if isinstance(known, dict) and isinstance(value, dict):
                    tree[name] = {**known, **value}
                else:
                    tree[name] = value
        return tree

    def _chosen(self, tree: dict[str, Any], clock: SystemClock) -> SecretSource:
        group = tree.get("secrets")
        if isinstance(group, dict) and group.get("provider") == "aws":
            return AwsSecrets(clock, group.get("aws_region"))
        return EnvironmentSource()

    def _origin(
        self, given: dict[str, Any], name: str, variable: str, chosen: SecretSource, now: datetime
    ) -> Origin | None:
        has_own_file = f"{name}{FILE}" in self._fields_beside(variable)
        file = None if has_own_file else given.pop(f"{name}{FILE}", None)
        reference = given.get(name)
        if file is not None and reference is not None:
            message = "and the file with it are both set"
            raise SecretUnusable(message)
        source = chosen
        if file is not None:
            source, reference = FileSource(), str(file)
        if not isinstance(reference, str):
            return None
        text = source.read(reference, now)
        REDACTOR.learn_setting(text)
        return Origin(variable, source, reference, text, now)

    def _fields_beside(self, variable: str) -> Mapping[str, FieldInfo]:
        group = variable.removeprefix(self._prefix).partition(self._delimiter)[0].lower()
        kind = self.settings_cls.model_fields[group].annotation
        if not isinstance(kind, type) or not issubclass(kind, BaseModel):
            raise AssertionError("secrets stand in groups")
        return kind.model_fields


_read_last: ContextVar[Origins | None] = ContextVar("secrets read last", default=None)
"""From the source to the settings made of it: the library hands nothing else from one to the other."""


def origins_just_read() -> Origins:
    """Return where the secrets came from that were read in this thread last, and forget it."""
    found = _read_last.get()
    _read_last.set(None)
    return found or {}
