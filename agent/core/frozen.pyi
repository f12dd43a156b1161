# What type checkers see: `frozen` makes dataclasses. (typing has `dataclass_transform` since Python 3.11 only.)
import dataclasses
from collections.abc import Mapping
from dataclasses import field as field
from dataclasses import replace as replace
from typing import Any, TypeVar

from typing_extensions import dataclass_transform

_Class = TypeVar("_Class")

@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(dataclasses.field,))
def frozen(cls: type[_Class]) -> type[_Class]: ...
def field_types(cls: type) -> Mapping[str, Any]: ...
