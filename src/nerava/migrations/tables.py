"""Every table of the product, gathered where migrations and tests can see them all."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

import nerava
from nerava.platform.db import Base

if TYPE_CHECKING:
    from sqlalchemy import MetaData


def metadata() -> MetaData:
    """Import every `model` module of the product and return what they declare, triggers included."""
    for package in pkgutil.iter_modules(nerava.__path__, "nerava."):
        if package.ispkg and package.name != "nerava.migrations":
            for module in pkgutil.iter_modules(
                importlib.import_module(package.name).__path__, f"{package.name}."
            ):
                if module.name.rpartition(".")[2] in {"model", "triggers"} or module.name.endswith("_store"):
                    importlib.import_module(module.name)
    return Base.metadata
