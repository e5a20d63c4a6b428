"""The caller of a request as whoever does something about access."""

from __future__ import annotations

from nerava.web.api.audited import Acting

Acts = Acting
"""The caller, under the role of this request."""
