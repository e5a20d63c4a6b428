"""What addresses in settings look like: over TLS, or of this machine."""

from __future__ import annotations

from typing import Final

TLS_OR_LOCAL: Final = r"^(https://|http://(127\.0\.0\.1|localhost)[:/])"
"""The beginning of an address."""

WITHOUT_FRAGMENT: Final = TLS_OR_LOCAL + r"[^#\s]+$"
WITHOUT_QUERY: Final = TLS_OR_LOCAL + r"[^#?\s]+$"

OF_AN_APP: Final = r"^[a-z][a-z0-9+.-]{1,40}://[^#?\s]{1,300}$"
"""Of a scheme that an app may have for itself."""
