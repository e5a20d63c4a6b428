"""What an import and discovery refuse."""

from __future__ import annotations

from http import HTTPStatus

from nerava.kernel.errors import NeravaError


class ImportEmpty(NeravaError):
    """A feed that says it is complete has far fewer rows than are known; nothing was changed."""

    code = "import-too-small"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The file has far fewer rows than are known"


class ImportOvertaken(NeravaError):
    """Another process goes on with this very import; it has the turn."""

    code = "import-overtaken"
    status = HTTPStatus.CONFLICT
    title = "Another process is importing the same"


class FileUnreadable(NeravaError):
    """A file is not of the format that it should be."""

    code = "import-file-unreadable"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The file cannot be read"


class UnknownLocation(NeravaError):
    """No charging location that can be shown has this id."""

    code = "unknown-location"
    status = HTTPStatus.NOT_FOUND
    title = "No such charging location"


class EditInvalid(NeravaError):
    """A field cannot be edited, or not to this value."""

    code = "edit-invalid"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The edit is not possible"


class UnknownRow(NeravaError):
    """The source has no such row."""

    code = "unknown-row"
    status = HTTPStatus.NOT_FOUND
    title = "The source has no such row"


class UnknownPlace(NeravaError):
    """No place has this id, or it is gone."""

    code = "unknown-place"
    status = HTTPStatus.NOT_FOUND
    title = "No such place"
